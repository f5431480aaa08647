"""What a task asks of the robot besides its balance: to turn, and to hold other heights."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from robot_il.control.device import State
from robot_il.robot import Robot
from robot_il.tasks import Task

HEIGHT_TASK = "height"
SETTLE_S = 1.0
"""Before the first set-point: whoever let go of the robot sees it stand first."""
SHORTEST_S, LONGEST_S = 2.0, 5.0
"""Time that a set-point stays; the legs take some of it to get there."""
HEIGHT_STEPS_M = {"raise": 0.01, "lower": -0.01}
"""One press of a person who raises or lowers the body."""
_CONTROLLER = 1


class Wish(NamedTuple):
    """What is asked for besides torque: turning in rad/s; a height in m, NaN where nobody asks."""

    yaw_rate: float
    height: float


class HeightProgram:
    """Set-points for the legs, one every few seconds, spread evenly over all that they can hold.

    Args:
        low_m: lowest height of the body's origin above the axle.
        high_m: highest one.
        seed: fixes all set-points, and when they come.
    """

    def __init__(self, low_m: float, high_m: float, seed: int) -> None:
        self._low_m, self._high_m = low_m, high_m
        self._random = np.random.default_rng((seed, 0x4E16))  # not the draws that others make from the same seed
        self._starts_s = [SETTLE_S]
        self._heights_m = [self._drawn()]

    def height_at(self, time_s: float) -> float:
        """The set-point in m, exact as a float32, so long after the robot was let go; NaN before the first."""
        while self._starts_s[-1] <= time_s:
            self._starts_s.append(self._starts_s[-1] + float(self._random.uniform(SHORTEST_S, LONGEST_S)))
            self._heights_m.append(self._drawn())
        place = bisect_right(self._starts_s, time_s)
        return self._heights_m[place - 1] if place else math.nan

    def _drawn(self) -> float:
        return float(np.float32(self._random.uniform(self._low_m, self._high_m)))


@dataclass(frozen=True)
class Course:
    """What is asked of a robot while nobody asks for something else.

    Attributes:
        yaw_rate_rad_s: at which the heading hold turns, exact as a float32.
        low_m: lowest height that the legs hold.
        high_m: highest one; equal where no leg moves.
        program: of the heights; None where they stay.
    """

    yaw_rate_rad_s: float = 0.0
    low_m: float = 0.0
    high_m: float = 0.0
    program: HeightProgram | None = None

    def height_at(self, time_s: float) -> float:
        """Height in m that the task asks for, so long after the robot was let go; NaN where it asks for none."""
        return self.program.height_at(time_s) if self.program is not None else math.nan

    def within(self, height_m: float) -> float:
        """The nearest height that the legs hold, exact as a float32."""
        return float(np.float32(min(max(height_m, self.low_m), self.high_m)))


def course_of(task: Task, robot: Robot, seed: int = 0) -> Course:
    """What a task asks of a robot besides its torque, on the robot as in its twin.

    Args:
        task: to be done.
        robot: by whom; one whose legs do not move keeps its height in every task.
        seed: of the heights.
    """
    low_m, high_m = robot.heights_m
    program = HeightProgram(low_m, high_m, seed) if task.name == HEIGHT_TASK else None
    return Course(float(np.float32(task.target_yaw_rate_rad_s)), low_m, high_m, program)


def height_to_send(wanted_m: float, state: State, source: int) -> float:
    """Height in m for the COMMAND that answers a STATE.

    Only while the controller drives do the legs follow what is asked; a robot that is being caught, or brought to rest,
    keeps the height that it has.

    Args:
        wanted_m: asked for; NaN where nobody asks.
        state: to be answered.
        source: who drives, as the guard decided.
    """
    return state.height if math.isnan(wanted_m) or source != _CONTROLLER else wanted_m
