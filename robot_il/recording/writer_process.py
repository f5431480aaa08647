"""The side process: takes records from the ring and writes the file, off the control loop's time.

Started by ``recorder.Recorder``, in a session of its own, so that Ctrl-C at the terminal does not reach it. It ends
when told to, or when its parent is gone: then too it takes what is left in the ring and finishes the file.

Its standard input carries one JSON line (the job), later the line ``close``; the end of the input without it means
that the parent died. Its standard output carries one JSON line when the file is open and one at the end.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from robot_il.errors import LogError
from robot_il.recording.log_writer import LogFile, LogWriter
from robot_il.recording.ring import KIND_EVENT, KIND_HAND, KIND_LABEL, KIND_TICK, Ring

POLL_MS: Final = 20
SYNC_S: Final = 0.2
"""With an open chunk of 0.2 s and a poll, a power cut costs less than half a second."""
CLOSED: Final = "closed"
PARENT_DIED: Final = "the recording process died"


class Drain:
    """Moves records from the ring to the file, and syncs now and then."""

    def __init__(self, ring: Ring, writer: LogWriter) -> None:
        self._ring = ring
        self._writer = writer
        self._take = {
            KIND_TICK: writer.tick,
            KIND_EVENT: writer.event,
            KIND_LABEL: writer.label,
            KIND_HAND: writer.hand,
        }
        self._dropped = 0
        self._synced = time.monotonic()

    def run(self) -> None:
        """Takes what there is. Raises OSError where the disk is full."""
        for kind, payload in self._ring.drain():
            self._take[kind](payload)
        self._tell_dropped()
        self._writer.flush_older_than(SYNC_S)
        if time.monotonic() - self._synced >= SYNC_S:
            self._writer.file.sync()
            self._synced = time.monotonic()

    def _tell_dropped(self) -> None:
        """Puts an event near the place where records were lost."""
        lost = self._ring.dropped - self._dropped
        if lost:
            self._dropped += lost
            event = {"host_ns": self._writer.last_ns, "name": "recorder_dropped", "detail": {"records": lost}}
            self._writer.event(json.dumps(event).encode())


def wait_for_end(drain: Drain, parent: int) -> str:
    """Drains until told to close or until the parent is gone; returns which of the two."""
    inbox = select.poll()
    inbox.register(0, select.POLLIN)
    while True:
        if inbox.poll(POLL_MS):
            return CLOSED if os.read(0, 64) else PARENT_DIED
        # a forked relative may hold the other end of the input open
        if os.getppid() != parent:
            return PARENT_DIED
        drain.run()


def record(ring: Ring, job: dict[str, Any]) -> dict[str, Any]:
    """Writes one recording from start to end; returns its summary."""
    final = Path(job["path"])
    file = LogFile(Path(job["recording"]))
    try:
        writer = LogWriter(file, job["session"], job["written_by"], job["host_ns"])
        tell({"ready": True})
        drain = Drain(ring, writer)
        reason = wait_for_end(drain, job["parent"])
        drain.run()
        writer.finish(reason, ring.dropped)
    except OSError as error:
        ring.failure = error.errno or errno.EIO
        file.cut_to_complete()
        return {"path": str(file.path), "status": "cut", "error": f"{error.strerror} while writing {file.path}"}
    summary = {"status": "complete", "ticks": writer.ticks, "events": writer.events, "error": ""}
    try:
        file.publish(final)
    except LogError as error:
        summary["error"] = str(error)
    file.close()
    return {**summary, "path": str(file.path), "bytes": file.size, "sha256": file.sha256}


def tell(message: dict[str, Any]) -> None:
    """One line to the parent, if it is still there to read it."""
    with suppress(BrokenPipeError):
        os.write(1, json.dumps(message).encode() + b"\n")


def be_modest() -> None:
    """Gives up the priority that a tuned control process hands down, and outlives signals meant for it."""
    for name in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(5)


def main() -> None:
    """Entry point: the ring's descriptor is the only argument."""
    be_modest()
    ring = Ring(int(sys.argv[1]))
    with open(0, "rb", buffering=0, closefd=False) as inbox:
        line = inbox.readline()
    if not line:
        return
    try:
        tell(record(ring, json.loads(line)))
    except LogError as error:
        tell({"error": [error.expected, error.came, error.remedy]})


if __name__ == "__main__":
    main()
