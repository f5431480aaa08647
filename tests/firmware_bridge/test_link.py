"""The serial link over real pseudo-terminals."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from firmware_bridge.hostlib import Firmware
from firmware_bridge.link import SerialLink
from firmware_bridge.serial_device import SerialDevice
from robot_il.errors import LinkError, ProtocolError
from robot_il.spec import Mode
from tests.firmware_bridge.conftest import BOARD, tick

SECOND_NS = 1_000_000_000


@dataclass
class Terminal:
    """A pseudo-terminal: the far end's descriptor and the port's path."""

    far: int
    near: int
    port: str

    def hang_up(self) -> None:
        os.close(self.far)
        self.far = -1


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    far, near = os.openpty()
    tty.setraw(near)
    terminal = Terminal(far, near, os.ttyname(near))
    yield terminal
    os.close(near)
    if terminal.far >= 0:
        os.close(terminal.far)


@pytest.fixture
def link(terminal: Terminal) -> Iterator[SerialLink]:
    link = SerialLink(terminal.port)
    yield link
    link.close()


def soon(link: SerialLink, seconds: float = 5.0) -> int:
    return link.clock.now_ns() + int(seconds * SECOND_NS)


def test_bytes_pass_unchanged_in_both_directions(terminal, link):
    everything = bytes(range(256))
    os.write(terminal.far, everything)
    received = b""
    while len(received) < 256:
        received += link.read(soon(link))
    link.write(everything)
    assert received == everything
    assert os.read(terminal.far, 1000) == everything


def test_read_returns_nothing_at_its_deadline_and_not_before(link):
    deadline_ns = soon(link, 0.05)
    assert link.read(deadline_ns) == b""
    assert link.clock.now_ns() >= deadline_ns


def test_read_with_a_deadline_in_the_past_takes_what_is_there(terminal, link):
    os.write(terminal.far, b"abc")
    assert link.read(0) == b"abc"
    assert link.read(0) == b""


def test_a_write_nobody_takes_is_an_error_not_a_hang(link):
    with pytest.raises(LinkError, match="full buffer that nobody empties"):
        link.write(bytes(10_000_000))


def test_a_port_whose_far_end_hung_up_is_gone(terminal, link):
    terminal.hang_up()
    with pytest.raises(LinkError, match="a port that is gone"):
        link.read(soon(link))
    with pytest.raises(LinkError, match="a port that is gone"):
        link.write(b"x")


def test_a_closed_link_says_so_and_closes_twice(link):
    link.close()
    link.close()
    with pytest.raises(LinkError, match="gone"):
        link.read(soon(link))


def test_a_missing_port_is_named_with_those_found():
    with pytest.raises(LinkError, match="'/dev/no-such-port'; came no such device; found"):
        SerialLink("/dev/no-such-port")


def test_a_file_is_no_port(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(LinkError, match="name a serial device"):
        SerialLink(str(path))


def test_a_busy_port_names_who_holds_it(terminal):
    script = f"""
from firmware_bridge.link import SerialLink
link = SerialLink({terminal.port!r})
print("holding", flush=True)
input()
"""
    holder = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "holding\n"
        with pytest.raises(LinkError, match=rf"process {holder.pid} \(python"):
            SerialLink(terminal.port)
    finally:
        holder.communicate("\n")


class Robot(threading.Thread):
    """A firmware behind the far end of a pseudo-terminal, ticking as fast as bytes are taken."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(daemon=True)
        self.firmware = Firmware(BOARD)
        self.stop = threading.Event()
        self._far = terminal.far

    def run(self) -> None:
        while not self.stop.is_set():
            tick(self.firmware)
            if select.select([self._far], [], [], 0.001)[0]:
                self.firmware.receive(os.read(self._far, 4096))
            os.write(self._far, self.firmware.transmit())


@pytest.fixture
def robot(terminal: Terminal) -> Iterator[Robot]:
    robot = Robot(terminal)
    robot.start()
    yield robot
    robot.stop.set()
    robot.join()


def test_a_device_behind_a_pseudo_terminal_is_opened_armed_driven_and_stopped(robot, link):
    device = SerialDevice(link)
    identity = device.open()
    assert identity.boot_id == BOARD.boot_id
    assert 0.0 < identity.round_trip_s < 1.0
    state = device.read(soon(link))
    device.request("arm")
    driven = 0
    while driven < 20:
        state = device.read(soon(link))
        assert state is not None
        if state.mode == Mode.ARMED:
            device.write(0.4, 0.4)
            driven += 1
        else:
            device.request("disarm" if state.mode != Mode.DISARMED else "arm")
    while state.mode != Mode.STOPPED:  # no more commands: the watchdog
        state = device.read(soon(link))
    assert device.statistics.undecodable == 0
    device.close()


def test_something_else_behind_the_port_is_refused(terminal, link):
    os.write(terminal.far, b"Welcome to BusyBox\r\nlogin: " * 10)
    with pytest.raises(ProtocolError, match="another protocol"):
        SerialDevice(link).open()


def test_a_silent_port_is_refused(link):
    with pytest.raises(LinkError, match="came nothing"):
        SerialDevice(link).open()
