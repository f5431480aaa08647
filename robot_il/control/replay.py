"""Recomputes the torques of a recorded run from its observations, through the present build.

What is demanded depends on who recorded: the same build (``control.build``) must give every bit again; another build,
or another evaluation of the same policy, must decide the same and stay within ``BOUND_NM``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from robot_il.control.controllers import Controller, RecordedIntent
from robot_il.control.device import State
from robot_il.control.guard import Guard, GuardLimits, LoopInput
from robot_il.control.policy_metadata import TOLERANCE
from robot_il.control.posture import height_to_send
from robot_il.control.region_heights import Regions
from robot_il.spec import CONTROL_RATE_HZ, STATE_SIGNALS, TORQUE_LIMIT_NM

BOUND_NM = TOLERANCE * 2.0 * TORQUE_LIMIT_NM
"""1.6e-4 N m: what two evaluations of one policy file may differ by, as a torque. The LQR is the same sum everywhere,
and the limits after the controller never widen a difference."""
_TORQUES = ("controller_torque", "limited_torque", "sent_left", "sent_right")
_DECIDED = ("source", "supervisor")
COMPARED = (*_TORQUES, *_DECIDED, "margin", "sent_height")
_STATE_NAMES = [signal.name for signal in STATE_SIGNALS]


@dataclass(frozen=True)
class ReplayResult:
    """How a replay compares with its log.

    Attributes:
        ticks: ticks compared.
        differing: ticks on which any of ``COMPARED`` differs in a bit.
        undecided: ticks on which another hand was in charge, or the supervisor in another state.
        first: tick index, signal, logged and recomputed value of the first difference; None without one.
        largest_torque_error_nm: largest difference of any torque, in N m; NaN where one is not finite and the other is.
    """

    ticks: int
    differing: int
    undecided: int
    first: tuple[int, str, float, float] | None
    largest_torque_error_nm: float

    @property
    def bit_equal(self) -> bool:
        """Whether every compared signal of every tick is the same to the bit."""
        return self.differing == 0

    @property
    def bounded(self) -> bool:
        """Whether the same was decided on every tick, with torques that differ by at most ``BOUND_NM``."""
        return self.undecided == 0 and self.largest_torque_error_nm <= BOUND_NM


def replay(
    ticks: np.ndarray,
    controller: Controller,
    fallback: Controller,
    limits: GuardLimits,
    region: Regions | None = None,
    rate_hz: int = CONTROL_RATE_HZ,
) -> ReplayResult:
    """Feeds the logged STATEs and loop inputs to a fresh guard and compares what it decides.

    Args:
        ticks: shape (N,), dtype ``spec.TICK_DTYPE``, the ticks of one run from connect to end.
        controller: the controller that drove; a ``RecordedIntent`` in an operator's place.
        fallback: the fallback that was ready.
        limits: the guard limits of the run.
        region: the region of the run; None where it had none.
        rate_hz: of the run.
    """
    guard = Guard(controller, fallback, limits, region=region, rate_hz=rate_hz)
    recomputed = np.zeros(len(ticks), dtype=[(name, ticks.dtype[name]) for name in COMPARED])
    columns = [ticks[name].tolist() for name in _STATE_NAMES]
    # logs of earlier releases do not know of turning: NaN there
    turning = np.nan_to_num(ticks["yaw_rate_wanted"]).tolist()
    asked = zip(ticks["inputs"].tolist(), turning, ticks["height_wanted"].tolist(), strict=True)
    for index, ((inputs, turn, height), *values) in enumerate(zip(asked, *columns, strict=True)):
        state = State(*values)
        legged = not isnan(state.height)
        if not legged:  # a release in which no leg moved: any plausible height stands for the one that it had
            state = state._replace(height=0.0)
        decision = guard.decide(state, LoopInput(inputs), turn)
        recomputed[index] = (
            decision.controller_torque,
            decision.limited_torque,
            decision.left,
            decision.right,
            decision.source,
            guard.supervisor.state,
            decision.margin,
            height_to_send(height, state, decision.source) if decision.drive and legged else nan,
        )
    return _compare(ticks, recomputed)


def joined(results: Sequence[ReplayResult]) -> ReplayResult:
    """Several replays of one log as one; tick indices are those of the log.

    Args:
        results: in the order of the log, at least one.
    """
    first, before = None, 0
    for result in results:
        if result.first is not None:
            first = (before + result.first[0], *result.first[1:])
            break
        before += result.ticks
    return ReplayResult(
        ticks=sum(result.ticks for result in results),
        differing=sum(result.differing for result in results),
        undecided=sum(result.undecided for result in results),
        first=first,
        largest_torque_error_nm=float(np.max([result.largest_torque_error_nm for result in results])),
    )


def _compare(ticks: np.ndarray, recomputed: np.ndarray) -> ReplayResult:
    unequal = {name: _bits(ticks[name]) != _bits(recomputed[name]) for name in COMPARED}
    differing = np.logical_or.reduce(list(unequal.values()))
    undecided = np.logical_or.reduce([unequal[name] for name in _DECIDED])
    first = None
    if differing.any():
        index = int(np.argmax(differing))
        name = next(name for name in COMPARED if unequal[name][index])
        first = (index, name, float(ticks[name][index]), float(recomputed[name][index]))
    error = float(np.max([_largest_error(ticks[name], recomputed[name]) for name in _TORQUES]))  # NaN stays NaN
    return ReplayResult(len(ticks), int(differing.sum()), int(undecided.sum()), first, error)


def _bits(values: np.ndarray) -> np.ndarray:
    """The values as integers, so that a NaN equals itself and a zero has its sign."""
    return np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")


def _largest_error(logged: np.ndarray, recomputed: np.ndarray) -> float:
    same = _bits(logged) == _bits(recomputed)
    difference = np.abs(logged[~same].astype(np.float64) - recomputed[~same])
    return float(difference.max(initial=0.0))


def recorded_intent(ticks: np.ndarray) -> RecordedIntent:
    """The operator of a log, as a controller that repeats what was intended.

    Args:
        ticks: shape (N,), dtype ``spec.TICK_DTYPE``.
    """
    asked = ticks[np.isfinite(ticks["intent"])]
    return RecordedIntent(zip(asked["state_seq"].tolist(), asked["intent"].tolist(), strict=True))
