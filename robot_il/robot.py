"""A robot's profile: its URDF and the TOML of everything a URDF cannot say, loaded and checked.

Figures carry their unit in their name. Each is given as ``{ value, low, high }``, and a value outside its own plausible
range is refused: it is more often a wrong unit than an unusual robot.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from robot_il.errors import ConfigError
from robot_il.robot_body import MAX_COM_OFFSET_RAD, Body, Names, lump, make_body
from robot_il.robot_figures import (
    MAX_TOML_BYTES,
    Ranges,
    figures,
    identified_figures,
    read_section,
    read_toml,
    same_keys,
    section_table,
    typed,
)
from robot_il.robot_parts import (
    GRAVITY_M_S2,
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
    Link,
    Pendulum,
    Posture,
    Sensors,
    Tolerance,
    Weights,
)
from robot_il.robot_postures import HIGH, LOW, NOMINAL, SAME_M, Postures, make_postures
from robot_il.urdf import Chain, read_urdf

__all__ = [
    "GRAVITY_M_S2", "LEG_JOINTS", "MAX_COM_OFFSET_RAD", "MAX_TOML_BYTES", "PROFILES", "SIDES", "WHEEL_JOINTS",
    "Battery", "Contact", "Drive", "Encoders", "Heading", "Imu", "Legs", "Link", "Pendulum", "Posture", "Postures",
    "Robot", "Sensors", "Tolerance", "Weights", "load_robot", "profile_path",
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
_LEGGED = {NOMINAL, LOW, HIGH, "legs"}
_OPTIONAL = {"joints", "frame", "wheels", "lqr", "heading", "link", "tolerance", *_LEGGED}


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
        postures: the way of the legs from the lowest posture over the nominal one to the highest.
        lqr: the weights of its LQR, where those of a robot of the reference's size do not suit it.
        heading: how its heading is held.
        link: what its line to the host takes.
        tolerance: how well masses and centre of mass of the URDF are known.
        identified: names "section.figure" of those whose range is a 95 % interval from recordings.
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
    postures: Postures
    lqr: Weights | None = None
    heading: Heading = field(default_factory=Heading)
    link: Link = field(default_factory=Link)
    tolerance: Tolerance = field(default_factory=Tolerance)
    identified: frozenset[str] = frozenset()

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

    @property
    def height_m(self) -> float:
        """Of the base link's origin above the axle in the nominal posture, the base upright."""
        return self.postures.nominal_m

    @property
    def heights_m(self) -> tuple[float, float]:
        """The lowest and the highest that the legs go to; both the nominal one where they hold one posture only."""
        return self.postures.knots_m[0], self.postures.knots_m[-1]

    def angles_at(self, height_m: float) -> dict[str, float]:
        """Leg joint name to its angle in rad with the base so far above the axle; ``held_rad`` at the nominal height.

        Raises:
            ConfigError: a height that the legs do not reach.
        """
        return self.postures.angles_at(height_m)

    def pendulum_at(self, height_m: float) -> Pendulum:
        """Lumped parameters with the base so far above the axle; ``pendulum`` itself at the nominal height.

        Raises:
            ConfigError: a height that the legs do not reach.
        """
        return self.body_at(height_m).pendulum

    def body_at(self, height_m: float) -> Body:
        """Chain, posture and pendulum with the base so far above the axle.

        Raises:
            ConfigError: a height that the legs do not reach.
        """
        if abs(height_m - self.height_m) <= SAME_M:
            return self.body
        angles = self.angles_at(height_m)
        # where the centre of mass is was looked at when the profile was read
        lumped = lump(self.chain, angles, self.pendulum.wheel_radius_m, self.urdf_path.name, math.inf)
        return _geared(Body(self.chain, angles, lumped), self.drive)

    def standing_at(self, height_m: float) -> Robot:
        """The same robot with another height as its nominal one: a twin of it begins there.

        Raises:
            ConfigError: a height that the legs do not reach.
        """
        body = self.body_at(height_m)
        return replace(
            self,
            posture=_reported(body),
            pendulum=body.pendulum,
            held_rad=MappingProxyType(dict(body.held_rad)),
            postures=self.postures.standing_at(height_m),
        )


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
    needed = {"name", "urdf", "robot_id", *_SECTIONS, *((NOMINAL, "legs") if legged else ())}
    same_keys(table, needed, path.name, _OPTIONAL if legged else _OPTIONAL - _LEGGED)
    ranges: Ranges = {}
    names = _names(table, path, ranges)
    sections: dict[str, Any] = {kind: read_section(_SECTIONS[kind], kind, table, path, ranges) for kind in _SECTIONS}
    urdf_path = path.parent / typed(table, "urdf", str, path)
    body = _geared(make_body(read_urdf(urdf_path), names, urdf_path.name), sections["drive"])
    legs = read_section(Legs, "legs", table, path, ranges) if legged else None
    others = {section: _angles(table, section, names, path, ranges) for section in (LOW, HIGH) if section in table}
    return Robot(
        name=typed(table, "name", str, path),
        robot_id=typed(table, "robot_id", int, path),
        path=path,
        urdf_path=urdf_path,
        chain=body.chain,
        posture=_reported(body),
        legs=legs,
        pendulum=body.pendulum,
        ranges=MappingProxyType(ranges),
        held_rad=MappingProxyType(dict(body.held_rad)),
        postures=make_postures(body, names, others, legs, urdf_path.name),
        lqr=read_section(Weights, "lqr", table, path, ranges) if "lqr" in table else None,
        heading=read_section(Heading, "heading", table, path, ranges),
        link=read_section(Link, "link", table, path, ranges),
        tolerance=read_section(Tolerance, "tolerance", table, path, ranges),
        identified=identified_figures(table),
        **sections,
    )


def _reported(body: Body) -> Posture:
    """Angles of the leg joints that STATE reports."""
    return Posture(*(body.held_rad.get(joint, 0.0) for joint in ("hip_left", "knee_left")))


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


def _geared(body: Body, drive: Drive) -> Body:
    """The body with the rotors' inertia, of which no URDF can tell."""
    return replace(body, pendulum=replace(body.pendulum, rotor_inertia_kg_m2=2.0 * drive.reflected_inertia_kg_m2))


def _names(table: Mapping[str, Any], path: Path, ranges: Ranges) -> Names:
    """What the profile says of its URDF; without a word, that it is drawn and named as the reference robot's."""
    frame = section_table(table, "frame", path)
    same_keys(frame, set(), f"[frame] of {path.name}", {"forward", "up"})
    wheels = section_table(table, "wheels", path)
    same_keys(wheels, set(), f"[wheels] of {path.name}", {"radius_m"})
    said = {key: typed(frame, key, str, path) for key in frame}
    radius_m = figures(wheels, "wheels", path, ranges).get("radius_m")
    if "joints" not in table:
        wheels_named, legs, fixed = list(WHEEL_JOINTS), list(LEG_JOINTS), True
    else:
        joints = section_table(table, "joints", path)
        same_keys(joints, {"wheel_left", "wheel_right"}, f"[joints] of {path.name}", {"legs"})
        wheels_named, fixed = [typed(joints, key, str, path) for key in WHEEL_JOINTS], False
        legs = typed(joints, "legs", list, path) if "legs" in joints else []
    if not all(isinstance(leg, str) for leg in legs):
        raise ConfigError(f"legs in [joints] of {path.name} as names of joints", repr(legs), "correct the profile")
    names = Names(
        (wheels_named[0], wheels_named[1]), dict.fromkeys(legs, 0.0), **said, wheel_radius_m=radius_m, fixed_names=fixed
    )
    return replace(names, held_rad=_angles(table, NOMINAL, names, path, ranges))


def _angles(table: Mapping[str, Any], section: str, names: Names, path: Path, ranges: Ranges) -> dict[str, float]:
    """Each leg joint of the URDF to its angle in one of the postures."""
    if names.fixed_names:
        posture = read_section(Posture, section, table, path, ranges)
        return {leg: posture.hip_rad if leg.startswith("hip") else posture.knee_rad for leg in names.held_rad}
    stated = section_table(table, section, path)
    same_keys(stated, {f"{leg}_rad" for leg in names.held_rad}, f"[{section}] of {path.name}")
    angles = figures(stated, section, path, ranges)
    return {leg: angles[f"{leg}_rad"] for leg in names.held_rad}
