"""A hand that lets go of a rolling robot."""

from __future__ import annotations

import contextlib

import pytest

from robot_il.errors import ConfigError
from robot_il.robot import load_robot
from sim.conditions import Conditions
from sim.plant import Plant

ROBOT = load_robot()


@pytest.mark.parametrize(("rate", "velocity"), [(0.0, 0.8), (0.5, -0.6), (0.0, 0.0)])
def test_the_robot_rolls_on_at_the_speed_of_the_hand_without_slipping(rate: float, velocity: float) -> None:
    with contextlib.closing(Plant(ROBOT, Conditions())) as plant:
        plant.place(0.02, 0.0, rate, velocity)
        start, moving = plant.axle()
        assert moving == pytest.approx([velocity, 0.0, 0.0], abs=1e-6)
        for _ in range(20):
            plant.step(0.0, 0.0)
        end, _ = plant.axle()
        rolled = plant.joints[0][1] * ROBOT.pendulum.wheel_radius_m
        assert end[0] - start[0] == pytest.approx(0.02 * velocity, abs=0.003)
        axle = plant.axle()[1][0]
        turning = plant.angular_velocity_rad_s[1] * ROBOT.pendulum.wheel_radius_m
        assert rolled + turning == pytest.approx(axle, abs=0.02)


def test_it_rolls_along_its_heading() -> None:
    with contextlib.closing(Plant(ROBOT, Conditions())) as plant:
        plant.place(0.0, 1.5707963, 0.0, 0.7)
        assert plant.axle()[1] == pytest.approx([0.0, 0.7, 0.0], abs=1e-6)


@pytest.mark.parametrize("velocity", [5.1, -5.1, float("nan")])
def test_a_speed_beyond_the_range_is_refused(velocity: float) -> None:
    with pytest.raises(ConfigError, match="initial_velocity_m_s"):
        Conditions(initial_velocity_m_s=velocity)
