"""Writes identified figures into a copy of a robot's profile: the TOML line by line, the URDF in one link's masses."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from robot_il.errors import ConfigError
from robot_il.robot import WHEEL_JOINTS, Robot, load_robot
from robot_il.urdf import urdf_root

LEAST_SHARE = 0.1
"""The inertia of the heaviest link is not made smaller than this share of what it was."""


@dataclass(frozen=True)
class Figure:
    """What is to stand in the profile.

    Attributes:
        value: in the unit of the figure's name.
        low: end of the interval.
        high: the other.
        source: where it comes from, in words.
    """

    value: float
    low: float
    high: float
    source: str


def write_profile(
    robot: Robot, out: Path, figures: Mapping[str, Figure], height_m: float, inertia_kg_m2: float
) -> Robot:
    """Writes a profile with other figures beside its URDF, and reads it back.

    Args:
        robot: the profile that is copied; all that is not named stays, comments too.
        out: the new TOML; its URDF is written beside it.
        figures: "section.figure" to what it is to be.
        height_m: of the body's centre of mass above the axle.
        inertia_kg_m2: of the body in pitch, about its centre of mass.

    Returns:
        the new profile, as it was read back.

    Raises:
        ConfigError: it cannot be written, is the old one, or its figures make no possible robot.
    """
    if out.suffix != ".toml":
        raise ConfigError("a profile whose name ends in .toml", f"{out}", "correct --out")
    urdf = out.with_suffix(".urdf")
    if out.resolve() == robot.path.resolve() or urdf.resolve() == robot.urdf_path.resolve():
        raise ConfigError("a new place for the identified profile", f"{out}, the one it comes from", "name another")
    text = robot.path.read_text(encoding="utf-8")
    text = re.sub(r'^urdf\s*=\s*"[^"]*"', f'urdf = "{urdf.name}"', text, count=1, flags=re.MULTILINE)
    for name, figure in figures.items():
        text = _with_figure(text, name, figure)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _write(urdf, moved_urdf(robot, height_m, inertia_kg_m2))
        _write(out, text)
    except OSError as error:
        raise ConfigError(f"to write {out}", error.strerror or str(error), "choose another place") from error
    return load_robot(str(out))


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _with_figure(text: str, name: str, figure: Figure) -> str:
    """The TOML with one figure replaced, or added at the top of its section."""
    section, key = name.split(".")
    low, high = sorted((min(figure.low, figure.value), max(figure.high, figure.value)))
    ends = f"low = {_short(low, -1)}, high = {_short(high, 1)}"
    line = f"{key} = {{ value = {_short(figure.value)}, {ends}, identified = true }}    # {figure.source}"
    head = re.search(rf"^\[{re.escape(section)}\].*$", text, flags=re.MULTILINE)
    if head is None:
        return f"{text.rstrip()}\n\n[{section}]\n{line}\n"
    following = re.search(r"^\[", text[head.end() :], flags=re.MULTILINE)
    end = head.end() + following.start() if following else len(text)
    body, count = re.subn(
        rf"^{re.escape(key)}\s*=.*$", lambda _: line, text[head.end() : end], count=1, flags=re.MULTILINE
    )
    if not count:
        body = f"\n{line}{text[head.end() : end]}"
    return text[: head.end()] + body + text[end:]


def _short(value: float, outwards: int = 0) -> str:
    """Five digits; those of an end are rounded away from the value, so that it stays inside."""
    if value == 0.0:
        return "0.0"
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 4)
    count = value / unit
    rounded = (math.floor(count) if outwards < 0 else math.ceil(count) if outwards else round(count)) * unit
    return repr(float(f"{rounded:.5g}"))


def moved_urdf(robot: Robot, height_m: float, inertia_kg_m2: float) -> str:
    """The robot's URDF with the centre of mass of its body at another height, and with another inertia in pitch.

    The heaviest link of the body carries both changes: its centre of mass is moved along the line from the axle, so
    that the robot stands at the same lean as before, and its inertia is scaled.

    Raises:
        ConfigError: the link would have to have no inertia, or less.
    """
    chain, held = robot.chain, robot.held_rad
    wheels = {name for joint in chain.joints if joint.name in WHEEL_JOINTS for name in chain.rigid(joint.child)}
    body = tuple(name for name in chain.links if name not in wheels)
    link = chain.links[max(body, key=lambda name: chain.links[name].mass_kg)]
    poses = chain.poses(held)
    turned = poses[link.name][0]
    mass, com, _ = chain.mass_properties(held, body)
    axle = np.mean([poses[joint.child][1] for joint in chain.joints if joint.name in WHEEL_JOINTS], axis=0)
    ahead = (com - axle) * [1.0, 0.0, 1.0]
    lift = turned.T @ ahead * (height_m / robot.pendulum.body_height_m - 1.0) * mass / link.mass_kg
    lifted = replace(chain, links={**chain.links, link.name: replace(link, com_m=link.com_m + lift)})
    missing = inertia_kg_m2 - float(lifted.mass_properties(held, body)[2][1, 1])
    own = float((turned @ link.inertia_kg_m2 @ turned.T)[1, 1])
    share = 1.0 + missing / own
    if not share > LEAST_SHARE:
        raise ConfigError(
            f"an inertia of the body that its links can have, above {inertia_kg_m2 - missing - own:.4g} kg m^2",
            f"{inertia_kg_m2:.4g} kg m^2",
            "check the masses in the URDF: its links lie too far apart, or are too heavy",
        )
    return _rewritten(robot, link.name, lift, share)


def _rewritten(robot: Robot, name: str, moved_m: np.ndarray, share: float) -> str:
    root = urdf_root(robot.urdf_path)
    for link in root.findall("link"):
        inertial = link.find("inertial")
        if link.get("name") == name and inertial is not None:
            origin = inertial.find("origin")
            if origin is None:
                origin = ET.SubElement(inertial, "origin")
            place = np.array([float(part) for part in origin.get("xyz", "0 0 0").split()]) + moved_m
            origin.set("xyz", " ".join(repr(float(part)) for part in place))
            for inertia in inertial.findall("inertia"):
                for entry in ("ixx", "ixy", "ixz", "iyy", "iyz", "izz"):
                    inertia.set(entry, repr(float(share) * float(inertia.get(entry, "0"))))
    return ET.tostring(root, encoding="unicode")
