"""A firmware on a virtual clock, and what drives it in these tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from firmware_bridge.hostlib import Board, Firmware
from firmware_bridge.protocol import Decoder, encode
from robot_il.control.device import State
from robot_il.spec import TICKS_PER_STATE, Event

NOISE_RAD_S = 1e-6
"""Of the yaw gyro: samples that never change are those of a sensor that hangs."""
BOARD = Board(boot_id=0xB007, robot_id=3, wheel_radius_m=0.05)


def tick(firmware: Firmware) -> None:
    """One millisecond with a gyro that is alive."""
    noise = NOISE_RAD_S if firmware.time_us // 1000 % 2 else 0.0
    yaw_rate = firmware.sensors.gyro_yaw
    firmware.sensors.gyro_yaw = yaw_rate + noise
    firmware.tick()
    firmware.sensors.gyro_yaw = yaw_rate


class Bench:
    """A firmware on a test bench: raw frames in, decoded messages out, time in ticks."""

    def __init__(self, board: Board = BOARD) -> None:
        self.firmware = Firmware(board)
        self.states: list[State] = []
        self.events: list[tuple[Event, int, float]] = []
        self.others: list[tuple[str, tuple]] = []
        self.command_seq = 0
        self._board = board
        self._decoder = Decoder()
        self.collect()

    @property
    def state(self) -> State:
        return self.states[-1]

    @property
    def torques(self) -> tuple[float, float]:
        return self.firmware.torque_left, self.firmware.torque_right

    def collect(self) -> None:
        for name, values in self._decoder.feed(self.firmware.transmit()):
            if name == "STATE":
                self.states.append(State._make(values))
            elif name == "EVENT":
                self.events.append((Event(values[1]), values[2], values[3]))
            else:
                self.others.append((name, values))

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            tick(self.firmware)
            self.collect()

    def send(self, name: str, *values: float) -> None:
        self.firmware.receive(encode(name, *values))
        self.collect()

    def period(self) -> None:
        """Goes on to the next STATE."""
        self.tick(TICKS_PER_STATE - self.firmware.time_us // 1000 % TICKS_PER_STATE)

    def arm(self) -> None:
        self.period()
        self.send("ARM", self._board.boot_id, self.state.state_seq)

    def command(self, left: float, right: float | None = None, height: float | None = None) -> None:
        """Answers the newest STATE; where no height is named, with its own."""
        self.command_seq += 1
        right = left if right is None else right
        height = self.state.height if height is None else height
        self.send("COMMAND", self.command_seq, self.state.state_seq, left, right, height)

    def drive(self, left: float, right: float | None = None, periods: int = 3) -> None:
        """Answers each STATE of some periods."""
        for _ in range(periods):
            self.period()
            self.command(left, right)
        self.tick(TICKS_PER_STATE - 1)

    def last_reject(self) -> int:
        return next(argument for event, argument, _ in reversed(self.events) if event == Event.REJECTED)


@pytest.fixture
def bench() -> Bench:
    """A firmware that has just sent its first STATE."""
    bench = Bench()
    bench.tick(TICKS_PER_STATE)
    return bench


@pytest.fixture
def armed(bench: Bench) -> Bench:
    """An armed firmware that has accepted a first command of 0 N m."""
    bench.arm()
    bench.period()
    bench.command(0.0)
    return bench


class VirtualClock:
    """Time that passes only when someone waits."""

    def __init__(self) -> None:
        self.time_ns = 0

    def now_ns(self) -> int:
        return self.time_ns


class MemoryLink:
    """A link to a firmware in this process: waiting in ``read`` ticks the firmware.

    Args:
        firmware: the other end.
        downstream: what happens to bytes on their way to the host.
        upstream: what happens to bytes on their way to the firmware.
    """

    def __init__(
        self,
        firmware: Firmware,
        downstream: Callable[[bytes], bytes] = bytes,
        upstream: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self.clock = VirtualClock()
        self.firmware = firmware
        self.closed = False
        self._downstream = downstream
        self._upstream = upstream

    def read(self, deadline_ns: int) -> bytes:
        while not (data := self._downstream(self.firmware.transmit())):
            if self.clock.time_ns >= deadline_ns:
                return b""
            self.clock.time_ns += 1_000_000
            tick(self.firmware)
        return data

    def write(self, data: bytes) -> None:
        self.firmware.receive(self._upstream(data))

    def close(self) -> None:
        self.closed = True
