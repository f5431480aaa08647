"""What a robot looks like: its shapes as coloured triangles in the frames of their links."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_il.errors import ConfigError
from robot_il.robot import Robot
from robot_il.urdf import urdf_root
from robot_il.urdf_chain import Joint, Link, Shape
from robot_il.urdf_meshes import find_mesh, mesh_triangles

SEGMENTS = 40
GREY, DARK, LIGHT = (0.62, 0.65, 0.69), (0.13, 0.14, 0.16), (0.86, 0.87, 0.89)
Colour = tuple[float, float, float]
MAX_TRIANGLES = 20_000
"""Of one shape; a finer mesh is coarsened."""
COARSE_CELLS = 48
"""Along the longest edge of the box around a mesh that is coarsened."""
_GEOMETRIES = ("box", "cylinder", "sphere", "mesh")


@dataclass(frozen=True, eq=False)
class Look:
    """One shape as it is drawn.

    Attributes:
        link: to which it belongs.
        corners: (T, 3, 3) of its triangles, in m in the link's frame, counter-clockwise from outside.
        normals: (T, 3, 3) of the surface there, of length 1.
        colour: red, green and blue, 0 to 1.
    """

    link: str
    corners: np.ndarray
    normals: np.ndarray
    colour: Colour


def looks(robot: Robot) -> list[Look]:
    """Everything that is seen of a robot, with a bar across each wheel, so that it is seen to turn.

    A link without visual shapes is drawn by what it touches with; a mesh that cannot be read is not drawn.
    """
    said = _said_of_visuals(robot.urdf_path)
    wheels = {link: joint for joint in robot.body.wheel_joints for link in robot.chain.rigid(joint.child)}
    found: list[Look] = []
    for link in robot.chain.links.values():
        usual = DARK if link.name in wheels else GREY
        for shape, colour, scale in _drawn(link, said.get(link.name, [])):
            triangles = _triangles(shape, scale, robot.urdf_path.parent)
            if len(triangles[0]):
                corners = shape.origin_m + triangles[0] @ shape.rotation.T
                found.append(Look(link.name, corners, triangles[1] @ shape.rotation.T, colour or usual))
    for joint in robot.body.wheel_joints:
        found += _bar(joint, [look for look in found if look.link == joint.child], robot.pendulum.wheel_radius_m)
    return found


def box_look(link: str, size_m: np.ndarray, colour: Colour) -> Look:
    """A box (3,) about the origin of a link."""
    return Look(link, *_flat(_box(size_m)), colour)


_Said = tuple[Colour | None, np.ndarray]


def _said_of_visuals(path: Path) -> dict[str, list[_Said]]:
    """Link to colour and scale of each of its visual shapes: what the chain does not keep."""
    root = urdf_root(path)
    named = {material.get("name"): _colour(material) for material in root.findall("material")}
    said: dict[str, list[_Said]] = {}
    for link in root.findall("link"):
        said[link.get("name", "")] = [_said(visual, named) for visual in link.findall("visual") if _is_known(visual)]
    return said


def _is_known(visual: ET.Element) -> bool:
    """Whether the chain has a shape of it."""
    return any(visual.find(f"geometry/{kind}") is not None for kind in _GEOMETRIES)


def _said(visual: ET.Element, named: dict[str | None, Colour | None]) -> _Said:
    material, mesh = visual.find("material"), visual.find("geometry/mesh")
    colour = None if material is None else _colour(material) or named.get(material.get("name"))
    words = "1 1 1" if mesh is None else mesh.get("scale", "1 1 1")
    return colour, np.array([float(word) for word in words.split()])


def _colour(material: ET.Element) -> Colour | None:
    """A colour of numbers that mean one; looks are no reason to refuse a robot."""
    colour = material.find("color")
    try:
        numbers = [float(word) for word in colour.get("rgba", "").split()] if colour is not None else []
    except ValueError:
        return None
    if len(numbers) < 3 or not all(math.isfinite(number) for number in numbers):
        return None
    red, green, blue = (min(max(number, 0.0), 1.0) for number in numbers[:3])
    return red, green, blue


def _drawn(link: Link, said: list[_Said]) -> list[tuple[Shape, Colour | None, np.ndarray]]:
    if link.visuals:
        return [(shape, *extra) for shape, extra in zip(link.visuals, said, strict=True)]
    boxes = [shape for shape in link.collisions if shape.kind != "mesh"]
    return [(shape, None, np.ones(3)) for shape in boxes]


def _triangles(shape: Shape, scale: np.ndarray, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Corners and normals (T, 3, 3) of a shape about its middle, in its own axes."""
    if shape.kind == "mesh":
        return _mesh(shape, scale, folder)
    if shape.kind == "sphere":
        return _sphere(shape.size_m[0])
    if shape.kind == "cylinder":
        return _cylinder(*shape.size_m)
    return _flat(_box(np.array(shape.size_m)))


def _flat(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles with the normal of their plane at each corner; those without an area are left out."""
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(across, axis=1)
    kept = areas > 1e-12 * max(1e-12, float(areas.max(initial=0.0)))
    normals = across[kept] / areas[kept, None]
    return corners[kept], np.repeat(normals[:, None], 3, axis=1)


def _box(size_m: np.ndarray) -> np.ndarray:
    faces = []
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        for way in (-0.5, 0.5):
            square = np.zeros((4, 3))
            square[:, axis] = way
            square[:, first] = (-0.5, 0.5, 0.5, -0.5)
            square[:, second] = (-0.5, -0.5, 0.5, 0.5)
            faces += _quad(square if way > 0.0 else square[::-1])
    return np.array(faces) * size_m


def _quad(square: np.ndarray) -> list[np.ndarray]:
    return [square[[0, 1, 2]], square[[0, 2, 3]]]


def _cylinder(radius_m: float, length_m: float) -> tuple[np.ndarray, np.ndarray]:
    angles = np.linspace(0.0, 2.0 * np.pi, SEGMENTS + 1)
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros(SEGMENTS + 1)], axis=1)
    low, high = (ring * radius_m + [0.0, 0.0, way * length_m] for way in (-0.5, 0.5))
    sides, normals = [], []
    for k in range(SEGMENTS):
        sides += _quad(np.array([low[k], low[k + 1], high[k + 1], high[k]]))
        normals += _quad(ring[[k, k + 1, k + 1, k]])
    caps = [[[0.0, 0.0, 0.5 * length_m], high[k], high[k + 1]] for k in range(SEGMENTS)]
    caps += [[[0.0, 0.0, -0.5 * length_m], low[k + 1], low[k]] for k in range(SEGMENTS)]
    corners, flat = _flat(np.array(caps))
    return np.concatenate([sides, corners]), np.concatenate([normals, flat])


def _sphere(radius_m: float) -> tuple[np.ndarray, np.ndarray]:
    around = np.linspace(0.0, 2.0 * np.pi, SEGMENTS + 1)
    up = np.linspace(-0.5 * np.pi, 0.5 * np.pi, SEGMENTS // 2 + 1)
    x, y = np.cos(up)[:, None] * np.cos(around), np.cos(up)[:, None] * np.sin(around)
    ball = np.stack([x, y, np.repeat(np.sin(up)[:, None], SEGMENTS + 1, axis=1)], axis=2)
    squares = np.stack([ball[:-1, :-1], ball[:-1, 1:], ball[1:, 1:], ball[1:, :-1]], axis=2).reshape(-1, 4, 3)
    normals = np.concatenate([squares[:, [0, 1, 2]], squares[:, [0, 2, 3]]])
    return radius_m * normals, normals


def _mesh(shape: Shape, scale: np.ndarray, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """A mesh about the middle of the box around it; nothing where it cannot be read."""
    nothing = np.zeros((0, 3, 3)), np.zeros((0, 3, 3))
    if not shape.size_m:
        return nothing
    try:
        corners = mesh_triangles(find_mesh(shape.file, folder)) * scale
    except ConfigError:
        return nothing
    points = corners.reshape(-1, 3)
    corners = corners - 0.5 * (points.min(axis=0) + points.max(axis=0))
    if np.prod(scale) < 0.0:
        corners = corners[:, ::-1]  # a mirrored mesh is inside out
    return _flat(corners if len(corners) <= MAX_TRIANGLES else _coarsened(corners))


def _coarsened(corners: np.ndarray) -> np.ndarray:
    """Triangles whose corners are moved onto a grid; what becomes of them is few enough, and looks much the same."""
    cell = float(np.ptp(corners.reshape(-1, 3), axis=0).max()) / COARSE_CELLS
    places = np.round(corners / cell).astype(np.int64)
    same = (places == np.roll(places, 1, axis=1)).all(axis=2).any(axis=1)
    return np.unique(places[~same], axis=0)[:MAX_TRIANGLES] * cell


def _bar(joint: Joint, wheel: list[Look], radius_m: float) -> list[Look]:
    """A bar across a wheel, a little thicker than it."""
    if not wheel:
        return []
    axis = joint.axis
    along = np.concatenate([look.corners.reshape(-1, 3) for look in wheel]) @ axis
    low, high = float(along.min()), float(along.max())
    across = np.cross(axis, np.eye(3)[int(np.argmin(np.abs(axis)))])
    across /= np.linalg.norm(across)
    frame = np.stack([across, np.cross(axis, across), axis])  # rows, right-handed
    size = np.array([1.5 * radius_m, 0.12 * radius_m, (high - low) + 0.02 * radius_m])
    corners, normals = _flat(_box(size))
    return [Look(joint.child, (corners + [0.0, 0.0, 0.5 * (low + high)]) @ frame, normals @ frame, LIGHT)]
