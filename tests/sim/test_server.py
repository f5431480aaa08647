"""The twin in wall-clock time. Nothing here looks at the wall clock to judge: what counts is the MCU's time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_bridge.hostlib import build
from firmware_bridge.link import SerialLink
from firmware_bridge.protocol import Decoder
from firmware_bridge.serial_device import SerialDevice
from robot_il.robot import Robot
from robot_il.spec import LIMITS, Event, Mode
from sim.conditions import Conditions
from sim.monitor import EventLog
from sim.pseudo_terminal import PseudoTerminal
from sim.server import Server
from sim.twin import Twin

pytestmark = pytest.mark.wallclock

PATIENCE_S = 60.0
HOST = """
import sys, time
from firmware_bridge.link import SerialLink
from firmware_bridge.serial_device import SerialDevice
from robot_il.control.lqr import lqr_gain
from robot_il.robot import load_robot
from robot_il.spec import Mode
from robot_il.tasks import TASKS
gain = [float(k) for k in lqr_gain(load_robot(), TASKS["stand"])]
device = SerialDevice(SerialLink(sys.argv[1]))
device.open()
while True:
    state = device.read(time.monotonic_ns() + 100_000_000)
    if state is None:
        continue
    if state.mode == Mode.ARMED:
        seen = (state.pitch, state.pitch_rate, state.position, state.velocity)
        torque = -sum(k * value for k, value in zip(gain, seen)) / 2
        device.write(max(-4.0, min(4.0, torque)), max(-4.0, min(4.0, torque)))
    else:
        device.request("disarm" if state.mode == Mode.STOPPED else "arm")
"""


class RunningTwin:
    """A ``robot-il twin`` of its own and its event log."""

    def __init__(self, folder: Path) -> None:
        build()  # so that its start does not wait for the compiler
        self.log, self.link = folder / "twin.jsonl", folder / "robot"
        command = ["twin", "--log", str(self.log), "--link", str(self.link), "--seconds", "120"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "robot_il.cli.main", *command], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()

    def events(self) -> list[dict]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def wait_for(self, event: str) -> list[dict]:
        """Waits for such an event after the last arming (a starved host may have been stopped and armed before).

        Returns:
            All events since the last arming.
        """
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            events = self.events()
            armed = max((index for index, entry in enumerate(events) if entry["event"] == "armed"), default=0)
            if any(entry["event"] == event for entry in events[armed:]):
                return events[armed:]
            time.sleep(0.02)
        raise AssertionError(f"no {event} in {events}")

    def stop(self, number: int = signal.SIGINT) -> str:
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=PATIENCE_S)
        return output


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningTwin]:
    twin = RunningTwin(tmp_path)
    yield twin
    if twin.process.poll() is None:
        twin.process.kill()
        twin.process.communicate()


@pytest.fixture
def host(running: RunningTwin) -> Iterator[subprocess.Popen]:
    """A process that balances the running twin by LQR, armed again after every stop."""
    process = subprocess.Popen([sys.executable, "-c", HOST, str(running.link)])
    running.wait_for("released")
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_the_wheels_stop_and_stay_off_within_the_timeout_of_a_host_that_falls_silent(
    running: RunningTwin, host: subprocess.Popen, number: int
) -> None:
    time.sleep(0.5)
    host.send_signal(number)
    time.sleep(0.2)  # what it still wrote is taken in
    since = running.wait_for("set_upright")
    assert [event["event"] for event in since if event["event"] in ("armed", "stopped")] == ["armed", "stopped"]
    off = next(event for event in since if event["event"] == "wheels_off")
    # Judged by onlookers' figures from the wire; the MCU acts on whole ticks.
    assert 0.0 < off["age_ms"] <= LIMITS.command_timeout_ms
    assert off["age_ms"] == (off["mcu_time_us"] - off["answered_state_us"]) / 1000
    device = SerialDevice(SerialLink(str(running.link))) if number == signal.SIGKILL else None
    if device is not None:
        device.open()
        state = device.read(time.monotonic_ns() + 1_000_000_000)
        assert state is not None
        assert state.mode == Mode.STOPPED
        assert (state.applied_left, state.applied_right) == (0.0, 0.0)
        device.close()


def test_a_second_host_finds_the_twin_where_the_first_left_it(running: RunningTwin) -> None:
    boots = []
    for _ in range(2):
        device = SerialDevice(SerialLink(str(running.link)))
        boots.append(device.open().boot_id)
        assert device.read(time.monotonic_ns() + 1_000_000_000) is not None
        device.close()
    assert boots[0] == boots[1]
    assert running.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_twin_cleanly_with_its_account(running: RunningTwin, number: int) -> None:
    assert running.first_line == f"twin ready on {running.link.readlink()}\n"
    running.wait_for("started")
    output = running.stop(number)
    assert output.startswith("twin finished: ")
    assert running.process.returncode == 0
    assert not running.link.is_symlink()
    account = running.events()[-1]
    assert account["event"] == "finished"
    assert account["mcu_s"] == pytest.approx(account["states"] / 200, abs=0.005)


def served(twin: Twin, tmp_path: Path, stall: Callable[[int], None]) -> tuple[list[dict], bytes]:
    """Serves a twin for a moment; ``stall(step)`` runs before each step. The events, and what the host was sent."""
    terminal, log = PseudoTerminal(), EventLog(tmp_path / "log.jsonl")
    host, steps = SerialLink(terminal.port), [0]
    heard = bytearray()

    def stop() -> bool:
        steps[0] += 1
        heard.extend(host.read(0))
        stall(steps[0])
        return steps[0] > 60

    Server(twin, terminal, log).run(stop)
    heard.extend(host.read(0))
    host.close()
    terminal.close()
    log.close()
    return [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()], bytes(heard)


def test_a_stalled_machine_pauses_the_world_and_both_ends_are_told(robot: Robot, tmp_path: Path) -> None:
    twin = Twin(robot, Conditions(), 0)
    events, heard = served(twin, tmp_path, lambda step: time.sleep(0.05) if step == 20 else None)
    twin.close()
    # A busy machine may add pauses of its own; this one lies where it was made.
    stalls = [event for event in events if event["event"] == "slip" and event["mcu_time_us"] == 19_000]
    assert len(stalls) == 1
    assert stalls[0]["lost_ms"] > 40.0
    told = [values for name, values in Decoder().feed(heard) if name == "EVENT" and values[1] == Event.TIME_SLIPPED]
    assert stalls[0]["lost_ms"] in [pytest.approx(values[3]) for values in told]
    account = events[-1]
    assert account["mcu_s"] == pytest.approx(0.060)
    assert account["lost_ms"] == pytest.approx(sum(event.get("lost_ms", 0.0) for event in events[:-1]))
