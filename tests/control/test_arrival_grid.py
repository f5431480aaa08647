"""The host's grid when the numbers of the STATEs do what they do after a reset of the MCU, or where they wrap."""

from __future__ import annotations

import pytest

from robot_il.control.clock import PERIOD_NS, ArrivalGrid


@pytest.mark.parametrize("last", [3, 400, 2**31])
def test_an_mcu_that_boots_anew_skips_nothing(last: int) -> None:
    grid = ArrivalGrid()
    grid.arrived(last - 2, 0)
    grid.arrived(last, 2 * PERIOD_NS)
    grid.arrived(1, 3 * PERIOD_NS)
    assert (grid.skipped, grid.index) == (1, 3)


def test_numbers_that_wrap_are_no_reset() -> None:
    grid = ArrivalGrid()
    grid.arrived(2**32 - 1, 0)
    grid.arrived(1, 2 * PERIOD_NS)
    assert (grid.skipped, grid.index) == (1, 2)


def test_a_gap_counts_its_periods() -> None:
    grid = ArrivalGrid()
    grid.arrived(10, 0)
    assert grid.arrived(15, 5 * PERIOD_NS) == 0
    assert (grid.skipped, grid.index) == (4, 5)
