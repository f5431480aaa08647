"""A flight of the emulated image, or of the host library, in lock-step, with every STATE that the MCU sent hashed."""

from __future__ import annotations

import functools
import hashlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from firmware_bridge.emulator import EmulatedFirmware
from firmware_bridge.hostlib import Board, Firmware
from firmware_bridge.microcontroller import Microcontroller
from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import Controller
from robot_il.control.sink import Sink
from robot_il.learning.evaluation import Episode
from robot_il.spec import MESSAGES
from sim.conditions import Conditions
from sim.lockstep import LockstepLink
from sim.twin import Twin

PROGRESS_S = 2.0
_STATE = MESSAGES["STATE"].type


@dataclass(frozen=True)
class Flight:
    """What came of a flight.

    Attributes:
        episode: judged by the twin's truth.
        states: STATEs that the host received, from the MCU's boot on.
        sha256: of their frames.
        mcu_s: the MCU's time at the end.
        wall_s: what it took, from the first byte on.
    """

    episode: Episode
    states: int
    sha256: str
    mcu_s: float
    wall_s: float


def fly(
    rollout: Rollout,
    image: Path | Callable[[Board], Microcontroller] | None,
    controller: Controller,
    fallback: Controller,
    conditions: Conditions,
    seed: int,
    sink: Sink | None = None,
) -> Flight:
    """Flies once.

    Args:
        rollout: robot, task and length; its firmware is replaced.
        image: ELF file to execute, or what makes the MCU; None for the host library.
        controller: drives.
        fallback: takes over where the controller fails, which counts as a fall.
        conditions: start, pushes and parameters of the twin.
        seed: of the twin's noise.
        sink: takes the ticks, where they are wanted.

    Raises:
        ConfigError: the image cannot be used.
    """
    links: list[HashingLink] = []

    def line(twin: Twin) -> HashingLink:
        links.append(HashingLink(twin, rollout.seconds))
        return links[0]

    firmware = functools.partial(EmulatedFirmware, image=image) if isinstance(image, Path) else image or Firmware
    episode = replace(rollout, firmware=firmware).run(controller, fallback, conditions, seed, sink, line=line)
    (link,) = links
    return Flight(episode, link.states, link.sha256, link.clock.now_ns() * 1e-9, link.wall_s)


class HashingLink(LockstepLink):
    """The lock-step line with a tap that hashes the STATEs, and tells now and then how far the flight is.

    Attributes:
        states: how many passed.
        wall_s: time since it was made, at the last read.
    """

    def __init__(self, twin: Twin, seconds: float) -> None:
        super().__init__(twin)
        self.states = 0
        self._digest = hashlib.sha256()
        self._rest = b""
        self._seconds = seconds
        self.wall_s = 0.0
        self._start = self._told = time.monotonic()

    @property
    def sha256(self) -> str:
        """Of the frames of all STATEs that passed."""
        return self._digest.hexdigest()

    def read(self, deadline_ns: int) -> bytes:
        """As the lock-step line reads."""
        data = super().read(deadline_ns)
        frames = (self._rest + data).split(b"\0")
        self._rest = frames.pop()
        for frame in frames:
            if len(frame) > 1 and frame[1] == _STATE:  # behind the first code of COBS, for no type is 0
                self.states += 1
                self._digest.update(frame)
        self._tell()
        return data

    def _tell(self) -> None:
        now = time.monotonic()
        self.wall_s = now - self._start
        if now - self._told > PROGRESS_S:
            self._told = now
            print(f"flown {self.clock.now_ns() * 1e-9:.1f} of {self._seconds:g} s", file=sys.stderr, flush=True)
