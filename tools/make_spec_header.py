"""Writes firmware_bridge/firmware/ril_spec.h, the C view of robot_il/spec.py; ``--check`` only compares."""

from __future__ import annotations

import argparse
import enum
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from robot_il import spec

HEADER = Path(__file__).parents[1] / "firmware_bridge" / "firmware" / "ril_spec.h"
C_TYPES = {
    "u1": "uint8_t",
    "u2": "uint16_t",
    "u4": "uint32_t",
    "u8": "uint64_t",
    "i8": "int64_t",
    "f4": "float",
}
OPENING = """\
/* Made from robot_il/spec.py by tools/make_spec_header.py; change that file and run the tool. */
#ifndef RIL_SPEC_H
#define RIL_SPEC_H

#include <stdint.h>
"""
CLOSING = "#endif"


def constant_lines() -> Iterator[str]:
    """Rates, identity and limits as macros."""
    yield f"#define RIL_PROTOCOL_VERSION {spec.PROTOCOL_VERSION}u"
    yield f"#define RIL_SPEC_HASH UINT64_C(0x{spec.SPEC_HASH_U64:016x})"
    yield f"#define RIL_CRC_SEED UINT32_C(0x{spec.SPEC_HASH_U64 & 0xFFFFFFFF:08x})"
    yield f"#define RIL_TICK_US {1_000_000 // spec.FIRMWARE_RATE_HZ}u"
    yield f"#define RIL_TICKS_PER_STATE {spec.TICKS_PER_STATE}u"
    yield ""
    for field in fields(spec.LIMITS):
        value = getattr(spec.LIMITS, field.name)
        literal = f"{value}u" if isinstance(value, int) else f"{value!r}f"
        yield f"#define RIL_LIMIT_{field.name.upper()} {literal}"


def enum_lines(code: type[enum.IntEnum] | type[enum.IntFlag]) -> Iterator[str]:
    """One C enum with the members of a Python one."""
    prefix = f"RIL_{code.__name__.upper()}"
    yield f"enum {prefix.lower()}s {{"  # plural: a message struct may have the singular
    yield from (f"    {prefix}_{member.name} = {int(member)}," for member in code)
    yield "};"


def message_lines(message: spec.Message) -> Iterator[str]:
    """Size, field offsets and struct of one message."""
    prefix = f"RIL_{message.name}"
    offsets = message.dtype.fields or {}
    yield f"#define {prefix}_SIZE {message.dtype.itemsize}u"
    if not message.fields:
        return
    yield from (f"#define {prefix}_{field.name.upper()} {offsets[field.name][1]}u" for field in message.fields)
    yield f"struct {prefix.lower()} {{"
    for field in message.fields:
        yield f"    {C_TYPES[field.dtype]} {field.name}; /* {field.unit}: {field.meaning} */"
    yield "};"


def header_text() -> str:
    """The whole header."""
    messages = spec.MESSAGES.values()
    blocks = [OPENING.rstrip(), "\n".join(constant_lines())]
    blocks += ["\n".join(enum_lines(code)) for code in (spec.Mode, spec.Fault, spec.Reject, spec.Event, spec.Param)]
    types = "\n".join(f"    RIL_TYPE_{message.name} = 0x{message.type:02x}," for message in messages)
    blocks.append(f"enum ril_type {{\n{types}\n}};")
    blocks += ["\n".join(message_lines(message)) for message in messages]
    blocks.append(f"#define RIL_PAYLOAD_MAX {max(message.dtype.itemsize for message in messages)}u")
    return "\n\n".join([*blocks, CLOSING]) + "\n"


def main() -> int:
    """Writes or checks the header; exit code 1 when it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    arguments = parser.parse_args()
    text = header_text()
    if HEADER.exists() and HEADER.read_text() == text:
        return 0
    if arguments.check:
        print(f"{HEADER.name} is out of date: run tools/make_spec_header.py", file=sys.stderr)
        return 1
    temporary = HEADER.with_suffix(".h.new")
    temporary.write_text(text)
    temporary.replace(HEADER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
