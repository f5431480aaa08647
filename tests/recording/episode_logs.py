"""Logs with episodes, written in the test's own process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.recording.log_writer import LogFile, LogWriter
from robot_il.recording.session import Session
from tests.recording.conftest import SESSION, WRITTEN_BY

SESSION_LOG = replace(SESSION, label="unlabeled", controller={"name": "session"}, note="")
FIRST_NS = 10**12
SECOND_NS = 10**9


def at(seconds: float) -> int:
    """Host time of an instant of ``plausible_ticks``, in ns."""
    return FIRST_NS + round(seconds * SECOND_NS)


def write_session(
    path: Path,
    ticks: np.ndarray,
    operations: Iterable[object] = (),
    *,
    session: Session = SESSION_LOG,
    began_unix_ns: int = 0,
    finish: bool = True,
) -> Path:
    """Writes ticks with episode events among them, each before the first tick that is not older."""
    file = LogFile(path)
    writer = LogWriter(file, session.to_json(), {**WRITTEN_BY, "started_unix_ns": began_unix_ns}, FIRST_NS)
    waiting = [(_when(operation), operation) for operation in operations]
    for row in ticks:
        while waiting and waiting[0][0] <= row["host_receive_ns"]:
            _event(writer, *waiting.pop(0))
        writer.tick(row.tobytes())
    for when, operation in waiting:
        _event(writer, when, operation)
    if finish:
        writer.finish("closed", 0)
    file.close()
    return path


def _when(operation: object) -> int:
    values: dict[str, Any] = operation if isinstance(operation, dict) else {}
    return int(values.get("stop_ns", values.get("start_ns", FIRST_NS)))


def _event(writer: LogWriter, when: int, detail: object) -> None:
    writer.event(json.dumps({"host_ns": when, "name": "episode", "detail": detail}).encode())


def recorded(name: str, first_s: float, last_s: float, mode: str = "assisted") -> list[dict[str, Any]]:
    """The operations of one episode that was recorded."""
    return [
        {"op": "start", "id": name, "start_ns": at(first_s), "task": "stand", "mode": mode},
        {"op": "stop", "id": name, "stop_ns": at(last_s)},
    ]


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
