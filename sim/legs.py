"""What an engine's plant has to know of the legs at a height: targets of their motors, and where the body then is."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from robot_il.robot import WHEEL_JOINTS, Robot
from robot_il.robot_postures import SAME_M


class LegWay:
    """A robot's postures as tables over height, the same for every engine.

    Args:
        robot: profile.

    Attributes:
        joints: names of the leg joints, in the order of the targets.
        height_m: of the base link's origin above the axle, the one asked for last; at first the nominal one.
        targets_rad: the angle of each leg joint at this height; one list for good, changed in place.
    """

    def __init__(self, robot: Robot) -> None:
        postures, chain = robot.postures, robot.chain
        self.joints = tuple(robot.held_rad)
        self.height_m = self._nominal_m = postures.nominal_m
        self.targets_rad = list(robot.held_rad.values())
        self._heights = postures.heights_m.tolist()
        self._last = max(0, len(self._heights) - 2)
        self._rows = [postures.angles_rad[joint].tolist() for joint in self.joints]
        wheels = [joint for joint in chain.joints if joint.name in WHEEL_JOINTS]
        turning = {name for joint in wheels for name in chain.rigid(joint.child)}
        self._body_links = tuple(name for name in chain.links if name not in turning)
        self._wheels = [joint.child for joint in wheels]
        self._chain = chain

    def move(self, height_m: float) -> bool:
        """Sets the targets for a height, cut to what the legs reach; False where nothing changes.

        A height that differs from the nominal one by a rounding on the wire is the nominal one.
        """
        heights = self._heights
        height = min(max(height_m, heights[0]), heights[-1])
        if abs(height - self._nominal_m) <= SAME_M:
            height = self._nominal_m
        if height == self.height_m:
            return False
        self.height_m = height
        below = min(bisect_right(heights, height) - 1, self._last)
        share = (height - heights[below]) / (heights[below + 1] - heights[below])
        targets = self.targets_rad
        for place, row in enumerate(self._rows):
            targets[place] = row[below] if share == 0.0 else row[below] + share * (row[below + 1] - row[below])
        return True

    def layout(self) -> tuple[np.ndarray, np.ndarray]:
        """Middle of the axle (3,) and the body's centre of mass (3,) in m from the base's origin, at this height."""
        angles = dict(zip(self.joints, self.targets_rad, strict=True))
        poses = self._chain.poses(angles)
        axle = np.mean([poses[link][1] for link in self._wheels], axis=0)
        return axle, self._chain.mass_properties(angles, self._body_links)[1]
