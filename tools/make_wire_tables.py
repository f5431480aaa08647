"""Writes the byte tables in data/formats/wire.md from robot_il/spec.py; ``--check`` only compares."""

from __future__ import annotations

import argparse
import enum
import sys
from collections.abc import Iterator
from pathlib import Path

from robot_il import spec

DOCUMENT = Path(__file__).parents[1] / "data" / "formats" / "wire.md"
BEGIN = "<!-- tables: made by tools/make_wire_tables.py -->\n"
END = "<!-- end of tables -->\n"
TYPE_NAMES = {"u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64", "i8": "int64", "f4": "float32"}


def message_lines(message: spec.Message) -> Iterator[str]:
    """Heading and byte table of one message."""
    size = message.dtype.itemsize
    yield f"### {message.name}: type 0x{message.type:02x}, sent by the {message.sender}, {size} bytes of payload"
    yield ""
    if not message.fields:
        yield "No payload."
        yield ""
        return
    yield "| offset | type | field | unit | meaning |"
    yield "|---|---|---|---|---|"
    offsets = message.dtype.fields or {}
    for field in message.fields:
        offset = offsets[field.name][1]
        yield f"| {offset} | {TYPE_NAMES[field.dtype]} | `{field.name}` | {field.unit} | {field.meaning} |"
    yield ""


def code_lines(code: type[enum.IntEnum] | type[enum.IntFlag]) -> Iterator[str]:
    """Values of one enumeration on a line."""
    yield f"**{code.__name__}**: " + ", ".join(f"{int(member)} {member.name}" for member in code) + "."
    yield ""


def tables() -> str:
    """Everything between the two markers."""
    lines = [line for message in spec.MESSAGES.values() for line in message_lines(message)]
    lines += ["### Codes", ""]
    for code in (spec.Mode, spec.Fault, spec.Reject, spec.Event, spec.Param):
        lines += code_lines(code)
    return "\n".join(lines)


def main() -> int:
    """Writes or checks the tables; exit code 1 when they are out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    arguments = parser.parse_args()
    before = DOCUMENT.read_text()
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    after = head + BEGIN + "\n" + tables() + END + tail
    if after == before:
        return 0
    if arguments.check:
        print(f"{DOCUMENT.name} is out of date: run tools/make_wire_tables.py", file=sys.stderr)
        return 1
    temporary = DOCUMENT.with_suffix(".md.new")
    temporary.write_text(after)
    temporary.replace(DOCUMENT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
