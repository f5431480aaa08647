"""The Learn view: from labelled episodes to a data set, a training run and a policy, without touching a file."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nicegui import ui

from robot_il.console import learning_commands as commands
from robot_il.console.backroom import backroom_of
from robot_il.console.episode_desk import Entry, EpisodeDesk
from robot_il.console.job_cards import JobCards
from robot_il.console.learning_commands import Command
from robot_il.console.parts import press
from robot_il.console.theme import LABEL_TONES, set_tone
from robot_il.console.visit import tell
from robot_il.errors import RobotIlError
from robot_il.recording.operations import LABEL_WORDS
from robot_il.spec import LABELS

if TYPE_CHECKING:
    from robot_il.console.folders import Folders
    from robot_il.console.model import Station

KINDS: Final = ("build", "train", "export", "evaluate")
UNLABELED: Final = "unlabeled"
PERIOD_S: Final = 0.5
_SHARED: Final = (
    "One job at a time, at low priority and on one thread: the robot's loop shares this machine. No job starts while "
    "the robot is driven, and one that runs waits."
)
_NONE: Final = "No job yet. Each step shows here what it does, how long it has taken, and how it ended."


class LearnView:
    """The view, built in the parent element in the making.

    Args:
        station: the running session.
        folders: where everything is.
        shown: whether the person looks at this view; it asks for nothing otherwise.
    """

    def __init__(self, station: Station, folders: Folders, shown: Callable[[], bool] = lambda: True) -> None:
        self._shown = shown
        self._folders = folders
        self._room = backroom_of(station, folders)
        self._desk = EpisodeDesk(station, self._room.shelf)
        self._entries: list[Entry] = []
        self._left_out: set[Path] = set()
        self._ticks: dict[Path, ui.checkbox] = {}
        self._state: object = None
        self._files: object = None
        self._buttons: list[ui.button] = []
        with ui.element("div").classes("ril-learn").mark("learn-view"):
            with ui.element("div").classes("steps"):
                self._build_data()
                self._build_training()
                self._build_export()
                self._build_evaluation()
            with ui.element("div").classes("jobs"):
                ui.label("Jobs").classes("head")
                ui.label(_SHARED).classes("hint")
                self._busy = ui.label().classes("badge").mark("busy")
                self._cards = JobCards(self._room.jobs, KINDS, _NONE)
        ui.timer(PERIOD_S, self.refresh)

    def _step(self, number: int, title: str, hint: str) -> ui.element:
        with ui.element("div").classes("panel step"):
            ui.label(str(number)).classes("number")
            with ui.element("div").classes("body") as body:
                ui.label(title).classes("name")
                ui.label(hint).classes("hint")
        return body

    def _build_data(self) -> None:
        with self._step(1, "Choose episodes", "Each keeps the label that it has in Episodes."):
            with ui.element("div").classes("row wrap"):
                self._labels = {
                    label: ui.checkbox(LABEL_WORDS[label], value=label != UNLABELED, on_change=self._count).mark(
                        f"use-{label}"
                    )
                    for label in LABELS
                }
            self._logs = ui.element("div").classes("logs")
            self._chosen = ui.label().classes("hint").mark("chosen")
            with ui.element("div").classes("row wrap"):
                self._failing = ui.select(
                    list(commands.ON_FAILURE), value="leave out", label="episodes that are not fit"
                )
                self._failing.props("outlined dense").classes("field").mark("failing")
                self._dataset_name = _name("data set's name", time.strftime("data-%m%d"), "dataset-name")
                self._button("Build", "build", self._start_build)

    def _build_training(self) -> None:
        with self._step(
            2, "Train a policy", "Begin with linear: no learned policy is worth using that does not beat it."
        ):
            with ui.element("div").classes("row wrap"):
                self._dataset = _choice("data set", "learn-dataset", self._name_run)
                self._method = _choice("method", "learn-method", self._name_run)
            self._about = ui.label().classes("hint").mark("about")
            with ui.element("div").classes("row wrap"):
                self._run_name = _name("run's name", "", "run-name")
                self._steps = ui.number("most steps (empty: the method's own)", min=1, precision=0)
                self._steps.props("outlined dense clearable").classes("field").mark("learn-steps")
                self._button("Train", "train", self._start_training)

    def _build_export(self) -> None:
        with (
            self._step(3, "Make it a policy file", "Checked against the run; it can then be chosen in Drive."),
            ui.element("div").classes("row wrap"),
        ):
            self._run = _choice("run", "learn-run", self._name_policy)
            self._policy_name = _name("policy's name", "", "policy-name")
            self._button("Export", "export", self._start_export)

    def _build_evaluation(self) -> None:
        hint = (
            "In the lock-step twin, without any help, beside the LQR and least squares. Do this before the robot moves."
        )
        with self._step(4, "Prove it in the twin", hint), ui.element("div").classes("row wrap"):
            self._policy = _choice("policy", "learn-policy", lambda: None)
            self._episodes = ui.number("episodes", value=20, min=1, max=commands.MAX_EPISODES, precision=0)
            self._episodes.props("outlined dense").classes("field").mark("learn-episodes")
            self._button("Evaluate", "evaluate", self._start_evaluation)

    def _button(self, text: str, marker: str, start: Callable[[], Awaitable[None]]) -> None:
        self._buttons.append(press(text, marker, start, classes="primary"))

    async def refresh(self) -> None:
        """Brings everything up to date that has changed."""
        jobs = self._room.jobs
        jobs.hold()
        if not self._shown():
            return
        refusal = jobs.refusal()
        self._busy.visible = bool(refusal)
        self._busy.text = refusal
        set_tone(self._busy, "warn")
        for button in self._buttons:
            button.set_enabled(not refusal)
        self._cards.update()
        state = self._desk.state()
        if state != self._state:
            self._state = state
            self._entries = await self._desk.entries()
            self._list_logs()
        finished = sum(not job.running for job in jobs.all), len(jobs.all)
        if finished != self._files:
            self._files = finished
            await self._list_made()

    def _list_logs(self) -> None:
        """A line for each recording that has episodes."""
        by_log: dict[Path, list[Entry]] = {}
        for entry in self._entries:
            if not entry.episode.deleted:
                by_log.setdefault(entry.path, []).append(entry)
        self._logs.clear()
        self._ticks = {}
        with self._logs:
            for path, entries in by_log.items():
                self._list_log(path, entries)
            if not by_log:
                ui.label("No episodes yet: record some in Drive, and label them in Episodes.").classes("pad hint")
        self._count()

    def _list_log(self, path: Path, entries: list[Entry]) -> None:
        live = entries[0].live
        with ui.element("div").classes("log"):
            tick = ui.checkbox(path.name, value=not live and path not in self._left_out, on_change=self._count)
            tick.mark(f"log-{path.name}").set_enabled(not live)
            if live:
                ui.label("disconnect to use it").classes("hint")
            else:
                self._ticks[path] = tick
            with ui.element("div").classes("counts"):
                for label in LABELS:
                    count = sum(entry.episode.label == label for entry in entries)
                    if count:
                        set_tone(ui.label(f"{count} {LABEL_WORDS[label]}").classes("badge"), LABEL_TONES[label])

    def _count(self) -> None:
        """Says what is chosen."""
        self._left_out = {path for path, tick in self._ticks.items() if not tick.value}
        chosen = self._chosen_entries()
        seconds = sum(entry.episode.seconds or 0.0 for entry in chosen)
        logs = len({entry.path for entry in chosen})
        self._chosen.text = f"{len(chosen)} episodes of {logs} recordings, {seconds:.0f} s"

    def _chosen_entries(self) -> list[Entry]:
        return [
            entry
            for entry in self._entries
            if not entry.episode.deleted
            and entry.path in self._ticks
            and self._ticks[entry.path].value
            and self._labels[entry.episode.label].value
        ]

    async def _list_made(self) -> None:
        """Fills the choices with what there is now; the newest is chosen."""
        sets = {found.name: f"{found.name}  ({found.words})" for found in commands.datasets(self._folders)}
        _offer(self._dataset, sets)
        _offer(self._run, {name: name for name in commands.runs(self._folders)})
        _offer(self._policy, {name: name for name in commands.policies(self._folders)})
        known = await self._room.methods()
        if not known:
            self._files = None  # nobody could be asked; again with the next turn
        methods = {method.name: f"{method.name}  (needs {method.needs})" for method in known}
        _offer(self._method, methods, keep=True)
        if self._dataset_name.value:
            self._dataset_name.value = commands.free_name(self._folders.datasets, str(self._dataset_name.value))
        await self._name_run()
        self._name_policy()

    async def _name_run(self) -> None:
        about = {method.name: method for method in await self._room.methods()}.get(str(self._method.value))
        self._about.text = f"{about.use}. {about.source}." if about else ""
        if self._dataset.value and self._method.value:
            wanted = f"{self._dataset.value}-{self._method.value}"[:60]
            self._run_name.value = commands.free_name(self._folders.runs, wanted)

    def _name_policy(self) -> None:
        if self._run.value:
            self._policy_name.value = commands.free_name(self._folders.policies, str(self._run.value), ".onnx")

    async def _start_build(self) -> None:
        chosen = self._chosen_entries()
        logs = list(dict.fromkeys(entry.path for entry in chosen))
        labels = [label for label in LABELS if any(entry.episode.label == label for entry in chosen)]
        name, failing = str(self._dataset_name.value or ""), str(self._failing.value)
        await self._start(lambda: commands.build(self._folders, logs, labels, name, failing))

    async def _start_training(self) -> None:
        known = [method.name for method in await self._room.methods()]
        steps = None if self._steps.value is None else int(self._steps.value)
        dataset, method = str(self._dataset.value or ""), str(self._method.value or "")
        name = str(self._run_name.value or "")
        await self._start(lambda: commands.train(self._folders, dataset, method, known, name, steps))

    async def _start_export(self) -> None:
        run, name = str(self._run.value or ""), str(self._policy_name.value or "")
        await self._start(lambda: commands.export(self._folders, run, name))

    async def _start_evaluation(self) -> None:
        policy, episodes = str(self._policy.value or ""), int(self._episodes.value or 0)
        await self._start(lambda: commands.evaluate(self._folders, policy, episodes))

    async def _start(self, make: Callable[[], Command]) -> None:
        """Starts what ``make`` makes, or says why not."""
        try:
            command = make()
            self._folders.make()
            await self._room.jobs.start(command.kind, command.title, command.words, command.made)
        except RobotIlError as error:
            tell(error)
        await self.refresh()


def _name(label: str, value: str, marker: str) -> ui.input:
    return ui.input(label, value=value).props("outlined dense maxlength=64").classes("field").mark(marker)


def _choice(label: str, marker: str, on_change: Callable[[], object]) -> ui.select:
    select = ui.select({}, label=label, on_change=on_change)
    return select.props("outlined dense options-dense=false").classes("field").mark(marker)


def _offer(select: ui.select, options: dict[str, str], keep: bool = False) -> None:
    """Renews the options; the first is chosen where it is new, or where what was chosen is gone."""
    before = select.options if isinstance(select.options, dict) else {}
    first = next(iter(options), None)
    fresh = first is not None and first not in before and not keep
    value = first if fresh or select.value not in options else select.value
    select.set_options(options, value=value)
