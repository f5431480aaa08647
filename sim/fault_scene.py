"""The lock-step line of a flight in which one fault happens at one moment, and the interface of a fault."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from robot_il.control.controllers import Controller
from sim.fault_watch import WheelWatch
from sim.lockstep import LockstepLink, TwinClock
from sim.twin import Twin


class HostClock(TwinClock):
    """The host's clock: the world's time, and whatever it has jumped by.

    Attributes:
        offset_ns: how far it is ahead of the world's.
    """

    offset_ns = 0

    def now_ns(self) -> int:
        """Time in ns."""
        return super().now_ns() + self.offset_ns


class Host(Protocol):
    """The host as a failing controller in it sees it.

    Attributes:
        failing: the fault has begun.
    """

    failing: bool

    def pass_time(self, ms: int) -> None:
        """Spends so much of the host's and the world's time."""


class Fault:
    """One thing that goes wrong. It keeps nothing between two flights; what it needs during one, ``begin`` makes.

    Attributes:
        operated: an operator drives, not the policy.
        fills_disk: the host's disk is full from then on; the world keeps to the wall clock, because a disk does.
        asks_height_m: height that the host then asks for, having lost the bounds of its own; None for no such thing.
    """

    operated = False
    fills_disk = False
    asks_height_m: float | None = None

    def begin(self, scene: Scene) -> None:
        """At its moment."""

    def step(self, scene: Scene) -> None:
        """After every millisecond since."""

    def controller(self, inner: Controller, host: Host) -> Controller:
        """What the fault makes of the controller, in the host's process."""
        return inner


class Scene(LockstepLink):
    """The world's side of a flight: line, twin, fault and onlooker.

    Args:
        twin: robot and MCU.
        fault: what happens.
        chance: of the moment and of what a fault draws.
        delay_ms: from the release to the fault.

    Attributes:
        clock: the host's.
        twin: robot and MCU.
        random: for the fault.
        watch: the onlooker.
        failing: the fault has begun.
        begun_us: when it did, on the world's clock; 0 before.
        since_ms: how long ago that was.
        host_lost: the host has stopped for good: ``killed`` or ``frozen``; empty while it has not.
        answer_ms: what the host takes of its time before each write.
        last_written: what the host wrote last.
        each_ms: called after every millisecond.
    """

    clock: HostClock

    def __init__(self, twin: Twin, fault: Fault, chance: random.Random, delay_ms: int) -> None:
        super().__init__(twin)
        self.clock = HostClock(twin)
        self.twin = twin
        self.random = chance
        self.watch = WheelWatch(twin)
        self.failing = False
        self.begun_us = 0
        self.since_ms = 0
        self.host_lost = ""
        self.answer_ms = 0
        self.last_written = b""
        self.each_ms: Callable[[], None] = lambda: None
        self._fault = fault
        self._delay_ms = delay_ms
        self._busy_ms = 0

    def read(self, deadline_ns: int) -> bytes:
        """As the lock-step line reads, but a frozen host gets what came meanwhile."""
        data = super().read(deadline_ns)
        while self._busy_ms:
            self._busy_ms -= 1
            self._advance()
        return data + self.to_host.take(self.twin.world_us)

    def write(self, data: bytes) -> None:
        """As the lock-step line writes, after the time that a slow host takes."""
        self.pass_time(self.answer_ms)
        self.last_written = data
        super().write(data)

    def freeze(self, ms: int) -> None:
        """The host does nothing for a while, from its next read on."""
        self._busy_ms = ms

    def _advance(self) -> None:
        super()._advance()
        self.watch.look()
        if self.failing:
            self.since_ms += 1
            self._fault.step(self)
        elif not self.twin.held:
            self._delay_ms -= 1
            if self._delay_ms <= 0:
                self.failing = True
                self.begun_us = self.twin.world_us
                self._fault.begin(self)
        self.each_ms()

    def _deliver(self, data: bytes) -> None:
        self.watch.received(data)
        super()._deliver(data)

    def _collect(self, data: bytes) -> None:
        self.watch.sent(data)
        super()._collect(data)
