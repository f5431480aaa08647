"""Training from preferences: where the pairs come from, what a run keeps of them, and what is refused."""

import hashlib
import json

import pytest

from robot_il.cli.main import main
from robot_il.errors import ConfigError, DataError
from robot_il.learning.dataset import load_dataset, save_dataset
from robot_il.learning.export import restored_learner
from robot_il.learning.registry import METHODS
from robot_il.learning.runs import RunFolder
from robot_il.learning.trainer import Job, train
from tests.learning.pendulum import pendulum_dataset
from tests.learning.test_methods import small_settings, without_time

PREFERRING = [name for name, method in METHODS.items() if method.config().takes_preferences()]
every_preferring = pytest.mark.parametrize("name", PREFERRING)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Unlabeled recordings, which no label orders."""
    path = tmp_path_factory.mktemp("preferences") / "data"
    data = pendulum_dataset({"unlabeled": 6, "suboptimal": 3}, rows=40)
    save_dataset(path, data)
    return path


@pytest.fixture
def pairs(tmp_path):
    """A file that prefers the unlabeled episodes (0 to 5; 5 is held out) to the others (6 to 8; 8 is)."""
    path = tmp_path / "mine.jsonl"
    segments = [
        ({"source": 0, "start": 3 * k, "length": 10}, {"source": 7, "start": k, "length": 10}) for k in range(8)
    ]
    segments += [({"source": 5, "start": k, "length": 12}, {"source": 8, "start": k, "length": 12}) for k in range(4)]
    path.write_text("\n".join(json.dumps({"better": better, "worse": worse}) for better, worse in segments))
    return path


def test_the_list_shows_that_they_need_preferences():
    assert {"dpo", "reward_model"} <= set(PREFERRING)
    assert METHODS["dpo"].needs() == "expert|suboptimal|unlabeled + preferences"


@every_preferring
def test_labels_that_order_nothing_do_without_a_file_and_the_refusal_names_it(name, folder, tmp_path, pairs):
    settings = small_settings(name)
    with pytest.raises(DataError, match="--pairs"):
        train(Job(name, folder, tmp_path / "run", 0, settings))
    assert not (tmp_path / "run").exists()
    summary = train(Job(name, folder, tmp_path / "run", 0, settings, pairs=pairs))
    assert 0 <= summary["held_out"]["implicit_accuracy"] <= 1
    config = RunFolder(tmp_path / "run").config()
    assert config["pairs"] == {"path": str(pairs), "sha256": hashlib.sha256(pairs.read_bytes()).hexdigest()}
    assert (tmp_path / "run" / "pairs.jsonl").read_bytes() == pairs.read_bytes()
    monitors = [record for record in RunFolder(tmp_path / "run").metrics() if record["split"] == "train"][-1]
    assert (monitors["pairs_train"], monitors["pairs_held_out"]) == (8, 4)


@every_preferring
def test_a_run_resumes_exactly_from_its_own_copy_of_the_pairs(name, folder, tmp_path, pairs):
    settings = small_settings(name)
    train(Job(name, folder, tmp_path / "whole", 0, settings, pairs=pairs))
    polled = iter(range(10_000))
    assert train(Job(name, folder, tmp_path / "cut", 0, settings, pairs=pairs), stop=lambda: next(polled) == 31) is None
    train(Job(name, folder, tmp_path / "cut", settings=settings, resume=True, pairs=pairs), stop=lambda: True)
    pairs.unlink()
    train(Job(name, folder, tmp_path / "cut", resume=True))
    whole, cut = (RunFolder(tmp_path / run) for run in ("whole", "cut"))
    assert (whole.path / "policy.npz").read_bytes() == (cut.path / "policy.npz").read_bytes()
    assert without_time(whole.metrics()) == without_time(cut.metrics())
    restored_learner(cut, load_dataset(folder))


def test_other_pairs_than_the_runs_are_refused(folder, tmp_path, pairs):
    settings = small_settings("dpo")
    job = Job("dpo", folder, tmp_path / "run", 0, settings, pairs=pairs)
    assert train(job, stop=lambda: True) is None
    pairs.write_text(pairs.read_text().replace('"better": {"source": 0', '"better": {"source": 1'))
    with pytest.raises(ConfigError, match="pairs"):
        train(Job("dpo", folder, job.out, resume=True, pairs=pairs))
    copy = job.out / "pairs.jsonl"
    copy.write_bytes(copy.read_bytes() + b"\n")
    with pytest.raises(DataError, match="with which the run was begun"):
        train(Job("dpo", folder, job.out, resume=True))


def test_pairs_given_to_a_run_begun_with_labels_are_refused(tmp_path, pairs):
    save_dataset(tmp_path / "data", pendulum_dataset({"expert": 4, "suboptimal": 4, "undesirable": 1}, rows=40))
    job = Job("dpo", tmp_path / "data", tmp_path / "run", 0, small_settings("dpo"))
    assert train(job, stop=lambda: True) is None
    assert "pairs" not in RunFolder(job.out).config()
    with pytest.raises(ConfigError, match="pairs None"):
        train(Job("dpo", tmp_path / "data", job.out, resume=True, pairs=pairs))


@every_preferring
def test_without_held_out_pairs_a_number_of_steps_has_to_be_given(name, tmp_path):
    save_dataset(tmp_path / "data", pendulum_dataset({"expert": 4, "undesirable": 1}, rows=40))
    settings = small_settings(name)
    with pytest.raises(DataError, match=r"held-out episodes.*patience_steps=0"):
        train(Job(name, tmp_path / "data", tmp_path / "run", 0, settings))
    summary = train(Job(name, tmp_path / "data", tmp_path / "run", 0, {**settings, "patience_steps": "0"}))
    assert summary["chosen_step"] == summary["steps"]


def test_the_command_takes_pairs_for_a_method_that_needs_them_and_for_no_other(folder, tmp_path, pairs, capsys):
    words = ["--data", str(folder), "--out", str(tmp_path / "run"), "--pairs", str(pairs)]
    assert main(["train", "bc", *words]) == 1
    assert "needs preferences" in capsys.readouterr().err
    settings = [f"{key}={value}" for key, value in small_settings("dpo").items()]
    assert main(["train", "dpo", *words, "--set", *settings]) in (0, None)
    assert "ordered rightly" in capsys.readouterr().out
    assert main(["train", "--list"]) in (0, None)
    assert "dpo" in (listed := capsys.readouterr().out)
    assert "+ preferences" in listed


def test_the_command_shows_the_explicit_reward_beside_the_implicit_one(tmp_path, capsys):
    save_dataset(tmp_path / "data", pendulum_dataset({"expert": 3, "undesirable": 3}, rows=40))
    settings = [f"{key}={value}" for key, value in small_settings("reward_model").items()]
    words = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--set", *settings]
    assert main(["train", "reward_model", *words]) in (0, None)
    assert "ordered rightly: explicit" in capsys.readouterr().out
