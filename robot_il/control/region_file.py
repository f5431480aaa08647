"""The file beside a robot's profile that holds its region: what it was computed for, and how it was verified."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_il.control.guard import GuardLimits, limits_for
from robot_il.control.lqr import lqr_gain
from robot_il.control.region import RECOMPUTE
from robot_il.control.region_heights import Regions
from robot_il.errors import ConfigError
from robot_il.robot import PROFILES, Robot
from robot_il.spec import CONTROL_RATE_HZ, LIMITS
from robot_il.tasks import TASKS

FORMAT = 2
"""Format 1 knew one height only."""
SUFFIX = ".region.json"
MAX_BYTES = 100_000
SAME = 1e-6
"""Relative difference of a figure that another machine's rounding may make."""


@dataclass(frozen=True)
class RegionRecord:
    """The regions of a robot's heights and where they come from.

    Attributes:
        region: the ellipsoids, safety factor included.
        found_levels: for each the largest level from which every simulated trajectory was caught.
        safety_factor: by which the ellipsoids of these levels were shrunk, each axis alike.
        computed_for: figure to value: everything on which the region depends.
        verification: how it fared in the twin, see ``robot-il region --verify``; None where it was not tried.
    """

    region: Regions
    found_levels: tuple[float, ...]
    safety_factor: float
    computed_for: Mapping[str, Any]
    verification: Mapping[str, Any] | None = None


def region_path(robot: Robot) -> Path:
    """Where the region of a robot is kept: beside its profile."""
    return robot.path.with_suffix(SUFFIX)


def dependencies(robot: Robot, limits: GuardLimits | None = None) -> dict[str, Any]:
    """Everything on which a region depends; another value of any makes it stale.

    Args:
        robot: its profile and URDF count with every byte: the verification in the twin used all of them.
        limits: of the guard; None for the usual ones.
    """
    limits = limits_for(robot, limits)
    return {
        "profile_sha256": robot.sha256,
        "heights_m": list(robot.postures.knots_m),
        "gains": [lqr_gain(robot, TASKS["stand"], height_m).tolist() for height_m in robot.postures.knots_m],
        "torque_nm": limits.torque_nm,
        "torque_slew_nm_s": limits.torque_slew_nm_s,
        "host_tilt_rad": limits.tilt_rad,
        "mcu_tilt_rad": LIMITS.tilt_rad,
        "wheel_torque_nm": LIMITS.wheel_torque_nm,
        "wheel_torque_slew_nm_s": LIMITS.wheel_torque_slew_nm_s,
        "wheel_speed_rad_s": LIMITS.wheel_speed_rad_s,
        "battery_low_v": LIMITS.battery_low_v,
        "control_rate_hz": CONTROL_RATE_HZ,
    }


def load_region(robot: Robot, limits: GuardLimits | None = None) -> RegionRecord:
    """Reads the region of a robot and makes sure that it is that of this robot under these limits.

    Raises:
        ConfigError: there is none, it cannot be read, or it was computed for something else.
    """
    path = region_path(robot)
    remedy = f"compute it with robot-il region --robot {_name(robot)} --verify 400 --write"
    if not path.is_file():
        raise ConfigError(f"the region of robot {robot.name} in {path}", "no such file", remedy)
    record = read_region(path)
    stale = differences(record.computed_for, dependencies(robot, limits))
    if stale:
        raise ConfigError(f"a region of robot {robot.name} as it is now", f"{path} for {'; '.join(stale)}", remedy)
    return record


def read_region(path: Path) -> RegionRecord:
    """Reads a region without asking what it was computed for.

    Raises:
        ConfigError: the file cannot be read or holds no region of this format.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        table = json.loads(path.read_text(encoding="utf-8"))
        if table["format"] != FORMAT:
            raise ValueError(f"format {table['format']}")
        return RegionRecord(
            region=Regions.from_json(table["region"]),
            found_levels=tuple(float(level) for level in table["found_levels"]),
            safety_factor=float(table["safety_factor"]),
            computed_for=dict(table["computed_for"]),
            verification=table["verification"] and dict(table["verification"]),
        )
    except (OSError, ValueError, TypeError, KeyError) as error:  # JSON's and UTF-8's errors are ValueErrors
        raise ConfigError(f"a region of format {FORMAT} in {path}", f"{error!r}", RECOMPUTE) from error


def write_region(path: Path, record: RegionRecord) -> None:
    """Writes a region, whole or not at all."""
    table = {
        "format": FORMAT,
        "region": record.region.to_json(),
        "found_levels": list(record.found_levels),
        "safety_factor": record.safety_factor,
        "computed_for": dict(record.computed_for),
        "verification": record.verification,
    }
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(json.dumps(table, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def differences(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    """What differs between two sets of dependencies, in words; figures that agree to 1e-6 are the same."""
    return [
        f"{name} {_short(recorded.get(name, 'unknown'))}, now {_short(present.get(name, 'unknown'))}"
        for name in sorted({*recorded, *present})
        if not _same(recorded.get(name), present.get(name))
    ]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=SAME)
    return bool(one == other)


def _short(value: Any) -> str:
    return value[:12] if isinstance(value, str) else f"{value}"


def _name(robot: Robot) -> str:
    """What to give as ``--robot``."""
    return robot.path.stem if robot.path.parent == PROFILES else str(robot.path)
