"""Noise of the inertial sensors, from moments at which the robot stood still."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_il.spec import FIRMWARE_RATE_HZ

WINDOW = 100
"""Samples looked at together: half a second at 200 Hz."""
STILL_RAD_S = 0.05
STILL_SWING = 1.5
"""A window counts as still below this mean rate, and where its rates scatter at most so many times the calmest's."""
FEWEST = 4


@dataclass(frozen=True)
class Measured:
    """A noise density that was measured.

    Attributes:
        density: one-sided amplitude density, in the signal's unit per root Hz.
        low: end of its 95 % interval.
        high: the other.
        samples: it comes from.
    """

    density: float
    low: float
    high: float
    samples: int


def still(rate: np.ndarray, usable: np.ndarray) -> list[slice]:
    """Windows in which the robot was not moved.

    Args:
        rate: (T,) of pitch, in rad/s.
        usable: (T,) samples that may be looked at.
    """
    windows = [slice(start, start + WINDOW) for start in range(0, len(rate) - WINDOW + 1, WINDOW)]
    windows = [window for window in windows if usable[window].all() and abs(rate[window].mean()) < STILL_RAD_S]
    if not windows:
        return []
    swings = np.array([rate[window].std() for window in windows])
    calm = STILL_SWING * max(float(swings.min()), np.finfo(float).tiny)
    return [window for window, swing in zip(windows, swings, strict=True) if swing <= calm]


def density(values: np.ndarray, windows: list[slice]) -> Measured | None:
    """White noise of samples taken at the firmware's rate, from second differences: a slow motion is not in them.

    White noise of standard deviation s gives second differences of variance 6 s^2 (the Allan-like estimate of von
    Neumann, Kent, Bellinson and Hart, Ann. Math. Stat. 12(2), 1941, carried one difference further).

    Args:
        values: (T,) samples, each of one moment.
        windows: in which the robot stood still.

    Returns:
        None where too few windows are there.
    """
    if len(windows) < FEWEST:
        return None
    parts = np.array([np.mean(np.diff(values[window], 2) ** 2) / 6.0 for window in windows])
    variance = float(parts.mean())
    error = 2.0 * float(parts.std(ddof=1)) / np.sqrt(len(parts))
    scale = np.sqrt(0.5 * FIRMWARE_RATE_HZ)
    ends = np.sqrt(np.maximum([variance - error, variance + error], 0.0)) / scale
    return Measured(float(np.sqrt(variance) / scale), float(ends[0]), float(ends[1]), len(windows) * WINDOW)
