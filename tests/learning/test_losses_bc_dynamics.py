"""BC+d and its two phases, methods.md's Eq. 11 to 13 of Zhang et al. 2022."""

from pathlib import Path

import numpy as np
import pytest
import torch

from robot_il.learning.algorithms.bc import bc_loss
from robot_il.learning.algorithms.bc_dynamics import model_loss, union_loss
from robot_il.learning.learner import Learner
from robot_il.learning.problem import Problem
from robot_il.learning.registry import METHODS
from robot_il.learning.rows import Rows
from robot_il.learning.runs import RunFolder
from robot_il.learning.trainer import Job, train
from tests.learning.pendulum import pendulum_dataset, saved

SMALL = {"policy_hidden": "16", "batch": "32", "evaluate_every": "10", "checkpoint_every": "20"}
SMALL_MODEL = {"model_hidden": "16", "refresh_rows": "40", "refresh_every": "5"}


def silent(what: str, done: int, most: int) -> None:
    pass


def made(name: str, **settings: str) -> Learner:
    config = METHODS[name].config.parse(SMALL | settings)
    problem = Problem.build(
        pendulum_dataset({"expert": 5}), config.sources(), drop_falls=METHODS[name].learner.drop_falls
    )
    return METHODS[name].learner(config, problem, 3)


def policy_of(learner: Learner) -> list[torch.Tensor]:
    return [part.clone() for part in learner.modules["policy"].state_dict().values()]


def model_of(learner: Learner) -> list[torch.Tensor]:
    return [part.clone() for part in learner.modules["model"].state_dict().values()]


def test_eq_13_is_the_mean_over_the_union_of_both_halves():
    expert, rollout = torch.tensor([[1.0], [3.0]]), torch.tensor([[-2.0], [5.0]])
    assert union_loss(torch.cat([expert, rollout])) == pytest.approx(-(1 + 3 - 2 + 5) / 4)


def test_eq_12_sums_over_the_channels_and_averages_over_rows():
    assert model_loss(torch.tensor([[1.0, 2.0], [3.0, 4.0]])) == pytest.approx(-5.0)


def test_rollouts_equal_to_the_demonstrations_leave_the_loss_of_bc():
    log_policy = torch.randn(50, 1, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(union_loss(torch.cat([log_policy, log_policy])), bc_loss(log_policy), rtol=0, atol=1e-7)


def test_without_rollouts_the_steps_are_those_of_bc_bit_for_bit():
    ours, bc = made("bc_dynamics", refresh_every="1000", model_hidden="16"), made("bc")
    for _ in range(20):
        assert ours.step()["policy"] == bc.step()["policy"]
    assert all(map(torch.equal, policy_of(ours), policy_of(bc)))


def test_with_rollouts_they_are_not():
    ours, bc = made("bc_dynamics", **SMALL_MODEL), made("bc")
    ours.prepare(silent)
    for _ in range(3):
        ours.step()
        bc.step()
    assert not all(map(torch.equal, policy_of(ours), policy_of(bc)))


def test_half_of_a_batch_is_demonstrations_and_the_model_learns_from_those_alone():
    learner = made("bc_dynamics", **SMALL_MODEL)
    learner.prepare(silent)
    batch = learner.draw()
    assert len(batch) == 64
    others = Rows.stack(batch.first(32), learner.ring.draw(32, learner.generator))
    assert not torch.equal(others.table, batch.table)
    assert torch.equal(learner.losses(batch)["model"], learner.losses(others)["model"])
    assert not torch.equal(learner.losses(batch)["policy"], learner.losses(others)["policy"])


def test_the_model_stays_as_it_is_in_phase_2_and_the_policy_does_not():
    learner = made("bc_dynamics_2phase", policy_pretrain_steps="20", model_pretrain_steps="20", **SMALL_MODEL)
    learner.prepare(silent)
    model, policy, rollouts = model_of(learner), policy_of(learner), learner.ring.rows().table.clone()
    for _ in range(7):
        assert set(learner.step()) == {"policy"}
    assert all(map(torch.equal, model_of(learner), model))
    assert not any(map(torch.equal, policy_of(learner), policy))
    assert not torch.equal(learner.ring.rows().table, rollouts)


def test_phase_2_of_no_steps_is_bc_bit_for_bit(tmp_path: Path):
    data = saved(tmp_path / "data", episodes={"expert": 5})
    assert train(Job("bc", data, tmp_path / "run", 3, SMALL | {"steps": "60"})) is not None
    learner = made("bc_dynamics_2phase", policy_pretrain_steps="60", model_pretrain_steps="20", **SMALL_MODEL)
    learner.prepare(silent)
    ours, theirs = learner.policy_weights(), RunFolder(tmp_path / "run").policy()
    for (weight, bias), (other_weight, other_bias) in zip(ours.layers, theirs.layers, strict=True):
        np.testing.assert_array_equal(weight, other_weight)
        np.testing.assert_array_equal(bias, other_bias)


def test_phase_1_leaves_a_better_model_than_none(tmp_path: Path):
    learner = made("bc_dynamics_2phase", policy_pretrain_steps="20", model_pretrain_steps="60", **SMALL_MODEL)
    before = learner.model_nll()
    learner.prepare(silent)
    assert learner.model_nll() < before
