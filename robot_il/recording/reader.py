"""Reads a log: whole, cut at any byte, or damaged. Never returns anything that a checksum does not vouch for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from mcap.records import Schema
from mcap.writer import MCAP0_MAGIC

from robot_il.errors import LogError
from robot_il.recording import schema
from robot_il.recording.layouts import Layout, hands_of, layout_of
from robot_il.recording.scan import Message, Scan, scan
from robot_il.recording.session import Session
from robot_il.spec import LABELS

COMPLETE: Final = "complete"
CUT: Final = "cut"
DAMAGED: Final = "damaged"


@dataclass(frozen=True, eq=False)
class Log:
    """One recording.

    Attributes:
        path: the file.
        ticks: ``TICK_DTYPE`` array of shape (T,), read-only, in the units of ``spec.TICK_SIGNALS``, whatever the format
            of the file.
        hands: ``HAND_DTYPE`` array of shape (H,), read-only: what the operator's hand did; empty where none was there.
        layout: the file's own: format version, spec hash, and the signals that it does not have (NaN in ``ticks``).
        events: each with ``host_ns``, ``name``, ``detail``.
        session: what the recording says about itself.
        label: the newest label message, else the session's.
        status: ``complete``, ``cut`` (all up to the cut is here) or ``damaged`` (``problems`` says what is missing).
        sha256: of the file, as hex digits.
        lost_ticks: ticks known to be missing from the file: their sequence numbers are skipped.
        problems: what is not as it should be, for a person.
        written_by: the writer's own description: versions, spec hash, start time.
        ended: how the recording ended: ``reason``, ``ticks``, ``events``, ``dropped``; None where its end is missing.
        messages: everything but ticks, as it is in the file.
    """

    path: Path
    ticks: np.ndarray
    hands: np.ndarray
    layout: Layout
    events: list[dict[str, Any]]
    session: Session
    label: str
    status: str
    sha256: str
    lost_ticks: int
    problems: tuple[str, ...]
    written_by: dict[str, Any]
    ended: dict[str, Any] | None
    messages: tuple[Message, ...]


def read_log(path: Path, *, allow_incomplete: bool = True) -> Log:
    """Reads one log.

    Args:
        path: the file; a leftover ``NAME.recording`` will do.
        allow_incomplete: whether a cut or damaged log is returned with what is left of it.

    Raises:
        LogError: no such file, not a log of this robot, of an unknown format or with other signals, nothing left of
            it; or it is not complete and ``allow_incomplete`` is false.
    """
    data = _read(path)
    if data[: len(MCAP0_MAGIC)] != MCAP0_MAGIC:
        came = f"a file that begins with {data[:8]!r}" if data else "an empty file"
        raise LogError(f"an MCAP log in {path}", came, "name a file made by robot-il record")
    found = scan(data)
    if not found.channels and not found.messages:
        raise LogError(f"a log in {path}", f"a file cut after {len(data)} bytes, before its session", "record again")
    log = _assemble(path, found, _layout(path, found), hashlib.sha256(data).hexdigest())
    if log.status != COMPLETE and not allow_incomplete:
        remedy = f"see what is left with robot-il log recover {path}"
        raise LogError(f"a complete log in {path}", f"one that is {log.status}: {'; '.join(log.problems)}", remedy)
    return log


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LogError(f"to read a log in {path}", error.strerror or str(error), "check the name") from error


def _layout(path: Path, found: Scan) -> Layout:
    """The layout of the ticks, of a file that is a log of ours.

    Raises:
        LogError: someone else's file, or of a format or with signals that this build does not read.
    """
    channel = found.channels.get(schema.TICK_CHANNEL)
    kind = _schema_of(found, schema.TICK_CHANNEL)
    if channel is None or channel.topic != schema.TICK_TOPIC or (kind and kind.name != schema.TICK_SCHEMA_NAME):
        topics = ", ".join(sorted(entry.topic for entry in found.channels.values())) or "none"
        raise LogError(
            f"a log of robot-il with topic {schema.TICK_TOPIC} of {schema.TICK_SCHEMA_NAME} in {path}",
            f"someone else's MCAP file with topics {topics[:200]}",
            "import it with robot-il dataset import",
        )
    try:
        return layout_of(channel, kind)
    except LogError as error:
        raise LogError(f"{error.expected} in {path}", error.came, error.remedy) from None


def _schema_of(found: Scan, channel: int) -> Schema | None:
    """The schema of a channel; None where the file has none, or damage took it."""
    described = found.channels.get(channel)
    return found.schemas.get(described.schema_id) if described else None


def _assemble(path: Path, found: Scan, layout: Layout, sha256: str) -> Log:
    record = schema.tick_record(layout.dtype.itemsize)
    if found.tick_size not in (0, record.itemsize):
        raise LogError(
            f"ticks of {record.itemsize} bytes, as the schema in {path} says",
            f"{found.tick_size} bytes",
            "read it with the version that wrote it",
        )
    records = np.frombuffer(b"".join(found.ticks), record)
    if (records["cdr"].view("<u4") != np.frombuffer(schema.CDR_HEADER, "<u4")).any():
        raise LogError("ticks in little-endian CDR", "another encoding", "read it with the version that wrote it")
    lost = _lost_ticks(records["sequence"], found.written_ticks)
    problems = [*found.damage, *([f"{lost} ticks are lost"] if lost else [])]
    status = DAMAGED if problems else COMPLETE if found.closed else CUT
    if not found.closed:
        problems.append("the end of the file is missing")
    by_channel: dict[int, list[dict[str, Any]]] = {channel: [] for channel in found.channels}
    hands = [message.data for message in found.messages if message.channel == schema.HAND_CHANNEL]
    for message in found.messages:
        if message.channel != schema.HAND_CHANNEL:
            by_channel.setdefault(message.channel, []).append(_values(message))
    sessions = by_channel.get(schema.SESSION_CHANNEL)
    if not sessions:
        raise LogError(f"a session in {path}", "none that is intact", "record again")
    session = Session.from_json(sessions[0])
    return Log(
        path=path,
        ticks=_rows(records, layout),
        hands=hands_of(hands, _schema_of(found, schema.HAND_CHANNEL)),
        layout=layout,
        events=by_channel.get(schema.EVENT_CHANNEL, []),
        session=session,
        label=_label(by_channel.get(schema.LABEL_CHANNEL, []), session),
        status=status,
        sha256=sha256,
        lost_ticks=lost,
        problems=tuple(problems),
        written_by=sessions[0].get("written_by", {}),
        ended=sessions[-1].get("ended"),
        messages=tuple(found.messages),
    )


def _rows(records: np.ndarray, layout: Layout) -> np.ndarray:
    """The rows of the records in today's layout, read-only."""
    rows = layout.rows(records["row"])
    rows.flags.writeable = False
    return rows


def _lost_ticks(sequence: np.ndarray, written: int | None) -> int:
    """Ticks missing between the first that was written and the last that is known of."""
    known = max(written or 0, int(sequence[-1]) + 1 if len(sequence) else 0)
    return known - len(sequence)


def _values(message: Message) -> dict[str, Any]:
    try:
        values = json.loads(message.data)
    except ValueError as error:
        raise LogError("JSON in a message of the log", str(error), "read it with the version that wrote it") from error
    if not isinstance(values, dict):
        raise LogError("JSON objects in the messages", type(values).__name__, "read it with the version that wrote it")
    return values


def _label(messages: list[dict[str, Any]], session: Session) -> str:
    label = messages[-1].get("label") if messages else session.label
    if label not in LABELS:
        raise LogError(f"a label of {', '.join(LABELS)}", repr(label), "set one with robot-il log label")
    return label
