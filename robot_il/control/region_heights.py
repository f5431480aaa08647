"""The regions of a robot whose legs move: one at each of a few heights, and what holds in between."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from robot_il.control.region import MARGIN_FLOOR, RECOMPUTE, Moving, Region
from robot_il.errors import ConfigError
from robot_il.robot_postures import SAME_M


class Standing(Moving, Protocol):
    """What of a robot counts here."""

    @property
    def height(self) -> float:
        """Of the base link's origin above the axle, as the legs are told to hold it, in m."""


@dataclass(frozen=True)
class Regions:
    """A region at each of a few heights; in between the smaller margin of its two neighbours' counts.

    At a height beyond the lowest and the highest, or at one that is no number, nothing is known to be caught. Where
    there is but one region the robot's legs do not move, and the height does not count.

    Attributes:
        heights_m: rising, as STATE tells them.
        regions: as many.
        nominal: place of the nominal height among them.
    """

    heights_m: tuple[float, ...]
    regions: tuple[Region, ...]
    nominal: int

    def __post_init__(self) -> None:
        """Holds heights and regions to each other."""
        rising = bool(np.all(np.diff(self.heights_m) > 0.0)) and bool(np.isfinite(self.heights_m).all())
        if not rising or len(self.heights_m) != len(self.regions) or not 0 <= self.nominal < len(self.regions):
            raise ConfigError(
                "rising heights, as many regions, and a nominal one among them",
                f"{self.heights_m}, {len(self.regions)} regions, nominal {self.nominal}",
                RECOMPUTE,
            )

    def at(self, height_m: float) -> tuple[Region, ...]:
        """The regions that count at a height: one at its own height, two in between, none beyond."""
        heights = self.heights_m
        if len(heights) == 1:
            return self.regions
        if not heights[0] - SAME_M <= height_m <= heights[-1] + SAME_M:
            return ()
        below = min(max(bisect_right(heights, height_m) - 1, 0), len(heights) - 1)
        alone = height_m <= heights[below] or below == len(heights) - 1
        return self.regions[below : below + (1 if alone else 2)]

    def margin(self, state: Standing) -> float:
        """How far inside: 1 at rest, 0 at the edge, not below ``MARGIN_FLOOR``; NaN where the motion is no number."""
        return min([region.margin(state) for region in self.at(state.height)], default=MARGIN_FLOOR)

    def margin_ahead(self, state: Standing, torque_nm: float) -> float:
        """The margin that is left once the fallback's torque has taken hold, should it be asked for now.

        Args:
            state: the newest STATE.
            torque_nm: total torque that acts until then: the last one.
        """
        return min([region.margin_ahead(state, torque_nm) for region in self.at(state.height)], default=MARGIN_FLOOR)

    @property
    def at_rest_rad(self) -> float:
        """Largest lean from which a robot that does not move is caught at every height, in rad."""
        return min(region.at_rest_rad for region in self.regions)

    @property
    def of_nominal(self) -> Region:
        """That of the nominal height."""
        return self.regions[self.nominal]

    def to_json(self) -> dict[str, Any]:
        """For a file or a log."""
        return {
            "heights_m": list(self.heights_m),
            "nominal": self.nominal,
            "regions": [region.to_json() for region in self.regions],
        }

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Regions:
        """The regions of a file or a log; a log of an early release names one, for every height.

        Raises:
            KeyError, TypeError, ValueError: something is missing or no number.
            ConfigError: heights and regions do not go together, or one is no ellipsoid.
        """
        if "regions" not in table:
            return cls((0.0,), (Region.from_json(table),), 0)
        heights = tuple(float(height) for height in table["heights_m"])
        return cls(heights, tuple(Region.from_json(region) for region in table["regions"]), int(table["nominal"]))
