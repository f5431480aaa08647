"""The host is killed, frozen, or goes on talking without thinking: the MCU stops the wheels, and the log survives.

These run in wall-clock time through real serial ports. Every verdict is read off the MCU's own clock, so that a busy
machine can delay them and not change them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from robot_il.recording.reader import read_log
from robot_il.spec import LIMITS

from .processes import PATIENCE_S, Bridge, TwinProcess, robot_il, twin, wait_for

__all__ = ["twin"]
pytestmark = pytest.mark.wallclock


def start_recording(port: Path, out: Path):
    return robot_il(
        "record", "--device", port, "--controller", "lqr", "--label", "expert", "--seconds", 600, "--out", out
    )


def driven(twin: TwinProcess) -> None:
    """Waits until the robot has been driven for about a second; how long exactly does not matter."""
    twin.wait("released")
    time.sleep(1.0)


def assert_stopped_in_time_and_latched(twin: TwinProcess) -> dict:
    off = twin.wait("wheels_off")
    assert twin.wait("stopped")["faults"] == ["command_timeout"]
    assert off["mode"] == "stopped"
    assert off["age_ms"] <= LIMITS.command_timeout_ms
    twin.wait("set_upright")
    assert len(twin.events("armed")) == 1
    return off


def test_killing_the_host_stops_the_wheels_and_keeps_the_log(twin: TwinProcess, tmp_path: Path) -> None:
    out = tmp_path / "killed.mcap"
    with start_recording(twin.port, out) as host:
        driven(twin)
        host.kill()
        off = assert_stopped_in_time_and_latched(twin)
    wait_for(out.exists, "the log to be finished")
    log = read_log(out)
    assert log.status == "complete"
    assert off["answered_state_us"] - int(log.ticks["mcu_time_us"][-1]) <= 500_000


def test_freezing_the_host_stops_the_wheels(twin: TwinProcess, tmp_path: Path) -> None:
    with start_recording(twin.port, tmp_path / "frozen.mcap") as host:
        driven(twin)
        os.kill(host.pid, signal.SIGSTOP)
        assert_stopped_in_time_and_latched(twin)
        os.kill(host.pid, signal.SIGCONT)
        output, _ = host.communicate(timeout=PATIENCE_S)
    assert host.returncode == 1
    assert "ended fault" in output
    assert "mcu stopped" in output


def test_a_bridge_that_repeats_the_last_command_does_not_feed_the_watchdog(twin: TwinProcess, tmp_path: Path) -> None:
    port = tmp_path / "bridged"
    with contextlib.closing(Bridge(twin.port, port)) as bridge, start_recording(port, tmp_path / "hung.mcap") as host:
        driven(twin)
        os.kill(host.pid, signal.SIGSTOP)
        bridge.resend = True
        assert_stopped_in_time_and_latched(twin)
        assert bridge.resent > 10
        assert bridge.state is not None
        assert bridge.state.rejected > 10
