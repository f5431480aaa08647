"""Where an episode in virtual time is recorded: straight into its file, for there is no clock that must not wait.

The recorder of a real run hands its ticks to a side process, which finishes the file also where the recording process
is killed. An episode that was cut short by that must not pass for a whole one, so here the file gets its name at the
very end; whatever a killed process leaves has another.
"""

from __future__ import annotations

import os
from pathlib import Path

from robot_il.control.clock import Clock, MonotonicClock
from robot_il.recording.log_writer import LogFile, LogWriter, describe_writer
from robot_il.recording.recorder import event_text
from robot_il.recording.session import Session


class EpisodeLog:
    """A sink that is a file.

    Args:
        path: the log, which appears when ``finish`` is called and not before.
        session: what the log says about itself.

    Raises:
        LogError: the file cannot be made.
        ConfigError: the session holds what JSON cannot.
    """

    def __init__(self, path: Path, session: Session) -> None:
        self._path = path
        self._clock: Clock = MonotonicClock()
        values = session.to_json()
        # of this process alone: another may be at the same episode, after one that was killed
        self._file = LogFile(path.with_name(f"{path.name}.{os.getpid()}.unfinished"))
        self._writer = LogWriter(self._file, values, describe_writer(), self._clock.now_ns())

    def follow(self, clock: Clock) -> None:
        """Takes the time of events from this clock from here on: the simulated one."""
        self._clock = clock

    def tick(self, row: bytes) -> None:
        """Takes one packed row of ``spec.TICK_DTYPE``."""
        self._writer.tick(row)

    def hand(self, row: bytes) -> None:
        """Takes one packed row of ``spec.HAND_DTYPE``."""
        self._writer.hand(row)

    def event(self, name: str, **detail: object) -> None:
        """Takes one named event with its details."""
        self._writer.event(event_text(self._clock.now_ns(), name, detail))

    def finish(self) -> None:
        """Completes the file and gives it its name.

        Raises:
            LogError: there is a file of that name.
        """
        self._writer.finish("closed", 0)
        self._file.publish(self._path)
        self._file.close()

    def discard(self) -> None:
        """Removes what was written so far."""
        self._file.path.unlink(missing_ok=True)
        self._file.close()


def remove_unfinished(path: Path) -> None:
    """Removes what killed processes left of this very episode; it is recorded again, bit for bit."""
    for leftover in path.parent.glob(f"{path.name}.*"):
        leftover.unlink(missing_ok=True)
