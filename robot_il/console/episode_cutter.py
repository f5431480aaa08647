"""A dialog over one episode's traces: keep less of it, get back what was trimmed away, or make two of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nicegui import ui

from robot_il.console.episode_desk import Entry, EpisodeDesk
from robot_il.console.parts import press, set_end
from robot_il.console.readings import Unreadable
from robot_il.console.thumbnails import WIDE
from robot_il.recording.episodes import new_id

if TYPE_CHECKING:
    from robot_il.console.episode_row import Actions

STEP_S: Final = 0.005
"""One period of the control loop."""


class EpisodeCutter:
    """The dialog, built in the parent element in the making and opened when it is asked for.

    Args:
        desk: where the episodes are.
        actions: of the list, which does what is decided here.
    """

    def __init__(self, desk: EpisodeDesk, actions: Actions) -> None:
        self._desk = desk
        self._actions = actions
        self._entry: Entry | None = None
        self._begin_ns = 0
        # without a backdrop: the emergency stop behind it stays within reach
        self._dialog = ui.dialog().props("full-width seamless").mark("cutter")
        with self._dialog, ui.card().classes("ril ep-cutter"):
            self._title = ui.label().classes("name")
            with ui.element("div").classes("ep-wide"):
                self._picture = ui.html("", sanitize=False).classes("ep-wide-picture")
                self._shades = [ui.element("div").classes("shade"), ui.element("div").classes("shade")]
                self._line = ui.element("div").classes("cut-line")
            self._range = ui.range(min=0.0, max=1.0, step=STEP_S, on_change=self._ranged).mark("trim-range")
            with ui.element("div").classes("row wrap"):
                self._start = self._number("keep from", "trim-start")
                self._stop = self._number("to", "trim-stop")
                press("Trim", "trim", self._trim, icon="content_cut", classes="primary")
                self._kept = ui.label().classes("hint grow")
            self._cut = ui.slider(min=0.0, max=1.0, step=STEP_S, on_change=self._cut_moved).mark("split-slider")
            with ui.element("div").classes("row wrap"):
                self._at = self._number("split at", "split-at")
                press("Split", "split", self._split, icon="call_split")
                ui.label("makes two episodes; each keeps the label and the note").classes("hint grow")
                press("Close", "close", self._dialog.close)

    def _number(self, name: str, marker: str) -> ui.number:
        number = ui.number(name, step=STEP_S, format="%.3f", suffix="s", on_change=self._typed)
        return number.props("outlined dense").classes("ep-number").mark(marker)

    async def open(self, entry: Entry) -> None:
        """Shows an episode within all that was recorded of it."""
        episode = entry.episode
        if episode.recorded_ns is None or episode.stop_ns is None:
            ui.notify("it is still being recorded; stop it first", type="warning", position="top")
            return
        self._entry = entry
        begin_ns, end_ns = episode.recorded_ns
        self._begin_ns = begin_ns
        length_s = round((end_ns - begin_ns) / 1e9, 3)
        self._title.text = f"{entry.name}: {length_s:.3f} s were recorded"
        for slider in (self._range, self._cut):
            set_end(slider, length_s)
        start_s, stop_s = (round((time - begin_ns) / 1e9, 3) for time in (episode.start_ns, episode.stop_ns))
        self._range.value = {"min": start_s, "max": stop_s}
        self._cut.value = round((start_s + stop_s) / 2, 3)
        self._picture.content = '<div class="ep-wait">reading</div>'
        self._dialog.open()
        drawing = await self._desk.drawing(entry, begin_ns, end_ns, WIDE)
        if isinstance(drawing, Unreadable):
            self._picture.content = '<div class="ep-wait">not readable</div>'
            ui.notify(str(drawing), type="negative", position="top")
        else:
            self._picture.content = drawing

    @property
    def _length_s(self) -> float:
        return float(self._cut.props["max"]) or 1.0

    def _ranged(self) -> None:
        """Follows the handles."""
        kept: dict[str, Any] = self._range.value or {"min": 0.0, "max": 0.0}
        self._start.value, self._stop.value = kept["min"], kept["max"]
        self._kept.text = f"keeps {kept['max'] - kept['min']:.3f} s; the recording itself stays as it is"
        left, right = (100 * kept[edge] / self._length_s for edge in ("min", "max"))
        self._shades[0].style(f"left:0;width:{left:.3f}%")
        self._shades[1].style(f"left:{right:.3f}%;width:{max(0.0, 100 - right):.3f}%")

    def _cut_moved(self) -> None:
        self._at.value = self._cut.value
        self._line.style(f"left:{100 * (self._cut.value or 0.0) / self._length_s:.3f}%")

    def _typed(self) -> None:
        """Follows the numbers, once they make sense."""
        start, stop, at = self._start.value, self._stop.value, self._at.value
        if start is not None and stop is not None and 0 <= start < stop <= self._length_s:
            self._range.value = {"min": start, "max": stop}
        if at is not None and 0 <= at <= self._length_s:
            self._cut.value = at

    def _time_ns(self, seconds: float | None) -> int:
        return self._begin_ns + round((seconds or 0.0) * 1e9)

    async def _trim(self) -> None:
        entry = self._entry
        if entry is None or entry.episode.recorded_ns is None:
            return
        begin_ns, end_ns = entry.episode.recorded_ns
        start_ns, stop_ns = self._time_ns(self._start.value), self._time_ns(self._stop.value)
        if abs(stop_ns - end_ns) < STEP_S * 1e9:  # the slider's last place is not always the last ns
            stop_ns = end_ns
        if abs(start_ns - begin_ns) < STEP_S * 1e9:
            start_ns = begin_ns
        self._dialog.close()
        operation = {"op": "trim", "id": entry.episode.id, "start_ns": start_ns, "stop_ns": stop_ns}
        await self._actions.apply(entry, operation, f"{entry.name} trimmed")

    async def _split(self) -> None:
        entry = self._entry
        book = await self._desk.book(entry) if entry else None
        if entry is None or book is None:
            return
        first = new_id(book)
        second = _after(first, {episode.id for episode in book.all})
        self._dialog.close()
        operation = {"op": "split", "id": entry.episode.id, "at_ns": self._time_ns(self._at.value)}
        await self._actions.apply(entry, {**operation, "into": [first, second]}, f"{entry.name} split")


def _after(name: str, taken: set[str]) -> str:
    """The next free name of the kind ``e7``."""
    number = int(name.removeprefix("e")) + 1
    while f"e{number}" in taken:
        number += 1
    return f"e{number}"
