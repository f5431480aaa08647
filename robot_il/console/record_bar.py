"""Record, redo, label: the bar under the robot."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from nicegui import ui
from nicegui.events import KeyEventArguments

from robot_il.console.header import clock_text, open_seconds
from robot_il.console.theme import LABEL_TONES, set_tone
from robot_il.console.visit import Visit
from robot_il.recording.operations import LABEL_WORDS

if TYPE_CHECKING:
    from robot_il.console.model import Station
    from robot_il.recording.episodes import Episode

COUNT_FROM = 3
SAVED_S = 30
LABEL_KEYS = {"1": "expert", "2": "suboptimal", "3": "undesirable"}
_WORDS = {word: label for label, word in LABEL_WORDS.items()}


def newest_episode(station: Station) -> Episode | None:
    """The one that a label goes to: the open one, else the one that began last."""
    if station.open_episode is not None:
        return station.open_episode
    return max(station.book.episodes, key=lambda episode: episode.start_ns, default=None)


class RecordBar:
    """The bar of one page, built into the parent in the making.

    Args:
        visit: the page.
        stage: element over which the countdown is laid.
    """

    def __init__(self, visit: Visit, stage: ui.element) -> None:
        self._visit = visit
        self._left = 0
        self._then: Any = None
        with stage, ui.element("div").classes("ril-countdown") as self._countdown:
            ui.label("Recording in").classes("what")
            self._number = ui.label().classes("number").mark("countdown")
        with ui.element("div").classes("panel ril-record"):
            with ui.element("div").classes("wide state"):
                with ui.element("div").classes("row").style("min-width: 0"):
                    self._dot = ui.element("span").classes("dot")
                    self._now = ui.label().classes("now").mark("episode-now")
                self._total = ui.label().classes("hint").mark("episode-count")
            self._record = _button("Record", self._on_record, "record", "fiber_manual_record")
            self._redo = _button("Redo", self._on_redo, "redo", "replay")
            self._save = _button(f"Last {SAVED_S} s", self._on_save, "save-last", "history")
            self._labels = {
                label: _button(f"{LABEL_WORDS[label]}  [{key}]", partial(self.label, label), LABEL_WORDS[label])
                for key, label in LABEL_KEYS.items()
            }
        self._tick = ui.timer(1.0, self._count_down, active=False)
        ui.keyboard(self._on_key, repeating=False, ignore=["input", "select", "textarea"])
        self.update()

    def _may(self) -> bool:
        """Whether this page may record now."""
        return self._visit.drives and self._visit.station.log is not None

    def _on_record(self) -> None:
        if self._left:
            self._cancel()
        elif self._visit.station.open_episode is not None:
            self._request(self._visit.station.stop_episode)
        elif self._may():
            self._start_count(self._visit.station.start_episode)

    def _on_redo(self) -> None:
        if self._may() and not self._left:
            self._start_count(self._visit.station.redo)

    def _on_save(self) -> None:
        if self._may():
            self._request(lambda: self._visit.station.save_last(SAVED_S))

    def _request(self, send: Any) -> None:
        if self._may():
            with self._visit.request():
                send()
        self.update()

    def _on_key(self, event: KeyEventArguments) -> None:
        plain = not (event.modifiers.ctrl or event.modifiers.alt or event.modifiers.meta)
        if event.action.keydown and plain and event.key.name in LABEL_KEYS:
            self.label(LABEL_KEYS[event.key.name])

    def press(self, action: str) -> None:
        """As if a button were pressed: ``record``, ``redo``, or a label in the page's word."""
        if action in _WORDS:
            self.label(_WORDS[action])
        elif action == "record":
            self._on_record()
        elif action == "redo":
            self._on_redo()

    def label(self, label: str) -> None:
        """Gives the newest episode one of ``spec.LABELS``."""
        episode = newest_episode(self._visit.station)
        if episode is not None:
            self._request(
                lambda: self._visit.station.episode_operation({"op": "label", "id": episode.id, "label": label})
            )

    def _start_count(self, then: Any) -> None:
        self._left, self._then = COUNT_FROM, then
        self._tick.activate()
        self.update()

    def _cancel(self) -> None:
        self._left = 0
        self._tick.deactivate()
        self.update()

    def _count_down(self) -> None:
        if not self._left:
            return
        self._left -= 1
        if not self._left:
            self._cancel()
            self._request(self._then)
        self.update()

    def update(self) -> None:
        """Shows what is now, and lets be pressed what can be."""
        station, may = self._visit.station, self._may()
        if self._left and not may:
            # the wheel or the log was lost while counting
            self._left = 0
            self._tick.deactivate()
        recording, counting = station.open_episode is not None, self._left > 0
        self._countdown.set_visibility(counting)
        self._number.set_text(str(self._left))
        self._record.set_text("Cancel" if counting else "Stop" if recording else "Record")
        set_tone(self._record, "warn" if counting else "alarm")
        self._record.set_enabled(may)
        newest = newest_episode(station)
        self._redo.set_enabled(may and newest is not None and not counting)
        self._save.set_enabled(may and not recording and not counting)
        for label, button in self._labels.items():
            button.set_enabled(may and newest is not None)
            set_tone(button, LABEL_TONES[label] if newest is not None and newest.label == label else "")
        self._now.set_text(_words(station, newest))
        set_tone(self._now, "alarm" if recording else "")
        set_tone(self._dot, "alarm" if recording else "off")
        self._dot.classes(add="blink" if recording else "", remove="" if recording else "blink")
        count = len(station.book.episodes)
        self._total.set_text(f"{count} episode{'' if count == 1 else 's'}")


def _words(station: Station, newest: Episode | None) -> str:
    if station.log_failure:
        return f"The log failed: {station.log_failure}"
    if station.open_episode is not None:
        return f"Recording {station.open_episode.id}  {clock_text(open_seconds(station))}"
    if station.log is None:
        return "Connect a robot to record"
    if newest is None:
        return "No episode yet"
    seconds = (newest.stop_ns - newest.start_ns) / 1e9 if newest.stop_ns is not None else 0.0
    proposed = f", looks {LABEL_WORDS[newest.proposal]}" if newest.proposal in ("undesirable",) else ""
    return f"{newest.id}  {clock_text(seconds)}  {LABEL_WORDS[newest.label]}{proposed}"


def _button(text: str, on_click: Any, mark: str, icon: str | None = None) -> ui.button:
    button = ui.button(text, icon=icon, color=None, on_click=on_click)
    return button.props("unelevated no-caps no-wrap").classes("btn").mark(mark)
