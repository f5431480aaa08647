"""The Replay view: a recording as it was driven, tick by tick, with who was in charge and what happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from nicegui import events, ui

from robot_il.console.backroom import backroom_of
from robot_il.console.episode_desk import finished
from robot_il.console.job_cards import JobCards
from robot_il.console.learning_commands import replay as replay_command
from robot_il.console.parts import icon_press, line, press, set_end, set_filled
from robot_il.console.readings import Stretch, Unreadable
from robot_il.console.replay import SPEEDS, Player
from robot_il.console.replay_parts import Strip, ValueTable, Window
from robot_il.console.robot_3d import Robot3D
from robot_il.console.visit import tell
from robot_il.errors import RobotIlError
from robot_il.recording.operations import LABEL_WORDS

if TYPE_CHECKING:
    from robot_il.console.folders import Folders
    from robot_il.console.model import Station

PERIOD_S: Final = 0.05
WHOLE: Final = "everything"
COARSE: Final = 20
"""Ticks of a step with the shift key."""
_EMPTY: Final = (
    "Choose a recording above. It is shown as it was driven: the robot, its traces, who was in charge, and every "
    "signal of the tick under the cursor."
)
_KEYS: Final = (
    "Arrows step by a tick, with shift by twenty; k plays and pauses. Recompute the torques asks whether this build "
    "would decide the same again."
)


class ReplayView:
    """The view, built in the parent element in the making.

    Args:
        station: its robot is drawn, and its phase says whether torques may be recomputed now.
        folders: where the recordings are.
        shown: whether the person looks at this view; keys are not for it otherwise, and nothing moves.
    """

    def __init__(self, station: Station, folders: Folders, shown: Callable[[], bool] = lambda: True) -> None:
        self._shown = shown
        self._room = backroom_of(station, folders)
        self._folders = folders
        self._path: Path | None = None
        self._chosen = WHOLE
        self._player: Player | None = None
        self._ticks: np.ndarray | None = None
        self._clock_s = 0.0
        self._files: object = None
        self._moving = False
        with ui.element("div").classes("ril-replay").mark("replay-view"):
            self._build_pick()
            with ui.element("div").classes("panel rp-robot"), ui.element("div").classes("stage"):
                self._robot = Robot3D(station.robot)
            self._window = Window()
            self._build_bar()
            with ui.element("div").classes("panel rp-words"):
                self._empty = ui.label(_EMPTY).classes("hint")
                self._problems = ui.element("div").classes("stack")
                self._marks = ui.element("div").classes("stack")
                self._cards = JobCards(self._room.jobs, ("replay",), "")
            self._table = ValueTable()
        ui.keyboard(on_key=self._key, ignore=["input", "select", "textarea"])
        self._timer = ui.timer(PERIOD_S, self._turn)
        self._slow = ui.timer(1.0, self.refresh)

    def _build_pick(self) -> None:
        with ui.element("div").classes("panel rp-pick"):
            self._log = ui.select({}, label="recording", on_change=self._choose_log)
            self._log.props("outlined dense").mark("recording")
            self._episode = ui.select({WHOLE: WHOLE}, value=WHOLE, label="episode", on_change=self._choose_episode)
            self._episode.props("outlined dense").mark("replay-episode")
            self._recompute = press("Recompute the torques", "recompute", self._start_recomputing, icon="verified")
            self._recompute.set_enabled(False)

    def _build_bar(self) -> None:
        with ui.element("div").classes("panel rp-bar"):
            self._strip = Strip()
            self._slider = ui.slider(min=0, max=1, step=1, value=0, on_change=self._slid).mark("cursor")
            self._slider.props('aria-label="time"')
            with ui.element("div").classes("rp-controls"):
                icon_press("first_page", "To the start", "first", lambda: self._go(0))
                icon_press("chevron_left", "Back by a tick", "back", lambda: self._step(-1))
                self._play = icon_press("play_arrow", "Play or pause", "play", self._toggle)
                icon_press("chevron_right", "On by a tick", "on", lambda: self._step(1))
                self._time = ui.label("–").classes("rp-time").mark("time")
                with ui.element("div").classes("row"):
                    self._speeds = {speed: self._speed_button(speed) for speed in SPEEDS}
                self._window.build_zoom()
                self._strip.build_legend()
        self._set_speed(1.0)

    def _speed_button(self, speed: float) -> ui.button:
        return press(f"{speed:g}x", f"speed-{speed:g}", lambda: self._set_speed(speed))

    async def refresh(self) -> None:
        """Looks whether there are other recordings, and how a job stands."""
        self._room.jobs.hold()
        self._cards.update()
        self._recompute.set_enabled(self._path is not None and not self._room.jobs.refusal())
        files = [path for path in self._room.shelf.files() if path.suffix == ".mcap" or self._left_open(path)]
        names = {path.name: path.name for path in files}
        if names != self._files:
            self._files = names
            self._log.set_options(names, value=self._log.value if self._log.value in names else None)

    def _left_open(self, path: Path) -> bool:
        """Whether it was left by a crash; what is being recorded now is watched in Drive."""
        log = self._room.station.log
        return log is None or not self._room.station.connected or finished(path) != finished(log)

    async def show(self, path: Path, episode: str) -> None:
        """Shows an episode of a recording, from another view."""
        self._files = None
        await self.refresh()
        if path.name not in (self._log.options or {}):
            line_text = "its session is still being recorded; disconnect the robot first"
            ui.notify(line_text, type="warning", position="top")
            return
        self._path = path
        self._log.value = path.name
        await self._load(path, episode)

    async def _choose_log(self) -> None:
        path = self._folders.sessions / str(self._log.value)
        if self._log.value and path != self._path:
            await self._load(path, WHOLE)

    async def _choose_episode(self) -> None:
        if self._path is not None and self._episode.value != self._chosen:
            await self._load(self._path, str(self._episode.value))

    async def _load(self, path: Path, episode: str) -> None:
        """Reads a stretch beside the page and shows its first tick."""
        self._path, self._chosen, self._player, self._ticks = path, episode, None, None
        self._time.text = "reading"
        reading = await self._room.shelf.reading(path)
        stretch: Stretch | Unreadable
        if isinstance(reading, Unreadable):
            stretch = reading
        else:
            options = {WHOLE: WHOLE}
            for number, one in enumerate(reading.book.episodes, 1):
                length = f"{one.seconds:.1f} s" if one.seconds is not None else "open"
                options[one.id] = f"{number}: {length}, {LABEL_WORDS[one.label]}"
            chosen = next((one for one in reading.book.episodes if one.id == episode), None)
            self._chosen = chosen.id if chosen else WHOLE
            self._episode.set_options(options, value=self._chosen)
            bounds = (chosen.start_ns, chosen.stop_ns) if chosen else (None, None)
            stretch = await self._room.shelf.stretch(path, *bounds)
        if (self._path, self._chosen) == (path, episode):
            self._take(stretch)

    def _take(self, stretch: Stretch | Unreadable) -> None:
        self._empty.visible = False
        self._problems.clear()
        self._marks.clear()
        if isinstance(stretch, Unreadable):
            self._time.text = "–"
            with self._problems:
                line("alarm", "error", "This recording cannot be read", stretch.came, stretch.remedy)
            return
        reading = stretch.reading
        with self._problems:
            if reading.status != "complete":
                found = f"{reading.ticks} ticks of it are readable and shown; {'; '.join(reading.problems)}"
                line("warn", "warning", f"This recording is {reading.status}", found)
            if not len(stretch.ticks):
                line("warn", "warning", "There is not a single tick in it")
        if not len(stretch.ticks):
            self._time.text = "–"
            return
        self._ticks = stretch.ticks
        self._player = Player(stretch.ticks["host_receive_ns"])
        self._set_speed(self._speed)
        self._moving = True
        set_end(self._slider, self._player.last)
        self._moving = False
        marks = self._strip.show(stretch.ticks, stretch.events)
        with self._marks:
            for mark in marks:
                detail = f": {mark.text}" if mark.text else ""
                words = f"{mark.seconds:.2f} s · {mark.name.replace('_', ' ')}{detail}"
                press(words, "mark", lambda seconds=mark.seconds: self._seek(seconds), classes="mark")
            if not marks:
                ui.label("Nothing else was noted in this stretch.").classes("hint")
            ui.label(_KEYS).classes("hint")
        self._window.show(stretch.ticks)
        self._show_tick()

    def _turn(self) -> None:
        """Lets the clock move the cursor."""
        now_s = time.monotonic()
        elapsed_s, self._clock_s = now_s - self._clock_s, now_s
        if self._player is None or not self._shown():
            return
        if self._player.advance(min(elapsed_s, 1.0)):
            self._show_tick()
        self._play.props(f"icon={'pause' if self._player.playing else 'play_arrow'}")

    def _show_tick(self) -> None:
        """Shows the tick under the cursor everywhere."""
        player, ticks = self._player, self._ticks
        if player is None or ticks is None:
            return
        tick = ticks[player.index]
        self._moving = True
        self._slider.value = player.index
        self._moving = False
        self._time.text = f"{player.seconds:.3f} of {player.duration_s:.3f} s"
        self._robot.update(tick)
        self._window.move(player.index)
        self._table.show(tick, player.playing)

    def _toggle(self) -> None:
        player = self._player
        if player is None:
            return
        if player.playing:
            player.pause()
        else:
            player.play()
        self._show_tick()

    def _step(self, ticks: int) -> None:
        if self._player is not None:
            self._player.step(ticks)
            self._show_tick()

    def _go(self, index: int) -> None:
        if self._player is not None:
            self._player.go(index)
            self._show_tick()

    def _seek(self, seconds: float) -> None:
        if self._player is not None:
            self._player.seek(seconds)
            self._show_tick()

    def _slid(self) -> None:
        if not self._moving and self._slider.value is not None:
            self._go(int(self._slider.value))

    def _set_speed(self, speed: float) -> None:
        self._speed = speed
        if self._player is not None:
            self._player.speed = speed
        for other, button in self._speeds.items():
            set_filled(button, other == speed)

    def _key(self, event: events.KeyEventArguments) -> None:
        """Arrows step; not space, which is the emergency stop on every tab."""
        if not event.action.keydown or self._player is None or not self._shown():
            return
        stride = COARSE if event.modifiers.shift else 1
        if event.key.arrow_left:
            self._step(-stride)
        elif event.key.arrow_right:
            self._step(stride)
        elif event.key == "k" and not event.action.repeat:
            self._toggle()

    async def _start_recomputing(self) -> None:
        if self._path is None:
            return
        try:
            command = replay_command(self._folders, self._path)
            await self._room.jobs.start(command.kind, command.title, command.words)
        except RobotIlError as error:
            tell(error)
        await self.refresh()
