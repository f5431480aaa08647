"""What can be read off the ticks of a recording: gaps and their causes, stuck values, torque that was not obeyed."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from robot_il.spec import LIMITS, Mode

APPLIED_TOLERANCE_NM: Final = 0.02
SLEW_S: Final = 2 * LIMITS.wheel_torque_nm / LIMITS.wheel_torque_slew_nm_s
"""Time that the slew limit may take from one end of the torque range to the other."""


def steps(ticks: np.ndarray, name: str) -> np.ndarray:
    """Differences (T - 1,) of an integer signal, signed; a counter of 16 or 32 bits may wrap."""
    values = ticks[name].astype(np.int64)
    differences: np.ndarray = values[1:] - values[:-1]
    bits = 8 * ticks.dtype[name].itemsize
    if bits == 64:
        return differences
    half = 1 << (bits - 1)
    return (differences + half) % (1 << bits) - half


def gaps(ticks: np.ndarray) -> tuple[int, int]:
    """STATEs missing between recorded ones: lost on the link, and passed over by a late host.

    The link counts what it lost on the way; a gap that it did not count was received, and a newer STATE was answered.
    """
    missing = (steps(ticks, "state_seq") - 1).clip(0)
    on_link = np.minimum(missing, steps(ticks, "link_errors").clip(0))
    return int(on_link.sum()), int((missing - on_link).sum())


def longest_repeat(values: np.ndarray, where: np.ndarray) -> int:
    """Length of the longest run of one value in ``values``, looking only at ticks in ``where``; both (T,)."""
    same = (values[1:] == values[:-1]) & where[1:] & where[:-1]
    edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False])).astype(np.int8)))
    runs = edges[1::2] - edges[::2]
    return int(runs.max()) + 1 if len(runs) else 0


def stretches(where: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of each stretch of True in ``where`` (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], where, [False]))))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def disagreement(ticks: np.ndarray, rate_hz: int) -> tuple[int, int]:
    """Ticks on which a wheel's applied torque is none of what was in force, and ticks that could be compared.

    The torque applied over a period lies between those of the commands in force over it and, as the MCU limits its
    slew, over the periods of ``SLEW_S`` before. Compared are ticks with that much unbroken, armed history, in which no
    wheel was so fast that the MCU lets only braking torque pass.

    Args:
        ticks: (T,) of ``spec.TICK_DTYPE``.
        rate_hz: at which they were recorded.
    """
    depth = math.ceil(SLEW_S * rate_hz) + 2
    if len(ticks) < depth:
        return 0, 0
    seqs, first = np.unique(ticks["sent_seq"], return_index=True)
    at = np.searchsorted(seqs, ticks["command_seq"]).clip(0, len(seqs) - 1)
    known = (seqs[at] == ticks["command_seq"]) & (ticks["command_seq"] > 0) & (ticks["mode"] == Mode.ARMED)
    known[1:] &= steps(ticks, "state_seq") == 1
    for side in ("left", "right"):
        known &= ~(np.abs(ticks[f"wheel_velocity_{side}"]) >= LIMITS.wheel_speed_rad_s)
    compared = _windows(known, depth).all(axis=1)
    wrong = np.zeros(len(ticks) - depth + 1, np.bool_)
    for side in ("left", "right"):
        in_force = _windows(ticks[f"sent_{side}"][first[at]], depth)
        applied = ticks[f"applied_{side}"][depth - 1 :]
        wrong |= applied < in_force.min(axis=1) - APPLIED_TOLERANCE_NM
        wrong |= applied > in_force.max(axis=1) + APPLIED_TOLERANCE_NM
    return int((wrong & compared).sum()), int(compared.sum())


def _windows(values: np.ndarray, depth: int) -> np.ndarray:
    """All windows of ``depth`` neighbours of ``values`` (T,), shape (T - depth + 1, depth)."""
    return np.lib.stride_tricks.sliding_window_view(values, depth)
