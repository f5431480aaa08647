"""The twin's legs go where its MCU says, at the MCU's rate, and nowhere unless they are told."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from robot_il.robot import Robot, load_robot
from robot_il.spec import LIMITS, Mode
from sim.conditions import Conditions
from sim.twin import Twin
from tests.sim.conftest import Drive

SETTLED_M = 0.004
"""Of the body's weight on legs that are held by motors of limited stiffness."""


def untold(twin: Twin) -> Twin:
    """The twin, whose legs nobody may tell anything from now on."""

    def told(height_m: float) -> None:
        raise AssertionError(f"the legs were told {height_m}")

    twin.plant.set_height = told
    return twin


def raised(host: Drive, height_m: float, seconds: float) -> None:
    """Balances while the legs are asked to go there."""
    write = host.device.write
    host.device.write = lambda left, right: write(left, right, height_m)
    host.balance(seconds)
    host.device.write = write


@pytest.fixture
def host(drive) -> Drive:
    host = drive(Conditions())
    host.arm()
    host.balance(0.5)
    return host


def test_the_mcu_boots_at_the_height_of_the_profile(host: Drive, robot: Robot) -> None:
    assert host.states[0].height == np.float32(robot.height_m)


def test_legs_that_are_asked_for_nothing_are_told_nothing(host: Drive) -> None:
    untold(host.twin)
    host.balance(1.0)
    assert {state.height for state in host.states} == {host.states[0].height}


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_the_body_goes_to_the_height_that_was_asked_and_the_robot_stays_up(host: Drive, robot: Robot, share) -> None:
    low, high = robot.heights_m
    asked = low + share * (high - low)
    before = host.twin.truth.height
    raised(host, asked, 3.0)
    assert host.states[-1].height == np.float32(asked)
    assert host.twin.truth.height - before == pytest.approx(asked - robot.height_m, abs=SETTLED_M)
    assert host.twin.mode == Mode.ARMED
    assert not host.twin.fallen


def test_it_goes_there_at_the_rate_of_the_spec(host: Drive, robot: Robot) -> None:
    raised(host, robot.heights_m[0], 0.8)
    heights = np.array([state.height for state in host.states[-100:]], dtype=np.float64)
    assert np.diff(heights) == pytest.approx(-LIMITS.height_rate_m_s / 200, abs=1e-6)


def test_legs_that_were_on_their_way_stop_with_the_wheels(host: Drive, robot: Robot) -> None:
    raised(host, robot.heights_m[0], 0.5)
    host.device.request("estop")
    host.wait(0.02)
    stopped = host.read().height
    untold(host.twin)
    assert robot.heights_m[0] < stopped < robot.height_m
    assert host.wait(0.5).height == stopped


def test_an_mcu_that_lost_its_supply_finds_the_legs_where_they_are(host: Drive, robot: Robot) -> None:
    raised(host, robot.heights_m[0], 0.5)
    before = host.twin.firmware.height
    untold(host.twin)
    host.twin.power_off(20)
    host.twin.step()
    for _ in range(200):
        host.twin.step()
    assert host.twin.firmware.height == before < robot.height_m


def test_a_robot_without_legs_has_one_height_and_never_moves_it() -> None:
    robot = load_robot("two_wheeled")
    with contextlib.closing(untold(Twin(robot, Conditions(), 1))) as twin:
        for _ in range(50):
            twin.step()
        assert twin.heights_m == (robot.height_m, robot.height_m)
        assert twin.firmware.height == np.float32(robot.height_m)
