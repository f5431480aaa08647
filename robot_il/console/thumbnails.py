"""Small pictures of an episode's traces, drawn as SVG out of the extremes of each column, so that no peak is lost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

THUMBNAIL: Final = (240, 84)
"""Columns and height of the picture in a list, in pixels."""
WIDE: Final = (1000, 240)
"""Columns and height of the picture on which an episode is cut."""
LANE_GAP: Final = 4.0
GAP_S: Final = 0.05
"""Ticks further apart than this are not joined: nothing was recorded between them."""
HEADER: Final = 20.0
"""Room over each lane for its name."""


@dataclass(frozen=True)
class Curve:
    """One line: the sum of some signals of a tick, in a colour of the style sheet."""

    name: str
    signals: tuple[str, ...]
    colour: str

    def values(self, ticks: np.ndarray) -> np.ndarray:
        """(T,) float64 of ``ticks`` (T,)."""
        return np.sum([ticks[signal].astype(np.float64) for signal in self.signals], axis=0)


@dataclass(frozen=True)
class Lane:
    """Curves of one unit over one another.

    Attributes:
        name: for a person.
        unit: of all its signals.
        least: the lane shows at least -least .. least, so that noise at rest does not look like a storm.
        curves: those behind come first.
    """

    name: str
    unit: str
    least: float
    curves: tuple[Curve, ...]


_TILT: Final = Lane("tilt", "rad", 0.05, (Curve("tilt", ("pitch",), "--s1"),))
_VELOCITY: Final = Lane("velocity", "m/s", 0.1, (Curve("velocity", ("velocity",), "--s3"),))
LANES: Final = (_TILT, _VELOCITY, Lane("torque", "N m", 1.0, (Curve("torque", ("limited_torque",), "--s2"),)))
"""What tells one episode from another at a glance."""
CHAIN: Final = (
    _TILT,
    Lane("tilt rate", "rad/s", 0.5, (Curve("tilt rate", ("pitch_rate",), "--s4"),)),
    _VELOCITY,
    Lane(
        "torque",
        "N m",
        1.0,
        (
            Curve("applied", ("applied_left", "applied_right"), "--s5"),
            Curve("sent", ("sent_left", "sent_right"), "--s4"),
            Curve("asked for", ("controller_torque",), "--s2"),
            Curve("person", ("intent",), "--s1"),
        ),
    ),
    Lane("margin", "1", 1.0, (Curve("margin", ("margin",), "--s3"),)),
)
"""What a replay shows: the motion, and the torque on its way from a wish to the wheels."""


def envelope(times: np.ndarray, values: np.ndarray, start: float, stop: float, columns: int) -> np.ndarray:
    """The least and the largest value in each column of a picture.

    Args:
        times: (T,), in the unit of ``start`` and ``stop``; need not rise.
        values: (T,); those that are not finite do not count.
        start: left edge of the picture.
        stop: right edge; a sample on it falls into the last column.
        columns: of the picture.

    Returns:
        (columns, 2): least and largest; NaN where a column holds no value.
    """
    extremes = np.full((columns, 2), np.nan)
    if stop <= start:
        return extremes
    inside = np.isfinite(values) & (times >= start) & (times <= stop)
    column = ((times[inside] - start) / (stop - start) * columns).astype(np.int64).clip(0, columns - 1)
    np.fmin.at(extremes[:, 0], column, values[inside])
    np.fmax.at(extremes[:, 1], column, values[inside])
    return extremes


def picture(
    ticks: np.ndarray,
    start_ns: int,
    stop_ns: int,
    size: tuple[int, int] = THUMBNAIL,
    lanes: tuple[Lane, ...] = LANES,
    header: float = 0.0,
) -> str:
    """The traces of a stretch, one lane below the other, as an SVG element that fills its place.

    Args:
        ticks: (T,) of ``spec.TICK_DTYPE``, all in the stretch or more.
        start_ns: left edge, on the clock of ``host_receive_ns``.
        stop_ns: right edge.
        size: columns and height.
        lanes: what is drawn.
        header: room over each lane, in pixels.
    """
    columns, height = size
    parts = []
    for lane, (top, tall) in zip(lanes, _places(lanes, height, header), strict=True):
        extremes = _lane_extremes(ticks, start_ns, stop_ns, columns, lane)
        gap = max(1, math.ceil(GAP_S * columns / max(1e-9, (stop_ns - start_ns) / 1e9)))
        parts.append(_lane(extremes, lane, top, tall, columns, gap))
    return (
        f'<svg viewBox="0 0 {columns} {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{", ".join(lane.name for lane in lanes)} over time" '
        f'style="display:block;width:100%;height:100%">{"".join(parts)}</svg>'
    )


def labelled_picture(
    ticks: np.ndarray, start_ns: int, stop_ns: int, size: tuple[int, int] = WIDE, lanes: tuple[Lane, ...] = LANES
) -> str:
    """As ``picture``, in a box with the name and the reach of each lane over it, which are not stretched."""
    words = []
    for lane, (top, _) in zip(lanes, _places(lanes, size[1], HEADER), strict=True):
        extremes = np.concatenate(_lane_extremes(ticks, start_ns, stop_ns, size[0], lane))
        unit = "" if lane.unit == "1" else f" {lane.unit}"
        known = f"±{reach(extremes, lane.least):.3g}{unit}" if np.isfinite(extremes).any() else "not recorded"
        names = " ".join(f'<b style="color:var({curve.colour})">{curve.name}</b>' for curve in reversed(lane.curves))
        words.append(f'<span style="top:{100 * (top - HEADER) / size[1]:.2f}%">{names} {known}</span>')
    drawn = picture(ticks, start_ns, stop_ns, size, lanes, HEADER)
    return f'<div class="lanes">{drawn}{"".join(words)}</div>'


def reach(extremes: np.ndarray, least: float) -> float:
    """Half the height of a lane in the signal's unit: what its largest excursion needs, at least ``least``."""
    finite = extremes[np.isfinite(extremes)]
    return max(least, float(np.abs(finite).max(initial=0.0)))


def _places(lanes: tuple[Lane, ...], height: int, header: float) -> list[tuple[float, float]]:
    """Top and height of each lane below its header; the one with several curves gets room for them."""
    weights = [2.0 if len(lane.curves) > 1 else 1.0 for lane in lanes]
    unit = (height - header * len(lanes) - LANE_GAP * (len(lanes) - 1)) / sum(weights)
    tops = [header + sum(weights[:number]) * unit + number * (header + LANE_GAP) for number in range(len(lanes))]
    return [(top, weight * unit) for top, weight in zip(tops, weights, strict=True)]


def _lane_extremes(ticks: np.ndarray, start_ns: int, stop_ns: int, columns: int, lane: Lane) -> list[np.ndarray]:
    seconds = (ticks["host_receive_ns"] - start_ns) / 1e9
    length = (stop_ns - start_ns) / 1e9
    return [envelope(seconds, curve.values(ticks), 0.0, length, columns) for curve in lane.curves]


def _lane(extremes: list[np.ndarray], lane: Lane, top: float, height: float, columns: int, gap: int) -> str:
    """A zero line and the curves; all keep their thickness however the picture is stretched."""
    half = reach(np.concatenate(extremes), lane.least)
    middle = top + height / 2
    parts = [
        f'<path d="M0 {middle:.1f}H{columns}" stroke="currentColor" stroke-opacity=".25" fill="none" '
        'vector-effect="non-scaling-stroke"/>'
    ]
    for curve, of_curve in zip(lane.curves, extremes, strict=True):
        outline = _outline(middle - of_curve / half * (height / 2 - 1), gap)
        parts.append(
            f'<path d="{outline}" style="stroke:var({curve.colour})" fill="none" stroke-width="1.5" '
            'stroke-linejoin="round" vector-effect="non-scaling-stroke"/>'
        )
    return "".join(parts)


def _outline(points: np.ndarray, gap: int) -> str:
    """One line through both extremes of each column, (columns, 2), broken where ``gap`` columns in a row have none."""
    words: list[str] = []
    last = -gap - 2
    for column, (low, high) in enumerate(points.tolist()):
        if math.isnan(low):
            continue
        begins = column - last > gap
        words.append(f"{'M' if begins else 'L'}{column + 0.5:g} {low:.1f}L{column + 0.5:g} {high:.1f}")
        last = column
    return "".join(words)
