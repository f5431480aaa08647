"""Does any signal have the wrong sign? Each is held against another that must move with it, or against it.

A flipped encoder or a turned inertial sensor gives numbers that are plausible one by one. Two signals of one motion
betray it: over moving stretches their correlation is near 1, and near -1 where one of them is flipped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from robot_il.control.lqr import GRAVITY_M_S2
from robot_il.recording.findings import FAIL, OK, WARN, Finding
from robot_il.recording.motion import WINDOW_S, Motion

MIN_MOVING: Final = 10
"""Windows of movement from which on two measurements are compared: 1 s; for what dynamics imply it takes more."""
FLIPPED: Final = -0.6
"""Correlation at and below which a sign is wrong; right signs gave 0.80 to 1 on the twin, wrong ones their negative."""
STRONG: Final = 4.0
"""For what dynamics imply: how many standard errors below 0 a correlation must lie (Student's t of a correlation).

Chance does that once in 30,000 times. On 8 s of the twin, right signs lay 3.5 to 31 above 0."""
WEAK: Final = 2.0
"""The same, from where on a person should look."""
UNRELATED: Final = 0.3
"""Correlation below which two measurements of one motion do not follow each other."""
MIN_SPECIFIC_FORCE_M_S2: Final = 5.0
"""Mean of the upward specific force of a robot that stands; at rest it is gravity."""
STRAIGHT_RAD_S: Final = 0.1
"""Rate of turning up to which both wheels have to turn the same way."""

_RATES: Final = (
    ("pitch", "pitch_rate", 0.05),
    ("yaw", "yaw_rate", 0.05),
    ("position", "velocity", 0.05),
    ("wheel_position_left", "wheel_velocity_left", 0.5),
    ("wheel_position_right", "wheel_velocity_right", 0.5),
)
"""A signal, its measured rate, and from which rate on it moves, in rad/s or m/s: far above a window's mean noise."""
_WHEEL_MOVES_RAD_S: Final = 0.5


@dataclass(frozen=True)
class _Evidence:
    """How one signal goes with another.

    Attributes:
        name: of the signal.
        against: what vouches for it.
        correlation: in [-1, 1]; 1 where the signs are right.
        windows: over how many windows of movement.
        dynamic: whether it is the robot's dynamics that tie the two, not the definition of a signal.
    """

    name: str
    against: str
    correlation: float
    windows: int
    dynamic: bool = False

    @property
    def _errors(self) -> float:
        """How many standard errors the correlation lies above 0: Student's t."""
        return self.correlation * math.sqrt(self.windows / max(1e-12, 1.0 - self.correlation**2))

    @property
    def flipped(self) -> bool:
        """Whether a wrong sign is the only explanation left."""
        return self._errors <= -STRONG if self.dynamic else self.correlation <= FLIPPED

    @property
    def doubtful(self) -> bool:
        """Whether the two do not go together as they should."""
        return self._errors <= -WEAK if self.dynamic else self.correlation < UNRELATED

    def finding(self) -> Finding:
        name, over = f"sign of {self.name}", f"over {self.windows * WINDOW_S:.1f} s of movement"
        found = f"correlation with {self.against} {self.correlation:.2f} {over}"
        if self.windows < MIN_MOVING:
            return Finding(name, OK, 0, f"too little movement to tell: {self.windows * WINDOW_S:.1f} s")
        if self.flipped:
            return Finding(name, FAIL, self.windows, f"one of the two is flipped: {found}")
        if self.doubtful:
            return Finding(name, WARN, self.windows, f"it does not follow: {found}")
        return Finding(name, OK, 0, found)


def look_at_signs(ticks: np.ndarray, rate_hz: int) -> Iterator[Finding]:
    """Findings on every sign that another signal can vouch for.

    Args:
        ticks: (T,) of ``spec.TICK_DTYPE``.
        rate_hz: at which they were recorded.
    """
    motion = Motion.of(ticks, rate_hz)
    for evidence in (*_rates(motion), *_wheels(motion), *_dynamics(motion)):
        yield evidence.finding()
    yield _upright(motion)


def _rates(motion: Motion) -> Iterator[_Evidence]:
    """The change of a signal against the integral of its measured rate, where the latter says that it moves."""
    for name, rate, floor in _RATES:
        measured = motion.mean(motion.ticks[rate])
        moving = np.abs(measured) > floor
        yield _evidence(rate, f"the change of {name}", motion.change(_values(motion, name))[moving], measured[moving])


def _wheels(motion: Motion) -> Iterator[_Evidence]:
    """The wheels against the axle, against each other on a straight line, and against the gyroscope in a turn."""
    left, right = (motion.mean(motion.ticks[f"wheel_velocity_{side}"]) for side in ("left", "right"))
    turning = motion.mean(motion.ticks["yaw_rate"])
    moving = np.abs(left + right) / 2 > _WHEEL_MOVES_RAD_S
    velocity = motion.mean(motion.ticks["velocity"])
    yield _evidence("both wheels", "velocity", (left + right)[moving], velocity[moving])
    straight = (np.maximum(np.abs(left), np.abs(right)) > _WHEEL_MOVES_RAD_S) & (np.abs(turning) < STRAIGHT_RAD_S)
    yield _evidence("left wheel", "the right wheel", left[straight], right[straight])
    turns = np.abs(turning) >= STRAIGHT_RAD_S
    yield _evidence("turning", "the wheels' difference", turning[turns], (right - left)[turns])


def _dynamics(motion: Motion) -> Iterator[_Evidence]:
    """What the accelerometer and the motion itself say of lean and torque.

    The specific force forward is the axle's acceleration and that of the body's turning, less gravity's share of the
    lean: a_x = x'' + h q'' - g sin q. With lean q and torque u, the linear wheeled pendulum (``lqr.linear_dynamics``)
    has x'' rise and q'' fall with u. Each is a partial correlation, with what else acts taken out.
    """
    lean = np.sin(motion.mean(_values(motion, "pitch")))
    acceleration = motion.change(_values(motion, "velocity"))
    turning = motion.change(_values(motion, "pitch_rate"))
    # a STATE reports the torque of the period before it: half a period late, which a tenth of a second does not feel
    torque = motion.mean(_values(motion, "applied_left") + motion.ticks["applied_right"])
    force = motion.mean(motion.ticks["accel_x"])
    yield _partial("accel_x", "gravity's share of pitch", force, -GRAVITY_M_S2 * lean, [acceleration, turning])
    yield _partial("torque on velocity", "the acceleration", torque, acceleration, [lean])
    yield _partial("torque on pitch_rate", "the body's answer", torque, -turning, [lean])


def _upright(motion: Motion) -> Finding:
    """Gravity is seen upwards: the mean specific force along the body's z axis is positive and about 9.81 m/s^2."""
    name = "sign of accel_z"
    force = motion.mean(motion.ticks["accel_z"])
    force = force[np.isfinite(force)]
    if len(force) < MIN_MOVING:
        return Finding(name, OK, 0, "too little to tell")
    mean = float(force.mean())
    text = f"mean specific force upward {mean:.2f} m/s^2, at rest {GRAVITY_M_S2:g}"
    severity = FAIL if mean < -MIN_SPECIFIC_FORCE_M_S2 else OK if mean > MIN_SPECIFIC_FORCE_M_S2 else WARN
    return Finding(name, severity, 0 if severity == OK else len(force), text)


def _values(motion: Motion, name: str) -> np.ndarray:
    values: np.ndarray = motion.ticks[name].astype(np.float64)
    return values


def _evidence(name: str, against: str, one: np.ndarray, other: np.ndarray) -> _Evidence:
    """About zero, not about the mean: a steady motion is evidence too."""
    known = np.isfinite(one) & np.isfinite(other)
    return _Evidence(name, against, _cosine(one[known], other[known]), int(known.sum()))


def _partial(name: str, against: str, one: np.ndarray, other: np.ndarray, given: Sequence[np.ndarray]) -> _Evidence:
    """The correlation of two (W,) that is left when their means and what ``given`` explains linearly are taken out."""
    known = np.isfinite([one, other, *given]).all(axis=0)
    explained = np.stack([np.ones(int(known.sum())), *(values[known] for values in given)], axis=1)
    rest = [values[known] - explained @ np.linalg.lstsq(explained, values[known])[0] for values in (one, other)]
    return _Evidence(name, against, _cosine(*rest), int(known.sum()), dynamic=True)


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    """0 where one of the two does not move at all."""
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / size if size > 0.0 else 0.0
