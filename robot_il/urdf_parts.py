"""The elements of a URDF one by one: links with their masses and shapes, and joints."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from robot_il.errors import ConfigError
from robot_il.urdf_chain import Joint, Link, Shape, rotation_rpy
from robot_il.urdf_meshes import find_mesh, mesh_box

KINDS = ("revolute", "continuous", "fixed")
_OUTLAWS = {
    "prismatic": "a sliding joint: make it fixed at its nominal place",
    "floating": "make it fixed, or let the model begin at its child",
    "planar": "make it fixed, or let the model begin at its child",
}
_PRIMITIVES = {"box": ("size",), "cylinder": ("radius", "length"), "sphere": ("radius",)}


def read_link(element: ET.Element, path: Path) -> Link:
    """One link element.

    Args:
        element: of the URDF.
        path: of the URDF, for messages and for the meshes it names.

    Raises:
        ConfigError: a figure that is none, a negative mass, or an inertia that no rigid body has.
    """
    name = element.get("name", "")
    where = f"link {name!r} of {path.name}"
    inertial = element.find("inertial")
    mass, com, inertia = _massless() if inertial is None else _mass(inertial, where)
    collisions = _shapes(element, "collision", where, path)
    radii = [shape.size_m[0] for shape in collisions if shape.kind in ("sphere", "cylinder")]
    return Link(
        name, mass, com, inertia, radii[0] if radii else None, collisions, _shapes(element, "visual", where, path)
    )


def read_joint(element: ET.Element, path: Path) -> Joint:
    """One joint element.

    Raises:
        ConfigError: a kind that is neither hinge nor fixed, or a figure that is none.
    """
    name = element.get("name", "")
    where = f"joint {name!r} of {path.name}"
    kind = element.get("type", "")
    if kind not in KINDS:
        remedy = _OUTLAWS.get(kind, "correct the URDF")
        raise ConfigError(f"type revolute, continuous or fixed of {where}", repr(kind), remedy)
    axis = _floats(_attribute(element, "axis", "xyz", "1 0 0"), 3, f"the axis of {where}")
    length = float(np.linalg.norm(axis))
    if kind != "fixed" and not length > 0.0:
        raise ConfigError(f"an axis of {where}", f"{axis}", "correct the URDF")
    rotation, origin = _origin(element, where)
    return Joint(
        name=name,
        parent=_attribute(element, "parent", "link", ""),
        child=_attribute(element, "child", "link", ""),
        origin_m=origin,
        turns=kind != "fixed",
        rotation=rotation,
        axis=axis / length if length > 0.0 else axis,
        urdf_name=name,
        range_rad=_range(element, where) if kind == "revolute" else None,
    )


def _floats(text: str, count: int, where: str) -> np.ndarray:
    try:
        numbers = np.array([float(word) for word in text.split()])
    except ValueError:
        numbers = np.empty(0)
    if numbers.size != count or not np.isfinite(numbers).all():
        raise ConfigError(f"{count} finite numbers in {where}", repr(text[:80]), "correct the URDF")
    numbers.setflags(write=False)
    return numbers


def _attribute(element: ET.Element, tag: str, name: str, default: str) -> str:
    found = element.find(tag)
    return default if found is None else found.get(name, default)


def _origin(element: ET.Element, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3) and place (3,) of an element with an ``origin``."""
    turned = _floats(_attribute(element, "origin", "rpy", "0 0 0"), 3, f"the rpy of {where}")
    origin = _floats(_attribute(element, "origin", "xyz", "0 0 0"), 3, f"the origin of {where}")
    return rotation_rpy(*turned.tolist()), origin


def _massless() -> tuple[float, np.ndarray, np.ndarray]:
    return 0.0, np.zeros(3), np.zeros((3, 3))


def _mass(inertial: ET.Element, where: str) -> tuple[float, np.ndarray, np.ndarray]:
    """Mass, centre of mass and inertia in the link's axes."""
    mass = float(_floats(_attribute(inertial, "mass", "value", ""), 1, f"the mass of {where}")[0])
    if mass == 0.0:
        return _massless()  # how some drawing programs write a link that is but a frame
    if mass < 0.0:
        raise ConfigError(f"a positive mass in {where}", f"{mass} kg", "correct the URDF")
    rotation, com = _origin(inertial, f"the inertial element of {where}")
    inertia = rotation @ _inertia(inertial, where) @ rotation.T
    inertia.setflags(write=False)
    return mass, com, inertia


def _inertia(inertial: ET.Element, where: str) -> np.ndarray:
    if inertial.find("inertia") is None:
        raise ConfigError(f"an inertia element in {where}", "a mass without one", "give its moments of inertia")
    xx, xy, xz, yy, yz, zz = (
        float(_floats(_attribute(inertial, "inertia", name, ""), 1, f"{name} of {where}")[0])
        for name in ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")
    )
    inertia = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    principal = np.linalg.eigvalsh(inertia)
    # Each principal moment is an integral over two squared coordinates, so none exceeds the sum of the other two.
    if not principal[0] > 0.0 or principal[2] > (principal[0] + principal[1]) * (1.0 + 1e-6):
        raise ConfigError(
            f"an inertia in {where} with positive principal moments, none above the sum of the others",
            f"principal moments {principal} kg m^2",
            "correct the URDF",
        )
    return inertia


def _range(element: ET.Element, where: str) -> tuple[float, float] | None:
    """From lowest to highest angle; None where the limits are left out, or both 0, as some programs leave them out."""
    limit = element.find("limit")
    if limit is None:
        return None
    low, high = (float(_floats(limit.get(name, "0"), 1, f"{name} of {where}")[0]) for name in ("lower", "upper"))
    return None if low == high == 0.0 else (low, high)


def _shapes(element: ET.Element, tag: str, where: str, path: Path) -> tuple[Shape, ...]:
    found = (_shape(entry, f"the {tag} of {where}", path) for entry in element.findall(tag))
    return tuple(shape for shape in found if shape is not None)


def _shape(element: ET.Element, where: str, path: Path) -> Shape | None:
    rotation, origin = _origin(element, where)
    for kind, names in _PRIMITIVES.items():
        found = element.find(f"geometry/{kind}")
        if found is not None:
            size = [number for name in names for number in _sizes(found, kind, name, where)]
            return Shape(kind, tuple(size), rotation, origin)
    mesh = element.find("geometry/mesh")
    return None if mesh is None else _mesh(mesh, rotation, origin, where, path)


def _sizes(found: ET.Element, kind: str, name: str, where: str) -> list[float]:
    sizes = _floats(found.get(name, ""), 3 if kind == "box" else 1, f"the {kind}'s {name} in {where}").tolist()
    if not min(sizes) > 0.0:
        raise ConfigError(f"a positive {name} of the {kind} in {where}", f"{sizes} m", "correct the URDF")
    return [float(size) for size in sizes]


def _mesh(mesh: ET.Element, rotation: np.ndarray, origin: np.ndarray, where: str, path: Path) -> Shape:
    """A mesh by the box around it. One that cannot be read is kept without a size: most meshes are but looked at."""
    file = mesh.get("filename", "")
    scale = _floats(mesh.get("scale", "1 1 1"), 3, f"the scale of the mesh in {where}")
    try:
        low, high = mesh_box(find_mesh(file, path.parent))
    except ConfigError as error:
        return Shape("mesh", (), rotation, origin, file, f"{error.came} (expected {error.expected})")
    middle, size = 0.5 * (low + high) * scale, (high - low) * np.abs(scale)
    edges = tuple(float(edge) for edge in size)
    if not all(math.isfinite(edge) and edge > 0.0 for edge in edges):
        return Shape("mesh", (), rotation, origin, file, f"{file} is flat or too large")
    return Shape("mesh", edges, rotation, origin + rotation @ middle, file)
