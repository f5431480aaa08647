"""Time as the loop sees it: wall-clock on a robot, virtual in lock-step simulation."""

from __future__ import annotations

import time
from typing import Protocol

from robot_il.spec import CONTROL_RATE_HZ

PERIOD_NS = 1_000_000_000 // CONTROL_RATE_HZ


class Clock(Protocol):
    """A monotonic clock in ns."""

    def now_ns(self) -> int:
        """Time since an arbitrary fixed instant, in ns; never runs backwards."""


class MonotonicClock:
    """The host's monotonic clock (CLOCK_MONOTONIC)."""

    def now_ns(self) -> int:
        """Time since boot, in ns."""
        return time.monotonic_ns()


class ArrivalGrid:
    """The absolute grid on which STATEs are due, on the host's clock.

    The MCU is the clock: STATE number k is due at ``origin + k * period``. The origin is set by the first arrival and
    never re-armed from "now"; it moves earlier at once when a STATE arrives early (a late first arrival must not
    hide lateness), and later by at most ``drift_ppm``, which is what two crystals can differ by. Hence a stall
    shows as lateness and skipped periods, and never shifts the grid.

    Args:
        period_ns: of the grid.
        drift_ppm: largest drift of the MCU's clock against the host's that is followed.
    """

    def __init__(self, period_ns: int = PERIOD_NS, drift_ppm: float = 200.0) -> None:
        self.period_ns = period_ns
        self.skipped = 0
        """Grid periods without a STATE so far."""
        self.index = 0
        """Index of the newest STATE on the grid."""
        self._drift_ns = int(period_ns * drift_ppm * 1e-6)
        self._origin_ns: int | None = None
        self._last_seq = 0

    def arrived(self, state_seq: int, now_ns: int) -> int:
        """Notes the arrival of a STATE; returns its lateness in ns (0 or more; the first is punctual)."""
        if self._origin_ns is None:
            self._origin_ns, self._last_seq = now_ns, state_seq
            return 0
        ahead = (state_seq - self._last_seq) & 0xFFFFFFFF
        # an MCU that booted anew counts from zero again, which is no gap of four thousand million periods
        elapsed = ahead if 0 < ahead < 1 << 31 else 1
        self._last_seq = state_seq
        self.skipped += elapsed - 1
        self.index += elapsed
        lateness = now_ns - self._origin_ns - self.index * self.period_ns
        correction = min(lateness, self._drift_ns * elapsed)
        self._origin_ns += correction
        return max(0, lateness)

    def slipped(self, lost_ns: int) -> None:
        """Moves the grid by time that the MCU's own clock says it lost: a simulation whose host was too busy."""
        if self._origin_ns is not None:
            self._origin_ns += lost_ns

    def due_ns(self, now_ns: int) -> int:
        """When the next STATE is due, in ns on the host's clock; ``now_ns`` before the first one."""
        if self._origin_ns is None:
            return now_ns
        return self._origin_ns + (self.index + 1) * self.period_ns
