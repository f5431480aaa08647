"""Where a robot and its joints are at one moment, from the twin's own body or from what a log says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from robot_il.robot import LEG_JOINTS, WHEEL_JOINTS, Robot
from robot_il.urdf_chain import rotation_about, rotation_y
from sim.attitude import Quaternion
from sim.twin import Twin

FASTEST_M_S = 10.0
"""A log's position that moves faster than this was set back to 0: the robot was armed anew."""
_UP = np.array([0.0, 0.0, 1.0])


class Pose(NamedTuple):
    """A robot at one moment.

    Attributes:
        position_m: (3,) of the base link's origin, in the world.
        rotation: (3, 3) from the body's axes, forward, left and up, to the world's.
        angles_rad: joint of the chain to its angle; one that is left out is at 0.
    """

    position_m: np.ndarray
    rotation: np.ndarray
    angles_rad: Mapping[str, float]


def pose_of(twin: Twin, robot: Robot) -> Pose:
    """Where a twin's body really is now."""
    plant = twin.plant
    rotation = rotation_of(plant.quaternion)
    angles = dict(_held_rad(robot, twin.firmware.height))
    turning = {joint.name for joint in robot.chain.joints}
    names = zip(WHEEL_JOINTS + LEG_JOINTS, plant.joints, strict=True)
    angles |= {name: float(joint[0]) for name, joint in names if name in turning}
    return Pose(np.array(plant.com_position_m) - rotation @ plant.base_com_m, rotation, angles)


def rotation_of(quaternion: Quaternion) -> np.ndarray:
    """Rotation matrix (3, 3) of a unit quaternion (x, y, z, w)."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ]
    )


def dead_reckoning(position_m: np.ndarray, yaw_rad: np.ndarray, period_s: float) -> np.ndarray:
    """Places (N, 2) in m of the middle of the axle, from the distance rolled and the heading; the first is the origin.

    Each piece of the way is taken along the heading half-way through it. Where a robot was armed anew its distance
    begins from 0; it stays where it was.

    Args:
        position_m: (N,) distance rolled, forward positive.
        yaw_rad: (N,) heading, left positive.
        period_s: from one row to the next.
    """
    rolled = np.diff(position_m.astype(np.float64), prepend=position_m[:1])
    rolled[~(np.abs(rolled) <= FASTEST_M_S * period_s)] = 0.0
    heading = np.nan_to_num(yaw_rad.astype(np.float64))
    heading = heading - 0.5 * np.diff(heading, prepend=heading[:1])
    return np.cumsum(rolled[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)


def pose_of_tick(tick: np.void, place_m: np.ndarray, robot: Robot) -> Pose:
    """Where a log says that a robot is, on level ground and not leaning aside; what is not a number counts as 0.

    Args:
        tick: a row of ``spec.TICK_DTYPE``.
        place_m: (2,) of the middle of its axle, from ``dead_reckoning``.
        robot: profile.
    """
    rotation = rotation_about(_UP, _number(tick["yaw"])) @ rotation_y(_number(tick["pitch"]))
    height = float(tick["height"]) if np.isfinite(tick["height"]) else robot.height_m
    angles = dict(_held_rad(robot, height))
    turning = {joint.name for joint in robot.chain.joints}
    signals = zip(WHEEL_JOINTS + LEG_JOINTS, ("wheel_position_left", "wheel_position_right", *LEG_JOINTS), strict=True)
    angles |= {joint: _number(tick[signal]) for joint, signal in signals if joint in turning}
    poses = robot.chain.poses(angles)
    axle = np.mean([poses[joint.child][1] for joint in robot.body.wheel_joints], axis=0)
    middle = np.array([place_m[0], place_m[1], robot.pendulum.wheel_radius_m])
    return Pose(middle - rotation @ axle, rotation, angles)


def _number(value: np.floating) -> float:
    return float(value) if np.isfinite(value) else 0.0


def _held_rad(robot: Robot, height_m: float) -> Mapping[str, float]:
    """The angles of all leg joints at a height, those too that no signal reports."""
    low, high = robot.heights_m
    return robot.angles_at(min(max(height_m, low), high)) if low < high else robot.held_rad
