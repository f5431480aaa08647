"""A person at a real terminal, the real command, a twin behind its port: recorded, labelled, gone in the middle."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli import main
from robot_il.recording.episodes import book_of
from robot_il.recording.reader import Log, read_log
from tests.cli.processes import PATIENCE_S, TwinProcess, twin, wait_for

__all__ = ["twin"]
pytestmark = pytest.mark.wallclock


ATTEMPTS = 3
"""Of a flight in real time: on a machine with more to do, host or twin may be late for long enough to end one. The same
is flown in lock-step elsewhere; here it is the terminal and the processes that are tried."""


class EndedError(AssertionError):
    """The command ended before it showed what it was waited for."""


ROLLING = re.compile(r"velocity \+(0\.[1-9]|[1-9])")
"""At 0.1 m/s or faster: on a busy machine the line is not shown at every speed on the way."""


class Terminal:
    """A terminal that a command runs in; ended at the latest with the block."""

    def __init__(self, *arguments: object, start: tuple[str, ...] = ("-m", "robot_il.cli.main")) -> None:
        self._hands, program = os.openpty()
        command = [sys.executable, *start, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=program, stdout=program, stderr=program, start_new_session=True)
        os.close(program)
        self.shown = ""

    def press(self, keys: bytes) -> None:
        os.write(self._hands, keys)

    def _reads(self, text: str | re.Pattern[str]) -> bool:
        if select.select([self._hands], (), (), 0.05)[0]:
            self.shown += os.read(self._hands, 65536).decode(errors="replace")
        return text in self.shown if isinstance(text, str) else text.search(self.shown) is not None

    def wait(self, text: str | re.Pattern[str], hold: bytes = b"") -> None:
        """Waits until the terminal shows or has shown this, a key held meanwhile."""

        def look() -> bool:
            if hold:
                self.press(hold)
            return self._reads(text)

        try:
            wait_for(look, f"the terminal to show {text!r}")
        except OSError:  # nobody has the other end open any more
            raise EndedError(f"ended without {text!r}: {self.shown}") from None

    def close(self) -> None:
        if self._hands >= 0:
            os.close(self._hands)
        self._hands = -1

    def end(self) -> int:
        """Reads on until the command has ended; its exit code."""
        with contextlib.suppress(EndedError):
            self.wait("\0 which is never shown")
        return self.process.wait(PATIENCE_S)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()
        self.close()


def record(twin: TwinProcess, out: Path, *more: str, start: tuple[str, ...] = ("-m", "robot_il.cli.main")) -> Terminal:
    return Terminal(
        "record", "--device", twin.port, "--controller", "person", "--label", "suboptimal",
        "--seconds", 60, "--patience", 30, "--out", out, *more, start=start,
    )  # fmt: skip


def undisturbed(folder: Path, flight: Callable[[Path], None]) -> Log:
    """The log of a flight that neither a late host nor a late twin ended."""
    for attempt in range(ATTEMPTS):
        out = folder / f"{attempt}.mcap"
        try:
            flight(out)
        except EndedError as error:
            if "observation" not in str(error):
                raise
            continue
        log = read_log(out)
        if not any(reason.startswith("observation") for reason in _reasons(log)):
            return log
    return pytest.skip(f"this machine is too busy for real time: host or twin were late in each of {ATTEMPTS} flights")


def _reasons(log: Log) -> list[str]:
    told = [event["detail"]["reasons"] for event in log.events if event["name"] == "supervisor"]
    return [reason.lower().replace("_", " ") for reasons in told for reason in reasons]


def driven(log: Log) -> np.ndarray:
    return log.ticks[log.ticks["source"] > 0]


def test_a_recording_at_the_terminal_is_driven_labelled_and_stopped_by_keys(twin: TwinProcess, tmp_path: Path) -> None:
    def flight(out: Path) -> None:
        with record(twin, out, "--input", "keyboard") as terminal:
            terminal.wait("arrows or WASD drive")
            terminal.press(b"\n")
            terminal.wait("episode e1 started")
            terminal.wait(ROLLING, hold=b"w")
            terminal.press(b"\n1")
            terminal.wait("episode e1 is good")
            terminal.press(b" ")
            terminal.end()

    log = undisturbed(tmp_path, flight)
    (episode,) = book_of(log).episodes
    assert (episode.id, episode.label, episode.mode) == ("e1", "expert", "assisted")
    assert (log.session.config["hands"]["input"], log.session.controller["name"]) == ("keyboard", "person")
    assert len(log.hands) > 10
    assert driven(log)["stick_forward"].max() > 0.5
    assert set(_reasons(log)) == {"stop requested"}
    assert main.main(["replay", str(log.path)]) == 0


def test_a_terminal_that_closes_while_a_key_is_held_stops_the_robot(twin: TwinProcess, tmp_path: Path) -> None:
    def flight(out: Path) -> None:
        with record(twin, out, "--input", "keyboard") as terminal:
            terminal.wait("arrows or WASD drive")
            terminal.wait(ROLLING, hold=b"w")
            terminal.close()
            terminal.process.send_signal(signal.SIGHUP)
            terminal.process.wait(PATIENCE_S)

    log = undisturbed(tmp_path, flight)
    assert log.status == "complete"
    assert np.abs(driven(log)["velocity"][-5:]).max() < 0.1
    assert {"operator silent", "stop requested"} & set(_reasons(log))


PUSHED_PAD = """
import sys
from pathlib import Path
import robot_il.cli.pad_source as source
from tests.cli.virtual_pads import VirtualPad

class Pads(source.SdlPads):
    \"\"\"One pad, pushed forward for a second and let go for half of one, until its cable is pulled.\"\"\"

    looks = 0
    pad = None

    def look(self):
        self.pad = self.pad or VirtualPad()
        there = super().look()
        if there and Path({pulled!r}).exists():
            self.pad.unplug()
            return super().look()
        if there:
            self.looks += 1
            held = self.looks % 150 > 50
            self.pad.press(9, held)
            self.pad.push(1, -0.9 * held)
        return there

source.SdlPads = Pads
sys.exit(source.main())
"""
RECORD = """
import sys
import robot_il.cli.hands as hands
from robot_il.cli.main import main
hands.PadHands.__init__.__defaults__ = ("", (sys.executable, "-c", {source!r}), 60.0)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(importlib.util.find_spec("pygame") is None, reason="needs pygame")
def test_a_pad_whose_cable_is_pulled_while_it_drives_brings_the_robot_to_rest(
    twin: TwinProcess, tmp_path: Path
) -> None:
    def flight(out: Path) -> None:
        pulled = out.with_suffix(".pulled")
        script = RECORD.format(source=PUSHED_PAD.format(pulled=str(pulled)))
        with record(twin, out, "--input", "gamepad", start=("-c", script)) as terminal:
            terminal.wait("Virtual Controller drives, read by the map SDL's")
            terminal.wait(ROLLING)
            pulled.touch()
            terminal.wait("the pad is gone")
            assert terminal.end() == 1

    log = undisturbed(tmp_path, flight)
    ticks = driven(log)
    assert log.session.config["hands"]["pad"]["map"]["deadman"] == [9, 10]
    assert "operator lost" in _reasons(log)
    last_ns = log.hands["host_ns"][-1]
    after = ticks[ticks["host_receive_ns"] > last_ns + 155_000_000]
    assert (after["source"] == 2).all()
    assert not after["stick_forward"].any()
    assert np.abs(ticks["velocity"][-5:]).max() < 0.1
    assert main.main(["replay", str(log.path)]) == 0
