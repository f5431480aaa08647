"""Several seeds a step at a time: each comes to what it would alone, whatever becomes of the others."""

import math
from dataclasses import replace

import pytest
import torch

from robot_il.cli.training_pool import seeds_together, train_all
from robot_il.errors import ConfigError, TrainingError
from robot_il.learning.registry import METHODS
from robot_il.learning.runs import RunFolder
from robot_il.learning.stepping import BranchingStepper, PlainStepper, planned_stepping
from robot_il.learning.trainer import Job, train_together
from robot_il.spec import LABELS
from tests.learning.pendulum import pendulum_dataset, saved
from tests.learning.test_methods import fresh, small_settings, train, without_time

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def dataset():
    return pendulum_dataset(dict.fromkeys(LABELS, 6), rows=40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("stepping") / "data", episodes=dict.fromkeys(LABELS, 6), rows=40)


def jobs(method: str, folder, out, **settings: str) -> list[Job]:
    return [Job(method, folder, out / f"{method}-{seed}", seed, small_settings(method) | settings) for seed in SEEDS]


def outcome(path) -> tuple:
    run = RunFolder(path)
    return (path / "policy.npz").read_bytes(), without_time(run.metrics()), {**run.summary(), "seconds": 0}


@pytest.mark.parametrize("method", ["linear", "bc", "dmil", "oril", "dwbc", "dagger", "reward_model"])
def test_seeds_that_train_together_come_to_what_each_does_alone(method, folder, tmp_path):
    together = jobs(method, folder, tmp_path / "together")
    results = train_together(together, make_environment=train.keywords["make_environment"])
    assert [result.error for result in results] == [None] * len(SEEDS)
    for job, result in zip(together, results, strict=True):
        train(replace(job, out=tmp_path / f"alone-{job.seed}"))
        assert outcome(job.out) == outcome(tmp_path / f"alone-{job.seed}")
        assert result.summary["chosen_step"] == RunFolder(job.out).summary()["chosen_step"]
    assert len({job.out.joinpath("policy.npz").read_bytes() for job in together}) == (1 if method == "linear" else 3)


def test_a_seed_that_is_over_early_leaves_the_others_to_go_on(folder, tmp_path):
    settings = {"steps": "2000", "patience_steps": "30", "patience_share": "0"}
    results = train_together(jobs("bc", folder, tmp_path, **settings))
    steps = [result.summary["steps"] for result in results]
    assert len(set(steps)) > 1
    assert all(result.summary["stop_reason"] == "held-out" for result in results)


def test_a_seed_that_cannot_be_trained_leaves_the_others_alone(folder, tmp_path):
    group = jobs("bc", folder, tmp_path)
    group[1].out.mkdir()
    results = train_together(group)
    assert isinstance(results[1].error, ConfigError)
    assert [result.summary["steps"] for result in (results[0], results[2])] == [60, 60]


def test_divergence_of_every_seed_is_told_of_each(folder, tmp_path):
    results = train_together(jobs("bc", folder, tmp_path, policy_lr="1e30", patience_steps="0"))
    assert all(isinstance(result.error, TrainingError) for result in results)
    assert all(result.summary is None for result in results)


def test_stopped_seeds_are_resumed_together_bit_for_bit(folder, tmp_path):
    whole, cut = jobs("dmil", folder, tmp_path / "whole"), jobs("dmil", folder, tmp_path / "cut")
    train_together(whole)
    polled = iter(range(10_000))
    first = train_together(cut, stop=lambda: next(polled) >= 40)
    assert [result.summary for result in first] == [None] * 3
    train_together([replace(job, settings=None, resume=True) for job in cut])
    assert [outcome(job.out) for job in whole] == [outcome(job.out) for job in cut]


def test_the_pool_trains_a_methods_seeds_together_and_says_what_became_of_each(folder, tmp_path, capsys):
    group = [job for method in ("bc", "dwbc") for job in jobs(method, folder, tmp_path / "a")]
    outcomes = seeds_together(group, "reference")
    assert [done.name for done in outcomes] == [job.out.name for job in group]
    assert all(done.summary is not None for done in outcomes)
    alone = train_all([replace(job, out=tmp_path / "b" / job.out.name) for job in group], 1, "reference")
    for done, other in zip(outcomes, alone, strict=True):
        assert outcome(done.job.out) == outcome(other.job.out)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("method", ["bc", "oril", "dmil", "airl"])
def test_losses_summed_where_they_arise_are_the_losses(method, dataset):
    """The stepper of a GPU, which also works on the CPU: several learners, some networks only every other step."""
    plain, summed = ([fresh(method, dataset, seed) for seed in SEEDS] for _ in range(2))
    for learner in (*plain, *summed):
        learner.prepare(lambda what, done, most: None)
    one, all_at_once = PlainStepper(), BranchingStepper(summed)
    expected = [{} for _ in SEEDS]
    for _ in range(7):
        one.step(plain)
        all_at_once.step(summed)
        for sums, learner in zip(expected, plain, strict=True):
            for name, loss in one.losses(learner).items():
                total, steps, worst = sums.get(name, (0.0, 0, 0.0))
                sums[name] = total + loss.total, steps + 1, max(worst, abs(loss.total))
    for sums, learner, other in zip(expected, summed, plain, strict=True):
        found = all_at_once.losses(learner)
        assert set(found) == set(sums)
        for name, (total, steps, worst) in sums.items():
            assert found[name].total == pytest.approx(total, rel=1e-12)
            assert (found[name].steps, found[name].worst) == (steps, pytest.approx(worst, rel=1e-6))
        assert learner.monitors() == other.monitors()
        assert all_at_once.losses(learner) == {}  # what was read is not read again


def test_a_loss_that_is_no_number_is_the_worst(dataset):
    learner = fresh("bc", dataset)
    stepper = BranchingStepper([learner])
    stepper.step([learner])
    with torch.no_grad():
        learner.policy.body[0].weight.fill_(math.nan)
    stepper.step([learner])
    learner.restore(fresh("bc", dataset).state())
    stepper.step([learner])
    assert math.isnan(stepper.losses(learner)["policy"].worst)


def test_methods_whose_step_cannot_be_captured_say_why():
    gpu = torch.device("cuda")
    planned = {name: planned_stepping(method.learner, gpu) for name, method in METHODS.items()}
    eager = {name for name, how in planned.items() if how != "captured"}
    assert eager == {"airl", "gail"}
    assert all(planned[name].startswith("eager: ") and len(planned[name]) > 20 for name in eager)
    assert {planned_stepping(method.learner, torch.device("cpu")) for method in METHODS.values()} == {"plain"}
