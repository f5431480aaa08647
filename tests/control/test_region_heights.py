"""The regions of several heights: which of them counts where, and what beyond them is known."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from robot_il.control.guard import GuardLimits
from robot_il.control.region import MARGIN_FLOOR, Region
from robot_il.control.region_file import load_region
from robot_il.control.region_heights import Regions
from robot_il.control.schedule import as_told
from robot_il.errors import ConfigError
from robot_il.robot import load_robot

from .test_guard import INSTANT, Constant, running, state

UNIT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def ball(radius: float, response: float = 0.0) -> Region:
    """Margin = 1 - |z| / radius."""
    return Region(UNIT, radius**2, 0.02, UNIT, (0.0, 0.0, response))


RADII = (0.5, 0.25, 1.0)
THREE = Regions((0.2, 0.3, 0.4), tuple(map(ball, RADII)), 1)
EPS = 1e-5


def margin(height_m: float, velocity: float = 0.125) -> float:
    return THREE.margin(state(velocity=velocity, height=height_m))


@pytest.mark.parametrize(
    ("height_m", "expected"),
    [
        (0.2, 0.75),
        (0.2 + EPS, 0.5),
        (0.3 - EPS, 0.5),
        (0.3, 0.5),
        (0.3 + EPS, 0.5),
        (0.35, 0.5),
        (0.4 - EPS, 0.5),
        (0.4, 0.875),
    ],
)
def test_at_its_own_height_a_region_counts_alone_and_in_between_the_smaller_of_two(
    height_m: float, expected: float
) -> None:
    assert margin(height_m) == pytest.approx(expected)


@pytest.mark.parametrize("height_m", [0.2 - EPS, 0.4 + EPS, 0.0, 5.0, math.nan, math.inf])
def test_beyond_the_known_heights_nothing_is_known_to_be_caught(height_m: float) -> None:
    assert margin(height_m, 0.0) == MARGIN_FLOOR
    assert THREE.margin_ahead(state(height=height_m), 0.0) == MARGIN_FLOOR


def test_what_rounding_makes_of_the_lowest_and_the_highest_is_still_known() -> None:
    assert margin(0.2 - 1e-7) == pytest.approx(0.75)
    assert margin(0.4 + 1e-7) == pytest.approx(0.875)


def test_a_robot_whose_legs_do_not_move_is_judged_whatever_height_it_tells() -> None:
    alone = Regions((0.0,), (ball(0.5),), 0)
    assert {alone.margin(state(velocity=0.25, height=height)) for height in (0.0, 9.0, math.nan)} == {0.5}


def test_a_motion_that_is_no_number_has_no_margin_at_any_height() -> None:
    for height_m in (0.2, 0.25, 0.4):
        assert math.isnan(margin(height_m, math.nan))


def test_the_margin_ahead_is_the_smaller_of_both_too() -> None:
    two = Regions((0.2, 0.3), (ball(0.5, response=0.125), ball(1.0, response=0.5)), 0)
    here = state(height=0.25)
    for torque in (0.0, 1.0, 1.5):
        assert two.margin_ahead(here, torque) == min(region.margin_ahead(here, torque) for region in two.regions)


@pytest.mark.parametrize(("height_m", "source"), [(0.2, 1), (0.2 + EPS, 2), (0.3, 2), (0.4, 1), (0.4 + EPS, 2)])
def test_the_guard_hands_over_by_the_region_of_the_height(height_m: float, source: int) -> None:
    velocity = RADII[1] * (1.0 - 0.9 * INSTANT.switch_margin)  # a little too fast for the smallest of the three
    guard = running(Constant(1.0), INSTANT, region=THREE)
    assert guard.decide(state(velocity=velocity, height=height_m)).source == source


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(("aside", "source"), [(1e-6, 1), (-1e-6, 2)])
def test_the_guards_switch_holds_at_its_edge_at_every_height(place: int, aside: float, source: int) -> None:
    velocity = RADII[place] * (1.0 - INSTANT.switch_margin - aside)
    guard = running(Constant(1.0), INSTANT, region=THREE)
    assert guard.decide(state(velocity=velocity, height=THREE.heights_m[place])).source == source


def test_a_robot_that_is_lowered_into_a_smaller_region_is_handed_over_on_the_way() -> None:
    guard = running(Constant(1.0), GuardLimits(), region=THREE)
    heights = np.linspace(0.4, 0.2, 21)
    sources = [guard.decide(state(velocity=0.2, height=float(height))).source for height in heights]
    assert sources == [1] + [2] * 20


def test_the_shipped_robot_leaning_is_inside_at_every_height_that_its_legs_reach() -> None:
    robot = load_robot()
    regions = load_region(robot).region
    for height_m in np.linspace(*robot.heights_m, 60):
        assert regions.margin(state(pitch=0.9 * regions.at_rest_rad, height=as_told(height_m))) >= 0.1 - 1e-9


def test_regions_survive_json_to_the_bit() -> None:
    assert Regions.from_json(json.loads(json.dumps(THREE.to_json()))) == THREE


def test_an_early_logs_region_is_that_of_every_height() -> None:
    early = Regions.from_json(json.loads(json.dumps(ball(0.5).to_json())))
    assert early.regions == (ball(0.5),)
    assert early.margin(state(velocity=0.25, height=math.nan)) == 0.5


@pytest.mark.parametrize(
    "changes",
    [
        {"heights_m": (0.2, 0.2, 0.4)},
        {"heights_m": (0.2, 0.3, math.nan)},
        {"heights_m": (0.2, 0.3)},
        {"nominal": 3},
        {"heights_m": (), "regions": ()},
    ],
)
def test_what_is_no_table_of_regions_is_refused(changes: dict) -> None:
    with pytest.raises(ConfigError, match="robot-il region"):
        dataclasses.replace(THREE, **changes)
