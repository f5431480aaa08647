"""A replay's cursor, and what it says of a tick."""

import numpy as np
import pytest

from robot_il.console.replay import Player, bands, in_charge, marks, values
from robot_il.control.supervisor import Reason, SupervisorState
from robot_il.spec import TICK_SIGNALS, Fault, Mode
from tests.recording.conftest import plausible_ticks

PERIOD_NS = 5_000_000


def player(count=400):
    return Player(10**12 + PERIOD_NS * np.arange(count))


def test_the_cursor_begins_at_the_first_tick_and_rests():
    cursor = player()
    assert (cursor.index, cursor.seconds, cursor.playing) == (0, 0.0, False)
    assert not cursor.advance(1.0)


@pytest.mark.parametrize(("speed", "expected"), [(0.25, 50), (0.5, 100), (1.0, 200), (2.0, 399)])
def test_a_second_of_the_clock_shows_as_much_as_the_speed_says(speed, expected):
    cursor = player()
    cursor.speed = speed
    cursor.play()
    cursor.advance(1.0)
    assert cursor.index == expected


def test_slow_motion_adds_up_over_many_small_moves():
    cursor = player()
    cursor.speed = 0.25
    cursor.play()
    for _ in range(1000):
        cursor.advance(0.001)
    assert abs(cursor.index - 50) <= 1


def test_playing_stops_at_the_last_tick():
    cursor = player()
    cursor.play()
    assert cursor.advance(100.0)
    assert (cursor.index, cursor.playing) == (cursor.last, False)


def test_playing_from_the_end_begins_anew():
    cursor = player()
    cursor.go(cursor.last)
    cursor.play()
    assert cursor.index == 0


def test_a_pause_in_the_recording_takes_its_time():
    times = np.concatenate([np.arange(10), 200 + np.arange(10)]) * PERIOD_NS
    cursor = Player(times)
    cursor.play()
    cursor.advance(0.5)
    assert cursor.index == 9
    cursor.advance(0.51)
    assert cursor.index == 12


def test_a_step_pauses_and_shows_the_neighbour():
    cursor = player()
    cursor.play()
    cursor.advance(0.5)
    cursor.step(-1)
    assert (cursor.index, cursor.playing) == (99, False)


@pytest.mark.parametrize(("start", "ticks", "expected"), [(0, -1, 0), (399, 1, 399), (0, 10, 10), (5, -100, 0)])
def test_no_step_leads_out_of_the_recording(start, ticks, expected):
    cursor = player()
    cursor.go(start)
    cursor.step(ticks)
    assert cursor.index == expected


def test_a_time_shows_the_newest_tick_that_had_come_by_then():
    cursor = player()
    cursor.seek(0.0149)
    assert cursor.index == 2
    cursor.seek(0.015)
    assert cursor.index == 3
    cursor.seek(-1.0)
    assert cursor.index == 0


def test_going_on_from_where_the_hand_let_go():
    cursor = player()
    cursor.play()
    cursor.advance(0.1)
    cursor.seek(1.0)
    cursor.advance(0.1)
    assert cursor.index == 220


def test_a_recording_of_one_tick_is_at_its_end():
    cursor = Player(np.array([7]))
    cursor.play()
    assert not cursor.advance(1.0)
    assert not cursor.playing
    assert cursor.duration_s == 0.0


def test_time_that_steps_back_in_a_damaged_log_does_not_catch_the_cursor():
    times = np.array([0, 1, 2, 0, 1, 5, 6]) * PERIOD_NS
    cursor = Player(times)
    cursor.play()
    for _ in range(100):
        cursor.advance(0.001)
    assert cursor.index == cursor.last


def test_who_was_in_charge_is_told_apart():
    ticks = plausible_ticks(5)
    ticks["source"] = [0, 1, 1, 2, 9]
    ticks["intent"] = [1.0, np.nan, 0.0, 1.0, np.nan]
    assert in_charge(ticks).tolist() == [0, 1, 3, 2, 0]


def test_bands_cover_every_tick_once():
    ticks = plausible_ticks(100)
    ticks["source"][40:60] = 2
    ticks["intent"][80:] = 0.5
    found = bands(ticks)
    assert [(band.start, band.stop, band.who) for band in found] == [
        (0, 40, "controller"),
        (40, 60, "fallback"),
        (60, 80, "controller"),
        (80, 100, "person"),
    ]


def test_without_ticks_there_are_no_bands():
    assert bands(plausible_ticks(0)) == []


def event(seconds, name, detail=None):
    return {"host_ns": 10**12 + round(seconds * 1e9), "name": name, "detail": detail or {}}


def test_events_are_marked_in_the_order_of_their_time():
    events = [event(1.5, "give_back"), event(0.5, "take_over", {"by": "pad", "tick": 100})]
    found = marks(events, 10**12, 10**12 + 2 * 10**9)
    assert [(mark.seconds, mark.name, mark.text) for mark in found] == [
        (0.5, "take_over", "by pad, tick 100"),
        (1.5, "give_back", ""),
    ]


def test_events_outside_the_stretch_and_words_about_episodes_are_no_marks():
    events = [event(-0.1, "early"), event(2.1, "late"), event(1.0, "episode", {"op": "start"}), {"name": "timeless"}]
    assert marks(events, 10**12, 10**12 + 2 * 10**9) == []


def test_a_tick_is_told_signal_by_signal():
    told = values(plausible_ticks(3)[1])
    assert sorted(value.signal for value in told) == sorted(signal.name for signal in TICK_SIGNALS)
    assert told[1].signal == "pitch"
    assert all(value.meaning and value.unit for value in told)


def test_codes_and_bits_are_told_in_words():
    tick = plausible_ticks(1)[0]
    tick["mode"] = Mode.STOPPED
    tick["supervisor"] = SupervisorState.SAFE_STOP
    tick["faults"] = Fault.TILT | Fault.BATTERY_LOW
    tick["reasons"] = Reason.REGION_LEFT
    tick["source"] = 2
    told = {value.signal: value.value for value in values(tick)}
    assert told["mode"] == "stopped"
    assert told["supervisor"] == "safe stop"
    assert told["faults"] == "tilt, battery low"
    assert told["reasons"] == "region left"
    assert told["source"] == "fallback"
    assert told["inputs"] == "none"
    assert told["intent"] == "unknown"


def test_codes_of_a_later_version_are_told_as_they_are():
    tick = plausible_ticks(1)[0]
    tick["mode"], tick["faults"] = 77, 1 << 15
    told = {value.signal: value.value for value in values(tick)}
    assert told["mode"] == "77 (unknown)"
    assert told["faults"] == "0x8000"
