"""Legs that move: the engines follow them, and the linear model holds at every height."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from robot_il.control.lqr import discretise, linear_dynamics
from robot_il.robot import Robot, load_robot
from sim.attitude import pitch_of
from sim.conditions import Conditions
from sim.engine import ENGINES, STEP_S, Plant, make_plant
from sim.legs import LegWay

FRICTIONLESS = Conditions(friction_scale=0.0)
LINEAR_TOLERANCE = 0.01
"""Of the largest entry of a column: the engines' semi-implicit Euler step alone makes half of it."""
STEPS = 100
DEVIATIONS = {"pitch": 0.01, "pitch_rate": 0.1, "velocity": 0.1, "torque": 0.5}


@pytest.fixture(params=ENGINES)
def plant(robot: Robot, request: pytest.FixtureRequest) -> Iterator[Callable[..., Plant]]:
    with contextlib.ExitStack() as stack:

        def make(of: Robot = robot, conditions: Conditions = FRICTIONLESS) -> Plant:
            return stack.enter_context(contextlib.closing(make_plant(request.param, of, conditions)))

        yield make


def flow(body: Plant, pitch: float = 0.0, pitch_rate: float = 0.0, velocity: float = 0.0, torque: float = 0.0):
    """Where the robot is ``STEPS`` milliseconds later: pitch, pitch rate, position, velocity."""
    body.place(pitch, 0.0, pitch_rate, velocity)
    start = body.axle()[0]
    for _ in range(STEPS):
        body.step(torque / 2, torque / 2)
    place, moving = body.axle()
    return np.array([pitch_of(body.quaternion), body.angular_velocity_rad_s[1], place[0] - start[0], moving[0]])


@pytest.mark.parametrize("share", [0.0, 0.35, 1.0])
def test_the_linear_model_at_a_height_is_the_engines_by_central_differences(
    plant: Callable[..., Plant], robot: Robot, share: float
) -> None:
    low, high = robot.heights_m
    height_m = low + share * (high - low)
    body = plant(robot.standing_at(height_m))
    columns = [
        (flow(body, **{name: step}) - flow(body, **{name: -step})) / (2.0 * step) for name, step in DEVIATIONS.items()
    ]
    Ad, Bd = discretise(*linear_dynamics(robot.pendulum_at(height_m)), STEPS * STEP_S)
    for found, expected in zip(columns, np.column_stack([Ad[:, [0, 1, 3]], Bd]).T, strict=True):
        assert found == pytest.approx(expected, abs=LINEAR_TOLERANCE * np.abs(expected).max())


def test_the_linear_models_of_the_lowest_and_the_highest_differ_by_far_more_than_that(robot: Robot) -> None:
    low, high = (discretise(*linear_dynamics(robot.pendulum_at(h)), STEPS * STEP_S) for h in robot.heights_m)
    assert np.abs(low[0] - high[0]).max() > 0.1 * np.abs(low[0]).max()
    assert np.abs(low[1] - high[1]).max() > 0.3 * np.abs(high[1]).max()


@pytest.mark.parametrize("way", [-1, 1])
def test_the_legs_follow_the_height_that_they_are_told(plant: Callable[..., Plant], robot: Robot, way: int) -> None:
    body = plant(conditions=Conditions())
    height_m = robot.height_m
    for _ in range(200):
        height_m += way * 1e-4
        body.set_height(height_m)
        body.step(0.0, 0.0)
    told = robot.angles_at(height_m)
    held = [joint[0] for joint in body.joints[2:]]
    assert held == pytest.approx([told["hip_left"], told["knee_left"]] * 2, abs=0.02)
    assert abs(told["knee_left"] - robot.held_rad["knee_left"]) > 0.05


def test_a_nominal_height_that_was_rounded_on_the_wire_changes_no_bit(
    plant: Callable[..., Plant], robot: Robot
) -> None:
    plain, told = plant(), plant()
    rounded = float(np.float32(robot.height_m))
    assert rounded != robot.height_m
    for _ in range(50):
        told.set_height(rounded)
        plain.step(0.3, 0.2)
        told.step(0.3, 0.2)
    assert (told.quaternion, told.com_position_m) == (plain.quaternion, plain.com_position_m)


@pytest.mark.parametrize("place", [0, 1])
def test_a_robot_is_set_down_with_its_legs_at_their_height(
    plant: Callable[..., Plant], robot: Robot, place: int
) -> None:
    height_m = robot.heights_m[place]
    body, there = plant(), plant(robot.standing_at(height_m))
    body.set_height(height_m)
    body.place(0.05)
    there.place(0.05)
    assert body.com_m() == pytest.approx(there.com_m(), abs=1e-9)
    assert body.axle()[0] == pytest.approx([0.0, 0.0, robot.pendulum.wheel_radius_m], abs=1e-5)
    assert body.com_m()[2] != pytest.approx(plant().com_m()[2], abs=0.02)


def test_on_the_way_the_targets_are_the_robots_own_angles(robot: Robot) -> None:
    way = LegWay(robot)
    for height_m in np.random.default_rng(0).uniform(*robot.heights_m, 100).tolist():
        assert way.move(height_m)
        assert way.targets_rad == pytest.approx(list(robot.angles_at(height_m).values()), abs=1e-12)
        assert not way.move(height_m)


@pytest.mark.parametrize(("asked", "place"), [(-1.0, 0), (0.0, 0), (5.0, 1)])
def test_a_height_beyond_the_legs_way_is_cut_to_its_end(robot: Robot, asked: float, place: int) -> None:
    way = LegWay(robot)
    way.move(asked)
    assert way.height_m == robot.heights_m[place]
    assert way.targets_rad == list(robot.angles_at(robot.heights_m[place]).values())


def test_a_robot_without_legs_has_nowhere_to_go() -> None:
    way = LegWay(load_robot("two_wheeled"))
    assert not way.move(0.3)
    assert way.targets_rad == []
