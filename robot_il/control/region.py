"""The region from which the fallback can catch the robot: an ellipsoid, and how far inside it a STATE is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from robot_il.errors import ConfigError

MARGIN_FLOOR = -1.0
"""Smallest margin; this far outside, how far no longer matters."""
RECOMPUTE = "compute the region anew with robot-il region --write"

Row = tuple[float, float, float]


class Moving(Protocol):
    """What of a robot counts here: a STATE has it, and so has the truth of a twin."""

    @property
    def pitch(self) -> float:
        """Lean, in rad."""

    @property
    def pitch_rate(self) -> float:
        """Rate of it, in rad/s."""

    @property
    def velocity(self) -> float:
        """Of the axle, in m/s."""


@dataclass(frozen=True)
class Region:
    """All z = (pitch, pitch_rate, velocity), in rad, rad/s and m/s, with z' P z <= level; the position is free.

    Attributes:
        shape: P, three rows, symmetric and positive definite.
        level: bound of z' P z, safety factor included.
        horizon_s: time until the fallback's torque has taken hold after the controller's last.
        transition: three rows: z after ``horizon_s`` is ``transition @ z + response * torque``.
        response: (3,) per N m of total torque, held over ``horizon_s``.
    """

    shape: tuple[Row, Row, Row]
    level: float
    horizon_s: float
    transition: tuple[Row, Row, Row]
    response: Row

    def __post_init__(self) -> None:
        """Holds every figure to what the class says of it."""
        arrays = {name: np.array(getattr(self, name), dtype=float) for name in ("shape", "transition", "response")}
        sizes = [array.shape for array in arrays.values()]
        finite = all(np.isfinite(array).all() for array in arrays.values())
        shape = arrays["shape"]
        if sizes != [(3, 3), (3, 3), (3,)] or not finite or not np.allclose(shape, shape.T, rtol=1e-9):
            raise ConfigError("a symmetric 3 x 3 shape, a 3 x 3 transition and 3 responses", f"{sizes}", RECOMPUTE)
        if np.linalg.eigvalsh(shape)[0] <= 0.0:
            raise ConfigError("a positive definite shape of the region", f"{self.shape}", RECOMPUTE)
        if not (0.0 < self.level < math.inf and 0.0 <= self.horizon_s < 1.0):
            raise ConfigError(
                "a positive level and a horizon within 1 s", f"{self.level} and {self.horizon_s}", RECOMPUTE
            )

    def margin(self, state: Moving) -> float:
        """How far inside: 1 at rest, 0 at the edge, linear along a ray from rest, not below ``MARGIN_FLOOR``.

        NaN where one of the three is.
        """
        return self._margin(state.pitch, state.pitch_rate, state.velocity)

    def margin_ahead(self, state: Moving, torque_nm: float) -> float:
        """The margin that is left once the fallback's torque has taken hold, should it be asked for now.

        Args:
            state: the newest STATE.
            torque_nm: total torque that acts until then: the last one.
        """
        pitch, rate, velocity = state.pitch, state.pitch_rate, state.velocity
        (a, b, c), (d, e, f), (g, h, i) = self.transition
        x, y, z = self.response
        return self._margin(
            a * pitch + b * rate + c * velocity + x * torque_nm,
            d * pitch + e * rate + f * velocity + y * torque_nm,
            g * pitch + h * rate + i * velocity + z * torque_nm,
        )

    def _margin(self, pitch: float, rate: float, velocity: float) -> float:
        radius = self.radius(pitch, rate, velocity)
        return radius if math.isnan(radius) else max(MARGIN_FLOOR, 1.0 - radius)

    def radius(self, pitch: float, rate: float, velocity: float) -> float:
        """How far from rest, in reaches to the edge: 1 on it; NaN where one of the three is."""
        (a, b, c), (_, d, e), (_, _, f) = self.shape
        cost = a * pitch * pitch + d * rate * rate + f * velocity * velocity
        cost += 2.0 * (b * pitch * rate + c * pitch * velocity + e * rate * velocity)
        return math.sqrt(max(0.0, cost / self.level)) if not math.isnan(cost) else math.nan

    def points(self, directions: np.ndarray, radius: float = 1.0) -> np.ndarray:
        """States on a scaled copy of the edge.

        Args:
            directions: (N, 3) unit vectors, from the ball of which the ellipsoid is the image.
            radius: 1 for the edge itself; the margin of the points is ``1 - radius``.

        Returns:
            (N, 3) over pitch, pitch_rate, velocity.
        """
        root = np.linalg.cholesky(np.array(self.shape) / self.level)
        return radius * np.linalg.solve(root.T, np.asarray(directions).T).T

    @property
    def extent(self) -> Row:
        """Largest pitch in rad, pitch_rate in rad/s and velocity in m/s of any state inside."""
        widths = np.sqrt(self.level * np.diag(np.linalg.inv(np.array(self.shape))))
        return float(widths[0]), float(widths[1]), float(widths[2])

    @property
    def at_rest_rad(self) -> float:
        """Largest lean from which a robot that does not move is caught, in rad."""
        return math.sqrt(self.level / self.shape[0][0])

    def to_json(self) -> dict[str, Any]:
        """For a file or a log."""
        return asdict(self)

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Region:
        """The region of a file or a log.

        Raises:
            KeyError, TypeError, ValueError: something is missing or no number.
            ConfigError: it is no ellipsoid.
        """
        rows = {name: tuple(_row(row) for row in table[name]) for name in ("shape", "transition")}
        return cls(
            shape=rows["shape"],  # type: ignore[arg-type]
            level=float(table["level"]),
            horizon_s=float(table["horizon_s"]),
            transition=rows["transition"],  # type: ignore[arg-type]
            response=_row(table["response"]),
        )


def _row(numbers: Sequence[Any]) -> Row:
    first, second, third = (float(number) for number in numbers)
    return first, second, third
