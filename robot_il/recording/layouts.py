"""Which logs this build reads: the layout of a tick in each format version, and what a file says of its own.

The rule is in data/formats/log.md: the format version and the schema text in the file decide. The spec hash does not:
it also covers what no tick depends on, and nobody's recordings shall become unreadable by that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from mcap.records import Channel, Schema

from robot_il.errors import LogError
from robot_il.recording.schema import CDR_HEADER, FORMAT_VERSION, HAND_MESSAGE_BYTES, ROS_TYPES, hand_schema
from robot_il.spec import HAND_DTYPE, SPEC_HASH, TICK_DTYPE, TICK_SIGNALS

FIRST_FORMAT: Final = 1
ADDED_IN: Final = {
    **dict.fromkeys(("margin", "accel_x", "accel_z"), 2),
    **dict.fromkeys(("stick_forward", "stick_turn", "yaw_rate_wanted"), 3),
    **dict.fromkeys(("height", "height_wanted", "sent_height"), 4),
}
"""The format version that brought a signal which the first format had not; such a signal is a float."""
MAX_SCHEMA_BYTES: Final = 65_536

_LINE: Final = re.compile(r"(\w+) (\w+)  # \[([^\]]*)\] .*")
_REMEDY: Final = "read it with the version of robot-il that wrote it"


@dataclass(frozen=True)
class Layout:
    """How the ticks of a file are laid out.

    Attributes:
        format_version: of the file.
        spec_hash: of the spec under which the file was written, 64 hex digits.
        dtype: one packed row of the file.
        missing: signals of today that the file does not have; they read as NaN.
    """

    format_version: int
    spec_hash: str
    dtype: np.dtype
    missing: tuple[str, ...]

    def rows(self, packed: np.ndarray) -> np.ndarray:
        """The file's rows in today's layout.

        Args:
            packed: shape (T,), dtype ``V`` of the size of a row.

        Returns:
            shape (T,), dtype ``TICK_DTYPE``, an array of its own.
        """
        # copied as opaque bytes: numpy would copy a structure field by field
        rows = packed.copy().view(self.dtype)
        if self.dtype == TICK_DTYPE:
            return rows
        renewed = np.empty(len(rows), TICK_DTYPE)
        for name in TICK_DTYPE.names or ():
            renewed[name] = np.nan if name in self.missing else rows[name]
        return renewed


def layout_of(channel: Channel, kind: Schema | None) -> Layout:
    """The layout of a file's ticks, from the metadata of their channel and their schema.

    Args:
        channel: the tick channel.
        kind: its schema; None where damage took it, which is no loss in a file of this very spec and format.

    Raises:
        LogError: an unknown format version, or signals that are not those of that version; both sides are named.
    """
    version = _version(channel.metadata.get("format_version", "none"))
    spec_hash = channel.metadata.get("spec_hash", "none")
    if kind is None and (version, spec_hash) == (FORMAT_VERSION, SPEC_HASH):
        return Layout(version, spec_hash, TICK_DTYPE, ())
    if kind is None:
        raise LogError(f"a schema of {channel.topic}", "none that is intact", _REMEDY)
    missing = tuple(signal.name for signal in TICK_SIGNALS if ADDED_IN.get(signal.name, FIRST_FORMAT) > version)
    fields = _fields(kind)
    _check_signals(fields, missing, version, spec_hash)
    codes = {ros: code for code, ros in ROS_TYPES.items()}
    dtype = np.dtype([(name, "<" + codes[ros]) for name, (ros, _) in fields.items()])
    _check_order(dtype)
    return Layout(version, spec_hash, TICK_DTYPE if dtype == TICK_DTYPE else dtype, missing)


def hands_of(messages: Sequence[bytes], kind: Schema | None) -> np.ndarray:
    """The messages of the operator's hand, read-only, (H,) of ``HAND_DTYPE``.

    Args:
        messages: serialised, in the order of the file.
        kind: their schema; None where damage took it.

    Raises:
        LogError: they are laid out in another way.
    """
    if kind is not None and [line.split("#")[0] for line in kind.data.decode("utf-8", "replace").splitlines()] != [
        line.split("#")[0] for line in hand_schema().splitlines()
    ]:
        raise LogError("the operator's hand with the signals of this build", "other signals", _REMEDY)
    if any(len(message) != HAND_MESSAGE_BYTES or message[: len(CDR_HEADER)] != CDR_HEADER for message in messages):
        raise LogError(f"messages of the operator's hand of {HAND_MESSAGE_BYTES} bytes", "others", _REMEDY)
    return np.frombuffer(b"".join(message[len(CDR_HEADER) :] for message in messages), HAND_DTYPE)


def _version(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not FIRST_FORMAT <= int(text) <= FORMAT_VERSION:
        raise LogError(f"log format {FIRST_FORMAT} to {FORMAT_VERSION}", f"log format {text[:12]}", _REMEDY)
    return int(text)


def _fields(kind: Schema) -> dict[str, tuple[str, str]]:
    """ROS type and unit of each signal in the schema's text, in the order of the row."""
    fields: dict[str, tuple[str, str]] = {}
    for line in kind.data[:MAX_SCHEMA_BYTES].decode("utf-8", "replace").splitlines():
        found = _LINE.fullmatch(line)
        if found is None or found[2] in fields:
            raise LogError("one signal a line in the schema, with type and unit", repr(line[:80]), _REMEDY)
        fields[found[2]] = found[1], found[3]
    return fields


def _check_signals(fields: dict[str, tuple[str, str]], missing: tuple[str, ...], version: int, spec_hash: str) -> None:
    """Refuses signals that are not those of the format version, by name, type and unit."""
    wanted = {
        signal.name: (ROS_TYPES[signal.dtype], signal.unit) for signal in TICK_SIGNALS if signal.name not in missing
    }
    for name in (*wanted, *fields):
        ours, theirs = wanted.get(name), fields.get(name)
        if ours != theirs:
            raise LogError(
                f"{_described(name, ours)} in a tick of log format {version} (this build: spec {SPEC_HASH[:12]})",
                f"{_described(name, theirs)} (the file: spec {spec_hash[:12]})",
                _REMEDY,
            )


def _described(name: str, entry: tuple[str, str] | None) -> str:
    return f"{entry[0]} {name[:40]} [{entry[1][:20]}]" if entry else f"no {name[:40]}"


def _check_order(dtype: np.dtype) -> None:
    """Widest first: otherwise CDR would have put padding between the fields."""
    sizes = [dtype[name].itemsize for name in dtype.names or ()]
    if sizes != sorted(sizes, reverse=True):
        raise LogError("signals widest type first", "another order", _REMEDY)
