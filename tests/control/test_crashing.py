"""The demonstrator of a crash: an LQR until its time, then a fall; the same for the same seed."""

import json

import pytest

from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import LinearController
from robot_il.control.crashing import EARLIEST_S, LATEST_S, STRONGEST, WEAKEST, CrashingDriver
from robot_il.control.lqr import lqr_gain, lqr_law
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_RATE_HZ
from robot_il.tasks import TASKS
from tests.control.test_mpc import state

TASK = TASKS["stand"]


def law(name="reference"):
    return LinearController(lqr_gain(load_robot(name), TASK), TASK)


def crash_of(driver, leaning):
    """Ticks balanced, and the torque after them."""
    balanced = law().torque(leaning)
    for tick in range(round(LATEST_S * CONTROL_RATE_HZ) + 1):
        answer = driver.torque(leaning)
        if answer != balanced:
            return tick, answer
    return None


def test_it_balances_as_the_lqr_until_its_time_and_then_pushes_one_way():
    leaning = state(pitch=0.03, velocity=-0.2)
    ticks, torques = zip(
        *(crash_of(CrashingDriver(law().identity, 8.0, seed), leaning) for seed in range(40)), strict=True
    )
    assert EARLIEST_S * CONTROL_RATE_HZ <= min(ticks) < max(ticks) <= LATEST_S * CONTROL_RATE_HZ
    assert len(set(ticks)) > 30
    assert {torque > 0 for torque in torques} == {True, False}
    assert all(WEAKEST * 8.0 <= abs(torque) <= STRONGEST * 8.0 for torque in torques)


def test_a_log_a_reset_and_the_seed_give_the_same_crash():
    leaning = state(pitch=0.03)
    driver = CrashingDriver(law().identity, 8.0, 7)
    first = crash_of(driver, leaning)
    driver.reset()
    assert crash_of(driver, leaning) == first
    again = CrashingDriver.from_identity(json.loads(json.dumps(driver.identity)))
    assert crash_of(again, leaning) == first
    assert crash_of(CrashingDriver(law().identity, 8.0, 8), leaning) != first


@pytest.mark.parametrize("name", ["reference", "two_wheeled"])
def test_it_falls_in_the_twin_on_either_robot(name):
    rollout = Rollout(name, TASK, LATEST_S + 3.0)
    robot = rollout.robot
    for seed in range(3):
        driver = CrashingDriver(law(name).identity, min(8.0, 2.0 * robot.drive.torque_limit_nm), seed)
        episode = rollout.run(driver, lqr_law(robot, TASK), rollout.conditions(seed), seed)
        assert not episode.survived
        assert episode.seconds > EARLIEST_S
