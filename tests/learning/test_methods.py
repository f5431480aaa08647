"""What every registered method must do; a new line in the registry is covered without a new line here."""

from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from robot_il.errors import ConfigError, DataError
from robot_il.learning import trainer
from robot_il.learning.bootstrap import ActorLearner
from robot_il.learning.dataset import save_dataset
from robot_il.learning.devices import CPU
from robot_il.learning.learner import held_out_scores
from robot_il.learning.policy_weights import PolicyWeights
from robot_il.learning.problem import Problem
from robot_il.learning.registry import METHODS, find_method
from robot_il.learning.runs import RunFolder, read_tensors
from robot_il.learning.trainer import Job
from robot_il.spec import LABELS
from tests.learning.pendulum import pendulum_dataset, pendulum_environment

every_method = pytest.mark.parametrize("name", METHODS)
SMALL = {
    "batch": "32",
    "refresh_rows": "40",
    "refresh_every": "10",
    "round_steps": "10",
    "episode_steps": "40",
}
train = partial(trainer.train, make_environment=pendulum_environment)


def small_settings(name: str) -> dict[str, str]:
    """Settings that make any method small and short, by the shape of their names."""
    settings = {}
    for field in fields(METHODS[name].config):
        if field.name.endswith("_hidden"):
            settings[field.name] = "32"
        elif field.name.endswith("_lr"):
            settings[field.name] = "0.003"
        elif field.name.endswith("_pretrain_steps"):
            settings[field.name] = "30"
        elif field.name in SMALL:
            settings[field.name] = SMALL[field.name]
    if METHODS[name].config().steps > 1:
        settings |= {"steps": "60", "evaluate_every": "10", "checkpoint_every": "20"}
    if issubclass(METHODS[name].learner, ActorLearner):
        # What the policy follows has to be learned first.
        settings |= {"steps": "200", "critic_hidden": "64,64", "policy_lr": "0.001"}
    return settings


@pytest.fixture(scope="module")
def dataset():
    """Rows of every label, so that any method finds what it needs."""
    return pendulum_dataset(dict.fromkeys(LABELS, 10), rows=40)


@pytest.fixture(scope="module")
def folder(dataset, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("methods") / "data"
    save_dataset(path, dataset)
    return path


@pytest.fixture(scope="module")
def runs(folder, tmp_path_factory):
    """Complete small runs of seed 0, each made once."""
    made: dict[str, RunFolder] = {}
    root = tmp_path_factory.mktemp("runs")

    def make(name: str) -> RunFolder:
        if name not in made:
            assert train(Job(name, folder, root / name, 0, small_settings(name))) is not None
            made[name] = RunFolder(root / name)
        return made[name]

    return make


def fresh(name: str, dataset, seed: int = 0, settings=None, device=CPU):
    method = METHODS[name]
    config = method.config.parse(small_settings(name) | (settings or {}))
    problem = Problem.build(
        dataset,
        config.sources(),
        drop_falls=method.learner.drop_falls,
        environment=pendulum_environment(dataset),
        device=device,
    )
    return method.learner(config, problem, seed)


def without_time(records: list[dict]) -> list[dict]:
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


def scores_on_training_rows(learner) -> dict[str, float]:
    data, sources = learner.problem.dataset, []
    for name in learner.imitated:
        source = learner.problem.sources[name]
        index = source.train_index
        sources.append(
            replace(
                source,
                held_out=source.train,
                held_out_observations=data.observations[index],
                held_out_actions=data.actions[index],
                held_out_episode=data.episode[index],
            )
        )
    return held_out_scores(sources, learner.negative_log_likelihood, learner.act)


@every_method
def test_training_fits_what_the_method_imitates(name, dataset, runs):
    learner = fresh(name, dataset)
    before = scores_on_training_rows(learner)
    best = read_tensors(runs(name).path / "checkpoints" / "best.pt")
    for key, module in learner.modules.items():
        module.load_state_dict(best["modules"][key])
    after = scores_on_training_rows(learner)
    assert after["nll"] < before["nll"]
    assert after["mse"] < 0.8 * before["mse"]


@every_method
def test_a_loss_changes_the_network_it_is_named_after_and_no_other(name, dataset):
    learner = fresh(name, dataset)
    learner.prepare(lambda what, done, most: None)
    for moved in learner.losses(learner.draw()):
        before = {
            key: [part.clone() for part in module.state_dict().values()] for key, module in learner.modules.items()
        }
        learner.update({moved: learner.losses(learner.draw())[moved]})
        for key, module in learner.modules.items():
            same = all(map(torch.equal, before[key], module.state_dict().values()))
            assert same is (key != moved), f"the loss of {moved} and the network {key}"


@every_method
def test_the_same_seed_gives_the_same_policy_file_and_the_same_metrics(name, folder, runs, tmp_path):
    train(Job(name, folder, tmp_path / "again", 0, small_settings(name)))
    first, second = runs(name), RunFolder(tmp_path / "again")
    assert (first.path / "policy.npz").read_bytes() == (second.path / "policy.npz").read_bytes()
    assert without_time(first.metrics()) == without_time(second.metrics())


@every_method
@pytest.mark.parametrize("looks", [1, 10, 35, 52])
def test_a_resumed_run_equals_an_uninterrupted_one(name, looks, folder, runs, tmp_path):
    """Stopped during pretraining or after any step; a run that is over before is left as it is."""
    job = Job(name, folder, tmp_path / "run", 0, small_settings(name))
    polled = iter(range(1, 10_000))
    summary = train(job, stop=lambda: next(polled) >= looks)
    assert (job.out / "policy.npz").exists() is (summary is not None)
    train(Job(name, folder, job.out, resume=True))
    whole, resumed = runs(name), RunFolder(job.out)
    assert (whole.path / "policy.npz").read_bytes() == (resumed.path / "policy.npz").read_bytes()
    assert without_time(whole.metrics()) == without_time(resumed.metrics())
    ours, theirs = whole.summary(), resumed.summary()
    assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


@every_method
def test_a_restored_learner_takes_the_very_same_next_step(name, dataset):
    learner, other = fresh(name, dataset), fresh(name, dataset, seed=1)
    learner.prepare(lambda what, done, most: None)
    for _ in range(3):
        learner.step()
    other.restore(learner.state())
    assert learner.step() == other.step()
    observations = dataset.observations[:50]
    np.testing.assert_array_equal(learner.act(observations), other.act(observations))


@every_method
def test_the_policy_file_acts_as_the_network_does(name, dataset, runs):
    random = np.random.default_rng(0)
    spread = dataset.observations.std(axis=0)
    observations = np.concatenate(
        [dataset.observations, 3 * spread * random.normal(size=(500, 4)), 1e3 * random.normal(size=(20, 4))]
    ).astype(np.float32)
    learner = fresh(name, dataset)
    learner.prepare(lambda what, done, most: None)
    learner.step()
    policy = learner.policy_weights()
    assert np.abs(policy(observations) - learner.act(observations)).max() <= 1e-5 * policy.action_range.max()
    stored = PolicyWeights.load(runs(name).path / "policy.npz")
    assert np.isfinite(stored(observations)).all()
    assert (np.abs(stored(observations) - stored.action_offset) <= stored.action_scale * (1 + 1e-6)).all()


@every_method
def test_metrics_name_their_step_and_split_and_nothing_in_them_is_missing(name, runs):
    records = runs(name).metrics()
    assert {record["split"] for record in records} == {"train", "held_out"}
    assert all(value is not None for record in records for value in record.values())
    assert [record["step"] for record in records] == sorted(record["step"] for record in records)


@every_method
def test_the_summary_shows_the_least_squares_baseline_on_the_same_rows(name, runs):
    summary = runs(name).summary()
    assert set(summary["baseline"]) <= set(summary["held_out"])
    assert 1 <= summary["chosen_step"] <= summary["steps"]


@every_method
def test_rows_that_are_not_finite_are_refused_and_nothing_is_written(name, dataset, tmp_path):
    save_dataset(tmp_path / "data", dataset)
    observations = dataset.observations.copy()
    observations[7, 2] = np.nan
    np.save(tmp_path / "data" / "observations.npy", observations)
    with pytest.raises(DataError):
        train(Job(name, tmp_path / "data", tmp_path / "run", 0, small_settings(name)))
    assert not (tmp_path / "run").exists()


@every_method
def test_missing_labels_are_refused_naming_those_that_would_serve(name, tmp_path):
    needed = {label for labels in METHODS[name].config().sources().values() for label in labels}
    useless = next(label for label in reversed(LABELS) if label not in needed or label == "undesirable")
    save_dataset(tmp_path / "data", pendulum_dataset({useless: 3}))
    with pytest.raises(DataError, match=next(iter(METHODS[name].config().sources().values()))[0]):
        train(Job(name, tmp_path / "data", tmp_path / "run", 0, small_settings(name)))
    assert not (tmp_path / "run").exists()


@every_method
def test_an_unknown_setting_is_refused_with_those_there_are(name, folder, tmp_path):
    with pytest.raises(ConfigError, match=r"steps, .*; came 'stepz'"):
        train(Job(name, folder, tmp_path / "run", 0, {"stepz": "3"}))


@every_method
def test_settings_survive_the_way_through_json(name):
    config = METHODS[name].config
    assert config.from_dict(config().as_dict()) == config()


@every_method
def test_every_setting_is_documented_and_every_method_says_what_it_is_for(name):
    method = METHODS[name]
    documented = " ".join(base.__doc__ or "" for base in method.config.__mro__)
    for field in fields(method.config):
        assert f"{field.name}:" in documented or field.name in ("steps",), field.name
    assert method.use
    assert method.paper


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="linear, bc"):
        find_method("dmill")
