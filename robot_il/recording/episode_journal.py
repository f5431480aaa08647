"""The journal beside a log: what was done to its episodes after it was recorded. The log itself is never touched.

One file ``<log name>.episodes.jsonl``, one JSON object a line, only ever appended to, under a lock and synced. Its
first line says which recording it is of, so that a journal never edits another log that took its name.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from robot_il.errors import LogError
from robot_il.recording.operations import well_formed
from robot_il.recording.rewrite import RECORDING_SUFFIX

SUFFIX: Final = ".episodes.jsonl"
VERSION: Final = 1
MAX_JOURNAL_BYTES: Final = 8 * 2**20
MAX_HEAD_BYTES: Final = 1024
LOCK_S: Final = 5.0
"""Another writer holds the lock for a sync of the disk; longer, and it hangs."""
_MAX_FOLDER: Final = 1000
"""Journals of a folder that are looked through for one whose log was renamed."""
_MAX_PROBLEMS: Final = 20


@dataclass(frozen=True)
class Journal:
    """What a journal says.

    Attributes:
        path: the file.
        operations: well-formed operations, in their order.
        problems: lines that could not be used, for a person.
        started_unix_ns: when the recording that it is of began, by the wall clock; 0 where nobody knows.
    """

    path: Path
    operations: tuple[dict[str, Any], ...] = ()
    problems: tuple[str, ...] = ()
    started_unix_ns: int = 0

    def is_of(self, started_unix_ns: int) -> bool:
        """Whether it is of the recording that began then; True where one of the two does not say."""
        return not self.started_unix_ns or not started_unix_ns or self.started_unix_ns == started_unix_ns


def journal_of(log_path: Path) -> Path:
    """The journal of a log; a log that is still ``NAME.recording`` has that of ``NAME``."""
    name = log_path.name.removesuffix(RECORDING_SUFFIX)
    return log_path.with_name(name + SUFFIX)


def read_journal(log_path: Path) -> Journal:
    """The journal beside a log; an empty one where there is none.

    Raises:
        LogError: it cannot be read, or is larger than ``MAX_JOURNAL_BYTES``.
    """
    path = journal_of(log_path)
    if not path.exists():
        return Journal(path)
    with _locked(path, os.O_RDONLY, fcntl.LOCK_SH) as descriptor:
        return parse(path, _content(path, descriptor))


def parse(path: Path, content: bytes) -> Journal:
    """What the bytes of a journal say; lines that say nothing are told, not raised.

    Args:
        path: its name, for messages.
        content: whole, or cut at any byte: the lines before the cut count.
    """
    operations: list[dict[str, Any]] = []
    problems: list[str] = []
    started_unix_ns = 0
    lines = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        last = number == len(lines)  # no strict prefix of a JSON object is one, so this line may still be whole
        try:
            values = json.loads(line)
            head = _head(values) if number == 1 else None
            if head is None:
                operations.append(well_formed(values))
            else:
                started_unix_ns = head
        except (ValueError, RecursionError):
            what = "is cut off" if last else "is no JSON"
            problems.append(f"{path.name}: line {number} {what} and is left out")
        except LogError as error:
            problems.append(f"{path.name}: line {number} is left out: {error}")
    if len(problems) > _MAX_PROBLEMS:
        problems[_MAX_PROBLEMS:] = [f"{path.name}: {len(problems) - _MAX_PROBLEMS} more lines are left out"]
    return Journal(path, tuple(operations), tuple(problems), started_unix_ns)


def _head(values: object) -> int | None:
    """Start of the recording that a first line names; None where the line is none of that kind."""
    if not isinstance(values, dict) or "journal" not in values:
        return None
    started = values.get("started_unix_ns", 0)
    if not isinstance(started, int):
        raise LogError("a time in the first line of a journal", f"{started!r}"[:80], "move the journal away")
    return started


def _check_version(path: Path, content: bytes) -> None:
    """What a later version's operations mean nobody knows here: rather none of them than half of them."""
    with suppress(ValueError, RecursionError):
        values = json.loads(content[:MAX_HEAD_BYTES].split(b"\n")[0])
        if isinstance(values, dict) and values.get("journal", VERSION) != VERSION:
            came = f"version {values['journal']}"[:80]
            raise LogError(f"a journal of version {VERSION} in {path}", came, "use the version that wrote it")


class Appender:
    """An open, locked journal.

    Attributes:
        journal: what it says so far.
    """

    def __init__(self, path: Path, descriptor: int, log_name: str, started_unix_ns: int) -> None:
        self._descriptor = descriptor
        self._content = _content(path, descriptor)
        self.journal = parse(path, self._content)
        self._head = {"journal": VERSION, "log": log_name, "started_unix_ns": started_unix_ns}
        if not self.journal.is_of(started_unix_ns):
            raise LogError(
                f"in {path} the journal of this recording, which began at {started_unix_ns} ns of the wall clock",
                f"one of another, which began at {self.journal.started_unix_ns}",
                "move it away, or give its own log this name",
            )

    def append(self, operations: Sequence[dict[str, Any]]) -> None:
        """Adds well-formed operations, each with its time by the wall clock, and waits for the disk.

        Raises:
            LogError: the disk is full or the journal too large; it is as it was then.
        """
        path = self.journal.path
        lines = [{"unix_ns": time.time_ns(), **operation} for operation in operations]
        if not self._content:
            lines.insert(0, self._head)
        # after a cut, that line's rest shall not swallow this one
        glue = b"\n" if self._content and not self._content.endswith(b"\n") else b""
        data = glue + b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
        size = len(self._content)
        if size + len(data) > MAX_JOURNAL_BYTES:
            raise LogError(f"a journal of at most {MAX_JOURNAL_BYTES} bytes", f"more in {path}", "begin another log")
        try:
            if os.write(self._descriptor, data) != len(data):
                raise OSError(0, "no space left on the disk")
            os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise LogError(f"to write {path}", error.strerror or str(error), "make room on the disk") from error
        self._content += data


@contextmanager
def appending(log_path: Path, started_unix_ns: int) -> Iterator[Appender]:
    """The journal of a log, made where there is none, and locked against other writers meanwhile.

    Args:
        log_path: the log.
        started_unix_ns: when that recording began; 0 where nobody knows.

    Raises:
        LogError: it cannot be made, read or locked, or is that of another recording.
    """
    path = journal_of(log_path)
    log_name = path.name.removesuffix(SUFFIX)
    with _locked(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, fcntl.LOCK_EX) as descriptor:
        fresh = os.fstat(descriptor).st_size == 0
        try:
            yield Appender(path, descriptor, log_name, started_unix_ns)
        finally:
            if fresh and os.fstat(descriptor).st_size == 0:
                path.unlink(missing_ok=True)
        if fresh:
            _sync_folder(path.parent)


def left_behind(log_path: Path, started_unix_ns: int) -> Path | None:
    """The journal of this recording under another name, whose log is gone: the log was renamed without it.

    Args:
        log_path: the log as it is called now.
        started_unix_ns: when it was recorded; with 0 there is nothing to know it by.
    """
    if not started_unix_ns:
        return None
    for path in sorted(log_path.parent.glob(f"*{SUFFIX}"))[:_MAX_FOLDER]:
        log = path.with_name(path.name.removesuffix(SUFFIX))
        if log.exists() or log.with_name(log.name + RECORDING_SUFFIX).exists():
            continue
        with suppress(OSError), path.open("rb") as file:
            if parse(path, file.read(MAX_HEAD_BYTES).split(b"\n")[0]).started_unix_ns == started_unix_ns:
                return path
    return None


@contextmanager
def _locked(path: Path, flags: int, kind: int) -> Iterator[int]:
    """An open descriptor of the journal, locked; it is the file of that name, not one that was removed meanwhile."""
    deadline = time.monotonic() + LOCK_S
    while True:
        try:
            descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
        except OSError as error:
            came = error.strerror or str(error)
            raise LogError(f"to open {path}", came, "check the folder and its permissions") from error
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                break
        except BlockingIOError:
            pass
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise LogError(f"a journal {path} that is free", f"one in use for {LOCK_S:g} s", "end the other program")
        time.sleep(0.01)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _content(path: Path, descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    if size > MAX_JOURNAL_BYTES:
        raise LogError(f"a journal of at most {MAX_JOURNAL_BYTES} bytes", f"{size} in {path}", "move it away")
    content = b""
    try:
        while part := os.pread(descriptor, size - len(content), len(content)):
            content += part
    except OSError as error:  # a folder of that name, a disk that fails
        came = error.strerror or str(error)
        raise LogError(f"a journal in {path}", came, "move it away to go on without it") from error
    _check_version(path, content)
    return content


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with suppress(OSError):  # not every file system lets a folder be synced
        os.fsync(descriptor)
    os.close(descriptor)
