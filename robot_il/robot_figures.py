"""Reads the tables of a robot's profile: every figure with its plausible range, every key known."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from robot_il.errors import ConfigError
from robot_il.finite import is_finite_number

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MAX_TOML_BYTES = 100_000
SIGNED = ("posture", "posture_low", "posture_high")
"""Sections whose figures may be negative; so may every figure whose name begins so:"""
SIGNED_STARTS = ("position_", "mount_")

Section = TypeVar("Section", bound="DataclassInstance")
Ranges = dict[str, tuple[float, float]]


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a profile.

    Raises:
        ConfigError: no such file, too large, or no TOML.
    """
    try:
        if path.stat().st_size > MAX_TOML_BYTES:
            raise ConfigError(f"a profile of at most {MAX_TOML_BYTES} bytes", str(path), "name the robot's own TOML")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            "a readable TOML robot profile", f"{path}: {error}", "correct the file or name another"
        ) from error


def same_keys(table: Mapping[str, Any], wanted: set[str], where: str, optional: set[str] | None = None) -> None:
    """Holds a table to the keys it must and may have.

    Raises:
        ConfigError: one is missing or unknown.
    """
    missing, unknown = sorted(wanted - set(table)), sorted(set(table) - wanted - (optional or set()))
    if missing or unknown:
        raise ConfigError(
            f"exactly the keys {sorted(wanted)} in {where}" + (f", perhaps {sorted(optional)}" if optional else ""),
            f"missing {missing}, unknown {unknown}",
            "correct the profile; a figure's unit is the end of its name",
        )


def typed(table: Mapping[str, Any], key: str, kind: type, path: Path) -> Any:
    """The value of a key, of the type it must have.

    Raises:
        ConfigError: it has another.
    """
    if type(table[key]) is not kind:
        raise ConfigError(f"{key} of {path.name} as {kind.__name__}", repr(table[key]), "correct the profile")
    return table[key]


def section_table(table: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    """A section as a table; empty where the profile has none.

    Raises:
        ConfigError: it is something else.
    """
    found = table.get(name, {})
    if not isinstance(found, dict):
        raise ConfigError(f"a table [{name}] of {path.name}", repr(found), "correct the profile")
    return found


def read_section(kind: type[Section], name: str, table: Mapping[str, Any], path: Path, ranges: Ranges) -> Section:
    """Fills a section's record from its table of figures and notes their ranges.

    Raises:
        ConfigError: a figure is missing, unknown, not a number, or outside its own range.
    """
    known = fields(kind)
    optional = {field.name for field in known if field.default is not MISSING}
    found = section_table(table, name, path)
    same_keys(found, {field.name for field in known} - optional, f"[{name}] of {path.name}", optional)
    return kind(**figures(found, name, path, ranges))


def figures(table: Mapping[str, Any], name: str, path: Path, ranges: Ranges) -> dict[str, float]:
    """The values of a section's figures; their ranges are noted as "section.figure".

    Raises:
        ConfigError: one is not a number or outside its own range.
    """
    values = {}
    for key, entry in table.items():
        signed = name in SIGNED or key.startswith(SIGNED_STARTS)
        values[key], low, high = _figure(entry, f"{key} in [{name}] of {path.name}", signed)
        ranges[f"{name}.{key}"] = (low, high)
    return values


def _figure(entry: Any, where: str, signed: bool) -> tuple[float, float, float]:
    if not isinstance(entry, dict):
        raise ConfigError(f"{where} as {{ value, low, high }}", repr(entry), "give its plausible range too")
    same_keys(entry, {"value", "low", "high"}, where, {"identified"})
    if type(entry.get("identified", False)) is not bool:
        raise ConfigError(f"identified of {where} as true or false", repr(entry["identified"]), "correct the profile")
    numbers = tuple(entry[key] for key in ("value", "low", "high"))
    if not all(map(is_finite_number, numbers)):
        raise ConfigError(f"finite numbers for {where}", repr(entry), "correct the profile")
    value, low, high = (float(number) for number in numbers)
    if not low <= value <= high:
        raise ConfigError(f"{where} between {low:g} and {high:g}", f"{value:g}", "check its unit, or widen the range")
    if low < 0.0 and not signed:
        raise ConfigError(f"no negative range for {where}", f"{low:g}", "check its sign")
    return value, low, high


def identified_figures(table: Mapping[str, Any]) -> frozenset[str]:
    """Names "section.figure" of those whose range is a 95 % interval that recordings of the robot gave."""
    return frozenset(
        f"{section}.{key}"
        for section, entries in table.items()
        if isinstance(entries, dict)
        for key, entry in entries.items()
        if isinstance(entry, dict) and entry.get("identified")
    )
