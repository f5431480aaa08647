"""A robot's profile: its URDF and the TOML of everything a URDF cannot say, loaded and checked.

Figures carry their unit in their name. Each is given as ``{ value, low, high }``, and a value outside its own plausible
range is refused: it is more often a wrong unit than an unusual robot.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from robot_il.errors import ConfigError
from robot_il.urdf import Chain, read_urdf

PROFILES = Path(__file__).parent / "robots"
MAX_TOML_BYTES = 100_000
SIDES = ("left", "right")
LEG_JOINTS = tuple(f"{joint}_{side}" for side in SIDES for joint in ("hip", "knee"))
WHEEL_JOINTS = tuple(f"wheel_{side}" for side in SIDES)
MAX_COM_OFFSET_RAD = 0.02
"""How far from above the axle the centre of mass may lie at pitch 0: the balance point would be off by this lean."""

Section = TypeVar("Section")


@dataclass(frozen=True)
class Posture:
    """Joint angles at which the legs are held."""

    hip_rad: float
    knee_rad: float


@dataclass(frozen=True)
class Drive:
    """The drive of one wheel."""

    torque_limit_nm: float
    time_constant_s: float
    viscous_friction_nm_s: float
    coulomb_friction_nm: float
    torque_constant_nm_a: float
    winding_resistance_ohm: float


@dataclass(frozen=True)
class Legs:
    """The position-controlled drives of hips and knees."""

    time_constant_s: float
    torque_limit_nm: float


@dataclass(frozen=True)
class Imu:
    """The inertial sensor; noise as one-sided amplitude density, bias as standard deviation at boot and random walk."""

    position_x_m: float
    position_z_m: float
    gyro_noise_rad_s_rthz: float
    gyro_bias_rad_s: float
    gyro_bias_walk_rad_s2_rthz: float
    accel_noise_m_s2_rthz: float
    accel_bias_m_s2: float
    accel_bias_walk_m_s3_rthz: float


@dataclass(frozen=True)
class Encoders:
    """Counts per revolution of the joint."""

    wheel_counts_rev: float
    leg_counts_rev: float


@dataclass(frozen=True)
class Sensors:
    """What all sensors share."""

    delay_s: float


@dataclass(frozen=True)
class Battery:
    """Source behind an internal resistance."""

    open_circuit_v: float
    resistance_ohm: float
    idle_current_a: float


@dataclass(frozen=True)
class Contact:
    """Wheel on floor; Coulomb friction coefficient."""

    friction_1: float


@dataclass(frozen=True)
class Pendulum:
    """The robot as a wheeled inverted pendulum, legs rigid, both wheels as one.

    Attributes:
        wheel_radius_m: rolling radius.
        wheel_mass_kg: both wheels.
        wheel_inertia_kg_m2: both wheels, about their axle.
        body_mass_kg: everything but the wheels.
        body_height_m: distance of the body's centre of mass from the axle.
        body_inertia_kg_m2: of the body in pitch, about its centre of mass.
    """

    wheel_radius_m: float
    wheel_mass_kg: float
    wheel_inertia_kg_m2: float
    body_mass_kg: float
    body_height_m: float
    body_inertia_kg_m2: float


@dataclass(frozen=True)
class Robot:
    """A robot's profile, checked.

    Attributes:
        name: identifier.
        robot_id: number by which its MCU reports.
        path: the TOML.
        urdf_path: the URDF, for a physics engine to load.
        chain: its links and joints.
        pendulum: lumped parameters at the nominal posture.
        ranges: "section.figure" to its plausible (low, high).
    """

    name: str
    robot_id: int
    path: Path
    urdf_path: Path
    chain: Chain
    posture: Posture
    drive: Drive
    legs: Legs
    imu: Imu
    encoders: Encoders
    sensors: Sensors
    battery: Battery
    contact: Contact
    pendulum: Pendulum
    ranges: Mapping[str, tuple[float, float]]

    @property
    def sha256(self) -> str:
        """Of the profile and its URDF as they lie on disk, every byte of both, as hex digits."""
        return hashlib.sha256(self.path.read_bytes() + self.urdf_path.read_bytes()).hexdigest()

    @property
    def joint_angles_rad(self) -> dict[str, float]:
        """Leg joint name to its angle in the nominal posture; wheels at 0."""
        return _angles(self.posture)


_SECTIONS: dict[str, type] = {
    "posture": Posture,
    "drive": Drive,
    "legs": Legs,
    "imu": Imu,
    "encoders": Encoders,
    "sensors": Sensors,
    "battery": Battery,
    "contact": Contact,
}


def load_robot(name_or_path: str = "reference") -> Robot:
    """Reads a robot's profile.

    Args:
        name_or_path: one of the profiles that come with the package, or the path of a TOML file.

    Raises:
        ConfigError: no such profile; a missing, unknown, non-numeric or implausible figure; a URDF that lacks a joint
            or describes no possible body; a nominal posture in which the robot would not balance.
    """
    path = _profile_path(name_or_path)
    table = _read_toml(path)
    _same_keys(table, {"name", "urdf", "robot_id", *_SECTIONS}, f"{path.name}")
    ranges: dict[str, tuple[float, float]] = {}
    sections: dict[str, Any] = {
        name: _section(kind, name, table[name], path, ranges) for name, kind in _SECTIONS.items()
    }
    urdf_path = path.parent / _typed(table, "urdf", str, path)
    chain = read_urdf(urdf_path)
    _check_joints(chain, urdf_path)
    return Robot(
        name=_typed(table, "name", str, path),
        robot_id=_typed(table, "robot_id", int, path),
        path=path,
        urdf_path=urdf_path,
        chain=chain,
        pendulum=_lump(chain, sections["posture"], urdf_path),
        ranges=MappingProxyType(ranges),
        **sections,
    )


def _profile_path(name_or_path: str) -> Path:
    if name_or_path.endswith(".toml"):
        return Path(name_or_path)
    path = PROFILES / f"{name_or_path}.toml"
    if "/" in name_or_path or not path.is_file():
        known = ", ".join(sorted(found.stem for found in PROFILES.glob("*.toml")))
        raise ConfigError(f"one of the robots {known}, or the path of a .toml file", repr(name_or_path), "name another")
    return path


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_TOML_BYTES:
            raise ConfigError(f"a profile of at most {MAX_TOML_BYTES} bytes", str(path), "name the robot's own TOML")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            "a readable TOML robot profile", f"{path}: {error}", "correct the file or name another"
        ) from error


def _same_keys(table: Mapping[str, Any], wanted: set[str], where: str) -> None:
    missing, unknown = sorted(wanted - set(table)), sorted(set(table) - wanted)
    if missing or unknown:
        raise ConfigError(
            f"exactly the keys {sorted(wanted)} in {where}",
            f"missing {missing}, unknown {unknown}",
            "correct the profile; a figure's unit is the end of its name",
        )


def _typed(table: Mapping[str, Any], key: str, kind: type, path: Path) -> Any:
    if type(table[key]) is not kind:
        raise ConfigError(f"{key} of {path.name} as {kind.__name__}", repr(table[key]), "correct the profile")
    return table[key]


def _section(kind: type[Section], name: str, table: Any, path: Path, ranges: dict[str, tuple[float, float]]) -> Section:
    """Fills a section's dataclass from its table of figures and notes their ranges."""
    where = f"[{name}] of {path.name}"
    if not isinstance(table, dict):
        raise ConfigError(f"a table {where}", repr(table), "correct the profile")
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    _same_keys(table, names, where)
    figures = {key: _figure(table[key], f"{key} in {where}") for key in table}
    ranges.update({f"{name}.{key}": (low, high) for key, (_, low, high) in figures.items()})
    return kind(**{key: value for key, (value, _, _) in figures.items()})


def _figure(entry: Any, where: str) -> tuple[float, float, float]:
    if not isinstance(entry, dict):
        raise ConfigError(f"{where} as {{ value, low, high }}", repr(entry), "give its plausible range too")
    _same_keys(entry, {"value", "low", "high"}, where)
    numbers = tuple(entry[key] for key in ("value", "low", "high"))
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        raise ConfigError(f"finite numbers for {where}", repr(entry), "correct the profile")
    value, low, high = (float(number) for number in numbers)
    if not low <= value <= high:
        raise ConfigError(f"{where} between {low:g} and {high:g}", f"{value:g}", "check its unit, or widen the range")
    if low < 0.0 and not where.startswith(("hip_", "knee_", "position_")):
        raise ConfigError(f"no negative range for {where}", f"{low:g}", "check its sign")
    return value, low, high


def _check_joints(chain: Chain, path: Path) -> None:
    """Holds a URDF to two legs of hip, knee and wheel that start at the base."""
    joints = {joint.name: joint for joint in chain.joints}
    turning = {joint.name for joint in chain.joints if joint.turns}
    if turning != {*LEG_JOINTS, *WHEEL_JOINTS}:
        raise ConfigError(
            f"the turning joints {sorted((*LEG_JOINTS, *WHEEL_JOINTS))} in {path.name}",
            f"{sorted(turning)}",
            "name the joints so and fix the others",
        )
    for side in SIDES:
        hip, knee, wheel = (joints[f"{joint}_{side}"] for joint in ("hip", "knee", "wheel"))
        if (hip.parent, knee.parent, wheel.parent) != (chain.base, hip.child, knee.child):
            raise ConfigError(
                f"hip, knee and wheel in a row on the {side} of {path.name}", "another order", "reorder them"
            )
        if chain.links[wheel.child].contact_radius_m is None:
            raise ConfigError(
                f"a sphere or cylinder as collision of {wheel.child!r}", "none", "give the wheel its shape"
            )


def _angles(posture: Posture) -> dict[str, float]:
    return {joint: posture.hip_rad if joint.startswith("hip") else posture.knee_rad for joint in LEG_JOINTS}


def _lump(chain: Chain, posture: Posture, path: Path) -> Pendulum:
    """Lumps the links into body and wheels at the nominal posture, and checks that the body stands above the axle."""
    wheels = tuple(joint.child for joint in chain.joints if joint.name in WHEEL_JOINTS)
    body = tuple(name for name in chain.links if name not in wheels)
    angles = _angles(posture)
    wheel_mass, axle, _ = chain.mass_properties(angles, wheels)
    body_mass, com, inertia = chain.mass_properties(angles, body)
    radii = {chain.links[name].contact_radius_m for name in wheels}
    heights = [chain.poses(angles)[name][1][2] for name in wheels]
    if len(radii) != 1 or not math.isclose(heights[0], heights[1], abs_tol=1e-6):
        raise ConfigError(
            f"equal wheels at equal height in {path.name}", f"radii {radii}, heights {heights}", "correct it"
        )
    forward, up = com[0] - axle[0], com[2] - axle[2]
    if not up > 0.0 or abs(math.atan2(forward, up)) > MAX_COM_OFFSET_RAD:
        raise ConfigError(
            f"the centre of mass above the axle of {path.name} within {MAX_COM_OFFSET_RAD} rad",
            f"{forward:.4f} m ahead, {up:.4f} m up",
            "change the nominal posture or the masses",
        )
    return Pendulum(
        wheel_radius_m=float(chain.links[wheels[0]].contact_radius_m or 0.0),
        wheel_mass_kg=wheel_mass,
        wheel_inertia_kg_m2=sum(float(chain.links[name].inertia_kg_m2[1, 1]) for name in wheels),
        body_mass_kg=body_mass,
        body_height_m=math.hypot(forward, up),
        body_inertia_kg_m2=float(inertia[1, 1]),
    )
