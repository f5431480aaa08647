"""Who can drive an episode that is recorded in the twin: good, poor and bad on purpose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from robot_il.control.controllers import Controller, LinearController, SyntheticOperator
from robot_il.spec import Task

_SWINGING = (1.0, 1.0, 3.5, 0.75)
_OVERSPEEDING = (1.0, 1.0, 1.0, 0.3)
"""Factors on the LQR's gains of pitch, pitch rate, position and velocity; the first loop is badly damped, the second
lets the robot run before it brakes."""
_STATE = ("pitch", "pitch_rate", "position", "velocity")


def _scaled(name: str, factors: tuple[float, ...]) -> Callable[[np.ndarray, Task, int], Controller]:
    def make(gain: np.ndarray, task: Task, seed: int) -> Controller:
        del seed
        chosen = [factors[_STATE.index(signal)] for signal in task.observation]
        return LinearController(gain * np.array(chosen), task, name)

    return make


DEMONSTRATORS: dict[str, Callable[[np.ndarray, Task, int], Controller]] = {
    "lqr": lambda gain, task, seed: LinearController(gain, task),
    "operator": lambda gain, task, seed: SyntheticOperator(gain, task, seed),
    "skilled-operator": lambda gain, task, seed: SyntheticOperator(gain, task, seed, 0.9, delay_s=0.01, tremor_nm=0.3),
    "trembling-operator": lambda gain, task, seed: SyntheticOperator(gain, task, seed, tremor_nm=2.5),
    "swinging": _scaled("swinging", _SWINGING),
    "overspeeding": _scaled("overspeeding", _OVERSPEEDING),
}
"""By name, what makes the controller out of the task's LQR gain, the task and a seed."""
