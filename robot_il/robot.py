"""A robot's profile: its URDF and the TOML of everything a URDF cannot say, loaded and checked.

Figures carry their unit in their name. Each is given as ``{ value, low, high }``, and a value outside its own plausible
range is refused: it is more often a wrong unit than an unusual robot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from robot_il.errors import ConfigError
from robot_il.robot_body import MAX_COM_OFFSET_RAD, Body, Names, make_body
from robot_il.robot_figures import (
    MAX_TOML_BYTES,
    Ranges,
    figures,
    read_section,
    read_toml,
    same_keys,
    section_table,
    typed,
)
from robot_il.robot_parts import (
    LEG_JOINTS,
    SIDES,
    WHEEL_JOINTS,
    Battery,
    Contact,
    Drive,
    Encoders,
    Heading,
    Imu,
    Legs,
    Pendulum,
    Posture,
    Sensors,
    Weights,
)
from robot_il.urdf import Chain, read_urdf

__all__ = [
    "LEG_JOINTS", "MAX_COM_OFFSET_RAD", "MAX_TOML_BYTES", "PROFILES", "SIDES", "WHEEL_JOINTS", "Battery", "Contact",
    "Drive", "Encoders", "Heading", "Imu", "Legs", "Pendulum", "Posture", "Robot", "Sensors", "Weights", "load_robot",
    "profile_path",
]  # fmt: skip

PROFILES = Path(__file__).parent / "robots"
_SECTIONS: dict[str, type] = {
    "drive": Drive,
    "imu": Imu,
    "encoders": Encoders,
    "sensors": Sensors,
    "battery": Battery,
    "contact": Contact,
}
_OPTIONAL = {"joints", "frame", "wheels", "posture", "legs", "lqr", "heading"}


@dataclass(frozen=True)
class Robot:
    """A robot's profile, checked.

    Attributes:
        name: identifier.
        robot_id: number by which its MCU reports.
        path: the TOML.
        urdf_path: the URDF.
        chain: its links and joints, in our conventions and names.
        posture: angles at which the reported leg joints are held.
        legs: their drives; None for a robot without legs.
        pendulum: lumped parameters at the nominal posture.
        ranges: "section.figure" to its plausible (low, high).
        held_rad: every leg joint of the chain to the angle at which it is held, positive about +y.
        lqr: the weights of its LQR, where those of a robot of the reference's size do not suit it.
        heading: how its heading is held.
    """

    name: str
    robot_id: int
    path: Path
    urdf_path: Path
    chain: Chain
    posture: Posture
    drive: Drive
    legs: Legs | None
    imu: Imu
    encoders: Encoders
    sensors: Sensors
    battery: Battery
    contact: Contact
    pendulum: Pendulum
    ranges: Mapping[str, tuple[float, float]]
    held_rad: Mapping[str, float]
    lqr: Weights | None = None
    heading: Heading = field(default_factory=Heading)

    @property
    def sha256(self) -> str:
        """Of the profile and its URDF as they lie on disk, every byte of both, as hex digits."""
        return hashlib.sha256(self.path.read_bytes() + self.urdf_path.read_bytes()).hexdigest()

    @property
    def joint_angles_rad(self) -> dict[str, float]:
        """Leg joint name to its angle in the nominal posture; wheels at 0."""
        return dict(self.held_rad)

    @property
    def mass_kg(self) -> float:
        """Of the whole robot."""
        return self.pendulum.body_mass_kg + self.pendulum.wheel_mass_kg

    @property
    def body(self) -> Body:
        """Chain, posture and pendulum, as one."""
        return Body(self.chain, self.held_rad, self.pendulum)


def load_robot(name_or_path: str = "reference") -> Robot:
    """Reads a robot's profile.

    Args:
        name_or_path: one of the profiles that come with the package, or the path of a TOML file.

    Raises:
        ConfigError: no such profile; a missing, unknown, non-numeric or implausible figure; a URDF that lacks a joint
            or describes no possible body; a nominal posture in which the robot would not balance.
    """
    path = profile_path(name_or_path)
    table = read_toml(path)
    # A profile that does not name its joints has two legs, named as ours.
    legged = "joints" not in table or bool(section_table(table, "joints", path).get("legs"))
    needed = {"name", "urdf", "robot_id", *_SECTIONS, *(("posture", "legs") if legged else ())}
    same_keys(table, needed, path.name, _OPTIONAL if legged else _OPTIONAL - {"posture", "legs"})
    ranges: Ranges = {}
    names = _names(table, path, ranges)
    sections: dict[str, Any] = {kind: read_section(_SECTIONS[kind], kind, table, path, ranges) for kind in _SECTIONS}
    urdf_path = path.parent / typed(table, "urdf", str, path)
    body = make_body(read_urdf(urdf_path), names, urdf_path.name)
    return Robot(
        name=typed(table, "name", str, path),
        robot_id=typed(table, "robot_id", int, path),
        path=path,
        urdf_path=urdf_path,
        chain=body.chain,
        posture=Posture(*(body.held_rad.get(joint, 0.0) for joint in ("hip_left", "knee_left"))),
        legs=read_section(Legs, "legs", table, path, ranges) if legged else None,
        pendulum=body.pendulum,
        ranges=MappingProxyType(ranges),
        held_rad=MappingProxyType(dict(body.held_rad)),
        lqr=read_section(Weights, "lqr", table, path, ranges) if "lqr" in table else None,
        heading=read_section(Heading, "heading", table, path, ranges),
        **sections,
    )


def profile_path(name_or_path: str) -> Path:
    """The TOML of a robot that comes with the package, or the path itself.

    Raises:
        ConfigError: no such robot.
    """
    if name_or_path.endswith(".toml"):
        return Path(name_or_path)
    path = PROFILES / f"{name_or_path}.toml"
    if "/" in name_or_path or not path.is_file():
        known = ", ".join(sorted(found.stem for found in PROFILES.glob("*.toml")))
        raise ConfigError(f"one of the robots {known}, or the path of a .toml file", repr(name_or_path), "name another")
    return path


def _names(table: Mapping[str, Any], path: Path, ranges: Ranges) -> Names:
    """What the profile says of its URDF; without a word, that it is drawn and named as the reference robot's."""
    frame = section_table(table, "frame", path)
    same_keys(frame, set(), f"[frame] of {path.name}", {"forward", "up"})
    wheels = section_table(table, "wheels", path)
    same_keys(wheels, set(), f"[wheels] of {path.name}", {"radius_m"})
    said = {key: typed(frame, key, str, path) for key in frame}
    radius_m = figures(wheels, "wheels", path, ranges).get("radius_m")
    if "joints" not in table:
        posture = read_section(Posture, "posture", table, path, ranges)
        held = {joint: posture.hip_rad if joint.startswith("hip") else posture.knee_rad for joint in LEG_JOINTS}
        return Names((WHEEL_JOINTS[0], WHEEL_JOINTS[1]), held, **said, wheel_radius_m=radius_m, fixed_names=True)
    joints = section_table(table, "joints", path)
    same_keys(joints, {"wheel_left", "wheel_right"}, f"[joints] of {path.name}", {"legs"})
    left, right = (typed(joints, key, str, path) for key in WHEEL_JOINTS)
    legs = typed(joints, "legs", list, path) if "legs" in joints else []
    if not all(isinstance(leg, str) for leg in legs):
        raise ConfigError(f"legs in [joints] of {path.name} as names of joints", repr(legs), "correct the profile")
    posture_table = section_table(table, "posture", path)
    same_keys(posture_table, {f"{leg}_rad" for leg in legs}, f"[posture] of {path.name}")
    angles = figures(posture_table, "posture", path, ranges)
    held = {leg: angles[f"{leg}_rad"] for leg in legs}
    return Names((left, right), held, **said, wheel_radius_m=radius_m)
