"""Real processes on real pseudo-terminals, for tests that kill them; verdicts are read off the MCU's clock."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_bridge.protocol import Decoder
from robot_il.control.device import State

PATIENCE_S = 60.0
"""Longest wait for anything to happen; only a hang reaches it."""


@contextlib.contextmanager
def robot_il(*arguments: object) -> Iterator[subprocess.Popen]:
    """A running command, ended at the latest with the block."""
    command = [sys.executable, "-m", "robot_il.cli.main", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(0.01)


class TwinProcess:
    """A twin behind its port, and what its onlooker wrote down."""

    def __init__(self, port: Path, log: Path) -> None:
        self.port = port
        self._log = log

    def events(self, name: str) -> list[dict]:
        lines = self._log.read_text().splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if event["event"] == name]

    def wait(self, name: str, count: int = 1) -> dict:
        wait_for(lambda: len(self.events(name)) >= count, f"the twin to note {name}")
        return self.events(name)[count - 1]


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[TwinProcess]:
    port, log = tmp_path / "robot", tmp_path / "twin.jsonl"
    with robot_il("twin", "--link", port, "--log", log) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("twin ready")
        yield TwinProcess(port, log)


class Bridge:
    """A serial bridge of one's own between host and twin, which can go on sending after its host has hung."""

    def __init__(self, twin_port: Path, host_port: Path) -> None:
        self._twin = os.open(twin_port, os.O_RDWR | os.O_NOCTTY)
        self._host, slave = os.openpty()
        for descriptor in (self._twin, slave):
            _make_raw(descriptor)
        self._slave = slave
        host_port.symlink_to(os.ttyname(slave))
        self.last_command = b""
        self.state: State | None = None
        self._decoder = Decoder()
        self.resend = False
        self.resent = 0
        self._running = True
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self) -> None:
        while self._running:
            ready, _, _ = select.select([self._twin, self._host], [], [], 0.005)
            if self._twin in ready:
                data = os.read(self._twin, 65536)
                for name, values in self._decoder.feed(data):
                    if name == "STATE":
                        self.state = State._make(values)
                if not self.resend:
                    os.write(self._host, data)
            if self._host in ready:
                data = os.read(self._host, 65536)
                self.last_command = data
                os.write(self._twin, data)
            if self.resend:
                os.write(self._twin, self.last_command)
                self.resent += 1

    def close(self) -> None:
        self._running = False
        self._thread.join()
        for descriptor in (self._twin, self._host, self._slave):
            os.close(descriptor)


def _make_raw(descriptor: int) -> None:
    import tty

    tty.setraw(descriptor)
