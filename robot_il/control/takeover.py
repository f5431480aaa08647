"""A person takes the robot from whoever drives, at any time, and gives it back.

Nobody balances this robot by raw torque. So the person who takes over asks for a velocity and an LQR stands for the
balance; the log keeps the torque that came of it as the intent, which marks these ticks as the person's.
"""

from __future__ import annotations

import math

import numpy as np

from robot_il.control.controllers import Controller, RecordedIntent
from robot_il.control.device import State
from robot_il.control.lqr import lqr_gain
from robot_il.robot import Robot
from robot_il.spec import CONTROL_RATE_HZ, TASKS

LARGEST_VELOCITY_M_S = 0.5
VELOCITY_SLEW_M_S2 = 0.5
LARGEST_LAG_M = 0.3


class VelocityDriver:
    """Balances, and goes as fast as the person asks: an LQR about a place that moves on at that velocity.

    Args:
        robot: whose LQR of the task ``stand`` balances it.
        rate_hz: of the STATEs.

    Attributes:
        wanted_m_s: velocity asked for, within ``LARGEST_VELOCITY_M_S``; reached at ``VELOCITY_SLEW_M_S2``
            unless asked for otherwise.
    """

    def __init__(self, robot: Robot, rate_hz: int = CONTROL_RATE_HZ) -> None:
        gain = lqr_gain(robot, TASKS["stand"])
        self._gain = [float(value) for value in gain]
        self._period_s = 1.0 / rate_hz
        self.identity = {"name": "velocity driver", "gain": self._gain, "rate_hz": rate_hz}
        self.intent = math.nan
        self.reset()

    def reset(self) -> None:
        """Asks for rest, where the robot is at the next STATE."""
        self.wanted_m_s = 0.0
        self._slew_m_s2 = VELOCITY_SLEW_M_S2
        self._velocity_m_s = 0.0
        self._place_m: float | None = None

    def ask(self, velocity_m_s: float, slew_m_s2: float = VELOCITY_SLEW_M_S2) -> None:
        """Asks for a velocity, cut to what is allowed, to be reached at a given acceleration."""
        self._slew_m_s2 = slew_m_s2
        self.wanted_m_s = min(max(velocity_m_s, -LARGEST_VELOCITY_M_S), LARGEST_VELOCITY_M_S)

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        step = self._slew_m_s2 * self._period_s
        self._velocity_m_s += min(max(self.wanted_m_s - self._velocity_m_s, -step), step)
        place = state.position if self._place_m is None else self._place_m + self._velocity_m_s * self._period_s
        # a robot that was held back or pushed goes on from where it is, and does not hurry after the place
        self._place_m = min(max(place, state.position - LARGEST_LAG_M), state.position + LARGEST_LAG_M)
        pitch, rate, position, velocity = self._gain
        return -(
            pitch * state.pitch
            + rate * state.pitch_rate
            + position * (state.position - self._place_m)
            + velocity * (state.velocity - self._velocity_m_s)
        )


class TakeOver:
    """A controller that a person may take over from.

    Args:
        controller: drives until then, and again once it is given the robot back.
        operator: drives for the person.

    Attributes:
        taken: whether the person has the robot.
    """

    def __init__(self, controller: Controller, operator: Controller) -> None:
        self._controller = controller
        self._operator = operator
        self.identity = {**controller.identity, "operator": operator.identity}
        self.intent = math.nan
        self.taken = False

    def reset(self) -> None:
        """The controller has the robot."""
        self._controller.reset()
        self._operator.reset()
        self.intent = math.nan
        self.taken = False

    def take(self) -> None:
        """From the next STATE on the person drives."""
        if not self.taken:
            self._operator.reset()
        self.taken = True

    def give_back(self) -> None:
        """From the next STATE on the controller drives."""
        self.taken = False

    def torque(self, state: State) -> float:
        """Total wheel torque in N m of whoever drives."""
        if not self.taken:
            self.intent = math.nan
            return self._controller.torque(state)
        self.intent = float(np.float32(self._operator.torque(state)))  # as the log keeps it
        return self.intent


class RecordedTakeOver:
    """Gives back what a person did, and asks the controller for the rest: what a replay puts in a ``TakeOver``'s place.

    Args:
        controller: that drove when the person did not.
        recorded: the person's intents.
    """

    def __init__(self, controller: Controller, recorded: RecordedIntent) -> None:
        self.identity = {**controller.identity, "operator": recorded.identity}
        self.intent = math.nan
        self._controller = controller
        self._recorded = recorded

    def reset(self) -> None:
        """Starts from the beginning."""
        self._controller.reset()
        self._recorded.reset()

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        try:
            self.intent = self._recorded.torque(state)
        except KeyError:
            self.intent = math.nan
            return self._controller.torque(state)
        return self.intent
