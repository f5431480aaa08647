"""Episodes of a recording: the book of them, each as a part of its log, and what is appended to the journal.

An episode is a stretch of a raw log. The log holds operations as ``episode`` events, the journal beside it those that
came later; folded in this order they give the book. Neither reading nor editing ever changes the raw log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from robot_il.errors import LogError
from robot_il.recording import schema
from robot_il.recording.episode_book import BY_RECORDING, Episode, EpisodeBook
from robot_il.recording.episode_journal import (
    Journal,
    appending,
    journal_of,
    left_behind,
    read_journal,
)
from robot_il.recording.operations import EPISODE_EVENT, well_formed
from robot_il.recording.proposal import propose
from robot_il.recording.reader import Log, read_log
from robot_il.recording.rewrite import RECORDING_SUFFIX
from robot_il.recording.scan import scan
from robot_il.recording.session import Session

__all__ = [
    "Episode",
    "EpisodeBook",
    "append_operations",
    "book_of",
    "edit",
    "journal_of",
    "new_id",
    "part_of",
    "propose",
    "read_with_book",
]

WHOLE: Final = "whole"
"""Id of the one episode of a recording that knows of none."""
SESSION_CONTROLLER: Final = "session"
"""Name of the controller in a log that runs on between episodes; what is in none of them is not to be used."""
_HEAD_BYTES: Final = 2**20
"""The description of a log is in its first chunk."""
_MAX_PROBLEMS: Final = 20
_EVER_NS: Final = 2**63 - 1


def book_of(log: Log) -> EpisodeBook:
    """The episodes of a log: its own ``episode`` events, then the journal beside it.

    A log without any such event is one episode, ``whole``, with the log's label; a session log is none. What cannot be
    used of an event or a journal is left out and told in ``problems``; so is a journal of another recording that has
    this one's name, and one that was left behind under the log's former name.

    Args:
        log: as ``read_log`` gives it.

    Raises:
        LogError: the journal is there and cannot be read, is too large, or was written by a later version.
    """
    book = _recorded_book(log)
    journal = read_journal(log.path)
    if journal.is_of(_started_unix_ns(log.written_by)):
        _add(book, journal, log)
    else:
        book.problems.append(f"{journal.path.name} is the journal of another recording; nothing of it is used")
    if not journal.path.exists():
        book.problems += _left_behind(log)
    return book


def read_with_book(path: Path) -> tuple[Log, EpisodeBook]:
    """A log and its episodes.

    Raises:
        LogError: as ``read_log`` and ``book_of``; of a log whose journal alone is there, it says so.
    """
    journal = journal_of(path)
    if not path.exists() and journal.exists():
        came = f"only its journal {journal.name}"
        raise LogError(f"a log {path}", came, "give the log this name again, or the journal the log's new name")
    log = read_log(path)
    return log, book_of(log)


def edit(log: Log, operations: Iterable[dict[str, Any]]) -> EpisodeBook:
    """Appends operations to a log's journal, all of them or none; returns the book that they make.

    They are tried on the book as it is now, while the journal is locked: two people who edit at once never leave an
    operation in it that does not fit.

    Args:
        log: as ``read_log`` gives it.
        operations: as data/formats/log.md describes them.

    Raises:
        LogError: one does not fit, or the journal cannot be written; nothing is appended then.
    """
    book = _recorded_book(log)
    wanted = [well_formed(operation) for operation in operations]
    with appending(log.path, _started_unix_ns(log.written_by)) as appender:
        _add(book, appender.journal, log)
        for operation in wanted:
            book.apply(operation)
        appender.append(wanted)
    return book


def append_operations(log_path: Path, operations: Iterable[dict[str, Any]]) -> None:
    """Appends operations to a log's journal without reading all of the log, and waits for the disk.

    They are only checked to be well formed: whoever has the log at hand uses ``edit``. What does not fit is left out
    and told where the book is read.

    Args:
        log_path: the log, finished or still ``NAME.recording``.
        operations: as data/formats/log.md describes them.

    Raises:
        LogError: one is not well formed, there is no such log, or the journal cannot be written.
    """
    wanted = [well_formed(operation) for operation in operations]
    with appending(log_path, started_unix_ns(log_path)) as appender:
        appender.append(wanted)


def part_of(log: Log, episode: Episode) -> Log:
    """An episode as a log of its own: its ticks, events and hands, its task and its label.

    Events before the log's first tick, and after its last, count as part of the episode that has that tick.

    Args:
        log: the whole recording.
        episode: one of its.
    """
    times = log.ticks["host_receive_ns"]
    stop_ns = _EVER_NS if episode.stop_ns is None else episode.stop_ns
    inside = (times >= episode.start_ns) & (times < stop_ns)
    first_ns = -_EVER_NS if len(times) and inside[0] else episode.start_ns
    end_ns = _EVER_NS if len(times) and inside[-1] else stop_ns
    rows = np.flatnonzero(inside)
    # a stretch in one piece stays a view
    whole = len(rows) and rows[-1] - rows[0] + 1 == len(rows)
    ticks = log.ticks[rows[0] : rows[-1] + 1] if whole else log.ticks[rows]
    ticks.flags.writeable = False
    hands = log.hands[(log.hands["host_ns"] >= first_ns) & (log.hands["host_ns"] < end_ns)]
    hands.flags.writeable = False
    return replace(
        log,
        ticks=ticks,
        hands=hands,
        events=[event for event in log.events if first_ns <= event.get("host_ns", 0) < end_ns],
        session=replace(log.session, task=episode.task),
        label=episode.label,
        messages=(),
    )


def new_id(book: EpisodeBook) -> str:
    """A name that no episode of the book has or had: ``e1``, ``e2``, ..."""
    taken = {episode.id for episode in book.all}
    number = 1 + len(taken)
    while f"e{number}" in taken:
        number += 1
    return f"e{number}"


def has_own_episodes(log: Log) -> bool:
    """Whether a log is made of episodes: it has such events, or is a session that runs on between them."""
    named = any(event.get("name") == EPISODE_EVENT for event in log.events)
    return named or log.session.controller.get("name") == SESSION_CONTROLLER


def started_unix_ns(log_path: Path) -> int:
    """When a recording began, by the wall clock, from the first bytes of its file; 0 where it does not say.

    Raises:
        LogError: there is no such file, neither finished nor still ``NAME.recording``.
    """
    for path in (log_path, log_path.with_name(log_path.name + RECORDING_SUFFIX)):
        try:
            with path.open("rb") as file:
                return _started_in(file.read(_HEAD_BYTES))
        except OSError:
            continue
    raise LogError(f"a log {log_path} to keep a journal of", "none", "check the name")


def _started_in(head: bytes) -> int:
    for message in scan(head).messages:
        if message.channel == schema.SESSION_CHANNEL:
            return _started_unix_ns(_object(message.data).get("written_by"))
    return 0


def _object(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _started_unix_ns(written_by: object) -> int:
    value = written_by.get("started_unix_ns") if isinstance(written_by, dict) else None
    return value if isinstance(value, int) and value > 0 else 0


def _recorded_book(log: Log) -> EpisodeBook:
    """The book as the log alone tells it."""
    if not has_own_episodes(log):
        start_ns = int(log.ticks["host_receive_ns"].min()) if len(log.ticks) else 0
        return EpisodeBook([_whole(log.session, log.label, start_ns, _last_ns(log) + 1)])
    book = EpisodeBook()
    details = (event.get("detail") for event in log.events if event.get("name") == EPISODE_EVENT)
    _fold(book, details, log.path.name)
    book.close_open(_last_ns(log))
    return book


def _last_ns(log: Log) -> int:
    """Time of the last tick; 0 where there is none."""
    return int(log.ticks["host_receive_ns"].max()) if len(log.ticks) else 0


def _whole(session: Session, label: str, start_ns: int, stop_ns: int) -> Episode:
    name = str(session.controller.get("name", ""))
    return Episode(
        WHOLE,
        start_ns,
        stop_ns,
        session.task,
        name,
        label=label,
        labelled_by=BY_RECORDING,
        note=session.note,
        recorded_ns=(start_ns, stop_ns),
    )


def _add(book: EpisodeBook, journal: Journal, log: Log) -> None:
    book.problems += journal.problems
    _fold(book, journal.operations, journal.path.name)
    book.close_open(_last_ns(log))


def _fold(book: EpisodeBook, operations: Iterable[object], source: str) -> None:
    """Applies what can be applied, and tells of the rest."""
    wrong: list[str] = []
    for operation in operations:
        try:
            book.apply(operation)
        except LogError as error:
            wrong.append(f"{source}: an operation is left out: {error}")
    if len(wrong) > _MAX_PROBLEMS:
        wrong[_MAX_PROBLEMS:] = [f"{source}: {len(wrong) - _MAX_PROBLEMS} more operations are left out"]
    book.problems += wrong


def _left_behind(log: Log) -> Iterator[str]:
    path = left_behind(log.path, _started_unix_ns(log.written_by))
    if path:
        yield (
            f"edits of its episodes are in {path.name}, from when the log had that name; "
            f"rename that journal to {journal_of(log.path).name}"
        )
