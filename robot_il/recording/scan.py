"""Walks the records of a log and keeps what its checksums vouch for, whatever is missing or damaged around it.

The grammar of a log is strict (data/formats/log.md): after the header only chunks and their indexes follow, until the
end of the data. Anything else is damage; the walk goes on at the next chunk whose checksum holds.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final
from zlib import crc32

import numpy as np
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import EndOfFile
from mcap.opcode import Opcode
from mcap.records import Channel, Schema, Statistics
from mcap.writer import MCAP0_MAGIC

from robot_il.recording.schema import TICK_CHANNEL

MAX_CHUNK_BYTES: Final = 1 << 20
"""Bound on a chunk, compressed and not; the writer stays far below."""
_RECORD: Final = struct.Struct("<BQ")
_CHUNK: Final = struct.Struct("<QQQI")
_LENGTH32: Final = struct.Struct("<I")
_LENGTH64: Final = struct.Struct("<Q")
_MESSAGE: Final = struct.Struct("<HIQQ")
_FOOTER: Final = struct.Struct("<BQQQI")
_DATA_END: Final = struct.Struct("<BQI")
_FOOTER_START: Final = _RECORD.pack(Opcode.FOOTER, 20)
_ANY_CHUNK: Final = re.compile(rb"\x06[\x00-\xff]{3}\x00{5}")
"""Start of a chunk record of less than 16 MiB."""
_CHANNEL: Final = struct.Struct("<H")


@dataclass(frozen=True)
class Message:
    """A message that is not a tick.

    Attributes:
        channel: MCAP channel.
        host_ns: its log time.
        data: its bytes.
        ticks_before: how many of the log's ticks stand before it.
    """

    channel: int
    host_ns: int
    data: bytes
    ticks_before: int


@dataclass
class Scan:
    """What a walk found.

    Attributes:
        ticks: bytes of whole tick records, in file order, all of ``tick_size``.
        tick_size: bytes of one tick's record, 0 before the first; whether it fits the schema is for the reader.
        messages: all other messages, in file order.
        channels: by number.
        schemas: by number.
        written_ticks: how many ticks the file's own statistics count; None without them.
        closed: the file has its end.
        damage: what was wrong, each for a person; empty in a whole file and in a cleanly cut one.
    """

    ticks: list[bytes] = field(default_factory=list)
    tick_size: int = 0
    messages: list[Message] = field(default_factory=list)
    channels: dict[int, Channel] = field(default_factory=dict)
    schemas: dict[int, Schema] = field(default_factory=dict)
    written_ticks: int | None = None
    closed: bool = False
    damage: list[str] = field(default_factory=list)
    _tick_count: int = 0
    _zstd: zstandard.ZstdDecompressor = field(default_factory=zstandard.ZstdDecompressor)

    def open_chunk(self, data: bytes, start: int, end: int) -> bytes | None:
        """Content of the chunk record with its body in ``data[start:end]``, None unless its checksum holds."""
        name_start = start + _CHUNK.size + _LENGTH32.size
        if name_start > end or end - start > MAX_CHUNK_BYTES:
            return None
        _, _, size, checksum = _CHUNK.unpack_from(data, start)
        name_end = name_start + _LENGTH32.unpack_from(data, start + _CHUNK.size)[0]
        content_start = name_end + _LENGTH64.size
        if content_start > end or size > MAX_CHUNK_BYTES:
            return None
        if _LENGTH64.unpack_from(data, name_end)[0] != end - content_start:
            return None
        content = self._decompress(data[name_start:name_end], data[content_start:end], size)
        return content if content is not None and len(content) == size and crc32(content) == checksum else None

    def _decompress(self, name: bytes, content: bytes, size: int) -> bytes | None:
        if not name:
            return content
        try:
            # the size in the frame decides what is allocated, so it must be the one that was bounded
            if name != b"zstd" or zstandard.frame_content_size(content) != size:
                return None
            return self._zstd.decompress(content, size)
        except zstandard.ZstdError:
            return None

    def take_chunk(self, content: bytes) -> None:
        """Sorts the records of one uncompressed chunk."""
        if self._take_ticks(content):
            return
        position, size = 0, len(content)
        while position + _RECORD.size <= size:
            opcode, length = _RECORD.unpack_from(content, position)
            end = position + _RECORD.size + length
            if end > size:
                break
            self._take_record(opcode, content[position:end])
            position = end
        if position != size:
            self.damage.append("a chunk with a record that leaves it")

    def _take_ticks(self, content: bytes) -> bool:
        """The usual case, a chunk of nothing but ticks, without a loop."""
        size = self.tick_size or _size_of_tick(content)
        count, rest = divmod(len(content), size) if size else (0, 0)
        if rest or not count:
            return False
        start = np.frombuffer(_RECORD.pack(Opcode.MESSAGE, size - _RECORD.size) + _CHANNEL.pack(TICK_CHANNEL), np.uint8)
        if not (np.frombuffer(content, np.uint8).reshape(count, -1)[:, : len(start)] == start).all():
            return False
        self.ticks.append(content)
        self.tick_size = size
        self._tick_count += count
        return True

    def _take_record(self, opcode: int, record: bytes) -> None:
        body = record[_RECORD.size :]
        if opcode != Opcode.MESSAGE or len(body) < _MESSAGE.size:
            self.take_description(opcode, body)
            return
        channel, _, host_ns, _ = _MESSAGE.unpack_from(body)
        if channel != TICK_CHANNEL:
            self.messages.append(Message(channel, host_ns, body[_MESSAGE.size :], self._tick_count))
        elif self.tick_size in (0, len(record)):
            self.ticks.append(record)
            self.tick_size = len(record)
            self._tick_count += 1
        else:
            self.damage.append(f"a tick of {len(record)} bytes among those of {self.tick_size}")

    def take_description(self, opcode: int, body: bytes) -> None:
        """Keeps a schema, channel or statistics record; others are passed over."""
        stream = ReadDataStream(BytesIO(body))
        try:
            if opcode == Opcode.CHANNEL:
                channel = Channel.read(stream)
                self.channels[channel.id] = channel
            elif opcode == Opcode.SCHEMA:
                schema = Schema.read(stream)
                self.schemas[schema.id] = schema
            elif opcode == Opcode.STATISTICS:
                self.written_ticks = Statistics.read(stream).channel_message_counts.get(TICK_CHANNEL, 0)
        except (EndOfFile, struct.error, UnicodeDecodeError):
            self.damage.append("a schema, channel or statistics record that makes no sense")


def _size_of_tick(content: bytes) -> int:
    """Bytes of the record at the front of a chunk if that is a tick, else 0."""
    if len(content) < _RECORD.size + _MESSAGE.size:
        return 0
    opcode, length = _RECORD.unpack_from(content)
    is_tick = opcode == Opcode.MESSAGE and _CHANNEL.unpack_from(content, _RECORD.size)[0] == TICK_CHANNEL
    return _RECORD.size + length if is_tick and _MESSAGE.size <= length < MAX_CHUNK_BYTES else 0


def scan(data: bytes) -> Scan:
    """Walks a whole file, which must begin with MCAP's magic."""
    found = Scan()
    position = _skip_header(data)
    while True:
        step = _step(data, position, found)
        if step is None and _walk_end(data, position, found):
            return found
        if step is None:
            step = _next_chunk(data, position + 1, found)
            if step is None:
                if not _is_cut(data, position):
                    found.damage.append(f"{len(data) - position} bytes from offset {position} to the end")
                return found
            found.damage.append(f"{step - position} bytes at offset {position}")
        position = step


def _skip_header(data: bytes) -> int:
    start = len(MCAP0_MAGIC)
    if len(data) >= start + _RECORD.size:
        opcode, length = _RECORD.unpack_from(data, start)
        if opcode == Opcode.HEADER and length < MAX_CHUNK_BYTES:
            return start + _RECORD.size + length
    return start


def _step(data: bytes, position: int, found: Scan) -> int | None:
    """Takes the record at ``position``; returns where the next begins, None for anything but chunk or index."""
    if position + _RECORD.size > len(data):
        return None
    opcode, length = _RECORD.unpack_from(data, position)
    start, end = position + _RECORD.size, position + _RECORD.size + length
    if end > len(data):
        return None
    if opcode == Opcode.CHUNK:
        content = found.open_chunk(data, start, end)
        if content is None:
            return None
        found.take_chunk(content)
        return end
    if opcode == Opcode.MESSAGE_INDEX and length >= 6:
        entries = _LENGTH32.unpack_from(data, start + 2)[0]
        return end if entries == length - 6 and not entries % 16 else None
    return None


def _next_chunk(data: bytes, position: int, found: Scan) -> int | None:
    """Offset of the next chunk record whose checksum holds."""
    for match in _ANY_CHUNK.finditer(data, position):
        start = match.start() + _RECORD.size
        end = start + _RECORD.unpack_from(data, match.start())[1]
        if end <= len(data) and found.open_chunk(data, start, end) is not None:
            return match.start()
    return None


def _is_cut(data: bytes, position: int) -> bool:
    """Whether the rest is what a cut leaves: less than a record, or the zeros of blocks never written."""
    rest = len(data) - position
    if rest < _RECORD.size or not any(data[position:]):
        return True
    opcode, length = _RECORD.unpack_from(data, position)
    return opcode in (Opcode.CHUNK, Opcode.MESSAGE_INDEX, Opcode.DATA_END) and _RECORD.size + length > rest


def _walk_end(data: bytes, position: int, found: Scan) -> bool:
    """Takes the end of the data at ``position`` and the summary behind it; False where there is none."""
    summary = position + _DATA_END.size
    if summary > len(data):
        return False
    opcode, length, checksum = _DATA_END.unpack_from(data, position)
    if opcode != Opcode.DATA_END or length != 4:
        return False
    if crc32(data[:position]) != checksum:
        found.damage.append("the file's checksum does not hold")
    footer = _walk_summary(data, summary, found)
    if footer + _FOOTER.size > len(data):
        return True  # cut in the summary: every message is there
    _, length, start, _, checksum = _FOOTER.unpack_from(data, footer)
    body = data[summary : footer + _FOOTER.size - _LENGTH32.size]
    if length != 20 or start != summary or crc32(body) != checksum:
        found.damage.append("the index at the end does not match its checksum")
    end = footer + _FOOTER.size
    if data[end:] == MCAP0_MAGIC:
        found.closed = True
    elif not MCAP0_MAGIC.startswith(data[end:]):
        found.damage.append("the file does not end with MCAP's magic")
    return True


def _walk_summary(data: bytes, position: int, found: Scan) -> int:
    """Takes the descriptions in the summary; returns the offset of the footer, or of the end of the data."""
    while position + _RECORD.size <= len(data):
        opcode, length = _RECORD.unpack_from(data, position)
        end = position + _RECORD.size + length
        if opcode == Opcode.FOOTER:
            return position
        if end > len(data):
            break
        found.take_description(opcode, data[position + _RECORD.size : end])
        position = end
    return len(data)
