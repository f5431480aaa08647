"""Makes a new file from a log: to recover what is left of it, or to change its label. The ticks stay bit for bit.

The new file is of this build's format, whatever the old one's was; what an older format did not record stays unknown.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from robot_il.errors import LogError
from robot_il.recording import schema
from robot_il.recording.log_writer import LogFile, LogWriter
from robot_il.recording.reader import COMPLETE, Log, read_log
from robot_il.recording.session import check_label
from robot_il.spec import TICK_DTYPE

RECORDING_SUFFIX: Final = ".recording"
PART_SUFFIX: Final = ".part"
"""Name of a log while it is being rewritten."""


@dataclass(frozen=True)
class Recovery:
    """What a recovery found and made.

    Attributes:
        source: the file that was read.
        path: the file that was made.
        status: that of the source.
        ticks: recovered ticks.
        events: recovered events.
        lost_ticks: ticks known to be lost in the middle; how many a cut took is unknown.
        problems: what was wrong with the source.
    """

    source: Path
    path: Path
    status: str
    ticks: int
    events: int
    lost_ticks: int
    problems: tuple[str, ...]


def recovered_name(source: Path) -> Path:
    """Where a recovery goes: ``run.mcap.recording`` to ``run.mcap``, and ``run.mcap`` to ``run.recovered.mcap``."""
    if source.suffix == RECORDING_SUFFIX:
        return source.with_suffix("")
    return source.with_name(f"{source.stem}.recovered{source.suffix}")


def recover(source: Path, out: Path | None = None) -> Recovery:
    """Writes a clean, complete log from what is left of ``source``; the source stays as it is.

    Args:
        source: a cut, damaged or left-over log.
        out: the file to be made; ``recovered_name(source)`` by default.

    Raises:
        LogError: nothing to recover, nothing is wrong with it, it is still being recorded, or ``out`` exists.
    """
    out = out or recovered_name(source)
    with _unused(source):
        log = read_log(source)
    if log.status == COMPLETE and source.suffix != RECORDING_SUFFIX:
        raise LogError(f"a cut or damaged log in {source}", "one that is complete", "use it as it is")
    reason = f"recovered from {source.name}, which was {log.status}"
    _write(log, out, reason, dropped=log.ended.get("dropped", 0) if log.ended else 0)
    return Recovery(source, out, log.status, len(log.ticks), len(log.events), log.lost_ticks, log.problems)


def relabel(path: Path, label: str) -> str:
    """Appends a label message to a complete log; returns the label it had.

    A finished MCAP file ends in its index, so the log is written anew beside itself and takes the old one's place in
    one step: at every instant one of the two is there, whole.

    Raises:
        ConfigError: not one of ``spec.LABELS``.
        LogError: the log is missing, foreign, not complete or still being recorded.
    """
    check_label(label)
    with _unused(path):
        log = read_log(path, allow_incomplete=False)
        if label == log.label:
            return log.label
        renewed = path.with_name(path.name + ".relabelled")
        renewed.unlink(missing_ok=True)  # left by a relabelling that was killed
        ended = log.ended or {}
        _write(log, renewed, ended.get("reason", ""), dropped=ended.get("dropped", 0), label=label)
        renewed.replace(path)
    return log.label


def in_use(path: Path) -> bool:
    """Whether a process is writing the file; one that is not there is not in use."""
    try:
        with _unused(path):
            return False
    except LogError:
        return path.exists()


@contextmanager
def _unused(path: Path) -> Iterator[None]:
    """Holds the file against a recorder that is still writing it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise LogError(f"to read a log in {path}", error.strerror or str(error), "check the name") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise LogError(f"a finished recording in {path}", "one that is in use", "end the recording first") from error
    finally:
        os.close(descriptor)


def _write(log: Log, out: Path, reason: str, dropped: int, label: str | None = None) -> None:
    """Writes all messages of ``log`` in their order to a temporary name, then gives it the name ``out``."""
    if out.exists():
        raise LogError(f"no file {out} yet", "one that exists", "name another with --out")
    part = out.with_name(out.name + PART_SUFFIX)
    if not in_use(part):
        part.unlink(missing_ok=True)  # left by a rewriting that was killed
    file = LogFile(part)
    try:
        writer = LogWriter(file, log.session.to_json(), _writer_of(log), log.messages[0].host_ns)
        _copy(log, writer)
        if label:
            host_ns = writer.last_ns
            message = {"host_ns": host_ns, "label": label, "set_unix_ns": time.time_ns()}
            writer.label(json.dumps(message).encode())
        writer.finish(reason, dropped)
        file.publish(out)
    except OSError as error:
        raise LogError(f"to write {out}", error.strerror or str(error), "make room on the disk") from error
    finally:
        file.close()
        if file.path != out:
            file.path.unlink(missing_ok=True)


def _writer_of(log: Log) -> dict[str, Any]:
    """Who recorded it, and the format it was recorded in where the new file is of another."""
    converted = {"converted_from_format": log.layout.format_version} if log.layout.missing else {}
    return {**log.written_by, **converted}


def _copy(log: Log, writer: LogWriter) -> None:
    take = {schema.EVENT_CHANNEL: writer.event, schema.LABEL_CHANNEL: writer.label}
    rows = log.ticks.tobytes()
    size, done = TICK_DTYPE.itemsize, 0
    for message in (*log.messages, None):
        upto = message.ticks_before if message else len(log.ticks)
        for index in range(done, upto):
            writer.tick(rows[index * size : (index + 1) * size])
        done = upto
        if message and message.channel == schema.HAND_CHANNEL:
            writer.hand(message.data[len(schema.CDR_HEADER) :])
        elif message and message.channel in take:
            take[message.channel](message.data)
