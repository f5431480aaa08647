"""Whether an image can be built and run here, and images of a few instructions made by hand."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import pytest

from firmware_bridge.cross_build import cross_compiler
from firmware_bridge.elf import Elf
from robot_il.errors import ConfigError

FLASH = 0x08000000
SLEEP, JUMP_TO_ITSELF, RETURN, UNDEFINED, ADD_R4, NOP = 0xBF30, 0xE7FE, 0x4770, 0xDE00, 0x3401, 0xBF00


def reason_without() -> str:
    """Why there is no image on this machine; empty where there can be one."""
    if importlib.util.find_spec("unicorn") is None:
        return "unicorn is not installed; pip install '.[firmware]'"
    try:
        cross_compiler()
    except ConfigError as error:
        return str(error)
    return ""


needs_image = pytest.mark.skipif(bool(reason_without()), reason=reason_without() or "-")


def by_hand(*code: int, fault: tuple[int, ...] = (JUMP_TO_ITSELF,), handler: tuple[int, ...] = (RETURN,)) -> Elf:
    """An image that runs the 16-bit instructions ``code``, with a handler for faults and one for the rest."""
    starts = [FLASH + 0x80, FLASH + 0x180, FLASH + 0x280]
    vectors = [0x20001000, starts[0] | 1, starts[1] | 1, starts[1] | 1, *[starts[2] | 1] * 20]
    parts = zip(starts, (code, fault, handler), strict=True)
    segments = [(FLASH, struct.pack(f"<{len(vectors)}I", *vectors))]
    segments += [(start, struct.pack(f"<{len(part)}H", *part)) for start, part in parts]
    return Elf(Path("by hand"), tuple(segments), {})
