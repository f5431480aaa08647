"""What is in a log: topics, schemas, and the bytes of one tick. Described in data/formats/log.md."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np

from robot_il.spec import HAND_DTYPE, HAND_SIGNALS, SPEC_HASH, TICK_DTYPE, TICK_SIGNALS, Signal

FORMAT_VERSION: Final = 4
LIBRARY: Final = "robot-il"
"""Prefix of the library string in the MCAP header."""

CDR_HEADER: Final = b"\x00\x01\x00\x00"
"""Encapsulation header of OMG DDS-XTypes 1.3, 7.4.3.4: plain CDR, little-endian, no options."""

TICK_TOPIC: Final = "/tick"
EVENT_TOPIC: Final = "/event"
LABEL_TOPIC: Final = "/label"
SESSION_TOPIC: Final = "/session"
HAND_TOPIC: Final = "/operator"
TICK_SCHEMA_NAME: Final = "robot_il/Tick"
HAND_SCHEMA_NAME: Final = "robot_il/Hand"

ROS_TYPES: Final = {"u8": "uint64", "i8": "int64", "u4": "uint32", "f4": "float32", "u2": "uint16", "u1": "uint8"}
"""ROS 2 type of each type code of the spec."""


def tick_schema() -> str:
    """The ros2msg text of one tick."""
    return _ros_schema(TICK_SIGNALS)


def hand_schema() -> str:
    """The ros2msg text of one message of the operator's hand."""
    return _ros_schema(HAND_SIGNALS)


def _ros_schema(signals: tuple[Signal, ...]) -> str:
    """A line a signal, unit and meaning as its comment.

    CDR aligns a field to its own size, counted from the end of its header; the signals are sorted widest type first,
    so the serialised message is the header and one packed row.
    """
    lines = (f"{ROS_TYPES[signal.dtype]} {signal.name}  # [{signal.unit}] {signal.meaning}" for signal in signals)
    return "\n".join(lines) + "\n"


def tick_metadata() -> dict[str, str]:
    """Metadata of the tick channel: what a reader must agree on."""
    return {"format_version": str(FORMAT_VERSION), "spec_hash": SPEC_HASH}


def _object(title: str, required: dict[str, str]) -> bytes:
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in required.items()},
        "required": list(required),
    }
    return json.dumps(schema, separators=(",", ":")).encode()


JSON_SCHEMAS: Final = {
    EVENT_TOPIC: ("robot_il.Event", _object("Event", {"host_ns": "integer", "name": "string", "detail": "object"})),
    LABEL_TOPIC: ("robot_il.Label", _object("Label", {"host_ns": "integer", "label": "string"})),
    SESSION_TOPIC: (
        "robot_il.Session",
        _object(
            "Session",
            {
                "task": "string",
                "label": "string",
                "controller": "object",
                "device": "object",
                "config": "object",
                "synthetic": "boolean",
                "note": "string",
                "written_by": "object",
            },
        ),
    ),
}
"""Name and JSON schema of each JSON topic."""

_RECORD_HEAD = [
    ("opcode", "u1"),
    ("length", "<u8"),
    ("channel", "<u2"),
    ("sequence", "<u4"),
    ("log_time", "<u8"),
    ("publish_time", "<u8"),
    ("cdr", "V4"),
]


def tick_record(row_bytes: int) -> np.dtype:
    """One MCAP message record that holds a tick, its row as bytes: numpy reads many at once, for all are of one size.

    Args:
        row_bytes: size of the packed row.
    """
    return np.dtype([*_RECORD_HEAD, ("row", f"V{row_bytes}")])


TICK_RECORD: Final = tick_record(TICK_DTYPE.itemsize)
"""That of this build."""

TICK_CHANNEL: Final = 1
EVENT_CHANNEL: Final = 2
LABEL_CHANNEL: Final = 3
SESSION_CHANNEL: Final = 4
HAND_CHANNEL: Final = 5
HAND_MESSAGE_BYTES: Final = len(CDR_HEADER) + HAND_DTYPE.itemsize
