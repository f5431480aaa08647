"""What a finished training saw, recomputed from its run."""

from pathlib import Path

import numpy as np
import pytest

from robot_il.errors import DataError
from robot_il.learning.inspection import inspect, principal_plane
from robot_il.learning.report import write_report
from robot_il.learning.trainer import Job, train
from tests.learning.pendulum import saved

SMALL = {"policy_hidden": "16", "batch": "32", "steps": "60", "evaluate_every": "10", "checkpoint_every": "20"}
MODEL = {"model_hidden": "16", "model_pretrain_steps": "20", "policy_pretrain_steps": "10", "refresh_rows": "40"}
JUDGED = {"discriminator_hidden": "16", "discriminator_lr": "0.01"}
SETTINGS = {"bc": SMALL, "dmil": SMALL | MODEL | JUDGED, "d2mil": SMALL | MODEL | JUDGED}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inspection")
    saved(root / "data", episodes={"expert": 4, "suboptimal": 4, "undesirable": 2})
    for name, settings in SETTINGS.items():
        train(Job(name, root / "data", root / name, 0, settings))
    return {name: root / name for name in SETTINGS}


def test_every_episode_is_accounted_for(runs):
    found = inspect(runs["bc"]).contributions
    assert [each.episode for each in found] == list(range(10))
    assert [each.label for each in found] == ["expert"] * 4 + ["suboptimal"] * 4 + ["undesirable"] * 2
    assert all(each.train + each.held_out == 60 for each in found)


def test_a_method_without_weights_counts_what_it_imitates_alike_and_the_rest_not_at_all(runs):
    for each in inspect(runs["bc"]).contributions:
        assert each.weight == (1.0 if each.label == "expert" and each.train else None)


def test_dmils_weights_lie_between_those_of_its_clip(runs):
    weights = [each.weight for each in inspect(runs["dmil"]).contributions if each.weight is not None]
    assert len(weights) == 3
    assert all(0 <= weight <= 10 - 1 / 0.9 for weight in weights)


def test_d2mil_weighs_expert_and_suboptimal_episodes_apart_and_leaves_the_undesirable_out(runs):
    found = inspect(runs["d2mil"]).contributions
    weights = {label: [e.weight for e in found if e.label == label and e.train] for label in ("expert", "suboptimal")}
    assert min(weights["expert"]) > max(weights["suboptimal"]) >= 0
    assert all(each.weight is None for each in found if each.label == "undesirable")


def test_the_embedding_is_there_for_methods_with_a_discriminator_and_no_others(runs):
    assert inspect(runs["bc"]).stages == ()
    for name in ("dmil", "d2mil"):
        for stage in inspect(runs[name]).stages:
            assert stage.real.shape[1] == stage.imagined.shape[1] == 2
            assert len(stage.verdict) == len(stage.imagined) > 0
            assert ((stage.verdict >= 0) & (stage.verdict <= 1)).all()
            assert 0 < stage.explained[1] <= stage.explained[0] <= 1


def test_looking_twice_shows_the_same(runs):
    first, second = inspect(runs["dmil"]), inspect(runs["dmil"])
    assert first.contributions == second.contributions
    np.testing.assert_array_equal(first.stages[0].imagined, second.stages[0].imagined)


def test_the_plane_is_that_of_the_largest_variance():
    random = np.random.default_rng(0)
    points = random.normal(size=(5000, 3)) * [3.0, 0.1, 1.0] + [5.0, 6.0, 7.0]
    centre, axes, explained = principal_plane(points)
    assert centre == pytest.approx([5, 6, 7], abs=0.1)
    assert np.abs(axes - np.array([[1, 0], [0, 0], [0, 1]])).max() < 0.05
    assert explained == pytest.approx((9 / 10.01, 1 / 10.01), abs=0.02)


def test_the_report_shows_it_with_seeds_together(runs, tmp_path):
    write_report(tmp_path / "report.html", runs=list(runs.values()))
    page = (tmp_path / "report.html").read_text()
    for words in ("What did training see?", "Discriminators", "Demonstrations and rollouts", "undesirable"):
        assert words in page
    assert page.count("<figure>") == 1 + 1 + 2


def test_a_run_whose_dataset_is_gone_is_still_reported_without_that(runs, tmp_path):
    data = saved(tmp_path / "data", episodes={"expert": 4})
    train(Job("bc", data, tmp_path / "run", 0, SMALL))
    data.rename(tmp_path / "moved")
    with pytest.raises(DataError):
        inspect(tmp_path / "run")
    write_report(tmp_path / "report.html", runs=[tmp_path / "run"])
    page = (tmp_path / "report.html").read_text()
    assert "could not be looked into" in page
    assert "What did training see?" not in page
