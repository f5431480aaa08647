"""Pictures of traces: nothing that happened may be missing from them."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from robot_il.console.thumbnails import LANES, THUMBNAIL, envelope, picture, reach
from tests.recording.conftest import plausible_ticks


def lines(svg):
    root = ElementTree.fromstring(svg)
    return [path.get("d") for path in root.iter("path") if path.get("style")]


def points(path):
    return np.array([[float(word) for word in pair.split()] for pair in re.split("[ML]", path)[1:]])


def drawn(ticks, size=THUMBNAIL):
    times = ticks["host_receive_ns"]
    return [points(path) for path in lines(picture(ticks, int(times[0]), int(times[-1]), size))]


def test_each_column_has_its_least_and_largest_value():
    values = np.array([1.0, 5.0, -2.0, 3.0, 4.0, 4.0])
    extremes = envelope(np.arange(6.0), values, 0.0, 6.0, 3)
    np.testing.assert_array_equal(extremes, [[1, 5], [-2, 3], [4, 4]])


def test_one_tick_among_many_is_not_lost():
    values = np.zeros(100_000)
    values[54_321] = -7.0
    assert np.nanmin(envelope(np.arange(100_000.0), values, 0.0, 1e5, 200)) == -7.0


def test_a_column_without_values_is_empty():
    extremes = envelope(np.array([0.0, 9.0]), np.array([1.0, 2.0]), 0.0, 10.0, 10)
    assert np.isnan(extremes[1:9]).all()
    assert not np.isnan(extremes[[0, 9]]).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_does_not_count(bad):
    extremes = envelope(np.arange(3.0), np.array([1.0, bad, 2.0]), 0.0, 3.0, 1)
    np.testing.assert_array_equal(extremes, [[1, 2]])


def test_values_outside_the_stretch_do_not_count():
    extremes = envelope(np.arange(5.0), np.arange(5.0), 1.0, 3.0, 1)
    np.testing.assert_array_equal(extremes, [[1, 3]])


def test_a_stretch_of_no_length_is_empty():
    assert np.isnan(envelope(np.zeros(2), np.ones(2), 5.0, 5.0, 4)).all()


def test_time_that_steps_back_does_not_matter():
    times, values = np.array([3.0, 0.0, 2.0, 1.0]), np.array([3.0, 0.0, 2.0, 1.0])
    np.testing.assert_array_equal(envelope(times, values, 0.0, 4.0, 4)[:, 0], [0, 1, 2, 3])


def test_a_lane_reaches_as_far_as_the_largest_excursion():
    assert reach(np.array([[-3.0, 1.0], [np.nan, np.nan]]), 0.5) == 3.0


def test_noise_at_rest_does_not_fill_a_lane():
    assert reach(np.array([[-0.001, 0.001]]), 0.05) == 0.05


def test_a_lane_of_nothing_has_a_height():
    assert reach(np.full((3, 2), np.nan), 0.05) == 0.05


def test_a_picture_has_a_line_for_each_signal_within_its_own_lane():
    ticks = plausible_ticks(1000)
    width, height = THUMBNAIL
    found = drawn(ticks)
    assert len(found) == len(LANES)
    for number, line in enumerate(found):
        assert 0 <= line[:, 0].min() <= line[:, 0].max() <= width
        assert number * height / 3 - 2 <= line[:, 1].min() <= line[:, 1].max() <= (number + 1) * height / 3 + 2


def test_forward_is_up():
    ticks = plausible_ticks(400)
    ticks["pitch"] = np.linspace(-0.1, 0.1, 400)
    pitch = drawn(ticks)[0]
    assert pitch[-1, 1] < pitch[0, 1]


def test_a_gap_in_the_ticks_is_a_gap_in_the_line():
    ticks = plausible_ticks(400)
    whole = lines(picture(ticks, int(ticks["host_receive_ns"][0]), int(ticks["host_receive_ns"][-1])))
    ticks = np.delete(ticks, slice(100, 300))
    broken = lines(picture(ticks, int(ticks["host_receive_ns"][0]), int(ticks["host_receive_ns"][-1])))
    assert [path.count("M") for path in whole] == [1, 1, 1]
    assert [path.count("M") for path in broken] == [2, 2, 2]


def test_a_signal_that_is_nowhere_a_number_leaves_its_lane_empty():
    ticks = plausible_ticks(400)
    ticks["limited_torque"] = np.nan
    start, stop = int(ticks["host_receive_ns"][0]), int(ticks["host_receive_ns"][-1])
    assert [bool(path) for path in lines(picture(ticks, start, stop))] == [True, True, False]


def test_without_a_tick_there_is_still_a_picture():
    assert lines(picture(plausible_ticks(0), 0, 10**9)) == ["", "", ""]


def test_the_size_of_a_picture_does_not_grow_with_the_recording():
    assert len(picture(plausible_ticks(50_000), 10**12, 10**12 + 250 * 10**9)) < 60_000


@pytest.mark.parametrize("count", [10, 100, 800])
def test_a_line_is_whole_where_there_are_fewer_ticks_than_columns(count):
    ticks = plausible_ticks(count)
    start, stop = int(ticks["host_receive_ns"][0]), int(ticks["host_receive_ns"][-1])
    assert [path.count("M") for path in lines(picture(ticks, start, stop, (1000, 240)))] == [1, 1, 1]
