from __future__ import annotations

import contextlib
import math

import pytest

from robot_il.errors import ConfigError
from robot_il.robot import Robot
from sim.conditions import Conditions
from sim.figures import with_figures
from sim.twin import Twin


def test_named_figures_change_and_all_others_stay(robot: Robot) -> None:
    changed = with_figures(robot, [("drive.backlash_rad", 0.02), ("imu.mount_pitch_rad", -0.01)])
    assert (changed.drive.backlash_rad, changed.imu.mount_pitch_rad) == (0.02, -0.01)
    assert with_figures(changed, [("drive.backlash_rad", 0.0), ("imu.mount_pitch_rad", 0.0)]) == robot
    assert with_figures(robot, []) is robot


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("drive.colour", 1.0, "backlash_rad"),
        ("pendulum.body_mass_kg", 1.0, "drive, imu"),
        ("backlash_rad", 1.0, "drive, imu"),
        ("drive.backlash_rad", -0.1, "from 0 on"),
        ("contact.friction_1", math.nan, "finite"),
    ],
)
def test_what_is_no_figure_or_no_value_of_one_is_refused(robot: Robot, name: str, value: float, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        with_figures(robot, [(name, value)])


def test_a_twin_is_built_with_its_episodes_figures(robot: Robot) -> None:
    conditions = Conditions(figures=(("battery.open_circuit_v", 22.0), ("sensors.delay_s", 0.004)))
    with contextlib.closing(Twin(robot, conditions, 1)) as twin:
        assert twin.drives.open_circuit_v == 22.0
        assert twin.sensors.delay_ms == 4
