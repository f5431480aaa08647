"""Session recordings for the page: real flights of the lock-step twin, one after another, with episodes in them."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.cli.collecting import Collection, collect
from robot_il.cli.rollout import Rollout
from robot_il.recording.log_writer import LogFile, LogWriter
from robot_il.recording.reader import read_log
from robot_il.recording.session import Session
from robot_il.spec import SPEC_HASH
from robot_il.tasks import TASKS

SECONDS = 3.0
BEGIN_NS = 10**13
STARTED_UNIX_NS = 1_790_000_000 * 10**9


@functools.cache
def flight(controller: str) -> Path:
    """A log of a demonstrator that drove the lock-step twin."""
    folder = Path(tempfile.mkdtemp(prefix="robot-il-flight-"))
    collection = Collection(Rollout("reference", TASKS["stand"], SECONDS), controller, "expert", folder)
    collect(collection, [0], workers=1)
    return collection.path(0)


def flown(*controllers: str) -> np.ndarray:
    """The ticks of flights, one after another on one clock that begins at ``BEGIN_NS``."""
    parts = []
    begin_ns, first = BEGIN_NS, 0
    for controller in controllers:
        ticks = np.array(read_log(flight(controller)).ticks)
        index = first + np.arange(len(ticks))
        sent = ticks["host_send_ns"] > 0
        ticks["tick"], ticks["state_seq"], ticks["mcu_time_us"] = index, 100 + index, 5000 * (100 + index)
        ticks["host_receive_ns"] = begin_ns + 5_000_000 * np.arange(len(ticks))
        ticks["host_send_ns"] = np.where(sent, ticks["host_receive_ns"] + 150_000, 0)
        begin_ns += 5_000_000 * len(ticks)
        first += len(ticks)
        parts.append(ticks)
    return np.concatenate(parts)


def at(seconds: float) -> int:
    """A time of the session in ns on the host's clock."""
    return BEGIN_NS + round(seconds * 1e9)


def episode(name: str, start_s: float, stop_s: float, **said: Any) -> list[tuple[int, str, dict[str, Any]]]:
    """Events of one episode: start and stop, then what was said of it (``label``, ``note``, ``propose``)."""
    start, stop = at(start_s), at(stop_s)
    events: list[tuple[int, str, dict[str, Any]]] = [
        (start, "episode", {"op": "start", "id": name, "start_ns": start, "task": "stand", "mode": "assisted"}),
        (stop, "episode", {"op": "stop", "id": name, "stop_ns": stop}),
    ]
    for op, value in said.items():
        fields = {"label": value[0], "reasons": value[1]} if op == "propose" else {op: value}
        events.append((stop, "episode", {"op": op, "id": name, **fields}))
    return events


def session(path: Path, ticks: np.ndarray, events: Iterable[tuple[int, str, dict[str, Any]]] = ()) -> Path:
    """Writes a finished session recording with events at their times."""
    described = Session("stand", "unlabeled", {"name": "session"}, {"port": "lock-step twin"}, {}, synthetic=True)
    written_by = {
        "version": "test",
        "spec_hash": SPEC_HASH,
        "started_unix_ns": STARTED_UNIX_NS + sum(path.name.encode()),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    file = LogFile(path)
    writer = LogWriter(file, described.to_json(), written_by, int(ticks["host_receive_ns"][0]))
    waiting = sorted(events, key=lambda event: event[0])
    for row in ticks:
        while waiting and waiting[0][0] <= row["host_receive_ns"]:
            _write(writer, waiting.pop(0))
        writer.tick(row.tobytes())
    for event in waiting:
        _write(writer, event)
    writer.finish("closed", 0)
    file.close()
    return path


def _write(writer: LogWriter, event: tuple[int, str, dict[str, Any]]) -> None:
    time_ns, name, detail = event
    writer.event(json.dumps({"host_ns": time_ns, "name": name, "detail": detail}).encode())


def standard(folder: Path) -> Path:
    """A session of three episodes: a good one, one that is proposed as bad, and one without a label."""
    return session(
        folder / "20260101-120000.mcap",
        flown("lqr", "operator", "lqr"),
        [
            *episode("e1", 0.1, 2.9, label="expert"),
            *episode("e2", 3.1, 5.9, propose=("undesirable", ["fell", "torque limit hit 12 %"])),
            *episode("e3", 6.1, 8.9),
            (at(1.0), "take_over", {"by": "pad"}),
            (at(2.0), "give_back", {}),
        ],
    )
