"""Recordings as identification wants them: unbroken stretches, free of the attitude filter's pull, and cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from robot_il.errors import DataError

FILTER_KP_1_S = 1.0
FILTER_KI_1_S2 = 0.1
"""Gains of the attitude filter in the firmware (``estimator.c``)."""
WARM_UP_S = 0.06
"""At the start of a stretch, left out of the fit: the torque before it is not known, and delays reach back into it."""
OUTPUTS = ("pitch", "pitch_rate", "wheel", "wheel_rate")
"""What can be compared: pitch in rad, its rate in rad/s, angle of the wheels against the body in rad, its rate."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """Consecutive periods of one recording.

    Attributes:
        period_s: from one sample to the next.
        torque: (T, D) torque demanded of both drives together in the period that ends with the sample, in N m, constant
            in each of its D equal parts.
        outputs: (len(OUTPUTS), T).
        source: of which recording it is.
    """

    period_s: float
    torque: np.ndarray
    outputs: np.ndarray
    source: str = ""

    def __post_init__(self) -> None:
        """Holds all columns to one length and to numbers.

        Raises:
            DataError: they are not.
        """
        good = self.torque.ndim == 2 and self.outputs.shape == (len(OUTPUTS), len(self.torque))
        if not good or not np.isfinite(self.outputs).all() or not np.isfinite(self.torque).all():
            came = f"shapes {self.torque.shape} and {self.outputs.shape}, or a number that is none, in {self.source!r}"
            raise DataError("finite columns of one length", came, "choose another recording")

    def __len__(self) -> int:
        return len(self.torque)


def without_filter(stretch: Stretch, kp_1_s: float = FILTER_KP_1_S, ki_1_s2: float = FILTER_KI_1_S2) -> Stretch:
    """The same stretch with the gyro's own rate; the pitch stays as it was reported.

    The firmware's filter pulls its pitch towards where the accelerometer sees gravity, and a robot that speeds up or
    brakes misleads it by some hundredths of a radian. That pull can be read off the recording: pitch' - rate = KP e,
    and the gyro's bias that the filter learns is minus KI times the integral of e (``estimator.c``; Mahony, Hamel and
    Pflimlin, IEEE TAC 53(5), 2008, eq. 32). Without what was learned, the rate is the true one plus a constant.
    """
    pitch, rate = stretch.outputs[:2]
    pulled = pitch - pitch[0] - integral(rate, stretch.period_s)
    outputs = stretch.outputs.copy()
    outputs[1] = rate - ki_1_s2 / kp_1_s * pulled
    return replace(stretch, outputs=outputs)


def integral(values: np.ndarray, period_s: float) -> np.ndarray:
    """By the trapezoidal rule, from 0; shape as given."""
    return np.concatenate([[0.0], np.cumsum(0.5 * (values[1:] + values[:-1]))]) * period_s


@dataclass(frozen=True)
class Piece:
    """A few seconds that share one error of the rate, cut into segments that are shot separately.

    Attributes:
        stretch: index of the stretch it is of.
        start: sample at which it begins.
        segments: how many.
        length: periods of each.
    """

    stretch: int
    start: int
    segments: int
    length: int


def cut(stretches: Sequence[Stretch], segment_s: float, segments: int) -> list[Piece]:
    """Cuts stretches into pieces; what is left over at their ends becomes a shorter piece or is left out.

    Args:
        stretches: all of one period.
        segment_s: length of one segment.
        segments: at most so many make a piece.

    Raises:
        DataError: there is none, or they differ in period.
    """
    periods = {stretch.period_s for stretch in stretches}
    if len(periods) != 1:
        raise DataError("recordings at one rate", f"periods {sorted(periods)} s", "name recordings of one rate alone")
    period = periods.pop()
    length, warm_up = max(2, round(segment_s / period)), -int(-WARM_UP_S // period)
    pieces = []
    for index, stretch in enumerate(stretches):
        free = (len(stretch) - 1 - warm_up) // length
        for first in range(0, free, segments):
            pieces.append(Piece(index, warm_up + first * length, min(segments, free - first), length))
    return pieces
