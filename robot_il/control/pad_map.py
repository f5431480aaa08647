"""Maps of pads as files: a person's own, those that come with this package, and the one found for a pad."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from robot_il.control.pad_layout import BUTTONS, HAT, Axis, PadMap, Triggers
from robot_il.errors import ConfigError

__all__ = [
    "PadMap",
    "find_pad_map",
    "map_from_sdl",
    "pad_map_toml",
    "parse_pad_map",
    "read_pad_map",
    "user_folder",
    "without_checksum",
    "write_pad_map",
]

SHIPPED = Path(__file__).parent.parent / "pads"
MAX_BYTES = 20_000
MOST_FILES = 200
MOST_PATTERNS = 64
MOST_TEXT = 128
_KEYS = {"name", "forward", "turn", "deadman", "buttons", "dead_zone", "full", "zone", "expo", "still_s", "match"}
_NEEDED = ("name", "forward", "turn", "deadman")
_HAT = ("h0.1", "h0.2", "h0.4", "h0.8")
"""What SDL calls the directions of the first hat, from the upper one clockwise."""
_CRC = slice(4, 8)
"""Hex digits of a GUID in which SDL keeps a checksum of the name; they say nothing of the numbering."""
_GUID = re.compile(r"[0-9a-f?*]{1,64}")


def user_folder() -> Path:
    """Where a person's own maps are, in the place that the XDG base directory specification names for settings."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "robot-il" / "pads"


def find_pad_map(name: str, guid: str = "", sdl: Mapping[str, str] | None = None) -> PadMap:
    """The map for a pad: a person's own, else one that comes with this package, else SDL's.

    Args:
        name: of the pad.
        guid: that SDL gives it; empty for a pad that a browser reads, whose numbers are the browser's.
        sdl: the pad in SDL's game-controller database, "lefty" to "a1" and so on; None where it does not know it.

    Raises:
        ConfigError: a file cannot be used, or nothing is known of such a pad.
    """
    for candidate in (*_maps_in(user_folder()), *_maps_in(SHIPPED)):
        if _is_for(candidate, name, guid):
            return candidate
    if sdl:
        return map_from_sdl(name, sdl)
    raise ConfigError(
        f"a pad that is known, for which way is forward and what is the dead-man on {name[:MOST_TEXT]!r}?",
        f"GUID {guid[:MOST_TEXT]}, with no map",
        "make one with robot-il pad --make",
    )


def _is_for(candidate: PadMap, name: str, guid: str) -> bool:
    if not guid:
        return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in candidate.browser)
    plain = without_checksum(guid)
    return any(fnmatchcase(plain, pattern) for pattern in candidate.guids)


def without_checksum(guid: str) -> str:
    """A GUID as SDL's database has it."""
    digits = guid.lower()
    return digits[: _CRC.start] + "0000" + digits[_CRC.stop :]


def _maps_in(folder: Path) -> tuple[PadMap, ...]:
    """All maps of a folder, read anew where a file has changed."""
    try:
        found = {path: path.stat() for path in folder.glob("*.toml")}
    except OSError as error:
        raise ConfigError(f"a folder of pads' maps at {folder}", f"{error}"[:200], "see to that") from error
    if len(found) > MOST_FILES:
        raise ConfigError(f"at most {MOST_FILES} maps in {folder}", f"{len(found)}", "remove some")
    return _read_all(tuple((path, found[path].st_mtime_ns, found[path].st_ino) for path in sorted(found)))


@lru_cache(maxsize=8)
def _read_all(found: tuple[tuple[Path, int, int], ...]) -> tuple[PadMap, ...]:
    """The maps of files as they are at that time; the rest of each entry only tells one state from another."""
    return tuple(read_pad_map(path) for path, *_ in found)


def read_pad_map(path: Path) -> PadMap:
    """A map from its TOML.

    Raises:
        ConfigError: the file cannot be read, is too large or no TOML, or a field is missing, unknown or wrong.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError(f"a pad's map of at most {MAX_BYTES} bytes", str(path), "name another file")
        values = tomllib.loads(data.decode())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"a pad's map in TOML at {path}", f"{error}"[:200], "see docs/teleop.md") from error
    origin = f"shipped {path.stem}" if path.parent == SHIPPED else str(path)
    try:
        return replace(parse_pad_map(values), origin=origin)
    except ConfigError as error:
        raise ConfigError(f"{error.expected}, in {path}", error.came, error.remedy) from error


def parse_pad_map(values: Mapping[str, Any]) -> PadMap:
    """A map from the values of its TOML.

    Raises:
        ConfigError: a field is missing, unknown or wrong.
    """
    unknown = sorted(values.keys() - _KEYS)
    missing = [key for key in _NEEDED if key not in values]
    if unknown or missing:
        came = f"unknown {', '.join(unknown)[:80]}" if unknown else f"without {', '.join(missing)}"
        raise ConfigError(f"fields {', '.join(sorted(_KEYS))}", came, "see docs/teleop.md")
    match = _table(values.get("match", {}), "match", ("guids", "browser"))
    return PadMap(
        name=_text(values["name"], "name"),
        forward=_forward(values["forward"]),
        turn=Axis(**_table(values["turn"], "turn", ("axis", "sign"), whole=True)),
        deadman=_deadman(values["deadman"]),
        buttons=_table(values.get("buttons", {}), "buttons"),
        guids=_guids(match.get("guids", [])),
        browser=_texts(match.get("browser", []), "browser"),
        **{key: values[key] for key in ("dead_zone", "full", "zone", "expo", "still_s") if key in values},
    )


def _forward(value: object) -> Axis | Triggers:
    if isinstance(value, dict) and "trigger" in value:
        triggers = _table(value, "forward", ("trigger", "back_trigger", "rest"))
        return Triggers(**{"back_trigger": None, **triggers})
    return Axis(**_table(value, "forward", ("axis", "sign"), whole=True))


def _deadman(value: object) -> tuple[int, ...]:
    if value == "none":
        return ()
    if not isinstance(value, list) or not value:
        raise ConfigError('deadman as a list of buttons, or "none"', repr(value)[:40], "see docs/teleop.md")
    return tuple(value)


def _table(value: object, what: str, keys: tuple[str, ...] | None = None, whole: bool = False) -> dict[str, Any]:
    fits = isinstance(value, dict) and (
        keys is None or (value.keys() == set(keys) if whole else value.keys() <= {*keys})
    )
    if not fits or not isinstance(value, dict):
        raise ConfigError(
            f"{what} as a table" + (f" of {', '.join(keys)}" if keys else ""), repr(value)[:80], "see docs/teleop.md"
        )
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MOST_TEXT:
        raise ConfigError(f"{what} as a text of 1 to {MOST_TEXT} characters", repr(value)[:80], "see docs/teleop.md")
    return value


def _texts(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_PATTERNS:
        raise ConfigError(f"{what} as a list of at most {MOST_PATTERNS}", repr(value)[:80], "see docs/teleop.md")
    return tuple(_text(entry, what) for entry in value)


def _guids(value: object) -> tuple[str, ...]:
    patterns = _texts(value, "guids")
    for pattern in patterns:
        if not _GUID.fullmatch(pattern):
            raise ConfigError(
                "GUIDs of hex digits, in which ? and * stand for others", repr(pattern)[:80], "correct it"
            )
    return patterns


def map_from_sdl(name: str, sdl: Mapping[str, str]) -> PadMap:
    """A map for a pad that SDL's game-controller database knows: the left stick, either shoulder as dead-man.

    Args:
        name: of the pad.
        sdl: what SDL calls it to what it is here, "lefty" to "a1", "leftshoulder" to "b4".

    Raises:
        ConfigError: the database knows no left stick or no button for the dead-man.
    """
    shoulders = [_button(sdl, key) for key in ("leftshoulder", "rightshoulder")]
    deadman = tuple(number for number in shoulders if number is not None)
    roles = {"stop": "b", "estop": "back", "record": "start", "good": "y", "ok": "a", "bad": "x"}
    roles |= {"raise": "dpup", "lower": "dpdown"}
    buttons = {action: _button(sdl, key) for action, key in roles.items()}
    if not deadman:
        raise ConfigError(f"a shoulder button on {name[:MOST_TEXT]!r}", "none", "make a map with robot-il pad --make")
    return PadMap(
        name=name[:MOST_TEXT],
        forward=_stick_axis(name, sdl, "lefty"),
        turn=_stick_axis(name, sdl, "leftx"),
        deadman=deadman,
        buttons={action: number for action, number in buttons.items() if number is not None},
        origin="SDL's game-controller database",
    )


def _stick_axis(name: str, sdl: Mapping[str, str], key: str) -> Axis:
    """SDL's sticks are positive to the right and back; here forward and left are."""
    found = re.fullmatch(r"a(\d{1,2})(~?)", sdl.get(key, ""))
    if not found:
        came = f"{key} as {sdl.get(key, 'nothing')[:20]!r}"
        raise ConfigError(f"a left stick on {name[:MOST_TEXT]!r}", came, "make a map with robot-il pad --make")
    return Axis(int(found[1]), 1 if found[2] else -1)


def _button(sdl: Mapping[str, str], key: str) -> int | None:
    said = sdl.get(key, "")
    found = re.fullmatch(r"b(\d{1,2})", said)
    if said in _HAT:
        return HAT + _HAT.index(said)
    return int(found[1]) if found and int(found[1]) < BUTTONS else None


def pad_map_toml(pad_map: PadMap) -> str:
    """The text of a map's file."""
    forward = pad_map.forward
    if isinstance(forward, Axis):
        said = f"{{ axis = {forward.axis}, sign = {forward.sign} }}"
    else:
        said = f"{{ trigger = {forward.trigger}, back_trigger = {forward.back_trigger}, rest = {forward.rest!r} }}"
    lines = [
        f"name = {_quoted(pad_map.name)}",
        f"forward = {said}",
        f"turn = {{ axis = {pad_map.turn.axis}, sign = {pad_map.turn.sign} }}",
        f"deadman = {list(pad_map.deadman)}" if pad_map.deadman else 'deadman = "none"',
        f"dead_zone = {pad_map.dead_zone!r}",
        f"full = {pad_map.full!r}",
        f"zone = {_quoted(pad_map.zone)}",
        f"expo = {pad_map.expo!r}",
        *([f"still_s = {pad_map.still_s!r}"] if pad_map.still_s is not None else []),
        "",
        "[match]",
        f"guids = [{', '.join(map(_quoted, pad_map.guids))}]",
        f"browser = [{', '.join(map(_quoted, pad_map.browser))}]",
        "",
        "[buttons]",
        *(f"{action} = {number}" for action, number in pad_map.buttons.items()),
    ]
    return "\n".join(lines) + "\n"


def write_pad_map(pad_map: PadMap, path: Path) -> None:
    """Writes a map's file, whole or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    temporary = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(pad_map_toml(pad_map), encoding="utf-8", errors="replace")
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(f"a file that can be written at {path}", f"{error}", "name another one") from error


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are TOML's, but that DEL must have one."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
