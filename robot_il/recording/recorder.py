"""The recorder as the control loop sees it: ticks and events go in, nothing ever blocks."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import numpy as np

from robot_il.control.clock import Clock, MonotonicClock
from robot_il.errors import LogError
from robot_il.recording.log_writer import describe_writer
from robot_il.recording.ring import KIND_EVENT, KIND_HAND, KIND_LABEL, MAX_RECORD_BYTES, PAYLOAD_BYTES, SLOTS, Ring
from robot_il.recording.session import Session, check_label
from robot_il.spec import TICK_DTYPE

__all__ = ["LogSummary", "Recorder", "Session", "event_text", "recording_name"]

ANSWER_TIMEOUT_S: Final = 60
"""For starting on a busy host, and for finishing on a slow disk with a full ring."""
EXIT_TIMEOUT_S: Final = 5
_TICK_BYTES: Final = TICK_DTYPE.itemsize


@dataclass(frozen=True)
class LogSummary:
    """What became of a recording.

    Attributes:
        path: the finished log, or the ``.recording`` file where it could not be finished.
        status: ``complete``, or ``cut`` where the side process stopped early (``robot-il log recover`` reads it).
        ticks: written ticks; -1 where the file was cut.
        events: written events; -1 where the file was cut.
        dropped: ticks and events that found the ring full.
        bytes: size of the file; -1 where it was cut.
        sha256: of the finished file; empty where it was cut.
        error: what went wrong, empty if nothing did.
    """

    path: Path
    status: str
    ticks: int = -1
    events: int = -1
    dropped: int = 0
    bytes: int = -1
    sha256: str = ""
    error: str = ""


def recording_name(path: Path) -> Path:
    """Name of a log while it is being written."""
    return path.with_name(path.name + ".recording")


class Recorder:
    """Records one session into one new file through a side process.

    Make it before the process raises its own priority or pins itself to a core. While it is open the file is called
    ``NAME.recording``; the side process finishes it even when this process is killed.

    Args:
        path: the log to be made, usually ``*.mcap``.
        session: what the log says about itself.
        clock: gives the time of events; the clock of the loop, so that simulated time stays simulated.
        lossless: waits for the side process where the ring is full, instead of dropping; for simulated time only.

    Raises:
        LogError: the file exists already, cannot be made, or the side process did not start.
        ConfigError: the session holds what JSON cannot.
    """

    def __init__(self, path: Path, session: Session, clock: Clock | None = None, lossless: bool = False) -> None:
        _check_free(path)
        self._clock = clock or MonotonicClock()
        self._lossless = lossless
        self._summary: LogSummary | None = None
        job = {
            "path": str(path.absolute()),
            "recording": str(recording_name(path).absolute()),
            "session": session.to_json(),
            "written_by": describe_writer(),
            "host_ns": self._clock.now_ns(),
            "parent": os.getpid(),
        }
        self._path = recording_name(path)
        self._ring = Ring()
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        self._process = self._start()
        try:
            self._await_ready(job)
        except BaseException:
            self._release()
            raise

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "robot_il.recording.writer_process", str(self._ring.descriptor)]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            bufsize=0,
            pass_fds=(self._ring.descriptor,),
            start_new_session=True,
        )

    def _await_ready(self, job: dict[str, Any]) -> None:
        answer = self._send(json.dumps(job).encode() + b"\n") and self._receive()
        if answer and answer.get("ready"):
            return
        if answer and isinstance(answer.get("error"), list):
            raise LogError(*answer["error"])
        came = answer["error"] if answer else self._last_words()
        raise LogError("the recorder's side process to start", came, "check the disk and the installation")

    def follow(self, clock: Clock) -> None:
        """Takes the time of events from another clock from here on: that of a simulation that starts later."""
        self._clock = clock

    def tick(self, row: bytes) -> None:
        """Takes one packed row of ``spec.TICK_DTYPE``; never blocks unless lossless."""
        if len(row) != _TICK_BYTES:
            raise LogError(f"a tick of {_TICK_BYTES} bytes", f"{len(row)}", "pack it as spec.TICK_DTYPE")
        if self._lossless:
            self._wait_for_room(1)
        self._ring.publish_tick(row)

    def hand(self, row: bytes) -> None:
        """Takes one packed row of ``spec.HAND_DTYPE``."""
        self._publish(KIND_HAND, row)

    def event(self, name: str, **detail: object) -> None:
        """Takes one named event with details that JSON can hold; others are turned into text."""
        self._publish(KIND_EVENT, event_text(self._clock.now_ns(), name, detail))

    def label(self, label: str) -> None:
        """Labels the recording from here on; the newest label holds for all of it.

        Raises:
            ConfigError: not one of ``spec.LABELS``.
        """
        check_label(label)
        self._publish(KIND_LABEL, json.dumps({"host_ns": self._clock.now_ns(), "label": label}).encode())

    def _publish(self, kind: int, payload: bytes) -> None:
        if self._lossless:
            self._wait_for_room(len(payload) // PAYLOAD_BYTES + 1)
        self._ring.publish(kind, payload)

    def _wait_for_room(self, slots: int) -> None:
        while self._ring.backlog + slots > SLOTS and not self.failure:
            time.sleep(0.001)

    @property
    def writer_pid(self) -> int:
        """Process id of the side process."""
        return self._process.pid

    @property
    def ring_descriptor(self) -> int:
        """Of the ring, for a ``RingWatcher`` in another process; valid while the recorder is open."""
        return self._ring.descriptor

    @property
    def dropped(self) -> int:
        """Ticks and events that found the ring full, so far."""
        return self._summary.dropped if self._summary else self._ring.dropped

    @property
    def failure(self) -> str:
        """Why the side process stopped writing, empty while it is well; cheap, ask about once a second."""
        if self._summary:
            return self._summary.error
        if self._ring.failure:
            return f"{os.strerror(self._ring.failure)} while writing {self._path}"
        return "the recorder's side process ended" if self._process.poll() is not None else ""

    def close(self) -> LogSummary:
        """Ends the recording and waits for the file; may be called again. A failure is told in the summary."""
        if self._summary is None:
            answer = self._finish()
            dropped = self._ring.dropped
            answer["path"] = Path(answer["path"])
            self._summary = LogSummary(dropped=dropped, **answer)
            self._release()
        return self._summary

    def _finish(self) -> dict[str, Any]:
        # where the side process stopped early its summary is waiting already
        self._send(b"close\n")
        answer = self._receive()
        return answer or {"path": str(self._path), "status": "cut", "error": self._last_words()}

    def _send(self, data: bytes) -> bool:
        """Writes to the side process; False where it is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
        except BrokenPipeError:
            return False
        return True

    def _receive(self) -> dict[str, Any] | None:
        """One line from the side process; None where it says nothing for too long, or is gone."""
        assert self._process.stdout is not None
        inbox = select.poll()
        inbox.register(self._process.stdout, select.POLLIN)
        line = self._process.stdout.readline() if inbox.poll(ANSWER_TIMEOUT_S * 1000) else b""
        return json.loads(line) if line else None

    def _last_words(self) -> str:
        """Why the side process is silent: the last line it printed, or how it ended."""
        try:
            status = self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return f"the side process is silent for {ANSWER_TIMEOUT_S} s; it goes on by itself"
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return f"the side process ended with status {status}" + (f": {lines[-1]}" if lines else "")

    def _release(self) -> None:
        """Lets the side process go: the end of its input tells it to finish, should it still run."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_TIMEOUT_S)
        self._ring.close()
        self._stderr.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_free(path: Path) -> None:
    for existing in (path, recording_name(path)):
        if existing.exists():
            remedy = f"choose another name, or run robot-il log recover {existing}"
            raise LogError(
                f"no file {existing} yet", "one that exists", remedy if existing != path else "choose another name"
            )
    if not path.parent.is_dir():
        raise LogError(f"a folder {path.parent}", "none", "make it first")


def event_text(host_ns: int, name: str, detail: dict[str, object]) -> bytes:
    """JSON text of one event, within the ring's bound; NaN and foreign types become text."""
    event = {"host_ns": host_ns, "name": name[:128], "detail": detail}
    try:
        text = json.dumps(event, allow_nan=False).encode()
    except (TypeError, ValueError):
        text = json.dumps({**event, "detail": {key: _plain(value) for key, value in detail.items()}}).encode()
    if len(text) > MAX_RECORD_BYTES:
        text = json.dumps({**event, "detail": {"oversized_bytes": len(text)}}).encode()
    return text


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return str(value)
    return value
