"""Reads a log while it is being written, never past its last complete chunk and never in the writer's way."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Final

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Message, Schema
from mcap.writer import MCAP0_MAGIC

from robot_il.errors import LogError
from robot_il.recording.scan import MAX_CHUNK_BYTES, Scan

_HEAD_BYTES: Final = 9
"""Opcode and length of a record."""
_READ_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Topic:
    """What a channel of the log carries, as the file itself describes it.

    Attributes:
        name: of the topic.
        encoding: of its messages: ``cdr`` or ``json``.
        schema_name: of the messages' type.
        schema_encoding: ``ros2msg`` or ``jsonschema``.
        schema: its text: of signals names, units and meanings.
        metadata: of the channel.
    """

    name: str
    encoding: str
    schema_name: str
    schema_encoding: str
    schema: bytes
    metadata: dict[str, str]


class Follower:
    """The messages of a log, as they come.

    Args:
        path: a log, finished or ``NAME.recording``; it may be renamed or moved while it is followed.

    Attributes:
        topics: by channel number, as far as the file has described them.
        finished: its end has been read.

    Raises:
        LogError: no such file, or no MCAP file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise LogError(f"to read a log in {path}", error.strerror or str(error), "check the name") from error
        self.topics: dict[int, Topic] = {}
        self.finished = False
        self._schemas: dict[int, Schema] = {}
        self._pending = b""
        self._begun = False
        self._scan = Scan()

    @property
    def being_written(self) -> bool:
        """Whether a writer has the file: it holds a lock as long as it lives."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return False

    def read(self) -> list[Message]:
        """Messages of the chunks that have become complete since the last call, at most some thousand at once.

        Raises:
            LogError: the file cannot be read, is no log, or is damaged here.
        """
        try:
            self._pending += os.read(self._descriptor, _READ_BYTES)
        except OSError as error:
            raise LogError(f"to read {self._path}", error.strerror or str(error), "check the disk") from error
        if not self._begun:
            if not self._pending.startswith(MCAP0_MAGIC[: len(self._pending)]):
                raise LogError(f"an MCAP log in {self._path}", "another file", "name a log of robot-il")
            if len(self._pending) < len(MCAP0_MAGIC):
                return []
            self._pending = self._pending[len(MCAP0_MAGIC) :]
            self._begun = True
        return self._take_whole_records()

    def _take_whole_records(self) -> list[Message]:
        data, position = self._pending, 0
        messages: list[Message] = []
        while not self.finished and position + _HEAD_BYTES <= len(data):
            opcode, length = data[position], int.from_bytes(data[position + 1 : position + _HEAD_BYTES], "little")
            if length > MAX_CHUNK_BYTES:
                raise self._damaged(f"a record of {length} bytes")
            start, end = position + _HEAD_BYTES, position + _HEAD_BYTES + length
            if end > len(data):
                break
            if opcode == Opcode.CHUNK:
                messages += self._open(data, start, end)
            self.finished = opcode == Opcode.DATA_END
            position = end
        self._pending = data[position:]
        return messages

    def _open(self, data: bytes, start: int, end: int) -> list[Message]:
        """The messages of one chunk, and the descriptions in it taken note of."""
        content = self._scan.open_chunk(data, start, end)
        if content is None:
            raise self._damaged("a chunk whose checksum does not hold")
        messages: list[Message] = []
        position = 0
        while position + _HEAD_BYTES <= len(content):
            length = int.from_bytes(content[position + 1 : position + _HEAD_BYTES], "little")
            body = content[position + _HEAD_BYTES : position + _HEAD_BYTES + length]
            stream = ReadDataStream(BytesIO(body))
            if content[position] == Opcode.MESSAGE:
                messages.append(Message.read(stream, len(body)))
            elif content[position] == Opcode.SCHEMA:
                schema = Schema.read(stream)
                self._schemas[schema.id] = schema
            elif content[position] == Opcode.CHANNEL:
                self._describe(Channel.read(stream))
            position += _HEAD_BYTES + length
        return messages

    def _describe(self, channel: Channel) -> None:
        schema = self._schemas.get(channel.schema_id)
        if schema is None:
            raise self._damaged(f"a topic {channel.topic} without a schema")
        self.topics[channel.id] = Topic(
            channel.topic, channel.message_encoding, schema.name, schema.encoding, schema.data, dict(channel.metadata)
        )

    def _damaged(self, came: str) -> LogError:
        remedy = "see what is left of it with robot-il log recover"
        return LogError(f"whole records in {self._path}", came, remedy)

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Follower:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
