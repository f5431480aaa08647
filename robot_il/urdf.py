"""A robot's links and joints from its URDF, checked, with the mass properties of its parts in any posture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_il.errors import ConfigError

MAX_URDF_BYTES = 1_000_000


@dataclass(frozen=True)
class Link:
    """One rigid body.

    Attributes:
        name: identifier.
        mass_kg: positive.
        com_m: (3,) centre of mass in the link's frame.
        inertia_kg_m2: (3, 3) about the centre of mass, in the axes of the link's frame.
        contact_radius_m: radius of its first spherical or cylindrical collision shape; None where it has none.
    """

    name: str
    mass_kg: float
    com_m: np.ndarray
    inertia_kg_m2: np.ndarray
    contact_radius_m: float | None


@dataclass(frozen=True)
class Joint:
    """A hinge about +y, or a rigid connection.

    Attributes:
        name: identifier.
        parent: name of the link it starts at.
        child: name of the link it carries; child frame = parent frame, moved by ``origin_m``, then turned by the angle.
        origin_m: (3,) in the parent's frame.
        turns: False for a fixed joint.
    """

    name: str
    parent: str
    child: str
    origin_m: np.ndarray
    turns: bool


@dataclass(frozen=True)
class Chain:
    """The whole robot: links by name, joints in an order in which every parent comes before its children."""

    base: str
    links: Mapping[str, Link]
    joints: tuple[Joint, ...]

    def poses(self, angles_rad: Mapping[str, float]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Forward kinematics from the base's frame; a joint without an angle stays at 0.

        Args:
            angles_rad: joint name to angle.

        Returns:
            Link name to (rotation (3, 3), origin (3,) in m), both in the base's frame.
        """
        poses = {self.base: (np.eye(3), np.zeros(3))}
        for joint in self.joints:
            rotation, origin = poses[joint.parent]
            turn = rotation_y(angles_rad.get(joint.name, 0.0))
            poses[joint.child] = (rotation @ turn, origin + rotation @ joint.origin_m)
        return poses

    def mass_properties(
        self, angles_rad: Mapping[str, float], links: tuple[str, ...]
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Mass in kg, centre of mass (3,) in m and inertia (3, 3) in kg m^2 of some links taken as one body.

        The inertia is about the common centre of mass (parallel-axis theorem), all in the base's frame.
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


def rotation_y(angle_rad: float) -> np.ndarray:
    """Rotation matrix (3, 3) about +y; positive leans the z axis towards +x."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def read_urdf(path: Path) -> Chain:
    """Reads and checks a URDF.

    Args:
        path: file of at most 1 MB.

    Raises:
        ConfigError: no such file, not a URDF, a joint about another axis than +y, a link without positive mass or with
            an inertia that no rigid body has, or links that form no tree.
    """
    try:
        if path.stat().st_size > MAX_URDF_BYTES:
            raise ConfigError(f"a URDF of at most {MAX_URDF_BYTES} bytes", f"{path}", "name the robot's own URDF")
        # The standard parser expands entities; without a DTD there are none to expand.
        text = path.read_text(encoding="utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ConfigError("a URDF without a DTD", f"{path} with one", "remove the DOCTYPE")
        root = ET.fromstring(text)  # noqa: S314
    except (OSError, UnicodeDecodeError, ET.ParseError) as error:
        raise ConfigError(
            "a readable URDF file", f"{path}: {error}", "correct the urdf entry of the robot's TOML"
        ) from error
    links = {link.name: link for link in (_link(element, path) for element in root.findall("link"))}
    joints = [_joint(element, path) for element in root.findall("joint")]
    return _tree(links, joints, path)


def _floats(text: str, count: int, where: str) -> np.ndarray:
    try:
        numbers = np.array([float(word) for word in text.split()])
    except ValueError:
        numbers = np.empty(0)
    if numbers.size != count or not np.isfinite(numbers).all():
        raise ConfigError(f"{count} finite numbers in {where}", repr(text), "correct the URDF")
    numbers.setflags(write=False)
    return numbers


def _attribute(element: ET.Element, tag: str, name: str, default: str) -> str:
    found = element.find(tag)
    return default if found is None else found.get(name, default)


def _link(element: ET.Element, path: Path) -> Link:
    name = element.get("name", "")
    where = f"link {name!r} of {path.name}"
    inertial = element.find("inertial")
    if inertial is None:
        raise ConfigError(f"an inertial element in {where}", "none", "give every link its mass and inertia")
    mass = float(_floats(_attribute(inertial, "mass", "value", ""), 1, f"the mass of {where}")[0])
    if not mass > 0.0:
        raise ConfigError(f"a positive mass in {where}", f"{mass} kg", "correct the URDF")
    if np.any(_floats(_attribute(inertial, "origin", "rpy", "0 0 0"), 3, f"the inertial rpy of {where}")):
        raise ConfigError(f"an inertial rpy of 0 0 0 in {where}", "another", "state the inertia in the link's own axes")
    return Link(
        name=name,
        mass_kg=mass,
        com_m=_floats(_attribute(inertial, "origin", "xyz", "0 0 0"), 3, f"the inertial origin of {where}"),
        inertia_kg_m2=_inertia(inertial, where),
        contact_radius_m=_contact_radius(element, where),
    )


def _inertia(inertial: ET.Element, where: str) -> np.ndarray:
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
    inertia.setflags(write=False)
    return inertia


def _contact_radius(element: ET.Element, where: str) -> float | None:
    for shape in ("sphere", "cylinder"):
        found = element.find(f"collision/geometry/{shape}")
        if found is not None:
            radius = float(_floats(found.get("radius", ""), 1, f"the collision radius of {where}")[0])
            if not radius > 0.0:
                raise ConfigError(f"a positive collision radius in {where}", f"{radius} m", "correct the URDF")
            return radius
    return None


def _joint(element: ET.Element, path: Path) -> Joint:
    name = element.get("name", "")
    where = f"joint {name!r} of {path.name}"
    kind = element.get("type", "")
    if kind not in ("revolute", "continuous", "fixed"):
        raise ConfigError(f"type revolute, continuous or fixed of {where}", repr(kind), "correct the URDF")
    axis = _floats(_attribute(element, "axis", "xyz", "1 0 0"), 3, f"the axis of {where}")
    turned = _floats(_attribute(element, "origin", "rpy", "0 0 0"), 3, f"the rpy of {where}")
    turns = kind != "fixed"
    if np.any(turned) or (turns and not np.array_equal(axis, [0.0, 1.0, 0.0])):
        raise ConfigError(f"axis 0 1 0 and rpy 0 0 0 of {where}", f"axis {axis}, rpy {turned}", "turn the joint to +y")
    return Joint(
        name=name,
        parent=_attribute(element, "parent", "link", ""),
        child=_attribute(element, "child", "link", ""),
        origin_m=_floats(_attribute(element, "origin", "xyz", "0 0 0"), 3, f"the origin of {where}"),
        turns=turns,
    )


def _tree(links: dict[str, Link], joints: list[Joint], path: Path) -> Chain:
    """Orders the joints from the base outwards."""
    children = [joint.child for joint in joints]
    bases = [name for name in links if name not in children]
    if len(bases) != 1 or len(set(children)) != len(children):
        raise ConfigError(
            f"one tree of links in {path.name}", f"base candidates {bases}", "connect each link by one joint"
        )
    reached, ordered, waiting = {bases[0]}, [], list(joints)
    while waiting:
        ready = [joint for joint in waiting if joint.parent in reached and joint.child in links]
        if not ready:
            names = [joint.name for joint in waiting]
            raise ConfigError(
                f"joints of {path.name} that start at the base", f"unconnected {names}", "correct the URDF"
            )
        ordered += ready
        reached.update(joint.child for joint in ready)
        waiting = [joint for joint in waiting if joint not in ready]
    return Chain(base=bases[0], links=links, joints=tuple(ordered))
