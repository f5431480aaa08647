"""Figures that go with the height of the legs: known at a few heights, in a straight line in between."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from robot_il.errors import ConfigError
from robot_il.robot import Robot

MAX_HEIGHTS = 1000


class Schedule:
    """A row of figures over height.

    At a height of the table a row is exactly the one that was given; below the lowest and above the highest those stay;
    and where the height is no number, as in a STATE of an early release, it is the nominal one.

    Args:
        heights_m: rising, of the base link's origin above the axle, as STATE tells it.
        rows: as many, of equal lengths.
        nominal: place of the nominal height among them.

    Raises:
        ConfigError: heights that do not rise, or rows that do not match them.
    """

    def __init__(self, heights_m: Sequence[float], rows: Sequence[Sequence[float]], nominal: int) -> None:
        self.heights_m = [float(height) for height in heights_m]
        self.rows = [[float(value) for value in row] for row in rows]
        self.nominal = nominal
        sizes = {len(row) for row in self.rows}
        rising = bool(np.all(np.diff(self.heights_m) > 0.0)) and bool(np.isfinite(self.heights_m).all())
        if not rising or len(sizes) != 1 or len(self.rows) != len(self.heights_m) or not 0 <= nominal < len(self.rows):
            raise ConfigError(
                "rising heights with a row of figures each, and a nominal one among them",
                f"{len(self.heights_m)} heights, {len(self.rows)} rows of {sorted(sizes)}, nominal {nominal}",
                "record with this release, or replay with the one that recorded it",
            )
        self._last = len(self.rows) - 1
        self._slopes = [
            [(end - start) / (above - below) for start, end in zip(row, after, strict=True)]
            for below, above, row, after in zip(
                self.heights_m, self.heights_m[1:], self.rows, self.rows[1:], strict=False
            )
        ]

    def at(self, height_m: float) -> list[float]:
        """The row at a height; not to be changed."""
        if height_m != height_m:  # NaN
            return self.rows[self.nominal]
        below = bisect_right(self.heights_m, height_m) - 1
        if below < 0 or below >= self._last:
            return self.rows[min(max(below, 0), self._last)]
        ahead = height_m - self.heights_m[below]
        if ahead == 0.0:
            return self.rows[below]
        return [value + ahead * slope for value, slope in zip(self.rows[below], self._slopes[below], strict=True)]

    def to_json(self) -> dict[str, Any]:
        """For a log, from which ``from_json`` makes the same again, to the bit."""
        return {"heights_m": self.heights_m, "rows": self.rows, "nominal": self.nominal}

    @classmethod
    def from_json(cls, table: Any) -> Schedule:
        """What a log tells.

        Raises:
            KeyError, TypeError, ValueError: it says too little, or no numbers.
            ConfigError: it is no table over heights, or one that is too long.
        """
        heights = table["heights_m"]
        if len(heights) > MAX_HEIGHTS:
            raise ConfigError(f"at most {MAX_HEIGHTS} heights", f"{len(heights)}", "use a log of robot-il")
        return cls(heights, table["rows"], int(table["nominal"]))


def as_told(height_m: float) -> float:
    """A height as STATE tells it: rounded to 32 bits."""
    return float(np.float32(height_m))


def scheduled(robot: Robot, row_at: Callable[[float], Iterable[float]]) -> Schedule:
    """A table over the heights of a robot's postures.

    Args:
        robot: whose legs move, or do not: then there is one row.
        row_at: the figures at a height in m.
    """
    knots = robot.postures.knots_m
    return Schedule(
        [as_told(knot) for knot in knots], [list(row_at(knot)) for knot in knots], knots.index(robot.height_m)
    )
