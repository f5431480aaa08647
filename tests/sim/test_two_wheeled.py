from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.serial_device import SerialDevice
from robot_il.cli.collecting import record_episode
from robot_il.cli.demonstrators import DEMONSTRATORS
from robot_il.cli.robot_check import check_robot
from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import TREMOR_1, LinearController
from robot_il.control.fallback import lqr_fallback
from robot_il.control.guard import implausible_signal
from robot_il.control.lqr import lqr_gain, tolerated_torque_nm
from robot_il.learning.evaluation import Episode
from robot_il.recording.check import check
from robot_il.recording.reader import read_log
from robot_il.robot import load_robot
from robot_il.spec import LIMITS
from robot_il.tasks import TASKS
from sim.conditions import Conditions, nominal, sample_conditions
from sim.lockstep import LockstepLink
from sim.twin import Twin

ROBOT = load_robot("two_wheeled")


def balanced(conditions: Conditions, task: str = "stand", seconds: float = 5.0, seed: int = 1) -> Episode:
    rollout = Rollout("two_wheeled", TASKS[task], seconds)
    law = LinearController(lqr_gain(ROBOT, TASKS[task]), TASKS[task])
    return rollout.run(law, lqr_fallback(ROBOT), conditions, seed)


def start(**changes: float) -> Conditions:
    return dataclasses.replace(nominal(TASKS["stand"]), **changes)


@pytest.mark.parametrize("pitch", [-0.3, 0.0, 0.3])
def test_the_lqr_of_its_own_figures_catches_it_from_a_lean(pitch: float) -> None:
    episode = balanced(start(initial_pitch_rad=pitch))
    assert episode.survived
    assert episode.drift_m < 0.4


@pytest.mark.parametrize("seed", [1, 2])
def test_without_friction_and_biases_it_drives_at_about_the_speed_of_the_task(seed: int) -> None:
    exact = tuple((name, 0.0) for name in ("imu.accel_bias_m_s2", "imu.gyro_bias_rad_s", "drive.coulomb_friction_nm"))
    episode = balanced(dataclasses.replace(nominal(TASKS["drive"]), figures=exact), "drive", 8.0, seed)
    assert episode.survived
    assert episode.drift_m < 0.6


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_it_survives_drawn_episodes_with_pushes_for_its_mass(seed: int) -> None:
    conditions = sample_conditions(TASKS["stand"], seed, ROBOT)
    assert balanced(conditions, seconds=6.0, seed=seed).survived


def test_pushes_are_in_proportion_to_the_mass_and_nothing_else_changes() -> None:
    heavy, light = (sample_conditions(TASKS["stand"], 3, robot) for robot in (load_robot(), ROBOT))
    for (when, strong), (same, weak) in zip(heavy.pushes, light.pushes, strict=True):
        assert when == same
        assert weak == pytest.approx(0.126 * strong)
    assert dataclasses.replace(light, pushes=heavy.pushes) == heavy


def test_a_recording_of_it_reports_no_legs_and_passes_every_check(tmp_path: Path) -> None:
    rollout = Rollout("two_wheeled", TASKS["stand"], 6.0)
    law = LinearController(lqr_gain(ROBOT, TASKS["stand"]), TASKS["stand"])
    record_episode(rollout, law, "expert", start(initial_pitch_rad=0.1), 1, tmp_path / "log.mcap")
    log = read_log(tmp_path / "log.mcap")
    for name in ("hip_left", "knee_left", "hip_right", "knee_right"):
        assert not np.any(log.ticks[name])
    assert [finding for finding in check(log).findings if finding.severity == "fail"] == []


def test_its_states_are_plausible(robot_states: Callable[[], list]) -> None:
    states = robot_states()
    assert len(states) > 100
    assert {implausible_signal(state) for state in states} == {None}


@pytest.fixture
def robot_states() -> Callable[[], list]:
    def listen() -> list:
        twin = Twin(ROBOT, nominal(TASKS["stand"]), 1)
        link = LockstepLink(twin)
        device = SerialDevice(link)
        device.open()
        states = [device.read(link.clock.now_ns() + 100_000_000) for _ in range(200)]
        twin.close()
        return states

    return listen


def test_it_passes_every_check_of_a_profile() -> None:
    assert [line for line in check_robot(ROBOT) if line.verdict != "ok"] == []


def test_its_drives_give_no_more_than_their_own_limit() -> None:
    assert ROBOT.drive.torque_limit_nm < LIMITS.wheel_torque_nm
    twin = Twin(ROBOT, nominal(TASKS["stand"]), 1)
    for _ in range(500):  # the rotor swings against the blocked wheel for a while
        twin.drives.step(4.0, -4.0, 0.0, 0.0)
    assert (twin.drives.left_nm, twin.drives.right_nm) == pytest.approx((0.45, -0.45), rel=1e-6)
    twin.close()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_operator_whose_hand_shakes_in_proportion_to_the_robot_keeps_it_up(seed: int) -> None:
    rollout = Rollout("two_wheeled", TASKS["stand"], 6.0)
    operator = DEMONSTRATORS["operator"].controller(ROBOT, rollout.task, seed)
    assert operator.identity["tremor_nm"] == pytest.approx(TREMOR_1 * tolerated_torque_nm(ROBOT))
    assert rollout.run(operator, lqr_fallback(ROBOT), rollout.conditions(seed), seed).survived
