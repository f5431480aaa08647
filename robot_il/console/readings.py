"""What the page wants to know of recordings, worked out in a process of its own so that neither page nor hands wait.

The functions run in that process (``shelf.Shelf`` owns it). Its last recordings stay in its memory: whoever cuts an
episode asks for the same one again and again.
"""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np

from robot_il.console.thumbnails import THUMBNAIL, labelled_picture, picture
from robot_il.errors import RobotIlError
from robot_il.recording import schema
from robot_il.recording.check import FAIL, WARN, check
from robot_il.recording.episodes import EpisodeBook, book_of, edit
from robot_il.recording.reader import Log, read_log

NICENESS: Final = 10
KEPT_LOGS: Final = 2

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Unreadable:
    """Why something cannot be shown, in the words of the error; errors themselves do not travel between processes."""

    expected: str
    came: str
    remedy: str

    def __str__(self) -> str:
        return f"expected {self.expected}; came {self.came}; {self.remedy}"


@dataclass(frozen=True)
class Reading:
    """A recording without its ticks.

    Attributes:
        path: the file.
        status: ``complete``, ``cut`` or ``damaged``.
        problems: what is not as it should be, for a person.
        ticks: how many there are.
        begin_ns: time of the first tick on the host's clock; 0 without one.
        end_ns: time of the last tick.
        unix_offset_ns: what to add to a time of that clock for the time of day; 0 where the log does not say.
        rate_hz: ticks a second.
        driver: name of what drove.
        synthetic: whether no person and no real robot made it.
        book: its episodes.
    """

    path: Path
    status: str
    problems: tuple[str, ...]
    ticks: int
    begin_ns: int
    end_ns: int
    unix_offset_ns: int
    rate_hz: int
    driver: str
    synthetic: bool
    book: EpisodeBook


@dataclass(frozen=True)
class Sketch:
    """An episode at a glance.

    Attributes:
        svg: its traces.
        passed: whether it is fit to learn from.
        findings: what speaks against it, in words.
        whole: False where the recording does not reach its end yet.
    """

    svg: str
    passed: bool
    findings: tuple[str, ...]
    whole: bool


@dataclass(frozen=True, eq=False)
class Stretch:
    """A part of a recording with its ticks, (T,) of ``spec.TICK_DTYPE``, and its events."""

    reading: Reading
    ticks: np.ndarray
    events: tuple[dict[str, Any], ...]


def begin_apart() -> None:
    """Prepares this process, once: it has low priority, and ends with the console, however that ends."""
    os.nice(NICENESS)
    threading.Thread(target=_end_with_the_console, daemon=True).start()


def _end_with_the_console() -> None:
    console = multiprocessing.parent_process()
    if console is not None:
        console.join()
        os._exit(0)


def stamp(path: Path) -> tuple[int, int]:
    """Time of the last change in ns and size in bytes: another stamp, another content. Zeros for no file."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def told(work: Callable[P, T]) -> Callable[P, T | Unreadable]:
    """Gives back an ``Unreadable`` where ``work`` raises one of the project's errors."""

    @functools.wraps(work)
    def try_it(*args: P.args, **kwargs: P.kwargs) -> T | Unreadable:
        try:
            return work(*args, **kwargs)
        except RobotIlError as error:
            return Unreadable(error.expected, error.came, error.remedy)

    return try_it


@told
def read(path: Path) -> Reading:
    """Everything but the ticks."""
    return _reading(_log(path, stamp(path)))


@told
def sketch(path: Path, start_ns: int, stop_ns: int, size: tuple[int, int] = THUMBNAIL) -> Sketch:
    """The picture of a stretch and the verdict on it."""
    log = _log(path, stamp(path))
    times = log.ticks["host_receive_ns"]
    whole = bool(len(times)) and int(times[-1]) + 1e9 / log.session.rate_hz >= stop_ns
    return _sketch(between(log, start_ns, stop_ns), start_ns, stop_ns, size, whole)


@told
def drawing(path: Path, start_ns: int, stop_ns: int, size: tuple[int, int]) -> str:
    """A large picture of a stretch alone."""
    return labelled_picture(between(_log(path, stamp(path)), start_ns, stop_ns).ticks, start_ns, stop_ns, size)


@told
def stretch(path: Path, start_ns: int | None = None, stop_ns: int | None = None) -> Stretch:
    """The ticks and events of a stretch, or of the whole recording."""
    log = _log(path, stamp(path))
    reading = _reading(log)
    start = reading.begin_ns if start_ns is None else start_ns
    stop = reading.end_ns + 1 if stop_ns is None else stop_ns
    part = between(log, start, stop)
    return Stretch(reading, np.array(part.ticks), tuple(part.events))


@told
def edit_episodes(path: Path, operations: list[dict[str, Any]]) -> EpisodeBook:
    """Does operations on the episodes of a recording, all or none; returns the book that they make."""
    return edit(_log(path, stamp(path)), operations)


def between(log: Log, start_ns: int, stop_ns: int) -> Log:
    """The part of a log from ``start_ns`` to before ``stop_ns``."""
    times = log.ticks["host_receive_ns"]
    events = [event for event in log.events if start_ns <= int(event.get("host_ns", 0)) < stop_ns]
    hands = log.hands[(log.hands["host_ns"] >= start_ns) & (log.hands["host_ns"] < stop_ns)]
    ticks = log.ticks[(times >= start_ns) & (times < stop_ns)]
    return dataclasses.replace(log, ticks=ticks, hands=hands, events=events, messages=())


def _sketch(log: Log, start_ns: int, stop_ns: int, size: tuple[int, int], whole: bool) -> Sketch:
    report = check(log)
    findings = [finding for wanted in (FAIL, WARN) for finding in report.findings if finding.severity == wanted]
    return Sketch(
        picture(log.ticks, start_ns, stop_ns, size),
        report.passed,
        tuple(f"{finding.severity}: {finding.name}: {finding.text}" for finding in findings),
        whole,
    )


@functools.lru_cache(KEPT_LOGS)
def _log(path: Path, _stamp: tuple[int, int]) -> Log:
    return read_log(path)


def _reading(log: Log) -> Reading:
    times = log.ticks["host_receive_ns"]
    return Reading(
        path=log.path,
        status=log.status,
        problems=log.problems,
        ticks=len(log.ticks),
        begin_ns=int(times.min(initial=times[0])) if len(times) else 0,
        end_ns=int(times.max(initial=times[0])) if len(times) else 0,
        unix_offset_ns=_unix_offset_ns(log),
        rate_hz=log.session.rate_hz,
        driver=str(log.session.controller.get("name", "")),
        synthetic=log.session.synthetic,
        book=book_of(log),
    )


def _unix_offset_ns(log: Log) -> int:
    """The session message is stamped with both clocks at the same moment."""
    started = log.written_by.get("started_unix_ns")
    opened = next((message.host_ns for message in log.messages if message.channel == schema.SESSION_CHANNEL), None)
    return started - opened if isinstance(started, int) and opened is not None else 0
