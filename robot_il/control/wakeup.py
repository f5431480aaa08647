"""How punctually this machine wakes a process on an absolute grid."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from robot_il.control.clock import Clock, MonotonicClock


@dataclass(frozen=True)
class WakeUps:
    """Lateness of the wake-ups on a grid.

    Attributes:
        rate_hz: of the grid.
        ticks: grid points, woken up for or not.
        skipped: grid points that had passed before the process woke up for an earlier one; never made up for.
        lateness_us: of each wake-up behind its grid point, in us.
    """

    rate_hz: int
    ticks: int
    skipped: int
    lateness_us: np.ndarray

    def percentile(self, share: float) -> float:
        """Lateness in us that this share (0 to 100) of the wake-ups stayed under."""
        return float(np.percentile(self.lateness_us, share))


def measure_wake_ups(
    rate_hz: int,
    seconds: float,
    clock: Clock | None = None,
    sleep_s: Callable[[float], None] = time.sleep,
    on_tick: Callable[[], None] | None = None,
) -> WakeUps:
    """Sleeps from grid point to grid point, as a control loop does that has no STATE to wait for.

    Deadlines are absolute: a late wake-up shifts none of the later ones.

    Args:
        rate_hz: of the grid.
        seconds: how long.
        clock: what tells the time.
        sleep_s: what waits.
        on_tick: called after each wake-up; for a progress display.
    """
    now_ns = (clock or MonotonicClock()).now_ns
    period_ns = 1_000_000_000 // rate_hz
    ticks = max(1, round(seconds * rate_hz))
    lateness = array("q")
    start_ns = now_ns() + period_ns
    tick = 0
    while tick < ticks:
        deadline_ns = start_ns + tick * period_ns
        remaining_ns = deadline_ns - now_ns()
        if remaining_ns > 0:
            sleep_s(remaining_ns * 1e-9)
        late_ns = now_ns() - deadline_ns
        lateness.append(late_ns)
        tick += 1 + max(0, late_ns) // period_ns
        if on_tick is not None:
            on_tick()
    return WakeUps(rate_hz, ticks, ticks - len(lateness), np.asarray(lateness) / 1000.0)
