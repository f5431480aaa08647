"""Starts the processes behind the console: the station that holds the robot, and a twin where there is no robot."""

from __future__ import annotations

import asyncio
import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from robot_il.cli.station import Plan
from robot_il.console.station_link import StationLink, pair
from robot_il.errors import LinkError

TWIN_PATIENCE_S = 60.0
END_PATIENCE_S = 10.0


class Stations:
    """The processes of one console; use as a context manager, or nobody ends them.

    Args:
        robot: name or path of the profile.
        rate_hz: of the loop.
        pushes: of the twin, as ``robot-il twin --push`` takes them.
    """

    def __init__(self, robot: str, rate_hz: int, pushes: Sequence[str] = ()) -> None:
        self._robot = robot
        self._pushes = [word for push in pushes for word in ("--push", push)]
        self._rate_hz = rate_hz
        self._folder = tempfile.TemporaryDirectory(prefix="robot-il-")
        self._twin: subprocess.Popen[bytes] | None = None
        self._station: subprocess.Popen[bytes] | None = None

    async def start(self, device: str | None, log: Path) -> StationLink:
        """Starts a station, after the earlier one has ended.

        Args:
            device: port of the robot; None starts a twin and takes its port.
            log: the raw log.

        Raises:
            LinkError: the twin did not start.
        """
        await asyncio.to_thread(self._end, self._station)
        if device is None:
            device = await asyncio.to_thread(self._twin_port)
        ours, theirs = pair()
        command = [sys.executable, "-m", "robot_il.cli.station", str(theirs.fileno())]
        self._station = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)
        theirs.close()
        ours.send(json.dumps(asdict(Plan(device, self._robot, str(log), self._rate_hz))).encode())
        return StationLink(ours)

    def _twin_port(self) -> str:
        """Port of the twin, started where none runs."""
        port = Path(self._folder.name) / "twin"
        if self._twin is not None and self._twin.poll() is None:
            return str(port)
        command = [
            sys.executable,
            "-m",
            "robot_il.cli.main",
            "twin",
            "--robot",
            self._robot,
            "--link",
            str(port),
            *self._pushes,
        ]
        self._twin = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True)
        assert self._twin.stdout is not None
        said = select.select([self._twin.stdout], (), (), TWIN_PATIENCE_S)[0]
        line = self._twin.stdout.readline().decode(errors="replace").strip() if said else "silence"
        if not line.startswith("twin ready"):
            raise LinkError("a twin that starts", line or "one that ended", "see what it says above this line")
        return str(port)

    def _end(self, process: subprocess.Popen[bytes] | None) -> None:
        """Waits for a process that was told to end, and ends it where it does not."""
        if process is None:
            return
        for ask in (lambda: None, process.terminate, process.kill):
            ask()
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_PATIENCE_S)
                return

    def __enter__(self) -> Stations:
        return self

    def end(self) -> None:
        """Ends them; a second call does nothing."""
        self._end(self._station)
        if self._twin is not None:
            self._twin.terminate()
            self._end(self._twin)
            assert self._twin.stdout is not None
            self._twin.stdout.close()
        self._station = self._twin = None

    def __exit__(self, *exception: object) -> None:
        self.end()
        self._folder.cleanup()
