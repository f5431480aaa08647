"""A serial link to the twin in the same process: time passes only while the host waits for bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import numpy as np

from robot_il.control.clock import Clock
from sim.twin import Twin

LATENCY_MS = 1
"""Each way: a STATE takes 1 ms on a 1 Mbit/s line; a USB adapter in low-latency mode delivers every millisecond."""

LINE_STREAM = 0x11E
"""Sets the line's random numbers apart from all others of the same seed."""

Damage = Callable[[int, bytes], Iterable[tuple[int, bytes]]]
"""What a bad line does to a piece of bytes: (when it should arrive in us, bytes) to what arrives instead, and when."""


class TwinClock:
    """The world's time as a clock in ns; it goes on when the MCU's begins anew."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    def now_ns(self) -> int:
        """Time since the twin was made, in ns."""
        return self._twin.world_us * 1000


class Channel:
    """One direction of the line: bytes arrive in order, a while after they were sent.

    Args:
        latency_us: how long they take.

    Attributes:
        damage: what the line does to them; None for a good line.
    """

    def __init__(self, latency_us: int) -> None:
        self.damage: Damage | None = None
        self._latency_us = latency_us
        self._pieces: deque[tuple[int, bytes]] = deque()

    def put(self, now_us: int, data: bytes) -> None:
        """Sends bytes."""
        piece = (now_us + self._latency_us, data)
        self._pieces.extend((piece,) if self.damage is None else self.damage(*piece))

    def take(self, now_us: int) -> bytes:
        """What has arrived by now."""
        pieces = self._pieces
        if not pieces or pieces[0][0] > now_us:
            return b""
        data = pieces.popleft()[1]
        while pieces and pieces[0][0] <= now_us:
            data += pieces.popleft()[1]
        return data

    def flush(self) -> bytes:
        """All that is still on the way."""
        data = b"".join(piece for _, piece in self._pieces)
        self._pieces.clear()
        return data


class JitteryChannel(Channel):
    """One direction of a line that takes its time: a random while more for each piece, which never overtakes another.

    Args:
        latency_us: the least that they take.
        jitter_us: mean of what is added, of an exponential distribution.
        random: draws it.
    """

    def __init__(self, latency_us: int, jitter_us: float, random: np.random.Generator) -> None:
        super().__init__(latency_us)
        self._jitter_us = jitter_us
        self._random = random
        self._last_us = 0

    def put(self, now_us: int, data: bytes) -> None:
        """Sends bytes."""
        late_us = round(float(self._random.exponential(self._jitter_us)))
        self._last_us = max(self._last_us, now_us + late_us)
        super().put(self._last_us, data)


def channels_of(twin: Twin, latency_ms: int) -> tuple[Channel, Channel]:
    """The line of a twin, as its profile has it: to the host and to the MCU.

    Args:
        twin: whose line; its seed fixes the jitter.
        latency_ms: each way, to which the profile's delays are added.
    """
    link = twin.link
    made: list[Channel] = []
    for way, delay_s in enumerate((link.to_host_s, link.to_mcu_s)):
        latency_us = 1000 * latency_ms + round(1e6 * delay_s)
        if link.jitter_s:
            random = np.random.default_rng((LINE_STREAM, way, twin.seed))
            made.append(JitteryChannel(latency_us, 1e6 * link.jitter_s, random))
        else:
            made.append(Channel(latency_us))
    return made[0], made[1]


class LockstepLink:
    """A link whose clock is the twin's: deterministic, and as fast as the machine permits.

    The world advances only inside ``read`` and ``pass_time``, in steps of 1 ms: in ``read`` until bytes arrive or the
    deadline is reached. What the host takes to think costs no virtual time; the line's latency stands for it.

    Attributes:
        clock: the virtual clock of the deadlines.
        to_host: the line from the MCU.
        to_mcu: the line to the MCU.
    """

    def __init__(self, twin: Twin, latency_ms: int = LATENCY_MS) -> None:
        self.clock: Clock = TwinClock(twin)
        self.to_host, self.to_mcu = channels_of(twin, latency_ms)
        self._twin = twin

    def read(self, deadline_ns: int) -> bytes:
        """Advances the twin until it has bytes; ``b""`` at the deadline.

        Args:
            deadline_ns: on ``clock``; one that has passed returns what is there without advancing.
        """
        while True:
            data = self.to_host.take(self._twin.world_us)
            if data or self.clock.now_ns() >= deadline_ns:
                return data
            self._advance()

    def write(self, data: bytes) -> None:
        """Puts bytes on the line to the MCU."""
        self.to_mcu.put(self._twin.world_us, data)

    def pass_time(self, ms: int) -> None:
        """Lets the world go on while the host does something else."""
        for _ in range(ms):
            self._advance()

    def close(self) -> None:
        """Delivers what is still on the line; the twin stays with whoever made it."""
        data = self.to_mcu.flush()
        if data:
            self._twin.receive(data)

    def _advance(self) -> None:
        """One millisecond of line, world and MCU."""
        twin = self._twin
        self._deliver(self.to_mcu.take(twin.world_us))
        twin.step()
        self._collect(twin.transmit())

    def _deliver(self, data: bytes) -> None:
        """Bytes that have come to the MCU's end of the line."""
        if data:
            self._twin.receive(data)

    def _collect(self, data: bytes) -> None:
        """Bytes that the MCU has put on the line."""
        if data:
            self.to_host.put(self._twin.world_us, data)
