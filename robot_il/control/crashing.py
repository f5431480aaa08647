"""A demonstrator of what not to do: it balances for a while, then drives itself into a fall."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from robot_il.control.controllers import Controller, LinearController
from robot_il.control.device import State
from robot_il.spec import CONTROL_RATE_HZ

NAME = "crashing"
EARLIEST_S, LATEST_S = 0.5, 5.0
"""Time after which it lets go of its balance."""
WEAKEST, STRONGEST = 0.1, 0.6
"""Torque of the way down, as a share of the largest: from toppling over to a dive."""


class CrashingDriver:
    """An LQR until its time has come; then a constant torque, which no robot stays upright under.

    Args:
        law: identity of the LQR that balances first.
        torque_nm: largest total wheel torque.
        seed: fixes the time, the direction and the torque of the crash.
        rate_hz: of the STATEs.
    """

    def __init__(self, law: Mapping[str, Any], torque_nm: float, seed: int, rate_hz: int = CONTROL_RATE_HZ) -> None:
        self._law: Controller = LinearController.from_identity(law)
        self.identity = {
            "name": NAME,
            "task": law["task"],
            "law": dict(law),
            "torque_nm": torque_nm,
            "seed": seed,
            "rate_hz": rate_hz,
        }
        self.intent = math.nan
        random = np.random.default_rng(seed)
        self._balanced_ticks = round(float(random.uniform(EARLIEST_S, LATEST_S)) * rate_hz)
        share = float(random.uniform(WEAKEST, STRONGEST)) * float(random.choice((-1.0, 1.0)))
        self._crash_nm = share * torque_nm
        self._tick = 0

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any]) -> CrashingDriver:
        """The driver that a log names.

        Raises:
            KeyError: the log says too little of it.
        """
        return cls(identity["law"], identity["torque_nm"], identity["seed"], identity["rate_hz"])

    def reset(self) -> None:
        """Balances again from the beginning."""
        self._law.reset()
        self._tick = 0

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        self._tick += 1
        return self._law.torque(state) if self._tick <= self._balanced_ticks else self._crash_nm
