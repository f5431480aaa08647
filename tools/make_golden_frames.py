"""Writes data/golden/wire_frames.json: messages and the bytes that stand for them; ``--check`` only compares.

Both implementations of the wire protocol must reproduce these bytes. A difference after a change of the spec is the
point: it says that old and new peers no longer understand each other.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from pathlib import Path

from firmware_bridge.protocol import encode
from robot_il.spec import MESSAGES, SPEC_HASH, Message, Signal

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "wire_frames.json"
FLOATS = (0.0, -0.0, 1.5, -0.1, 3.4028234663852886e38, 1.401298464324817e-45, -123.456)


def as_float32(value: float) -> float:
    """The float32 nearest to a value, so that the document states what the bytes hold."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def value_of(field: Signal, case: str, index: int) -> float:
    """A value for one field: zero, the extremes of its type, or something in between that differs by field."""
    if field.dtype == "f4":
        extremes = {"zero": 0.0, "highest": FLOATS[4], "lowest": -FLOATS[4]}
        return as_float32(extremes.get(case, FLOATS[index % len(FLOATS)] + index))
    bits = 8 * int(field.dtype[1])
    signed = field.dtype[0] == "i"
    highest = (1 << (bits - signed)) - 1
    lowest = -(1 << (bits - 1)) if signed else 0
    between = (0x0102030405060708 * (index + 1) + index) & highest  # bytes that all differ show a wrong byte order
    return {"zero": 0, "highest": highest, "lowest": lowest}.get(case, between)


def golden_frames() -> list[dict]:
    """Each message with each case of values."""
    return [frame_of(message, case) for message in MESSAGES.values() for case in cases_of(message)]


def cases_of(message: Message) -> tuple[str, ...]:
    """One case suffices where there is no payload."""
    return ("zero", "highest", "lowest", "mixed") if message.fields else ("empty",)


def frame_of(message: Message, case: str) -> dict:
    """One entry of the document."""
    values = {field.name: value_of(field, case, index) for index, field in enumerate(message.fields)}
    return {
        "message": message.name,
        "case": case,
        "values": values,
        "frame": encode(message.name, *values.values()).hex(),
    }


def golden_text() -> str:
    """The whole document."""
    return json.dumps({"spec_hash": SPEC_HASH, "frames": golden_frames()}, indent=1) + "\n"


def main() -> int:
    """Writes or checks the document; exit code 1 when it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    arguments = parser.parse_args()
    text = golden_text()
    if GOLDEN.exists() and GOLDEN.read_text() == text:
        return 0
    if arguments.check:
        print(f"{GOLDEN.name} is out of date: run tools/make_golden_frames.py", file=sys.stderr)
        return 1
    temporary = GOLDEN.with_suffix(".json.new")
    temporary.write_text(text)
    temporary.replace(GOLDEN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
