"""Which episodes of which recordings a dataset is built of, each with its label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from robot_il.errors import DataError, LogError
from robot_il.learning.build_request import REFUSE, Request
from robot_il.recording.episodes import WHOLE, Episode, EpisodeBook, part_of, read_with_book
from robot_il.recording.reader import Log
from robot_il.recording.rewrite import RECORDING_SUFFIX
from robot_il.spec import CONTROL_RATE_HZ, LABELS

LOG_PATTERN: Final = "*.mcap"


@dataclass(frozen=True, eq=False)
class Source:
    """One episode that a dataset is to be built of.

    Attributes:
        path: the recording's file.
        log: the episode's part of it, with the label under which it is used.
        episode: what the recording's book says of it.
        start_s: when it begins, in s from the recording's first tick.
    """

    path: Path
    log: Log
    episode: Episode
    start_s: float

    @property
    def label(self) -> str:
        """The label under which it is used."""
        return self.log.label

    @property
    def name(self) -> str:
        """The file, and the episode in it where it is not all of it."""
        return self.path.name if self.episode.id == WHOLE else f"{self.path.name} {self.episode.id}"

    def provenance(self) -> dict[str, Any]:
        """The episode as a dataset tells it: where in which recording, its label and who set it."""
        episode = self.episode
        return {
            "id": episode.id,
            "start_s": round(self.start_s, 6),
            "seconds": episode.seconds,
            "mode": episode.mode,
            "label": episode.label,
            "labelled_by": episode.labelled_by,
            "note": episode.note,
            "cut": episode.cut,
        }


@dataclass(frozen=True, eq=False)
class Sources:
    """All that was found.

    Attributes:
        found: the episodes, in the order of their labels and of the files.
        notes: what is to be told of the files, one line each.
        unreadable: files that lay in a folder and cannot be read: name and reason.
    """

    found: tuple[Source, ...]
    notes: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]


def find_sources(request: Request, progress: Callable[[str], None]) -> Sources:
    """Reads the recordings and takes the episodes out of them.

    Args:
        request: what to build.
        progress: called with one line for each file.

    Raises:
        LogError: a file that is named cannot be read, or a folder has no log.
        DataError: a recording given twice, or of another rate than a dataset's.
    """
    found: list[Source] = []
    notes: list[str] = []
    unreadable: list[tuple[str, str]] = []
    seen: dict[object, Path] = {}
    for label, path, named in _files(request):
        try:
            log, book = read_with_book(path)
        except LogError as error:
            if named or request.failed == REFUSE:
                raise
            unreadable.append((path.name, error.came))
            progress(f"{path}: left out: {error}")
            continue
        _refuse_again(log, path, seen)
        label_of = label or "its own labels"
        progress(f"{path}: {len(log.ticks)} ticks, {log.status}, {len(book.episodes)} episodes, {label_of}")
        notes += _remarks(path, log, book)
        found += [_source(path, log, episode, label) for episode in book.episodes]
    if not found:
        came = f"none in {len(seen)} recordings"
        raise DataError("at least one episode", came, "make some: robot-il log add FILE --from S --to S")
    ordered = [source for label in LABELS if label in request.labels for source in found if source.label == label]
    if not ordered:
        came = f"none of these among {len(found)}"
        raise DataError(f"episodes of the labels {', '.join(request.labels)}", came, "label some, or name other labels")
    if len(ordered) < len(found):
        notes.append(f"{len(found) - len(ordered)} episodes of labels that were not asked for are left out")
    return Sources(tuple(ordered), tuple(notes), tuple(unreadable))


def _files(request: Request) -> Iterator[tuple[str | None, Path, bool]]:
    """Label that overrides, file, and whether it was named itself; a folder gives all logs under it."""
    given: dict[Path, bool] = {}
    for place in request.recordings:
        inside = sorted(place.rglob(LOG_PATTERN)) if place.is_dir() else [place]
        if not inside:
            left = len(list(place.rglob(LOG_PATTERN + RECORDING_SUFFIX)))
            remedy = f"recover {left} unfinished ones: robot-il log recover {place}" if left else "name another folder"
            raise LogError(f"logs ({LOG_PATTERN}) in {place}", "none", remedy)
        for path in inside:
            given[path] = given.get(path, False) or not place.is_dir()
    for label in LABELS:
        yield from ((label, path, True) for path in request.logs.get(label, ()))
    yield from ((None, path, named) for path, named in given.items())


def _refuse_again(log: Log, path: Path, seen: dict[object, Path]) -> None:
    """One recording is used once, also where the same one lies there recovered or relabelled under another name."""
    marks: list[object] = [log.sha256]
    if log.written_by.get("started_unix_ns"):
        marks.append((log.written_by["started_unix_ns"], str(log.written_by.get("machine")), log.session.task))
    for mark in marks:
        if mark in seen:
            raise DataError("each recording once", f"{path}, the same as {seen[mark]}", "name one of them")
    seen.update(dict.fromkeys(marks, path))
    if log.session.rate_hz != CONTROL_RATE_HZ:
        remedy = f"record at {CONTROL_RATE_HZ} Hz what is to be learned from"
        raise DataError(f"recordings at {CONTROL_RATE_HZ} Hz", f"{path} at {log.session.rate_hz} Hz", remedy)


def _source(path: Path, log: Log, episode: Episode, label: str | None) -> Source:
    first_ns = int(log.ticks["host_receive_ns"][0]) if len(log.ticks) else episode.start_ns
    part = part_of(log, episode)
    return Source(path, replace(part, label=label or episode.label), episode, (episode.start_ns - first_ns) / 1e9)


def _remarks(path: Path, log: Log, book: EpisodeBook) -> list[str]:
    deleted = sum(episode.deleted and not episode.replaced_by for episode in book.all)
    remarks = [f"{path.name}: {problem}" for problem in book.problems]
    if deleted:
        remarks.append(f"{path.name}: {deleted} deleted episodes are not used")
    if not book.episodes:
        remarks.append(f"{path.name}: no episode in it")
    return remarks
