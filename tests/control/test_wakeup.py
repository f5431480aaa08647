from __future__ import annotations

import numpy as np
import pytest

from robot_il.cli.doctor import LATE_SHARE, wake_up_faults
from robot_il.control.wakeup import WakeUps, measure_wake_ups


class Machine:
    """A clock that a sleep moves on, by as much as was asked for and the next lateness in the list."""

    def __init__(self, *lateness_us: float) -> None:
        self.time_ns = 0
        self._lateness_us = list(lateness_us)

    def now_ns(self) -> int:
        return self.time_ns

    def sleep_s(self, seconds: float) -> None:
        late_us = self._lateness_us.pop(0) if self._lateness_us else 0.0
        self.time_ns += round(seconds * 1e9) + round(late_us * 1e3)


def measure(machine: Machine, ticks: int = 10) -> WakeUps:
    return measure_wake_ups(200, ticks / 200, machine, machine.sleep_s)


def test_lateness_does_not_add_up() -> None:
    wake_ups = measure(Machine(*[1000.0] * 10))
    assert wake_ups.lateness_us.tolist() == [1000.0] * 10
    assert wake_ups.skipped == 0


def test_grid_points_that_passed_are_skipped_and_not_made_up_for() -> None:
    wake_ups = measure(Machine(0.0, 12_000.0, 0.0))
    assert wake_ups.lateness_us.tolist() == [0.0, 12_000.0, *[0.0] * 6]
    assert (wake_ups.skipped, wake_ups.ticks) == (2, 10)


def test_the_grid_keeps_its_rate_over_any_stall() -> None:
    machine = Machine(*np.random.default_rng(0).uniform(0, 9000, 1000))
    measure(machine, 1000)
    assert machine.time_ns == pytest.approx(1000 * 5e6, abs=1.5e7)


def wake_ups(late_us: float, share: float = 1.0, skipped: int = 0) -> WakeUps:
    lateness = np.zeros(10_000)
    lateness[: round(share * 10_000)] = late_us
    return WakeUps(200, 10_000, skipped, lateness)


@pytest.mark.parametrize(
    ("measured", "faults"),
    [
        (wake_ups(LATE_SHARE * 5000), 0),
        (wake_ups(LATE_SHARE * 5000 + 1), 1),
        (wake_ups(4999, share=0.009), 0),
        (wake_ups(4999, share=0.02), 1),
        (wake_ups(0, skipped=10), 0),
        (wake_ups(0, skipped=11), 1),
        (wake_ups(4999, skipped=11), 2),
    ],
)
def test_the_verdict_at_its_edges(measured: WakeUps, faults: int) -> None:
    assert len(wake_up_faults(measured)) == faults
