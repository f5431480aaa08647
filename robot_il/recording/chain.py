"""The action chain, link by link: what a person asked for, what was made of it, what was sent, what was applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from robot_il.recording.evidence import disagreement
from robot_il.recording.findings import OK, Finding, graded
from robot_il.spec import TORQUE_LIMIT_NM

CONTROLLER: Final = 1
FALLBACK: Final = 2
"""Values of the ``source`` signal."""
TOLERANCE_NM: Final = 1e-4
"""What single precision may lose of a torque on its way through the host: a hundred steps of a float32 at 8 N m."""
ON_BOARD: Final = "applied"
"""What an identity's ``action`` says where the MCU itself drove: only this link holds what it did."""


def made_on_board(controller: Mapping[str, Any]) -> bool:
    """Whether the torques of a log were made on the MCU; the links before the last hold none of them then.

    Args:
        controller: identity of who drove.
    """
    return bool(controller.get("action") == ON_BOARD)


def look_at_chain(ticks: np.ndarray, rate_hz: int, on_board: bool = False) -> Iterator[Finding]:
    """Findings on each link.

    Args:
        ticks: (T,) of ``spec.TICK_DTYPE``.
        rate_hz: at which they were recorded.
        on_board: whether the torques were made on the MCU, so that there is nothing to hold them against.
    """
    driven = ticks[ticks["source"] > 0]
    yield _intent(driven)
    yield from _limits(driven)
    yield _sent(driven)
    if on_board:
        yield Finding("sent against applied", OK, 0, "not compared: the torques were made on the MCU")
        return
    wrong, compared = disagreement(ticks, rate_hz)
    text = "ticks on which the robot applied another torque than it was sent"
    yield graded("sent against applied", wrong, compared, text, 0.01, 0.2)


def _intent(driven: np.ndarray) -> Finding:
    """Where a person drives, the controller in charge asks for what came of their wish, and for nothing else."""
    theirs = driven[np.isfinite(driven["intent"]) & (driven["source"] == CONTROLLER)]
    wrong = _differ(theirs["intent"], theirs["controller_torque"])
    text = "ticks on which the controller asked for something else than the person who drove"
    return graded("intent against controller", wrong, len(theirs), text, 0.0, 0.01)


def _limits(driven: np.ndarray) -> Iterator[Finding]:
    asked, limited = driven["controller_torque"], driven["limited_torque"]
    clipped = int((asked != limited).sum())
    yield graded("clipped torque", clipped, len(driven), "driven ticks on which the host's limits changed it", 0.05)
    largest = int((np.abs(limited) >= TORQUE_LIMIT_NM * (1 - 1e-6)).sum())
    yield graded("saturated torque", largest, len(driven), f"driven ticks at +-{TORQUE_LIMIT_NM:g} N m", 0.05)
    beyond = int((np.abs(limited) > TORQUE_LIMIT_NM * (1 + 1e-6)).sum())
    text = f"driven ticks on which the limits let more than {TORQUE_LIMIT_NM:g} N m pass"
    yield graded("limited torque", beyond, len(driven), text, 0.0, 0.0)
    fallback = int((driven["source"] == FALLBACK).sum())
    yield graded("fallback", fallback, len(driven), "driven ticks on which the fallback was in charge", 0.0)


def _sent(driven: np.ndarray) -> Finding:
    """Half to each wheel, and a difference for the heading that cancels: their sum is the limited torque."""
    answered = driven[driven["sent_seq"] > 0]
    total = answered["sent_left"].astype(np.float64) + answered["sent_right"]
    wrong = _differ(total, answered["limited_torque"])
    text = "ticks on which the wheels were sent another sum than the limits gave"
    return graded("limited against sent", wrong, len(answered), text, 0.0, 0.01)


def _differ(one: np.ndarray, other: np.ndarray) -> int:
    """How many of (N,) differ by more than single precision explains; what is no number is judged elsewhere."""
    return int((np.abs(one.astype(np.float64) - other) > TOLERANCE_NM).sum())
