"""The robot's body for the physics engine: a URDF of primitives in our conventions, whatever its own URDF looks like.

Links that fixed joints hold together become one, wheels touch as spheres (one steady contact point on level ground,
where a cylinder's rim gives four that jump), meshes are replaced by the boxes around them, and what is only looked at
is left out.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from robot_il.robot import WHEEL_JOINTS, Robot
from robot_il.robot_body import wheel_shape
from robot_il.urdf_chain import IDENTITY, Chain, Joint, Pose, Shape
from sim.conditions import Conditions

NEGLIGIBLE = 1e-12
"""Products of inertia below this share of the moments are rounding; without them the engine keeps the body's axes."""


@dataclass(frozen=True)
class Piece:
    """Some links that move as one.

    Attributes:
        name: of the link that its joint carries, or of the base.
        mass_kg: of all.
        com_m: (3,) common centre of mass.
        inertia_kg_m2: (3, 3) about it. Like all places in a piece, in axes that point forward, left and up when all
            joints are at 0, from the origin of the first link.
        frames: each link's pose in the piece.
    """

    name: str
    mass_kg: float
    com_m: np.ndarray
    inertia_kg_m2: np.ndarray
    frames: Mapping[str, Pose]


def pieces(chain: Chain) -> dict[str, Piece]:
    """The bodies of a chain by the name of their first link, the base first."""
    axes = chain.poses({})
    moving = [chain.base, *(joint.child for joint in chain.joints if joint.turns)]
    return {name: _piece(chain, name, axes[name][0]) for name in moving}


def _piece(chain: Chain, first: str, rotation: np.ndarray) -> Piece:
    frames: dict[str, Pose] = {first: (rotation, np.zeros(3))}
    for joint in chain.joints:
        if not joint.turns and joint.parent in frames:
            turned, moved = joint.pose(0.0)
            parent, origin = frames[joint.parent]
            frames[joint.child] = (parent @ turned, origin + parent @ moved)
    heavy = [name for name in frames if chain.links[name].mass_kg > 0.0]
    if heavy == [first]:
        link = chain.links[first]
        return Piece(first, link.mass_kg, rotation @ link.com_m, rotation @ link.inertia_kg_m2 @ rotation.T, frames)
    mass, com, inertia = chain.mass_properties({}, tuple(heavy))
    return Piece(first, mass, com - chain.poses({})[first][1], inertia, frames)


def physics_urdf(robot: Robot, conditions: Conditions) -> str:
    """The body as the engine is to load it, its joints named as in ``robot.chain``.

    All masses are scaled as the conditions say, and the base's centre of mass is moved so that the body's height
    scales: the engine can change masses after loading, but no centre of mass.
    """
    chain, parts = robot.chain, pieces(robot.chain)
    wheels = {joint.child: joint for joint in chain.joints if joint.name in WHEEL_JOINTS}
    pendulum, base = robot.pendulum, parts[chain.base]
    lift = (conditions.com_height_scale - 1.0) * pendulum.body_height_m * pendulum.body_mass_kg / base.mass_kg
    root = ET.Element("robot", name=robot.name)
    for name, piece in parts.items():
        link = ET.SubElement(root, "link", name=name)
        com = piece.com_m + np.array([0.0, 0.0, lift]) if piece is base else piece.com_m
        mass, inertia = piece.mass_kg * conditions.mass_scale, piece.inertia_kg_m2 * conditions.mass_scale
        if piece is base and conditions.payload_kg:
            mass, com, inertia = _laden(mass, com, inertia, conditions)
        _add_inertial(link, com, mass, inertia)
        if name in wheels:
            _add_tyre(link, robot, wheels[name], piece)
        else:
            _add_shapes(link, chain, piece)
    for joint in chain.joints:
        if joint.turns:
            _add_joint(root, joint, parts)
    return ET.tostring(root, encoding="unicode")


def _laden(
    mass_kg: float, com_m: np.ndarray, inertia_kg_m2: np.ndarray, conditions: Conditions
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mass, centre of mass and inertia of the base with the payload, a point, on it (parallel axes)."""
    total = mass_kg + conditions.payload_kg
    arm = np.array([conditions.payload_x_m, 0.0, conditions.payload_z_m]) - com_m
    point = mass_kg * conditions.payload_kg / total * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    return total, com_m + arm * conditions.payload_kg / total, inertia_kg_m2 + point


def _numbers(values: Iterable[float]) -> str:
    return " ".join(repr(float(value)) for value in values)


def _add_inertial(link: ET.Element, com_m: np.ndarray, mass_kg: float, inertia_kg_m2: np.ndarray) -> None:
    inertial = ET.SubElement(link, "inertial")
    ET.SubElement(inertial, "origin", xyz=_numbers(com_m))
    ET.SubElement(inertial, "mass", value=repr(float(mass_kg)))
    kept = np.where(np.abs(inertia_kg_m2) > NEGLIGIBLE * np.trace(inertia_kg_m2), inertia_kg_m2, 0.0)
    entries = {f"i{'xyz'[row]}{'xyz'[column]}": kept[row, column] for row in range(3) for column in range(row, 3)}
    ET.SubElement(inertial, "inertia", {name: repr(float(value)) for name, value in entries.items()})


def _add_tyre(link: ET.Element, robot: Robot, joint: Joint, piece: Piece) -> None:
    """A sphere around the middle of the wheel's shape, moved onto the axle."""
    found = wheel_shape(robot.chain, joint)
    axis = piece.frames[joint.child][0] @ joint.axis
    middle = np.zeros(3)
    if found is not None:
        rotation, origin = piece.frames[found[0]]
        middle = axis * float(axis @ (origin + rotation @ found[1].origin_m))
    _add_collision(link, "sphere", {"radius": repr(float(robot.pendulum.wheel_radius_m))}, middle, IDENTITY)


def _add_shapes(link: ET.Element, chain: Chain, piece: Piece) -> None:
    for name, (rotation, origin) in piece.frames.items():
        for shape in chain.links[name].collisions:
            if shape.size_m:
                kind, attributes = _geometry(shape)
                place = origin + rotation @ shape.origin_m
                _add_collision(link, kind, attributes, place, rotation @ shape.rotation)


def _geometry(shape: Shape) -> tuple[str, dict[str, str]]:
    if shape.kind == "sphere":
        return "sphere", {"radius": _numbers(shape.size_m)}
    if shape.kind == "cylinder":
        radius, length = shape.size_m
        return "cylinder", {"radius": repr(radius), "length": repr(length)}
    return "box", {"size": _numbers(shape.size_m)}


def _add_collision(
    link: ET.Element, kind: str, attributes: dict[str, str], place_m: np.ndarray, rotation: np.ndarray
) -> None:
    collision = ET.SubElement(link, "collision")
    ET.SubElement(collision, "origin", xyz=_numbers(place_m), rpy=_numbers(roll_pitch_yaw(rotation)))
    ET.SubElement(ET.SubElement(collision, "geometry"), kind, attributes)


def _add_joint(root: ET.Element, joint: Joint, parts: Mapping[str, Piece]) -> None:
    """A hinge: wheels turn for ever, legs as far as the URDF says."""
    parent = next(piece for piece in parts.values() if joint.parent in piece.frames)
    rotation, origin = parent.frames[joint.parent]
    held = joint.name not in WHEEL_JOINTS and joint.range_rad is not None
    element = ET.SubElement(root, "joint", name=joint.name, type="revolute" if held else "continuous")
    ET.SubElement(element, "parent", link=parent.name)
    ET.SubElement(element, "child", link=joint.child)
    ET.SubElement(element, "origin", xyz=_numbers(origin + rotation @ joint.origin_m))
    ET.SubElement(element, "axis", xyz=_numbers(rotation @ joint.rotation @ joint.axis))
    if joint.range_rad is not None and held:
        low, high = sorted(joint.sign * angle for angle in joint.range_rad)
        # the engine reads no effort and no speed from here that it would hold a motor to
        ET.SubElement(element, "limit", lower=repr(low), upper=repr(high), effort="0", velocity="0")


def roll_pitch_yaw(rotation: np.ndarray) -> tuple[float, float, float]:
    """URDF's fixed-axis angles of a rotation matrix (3, 3): the inverse of ``urdf_chain.rotation_rpy``."""
    pitch = math.atan2(-rotation[2, 0], math.hypot(rotation[0, 0], rotation[1, 0]))
    if math.hypot(rotation[0, 0], rotation[1, 0]) < 1e-9:  # straight up or down: only the sum of roll and yaw counts
        return math.atan2(-rotation[1, 2], rotation[1, 1]), pitch, 0.0
    return math.atan2(rotation[2, 1], rotation[2, 2]), pitch, math.atan2(rotation[1, 0], rotation[0, 0])
