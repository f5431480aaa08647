"""A torque on top of a controller's that makes a robot show what it is made of, without bringing it down."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from robot_il.control.controllers import Controller
from robot_il.control.device import State
from robot_il.errors import ConfigError
from robot_il.spec import CONTROL_RATE_HZ

LARGEST_NM = 2.0
"""A quarter of what the host permits: the balancing controller keeps the rest."""
FADE_S = 1.0
CALM_RAD = 0.08
WILD_RAD = 0.16
"""The excitation is whole up to the first lean, and gone at the second; the host gives up at 0.6 rad."""


@dataclass(frozen=True)
class Excitation:
    """A multisine: a few frequencies at once, again and again, of one size each and of phases that keep it flat.

    The phases are Schroeder's (IEEE Trans. Inf. Theory 16(1), 1970, eq. 11), turned by the seed.

    Attributes:
        amplitude_nm: it never exceeds this.
        low_hz: lowest frequency; its period is the excitation's.
        high_hz: no frequency above this.
        lines: how many frequencies, spread evenly over the octaves.
        seed: of where in its period it begins.
    """

    amplitude_nm: float = 1.0
    low_hz: float = 0.2
    high_hz: float = 8.0
    lines: int = 14
    seed: int = 0

    def __post_init__(self) -> None:
        """Holds the excitation to what a balancing controller can live with.

        Raises:
            ConfigError: it is too strong, too slow or too fast.
        """
        good = 0.0 < self.amplitude_nm <= LARGEST_NM and 0.05 <= self.low_hz < self.high_hz <= 0.2 * CONTROL_RATE_HZ
        if not good or not 2 <= self.lines <= 100 or self.seed < 0:
            raise ConfigError(
                f"an excitation of at most {LARGEST_NM:g} N m, 0.05 to {0.2 * CONTROL_RATE_HZ:g} Hz, 2 to 100 lines",
                f"{asdict(self)}",
                "correct it",
            )

    def frequencies_hz(self) -> np.ndarray:
        """(L,) distinct multiples of the lowest, L at most ``lines``."""
        multiples = np.geomspace(1.0, math.floor(self.high_hz / self.low_hz), self.lines)
        return self.low_hz * np.unique(np.round(multiples))

    def one_period(self, rate_hz: int) -> list[float]:
        """The torque in N m of each tick of one period."""
        frequencies = self.frequencies_hz()
        index = np.arange(len(frequencies))
        time_s = np.arange(round(rate_hz / self.low_hz)) / rate_hz
        phases = -np.pi * index * (index + 1) / len(frequencies)
        wave = np.cos(2.0 * np.pi * frequencies[:, None] * time_s + phases[:, None]).sum(axis=0)
        begin = int(np.random.default_rng(self.seed).integers(len(wave))) if self.seed else 0
        scaled = np.roll(self.amplitude_nm / np.abs(wave).max() * wave, -begin)
        return [float(value) for value in scaled]


class ExcitedController:
    """A balancing controller and an excitation on top of it, which steps back where the robot leans far.

    Args:
        base: balances.
        excitation: what is added.
        rate_hz: of the loop.
    """

    def __init__(self, base: Controller, excitation: Excitation, rate_hz: int = CONTROL_RATE_HZ) -> None:
        self.identity: dict[str, Any] = {
            **base.identity,
            "name": f"excited {base.identity['name']}",
            "excitation": asdict(excitation),
            "rate_hz": rate_hz,
        }
        self.intent = math.nan
        self._base = base
        self._wave = excitation.one_period(rate_hz)
        self._fade_ticks = FADE_S * rate_hz
        self._tick = 0

    @classmethod
    def from_identity(cls, base: Controller, identity: Mapping[str, Any]) -> ExcitedController:
        """The controller that a log names, around the one that balanced.

        Raises:
            KeyError, TypeError: the log says too little of it.
        """
        return cls(base, Excitation(**identity["excitation"]), identity["rate_hz"])

    def reset(self) -> None:
        """Begins the excitation anew, from nothing."""
        self._base.reset()
        self._tick = 0

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        wave = self._wave[self._tick % len(self._wave)]
        room = min(1.0, max(0.0, (WILD_RAD - abs(state.pitch)) / (WILD_RAD - CALM_RAD)))
        share = min(1.0, self._tick / self._fade_ticks) * room
        self._tick += 1
        return self._base.torque(state) + share * wave
