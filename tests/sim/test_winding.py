from __future__ import annotations

import dataclasses
import math

import pytest

from robot_il.robot import Robot
from sim.winding import Winding

STEP_S = 0.001


def warm(robot: Robot, **changes: float) -> Winding:
    figures = {"thermal_resistance_k_w": 2.0, "thermal_time_constant_s": 0.5} | changes
    return Winding(dataclasses.replace(robot.drive, **figures), STEP_S)


def test_a_winding_warms_up_to_what_its_losses_push_through_its_thermal_resistance(robot: Robot) -> None:
    winding = warm(robot)
    current = 6.0
    rise = 2.0 * robot.drive.winding_resistance_ohm * current**2
    for step in range(1, 2001):
        winding.warm(current)
        if step in (1, 250, 500, 2000):
            expected = 25.0 + rise * (1.0 - math.exp(-step * STEP_S / 0.5))
            assert winding.temperature_c == pytest.approx(expected, rel=1e-9)


def test_it_cools_down_again_without_current(robot: Robot) -> None:
    winding = warm(robot)
    for current in (8.0,) * 500 + (0.0,) * 500:
        winding.warm(current)
    rise = 2.0 * robot.drive.winding_resistance_ohm * 64.0 * (1.0 - math.exp(-1.0)) * math.exp(-1.0)
    assert winding.temperature_c == pytest.approx(25.0 + rise)


def test_without_thermal_resistance_it_stays_at_the_airs_temperature(robot: Robot) -> None:
    winding = warm(robot, thermal_resistance_k_w=0.0, ambient_c=40.0)
    winding.warm(100.0)
    assert (winding.temperature_c, winding.share) == (40.0, 1.0)


@pytest.mark.parametrize(
    ("ambient", "share"), [(20.0, 1.0), (90.0, 1.0), (100.0, 0.75), (110.0, 0.5), (130.0, 0.0), (150.0, 0.0)]
)
def test_the_share_falls_in_a_straight_line_from_the_deratings_start_to_its_end(
    robot: Robot, ambient: float, share: float
) -> None:
    assert warm(robot, ambient_c=ambient).share == pytest.approx(share)
