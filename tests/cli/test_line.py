"""The whole line in lock-step virtual time, through the real commands."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from robot_il.cli.main import main
from robot_il.cli.rollout import JUDGING, Rollout
from robot_il.control.controllers import LinearController, SyntheticOperator
from robot_il.control.lqr import lqr_gain
from robot_il.learning.evaluation import Episode
from robot_il.recording.reader import read_log
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from robot_il.tasks import TASKS
from sim.conditions import nominal

STAND = TASKS["stand"]
ROLLOUT = Rollout("reference", STAND, 8.0)
GAIN = lqr_gain(ROLLOUT.robot, STAND)
PUSHES = ((1.0, 2.0), (3.0, -2.5), (5.0, 2.5), (7.0, -2.0))
BRIEF = ("--set", "data=all", "--steps", 300)
CONDITIONS = dataclasses.replace(nominal(STAND), initial_pitch_rad=0.08, pushes=PUSHES)


def record(path: Path, label: str) -> Episode:
    law = LinearController(GAIN, STAND)
    controller = law if label == "expert" else SyntheticOperator(GAIN, STAND, seed=4)
    session = Session(
        task="stand",
        label=label,
        controller=controller.identity,
        config={"fallback": law.identity, "limits": JUDGING_IN_JSON},
        synthetic=label != "expert",
    )
    with Recorder(path, session, lossless=True) as recorder:
        return ROLLOUT.run(controller, law, CONDITIONS, 11, recorder)


JUDGING_IN_JSON = {name: min(value, 1e9) for name, value in dataclasses.asdict(JUDGING).items()}


def command(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything from two recordings to a scored policy."""
    folder = tmp_path_factory.mktemp("line")
    for label in ("expert", "suboptimal"):
        assert record(folder / f"{label}.mcap", label).survived
    labels = ("--expert", folder / "expert.mcap", "--suboptimal", folder / "suboptimal.mcap")
    command("dataset", "build", *labels, "--out", folder / "data")
    command("train", "bc", "--data", folder / "data", "--out", folder / "run", *BRIEF)
    command("export", folder / "run", "--out", folder / "bc.onnx")
    score = ("--episodes", 4, "--seconds", 4, "--workers", 1, "--json", folder / "scores.json")
    command("evaluate", folder / "bc.onnx", *score)
    return folder


def test_the_policy_stands_beside_lqr_and_least_squares(line: Path) -> None:
    scores = {row["name"]: row for row in json.loads((line / "scores.json").read_text())["policies"]}
    assert list(scores) == ["lqr", "linear (bc)", "bc"]
    assert (scores["lqr"]["survived"], scores["linear (bc)"]["survived"]) == (4, 4)
    assert scores["bc"]["episodes"] == 4  # so little training promises nothing


def test_the_evaluation_is_the_same_for_any_number_of_processes(line: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        options = ("--episodes", 4, "--seconds", 4, "--workers", workers, "--json", tmp_path / f"{workers}.json")
        command("evaluate", line / "bc.onnx", *options)
    assert (
        (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes() == (line / "scores.json").read_bytes()
    )


def test_the_same_seed_records_the_same_ticks_and_builds_the_same_dataset(line: Path, tmp_path: Path) -> None:
    again = tmp_path / "suboptimal.mcap"
    record(again, "suboptimal")
    assert read_log(again).ticks.tobytes() == read_log(line / "suboptimal.mcap").ticks.tobytes()


def test_the_same_seed_trains_the_same_policy(line: Path, tmp_path: Path) -> None:
    command("train", "bc", "--data", line / "data", "--out", tmp_path / "run", *BRIEF)
    assert (tmp_path / "run" / "policy.npz").read_bytes() == (line / "run" / "policy.npz").read_bytes()


@pytest.mark.parametrize("label", ["expert", "suboptimal"])
def test_a_replay_is_bit_equal(line: Path, label: str, capsys: pytest.CaptureFixture) -> None:
    command("replay", line / f"{label}.mcap")
    assert "bit-equal" in capsys.readouterr().out


def test_the_operator_is_named_synthetic_in_the_log_and_the_lqr_is_not(line: Path) -> None:
    assert read_log(line / "suboptimal.mcap").session.controller["synthetic"] is True
    assert read_log(line / "suboptimal.mcap").session.synthetic
    assert not read_log(line / "expert.mcap").session.synthetic
