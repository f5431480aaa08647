"""``robot-il compare`` and ``robot-il select`` on tiny trainings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli.compare import method_settings
from robot_il.cli.main import main
from robot_il.control.lqr import lqr_gain
from robot_il.control.onnx_policy import OnnxPolicy
from robot_il.errors import ConfigError
from robot_il.learning.dataset import Channel, save_dataset
from robot_il.learning.episodes import Episode, assemble
from robot_il.learning.policy_weights import PolicyWeights
from robot_il.learning.runs import RunFolder
from robot_il.robot import load_robot
from robot_il.spec import TORQUE_LIMIT_NM
from robot_il.tasks import TASKS
from tests.cli.processes import wait_for
from tests.learning.pendulum import pendulum_dataset, saved

SMALL = [
    "all.policy_hidden=16", "all.model_hidden=16", "all.discriminator_hidden=16", "all.batch=32", "all.steps=40",
    "all.evaluate_every=10", "all.checkpoint_every=20", "all.model_pretrain_steps=10", "all.policy_pretrain_steps=10",
    "all.refresh_rows=40",
]  # fmt: skip


def compare(data: Path, out: Path, *words: object) -> int:
    command = ["compare", "--data", data, "--out", out, "--episodes", 2, "--seconds", 1, "--workers", 1, *words]
    return main([str(word) for word in command])


def foreign(folder: Path, episodes: int, held_out: int) -> Path:
    """Data of no robot we know: the action is the size of the first signal, which no linear law can follow."""
    random = np.random.default_rng(0)
    driven = []
    for number in range(episodes):
        states = random.normal(size=(41, 2)).astype(np.float32)
        actions = 0.3 * np.abs(states[:-1, :1]).clip(0, 3)
        step, side = np.arange(40, dtype=np.int32), number >= episodes - held_out
        driven.append(Episode("expert", f"{number}.csv", "0" * 64, states[:-1], actions, states[1:], False, step, side))
    save_dataset(
        folder,
        assemble(
            driven,
            task="",
            observation=[Channel("x", "1"), Channel("y", "1")],
            action=[Channel("u", "1", -1.0, 1.0)],
            period_s=0.005,
            seed=0,
        ),
    )
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return saved(tmp_path_factory.mktemp("compare") / "data", episodes={"expert": 5})


@pytest.fixture(scope="module")
def compared(data, tmp_path_factory) -> Path:
    """Least squares, cloning, and one method whose rows are missing."""
    out = tmp_path_factory.mktemp("compared") / "out"
    assert compare(data, out, "--methods", "linear,bc,d2mil", "--seeds", 2, "--set", *SMALL) == 0
    return out


def rows_of(out: Path) -> dict[str, dict]:
    return {row["name"]: row for row in json.loads((out / "comparison.json").read_text())["rows"]}


def test_one_table_has_the_baselines_and_every_method_with_its_seeds(compared):
    rows = rows_of(compared)
    assert list(rows) == ["lqr", "linear", "bc"]
    assert [rows[name]["trials"] for name in rows] == [2, 2, 4]
    assert [rows[name]["seeds"] for name in rows] == [1, 1, 2]
    table = (compared / "comparison.txt").read_text()
    assert all(name in table for name in rows)


def test_there_is_one_figure(compared):
    assert (compared / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_a_method_whose_rows_are_missing_is_left_out_with_the_reason(compared):
    left_out = json.loads((compared / "comparison.json").read_text())["left_out"]
    assert list(left_out) == ["d2mil"]
    assert "suboptimal or unlabeled" in left_out["d2mil"]
    assert not list((compared / "runs").glob("d2mil*"))


def test_run_again_it_keeps_what_is_complete_and_says_the_same(compared, data):
    kept = [*compared.glob("runs/*/summary.json"), *compared.glob("scores/*.json"), *compared.glob("policies/*.onnx")]
    times = {path: path.stat().st_mtime_ns for path in kept}
    before = (compared / "comparison.txt").read_text()
    assert compare(data, compared, "--methods", "linear,bc,d2mil", "--seeds", 2, "--set", *SMALL) == 0
    assert (compared / "comparison.txt").read_text() == before
    assert {path: path.stat().st_mtime_ns for path in kept} == times


def test_it_grows_by_a_seed_and_by_episodes(compared, data):
    words = ("--methods", "bc", "--seeds", 3, "--episodes", 3, "--set", *SMALL)
    assert compare(data, compared, *words) == 0
    rows = rows_of(compared)
    assert (rows["bc"]["seeds"], rows["bc"]["trials"], rows["least squares (bc)"]["trials"]) == (3, 9, 3)


def test_other_settings_or_data_are_refused_there(compared, tmp_path, capsys):
    other = saved(tmp_path / "other", episodes={"expert": 5}, seed=1)
    assert compare(other, compared, "--methods", "bc", "--set", *SMALL) == 1
    assert "expected dataset" in capsys.readouterr().err
    data = compared.parent / "nothing"
    assert compare(data, compared, "--methods", "bc", "--set", *SMALL) == 1
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    assert compare(other, tmp_path / "full", "--methods", "bc") == 1
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]


def test_other_settings_of_a_method_are_refused_there(compared, data, capsys):
    assert compare(data, compared, "--methods", "bc", "--set", *SMALL, "bc.policy_lr=0.1") == 1
    assert "settings of bc" in capsys.readouterr().err


def test_settings_of_one_method_outweigh_those_of_all_and_least_squares_keeps_its_one_step():
    settings = method_settings(["linear", "bc"], ["bc.steps=20", "all.steps=10", "all.data=all", "all.policy_lr=0.1"])
    assert settings["bc"] == {"steps": "20", "data": "all", "policy_lr": "0.1"}
    assert settings["linear"] == {"data": "all"}


@pytest.mark.parametrize("word", ["bc.stepz=3", "dmil.steps=3", "steps=3", "all.nothing=1", "bc.steps=many"])
def test_settings_that_cannot_be_used_are_refused_before_anything_is_trained(word):
    with pytest.raises(ConfigError):
        method_settings(["linear", "bc"], [word])


def test_a_run_that_diverges_is_told_and_the_others_are_compared(data, tmp_path, capsys):
    words = ("--methods", "linear,bc", "--seeds", 1, "--set", *SMALL, "bc.policy_lr=1e30")
    assert compare(data, tmp_path / "out", *words) == 1
    left_out = json.loads((tmp_path / "out" / "comparison.json").read_text())["left_out"]
    assert left_out["bc-0"].startswith("failed: ")
    assert "bc-0" in capsys.readouterr().err
    assert "linear" in rows_of(tmp_path / "out")


def test_without_a_twin_that_fits_there_is_the_held_out_error(tmp_path):
    assert (
        compare(
            foreign(tmp_path / "data", 5, 1), tmp_path / "out", "--methods", "linear,bc", "--seeds", 1, "--set", *SMALL
        )
        == 0
    )
    rows = rows_of(tmp_path / "out")
    assert list(rows) == ["linear", "bc"]
    assert all(row["survived"] is None and row["held_out_rms"]["mean"] >= 0 for row in rows.values())
    assert "no twin fits" in (tmp_path / "out" / "comparison.txt").read_text()


def command(data: Path, out: Path, settings: list[str], workers: int) -> list[str]:
    words = [sys.executable, "-m", "robot_il.cli.main", "compare", "--data", data, "--out", out, "--methods", "bc"]
    return [str(word) for word in [*words, "--seeds", 1, "--workers", workers, "--set", *settings]]


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted_it_leaves_checkpoints_and_goes_on_to_the_same_end(workers, data, tmp_path):
    settings = [*SMALL, "bc.steps=2000", "bc.patience_steps=0"]
    run, whole = (tmp_path / name / "runs" / "bc-0" for name in ("out", "whole"))
    words = command(data, tmp_path / "out", settings, workers)
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        wait_for((run / "checkpoints" / "policy-00000040.npz").exists, "the first steps")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130, process.stderr.read()
    assert (run / "checkpoints" / "last.pt").exists()
    assert not (run / "summary.json").exists()
    for out in ("out", "whole"):
        assert compare(data, tmp_path / out, "--methods", "bc", "--seeds", 1, "--set", *settings) == 0
    assert (run / "policy.npz").read_bytes() == (whole / "policy.npz").read_bytes()


def test_training_processes_end_when_their_parent_is_killed(data, tmp_path):
    settings = [*SMALL, "bc.steps=1000000", "bc.patience_steps=0"]
    with subprocess.Popen(command(data, tmp_path / "out", settings, workers=2)) as process:
        first = tmp_path / "out" / "runs" / "bc-0" / "checkpoints" / "policy-00000040.npz"
        wait_for(first.exists, "the first steps")
        children = _children(process.pid)
        process.kill()
    assert children
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "the children to end")


def _children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(status.parent.name))
    return found


def select(*words: object) -> int:
    return main(["select", *map(str, words)])


def test_a_policy_that_falls_is_not_deployable_and_nothing_is_written(compared, tmp_path, capsys):
    words = ("--episodes", 5, "--seconds", 1, "--workers", 1, "--out", tmp_path / "policy.onnx")
    before = sorted(os.walk(compared))
    assert select(compared / "runs" / "bc-0", *words) == 1
    printed = capsys.readouterr().out
    assert "deploy none of them" in printed
    assert "rule: " in printed
    assert "linear (bc-0)" in printed
    assert not (tmp_path / "policy.onnx").exists()
    assert sorted(os.walk(compared)) == before


def test_the_verdict_comes_as_json_too(compared, capsys):
    words = ("--episodes", 5, "--seconds", 1, "--workers", 1, "--json")
    assert select(compared / "runs" / "bc-0", compared / "runs" / "linear-0", *words) == 1
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["deploy"] is None
    assert verdict["baseline"] == "linear (bc-0)"
    assert verdict["best"].startswith("bc-0@")
    assert [row["name"] for row in verdict["fresh_draws"]] == ["lqr", "linear (bc-0)", verdict["best"]]
    assert all(row["episodes"] == 5 for row in verdict["fresh_draws"])


def aimless(folder: Path) -> Path:
    """Recordings of somebody who shakes the wheels whatever the robot does: nothing to be learned from."""
    dataset, random = pendulum_dataset({"expert": 5}), np.random.default_rng(0)
    driven = [
        Episode(
            record.label,
            record.source,
            record.source_sha256,
            dataset.observations[rows],
            random.normal(size=(record.rows, 1)).astype(np.float32),
            dataset.next_observations[rows],
            False,
            dataset.step[rows],
            record.held_out,
        )
        for number, record in enumerate(dataset.info.episodes)
        for rows in [dataset.episode == number]
    ]
    info = dataset.info
    signals = {"observation": info.observation, "action": info.action, "period_s": info.period_s}
    identity = {"task": info.task, "seed": 0, "action_source": info.action_source, "spec_hash": info.spec_hash}
    save_dataset(folder, assemble(driven, **signals, **identity))
    return folder


def test_a_policy_that_stands_where_least_squares_falls_is_deployable_and_written(tmp_path, capsys):
    folder = aimless(tmp_path / "data")
    words = ["train", "bc", "--data", folder, "--out", tmp_path / "run", "--steps", 40, "--set", "policy_hidden=16"]
    assert main([*map(str, words), "evaluate_every=20", "checkpoint_every=20"]) == 0
    gain = lqr_gain(load_robot(), TASKS["stand"])
    zero, limit = np.zeros(4), np.array([TORQUE_LIMIT_NM])
    law = PolicyWeights(
        zero, zero + 1, np.inf, ((-gain[:, None] / limit, np.zeros(1)),), limit, np.zeros(1), squash="clip"
    )
    law.save(tmp_path / "run" / "checkpoints" / "policy-00000030.npz")
    capsys.readouterr()
    words = ("--episodes", 10, "--seconds", 3, "--workers", 1, "--out", tmp_path / "policy.onnx")
    assert select(tmp_path / "run", *words) == 0
    assert "deploy run@30: " in capsys.readouterr().out
    observation = np.array([0.02, 0.1, -0.05, 0.1], np.float32)
    torque = OnnxPolicy(tmp_path / "policy.onnx", TASKS["stand"]).act(observation)
    assert torque == pytest.approx(-gain @ observation, rel=1e-4)


def test_least_squares_alone_and_runs_of_several_datasets_are_refused(compared, tmp_path, capsys):
    assert select(compared / "runs" / "linear-0") == 1
    other = saved(tmp_path / "data", episodes={"expert": 4})
    assert compare(other, tmp_path / "out", "--methods", "bc", "--seeds", 1, "--set", *SMALL) == 0
    assert select(compared / "runs" / "bc-0", tmp_path / "out" / "runs" / "bc-0") == 1
    assert "runs of one dataset" in capsys.readouterr().err


def test_offline_a_policy_that_errs_less_on_held_out_episodes_is_deployable(tmp_path, capsys):
    folder = foreign(tmp_path / "data", 30, 14)
    settings = ["steps=400", "policy_hidden=32", "evaluate_every=50", "policy_lr=0.003", "policy_decay=0"]
    words = ["train", "bc", "--data", str(folder), "--out", str(tmp_path / "run"), "--set", *settings]
    assert main(words) == 0
    capsys.readouterr()
    assert select(tmp_path / "run", "--out", tmp_path / "policy.onnx") == 0
    assert "deploy run@" in capsys.readouterr().out
    assert (tmp_path / "policy.onnx").exists()


def test_offline_a_few_held_out_episodes_do_not_tell(tmp_path, capsys):
    folder = foreign(tmp_path / "data", 5, 1)
    assert main(["train", "bc", "--data", str(folder), "--out", str(tmp_path / "run"), "--steps", "100"]) == 0
    assert select(tmp_path / "run") == 1
    assert "cannot tell" in capsys.readouterr().out


def test_the_report_takes_a_comparison_for_an_evaluation(compared, tmp_path):
    words = ["report", "--runs", *sorted((compared / "runs").iterdir()), "--evaluation", compared / "comparison.json"]
    assert main([*map(str, words), "--out", str(tmp_path / "report.html")]) in (0, None)
    page = (tmp_path / "report.html").read_text()
    assert "Comparison of methods" in page
    assert "least squares" in page


def test_a_run_of_compare_is_one_like_any_other(compared):
    assert RunFolder.open(compared / "runs" / "bc-0").config()["settings"]["policy_hidden"] == [16]
