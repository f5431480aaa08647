"""Stretches of a recording in which the robot was armed and no tick is missing, cut into short windows.

What two signals say of one motion is compared over windows, not tick by tick: noise and quantisation average out of a
tenth of a second, and a delay of a few milliseconds between two sensors hardly shows in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from robot_il.recording.evidence import steps, stretches
from robot_il.spec import Mode

WINDOW_S: Final = 0.1


@dataclass(frozen=True, eq=False)
class Motion:
    """The windows of a recording.

    Attributes:
        ticks: (T,) of ``spec.TICK_DTYPE``.
        first: (W,) index of the first tick of each window.
        last: (W,) index of its last, which is the first of the next where nothing lies between.
        seconds: (W,) length by the robot's clock.
    """

    ticks: np.ndarray
    first: np.ndarray
    last: np.ndarray
    seconds: np.ndarray

    @classmethod
    def of(cls, ticks: np.ndarray, rate_hz: int) -> Motion:
        """Cuts unbroken, armed stretches into windows of ``WINDOW_S``; what is left over at their ends is left out.

        Args:
            ticks: (T,) of ``spec.TICK_DTYPE``.
            rate_hz: at which they were recorded.
        """
        length = round(WINDOW_S * rate_hz)
        first = np.concatenate(
            [np.arange(start, stop - length, length) for start, stop in unbroken(ticks)] or [np.empty(0, int)]
        ).astype(int)
        last = first + length
        times_us = ticks["mcu_time_us"].astype(np.int64)
        return cls(ticks, first, last, (times_us[last] - times_us[first]) / 1e6)

    def change(self, values: np.ndarray) -> np.ndarray:
        """(W,) mean rate of change of ``values`` (T,) over each window, per s; not finite where they are not."""
        with np.errstate(invalid="ignore"):
            rates: np.ndarray = (values[self.last] - values[self.first]) / self.seconds
        return rates

    def mean(self, values: np.ndarray) -> np.ndarray:
        """(W,) mean of ``values`` (T,) over each window, by the trapezoidal rule; not finite where they are not."""
        if not len(self.first):
            return np.empty(0)
        inside = np.arange(self.last[0] - self.first[0] + 1)
        parts = values[self.first[:, None] + inside].astype(np.float64)
        with np.errstate(invalid="ignore"):
            means: np.ndarray = ((parts[:, 1:] + parts[:, :-1]) / 2).mean(axis=1)
        return means


def unbroken(ticks: np.ndarray, driven: bool = False) -> list[tuple[int, int]]:
    """(start, stop) of each stretch of ticks that are armed, finite in what is measured, and follow one another.

    Args:
        ticks: (T,) of ``spec.TICK_DTYPE``.
        driven: only ticks on which the controller or the fallback was in charge.
    """
    good = (ticks["mode"] == Mode.ARMED) & np.isfinite(ticks["pitch"]) & np.isfinite(ticks["velocity"])
    if driven:
        good &= ticks["source"] > 0
    follows = good[1:] & good[:-1] & (steps(ticks, "state_seq") == 1) & (steps(ticks, "mcu_time_us") > 0)
    return [(start, stop + 1) for start, stop in stretches(follows)]
