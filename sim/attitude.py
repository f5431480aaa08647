"""Attitudes as unit quaternions (x, y, z, w) from the body's axes to the world's, in plain floats."""

from __future__ import annotations

import math

Quaternion = tuple[float, float, float, float]
Vector = tuple[float, float, float]


def pitch_of(quaternion: Quaternion) -> float:
    """Lean of the body forwards, in rad from -pi to pi: the pitch that a level accelerometer would show."""
    x, y, z, w = quaternion
    return math.atan2(-2.0 * (x * z - w * y), 1.0 - 2.0 * (x * x + y * y))


def roll_of(quaternion: Quaternion) -> float:
    """Angle in rad of the body's left axis above the horizon."""
    x, y, z, w = quaternion
    return math.asin(max(-1.0, min(1.0, 2.0 * (y * z + w * x))))


def yaw_of(quaternion: Quaternion) -> float:
    """Heading in rad, left positive, from the body's left axis, so that it holds at any pitch."""
    x, y, z, w = quaternion
    return math.atan2(-2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z))


def product(a: Quaternion, b: Quaternion) -> Quaternion:
    """Turns by ``b`` first, then by ``a``."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def turned(start: Quaternion, rate: Vector, time_s: float) -> Quaternion:
    """Attitude after turning from ``start`` at a constant rate in world axes."""
    speed = math.hypot(*rate)
    if speed == 0.0:
        return start
    half = speed * time_s / 2
    scale = math.sin(half) / speed
    return product((rate[0] * scale, rate[1] * scale, rate[2] * scale, math.cos(half)), start)
