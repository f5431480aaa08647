from __future__ import annotations

import dataclasses
from types import MappingProxyType

import numpy as np
import pytest

from robot_il.errors import ConfigError
from robot_il.robot import Robot
from robot_il.tasks import TASKS
from sim.conditions import sample_conditions
from sim.figures import with_figures
from sim.randomisation import ALONE, GROUPS, USUAL, WIDTHS, draw_robot, figure

INTERVALS = {
    "drive.strength_1": (0.97, 1.01),
    "drive.coulomb_friction_nm": (0.038, 0.044),
    "drive.viscous_friction_nm_s": (0.003, 0.009),
    "sensors.delay_s": (0.0019, 0.0023),
    "drive.time_constant_s": (0.0018, 0.0024),
    "imu.gyro_noise_rad_s_rthz": (1.4e-4, 1.7e-4),
    "tolerance.mass_1": (0.99, 1.01),
    "tolerance.com_height_1": (0.98, 1.02),
}


@pytest.fixture
def identified(robot: Robot) -> Robot:
    ranges = {**robot.ranges, **INTERVALS}
    return dataclasses.replace(robot, ranges=MappingProxyType(ranges), identified=frozenset(INTERVALS))


def draws(robot: Robot, width: str, count: int = 2000) -> list[tuple[dict[str, float], dict[str, float]]]:
    return [
        (scales, dict(figures))
        for seed in range(count)
        for scales, figures in [draw_robot(robot, np.random.default_rng(seed), width)]
    ]


def test_nobody_asks_for_another_width(robot: Robot) -> None:
    with pytest.raises(ConfigError, match="plausible"):
        draw_robot(robot, np.random.default_rng(0), "wild")


def test_no_randomisation_is_the_profile_itself(robot: Robot) -> None:
    conditions = sample_conditions(TASKS["stand"], 3, robot, "none")
    assert {name: getattr(conditions, name) for name in USUAL} == dict.fromkeys(USUAL, 1.0)
    assert conditions.figures == ()


def test_without_an_identified_figure_the_identified_width_is_the_usual_one(robot: Robot) -> None:
    for seed in range(20):
        assert sample_conditions(TASKS["stand"], seed, robot, "identified") == sample_conditions(
            TASKS["stand"], seed, robot
        )


@pytest.mark.parametrize("name", sorted(set(INTERVALS) - {"tolerance.mass_1", "tolerance.com_height_1"}))
def test_an_identified_figure_lies_in_its_interval_in_95_of_100_draws(identified: Robot, name: str) -> None:
    drawn = np.array([figures[name] for _, figures in draws(identified, "identified")])
    low, high = INTERVALS[name]
    assert np.mean((drawn >= low) & (drawn <= high)) == pytest.approx(0.95, abs=0.015)
    value = figure(identified, name)
    for side, end in ((drawn[drawn < value], low), (drawn[drawn > value], high)):
        assert np.sqrt(np.mean((side - value) ** 2)) == pytest.approx(abs(end - value) / 1.96, rel=0.08)
    assert np.all(np.abs(drawn - value) <= 3.0 / 1.9 * max(value - low, high - value))


def test_a_weighed_mass_and_a_found_height_are_drawn_as_scales(identified: Robot) -> None:
    scales = [drawn for drawn, _ in draws(identified, "identified", 500)]
    for name, half in (("mass_scale", 0.01), ("com_height_scale", 0.02)):
        values = np.array([drawn[name] for drawn in scales])
        assert values.std() == pytest.approx(half / 1.96, rel=0.1)
        assert np.abs(values - 1.0).max() < 1.6 * half


def test_what_was_not_identified_of_a_group_is_drawn_as_usual(identified: Robot) -> None:
    (usual, _), (scales, figures) = (draws(identified, width, 1)[0] for width in ("usual", "identified"))
    assert scales["sensor_noise_scale"] == 1.0
    expected = identified.imu.accel_noise_m_s2_rthz * usual["sensor_noise_scale"]
    assert figures["imu.accel_noise_m_s2_rthz"] == pytest.approx(expected)


def test_a_group_without_any_identified_figure_keeps_its_scale(identified: Robot) -> None:
    ranges = frozenset(INTERVALS) - {"sensors.delay_s"}
    partly = dataclasses.replace(identified, identified=ranges)
    (usual, _), (scales, figures) = (draws(partly, width, 1)[0] for width in ("usual", "identified"))
    assert scales["delay_scale"] == usual["delay_scale"]
    assert "sensors.delay_s" not in figures


def test_plausible_draws_fill_the_plausible_range_of_every_figure(robot: Robot) -> None:
    drawn = [figures for _, figures in draws(robot, "plausible", 400)]
    names = set(drawn[0])
    assert {"drive.coulomb_friction_nm", "contact.friction_1", "sensors.delay_s"} <= names
    assert names <= set(robot.ranges)
    for name in names:
        low, high = robot.ranges[name]
        values = np.array([figures[name] for figures in drawn])
        assert values.min() >= low * (1 - 1e-12)
        assert values.max() <= high * (1 + 1e-12)
        places = (
            np.log(values / low) / np.log(high / low)
            if low > 0 and high > 3 * low
            else (values - low) / (high - low or 1)
        )
        if high > low:
            assert places.mean() == pytest.approx(0.5, abs=0.06)


def test_every_figure_that_can_be_drawn_is_one_of_the_profile(robot: Robot) -> None:
    names = {name for group in GROUPS.values() for name in group} | set(ALONE)
    for name in names:
        figure(robot, name)
    with_figures(robot, [(name, figure(robot, name)) for name in names if not name.startswith("tolerance")])


@pytest.mark.parametrize("width", WIDTHS)
def test_every_width_gives_the_same_draw_for_the_same_seed(identified: Robot, width: str) -> None:
    once, again, other = (sample_conditions(TASKS["stand"], seed, identified, width) for seed in (4, 4, 5))
    assert once == again != other
