"""What a person sees while something takes its time: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import TaskID

PLAIN_INTERVAL_S = 5.0


class Progress(AbstractContextManager["Progress"]):
    """Shows nothing; the base of those that do."""

    def show(self, what: str, done: int, most: int, text: str = "") -> None:
        """``done`` of at most ``most`` steps of ``what``, and a word on how it goes."""

    def note(self, line: str) -> None:
        """One line that stays."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the terminal tidy."""


class PlainProgress(Progress):
    """A line every few seconds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._what = ""
        self._began = self._printed = 0.0
        self._first = 0

    def show(self, what: str, done: int, most: int, text: str = "") -> None:
        """See ``Progress``."""
        now = time.monotonic()
        if what != self._what:
            self._what, self._began, self._first, self._printed = what, now, done, now
        if now - self._printed >= PLAIN_INTERVAL_S and done > self._first:
            self._printed = now
            left = (now - self._began) * (most - done) / (done - self._first)
            self.note(f"{what}: step {done} of at most {most}, at most {left:.0f} s left. {text}".rstrip())

    def note(self, line: str) -> None:
        """See ``Progress``."""
        print(line, file=self._stream, flush=True)


class BarProgress(Progress):
    """A bar with the time left."""

    def __init__(self) -> None:
        from rich import progress

        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[text]}"),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Starts drawing."""
        self._bar.start()
        return self

    def show(self, what: str, done: int, most: int, text: str = "") -> None:
        """See ``Progress``."""
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=most, completed=done, text=text)
        self._bar.update(self._tasks[what], completed=done, text=text)

    def note(self, line: str) -> None:
        """See ``Progress``."""
        self._bar.console.print(line, markup=False, highlight=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops drawing."""
        self._bar.stop()


def terminal_progress() -> Progress:
    """A bar where standard error is a terminal and rich is installed, else plain lines there."""
    if sys.stderr.isatty():
        try:
            return BarProgress()
        except ImportError:
            pass
    return PlainProgress(sys.stderr)
