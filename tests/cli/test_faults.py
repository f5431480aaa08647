"""Every fault of the registry, once, on the host library: what was promised is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from robot_il.recording.reader import read_log
from robot_il.spec import LIMITS
from sim.faults import CASES, FAULTS, OUTCOMES, Case

from .flights import flown


def named(names: set[str]) -> list:
    return [pytest.param(case, id=case.name) for case in CASES if case.name in names]


@pytest.mark.parametrize("case", named(set(FAULTS) - {"disk-full"}))
def test_the_promise_of_every_fault_is_kept(case: Case, tmp_path: Path) -> None:
    sight, verdict = flown(case, tmp_path)
    assert verdict.broken == ()
    assert sight.begun_us > 1_000_000
    assert len(read_log(verdict.log).ticks) > 150


def test_names_are_unique_and_every_promise_is_one_that_can_be_kept() -> None:
    assert len(FAULTS) == len(CASES)
    for case in CASES:
        assert case.expected
        assert set(case.expected) <= set(OUTCOMES) - {"fell armed"}


def test_the_wheels_of_a_killed_host_stop_when_the_last_answered_state_is_as_old_as_the_timeout(tmp_path: Path) -> None:
    sight, verdict = flown(FAULTS["host-killed"], tmp_path, seed=5)
    assert verdict.driven_ms == LIMITS.command_timeout_ms
    assert verdict.mcu == ("stopped (command_timeout)",)
    assert verdict.robot == "came down, wheels off"
    assert sight.log.ended == {**sight.log.ended, "reason": "the recording process died"}


def test_a_hung_firmware_drives_no_longer_than_the_hardware_watchdog_lets_it(tmp_path: Path) -> None:
    _, verdict = flown(FAULTS["mcu-hung"], tmp_path)
    assert verdict.mcu_ms == pytest.approx(20.0, abs=1.0)
    assert verdict.mcu[0] == "reset"
    assert verdict.driven_ms <= 26.0


def test_the_same_seed_gives_the_same_flight_and_another_seed_another_moment(tmp_path: Path) -> None:
    flights = []
    for number, seed in enumerate((1, 1, 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        sight, _ = flown(FAULTS["flip-some-to-host"], folder, seed=seed)
        flights.append((sight.begun_us, sight.largest_lean_rad, sight.log.ticks["pitch"].tobytes()))
    assert flights[0] == flights[1]
    assert flights[0][0] != flights[2][0]


def test_a_full_disk_is_refused_by_the_kernel_and_the_log_up_to_it_is_kept(tmp_path: Path) -> None:
    sight, verdict = flown(FAULTS["disk-full"], tmp_path)
    assert (verdict.outcome, verdict.broken) == ("safe stop", ())
    assert sight.log.status == "cut"
    assert 0 <= sight.given_ticks - len(sight.log.ticks) <= 100
    assert sight.given_ticks == pytest.approx((sight.begun_us - 100_000) / 5000, abs=30)
