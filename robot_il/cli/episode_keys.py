"""Episodes of a recording that is made at a terminal: started, stopped, labelled and made anew by a key."""

from __future__ import annotations

from collections.abc import Callable

from robot_il.control.clock import Clock
from robot_il.control.sink import Sink
from robot_il.recording.episode_book import BY_RECORDING, UNLABELED
from robot_il.recording.operations import EPISODE_EVENT, LABEL_WORDS

_LABELS = {word: label for label, word in LABEL_WORDS.items()}


class EpisodeKeys:
    """Writes operations on episodes into the log, as they are asked for.

    Args:
        sink: the log.
        clock: of the loop.
        task: of the episodes.
        mode: who drives them.
        label: that they have until they are given another.
        say: tells the person, must not block.
    """

    def __init__(self, sink: Sink, clock: Clock, task: str, mode: str, label: str, say: Callable[[str], None]) -> None:
        self._sink = sink
        self._clock = clock
        self._task = task
        self._mode = mode
        self._label = label
        self._say = say
        self._count = 0
        self._open = False

    def obey(self, action: str) -> None:
        """Does ``record`` (start or stop), ``redo``, or ``good``, ``ok`` or ``bad`` for the newest episode."""
        if action == "record":
            self.finish() if self._open else self._start()
        elif action == "redo":
            self._redo()
        elif self._count:
            self._sink.event(EPISODE_EVENT, op="label", id=self._newest, label=_LABELS[action])
            self._say(f"episode {self._newest} is {action}: {_LABELS[action]}")
        else:
            self._say("no episode yet: Enter starts one")

    def finish(self) -> None:
        """Stops the episode that is being recorded; nothing where there is none."""
        if not self._open:
            return
        self._open = False
        self._sink.event(EPISODE_EVENT, op="stop", id=self._newest, stop_ns=self._clock.now_ns())
        self._say(f"episode {self._newest} stopped: 1 good, 2 ok, 3 bad, Backspace again")

    @property
    def _newest(self) -> str:
        return f"e{self._count}"

    def _start(self) -> None:
        self._count += 1
        self._open = True
        start = {"start_ns": self._clock.now_ns(), "task": self._task, "mode": self._mode}
        self._sink.event(EPISODE_EVENT, op="start", id=self._newest, **start)
        if self._label != UNLABELED:
            self._sink.event(EPISODE_EVENT, op="label", id=self._newest, label=self._label, by=BY_RECORDING)
        self._say(f"episode {self._newest} started")

    def _redo(self) -> None:
        self.finish()
        if self._count:
            self._sink.event(EPISODE_EVENT, op="delete", id=self._newest)
        self._start()
