"""The fit: figures that explain recordings best, with what the noise is found out on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from robot_il.errors import DataError
from sim.identification.data import Piece, Stretch, cut
from sim.identification.equations import Body
from sim.identification.shooting import Linear, Noise, Shooting

SOFTER = (60.0, 16.0, 4.0, 1.0)
"""Fits one after another, each with the noise that the one before left over, and with Coulomb friction that changes
its sign over so many times the speed that the last one has: a soft change leads the search to where a sharp one holds
it."""
EVALUATIONS = 40
SMALLEST_SHARE = 0.05
"""No standard deviation is taken for less than this share of the one at the start."""
DISTURBED = 4.0
"""A segment whose readings miss by this many times what the middle one of all misses was disturbed, by a push say."""
LOOSEST_SHARE = 0.3
"""At most this share of the segments is left out so."""


@dataclass(frozen=True, eq=False)
class Setting:
    """How a fit is done.

    Attributes:
        body: what is known of the robot.
        start: (len(NAMES),) where the search begins, and what stays of the figures that are not looked for.
        low: (len(NAMES),) least that is looked at.
        high: (len(NAMES),) most.
        noise: at the start.
        segment_s: length of a segment.
        segments: of a piece.
        parts: Runge-Kutta steps in a period.
    """

    body: Body
    start: np.ndarray
    low: np.ndarray
    high: np.ndarray
    noise: Noise
    segment_s: float = 0.25
    segments: int = 12
    parts: int = 3

    @property
    def scales(self) -> np.ndarray:
        """(len(NAMES),) what each figure is measured in: about its size."""
        return np.maximum(np.abs(self.start), 0.05 * (self.high - self.low))


@dataclass(frozen=True, eq=False)
class Fit:
    """A fit that has come to its end.

    Attributes:
        setting: how it was done.
        chosen: indices into ``NAMES`` of the figures looked for.
        values: (len(NAMES),).
        softened: (len(NAMES),) values of the round before the last, with friction that changes its sign more softly.
        shooting: the problem, settled at the values.
        pieces: linear about the values, derivatives by figure in units of ``scales``.
        disturbed: segments left out.
        segments: all there were.
        readings: of all outputs looked at.
    """

    setting: Setting
    chosen: tuple[int, ...]
    values: np.ndarray
    softened: np.ndarray
    shooting: Shooting
    pieces: list[Linear]
    disturbed: int
    segments: int
    readings: int

    @property
    def noise(self) -> Noise:
        """What the last round found to be left over."""
        return self.shooting.noise


def fit(
    setting: Setting,
    stretches: Sequence[Stretch],
    chosen: Sequence[int],
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Fit:
    """Looks for figures.

    Args:
        setting: how.
        stretches: recordings, all of one period.
        chosen: indices into ``NAMES``.
        told: called with (rounds done, of how many) for a person who waits.

    Raises:
        DataError: nothing long enough to fit to, or recordings that differ in period.
    """
    pieces = _cut(setting, stretches)
    values, noise = setting.start.copy(), setting.noise
    whole = sum(piece.segments for piece in pieces)
    shooting = _softer(setting, stretches, pieces, noise, SOFTER[0])
    for done, softer in enumerate(SOFTER):
        told(done, len(SOFTER))
        before, shooting = shooting, _softer(setting, stretches, pieces, noise, softer)
        shooting.adopt(before)
        softened, values = values, _search(setting, shooting, values, chosen)
        if done == 0:
            pieces = undisturbed(shooting, values)
        if done + 1 < len(SOFTER):
            noise = left_over(shooting, values, setting.noise)
    told(len(SOFTER), len(SOFTER))
    return _fit(setting, chosen, values, softened, shooting, whole)


def unfitted(setting: Setting, stretches: Sequence[Stretch], chosen: Sequence[int]) -> Fit:
    """A fit that has not begun: the starting states settled at the figures with which it would.

    Raises:
        DataError: as ``fit``.
    """
    pieces = _cut(setting, stretches)
    shooting = _softer(setting, stretches, pieces, setting.noise, SOFTER[0])
    shooting.settle(setting.start)
    return _fit(setting, chosen, setting.start, setting.start, shooting, len(shooting.starts))


def _fit(
    setting: Setting,
    chosen: Sequence[int],
    values: np.ndarray,
    softened: np.ndarray,
    shooting: Shooting,
    segments: int,
) -> Fit:
    linear = shooting.linearise(values, chosen, setting.scales)
    kept, looked_at = len(shooting.starts), int(np.isfinite(setting.noise.outputs).sum())
    readings = kept * shooting.pieces[0].length * looked_at
    return Fit(setting, tuple(chosen), values, softened, shooting, linear, segments - kept, segments, readings)


def _cut(setting: Setting, stretches: Sequence[Stretch]) -> list[Piece]:
    pieces = cut(stretches, setting.segment_s, setting.segments)
    if not pieces:
        longest = max(len(stretch) * stretch.period_s for stretch in stretches)
        wanted = f"unbroken driven stretches of more than {setting.segment_s:g} s"
        raise DataError(wanted, f"{longest:.2f} s at most", "record longer")
    return pieces


def _softer(
    setting: Setting, stretches: Sequence[Stretch], pieces: Sequence[Piece], noise: Noise, times: float
) -> Shooting:
    body = replace(setting.body, rest_rad_s=times * setting.body.rest_rad_s)
    return Shooting(body, stretches, pieces, noise, setting.parts)


def _search(setting: Setting, shooting: Shooting, values: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """Least squares over the chosen figures, the starting states eliminated at each step."""
    index, scales = list(chosen), setting.scales
    found = values.copy()
    if not index:
        shooting.settle(found)
        return found
    seen: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def both(scaled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        key = scaled.tobytes()
        if key not in seen:
            found[index] = scaled * scales[index]
            shooting.settle(found)
            parts = [piece.projected() for piece in shooting.linearise(found, index, scales)]
            seen.clear()
            seen[key] = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
        return seen[key]

    answer = least_squares(
        lambda scaled: both(scaled)[0],
        values[index] / scales[index],
        jac=lambda scaled: both(scaled)[1],
        bounds=(setting.low[index] / scales[index], setting.high[index] / scales[index]),
        xtol=1e-5,
        ftol=1e-5,
        gtol=1e-5,
        max_nfev=EVALUATIONS,
    )
    found[index] = answer.x * scales[index]
    shooting.settle(found)
    return found


def left_over(shooting: Shooting, values: np.ndarray, first: Noise) -> Noise:
    """Noise as the present fit has it: root mean square of what is left over, not less than a share of ``first``."""
    outputs, defects = shooting.misses(values)
    looked_at = np.isfinite(first.outputs)
    sizes = np.where(looked_at, np.sqrt(np.mean(outputs**2, axis=(1, 2))), np.inf)
    between = np.sqrt(np.mean(defects**2, axis=1)) if defects.size else first.defects
    return Noise(np.maximum(sizes, SMALLEST_SHARE * first.outputs), np.maximum(between, SMALLEST_SHARE * first.defects))


def undisturbed(shooting: Shooting, values: np.ndarray) -> list[Piece]:
    """The pieces without the segments that something else than the drives has moved."""
    outputs, _ = shooting.misses(values)
    looked_at = np.isfinite(shooting.noise.outputs)
    sizes = np.sqrt(np.mean((outputs[looked_at] / shooting.noise.outputs[looked_at][:, None, None]) ** 2, axis=(0, 2)))
    limit = max(DISTURBED * float(np.median(sizes)), float(np.quantile(sizes, 1.0 - LOOSEST_SHARE)))
    pieces, row = [], 0
    for piece in shooting.pieces:
        good = sizes[row : row + piece.segments] <= limit
        row += piece.segments
        edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(int)))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            start = piece.start + int(begin) * piece.length
            pieces.append(Piece(piece.stretch, start, int(end - begin), piece.length))
    return pieces
