"""The rule by which a policy beats least squares, and what the rule is applied to."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from robot_il.errors import ConfigError, PolicyError
from robot_il.learning.evaluation import Episode
from robot_il.learning.export import export_policy
from robot_il.learning.selection import (
    Duel,
    checkpoints_of,
    duel,
    error_duel,
    fingerprint,
    held_out_errors,
    judged_rows,
    linear_policies,
    rank,
)
from robot_il.learning.trainer import Job, train
from tests.learning.pendulum import pendulum_dataset, saved

SMALL = {"policy_hidden": "16", "batch": "32", "steps": "90", "evaluate_every": "10", "checkpoint_every": "20"}


def drive(survived: str, tilt: float = 0.1) -> list[Episode]:
    """One episode a letter: ``+`` survived, ``-`` not."""
    return [Episode(seed, 10.0, sign == "+", "", 0.1, tilt, 1.0) for seed, sign in enumerate(survived)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("selection")
    saved(root / "data", episodes={"expert": 5, "suboptimal": 5})
    train(Job("bc", root / "data", root / "bc", 0, SMALL))
    return root


def test_survival_is_compared_on_the_draws_where_only_one_survives():
    outcome = duel(drive("++++++++--"), drive("--------+-"))
    assert (outcome.more, outcome.fewer) == (8, 1)
    assert outcome.p_survival == pytest.approx(binomtest(8, 9).pvalue)


def test_tilt_is_compared_on_the_draws_that_both_survive():
    outcome = duel(drive("+++-", 0.1), drive("++-+", 0.2))
    assert (outcome.better, outcome.worse) == (2, 0)


@pytest.mark.parametrize(
    ("outcome", "won"),
    [
        (Duel(8, 1, 0, 0), True),  # survives more: p 0.039
        (Duel(7, 1, 0, 0), False),  # as likely by chance: p 0.07
        (Duel(1, 8, 0, 0), False),
        (Duel(0, 0, 9, 1), True),  # leans less: p 0.021
        (Duel(0, 0, 1, 9), False),
        (Duel(0, 0, 5, 5), False),
        (Duel(0, 1, 50, 0), False),  # leaning less does not make up for a fall
        (Duel(2, 1, 50, 0), True),
        (Duel(0, 0, 0, 0), False),
    ],
)
def test_the_rule(outcome, won):
    assert outcome.won is won


def test_errors_are_compared_episode_by_episode():
    outcome = error_duel(np.array([1.0, 2.0, 3.0, 1.0]), np.array([2.0, 3.0, 1.0, 1.0]))
    assert (outcome.better, outcome.worse) == (2, 1)


def test_policies_are_ranked_by_survival_before_tilt():
    best, calm, shaky = drive("+++", 0.3), drive("++-", 0.1), drive("++-", 0.2)
    assert sorted([shaky, best, calm], key=rank) == [best, calm, shaky]


def test_the_chosen_policy_and_those_of_doubling_steps_and_the_last_are_candidates_each_once(folder):
    found = checkpoints_of(folder / "bc", "bc")
    assert found[0].chosen
    assert {each.step for each in found} == {10, 20, 40, 80, 90}
    assert len({fingerprint(each.weights) for each in found}) == len(found)
    assert [each.name.endswith("*") for each in found] == [True] + [False] * (len(found) - 1)


def test_a_run_without_an_end_has_no_candidates(folder, tmp_path):
    looks = iter(range(100))
    assert train(Job("bc", folder / "data", tmp_path / "cut", 0, SMALL), stop=lambda: next(looks) > 30) is None
    with pytest.raises(PolicyError, match="complete run"):
        checkpoints_of(tmp_path / "cut", "cut")
    with pytest.raises(ConfigError):
        checkpoints_of(tmp_path, "none")


def test_a_kept_policy_is_exported_as_what_it_is(folder, tmp_path):
    early = next(each for each in checkpoints_of(folder / "bc", "bc") if each.step == 20)
    report = export_policy(folder / "bc", tmp_path / "early.onnx", 20)
    assert report.metadata.training["chosen_step"] == 20
    assert "held_out" not in report.metadata.training
    assert report.parity <= 1e-5
    with pytest.raises(PolicyError, match="10, 20, 40, 80, 90"):
        export_policy(folder / "bc", tmp_path / "none.onnx", 30)
    assert not (tmp_path / "none.onnx").exists()
    assert early.weights.observation_size == 4


def test_nothing_is_kept_where_that_is_not_wanted(folder, tmp_path):
    train(Job("bc", folder / "data", tmp_path / "run", 0, SMALL | {"keep_policies": "false"}))
    assert [each.chosen for each in checkpoints_of(tmp_path / "run", "run")] == [True]


def test_one_number_makes_another_policy(folder):
    weights = checkpoints_of(folder / "bc", "bc")[0].weights
    (weight, bias), *rest = weights.layers
    other = replace(weights, layers=((weight, bias + np.float32(1e-6)), *rest))
    assert fingerprint(weights) == fingerprint(replace(weights))
    assert fingerprint(weights) != fingerprint(other)


def test_all_are_judged_by_the_held_out_expert_rows_and_each_episode_counts_once():
    dataset = pendulum_dataset({"expert": 5, "suboptimal": 5})
    rows, labels = judged_rows(dataset)
    assert labels == "expert"
    assert dataset.held_out[rows].all()
    errors = held_out_errors(lambda states: np.zeros((len(states), 1)), dataset)
    assert errors == pytest.approx([np.square(dataset.actions[rows]).mean()], rel=1e-6)


def test_without_held_out_expert_rows_others_judge():
    assert judged_rows(pendulum_dataset({"suboptimal": 4, "unlabeled": 3}))[1] == "suboptimal and unlabeled"
    none = pendulum_dataset({"expert": 1, "suboptimal": 1})
    assert judged_rows(none)[1] == "no"
    assert not len(held_out_errors(lambda states: states, none))


def test_least_squares_of_the_same_rows_is_one_baseline_and_errs_as_the_summary_says(folder):
    train(Job("dmil", folder / "data", folder / "dmil", 0, SMALL | {"model_pretrain_steps": "5", "refresh_rows": "40"}))
    dataset = pendulum_dataset({"expert": 5, "suboptimal": 5})
    found = [*checkpoints_of(folder / "bc", "bc"), *checkpoints_of(folder / "dmil", "dmil")]
    policies = linear_policies(dataset, found)
    assert list(policies) == ["linear (bc)"]
    (law,) = policies.values()
    # the demonstrator is a linear feedback, clipped at the limits
    assert held_out_errors(law, dataset).mean() < 0.01 * held_out_errors(lambda s: 0 * s[:, :1], dataset).mean()
