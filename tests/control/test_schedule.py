"""Figures over the height: exact where they are known, straight in between, and safe to read from a log."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from robot_il.control.schedule import MAX_HEIGHTS, Schedule, as_told, scheduled
from robot_il.errors import ConfigError
from robot_il.robot import load_robot

TABLE = Schedule([0.2, 0.3, 0.45], [[1.0, -2.0], [0.1, 7.0], [3.0, 4.0]], 1)


@pytest.mark.parametrize("place", range(3))
def test_at_its_own_heights_a_row_is_exactly_the_one_that_was_given(place: int) -> None:
    assert TABLE.at(TABLE.heights_m[place]) == TABLE.rows[place]


@pytest.mark.parametrize("height_m", np.linspace(0.2, 0.45, 31))
def test_in_between_it_lies_on_the_straight_line(height_m: float) -> None:
    expected = [np.interp(height_m, TABLE.heights_m, column) for column in np.array(TABLE.rows).T]
    assert TABLE.at(height_m) == pytest.approx(expected)


@pytest.mark.parametrize(("height_m", "place"), [(0.1, 0), (-math.inf, 0), (0.5, 2), (math.inf, 2), (math.nan, 1)])
def test_beyond_its_ends_the_last_row_stays_and_without_a_number_the_nominal_one(height_m: float, place: int) -> None:
    assert TABLE.at(height_m) == TABLE.rows[place]


def test_one_row_is_for_every_height() -> None:
    alone = Schedule([0.0], [[5.0]], 0)
    assert {alone.at(height)[0] for height in (-1.0, 0.0, 0.3, math.nan)} == {5.0}


def test_a_table_survives_json_to_the_bit() -> None:
    random = np.random.default_rng(0)
    table = Schedule(np.sort(random.random(6)), random.normal(size=(6, 4)), 2)
    again = Schedule.from_json(json.loads(json.dumps(table.to_json())))
    heights = np.linspace(0.0, 1.0, 50).tolist()
    assert [again.at(height) for height in heights] == [table.at(height) for height in heights]


@pytest.mark.parametrize(
    ("heights", "rows", "nominal"),
    [
        ([0.3, 0.2], [[1.0], [2.0]], 0),
        ([0.2, 0.2], [[1.0], [2.0]], 0),
        ([0.2, math.nan], [[1.0], [2.0]], 0),
        ([0.2, 0.3], [[1.0], [2.0, 3.0]], 0),
        ([0.2, 0.3], [[1.0]], 0),
        ([0.2, 0.3], [[1.0], [2.0]], 2),
        ([], [], 0),
    ],
)
def test_what_is_no_table_is_refused(heights: list, rows: list, nominal: int) -> None:
    with pytest.raises(ConfigError, match="rising heights"):
        Schedule(heights, rows, nominal)


def test_a_logs_table_may_not_be_endless() -> None:
    count = MAX_HEIGHTS + 1
    table = {"heights_m": list(range(count)), "rows": [[1.0]] * count, "nominal": 0}
    with pytest.raises(ConfigError, match="heights"):
        Schedule.from_json(table)


def test_the_heights_of_a_robots_table_are_those_that_its_states_tell() -> None:
    robot = load_robot()
    table = scheduled(robot, lambda height_m: [height_m])
    assert table.heights_m == [as_told(knot) for knot in robot.postures.knots_m]
    assert table.at(float(np.float32(robot.height_m))) == [robot.height_m]
