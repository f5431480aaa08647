"""Whether an episode did what its task is about, where it says too little that the robot did not fall."""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

import numpy as np

from robot_il.tasks import Task
from sim.twin import Truth

REST_S = 0.5
"""End of an episode in which a robot that had to stand up must be upright and at rest."""
REST_RAD, REST_M_S = 0.1, 0.2
"""What counts as that, largest lean and mean speed; the LQR of either shipped robot stays far inside."""
SETTLE_S = 1.0
"""Time that a robot has to begin to turn."""
NEAR_1 = 0.25
"""Share by which the mean rate of turning may miss what was asked. The speed is not judged: no linear law of the
observation knows the gyro's bias, which leans the robot and lets it run a little faster or slower."""


class Judge(Protocol):
    """Looks at the truth of an episode tick by tick."""

    def see(self, truth: Truth) -> None:
        """Takes one tick."""

    @property
    def succeeded(self) -> bool | None:
        """Whether the robot did what the task asks besides not falling; None where it asks for nothing else."""

    @property
    def error(self) -> float | None:
        """How far it was from that, in the unit of ``evaluation.TASK_ERRORS``; None as before."""


def judge_of(task: Task, period_s: float) -> Judge:
    """The judge of a task.

    Args:
        task: to be done.
        period_s: of the ticks.
    """
    if task.name.partition("@")[0] == "stand_up":
        return _AtRest(round(REST_S / period_s))
    if task.target_yaw_rate_rad_s:
        return _Turned(task, round(SETTLE_S / period_s))
    return _Survived()


class _Survived:
    """Of a task that is done by not falling."""

    succeeded: bool | None = None
    error: float | None = None

    def see(self, truth: Truth) -> None:
        """Nothing to look at."""


class _AtRest:
    """Upright and at rest by the end; the error is the largest lean of that time, in rad."""

    def __init__(self, ticks: int) -> None:
        self._last: deque[tuple[float, float]] = deque(maxlen=ticks)

    def see(self, truth: Truth) -> None:
        """Takes one tick."""
        self._last.append((abs(truth.pitch), abs(truth.velocity)))

    @property
    def succeeded(self) -> bool | None:
        """Whether it was."""
        full = len(self._last) == self._last.maxlen
        calm = full and float(np.mean([speed for _, speed in self._last])) <= REST_M_S
        return calm and self._lean_rad <= REST_RAD

    @property
    def error(self) -> float | None:
        """Largest lean at the end, in rad; None where nothing was driven."""
        return self._lean_rad if self._last else None

    @property
    def _lean_rad(self) -> float:
        return max((lean for lean, _ in self._last), default=math.inf)


class _Turned:
    """At the rate of turning that was asked; the error is the rms of the rate's, in rad/s."""

    def __init__(self, task: Task, settle_ticks: int) -> None:
        self._wanted_rad_s = task.target_yaw_rate_rad_s
        self._settle_ticks = settle_ticks
        self._missed: list[float] = []
        self._ticks = 0

    def see(self, truth: Truth) -> None:
        """Takes one tick."""
        self._ticks += 1
        if self._ticks > self._settle_ticks:
            self._missed.append(truth.yaw_rate - self._wanted_rad_s)

    @property
    def succeeded(self) -> bool | None:
        """Whether the mean is within ``NEAR_1``."""
        return bool(self._missed) and abs(float(np.mean(self._missed))) <= NEAR_1 * abs(self._wanted_rad_s)

    @property
    def error(self) -> float | None:
        """Root mean square of the rate's error, in rad/s; None where there was no time to turn."""
        return float(np.sqrt(np.mean(np.square(self._missed)))) if self._missed else None
