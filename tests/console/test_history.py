"""The console's memory of the last minutes."""

import numpy as np
import pytest

from robot_il.console.history import History
from robot_il.spec import TICK_DTYPE


def rows(start: int, count: int) -> list[bytes]:
    ticks = np.zeros(count, TICK_DTYPE)
    ticks["tick"] = np.arange(start, start + count)
    ticks["host_receive_ns"] = 5_000_000 * ticks["tick"]
    return [tick.tobytes() for tick in ticks]


def filled(*batches: int, seconds: int = 2) -> History:
    history, count = History(200, seconds), 0
    for batch in batches:
        history.add(rows(count, batch))
        count += batch
    return history


def test_before_the_first_tick_there_is_nothing_to_show():
    history = History()
    assert history.newest is None
    assert len(history.window(10.0, 100)) == len(history.between(0, 1 << 62)) == len(history) == 0


@pytest.mark.parametrize(
    "batches", [(7,), (400,), (401,), (399, 2), (800,), (801,), (3,) * 500, (5000,), (10, 5000, 10)]
)
def test_the_newest_ticks_are_kept_in_order_however_they_come(batches):
    history, total = filled(*batches), sum(batches)
    kept = history.between(0, 1 << 62)["tick"]
    assert kept.tolist() == list(range(total - min(total, 400), total))
    assert history.newest["tick"] == total - 1
    assert len(history) == min(total, 400)


def test_a_window_is_thinned_to_about_the_points_asked_for():
    history = filled(400)
    assert history.window(2.0, 100)["tick"].tolist() == list(range(0, 400, 4))
    assert history.window(1.0, 1000)["tick"].tolist() == list(range(200, 400))


def test_a_moving_window_shows_the_same_ticks_again():
    history = filled(1000)
    shown = set(history.window(1.0, 40)["tick"].tolist())
    for count in range(1000, 1013):
        history.add(rows(count, 1))
        later = set(history.window(1.0, 40)["tick"].tolist())
        overlap = {tick for tick in later if tick <= max(shown)}
        assert overlap <= shown
        shown = later


def test_a_stretch_of_time_is_half_open():
    history = filled(100)
    assert history.between(50_000_000, 75_000_000)["tick"].tolist() == list(range(10, 15))


def test_what_is_given_out_does_not_change_later():
    history = filled(100)
    newest, window = history.newest, history.window(0.1, 1000)
    history.add(rows(100, 1000))
    assert newest["tick"] == 99
    assert window["tick"].tolist() == list(range(80, 100))
