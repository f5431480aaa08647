"""What is marked in the figure of a recording: who was in charge from when to when, and what happened."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from robot_il.learning.figures import COLOURS
from robot_il.recording.reader import Log
from robot_il.spec import Fault, Mode

MOST_MARKS: Final = 200
"""More lines than this would only blacken the figure; the first are kept."""
_BAD: Final = ("link_lost", "observation_late", "recorder_dropped", "operator_lost", "estop")
_SILENT: Final = (
    "episode",
    "realtime",
    "supervisor",
    "mcu_armed",
    "mcu_disarmed",
    "mcu_estopped",
    "mcu_rejected",
    "mcu_stopped",
    "mcu_time_slipped",
)
"""Events that the bars and the ticks themselves tell already, or that would be too many."""


@dataclass(frozen=True)
class Stretch:
    """Ticks on which one and the same was in charge.

    Attributes:
        start: index of its first tick.
        stop: index after its last.
        text: who.
        colour: of its bar.
        shade: opacity with which the panels are shaded.
    """

    start: int
    stop: int
    text: str
    colour: str
    shade: float


@dataclass(frozen=True)
class Mark:
    """One instant.

    Attributes:
        host_ns: on the host's monotonic clock.
        text: a word or two.
        bad: whether it is a fault.
    """

    host_ns: int
    text: str
    bad: bool = False


_NOBODY, _CONTROLLER, _FALLBACK, _PERSON = range(4)
_DRIVERS: Final = {
    _NOBODY: ("nobody", COLOURS[7], 0.12),
    _CONTROLLER: ("controller", COLOURS[5], 0.0),
    _FALLBACK: ("fallback", COLOURS[4], 0.22),
    _PERSON: ("person", COLOURS[3], 0.12),
}


def drivers(ticks: np.ndarray) -> list[Stretch]:
    """Who was in charge, in the order of time.

    Args:
        ticks: (T,) of ``spec.TICK_DTYPE``, T > 0.
    """
    who = ticks["source"].astype(np.int64).clip(_NOBODY, _FALLBACK)
    who[(who == _CONTROLLER) & np.isfinite(ticks["intent"])] = _PERSON
    edges = [0, *(np.flatnonzero(np.diff(who)) + 1).tolist(), len(who)]
    return [Stretch(start, stop, *_DRIVERS[int(who[start])]) for start, stop in pairwise(edges)]


def marks(log: Log) -> list[Mark]:
    """Changes of the MCU's mode, faults as they come, and the events of the log, in the order of time.

    Events whose time is not within that of the ticks are left out: some simulations log them by another clock.
    """
    ticks = log.ticks
    first, last = int(ticks["host_receive_ns"][0]), int(ticks["host_receive_ns"][-1])
    found = [*_modes(ticks), *_faults(ticks)]
    for event in log.events:
        name, host_ns = str(event.get("name", "")), event.get("host_ns")
        if name not in _SILENT and isinstance(host_ns, int) and first <= host_ns <= last:
            found.append(Mark(host_ns, _words(name, event.get("detail")), name in _BAD))
    return sorted(found, key=lambda mark: mark.host_ns)[:MOST_MARKS]


def _modes(ticks: np.ndarray) -> list[Mark]:
    changed = np.flatnonzero(np.diff(ticks["mode"].astype(np.int64))) + 1
    stops = (Mode.STOPPED, Mode.ESTOPPED)
    return [
        Mark(int(ticks["host_receive_ns"][at]), _mode(int(ticks["mode"][at])), ticks["mode"][at] in stops)
        for at in changed
    ]


def _mode(value: int) -> str:
    return Mode(value).name.lower() if value in Mode.__members__.values() else f"mode {value}"


def _faults(ticks: np.ndarray) -> list[Mark]:
    """A mark where a fault bit appears that was not there on the tick before."""
    faults = ticks["faults"].astype(np.int64)
    new = faults[1:] & ~faults[:-1]
    return [
        Mark(int(ticks["host_receive_ns"][at + 1]), "fault " + _fault(int(new[at])), True) for at in np.flatnonzero(new)
    ]


def _fault(bits: int) -> str:
    return "+".join(fault.name.lower().replace("_", " ") for fault in Fault if bits & fault and fault.name)


def _words(name: str, detail: Any) -> str:
    """An event's name, with the mode of a run and nothing else: the figure has little room."""
    mode = detail.get("mode") if isinstance(detail, dict) and name == "run_started" else None
    return name.replace("_", " ") + (f": {mode}" if isinstance(mode, str) else "")
