"""What drives for a person who asks for a velocity, and what a replay puts in that person's place.

Hardly anybody balances this robot by raw torque. So the person asks for a velocity and an LQR stands for the balance;
the log keeps the torque that came of it as the intent, which marks these ticks as the person's.
"""

from __future__ import annotations

import math

from robot_il.control.controllers import Controller, RecordedIntent
from robot_il.control.device import State
from robot_il.control.lqr import driven_dynamics, lqr_gain
from robot_il.control.schedule import scheduled
from robot_il.robot import Robot
from robot_il.spec import CONTROL_RATE_HZ
from robot_il.tasks import TASKS

LARGEST_VELOCITY_M_S = 0.5
VELOCITY_SLEW_M_S2 = 0.5
BANDWIDTH_RAD_S = 4.0
"""Of the filter that what is asked for goes through."""
LARGEST_LAG_M = 0.3
RESUME_US = 100_000
"""After so long without being asked it was another who drove: whoever has the robot then begins where it is."""


class VelocityDriver:
    """Balances, and goes as fast as the person asks: an LQR about a motion that the robot can follow.

    A robot that is to roll faster must first lean, and for that its wheels must first roll back. So what is asked for
    is the velocity of the point on the body, ``flat_height_m`` above the axle, that the torque does not move at once:
    the flat output of the linear pendulum (Fliess, Levine, Martin and Rouchon, "Flatness and defect of non-linear
    systems", Int. J. Control 61(6), 1995), of which position, lean and torque follow by differentiation. It goes
    through a filter with three poles at ``BANDWIDTH_RAD_S``, after a bound on the acceleration that is asked for. Held
    to a velocity alone, the robot would roll farther past what was asked, and back. Gain and pendulum are those of the
    height that the legs hold.

    Args:
        robot: whose LQR of the task ``stand`` balances it.
        rate_hz: of the STATEs.

    Attributes:
        wanted_m_s: velocity asked for, within ``LARGEST_VELOCITY_M_S``.
    """

    def __init__(self, robot: Robot, rate_hz: int = CONTROL_RATE_HZ) -> None:
        self._table = scheduled(robot, lambda height_m: _flat_row(robot, height_m))
        _, _, flat_height_m, _, *gain = self._table.rows[self._table.nominal]
        self._period_s = 1.0 / rate_hz
        self.identity = {
            "name": "velocity driver",
            "gain": gain,
            "rate_hz": rate_hz,
            "flat_height_m": flat_height_m,
            "bandwidth_rad_s": BANDWIDTH_RAD_S,
        }
        self.intent = math.nan
        self.reset()

    def reset(self) -> None:
        """Asks for rest; begins where the robot is at the next STATE, and as fast as it is then."""
        self.wanted_m_s = 0.0
        self._slew_m_s2 = VELOCITY_SLEW_M_S2
        self._begun = False
        self._asked_us = 0

    def ask(self, velocity_m_s: float, slew_m_s2: float = VELOCITY_SLEW_M_S2) -> None:
        """Asks for a velocity, cut to what is allowed, to be reached at a given acceleration."""
        self._slew_m_s2 = slew_m_s2
        self.wanted_m_s = _allowed(velocity_m_s)

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        if state.mcu_time_us - self._asked_us > RESUME_US:
            self._begun = False
        self._asked_us = state.mcu_time_us
        if not self._begun:
            self._begin(state)
        falling, tipping, flat_height_m, lean_m_s2, pitch, rate, position, velocity = self._table.at(state.height)
        lean, lean_rate, lean_change = (value / lean_m_s2 for value in self._follow())
        place = self._place_m - flat_height_m * lean
        # a robot that was held back or pushed goes on from where it is, and does not hurry after the place
        held = min(max(place, state.position - LARGEST_LAG_M), state.position + LARGEST_LAG_M)
        self._place_m += held - place
        return (lean_change - falling * lean) / tipping - (
            pitch * (state.pitch - lean)
            + rate * (state.pitch_rate - lean_rate)
            + position * (state.position - held)
            + velocity * (state.velocity - (self._velocity_m_s - flat_height_m * lean_rate))
        )

    def _begin(self, state: State) -> None:
        self._begun = True
        self._place_m = state.position
        self._asked_m_s = self._velocity_m_s = _allowed(state.velocity)
        self._acceleration_m_s2 = self._jerk_m_s3 = 0.0

    def _follow(self) -> tuple[float, float, float]:
        """Moves the point on by one period; returns its acceleration, jerk and what changes that, in m/s^2, ^3, ^4."""
        step = self._slew_m_s2 * self._period_s
        self._asked_m_s += min(max(self.wanted_m_s - self._asked_m_s, -step), step)
        w = BANDWIDTH_RAD_S
        missing = w * (self._asked_m_s - self._velocity_m_s)
        snap = w * (w * (missing - 3.0 * self._acceleration_m_s2) - 3.0 * self._jerk_m_s3)
        self._jerk_m_s3 += snap * self._period_s
        self._acceleration_m_s2 += self._jerk_m_s3 * self._period_s
        self._velocity_m_s += self._acceleration_m_s2 * self._period_s
        self._place_m += self._velocity_m_s * self._period_s
        return self._acceleration_m_s2, self._jerk_m_s3, snap


def _flat_row(robot: Robot, height_m: float) -> list[float]:
    """What the driver has to know at a height of the base above the axle.

    Returns:
        pitch acceleration per rad of lean and per N m; how far above the axle the flat output is; its acceleration per
        rad of lean; and the gain (4,) of the LQR.
    """
    A, B = driven_dynamics(robot, height_m)
    flat_height_m = float(-B[3, 0] / B[1, 0])
    lean_m_s2 = float(A[3, 0] + flat_height_m * A[1, 0])
    return [float(A[1, 0]), float(B[1, 0]), flat_height_m, lean_m_s2, *lqr_gain(robot, TASKS["stand"], height_m)]


def _allowed(velocity_m_s: float) -> float:
    return min(max(velocity_m_s, -LARGEST_VELOCITY_M_S), LARGEST_VELOCITY_M_S)


class RecordedTakeOver:
    """Gives back what a person did, and asks the controller for the rest: what a replay puts in both's place.

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
