"""The Episodes view: all episodes with their traces, labelled in one press, and cut without touching a recording."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nicegui import background_tasks, ui

from robot_il.console.backroom import backroom_of
from robot_il.console.episode_cutter import EpisodeCutter
from robot_il.console.episode_desk import Entry, EpisodeDesk, Operation, count_labels, undoing
from robot_il.console.episode_row import EpisodeRow
from robot_il.console.parts import line, press, set_filled
from robot_il.console.theme import LABEL_TONES, set_tone
from robot_il.console.visit import tell
from robot_il.errors import RobotIlError
from robot_il.recording.episodes import new_id
from robot_il.recording.operations import LABEL_WORDS

if TYPE_CHECKING:
    from robot_il.console.folders import Folders
    from robot_il.console.model import Station

ROWS: Final = 40
"""Episodes that are shown at first, and how many more at each press."""
MAX_UNDO: Final = 50
EVERYTHING: Final = "everything"
DELETED: Final = "deleted"
ANY_DAY: Final = "any day"
_FILTERS: Final = {EVERYTHING: "all", **LABEL_WORDS, DELETED: "deleted"}
_NEWCOMER: Final = (
    "Nothing is recorded yet. Connect a robot or its twin in Drive, arm it, and press Record: each stretch that you "
    "record is listed here, with its traces, to be called good, ok or bad. Was something worth keeping not recorded? "
    "Save the last 30 s keeps it after the fact."
)


class EpisodesView:
    """The list, built in the parent element in the making.

    Args:
        station: the running session.
        folders: where the recordings are.
        on_replay: shows an episode of a recording; None where nothing can.
        shown: whether the person looks at this view; nothing is read for it otherwise.
    """

    def __init__(
        self,
        station: Station,
        folders: Folders,
        on_replay: Callable[[Path, str], None] | None = None,
        shown: Callable[[], bool] = lambda: True,
    ) -> None:
        self._shown = shown
        self._desk = EpisodeDesk(station, backroom_of(station, folders).shelf)
        self._on_replay = on_replay
        self._entries: list[Entry] = []
        self._rows: dict[tuple[str, str], EpisodeRow] = {}
        self._filter, self._day, self._most = EVERYTHING, ANY_DAY, ROWS
        self._state: object = None
        self._undo: list[tuple[str, Entry, list[Operation]]] = []
        self._refreshing = asyncio.Lock()
        self._sketching = False
        with ui.element("div").classes("ril-episodes").mark("episodes-view"):
            self._build_bar()
            self._problems = ui.element("div").classes("stack")
            self._list = ui.element("div").classes("ep-list")
            self._more = press("Show more", "more", self._show_more)
        self._cutter = EpisodeCutter(self._desk, self)
        self._timer = ui.timer(1.0, self.refresh)

    def _build_bar(self) -> None:
        with ui.element("div").classes("ep-bar"):
            with ui.element("div").classes("ep-filters"):
                self._chips = {name: self._chip(name) for name in _FILTERS}
            self._days = ui.select([ANY_DAY], value=ANY_DAY, label="day", on_change=self._choose_day).props(
                "outlined dense"
            )
            self._days.classes("ep-days").mark("day")
            self._undo_button = press("Undo", "undo", self.undo, icon="undo")

    def _chip(self, name: str) -> ui.button:
        async def choose() -> None:
            self._filter, self._most = name, ROWS
            self._render()

        chip = press(_FILTERS[name], f"filter-{name}", choose)
        set_tone(chip, LABEL_TONES.get(name, "calm"))
        return chip

    async def refresh(self) -> None:
        """Looks whether anything has changed, and shows it."""
        if not self._shown():
            return
        async with self._refreshing:
            state = self._desk.state()
            if state != self._state:
                self._entries = await self._desk.entries()
                self._state = state
                self._render()
        if not self._sketching:
            self._sketching = True
            background_tasks.create(self._sketch_rows())

    async def _choose_day(self) -> None:
        self._day = self._days.value or ANY_DAY
        self._render()

    def _show_more(self) -> None:
        self._most += ROWS
        self._render()

    def _chosen(self) -> list[Entry]:
        """The entries that pass the filters."""
        on_day = [entry for entry in self._entries if self._day in (ANY_DAY, entry.day)]
        if self._filter == DELETED:
            return [entry for entry in on_day if entry.episode.deleted]
        alive = [entry for entry in on_day if not entry.episode.deleted]
        return [entry for entry in alive if self._filter in (EVERYTHING, entry.episode.label)]

    def _render(self) -> None:
        """Shows the entries that pass; rows that stay are only brought up to date."""
        chosen = self._chosen()
        self._render_bar()
        shown = chosen[: self._most]
        self._more.visible = len(chosen) > len(shown)
        self._more.text = f"Show more ({len(chosen) - len(shown)})"
        keys = [(*entry.key, str(entry.episode.deleted)) for entry in shown]
        if keys == [(*key, str(row.entry.episode.deleted)) for key, row in self._rows.items()] and shown:
            for entry in shown:
                self._rows[entry.key].update(entry)
            return
        self._list.clear()
        self._rows = {}
        with self._list:
            log = None
            for entry in shown:
                if entry.path != log:
                    log = entry.path
                    _heading(entry)
                self._rows[entry.key] = EpisodeRow(entry, self)
            if not shown:
                self._render_empty()

    def _render_bar(self) -> None:
        counts = count_labels(self._entries)
        counts[EVERYTHING] = sum(counts.values()) - counts[DELETED]
        for name, chip in self._chips.items():
            chip.text = f"{_FILTERS[name]}  {counts[name]}"
            set_filled(chip, name == self._filter)
            chip.visible = name in (EVERYTHING, self._filter) or name in LABEL_WORDS or counts[name] > 0
        days = [ANY_DAY, *dict.fromkeys(entry.day for entry in self._entries if entry.day)]
        if days != self._days.options:
            self._days.set_options(days, value=self._day if self._day in days else ANY_DAY)
        self._undo_button.visible = bool(self._undo)
        self._problems.clear()
        with self._problems:
            for path, why in self._desk.unreadable.items():
                line("alarm", "error", f"{path.name} cannot be read", why.came, why.remedy)
            for path, what in self._desk.damaged.items():
                line("warn", "warning", f"{path.name} is not complete", what, "what is left of it is shown")

    def _render_empty(self) -> None:
        with ui.element("div").classes("panel pad ep-empty"):
            ui.icon("timeline")
            if self._entries:
                ui.label("No episode is like that.").classes("name")
            else:
                ui.label("No episodes yet").classes("name")
                ui.label(_NEWCOMER).classes("hint")

    async def _sketch_rows(self) -> None:
        """Draws what is missing, one after the other, while the rest of the page goes on."""
        try:
            for row in list(self._rows.values()):
                if row.element.is_deleted or not row.wants_sketch:
                    continue
                sketch = await self._desk.sketch(row.entry)
                if not row.element.is_deleted:
                    row.show(sketch)
        finally:
            self._sketching = False

    async def apply(self, entry: Entry, operation: Operation, done: str) -> None:
        """Does an operation on an episode and remembers how to take it back; says so where it cannot be done."""
        book = await self._desk.book(entry)
        try:
            back = undoing(book, operation) if book else []
            await self._desk.apply(entry, operation)
        except RobotIlError as error:
            tell(error)
            self._state = None
            await self.refresh()
            return
        if back:
            self._undo = [*self._undo, (done, entry, back)][-MAX_UNDO:]
            self._undo_button.text = f"Undo: {done}"
        await self.refresh()

    async def undo(self) -> None:
        """Takes the last operation back."""
        if not self._undo:
            return
        _, entry, back = self._undo.pop()
        try:
            live = self._desk.live_path == entry.path
            await self._desk.apply(replace(entry, live=live), *back)
        except RobotIlError as error:
            tell(error)
        if self._undo:
            self._undo_button.text = f"Undo: {self._undo[-1][0]}"
        self._undo_button.visible = bool(self._undo)
        await self.refresh()

    async def merge(self, entry: Entry) -> None:
        """Makes one of an episode and the next one of its recording."""
        book = await self._desk.book(entry)
        if book is not None and entry.next_id:
            ids = [entry.episode.id, entry.next_id]
            await self.apply(entry, {"op": "merge", "ids": ids, "into": new_id(book)}, f"{entry.name} merged")

    async def cut(self, entry: Entry) -> None:
        """Opens the cutter on an episode."""
        await self._cutter.open(entry)

    def replay(self, entry: Entry) -> None:
        """Shows an episode as it was driven."""
        if self._on_replay is not None:
            self._on_replay(entry.path, entry.episode.id)


def _heading(entry: Entry) -> None:
    """The name of the recording over its episodes."""
    day = f"{entry.began:%A, %d %B %Y}  ·  " if entry.began else ""
    ui.label(f"{day}{entry.path.name}" + ("  ·  running session" if entry.live else "")).classes("head ep-head")
