"""What a bad serial line does: each fault in one direction, for a while or for ever, to some frames or to all."""

from __future__ import annotations

import abc
import random
from collections.abc import Callable
from dataclasses import dataclass

from sim.fault_scene import Fault, Scene
from sim.lockstep import Channel

Pieces = list[tuple[int, bytes]]
LINE_BYTES_MS = 92
"""What a line of 921,600 baud carries in a millisecond."""


@dataclass(frozen=True)
class WireFault(Fault):
    """Something that happens in one direction of the line.

    Attributes:
        to: ``mcu`` or ``host``, the end at which it shows.
        share: of the frames that it happens to.
        ms: how long it lasts; None for ever.
    """

    to: str
    share: float = 1.0
    ms: int | None = None

    def channel(self, scene: Scene) -> Channel:
        """The direction that is hit."""
        return scene.to_mcu if self.to == "mcu" else scene.to_host


@dataclass(frozen=True)
class FrameFault(WireFault, abc.ABC):
    """Something that happens to frames on their way."""

    def begin(self, scene: Scene) -> None:
        """Spoils the line."""
        hit, chance = self.hits(scene.random), scene.random

        def damage(due_us: int, data: bytes) -> Pieces:
            return hit(due_us, data) if chance.random() < self.share else [(due_us, data)]

        self.channel(scene).damage = damage

    def step(self, scene: Scene) -> None:
        """Mends it when its time is over."""
        if scene.since_ms == self.ms:
            self.channel(scene).damage = None

    @abc.abstractmethod
    def hits(self, chance: random.Random) -> Callable[[int, bytes], Pieces]:
        """Makes what is done to a frame that is hit."""


@dataclass(frozen=True)
class Drop(FrameFault):
    """Frames vanish; all of them for ever is a cut cable."""

    def hits(self, chance: random.Random) -> Callable[[int, bytes], Pieces]:
        """Nothing arrives."""
        return lambda due_us, data: []


@dataclass(frozen=True)
class Delay(FrameFault):
    """Frames come late, and those behind them with them.

    Attributes:
        late_ms: how late.
    """

    late_ms: int = 0

    def hits(self, chance: random.Random) -> Callable[[int, bytes], Pieces]:
        """The same, later."""
        return lambda due_us, data: [(due_us + 1000 * self.late_ms, data)]


@dataclass(frozen=True)
class Duplicate(FrameFault):
    """Frames come several times.

    Attributes:
        copies: how often.
    """

    copies: int = 3

    def hits(self, chance: random.Random) -> Callable[[int, bytes], Pieces]:
        """The same, several times."""
        return lambda due_us, data: [(due_us, data)] * self.copies


@dataclass(frozen=True)
class Reorder(FrameFault):
    """Of two frames the second comes first."""

    def hits(self, chance: random.Random) -> Callable[[int, bytes], Pieces]:
        """Keeps one back until the next has passed."""
        kept: list[bytes] = []

        def swap(due_us: int, data: bytes) -> Pieces:
            if kept:
                return [(due_us, data), (due_us, kept.pop())]
            kept.append(data)
            return []

        return swap


@dataclass(frozen=True)
class Flip(FrameFault):
    """One to eight bits of a frame are others; never its delimiters, which its neighbours have too."""

    def hits(self, chance: random.Random) -> Callable[[int, bytes], Pieces]:
        """The same but for some bits."""

        def flip(due_us: int, data: bytes) -> Pieces:
            piece = bytearray(data)
            for bit in chance.sample(range(8, 8 * (len(piece) - 1)), chance.choice((1, 1, 2, 8))):
                piece[bit // 8] ^= 1 << bit % 8
            return [(due_us, bytes(piece))]

        return flip


@dataclass(frozen=True)
class Truncate(FrameFault):
    """The end of a frame is missing: its delimiter, and at least one byte before it."""

    def hits(self, chance: random.Random) -> Callable[[int, bytes], Pieces]:
        """The first bytes."""
        return lambda due_us, data: [(due_us, data[: chance.randrange(len(data) - 1)])]


@dataclass(frozen=True)
class Flood(WireFault):
    """Garbage as fast as the line can carry it, between the frames."""

    def step(self, scene: Scene) -> None:
        """A millisecond's worth of garbage."""
        if self.ms is None or scene.since_ms <= self.ms:
            self.channel(scene).put(scene.twin.world_us, scene.random.randbytes(LINE_BYTES_MS))
