"""A memory-mapped ring between the control loop, which writes, and the side process, which reads.

One producer, one consumer, no lock, no system call. The memory is a file without a name (in /dev/shm where there is
one), inherited by its descriptor, so nothing is left behind however the two processes end.

Layout, in bytes::

    header   0  u64 taken    records the consumer has finished with; written by the consumer
             8  u64 dropped  records that found the ring full; written by the producer
            16  u64 failure  errno that stopped the consumer, 0 while it is well; written by the consumer
    slots  256  SLOTS of SLOT_BYTES: u32 check | u16 length | u8 kind | u8 unused | payload

A slot is valid for record n if its check is the CRC-32 of kind and payload seeded with n. Hence a half-written slot
and one of an earlier lap are both told from a new one whatever the order in which the stores become visible: Python
has no memory barrier, and an ARM core may reorder plain stores.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zlib import crc32

from robot_il.spec import TICK_DTYPE

HEADER_BYTES: Final = 256
SLOT_BYTES: Final = 256
SLOTS: Final = 8192
"""41 s of ticks: an SD card may stall its writer for seconds."""
_SLOT_HEADER: Final = struct.Struct("<IHBx")
PAYLOAD_BYTES: Final = SLOT_BYTES - _SLOT_HEADER.size
MAX_RECORD_BYTES: Final = 4096
"""Bound on a record that is not a tick; it takes several slots."""
_TAKEN, _DROPPED, _FAILURE = 0, 1, 2

KIND_TICK: Final = 1
KIND_EVENT: Final = 2
KIND_LABEL: Final = 3
KIND_HAND: Final = 4
_MORE: Final = 0x80
"""Bit of the kind: the record goes on in the next slot."""
_TICK_BYTES: Final = TICK_DTYPE.itemsize
_TICK_SLOT: Final = struct.Struct(f"<IHBx{_TICK_BYTES}s")

assert _TICK_BYTES <= PAYLOAD_BYTES, "a tick must fit one slot"


def _seed(sequence: int, kind: int) -> int:
    return (sequence << 8 | kind) & 0xFFFFFFFF


class Ring:
    """One end of the ring.

    Args:
        descriptor: of the shared file; the ring takes it over. None makes a new one.
        writable: whether this end may write at all.
    """

    def __init__(self, descriptor: int | None = None, writable: bool = True) -> None:
        self.descriptor = _new_file() if descriptor is None else descriptor
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        self._memory = mmap.mmap(self.descriptor, HEADER_BYTES + SLOTS * SLOT_BYTES, access=access)
        if descriptor is None:
            # touched now, so that the loop takes no page fault later
            self._memory[:] = bytes(len(self._memory))
        self._bytes = memoryview(self._memory)
        self._words = self._bytes[:HEADER_BYTES].cast("Q")
        self._sequence = 0

    @property
    def dropped(self) -> int:
        """Records that found the ring full."""
        return self._words[_DROPPED]

    @property
    def failure(self) -> int:
        """The errno that stopped the consumer, 0 while it is well."""
        return self._words[_FAILURE]

    @failure.setter
    def failure(self, errno: int) -> None:
        self._words[_FAILURE] = errno

    @property
    def backlog(self) -> int:
        """Slots published and not yet taken, as the producer sees it."""
        return self._sequence - self._words[_TAKEN]

    def publish_tick(self, row: bytes) -> bool:
        """Puts one packed row of ``TICK_DTYPE`` (its length is the caller's care); False where the ring is full."""
        sequence = self._sequence
        if sequence - self._words[_TAKEN] >= SLOTS:
            self._words[_DROPPED] += 1
            return False
        offset = HEADER_BYTES + sequence % SLOTS * SLOT_BYTES
        check = crc32(row, (sequence << 8 | KIND_TICK) & 0xFFFFFFFF)
        _TICK_SLOT.pack_into(self._memory, offset, check, _TICK_BYTES, KIND_TICK, row)
        self._sequence = sequence + 1
        return True

    def publish(self, kind: int, payload: bytes) -> bool:
        """Puts one record of at most ``MAX_RECORD_BYTES``, in order with the ticks; False where the ring is full."""
        parts = [payload[start : start + PAYLOAD_BYTES] for start in range(0, len(payload), PAYLOAD_BYTES)]
        if len(payload) > MAX_RECORD_BYTES or not parts:
            raise ValueError(f"a record of {len(payload)} bytes does not go through the ring")
        if self.backlog + len(parts) > SLOTS:
            self._words[_DROPPED] += 1
            return False
        for left, part in zip(range(len(parts) - 1, -1, -1), parts, strict=True):
            self._put(kind | _MORE if left else kind, part)
        return True

    def _put(self, kind: int, part: bytes) -> None:
        offset = HEADER_BYTES + self._sequence % SLOTS * SLOT_BYTES
        start = offset + _SLOT_HEADER.size
        self._memory[start : start + len(part)] = part
        _SLOT_HEADER.pack_into(self._memory, offset, crc32(part, _seed(self._sequence, kind)), len(part), kind)
        self._sequence += 1

    def drain(self) -> Iterator[tuple[int, bytes]]:
        """Takes all records there are: (kind, payload), in the order of publishing. A record in the making is left."""
        while record := self._next():
            kind, payload, self._sequence = record
            yield kind, payload
            # only now: the consumer has the record, so the producer may reuse its slots
            self._words[_TAKEN] = self._sequence

    def _next(self) -> tuple[int, bytes, int] | None:
        """The next record and the sequence number after it."""
        sequence, parts = self._sequence, []
        while slot := self._slot(sequence):
            kind, part = slot
            parts.append(part)
            sequence += 1
            if not kind & _MORE:
                return kind, b"".join(parts), sequence
        return None

    def _slot(self, sequence: int) -> tuple[int, bytes] | None:
        offset = HEADER_BYTES + sequence % SLOTS * SLOT_BYTES
        check, length, kind = _SLOT_HEADER.unpack_from(self._memory, offset)
        if not kind or not 0 < length <= PAYLOAD_BYTES:
            return None
        start = offset + _SLOT_HEADER.size
        payload = self._memory[start : start + length]
        return (kind, payload) if crc32(payload, _seed(sequence, kind)) == check else None

    def close(self) -> None:
        """Lets go of the memory and the descriptor."""
        self._words.release()
        self._bytes.release()
        self._memory.close()
        os.close(self.descriptor)


class RingWatcher(Ring):
    """Reads along from the newest record on, without a say in what is kept: for a display.

    Args:
        descriptor: of the shared file; the watcher takes it over, and cannot write to it.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, writable=False)
        self._sequence = self._words[_TAKEN]

    def look(self) -> Iterator[tuple[int, bytes]]:
        """The records since the last look: (kind, payload), in order; what was overwritten meanwhile is passed over."""
        while True:
            record = self._next()
            if record is None and self._words[_TAKEN] > self._sequence:
                self._sequence = self._words[_TAKEN]
                record = self._next()
            if record is None:
                return
            kind, payload, self._sequence = record
            yield kind, payload


def _new_file() -> int:
    """Descriptor of a new file without a name, readable by its owner only."""
    memory = Path("/dev/shm")  # noqa: S108  no name is made there
    with tempfile.TemporaryFile(dir=memory if os.access(memory, os.W_OK) else None) as file:
        descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, HEADER_BYTES + SLOTS * SLOT_BYTES)
    return descriptor
