"""Episodes of the running session and of the finished recordings, in one list and under the same operations."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot_il.console.readings import Reading, Sketch, Unreadable
from robot_il.console.shelf import Shelf
from robot_il.recording.episode_book import Episode, EpisodeBook
from robot_il.recording.episode_journal import RECORDING_SUFFIX

if TYPE_CHECKING:
    from robot_il.console.model import Station

Operation = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One episode in the list.

    Attributes:
        path: its recording, by the name that it has once it is finished.
        live: whether that is being recorded now.
        episode: as it is now.
        number: its place among the episodes of its recording, from 1; 0 for a deleted one.
        next_id: the episode after it that it could be merged with; empty for none.
        unix_offset_ns: what to add to a time of the host's clock for the time of day; 0 where nobody knows.
    """

    path: Path
    live: bool
    episode: Episode
    number: int
    next_id: str
    unix_offset_ns: int

    @property
    def key(self) -> tuple[str, str]:
        """Tells it from every other entry."""
        return self.path.name, self.episode.id

    @property
    def name(self) -> str:
        """For a person."""
        return f"Episode {self.number}" if self.number else f"Episode {self.episode.id}"

    @property
    def began(self) -> datetime | None:
        """Its time of day, in local time."""
        if not self.unix_offset_ns:
            return None
        return datetime.fromtimestamp((self.unix_offset_ns + self.episode.start_ns) / 1e9).astimezone()

    @property
    def day(self) -> str:
        """Its date; empty where nobody knows."""
        return f"{self.began:%Y-%m-%d}" if self.began else ""


def entries_of(book: EpisodeBook, path: Path, live: bool, unix_offset_ns: int) -> list[Entry]:
    """The episodes of one recording, the newest first, the deleted ones among them."""
    present = [episode.id for episode in book.episodes]
    after = dict(itertools.pairwise([*present, ""]))
    entries = [
        Entry(
            path,
            live,
            episode,
            0 if episode.deleted else 1 + present.index(episode.id),
            after.get(episode.id, ""),
            unix_offset_ns,
        )
        for episode in book.all
    ]
    return entries[::-1]


def count_labels(entries: Iterable[Entry]) -> Counter[str]:
    """How many episodes have each label, and how many are ``deleted``."""
    return Counter("deleted" if entry.episode.deleted else entry.episode.label for entry in entries)


class EpisodeDesk:
    """Where the page finds episodes and changes them.

    Args:
        station: the running session.
        shelf: the recordings.
    """

    def __init__(self, station: Station, shelf: Shelf) -> None:
        self.station = station
        self.shelf = shelf
        self.unreadable: dict[Path, Unreadable] = {}
        """Recordings of which nothing can be shown, and why."""
        self.damaged: dict[Path, str] = {}
        """Recordings of which only a part is left, and what is wrong with them."""

    @property
    def live_path(self) -> Path | None:
        """The running session's recording, by its final name; None where no session runs."""
        return finished(self.station.log) if self.station.log and self.station.connected else None

    def state(self) -> object:
        """Another value whenever the list has changed; cheap enough to ask every second."""
        live = (self.live_path, tuple(self.station.book.all)) if self.live_path else ()
        running = self.live_path
        return live, tuple(entry for entry in self.shelf.state() if finished(entry[0]) != running)

    async def entries(self) -> list[Entry]:
        """All episodes, the newest first."""
        live = self.live_path
        found: list[Entry] = []
        self.unreadable, self.damaged = {}, {}
        if live:
            found += entries_of(self.station.book, live, True, time.time_ns() - time.monotonic_ns())
        for path in self.shelf.files():
            if live and finished(path) == live:
                continue
            reading = await self.shelf.reading(path)
            if isinstance(reading, Unreadable):
                self.unreadable[path] = reading
                continue
            if reading.status != "complete" or reading.book.problems:
                self.damaged[path] = "; ".join((*reading.problems, *reading.book.problems))
            found += entries_of(reading.book, path, False, reading.unix_offset_ns)
        return found

    async def book(self, entry: Entry) -> EpisodeBook | None:
        """The book that holds an episode; None once its recording cannot be read any more."""
        if entry.live:
            return self.station.book
        reading = await self.shelf.reading(entry.path)
        return reading.book if isinstance(reading, Reading) else None

    async def apply(self, entry: Entry, *operations: Operation) -> None:
        """Does operations on the episodes of an entry's recording.

        Raises:
            LogError: they do not fit its episodes, or cannot be written.
        """
        if entry.live:
            for operation in operations:
                self.station.episode_operation(operation)
        else:
            await self.shelf.edit(entry.path, operations)

    async def sketch(self, entry: Entry) -> Sketch | Unreadable | None:
        """Its picture and verdict; None while it is being recorded."""
        episode = entry.episode
        if episode.stop_ns is None:
            return None
        return await self.shelf.sketch(self._file(entry), episode.start_ns, episode.stop_ns)

    async def drawing(self, entry: Entry, start_ns: int, stop_ns: int, size: tuple[int, int]) -> str | Unreadable:
        """A large picture of a stretch of its recording."""
        return await self.shelf.drawing(self._file(entry), start_ns, stop_ns, size)

    def _file(self, entry: Entry) -> Path:
        """The file as it is called now."""
        open_file = entry.path.with_name(entry.path.name + RECORDING_SUFFIX)
        return open_file if entry.live and open_file.exists() else entry.path


def finished(path: Path) -> Path:
    """The name that a recording has, or will have, once it is finished."""
    return path.with_name(path.name.removesuffix(RECORDING_SUFFIX))


def undoing(book: EpisodeBook, operation: Operation) -> list[Operation]:
    """The operations that take one back.

    Args:
        book: as it was before.
        operation: that was done then.
    """
    name = operation["op"]
    if name == "merge":
        return [{"op": "delete", "id": operation["into"]}, *({"op": "restore", "id": one} for one in operation["ids"])]
    before = book.get(operation["id"])
    if name == "split":
        return [*({"op": "delete", "id": one} for one in operation["into"]), {"op": "restore", "id": before.id}]
    if name == "trim":
        return [{"op": "trim", "id": before.id, "start_ns": before.start_ns, "stop_ns": before.stop_ns}]
    opposite: dict[str, Operation] = {
        "label": {"op": "label", "label": before.label, **({"by": before.labelled_by} if before.labelled_by else {})},
        "note": {"op": "note", "note": before.note},
        "delete": {"op": "restore"},
        "restore": {"op": "delete"},
    }
    return [{**opposite[name], "id": before.id}] if name in opposite else []
