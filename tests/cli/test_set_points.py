"""Tasks that turn, that move the legs, and set-points of one's own: from a recording to a policy that is evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli.main import main
from robot_il.learning.dataset import load_dataset
from robot_il.recording.reader import read_log
from robot_il.robot import load_robot
from robot_il.tasks import find_task

TASKS = ("drive@0.4", "drive_turn", "height")


@pytest.fixture(scope="module", params=TASKS)
def flown(request, tmp_path_factory) -> tuple[str, Path]:
    """The task's name and a folder of three short logs of it."""
    folder = tmp_path_factory.mktemp("logs")
    arguments = ["--controller", "lqr", "--label", "expert", "--episodes", "3", "--seconds", "3", "--workers", "1"]
    assert main(["collect", *arguments, "--task", request.param, "--out", str(folder)]) == 0
    return request.param, folder


def driven(flown: tuple[str, Path]) -> list[np.ndarray]:
    return [ticks[ticks["source"] == 1] for ticks in (read_log(path).ticks for path in sorted(flown[1].glob("*.mcap")))]


def test_a_policy_of_such_a_task_is_learned_exported_and_evaluated_under_its_name(flown, tmp_path, capsys):
    name, logs = flown
    data, run, policy, scores = (tmp_path / part for part in ("data", "run", "policy.onnx", "scores.json"))
    assert main(["dataset", "build", "--expert", *map(str, sorted(logs.glob("*.mcap"))), "--out", str(data)]) == 0
    assert load_dataset(data).info.task == name
    assert main(["train", "linear", "--data", str(data), "--out", str(run)]) == 0
    assert main(["export", str(run), "--out", str(policy)]) == 0
    arguments = ["--episodes", "2", "--seconds", "2", "--workers", "1", "--json", str(scores)]
    assert main(["evaluate", str(policy), *arguments]) == 0
    assert f"task {name}, 2 episodes" in capsys.readouterr().out
    assert json.loads(scores.read_text())["task"] == name


def test_its_logs_are_checked_and_replayed_to_the_bit(flown, capsys):
    _, logs = flown
    first = min(logs.glob("*.mcap"))
    assert main(["log", "check", str(logs)]) == 0
    assert main(["replay", str(first)]) == 0
    assert "all torques are bit-equal" in capsys.readouterr().out


def test_the_heading_hold_turns_at_the_tasks_rate(flown):
    task = find_task(flown[0])
    for ticks in driven(flown):
        assert set(ticks["yaw_rate_wanted"].tolist()) == {task.target_yaw_rate_rad_s}
        assert ticks["yaw_rate"][-200:].mean() == pytest.approx(task.target_yaw_rate_rad_s, abs=0.1)


def test_the_legs_move_through_the_set_points_of_the_task_height_alone(flown):
    low, high = load_robot().heights_m
    for ticks in driven(flown):
        wanted = ticks["height_wanted"][np.isfinite(ticks["height_wanted"])]
        if flown[0] == "height":
            assert np.float32(low) <= wanted.min() <= wanted.max() <= np.float32(high)
            assert np.ptp(ticks["height"]) > 0.005
            assert ticks["rejected"][-1] == 0
        else:
            assert not len(wanted)
            assert np.ptp(ticks["height"]) == 0.0


def test_other_draws_ask_for_other_heights(flown):
    if flown[0] == "height":
        assert len({float(ticks["height_wanted"][-1]) for ticks in driven(flown)}) == 3


@pytest.mark.parametrize("name", ["drive@9", "stand@0.1", "jump"])
@pytest.mark.parametrize("command", [("collect", "--controller", "lqr", "--out", "x"), ("evaluate", "policy.onnx")])
def test_a_name_that_is_no_task_is_refused_before_anything_is_done(command, name, capsys):
    with pytest.raises(SystemExit):
        main([*command, "--task", name])
    assert "argument --task: expected a " in capsys.readouterr().err
