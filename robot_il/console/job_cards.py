"""The jobs of the console as cards: what runs, what it says, how it ended."""

from __future__ import annotations

from typing import Final

from nicegui import ui

from robot_il.console.jobs import CANCELLED, DONE, FAILED, RUNNING, STOPPING, Job, Jobs
from robot_il.console.learning_commands import progress_of
from robot_il.console.parts import press
from robot_il.console.theme import set_tone

LINES: Final = 14
"""Lines of output on a card."""
SHOWN: Final = 12
"""Jobs that are shown."""
_TONES: Final = {RUNNING: "calm", STOPPING: "warn", DONE: "live", FAILED: "alarm", CANCELLED: "off"}


class JobCards:
    """The cards, built in the parent element in the making; ``update`` brings them up to date.

    Args:
        jobs: of the console.
        kinds: which of them are shown.
        empty: what is said where there is none.
    """

    def __init__(self, jobs: Jobs, kinds: tuple[str, ...], empty: str) -> None:
        self._jobs = jobs
        self._kinds = kinds
        self._cards: list[JobCard] = []
        self._empty = ui.label(empty).classes("hint")
        self._place = ui.element("div").classes("stack")

    def update(self) -> None:
        """Shows the jobs as they are now."""
        shown = [job for job in self._jobs.all if job.kind in self._kinds][:SHOWN]
        if [card.job for card in self._cards] != shown:
            self._place.clear()
            with self._place:
                self._cards = [JobCard(job, self._jobs) for job in shown]
        for card in self._cards:
            card.update()
        self._empty.visible = not shown


class JobCard:
    """One job."""

    def __init__(self, job: Job, jobs: Jobs) -> None:
        self.job = job
        self._seen: object = None
        with ui.element("div").classes("panel job").mark(f"job-{job.kind}") as self._card:
            with ui.element("div").classes("top"):
                ui.label(job.title).classes("name")
                self._time = ui.label().classes("hint")
                self._cancel = press("Cancel", "cancel", lambda: jobs.cancel(job))
            self._state = ui.label().classes("state").mark("job-state")
            self._bar = ui.linear_progress(value=0.0, show_value=False).props("rounded size=10px")
            self._output = ui.element("pre")
            with self._output:
                self._text = ui.label().mark("job-output")

    def update(self) -> None:
        """Shows it as it is now."""
        job = self.job
        self._time.text = clock(job.seconds)
        # while it runs and says nothing, only the clock goes on
        seen = (job.outcome, len(job.lines), job.result)
        if seen == self._seen:
            return
        self._seen = seen
        self._state.text = job.outcome
        set_tone(self._card, "warn" if job.held else _TONES[job.state])
        share = progress_of(job)
        self._bar.visible = job.running and share is not None
        if share is not None:
            self._bar.value = share
        self._cancel.visible = job.running and job.state != STOPPING
        self._output.visible = bool(job.lines)
        self._text.text = "\n".join(list(job.lines)[-LINES:])


def clock(seconds: float) -> str:
    """A time as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
