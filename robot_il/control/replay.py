"""Recomputes the torques of a recorded run from its observations, through the present build."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_il.control.controllers import Controller, RecordedIntent
from robot_il.control.device import State
from robot_il.control.guard import Guard, GuardLimits, LoopInput
from robot_il.spec import STATE_SIGNALS

COMPARED = ("controller_torque", "limited_torque", "sent_left", "sent_right", "source", "supervisor")
_STATE_NAMES = [signal.name for signal in STATE_SIGNALS]


@dataclass(frozen=True)
class ReplayResult:
    """How a replay compares with its log.

    Attributes:
        ticks: ticks compared.
        differing: ticks on which any of ``COMPARED`` differs in a bit.
        first: tick index, signal, logged and recomputed value of the first difference; None without one.
        largest_torque_error_nm: largest difference of the total torque after limits, in N m.
    """

    ticks: int
    differing: int
    first: tuple[int, str, float, float] | None
    largest_torque_error_nm: float

    @property
    def bit_equal(self) -> bool:
        """Whether every compared signal of every tick is the same to the bit."""
        return self.differing == 0


def replay(ticks: np.ndarray, controller: Controller, fallback: Controller, limits: GuardLimits) -> ReplayResult:
    """Feeds the logged STATEs and loop inputs to a fresh guard and compares what it decides.

    Args:
        ticks: shape (N,), dtype ``spec.TICK_DTYPE``, the ticks of one run from connect to end.
        controller: the controller that drove; a ``RecordedIntent`` in an operator's place.
        fallback: the fallback that was ready.
        limits: the guard limits of the run.
    """
    guard = Guard(controller, fallback, limits)
    recomputed = np.zeros(len(ticks), dtype=[(name, ticks.dtype[name]) for name in COMPARED])
    columns = [ticks[name].tolist() for name in _STATE_NAMES]
    for index, (inputs, *values) in enumerate(zip(ticks["inputs"].tolist(), *columns, strict=True)):
        decision = guard.decide(State(*values), LoopInput(inputs))
        recomputed[index] = (
            decision.controller_torque,
            decision.limited_torque,
            decision.left,
            decision.right,
            decision.source,
            guard.supervisor.state,
        )
    return _compare(ticks, recomputed)


def _compare(ticks: np.ndarray, recomputed: np.ndarray) -> ReplayResult:
    unequal = {name: ticks[name] != recomputed[name] for name in COMPARED}
    differing = np.logical_or.reduce(list(unequal.values()))
    first = None
    if differing.any():
        index = int(np.argmax(differing))
        name = next(name for name in COMPARED if unequal[name][index])
        first = (index, name, float(ticks[name][index]), float(recomputed[name][index]))
    error = np.abs(ticks["limited_torque"].astype(float) - recomputed["limited_torque"])
    return ReplayResult(len(ticks), int(differing.sum()), first, float(error.max(initial=0.0)))


def recorded_intent(ticks: np.ndarray) -> RecordedIntent:
    """The operator of a log, as a controller that repeats what was intended.

    Args:
        ticks: shape (N,), dtype ``spec.TICK_DTYPE``.
    """
    asked = ticks[np.isfinite(ticks["intent"])]
    return RecordedIntent(zip(asked["state_seq"].tolist(), asked["intent"].tolist(), strict=True))
