"""Reads a URDF, by whichever of the usual conventions it was written, and refuses by name what cannot be flown."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

from robot_il.errors import ConfigError
from robot_il.urdf_chain import Chain, Joint, Link, rotation_y
from robot_il.urdf_parts import read_joint, read_link

__all__ = ["MAX_LINKS", "MAX_URDF_BYTES", "Chain", "Joint", "Link", "read_urdf", "rotation_y", "urdf_root"]

MAX_URDF_BYTES = 1_000_000
MAX_LINKS = 500
MAX_NAME = 100


def read_urdf(path: Path) -> Chain:
    """Reads and checks a URDF.

    The chain is in the URDF's own axes and joint names; ``robot.load_robot`` makes them ours.

    Args:
        path: file of at most 1 MB and 500 links.

    Raises:
        ConfigError: no such file, not a URDF, a macro file, a joint that slides, a link that moves by itself and has
            no mass, an inertia that no rigid body has, or links that form no tree.
    """
    root = urdf_root(path)
    if len(root.findall("link")) > MAX_LINKS:
        raise ConfigError(
            f"at most {MAX_LINKS} links in {path.name}", f"{len(root.findall('link'))}", "leave out what is but drawn"
        )
    links = [read_link(element, path) for element in root.findall("link")]
    joints = [read_joint(element, path) for element in root.findall("joint")]
    for kind, names in (("link", [link.name for link in links]), ("joint", [joint.name for joint in joints])):
        _unique(kind, names, path)
    chain = _tree({link.name: link for link in links}, joints, path)
    _check_masses(chain, path)
    return chain


def urdf_root(path: Path) -> ET.Element:
    """The root element of a URDF, for what a chain does not keep of it.

    Raises:
        ConfigError: no such file, one that is too large, not a URDF, or a macro file.
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
            "a readable URDF file", f"{path}: {error}", "name another, in the urdf entry where a profile names it"
        ) from error
    if "xacro" in path.suffix or any("/xacro}" in element.tag for element in root.iter()):
        raise ConfigError("a URDF", f"{path}, a xacro macro file", "expand it first: xacro FILE > robot.urdf")
    if root.tag != "robot":
        raise ConfigError("a URDF, whose root element is <robot>", f"{path} with <{root.tag}>", "name the robot's URDF")
    return root


def _unique(kind: str, names: Iterable[str], path: Path) -> None:
    """The engine that is to load the body dies of names that are not unique, and copies them into fixed buffers."""
    seen: set[str] = set()
    for name in names:
        if len(name) > MAX_NAME or not name.isprintable():
            raise ConfigError(
                f"printable names of at most {MAX_NAME} characters in {path.name}", repr(name[:40]), "rename"
            )
        if not name or name in seen:
            raise ConfigError(f"a name of its own for each {kind} of {path.name}", repr(name), "rename one")
        seen.add(name)


def _tree(links: dict[str, Link], joints: list[Joint], path: Path) -> Chain:
    """Orders the joints from the base outwards."""
    _check_loops(joints, path)
    children = {joint.child for joint in joints}
    bases = [name for name in links if name not in children]
    if len(bases) != 1:
        raise ConfigError(
            f"one tree of links in {path.name}", f"base candidates {bases}", "connect each link by one joint"
        )
    reached, waiting = {bases[0]}, list(joints)
    ordered: list[Joint] = []
    while waiting:
        ready = [joint for joint in waiting if joint.parent in reached and joint.child in links]
        if not ready:
            names = [joint.name for joint in waiting]
            raise ConfigError(
                f"joints of {path.name} that start at the base", f"unconnected {names}", "correct the URDF"
            )
        ordered += ready
        taken = {joint.name for joint in ready}
        reached.update(joint.child for joint in ready)
        waiting = [joint for joint in waiting if joint.name not in taken]
    return Chain(base=bases[0], links=links, joints=tuple(ordered))


def _check_loops(joints: list[Joint], path: Path) -> None:
    into: dict[str, str] = {}
    for joint in joints:
        if joint.child in into:
            raise ConfigError(
                f"one tree of links in {path.name}: each carried by one joint",
                f"link {joint.child!r} carried by {into[joint.child]!r} and {joint.name!r}, a closed loop",
                "leave out the joint that closes it: the legs are held still, and the rest stays rigid",
            )
        into[joint.child] = joint.name


def _check_masses(chain: Chain, path: Path) -> None:
    """Whatever turns by itself has a mass, its own or that of what is fixed to it; so has the base."""
    for link in (chain.base, *(joint.child for joint in chain.joints if joint.turns)):
        if not sum(chain.links[name].mass_kg for name in chain.rigid(link)) > 0.0:
            raise ConfigError(
                f"an inertial element with a mass in link {link!r} of {path.name}", "none", "weigh it and give it one"
            )
