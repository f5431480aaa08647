"""A serial link to the twin in the same process: time passes only while the host waits for bytes."""

from __future__ import annotations

from collections import deque

from robot_il.control.clock import Clock
from sim.twin import Twin

LATENCY_MS = 1
"""Each way: a STATE takes 1 ms on a 1 Mbit/s line; a USB adapter in low-latency mode delivers every millisecond."""


class TwinClock:
    """The MCU's time as a clock in ns."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    def now_ns(self) -> int:
        """Virtual time since the MCU's zero, in ns."""
        return self._twin.time_us * 1000


class LockstepLink:
    """A link whose clock is the twin's: deterministic, and as fast as the machine permits.

    The world advances only inside ``read``, in steps of 1 ms, until bytes arrive or the deadline is reached. What the
    host takes to think costs no virtual time; the line's latency stands for it.

    Attributes:
        clock: the virtual clock of the deadlines.
    """

    def __init__(self, twin: Twin, latency_ms: int = LATENCY_MS) -> None:
        self.clock: Clock = TwinClock(twin)
        self._twin = twin
        self._latency_us = 1000 * latency_ms
        self._to_host: deque[tuple[int, bytes]] = deque()
        self._to_mcu: deque[tuple[int, bytes]] = deque()

    def read(self, deadline_ns: int) -> bytes:
        """Advances the twin until it has bytes; ``b""`` at the deadline.

        Args:
            deadline_ns: on ``clock``; one that has passed returns what is there without advancing.
        """
        twin, to_host = self._twin, self._to_host
        while True:
            now_us = twin.time_us
            if to_host and to_host[0][0] <= now_us:
                return self._take(now_us)
            if now_us * 1000 >= deadline_ns:
                return b""
            self._advance(now_us)

    def write(self, data: bytes) -> None:
        """Puts bytes on the line to the MCU."""
        self._to_mcu.append((self._twin.time_us + self._latency_us, data))

    def close(self) -> None:
        """Delivers what is still on the line; the twin stays with whoever made it."""
        while self._to_mcu:
            self._twin.receive(self._to_mcu.popleft()[1])

    def _advance(self, now_us: int) -> None:
        twin, to_mcu = self._twin, self._to_mcu
        while to_mcu and to_mcu[0][0] <= now_us:
            twin.receive(to_mcu.popleft()[1])
        twin.step()
        data = twin.transmit()
        if data:
            self._to_host.append((twin.time_us + self._latency_us, data))

    def _take(self, now_us: int) -> bytes:
        to_host = self._to_host
        data = to_host.popleft()[1]
        while to_host and to_host[0][0] <= now_us:
            data += to_host.popleft()[1]
        return data
