"""The law that catches the robot: an LQR that comes to rest where this costs least, whatever happened before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from robot_il.control.controllers import SCHEDULE, Controller, LinearController
from robot_il.control.device import State
from robot_il.control.lqr import STATE, solve_lqr
from robot_il.control.schedule import Schedule, scheduled
from robot_il.robot import Robot
from robot_il.tasks import TASKS

NAME = "fallback"
MOVING = ("pitch", "pitch_rate", "velocity")
"""What of the pendulum's state counts when the place to rest is free."""
_MOVING = [STATE.index(name) for name in MOVING]
_POSITION = STATE.index("position")
_REST = len(STATE)
"""Where in a row of the fallback's table the place to rest begins."""


class Fallback:
    """Brings the robot to rest and holds it there.

    The place is chosen from the first STATE after a reset, which the guard calls at every hand-over: with the cost to
    go V(z) = z' P z of the LQR, the position at which V is least for the lean and speed of that moment. A robot that
    was moving is stopped ahead instead of being called back, and one that rolled away from where it was armed is not
    sent home by a torque that its lean did not ask for.

    Gain and place are those of the height that the legs hold, the place of the height at that first STATE.

    Args:
        laws: rows of seven over the height: the gain over pitch, pitch_rate, position, velocity, so that the torque in
            N m is ``-gain @ (state - place)``; then over pitch, pitch_rate, velocity the robot's position minus that of
            the place to rest, in m.
    """

    def __init__(self, laws: Schedule) -> None:
        nominal = laws.rows[laws.nominal]
        self.identity: dict[str, Any] = {"name": NAME, "gain": nominal[:_REST], "rest": nominal[_REST:]}
        if len(laws.rows) > 1:
            self.identity[SCHEDULE] = laws.to_json()
        self.intent = math.nan
        self._laws = laws
        self._place: float | None = None

    def reset(self) -> None:
        """Leaves the choice of place to the next STATE."""
        self._place = None

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        law = self._laws.at(state.height)
        if self._place is None:
            pitch, rate, velocity = law[_REST:]
            self._place = state.position - (pitch * state.pitch + rate * state.pitch_rate + velocity * state.velocity)
        pitch, rate, position, velocity = law[:_REST]
        return -(
            pitch * state.pitch
            + rate * state.pitch_rate
            + position * (state.position - self._place)
            + velocity * state.velocity
        )


def lqr_fallback(robot: Robot) -> Fallback:
    """The fallback of a robot, the same for every task."""

    def law_at(height_m: float) -> list[float]:
        gain, P = solve_lqr(robot, TASKS["stand"], height_m)
        return [*gain, *place_to_rest(P)]

    return Fallback(scheduled(robot, law_at))


def place_to_rest(P: np.ndarray) -> np.ndarray:
    """Where to be, relative to the place to rest, so that coming to rest there costs least.

    Args:
        P: (4, 4) cost over pitch, pitch_rate, position, velocity.

    Returns:
        (3,) over pitch, pitch_rate, velocity: the position in m that minimises z' P z for given other entries.
    """
    return -P[_POSITION, _MOVING] / P[_POSITION, _POSITION]


def cost_from_anywhere(P: np.ndarray) -> np.ndarray:
    """The least cost over all places: the Schur complement of the position in P, (3, 3) over ``MOVING``."""
    column = P[_MOVING, _POSITION]
    return P[np.ix_(_MOVING, _MOVING)] - np.outer(column, column) / P[_POSITION, _POSITION]


def fallback_from_identity(identity: Mapping[str, Any]) -> Controller:
    """The fallback that a log names; logs of earlier releases name an LQR that held the place of arming.

    Raises:
        KeyError: the log says too little of it.
    """
    if identity["name"] == NAME:
        if SCHEDULE in identity:
            return Fallback(Schedule.from_json(identity[SCHEDULE]))
        return Fallback(Schedule([0.0], [[*identity["gain"], *identity["rest"]]], 0))
    return LinearController.from_identity(identity)
