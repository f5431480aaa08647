"""Just enough of ELF (Tool Interface Standard 1.2, 1995) to load a 32-bit ARM image and find a symbol in it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from robot_il.errors import ConfigError

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_PROGRAM = struct.Struct("<8I")
_SECTION = struct.Struct("<10I")
_SYMBOL = struct.Struct("<IIIBBH")
_ARM = 40
_EXECUTABLE = 2
_LOAD = 1
_SYMBOL_TABLE = 2
_LARGEST = 16 * 2**20


@dataclass(frozen=True)
class Elf:
    """An image.

    Attributes:
        path: where it came from.
        segments: (load address, bytes) of what goes to memory.
        symbols: name to address.
    """

    path: Path
    segments: tuple[tuple[int, bytes], ...]
    symbols: dict[str, int]


def read_elf(path: Path) -> Elf:
    """Reads an executable for 32-bit little-endian ARM.

    Raises:
        ConfigError: the file is missing, too large, cut, or something else.
    """
    wanted = "a linked ELF image for 32-bit ARM with its symbols"
    remedy = "give one that robot-il hil built, or none to have it built"
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError(wanted, f"{path} of {path.stat().st_size} bytes", remedy)
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(wanted, f"{path}: {error.strerror}", remedy) from error
    try:
        return Elf(path, _segments(data), _symbols(data))
    except (struct.error, ValueError, IndexError) as error:
        raise ConfigError(wanted, f"{path}: {error}", remedy) from error


def _header(data: bytes) -> tuple:
    ident, kind, machine, *rest = _HEADER.unpack_from(data)
    if ident[:6] != b"\x7fELF\x01\x01" or kind != _EXECUTABLE or machine != _ARM:
        raise ValueError("not such a file")
    return tuple(rest)


def _segments(data: bytes) -> tuple[tuple[int, bytes], ...]:
    _, _, offset, _, _, _, size, count, *_ = _header(data)
    segments = []
    for index in range(count):
        kind, start, _, load_address, file_size, *_ = _PROGRAM.unpack_from(data, offset + index * size)
        if kind == _LOAD and file_size:
            segments.append((load_address, _slice(data, start, file_size)))
    return tuple(segments)


def _symbols(data: bytes) -> dict[str, int]:
    _, _, _, offset, _, _, _, _, size, count, _ = _header(data)
    sections = [_SECTION.unpack_from(data, offset + index * size) for index in range(count)]
    symbols = {}
    for _, kind, _, _, start, length, link, *_ in sections:
        if kind == _SYMBOL_TABLE:
            names = _slice(data, sections[link][4], sections[link][5])
            for name, value, *_ in _SYMBOL.iter_unpack(_slice(data, start, length)):
                symbols[names[name : names.index(b"\0", name)].decode("ascii", "replace")] = value
    return symbols


def _slice(data: bytes, start: int, size: int) -> bytes:
    if start + size > len(data):
        raise ValueError("cut short")
    return data[start : start + size]
