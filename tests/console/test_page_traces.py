"""The live traces: small, complete and honest."""

from __future__ import annotations

import json

import numpy as np
import pytest

from robot_il.console.history import History
from robot_il.console.traces import BIN_NS, CHANNELS, KEPT_BINS, Feed, envelope, message_rows, plots
from robot_il.robot import load_robot
from robot_il.spec import LIMITS, TICK_DTYPE, TORQUE_LIMIT_NM

START_NS = 7_000 * BIN_NS
COLUMN = {name: 2 * index for index, name in enumerate(CHANNELS)}


def ticks_of(seconds: float, rate_hz: int = 200) -> np.ndarray:
    ticks = np.zeros(round(seconds * rate_hz), TICK_DTYPE)
    ticks["host_receive_ns"] = START_NS + np.arange(len(ticks)) * (1_000_000_000 // rate_hz)
    ticks["host_send_ns"] = ticks["host_receive_ns"] + 200_000
    return ticks


class Recorded:
    """A station as far as the feed knows one, on a real history."""

    def __init__(self, ticks: np.ndarray) -> None:
        self._history = History()
        self.add(ticks)

    def add(self, ticks: np.ndarray) -> None:
        self._history.add([row.tobytes() for row in ticks])

    @property
    def newest(self):
        return self._history.newest

    def between(self, start_ns: int, stop_ns: int) -> np.ndarray:
        return self._history.between(start_ns, stop_ns)


def test_a_spike_of_one_tick_is_in_its_bin() -> None:
    ticks = ticks_of(1.0)
    ticks["pitch"][103] = 0.5
    bins, values = envelope(ticks)
    column = COLUMN["pitch"]
    (seen,) = np.nonzero(values[:, column + 1] == 0.5)
    assert bins[seen].tolist() == [int(ticks["host_receive_ns"][103]) // BIN_NS]
    assert values[:, column].max() == 0.0


@pytest.mark.parametrize("rate_hz", [200, 500, 1000])
def test_a_second_is_twenty_bins_at_every_rate(rate_hz: int) -> None:
    bins, values = envelope(ticks_of(1.0, rate_hz))
    assert len(bins) == 20
    assert values.shape == (20, 2 * len(CHANNELS))


def test_no_ticks_are_no_bins() -> None:
    bins, values = envelope(ticks_of(0.0))
    assert bins.shape == (0,)
    assert values.shape == (0, 2 * len(CHANNELS))


def test_what_is_not_there_is_null_and_never_nan_in_the_message() -> None:
    ticks = ticks_of(0.1)
    ticks["intent"] = np.nan
    ticks["pitch"] = np.inf
    ticks["host_send_ns"] = 0
    row = message_rows(*envelope(ticks))[0]
    assert [row[1 + COLUMN[name]] for name in ("intent", "pitch", "latency")] == [None, None, None]
    json.dumps(row, allow_nan=False)


def test_the_torque_chain_is_the_sum_of_both_wheels() -> None:
    ticks = ticks_of(0.05)
    ticks["sent_left"], ticks["sent_right"] = 1.0, -0.25
    ticks["applied_left"], ticks["applied_right"] = 2.0, 0.5
    _, values = envelope(ticks)
    assert values[0, COLUMN["sent"]] == 0.75
    assert values[0, COLUMN["applied"]] == 2.5


def test_latency_runs_from_the_state_to_the_command() -> None:
    _, values = envelope(ticks_of(0.05))
    assert values[0, COLUMN["latency"]] == 200.0


def test_a_page_gets_each_bin_once_and_only_when_it_is_complete() -> None:
    ticks = ticks_of(2.0)
    station = Recorded(ticks[:203])
    feed = Feed(station)
    feed.refresh()
    first = feed.since(-1)
    assert [row[0] for row in first] == list(range(7_000, 7_020))
    station.add(ticks[203:])
    feed.refresh()
    assert [row[0] for row in feed.since(first[-1][0])] == list(range(7_020, 7_039))


def test_a_page_that_comes_late_gets_the_last_minute_and_no_more() -> None:
    feed = Feed(Recorded(ticks_of(90.0)))
    feed.refresh()
    rows = feed.since(-1)
    assert len(rows) == KEPT_BINS
    assert rows[-1][0] - rows[0][0] == KEPT_BINS - 1


def test_the_limits_of_the_mcu_are_drawn() -> None:
    drawn = plots(load_robot())
    assert drawn[0]["left"]["limits"] == [-LIMITS.tilt_rad, LIMITS.tilt_rad]
    assert drawn[2]["left"]["limits"] == [-TORQUE_LIMIT_NM, TORQUE_LIMIT_NM]
    assert LIMITS.battery_low_v in drawn[-1]["left"]["limits"]


def test_the_plots_show_every_channel_in_the_order_of_a_row() -> None:
    labels = [channel["label"] for plot in plots(load_robot()) for channel in plot["channels"]]
    assert labels == [channel.label for channel in CHANNELS.values()]
