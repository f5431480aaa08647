"""The rig: the image flies the twin through the unchanged serial device, control loop and guard."""

from __future__ import annotations

from pathlib import Path

import pytest

from robot_il.cli.main import main
from robot_il.tasks import TASKS
from tests.firmware_bridge.image_tools import reason_without

if reason_without():
    pytest.skip(reason_without(), allow_module_level=True)

from firmware_bridge.cross_build import build_image
from robot_il.cli.hil_rig import Flight, fly
from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import LinearController
from robot_il.control.lqr import lqr_gain
from robot_il.robot import load_robot
from sim.conditions import Conditions, sample_conditions

SECONDS = 3.0
PUSHED = Conditions(initial_pitch_rad=0.08, pushes=((1.0, 2.0),))


def flight(image: Path | None, task_name: str = "stand", conditions: Conditions = PUSHED, seed: int = 3) -> Flight:
    task = TASKS[task_name]
    rollout = Rollout("reference", task, SECONDS)
    law = LinearController(lqr_gain(rollout.robot, task), task)
    return fly(rollout, image, law, law, conditions, seed)


@pytest.fixture(scope="module")
def flown() -> Flight:
    return flight(build_image())


def test_the_image_balances_the_robot_through_a_push(flown):
    assert flown.episode.survived
    assert flown.episode.seconds == SECONDS
    assert 0.01 < flown.episode.tilt_rms_rad < 0.2
    assert flown.states >= SECONDS * 200


def test_the_rig_gives_the_same_hash_twice(flown):
    assert flight(build_image()).sha256 == flown.sha256


def test_another_seed_gives_another_hash(flown):
    assert flight(build_image(), seed=4).sha256 != flown.sha256


def test_the_host_library_flies_the_same_flight_bit_for_bit(flown):
    library = flight(None)
    assert library.sha256 == flown.sha256
    assert library.episode == flown.episode


@pytest.mark.parametrize("task", list(TASKS))
def test_image_and_library_agree_on_drawn_conditions(task):
    conditions = sample_conditions(TASKS[task], 17, load_robot())
    assert flight(build_image(), task, conditions).sha256 == flight(None, task, conditions).sha256


def test_a_robot_that_nobody_balances_falls_in_the_rig_too():
    task = TASKS["stand"]
    limp = LinearController(0.0 * lqr_gain(Rollout("reference", task, SECONDS).robot, task), task)
    fallen = fly(Rollout("reference", task, SECONDS), build_image(), limp, limp, PUSHED, 3)
    assert (fallen.episode.survived, fallen.episode.end) == (False, "fell")


def test_the_command_flies_builds_and_tells(capsys):
    assert main(["hil", "--seconds", "0.5"]) == 0
    printed = capsys.readouterr().out
    assert f"image {build_image()}\nsurvived after 0.50 s" in printed
    assert "times real time" in printed
    assert "the host library's STATEs are the same, bit for bit" in printed


def test_a_missing_image_is_named(capsys, tmp_path):
    missing = tmp_path / "none.elf"
    assert main(["hil", "--firmware", str(missing)]) == 1
    assert f"{missing}: No such file" in capsys.readouterr().err


def test_no_time_is_refused(capsys):
    assert main(["hil", "--seconds", "0"]) == 1
    assert "--seconds above 0" in capsys.readouterr().err
