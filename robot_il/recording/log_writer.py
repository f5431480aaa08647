"""Writes the MCAP file: the one place that knows its layout. Used by the side process and where a log is rewritten."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import struct
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any, Final, cast

from mcap.writer import CompressionType, Writer

from robot_il.control.build import build_identity
from robot_il.errors import LogError
from robot_il.recording import schema
from robot_il.spec import CONTROL_PERIOD_S, SPEC_HASH, TICK_DTYPE

CHUNK_BYTES: Final = 8192
"""Bound on a chunk of ticks, uncompressed: 0.2 s of them, which is what an open chunk puts at risk."""
_CHUNK_SIZE: Final = CHUNK_BYTES - schema.TICK_RECORD.itemsize  # mcap closes a chunk once it is larger than this
_HOST_NS: Final = struct.Struct("<q")
_RECEIVE_OFFSET: Final = TICK_DTYPE.fields["host_receive_ns"][1] if TICK_DTYPE.fields else 0


class LogFile:
    """A new file, locked, unbuffered, hashed while it is written; knows its last complete part.

    Args:
        path: must not exist.

    Raises:
        LogError: it exists, or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError as error:
            raise LogError(f"no file {path} yet", "one that exists", "choose another name or move it away") from error
        except OSError as error:
            raise LogError(
                f"to make {path}", error.strerror or str(error), "check the folder and its permissions"
            ) from error
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path = path
        self.size = 0
        self._hash = hashlib.sha256()
        self._complete = 0
        self._synced = 0

    def write(self, data: bytes) -> None:
        """Appends all of ``data``; OSError where the disk is full."""
        rest = memoryview(data)
        while rest:
            written = os.write(self._descriptor, rest)
            self._hash.update(rest[:written])
            self.size += written
            rest = rest[written:]

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size

    def flush(self) -> None:
        """Nothing is buffered here."""

    def mark_complete(self) -> None:
        """Notes that the file makes sense up to here."""
        self._complete = self.size

    def sync(self) -> None:
        """Waits until the disk has it."""
        if self._synced != self.size:
            os.fdatasync(self._descriptor)
            self._synced = self.size

    def cut_to_complete(self) -> None:
        """Takes off a half-written part; the whole file where nothing is complete yet."""
        with suppress(OSError):
            os.ftruncate(self._descriptor, self._complete)
            if not self._complete:
                self.path.unlink()

    @property
    def sha256(self) -> str:
        """Of all that was written, as hex digits."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Closes the file and with it the lock."""
        os.close(self._descriptor)

    def publish(self, final: Path) -> None:
        """Gives the finished file its final name, never in place of an existing one.

        Raises:
            LogError: something of that name has appeared.
        """
        try:
            os.link(self.path, final)
        except FileExistsError as error:
            raise LogError(f"no file {final} yet", "one that exists", f"the recording is {self.path}") from error
        except OSError:  # a file system without hard links, such as FAT
            if final.exists():
                raise LogError(f"no file {final} yet", "one that exists", f"the recording is {self.path}") from None
            self.path.rename(final)
        else:
            self.path.unlink()
        self.path = final
        folder = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
        with suppress(OSError):  # not every file system lets a folder be synced
            os.fsync(folder)
        os.close(folder)


class LogWriter:
    """Turns ticks, events and labels into MCAP records.

    Args:
        file: a new file.
        session: as ``Session.to_json`` gives it.
        written_by: what ``describe_writer`` gives, or that of the log that is rewritten.
        host_ns: time of the session message.
    """

    def __init__(self, file: LogFile, session: dict[str, Any], written_by: dict[str, Any], host_ns: int) -> None:
        self.file = file
        self._session = {**session, "written_by": written_by}
        self._counts = dict.fromkeys(
            (
                schema.TICK_CHANNEL,
                schema.EVENT_CHANNEL,
                schema.LABEL_CHANNEL,
                schema.SESSION_CHANNEL,
                schema.HAND_CHANNEL,
            ),
            0,
        )
        self._open_since_ns = 0
        self._last_ns = max(0, host_ns)
        self._mcap = Writer(cast("IO[bytes]", file), _CHUNK_SIZE, CompressionType.ZSTD, enable_data_crcs=True)
        self._mcap.start(library=f"{schema.LIBRARY} {written_by.get('version', '')}")
        self._register()
        self._json(schema.SESSION_CHANNEL, self._session, host_ns)
        self.flush()

    def _register(self) -> None:
        tick = self._mcap.register_schema(schema.TICK_SCHEMA_NAME, "ros2msg", schema.tick_schema().encode())
        self._mcap.register_channel(schema.TICK_TOPIC, "cdr", tick, schema.tick_metadata())
        for topic, (name, text) in schema.JSON_SCHEMAS.items():
            self._mcap.register_channel(topic, "json", self._mcap.register_schema(name, "jsonschema", text))
        hand = self._mcap.register_schema(schema.HAND_SCHEMA_NAME, "ros2msg", schema.hand_schema().encode())
        self._mcap.register_channel(schema.HAND_TOPIC, "cdr", hand)

    @property
    def ticks(self) -> int:
        """Ticks written."""
        return self._counts[schema.TICK_CHANNEL]

    @property
    def events(self) -> int:
        """Events written."""
        return self._counts[schema.EVENT_CHANNEL]

    @property
    def last_ns(self) -> int:
        """Time of the newest message."""
        return self._last_ns

    def tick(self, row: bytes) -> None:
        """Writes one packed row of ``TICK_DTYPE``."""
        host_ns = _HOST_NS.unpack_from(row, _RECEIVE_OFFSET)[0]
        self._add(schema.TICK_CHANNEL, schema.CDR_HEADER + row, host_ns)

    def hand(self, row: bytes) -> None:
        """Writes one packed row of ``HAND_DTYPE``."""
        self._add(schema.HAND_CHANNEL, schema.CDR_HEADER + row, _HOST_NS.unpack_from(row)[0])

    def event(self, payload: bytes) -> None:
        """Writes one event, given as its JSON text."""
        self._add(schema.EVENT_CHANNEL, payload, json.loads(payload)["host_ns"])

    def label(self, payload: bytes) -> None:
        """Writes one label message, given as its JSON text; the newest one holds."""
        self._add(schema.LABEL_CHANNEL, payload, json.loads(payload)["host_ns"])

    def _json(self, channel: int, values: dict[str, Any], host_ns: int) -> None:
        self._add(channel, json.dumps(values, separators=(",", ":")).encode(), host_ns)

    def _add(self, channel: int, data: bytes, host_ns: int) -> None:
        size = self.file.size
        time_ns = self._last_ns = max(0, host_ns)
        self._mcap.add_message(channel, time_ns, data, time_ns, self._counts[channel])
        self._counts[channel] += 1
        if self.file.size != size:
            self.file.mark_complete()
            self._open_since_ns = 0
        elif not self._open_since_ns:
            self._open_since_ns = time.monotonic_ns()

    def flush(self) -> None:
        """Closes the open chunk and hands it to the disk."""
        self._mcap.flush()
        self._open_since_ns = 0
        self.file.mark_complete()
        self.file.sync()

    def flush_older_than(self, age_s: float) -> None:
        """Closes the open chunk if its first message was written longer ago than ``age_s``."""
        if self._open_since_ns and time.monotonic_ns() - self._open_since_ns > age_s * 1e9:
            self.flush()

    def finish(self, reason: str, dropped: int) -> None:
        """Writes the session once more, with how it ended, then the index; the file is complete.

        Args:
            reason: why it ended, for a person.
            dropped: records that found the ring full.
        """
        ended = {"reason": reason, "ticks": self.ticks, "events": self.events, "dropped": dropped}
        self._json(schema.SESSION_CHANNEL, {**self._session, "ended": ended}, self._last_ns)
        self._mcap.finish()
        self.file.mark_complete()
        self.file.sync()


def describe_writer() -> dict[str, Any]:
    """What a log says of the program that wrote it, and when."""
    return {
        "format_version": schema.FORMAT_VERSION,
        "spec_hash": SPEC_HASH,
        "version": package_version(),
        "build": build_identity(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "started_unix_ns": time.time_ns(),
        "period_s": CONTROL_PERIOD_S,
    }


def package_version() -> str:
    """Version of this package; empty where it is not installed."""
    try:
        return version("robot-il")
    except PackageNotFoundError:
        return ""
