"""The law that catches the robot: an LQR that comes to rest where this costs least, whatever happened before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from robot_il.control.controllers import Controller, LinearController
from robot_il.control.device import State
from robot_il.control.lqr import STATE, solve_lqr
from robot_il.robot import Robot
from robot_il.spec import TASKS

NAME = "fallback"
MOVING = ("pitch", "pitch_rate", "velocity")
"""What of the pendulum's state counts when the place to rest is free."""
_MOVING = [STATE.index(name) for name in MOVING]
_POSITION = STATE.index("position")


class Fallback:
    """Brings the robot to rest and holds it there.

    The place is chosen from the first STATE after a reset, which the guard calls at every hand-over: with the cost to
    go V(z) = z' P z of the LQR, the position at which V is least for the lean and speed of that moment. A robot that
    was moving is stopped ahead instead of being called back, and one that rolled away from where it was armed is not
    sent home by a torque that its lean did not ask for.

    Args:
        gain: (4,) over pitch, pitch_rate, position, velocity: torque in N m is ``-gain @ (state - place)``.
        rest: (3,) over pitch, pitch_rate, velocity: the robot's position minus that of the place to rest, in m.
    """

    def __init__(self, gain: np.ndarray, rest: np.ndarray) -> None:
        self.identity = {"name": NAME, "gain": np.asarray(gain).tolist(), "rest": np.asarray(rest).tolist()}
        self.intent = math.nan
        self._gain = [float(value) for value in gain]
        self._rest = [float(value) for value in rest]
        self._place: float | None = None

    def reset(self) -> None:
        """Leaves the choice of place to the next STATE."""
        self._place = None

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        if self._place is None:
            pitch, rate, velocity = self._rest
            self._place = state.position - (pitch * state.pitch + rate * state.pitch_rate + velocity * state.velocity)
        pitch, rate, position, velocity = self._gain
        return -(
            pitch * state.pitch
            + rate * state.pitch_rate
            + position * (state.position - self._place)
            + velocity * state.velocity
        )


def lqr_fallback(robot: Robot) -> Fallback:
    """The fallback of a robot, the same for every task."""
    gain, P = solve_lqr(robot, TASKS["stand"])
    return Fallback(gain, place_to_rest(P))


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
        return Fallback(np.array(identity["gain"]), np.array(identity["rest"]))
    return LinearController.from_identity(identity)
