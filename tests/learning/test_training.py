"""The trainer itself: stopping, choosing, checkpoints, divergence, refusals; what every method shares is elsewhere."""

import json
import math
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_il.cli.main import main
from robot_il.errors import ConfigError, DataError, TrainingError
from robot_il.learning.adam import Adam
from robot_il.learning.config import settings_from_words
from robot_il.learning.dataset import load_dataset, save_dataset
from robot_il.learning.early_stopping import EarlyStopping, fit_until_stopped
from robot_il.learning.numerics import fastest_accurate_precision, product_error, reproducible_torch
from robot_il.learning.problem import Problem
from robot_il.learning.progress import PlainProgress
from robot_il.learning.runs import RunFolder, read_tensors
from robot_il.learning.trainer import Job, train
from tests.learning.pendulum import pendulum_dataset

SHORT = {"policy_hidden": "16", "steps": "60", "evaluate_every": "10", "checkpoint_every": "20", "policy_lr": "0.003"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("training") / "data"
    save_dataset(path, pendulum_dataset({"expert": 6, "suboptimal": 6}))
    return path


def test_patience_counts_from_the_best_step_and_grows_with_it():
    stopping = EarlyStopping(patience_steps=100, patience_share=0.5)
    assert stopping.improved(200, 1.0)
    assert not stopping.improved(250, 1.0)
    assert not stopping.exhausted(399)
    assert stopping.exhausted(400)
    assert stopping.improved(390, 0.5)
    assert not stopping.exhausted(684)
    assert stopping.exhausted(685)


def test_no_patience_means_no_stopping():
    stopping = EarlyStopping(patience_steps=0)
    stopping.improved(1, 0.0)
    assert not stopping.exhausted(10**9)


def test_pretraining_ends_at_the_best_held_out_value():
    module = torch.nn.Linear(1, 1)
    optimiser = Adam([module.bias], 0.1)  # moves by 0.1 a step while the slope stays the same
    bias = lambda: float(module.bias.detach())  # noqa: E731
    start = bias()
    fit_until_stopped(
        module,
        optimiser,
        lambda: -module.bias.sum(),
        lambda: abs(bias() - start - 1.0),  # best after ten steps
        torch.Generator(),
        steps=1000,
        every=1,
        stopping=EarlyStopping(5),
        report=lambda done, most: None,
    )
    assert bias() == pytest.approx(start + 1.0, abs=1e-5)


def test_the_chosen_step_is_the_one_with_the_best_held_out_score(folder, tmp_path):
    summary = train(Job("bc", folder, tmp_path / "run", 0, {**SHORT, "steps": "200"}))
    scores = {r["step"]: r["score"] for r in RunFolder(tmp_path / "run").metrics() if r["split"] == "held_out"}
    scores.pop(0)
    assert summary["chosen_step"] == min(scores, key=scores.get)
    assert summary["held_out"]["score"] == pytest.approx(min(scores.values()), rel=1e-6)


def test_training_stops_early_on_data_learned_by_heart(folder, tmp_path):
    settings = {**SHORT, "steps": "5000", "patience_steps": "40", "patience_share": "0"}
    summary = train(Job("bc", folder, tmp_path / "run", 0, settings))
    assert summary["stop_reason"] == "held-out"
    assert summary["steps"] == summary["chosen_step"] + 40


def test_without_patience_the_last_step_is_kept(folder, tmp_path):
    summary = train(Job("bc", folder, tmp_path / "run", 0, {**SHORT, "patience_steps": "0"}))
    assert (summary["stop_reason"], summary["chosen_step"], summary["steps"]) == ("steps", 60, 60)


def test_a_longer_run_goes_on_from_a_finished_shorter_one(folder, tmp_path):
    train(Job("bc", folder, tmp_path / "short", 0, SHORT))
    longer = {**SHORT, "steps": "100"}
    train(Job("bc", folder, tmp_path / "short", settings={"steps": "100"}, resume=True))
    train(Job("bc", folder, tmp_path / "long", 0, longer))
    policies = [(tmp_path / run / "policy.npz").read_bytes() for run in ("short", "long")]
    assert policies[0] == policies[1]


def test_held_out_rows_never_reach_training_or_its_scalings(folder):
    data = load_dataset(folder)
    sources = {"demonstrations": ("expert", "suboptimal")}
    problem = Problem.build(data, sources)
    assert not data.held_out[problem.training_rows].any()
    train_states = data.observations[problem.training_rows]
    np.testing.assert_allclose(problem.coordinates.state.mean, train_states.mean(axis=0), rtol=1e-5, atol=1e-7)
    assert len(problem.sources["demonstrations"].held_out) == int(data.held_out.sum())


def test_transitions_into_a_fall_are_dropped_where_asked():
    data = pendulum_dataset({"expert": 3})
    terminals, timeouts = data.terminals.copy(), data.timeouts.copy()
    last = np.flatnonzero(timeouts)[0]
    terminals[last], timeouts[last] = True, False
    data = replace(data, terminals=terminals, timeouts=timeouts)
    rows = {
        drop: len(Problem.build(data, {"expert": ("expert",)}, drop_falls=drop).training_rows) for drop in (True, False)
    }
    assert rows == {True: 119, False: 120}


def test_divergence_is_an_error_that_names_the_loss_and_leaves_the_last_good_checkpoint(folder, tmp_path):
    settings = {**SHORT, "policy_lr": "1e30", "patience_steps": "0"}
    with pytest.raises(TrainingError, match=r"loss of policy.*last\.pt"):
        train(Job("bc", folder, tmp_path / "run", 0, settings))
    state = read_tensors(tmp_path / "run" / "checkpoints" / "last.pt")
    assert all(torch.isfinite(part).all() for part in state["learner"]["modules"]["policy"].values())
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"config.json", "metrics.jsonl", "checkpoints"}


@pytest.mark.parametrize("method", ["bc", "dmil"])
def test_saturated_actions_train_to_finite_losses(method, tmp_path):
    data = pendulum_dataset({"expert": 4})
    actions = data.actions.copy()
    actions[::7], actions[3::7] = 8.0, -8.0
    save_dataset(tmp_path / "data", replace(data, actions=actions))
    pretraining = {"model_pretrain_steps": "20", "policy_pretrain_steps": "20"} if method == "dmil" else {}
    summary = train(Job(method, tmp_path / "data", tmp_path / "run", 0, {**SHORT, **pretraining}))
    assert math.isfinite(summary["held_out"]["nll"])


def test_a_dataset_of_another_spec_is_refused_before_anything_is_trained(tmp_path):
    dataset = pendulum_dataset({"expert": 6})
    save_dataset(tmp_path / "data", replace(dataset, info=replace(dataset.info, spec_hash="ab" * 32)))
    with pytest.raises(DataError, match="of spec abababababab; build it again"):
        train(Job("linear", tmp_path / "data", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_dataset_without_held_out_rows_is_refused_unless_asked_for(tmp_path):
    save_dataset(tmp_path / "data", pendulum_dataset({"expert": 1, "suboptimal": 2}))
    with pytest.raises(DataError, match="patience_steps=0"):
        train(Job("bc", tmp_path / "data", tmp_path / "run", 0, SHORT))
    assert not (tmp_path / "run").exists()
    summary = train(Job("bc", tmp_path / "data", tmp_path / "run", 0, {**SHORT, "patience_steps": "0"}))
    assert summary["held_out"] == {}
    assert (tmp_path / "run" / "policy.npz").exists()


def test_an_existing_run_is_refused_and_left_alone(folder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("keep")
    with pytest.raises(ConfigError, match="--resume"):
        train(Job("bc", folder, tmp_path / "run", 0, SHORT))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"method": "linear"}, "method bc"), ({"seed": 3}, "seed 0"), ({"settings": {"batch": "7"}}, "batch 256")],
)
def test_resuming_as_something_else_is_refused(changed, word, folder, tmp_path):
    train(Job("bc", folder, tmp_path / "run", 0, SHORT))
    arguments = {"method": "bc", "dataset": folder, "out": tmp_path / "run", "resume": True, **changed}
    with pytest.raises(ConfigError, match=word):
        train(Job(**arguments))


def test_resuming_on_other_data_is_refused(folder, tmp_path):
    train(Job("bc", folder, tmp_path / "run", 0, SHORT))
    save_dataset(tmp_path / "other", pendulum_dataset({"expert": 6}, seed=9))
    with pytest.raises(ConfigError, match="dataset"):
        train(Job("bc", tmp_path / "other", tmp_path / "run", resume=True))


def test_a_damaged_checkpoint_is_refused_by_name(folder, tmp_path):
    assert train(Job("bc", folder, tmp_path / "run", 0, SHORT), stop=lambda: True) is None
    path = tmp_path / "run" / "checkpoints" / "last.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"last\.pt"):
        train(Job("bc", folder, tmp_path / "run", resume=True))


def test_metrics_written_after_the_checkpoint_are_cut_off_before_going_on(folder, tmp_path):
    count = iter(range(1000))
    train(Job("bc", folder, tmp_path / "run", 0, SHORT), stop=lambda: next(count) == 24)
    run = RunFolder(tmp_path / "run")
    with run.metrics_path.open("a") as file:
        file.write('{"step": 30, "split": "train"}\n{"step": 4')
    train(Job("bc", folder, tmp_path / "run", resume=True))
    steps = [record["step"] for record in run.metrics() if record["split"] == "train"]
    assert steps == [10, 20, 30, 40, 50, 60]


def test_training_leaves_torch_as_it_found_it(folder, tmp_path):
    before = (torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.random.get_rng_state())
    train(Job("bc", folder, tmp_path / "run", 0, SHORT))
    assert before[:2] == (torch.get_num_threads(), torch.get_float32_matmul_precision())
    assert torch.equal(before[2], torch.random.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_chosen_matmul_precision_is_as_exact_as_float32():
    assert product_error(fastest_accurate_precision()) < 2e-6
    with reproducible_torch("medium"):
        assert torch.get_float32_matmul_precision() == "medium"


def test_metrics_that_are_not_finite_are_null(tmp_path):
    run = RunFolder.create(tmp_path / "run", {})
    run.append_metrics({"step": 1, "value": math.nan})
    assert run.metrics() == [{"step": 1, "value": None}]


@pytest.mark.parametrize("words", [["steps"], ["=3"], ["steps=1", "steps=2"]])
def test_settings_that_are_no_pairs_are_refused(words):
    with pytest.raises(ConfigError, match="key=value"):
        settings_from_words(words)


@pytest.mark.parametrize(
    ("setting", "word"),
    [("steps=0", "at least 1"), ("steps=x", "whole number"), ("policy_lr=nan", "finite"),
     ("data=some", "expert or all"), ("policy_hidden=8,", "separated by commas"),
     ("evaluate_every=7", "multiple of evaluate_every")],
)  # fmt: skip
def test_values_that_cannot_be_used_are_refused_with_what_could(setting, word, folder, tmp_path):
    with pytest.raises(ConfigError, match=word):
        train(Job("bc", folder, tmp_path / "run", 0, settings_from_words([setting])))


def test_the_command_trains_and_shows_the_baseline_beside_the_policy(folder, tmp_path, capsys):
    words = ["train", "bc", "--data", str(folder), "--out", str(tmp_path / "run"), "--steps", "60"]
    assert main([*words, "--set", "policy_hidden=16", "data=all"]) in (0, None)
    printed = capsys.readouterr().out
    assert "bc: chose step" in printed
    assert "least squares" in printed
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["rows"]["demonstrations"]["train"] == 600


def test_the_command_lists_every_method_with_what_it_needs(capsys):
    assert main(["train", "--list"]) in (0, None)
    printed = capsys.readouterr().out
    assert re.search(r"d2mil +expert \+ suboptimal\|unlabeled", printed)


def test_the_command_without_data_says_what_is_missing(capsys):
    assert main(["train", "bc"]) == 1
    assert "--data DIR" in capsys.readouterr().err


def test_plain_progress_prints_the_time_left_and_not_every_step(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = PlainProgress(sys.stdout)
    for step in range(0, 101, 10):
        progress.show("bc", step, 200, "held-out nll 1")
        now[0] += 1.0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "bc: step 50 of at most 200, at most 15 s left. held-out nll 1",
        "bc: step 100 of at most 200, at most 10 s left. held-out nll 1",
    ]
