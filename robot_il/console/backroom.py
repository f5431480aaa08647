"""What all pages of one console share: the recordings that were read, and the job that runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from nicegui import app

from robot_il.console.jobs import Jobs
from robot_il.console.learning_commands import Method, methods_of
from robot_il.console.shelf import Shelf

if TYPE_CHECKING:
    from robot_il.console.folders import Folders
    from robot_il.console.model import Station

BUSY_PHASES: Final = {
    "checking": "the robot is being checked",
    "driving": "the robot is being driven",
    "stopping": "the robot is coming to rest",
}
"""Phases of the station in which nothing else may take the machine's time, in words."""

_BACKROOMS: dict[Station, Backroom] = {}
"""Those that are open; each leaves with the end of its console."""


class Backroom:
    """Readers and jobs of one station.

    Args:
        station: whose phase says whether a job may run.
        folders: where things are.
    """

    def __init__(self, station: Station, folders: Folders) -> None:
        self.station = station
        self.folders = folders
        self.shelf = Shelf(folders.sessions)
        self.jobs = Jobs(self.busy)
        self._asking: asyncio.Task[list[str]] | None = None
        self._closed = False
        self._methods: tuple[Method, ...] = ()
        app.on_shutdown(self.close)

    def busy(self) -> str:
        """Why no job may run now; empty when one may."""
        return BUSY_PHASES.get(self.station.phase, "")

    async def methods(self) -> tuple[Method, ...]:
        """The ways to train; none as long as nobody could be asked."""
        if not self._methods and self._asking is None and not self.busy() and not self._closed:
            self._asking = asyncio.create_task(self.jobs.ask(("train", "--list")))
        if self._asking is not None:
            # a page that is closed meanwhile takes nothing from the others
            self._methods = tuple(methods_of(await asyncio.shield(self._asking)))
            self._asking = None
        return self._methods

    async def close(self) -> None:
        """Ends whatever runs beside the page."""
        _BACKROOMS.pop(self.station, None)
        self._closed = True
        self.shelf.close()
        await self.jobs.close()
        if self._asking is not None:
            await self._asking


def backroom_of(station: Station, folders: Folders) -> Backroom:
    """The backroom of a station, the same for every page."""
    found = _BACKROOMS.get(station)
    if found is None:
        found = _BACKROOMS[station] = Backroom(station, folders)
    return found
