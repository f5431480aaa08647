"""What a replay shows of a log: a cursor that runs through its ticks, who was in charge, events, values in words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from robot_il.control.guard import LoopInput
from robot_il.control.supervisor import Reason, SupervisorState
from robot_il.recording.operations import EPISODE_EVENT
from robot_il.spec import SIGNALS, TICK_SIGNALS, Fault, Mode

SPEEDS: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
NOBODY: Final = "nobody"
CONTROLLER: Final = "controller"
FALLBACK: Final = "fallback"
PERSON: Final = "person"
IN_CHARGE: Final = (NOBODY, CONTROLLER, FALLBACK, PERSON)
_SOURCES: Final = {0: NOBODY, 1: CONTROLLER, 2: FALLBACK}
_CODES: Final[dict[str, type[Any]]] = {"mode": Mode, "supervisor": SupervisorState}
_BITS: Final[dict[str, type[Any]]] = {"faults": Fault, "reasons": Reason, "inputs": LoopInput}
FIRST: Final = (
    "tick", "pitch", "pitch_rate", "position", "velocity", "yaw", "yaw_rate", "intent", "controller_torque",
    "limited_torque", "sent_left", "sent_right", "applied_left", "applied_right", "source", "supervisor", "reasons",
    "margin", "mode", "faults", "battery",
)  # fmt: skip
"""Signals that a person looks for; the others follow in the order of the log."""
UNTOLD: Final = (EPISODE_EVENT,)
"""Events that mark no place on the slider: what a person says of a stretch, not what happened at a time."""


class Player:
    """A cursor over the ticks of a stretch, moved by hand or by the clock.

    Args:
        times_ns: (T,) times of the ticks, at least one; ``host_receive_ns``.

    Attributes:
        index: the tick shown now.
        speed: recorded seconds a second of the clock, one of ``SPEEDS``.
        playing: whether the clock moves it.
    """

    def __init__(self, times_ns: np.ndarray) -> None:
        # a damaged log may step back in time; the cursor never does
        self._times_ns = np.maximum.accumulate(times_ns.astype(np.int64))
        self._at_ns = float(self._times_ns[0])
        self.index = 0
        self.speed = 1.0
        self.playing = False

    @property
    def last(self) -> int:
        """Index of the last tick."""
        return len(self._times_ns) - 1

    @property
    def seconds(self) -> float:
        """Time of the cursor since the first tick."""
        return float(self._times_ns[self.index] - self._times_ns[0]) / 1e9

    @property
    def duration_s(self) -> float:
        """From the first tick to the last."""
        return float(self._times_ns[-1] - self._times_ns[0]) / 1e9

    def play(self) -> None:
        """Runs on; from the start where it had come to the end."""
        if self.index == self.last:
            self.go(0)
        self.playing = True

    def pause(self) -> None:
        """Stays where it is."""
        self.playing = False

    def go(self, index: int) -> None:
        """Shows one tick, the first or last one where ``index`` lies beyond."""
        self.index = min(max(index, 0), self.last)
        self._at_ns = float(self._times_ns[self.index])

    def step(self, ticks: int) -> None:
        """Goes on by so many ticks, back where negative, and stays there."""
        self.pause()
        self.go(self.index + ticks)

    def seek(self, seconds: float) -> None:
        """Shows the newest tick at a time since the first one."""
        self.go(self.index_at(int(self._times_ns[0]) + round(seconds * 1e9)))

    def index_at(self, time_ns: int) -> int:
        """The newest tick that is no later than a time of the host's clock; the first one where there is none."""
        return max(0, int(np.searchsorted(self._times_ns, time_ns, side="right")) - 1)

    def advance(self, elapsed_s: float) -> bool:
        """Lets ``elapsed_s`` of the clock go by; True where another tick is shown. Stops at the end."""
        if not self.playing:
            return False
        before = self.index
        self._at_ns += elapsed_s * self.speed * 1e9
        self.index = self.index_at(int(self._at_ns))
        if self._at_ns >= self._times_ns[-1]:
            self.go(self.last)
            self.pause()
        return self.index != before


def in_charge(ticks: np.ndarray) -> np.ndarray:
    """Who was in charge on each tick: (T,) indices into ``IN_CHARGE``; a person where an intent was used."""
    source = ticks["source"].astype(np.int64)
    charge = np.where(source <= 2, source, 0)
    charge[(source == 1) & np.isfinite(ticks["intent"])] = IN_CHARGE.index(PERSON)
    return charge


@dataclass(frozen=True)
class Band:
    """A stretch of ticks, ``start`` to before ``stop``, with one and the same ``who`` of ``IN_CHARGE``."""

    start: int
    stop: int
    who: str


def bands(ticks: np.ndarray) -> list[Band]:
    """The ticks cut wherever someone else comes in charge."""
    if not len(ticks):
        return []
    charge = in_charge(ticks)
    edges = [0, *(np.flatnonzero(np.diff(charge)) + 1).tolist(), len(charge)]
    return [Band(start, stop, IN_CHARGE[charge[start]]) for start, stop in itertools.pairwise(edges)]


@dataclass(frozen=True)
class Mark:
    """An event at a place: seconds since the first tick, its name, and its details in words."""

    seconds: float
    name: str
    text: str


def marks(events: Iterable[dict[str, Any]], start_ns: int, stop_ns: int) -> list[Mark]:
    """The events of a stretch in time order, those left out that say nothing about the robot.

    Args:
        events: of a log, as it holds them.
        start_ns: of the first tick, on the host's clock.
        stop_ns: of the last tick.
    """
    found = []
    for event in events:
        time_ns, name = event.get("host_ns"), str(event.get("name", ""))
        if not isinstance(time_ns, int) or name in UNTOLD or not start_ns <= time_ns <= stop_ns:
            continue
        found.append(Mark((time_ns - start_ns) / 1e9, name, _words(event.get("detail"))))
    return sorted(found, key=lambda mark: mark.seconds)


def _words(detail: Any) -> str:
    if not isinstance(detail, dict):
        return "" if detail is None else str(detail)
    return ", ".join(f"{key} {value}" for key, value in detail.items())[:300]


_ORDER: Final = [
    *(SIGNALS[name] for name in FIRST),
    *(signal for signal in TICK_SIGNALS if signal.name not in FIRST),
]


@dataclass(frozen=True)
class Value:
    """One signal of a tick, for a table."""

    signal: str
    value: str
    unit: str
    meaning: str


def values(tick: Any) -> list[Value]:
    """All signals of one tick in the words of a person.

    Args:
        tick: one record of ``spec.TICK_DTYPE``.
    """
    return [Value(signal.name, _text(signal.name, tick), signal.unit, signal.meaning) for signal in _ORDER]


def _text(name: str, tick: Any) -> str:
    value = tick[name].item()
    if name in _CODES:
        return _code(_CODES[name], value)
    if name in _BITS:
        return _bits(_BITS[name], value)
    if name == "source":
        return _SOURCES.get(value, str(value))
    if isinstance(value, float):
        return "unknown" if math.isnan(value) else f"{value:.4f}"
    return str(value)


def _code(kind: type[Any], value: int) -> str:
    try:
        return _plain(kind(value).name)
    except ValueError:
        return f"{value} (unknown)"


def _bits(kind: type[Any], value: int) -> str:
    names = [_plain(member.name) for member in kind if value & member.value]
    rest = value & ~sum(member.value for member in kind)
    return ", ".join([*names, *([f"0x{rest:x}"] if rest else [])]) or "none"


def _plain(name: str | None) -> str:
    return (name or "").lower().replace("_", " ")
