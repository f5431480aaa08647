"""What the robot rolls on, for every physics engine alike: slope, bump, friction, rolling resistance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robot_il.robot import Robot
from sim.attitude import Quaternion, product
from sim.conditions import Conditions

BUMP_WIDTH_M = 4.0
BUMP_DEPTH_M = 0.05
"""How far a bump reaches below the floor, so that no wheel finds a gap beneath it."""


@dataclass(frozen=True)
class Ground:
    """A floor that begins where the robot is set down and lies in front of it.

    Its own axes point ahead (uphill), to the left and away from it, and turn with the heading of the robot as it is set
    down.

    Attributes:
        floor_friction_1: by which the wheels' coefficient is multiplied.
        rolling_m: torque that resists a wheel's rolling, over the force that presses it down: the resistance as a share
            of the load times the wheel's radius.
        slope_rad: by which it rises ahead.
        bump_m: (height, place ahead of the axle, length) of a bar across the way; a height of 0 is none.
        wheel_radius_m: rolling radius of the robot's wheels.
    """

    floor_friction_1: float
    rolling_m: float
    slope_rad: float
    bump_m: tuple[float, float, float]
    wheel_radius_m: float

    @classmethod
    def of(cls, robot: Robot, conditions: Conditions) -> Ground:
        """The ground of an episode."""
        radius = robot.pendulum.wheel_radius_m
        return cls(
            floor_friction_1=conditions.floor_friction_scale,
            rolling_m=robot.contact.rolling_resistance_1 * radius,
            slope_rad=conditions.slope_rad,
            bump_m=(conditions.bump_height_m, conditions.bump_place_m, conditions.bump_length_m),
            wheel_radius_m=radius,
        )

    @property
    def plain(self) -> bool:
        """Level and without a bump: the same whatever the heading."""
        return not self.slope_rad and not self.bump_m[0]

    def attitude(self, yaw_rad: float) -> Quaternion:
        """From its axes to the world's, for a robot set down at a heading."""
        half_yaw, half_slope = yaw_rad / 2, self.slope_rad / 2
        turned = (0.0, 0.0, math.sin(half_yaw), math.cos(half_yaw))
        return product(turned, (0.0, -math.sin(half_slope), 0.0, math.cos(half_slope)))

    def ahead(self, yaw_rad: float) -> np.ndarray:
        """Its axis ahead (3,) in the world."""
        level = math.cos(self.slope_rad)
        return np.array([level * math.cos(yaw_rad), level * math.sin(yaw_rad), math.sin(self.slope_rad)])

    def axle(self, yaw_rad: float) -> np.ndarray:
        """Where the middle of the axle is (3,), in m in the world, when the robot is set down on it."""
        aside = -math.sin(self.slope_rad)
        away = np.array([aside * math.cos(yaw_rad), aside * math.sin(yaw_rad), math.cos(self.slope_rad)])
        return self.wheel_radius_m * away

    @property
    def bump_half_m(self) -> tuple[float, float, float]:
        """Half the edges of the bar, in its axes."""
        height, _, length = self.bump_m
        return 0.5 * length, 0.5 * BUMP_WIDTH_M, 0.5 * (height + BUMP_DEPTH_M)

    def bump_middle(self, yaw_rad: float) -> np.ndarray:
        """Middle of the bar (3,), in m in the world."""
        height, place, length = self.bump_m
        away = self.axle(yaw_rad) / self.wheel_radius_m
        return (place + 0.5 * length) * self.ahead(yaw_rad) + 0.5 * (height - BUMP_DEPTH_M) * away
