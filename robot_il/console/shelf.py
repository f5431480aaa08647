"""The recordings in a folder, as the page sees them: read beside it, kept, and edited through their journals."""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from robot_il.console import readings
from robot_il.console.readings import Reading, Sketch, Stretch, Unreadable, stamp
from robot_il.console.thumbnails import THUMBNAIL
from robot_il.errors import LogError
from robot_il.recording.episode_journal import RECORDING_SUFFIX, journal_of

LOG_SUFFIX: Final = ".mcap"
MAX_SKETCHES: Final = 2000

P = ParamSpec("P")
T = TypeVar("T")


class Shelf:
    """Reads the recordings of a folder in one process of low priority, and remembers what it read.

    Args:
        folder: of the recordings; need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pool: ProcessPoolExecutor | None = None
        self._readings: dict[Path, tuple[object, Reading | Unreadable]] = {}
        self._sketches: OrderedDict[object, Sketch | Unreadable] = OrderedDict()
        self._editing = asyncio.Lock()

    def files(self) -> list[Path]:
        """The recordings, the newest first; one that was left open by a crash has its suffix still."""
        suffixes = (LOG_SUFFIX, LOG_SUFFIX + RECORDING_SUFFIX)
        try:
            found = [path for path in self.folder.iterdir() if path.name.endswith(suffixes) and path.is_file()]
        except OSError:
            return []
        return sorted(found, key=lambda path: path.name, reverse=True)

    def state(self) -> tuple[tuple[Path, tuple[int, int], tuple[int, int]], ...]:
        """Another value whenever a recording or what is said of it has changed."""
        return tuple((path, stamp(path), stamp(journal_of(path))) for path in self.files())

    async def reading(self, path: Path) -> Reading | Unreadable:
        """A recording without its ticks; the same answer at once for as long as its files do not change."""
        key = (stamp(path), stamp(journal_of(path)))
        kept = self._readings.get(path)
        if kept is None or kept[0] != key:
            kept = (key, await self._apart(readings.read, path))
            self._readings[path] = kept
        return kept[1]

    async def sketch(self, path: Path, start_ns: int, stop_ns: int) -> Sketch | Unreadable:
        """An episode's picture and verdict."""
        growing = path.name.endswith(RECORDING_SUFFIX)
        key = (path, growing or stamp(path), start_ns, stop_ns)
        kept = self._sketches.get(key)
        if kept is None:
            kept = await self._apart(readings.sketch, path, start_ns, stop_ns, THUMBNAIL)
            if isinstance(kept, Sketch) and kept.whole:
                self._sketches[key] = kept
                while len(self._sketches) > MAX_SKETCHES:
                    self._sketches.popitem(last=False)
        return kept

    async def drawing(self, path: Path, start_ns: int, stop_ns: int, size: tuple[int, int]) -> str | Unreadable:
        """A larger picture of a stretch."""
        return await self._apart(readings.drawing, path, start_ns, stop_ns, size)

    async def stretch(
        self, path: Path, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Stretch | Unreadable:
        """Ticks and events of a stretch, or of the whole recording."""
        return await self._apart(readings.stretch, path, start_ns, stop_ns)

    async def edit(self, path: Path, operations: Sequence[dict[str, Any]]) -> None:
        """Does operations on the episodes of a finished recording, all or none, and keeps them in its journal.

        Raises:
            LogError: they do not fit its episodes, or the journal cannot be written; nothing is done then.
        """
        async with self._editing:
            book = await self._apart(readings.edit_episodes, path, list(operations))
            if isinstance(book, Unreadable):
                raise LogError(book.expected, book.came, book.remedy)
            reading = (self._readings.get(path) or (None, None))[1]
            if isinstance(reading, Reading):
                key = (stamp(path), stamp(journal_of(path)))
                self._readings[path] = (key, dataclasses.replace(reading, book=book))

    def close(self) -> None:
        """Ends the process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    async def _apart(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a function in the process beside this one; a second time where that process has died."""
        del kwargs
        for last in (False, True):
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(1, context, initializer=readings.begin_apart)
            try:
                return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
            except BrokenProcessPool:
                self._pool = None
                if last:
                    raise
        raise AssertionError  # both turns of the loop return or raise
