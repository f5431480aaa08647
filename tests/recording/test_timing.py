import dataclasses

import numpy as np
import pytest

from robot_il.recording.reader import read_log
from robot_il.recording.timing import LATENESS_EDGES_US, Spread, histogram_lines, measure
from tests.recording.conftest import plausible_ticks, write_log


def measured(tmp_path, ticks, **changes):
    log = read_log(write_log(tmp_path / "run.mcap", ticks))
    return measure(dataclasses.replace(log, **changes))


def test_the_histogram_counts_every_tick_once_in_the_bin_that_ends_at_or_above_it(tmp_path):
    lateness = [0, 20, 20.5, 2500, 2501, 5000, 50000, 50001, 1e9]
    ticks = plausible_ticks(len(lateness))
    ticks["lateness_us"] = lateness
    counts = dict(zip((*LATENESS_EDGES_US, "more"), measured(tmp_path, ticks).lateness_histogram, strict=True))
    assert counts == dict.fromkeys(LATENESS_EDGES_US, 0) | {20: 2, 50: 1, 2500: 1, 5000: 2, 50000: 1, "more": 2}


def test_percentiles_are_samples(tmp_path):
    ticks = plausible_ticks(1000)
    ticks["lateness_us"] = np.random.default_rng(0).permutation(np.arange(1, 1001))
    assert measured(tmp_path, ticks).lateness_us == Spread(500, 990, 999, 1000)


def test_rate_and_duration_are_by_the_robots_clock(tmp_path):
    timing = measured(tmp_path, plausible_ticks(401))
    assert (timing.ticks, timing.duration_s, timing.rate_hz) == (401, 2.0, 200.0)


def test_latency_is_taken_where_a_command_was_sent(tmp_path):
    ticks = plausible_ticks(10)
    ticks["host_send_ns"][:4] = 0
    ticks["host_send_ns"][4:] = ticks["host_receive_ns"][4:] + 250_000
    assert measured(tmp_path, ticks).latency_us == Spread(250, 250, 250, 250)


def test_counters_tell_their_rise_and_slipped_time_is_summed(tmp_path):
    ticks = plausible_ticks(10)
    ticks["skipped"] = np.arange(10) // 3
    ticks["link_errors"] = 5 + np.arange(10) // 5
    slips = [{"host_ns": 0, "name": "mcu_time_slipped", "detail": {"value": value}} for value in (2.5, 40)]
    timing = measured(tmp_path, ticks, events=[*slips, {"host_ns": 0, "name": "mcu_armed", "detail": {"value": 9}}])
    assert (timing.skipped, timing.link_errors, timing.slipped_ms) == (3, 1, 42.5)


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_ticks_make_no_numbers_up(tmp_path, count):
    timing = measured(tmp_path, plausible_ticks(count))
    assert timing.ticks == count
    assert np.isnan(timing.rate_hz)
    assert sum(timing.lateness_histogram) == count


def test_the_histogram_as_text_ends_at_its_last_tick(tmp_path):
    ticks = plausible_ticks(3)
    ticks["lateness_us"] = [10, 10, 90]
    lines = histogram_lines(measured(tmp_path, ticks))
    assert [line.split() for line in lines] == [
        ["<=", "20", "us", "2", "#" * 40],
        ["<=", "50", "us", "0"],
        ["<=", "100", "us", "1", "#" * 20],
    ]
