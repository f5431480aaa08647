"""A robot's links and joints in our conventions, with the mass properties of its parts in any posture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

IDENTITY = np.eye(3)
IDENTITY.setflags(write=False)
LEFT = np.array([0.0, 1.0, 0.0])
LEFT.setflags(write=False)
Pose = tuple[np.ndarray, np.ndarray]
"""Rotation (3, 3) from a body's axes to those of its parent, and its origin (3,) in m there."""


@dataclass(frozen=True)
class Shape:
    """One primitive that stands for what a link looks like or touches with.

    Attributes:
        kind: ``box``, ``cylinder`` (along its own z), ``sphere``, or ``mesh``, known by the box around it.
        size_m: the edges of a box or of the box around a mesh; a cylinder's radius and length; a sphere's radius.
        rotation: (3, 3) from the shape's axes to the link's.
        origin_m: (3,) of its middle in the link's frame.
        file: of a mesh, as the URDF names it; empty for primitives.
        why_unknown: why a mesh's size could not be read; such a mesh has no size.
    """

    kind: str
    size_m: tuple[float, ...]
    rotation: np.ndarray
    origin_m: np.ndarray
    file: str = ""
    why_unknown: str = ""


@dataclass(frozen=True)
class Link:
    """One rigid body.

    Attributes:
        name: identifier.
        mass_kg: positive; 0 for a link that is but a frame, rigidly joined to one with a mass.
        com_m: (3,) centre of mass in the link's frame.
        inertia_kg_m2: (3, 3) about the centre of mass, in the axes of the link's frame.
        contact_radius_m: radius of its first spherical or cylindrical collision shape; None where it has none.
        collisions: the shapes it touches with.
        visuals: the shapes it is drawn with.
    """

    name: str
    mass_kg: float
    com_m: np.ndarray
    inertia_kg_m2: np.ndarray
    contact_radius_m: float | None
    collisions: tuple[Shape, ...] = ()
    visuals: tuple[Shape, ...] = ()


@dataclass(frozen=True)
class Joint:
    """A hinge, or a rigid connection.

    Attributes:
        name: identifier; once a profile has said what it is, that of the signal which reports it.
        parent: name of the link it starts at.
        child: name of the link it carries: the parent's frame, moved by ``origin_m``, turned by ``rotation``, then
            turned about ``axis`` by the angle.
        origin_m: (3,) in the parent's frame.
        turns: False for a fixed joint.
        rotation: (3, 3) from the joint's axes to the parent's at angle 0.
        axis: (3,) of length 1, in the joint's axes.
        urdf_name: its name in the URDF, where ``name`` is another.
        sign: -1 where the URDF counts the angle the other way round.
        range_rad: from lowest to highest angle, in the URDF's sign; None where it may turn for ever.
    """

    name: str
    parent: str
    child: str
    origin_m: np.ndarray
    turns: bool
    rotation: np.ndarray = field(default_factory=lambda: IDENTITY)
    axis: np.ndarray = field(default_factory=lambda: LEFT)
    urdf_name: str = ""
    sign: int = 1
    range_rad: tuple[float, float] | None = None

    def pose(self, angle_rad: float) -> Pose:
        """Where the child is, seen from the parent."""
        turned = self.rotation @ rotation_about(self.axis, angle_rad) if self.turns else self.rotation
        return turned, self.origin_m


@dataclass(frozen=True)
class Chain:
    """The whole robot.

    Attributes:
        base: name of the link that carries all others.
        links: by name.
        joints: in an order in which every parent comes before its children.
        rotation: (3, 3) from the axes in which the URDF has its base to x forward, y left, z up.
    """

    base: str
    links: Mapping[str, Link]
    joints: tuple[Joint, ...]
    rotation: np.ndarray = field(default_factory=lambda: IDENTITY)

    def poses(self, angles_rad: Mapping[str, float]) -> dict[str, Pose]:
        """Forward kinematics; a joint without an angle stays at 0.

        Args:
            angles_rad: joint name to angle.

        Returns:
            Link name to (rotation (3, 3), origin (3,) in m), both from the base's origin, x forward, y left, z up.
        """
        poses = {self.base: (self.rotation, np.zeros(3))}
        for joint in self.joints:
            rotation, origin = poses[joint.parent]
            turned, moved = joint.pose(angles_rad.get(joint.name, 0.0))
            poses[joint.child] = (rotation @ turned, origin + rotation @ moved)
        return poses

    def mass_properties(
        self, angles_rad: Mapping[str, float], links: tuple[str, ...]
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Mass in kg, centre of mass (3,) in m and inertia (3, 3) in kg m^2 of some links taken as one body.

        The inertia is about the common centre of mass (parallel-axis theorem), all in the frame of ``poses``.
        """
        poses = self.poses(angles_rad)
        mass = sum(self.links[name].mass_kg for name in links)
        coms = {name: poses[name][1] + poses[name][0] @ self.links[name].com_m for name in links}
        com = sum((self.links[name].mass_kg * coms[name] for name in links), np.zeros(3)) / mass
        inertia = np.zeros((3, 3))
        for name in links:
            rotation, link = poses[name][0], self.links[name]
            arm = coms[name] - com
            inertia += rotation @ link.inertia_kg_m2 @ rotation.T
            inertia += link.mass_kg * (arm @ arm * np.eye(3) - np.outer(arm, arm))
        return mass, com, inertia

    def rigid(self, link: str) -> tuple[str, ...]:
        """Names of a link and of all that fixed joints carry with it, itself first."""
        group = [link]
        for joint in self.joints:
            if not joint.turns and joint.parent in group:
                group.append(joint.child)
        return tuple(group)

    def path(self, link: str) -> tuple[Joint, ...]:
        """The joints from the base to a link, in this order."""
        into = {joint.child: joint for joint in self.joints}
        path: list[Joint] = []
        while link in into:
            path.insert(0, into[link])
            link = into[link].parent
        return tuple(path)


def rotation_y(angle_rad: float) -> np.ndarray:
    """Rotation matrix (3, 3) about +y; positive leans the z axis towards +x."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def rotation_about(axis: np.ndarray, angle_rad: float) -> np.ndarray:
    """Rotation matrix (3, 3) about an axis (3,) of length 1, by Rodrigues' formula; about +y as ``rotation_y``."""
    if np.array_equal(axis, LEFT):
        return rotation_y(angle_rad)
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle_rad) * cross + (1.0 - np.cos(angle_rad)) * (cross @ cross)


def rotation_rpy(roll_rad: float, pitch_rad: float, yaw_rad: float) -> np.ndarray:
    """Rotation matrix (3, 3) of URDF's fixed-axis roll, pitch and yaw: Rz(yaw) Ry(pitch) Rx(roll)."""
    if roll_rad == pitch_rad == yaw_rad == 0.0:
        return IDENTITY
    about_x = rotation_about(np.array([1.0, 0.0, 0.0]), roll_rad)
    about_z = rotation_about(np.array([0.0, 0.0, 1.0]), yaw_rad)
    return about_z @ rotation_y(pitch_rad) @ about_x


def angle_between(one: np.ndarray, other: np.ndarray) -> float:
    """Angle in rad from 0 to pi between two vectors (3,)."""
    return math.atan2(float(np.linalg.norm(np.cross(one, other))), float(one @ other))
