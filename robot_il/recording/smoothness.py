"""How smooth a signal is, in a measure that depends neither on its size nor on its unit."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

WINDOW_S: Final = 2.0
"""Length of the stretches that are judged one by one: the longer one is, the more its spectrum winds."""
HIGHEST_HZ: Final = 10.0
AMPLITUDE: Final = 0.05
PADDING: Final = 4
"""The spectrum is taken at this many times the points of the signal, rounded up to a power of 2, and no fewer."""


def spectral_arc_length(values: np.ndarray, rate_hz: float) -> float:
    """The spectral arc length of a signal: 0 would be the smoothest, more negative is jerkier.

    With V the amplitude spectrum, normalised to its largest value, and w_c the highest frequency up to 10 Hz at which V
    is still at least 0.05,

        SPARC = - integral from 0 to w_c of sqrt((1/w_c)^2 + (dV/dw)^2) dw

    (S. Balasubramanian, A. Melendez-Calderon, A. Roby-Brami and E. Burdet, "On the analysis of movement smoothness",
    J. NeuroEngineering and Rehabilitation 12:112, 2015, eq. 9 to 11 with their constants; first in IEEE Trans. Biomed.
    Eng. 59(8), 2012.) A discrete movement at minimum jerk gives -1.4.

    Args:
        values: (N,) samples at equal times, in any unit.
        rate_hz: samples per second.

    Returns:
        the arc length; NaN for fewer than 2 samples or a signal that is zero throughout.
    """
    if len(values) < 2 or not np.any(values):
        return math.nan
    points = 1 << (math.ceil(math.log2(len(values))) + PADDING)
    spectrum = np.abs(np.fft.rfft(values, points))
    frequency = np.fft.rfftfreq(points, 1.0 / rate_hz)
    chosen = frequency <= HIGHEST_HZ
    spectrum, frequency = spectrum[chosen] / spectrum[chosen].max(), frequency[chosen]
    loud = np.flatnonzero(spectrum >= AMPLITUDE)
    spectrum, frequency = spectrum[loud[0] : loud[-1] + 1], frequency[loud[0] : loud[-1] + 1]
    if len(frequency) < 2:
        return math.nan
    along = np.diff(frequency) / (frequency[-1] - frequency[0])
    return -float(np.hypot(along, np.diff(spectrum)).sum())


def windows(values: np.ndarray, rate_hz: float) -> list[np.ndarray]:
    """The stretches of ``WINDOW_S`` that fit one after another into ``values`` (N,); all of it where none fits."""
    length = round(WINDOW_S * rate_hz)
    return [values[start : start + length] for start in range(0, len(values) - length + 1, length)] or [values]
