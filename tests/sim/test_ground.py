from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from robot_il.control.lqr import GRAVITY_M_S2, discretise, linear_dynamics
from robot_il.robot import Robot
from sim.attitude import pitch_of
from sim.body import physics_urdf
from sim.conditions import Conditions
from sim.figures import with_figures
from sim.plant import STEP_S, Plant

PlantMaker = Callable[..., Plant]
FRICTIONLESS = Conditions(friction_scale=0.0)


@pytest.fixture
def plant(robot: Robot) -> Iterator[PlantMaker]:
    with contextlib.ExitStack() as stack:

        def make(of: Robot = robot, **changes: float) -> Plant:
            made = Plant(of, dataclasses.replace(FRICTIONLESS, **changes))
            stack.callback(made.close)
            return made

        yield make


def test_neutral_ground_is_the_same_plane_as_ever_bit_for_bit(plant: PlantMaker, robot: Robot) -> None:
    states = []
    for changes in ({}, {"slope_rad": 0.0, "bump_height_m": 0.0, "floor_friction_scale": 1.0, "payload_kg": 0.0}):
        body = plant(initial_pitch_rad=0.1, **changes)
        for _ in range(100):
            body.step(0.3, 0.2)
        states.append((body.com_position_m, body.quaternion, body.joints))
    assert states[0] == states[1]
    assert physics_urdf(robot, Conditions()) == physics_urdf(robot, Conditions(payload_x_m=0.5))


@pytest.mark.parametrize("slope", [-0.15, 0.1])
def test_a_robot_on_a_slope_rolls_down_as_its_rolling_mass_says(plant: PlantMaker, robot: Robot, slope: float) -> None:
    body = plant(slope_rad=slope)
    before = body.axle()[0]
    steps = 60
    for _ in range(steps):
        body.step(0.0, 0.0)
    pendulum = robot.pendulum
    m, height, radius = pendulum.body_mass_kg, pendulum.body_height_m, pendulum.wheel_radius_m
    rolling = m + pendulum.wheel_mass_kg + pendulum.wheel_inertia_kg_m2 / radius**2
    # The body starts upright, which on the slope is a lean of -slope; forces along the slope and about the axle:
    inertia = np.array([
        [rolling, m * height * math.cos(slope)],
        [m * height * math.cos(slope), pendulum.body_inertia_kg_m2 + m * height**2],
    ])  # fmt: skip
    along = np.linalg.solve(inertia, [-(m + pendulum.wheel_mass_kg) * GRAVITY_M_S2 * math.sin(slope), 0.0])
    moved = body.axle()[0] - before
    expected = 0.5 * along[0] * (steps * STEP_S) ** 2
    assert moved[0] == pytest.approx(expected * math.cos(slope), rel=0.05)
    assert moved[2] == pytest.approx(moved[0] * math.tan(slope), rel=0.02)


@pytest.mark.parametrize("yaw", [0.0, 1.3, -2.5])
def test_the_slope_rises_ahead_whatever_the_heading(plant: PlantMaker, yaw: float) -> None:
    body = plant(slope_rad=0.1)
    body.place(0.05, yaw, 0.0, 0.5)
    start = body.axle()[0]
    for _ in range(100):
        body.step(0.0, 0.0)
    moved = body.axle()[0] - start
    ahead = moved[0] * math.cos(yaw) + moved[1] * math.sin(yaw)
    assert ahead == pytest.approx(0.03, abs=0.005)
    assert abs(moved[1] * math.cos(yaw) - moved[0] * math.sin(yaw)) < 1e-3
    assert moved[2] == pytest.approx(ahead * math.tan(0.1), rel=0.02)


def test_a_pushed_robot_is_slowed_by_rolling_resistance_as_its_share_of_the_load(
    plant: PlantMaker, robot: Robot
) -> None:
    decelerations = []
    for share in (0.0, 0.05):
        body = plant(with_figures(robot, [("contact.rolling_resistance_1", share)]))
        body.place(0.0, 0.0, 0.0, 1.0)
        start = body.axle()[1][0]
        for _ in range(30):
            body.step(0.0, 0.0)
        decelerations.append((start - body.axle()[1][0]) / 0.03)
    pendulum = robot.pendulum
    m, height, radius = pendulum.body_mass_kg, pendulum.body_height_m, pendulum.wheel_radius_m
    rolling = m + pendulum.wheel_mass_kg + pendulum.wheel_inertia_kg_m2 / radius**2
    turning = pendulum.body_inertia_kg_m2 + m * height**2
    held = rolling - (m * height) ** 2 / turning
    assert decelerations[0] == pytest.approx(0.0, abs=0.01)
    assert decelerations[1] == pytest.approx(0.05 * robot.mass_kg * GRAVITY_M_S2 / held, rel=0.05)


def test_rolling_resistance_holds_a_robot_on_a_slope_that_is_less_steep(plant: PlantMaker, robot: Robot) -> None:
    rough = with_figures(robot, [("contact.rolling_resistance_1", 0.05)])
    moved = []
    for slope in (0.02, 0.1):
        body = plant(rough, slope_rad=slope, initial_pitch_rad=0.0)
        start = body.axle()[0]
        for _ in range(80):
            body.step(0.0, 0.0)
        moved.append(float(np.linalg.norm(body.axle()[0] - start)))
    assert moved[0] < 2e-4
    assert moved[1] > 3e-3


@pytest.mark.parametrize(("height", "length"), [(0.01, 0.1), (0.02, 5.0)])
def test_a_wheel_rolls_over_a_bump_and_onto_a_step_of_its_height(
    plant: PlantMaker, height: float, length: float
) -> None:
    body = plant(bump_height_m=height, bump_place_m=0.15, bump_length_m=length)
    body.place(0.0, 0.7, 0.0, 2.2)
    highest = ahead = 0.0
    for _ in range(260):
        body.step(0.0, 0.0)
        place = body.axle()[0]
        ahead = place[0] * math.cos(0.7) + place[1] * math.sin(0.7)
        if ahead < 0.08:
            assert place[2] == pytest.approx(0.1, abs=1e-3)
        highest = max(highest, float(place[2]))
    assert 0.1 + 0.9 * height < highest < 0.1 + 3.0 * height
    assert ahead > 0.2


def test_spinning_wheels_push_with_the_floors_friction_and_no_more(plant: PlantMaker, robot: Robot) -> None:
    body = plant(floor_friction_scale=0.05)
    speeds, before = [], body.com_m()
    for _ in range(50):
        body.step(2.0, 2.0)
        after = body.com_m()
        speeds.append((after - before)[0] / STEP_S)
        before = after
    assert body.joints[0][1] * robot.pendulum.wheel_radius_m > 1.0, "the wheels do not spin"
    expected = 0.05 * robot.contact.friction_1 * GRAVITY_M_S2
    assert (speeds[-1] - speeds[9]) / (40 * STEP_S) == pytest.approx(expected, rel=0.1)


def test_a_payload_moves_mass_and_centre_of_mass_as_a_point_does(plant: PlantMaker, robot: Robot) -> None:
    bare, laden = plant(), plant(payload_kg=2.0, payload_x_m=0.1, payload_z_m=0.3)
    assert sum(laden.masses_kg()) == pytest.approx(sum(bare.masses_kg()) + 2.0)
    poses = robot.chain.poses(robot.held_rad)
    axle = np.mean([poses[joint.child][1] for joint in robot.body.wheel_joints], axis=0)
    point = np.array([0.1, 0.0, 0.3]) - axle + [0.0, 0.0, robot.pendulum.wheel_radius_m]
    expected = (10.0 * bare.com_m() + 2.0 * point) / 12.0
    assert laden.com_m() == pytest.approx(expected, abs=1e-5)


def test_a_payload_makes_a_body_slower_to_tip_by_its_moment_of_inertia(plant: PlantMaker, robot: Robot) -> None:
    falls = []
    for changes in ({}, {"payload_kg": 3.0, "payload_z_m": 0.5}):
        body = plant(initial_pitch_rad=0.05, **changes)
        for _ in range(200):
            body.step(0.0, 0.0)
        falls.append(pitch_of(body.quaternion))
    assert falls[1] == pytest.approx(_fallen_with(robot, 3.0, 0.5), rel=0.02)
    assert abs(falls[1] - falls[0]) > 0.01


def _fallen_with(robot: Robot, payload_kg: float, payload_z_m: float) -> float:
    """Pitch after 0.2 s from 0.05 rad, by the linear model of body and payload together."""
    pendulum = robot.pendulum
    poses = robot.chain.poses(robot.held_rad)
    axle = np.mean([poses[joint.child][1] for joint in robot.body.wheel_joints], axis=0)
    arm = payload_z_m - axle[2]
    mass = pendulum.body_mass_kg + payload_kg
    height = (pendulum.body_mass_kg * pendulum.body_height_m + payload_kg * arm) / mass
    inertia = pendulum.body_inertia_kg_m2 + pendulum.body_mass_kg * (pendulum.body_height_m - height) ** 2
    inertia += payload_kg * (arm - height) ** 2
    laden = dataclasses.replace(pendulum, body_mass_kg=mass, body_height_m=height, body_inertia_kg_m2=inertia)
    Ad, _ = discretise(*linear_dynamics(laden), 0.2)
    return float((Ad @ [0.05, 0.0, 0.0, 0.0])[0])


def test_a_push_to_the_side_gives_its_impulse_across_the_heading(plant: PlantMaker, robot: Robot) -> None:
    ice = dataclasses.replace(robot, contact=dataclasses.replace(robot.contact, friction_1=0.0))
    for yaw, way in ((0.0, (0.0, 1.0)), (math.pi / 2, (-1.0, 0.0))):
        body = plant(ice)
        body.place(0.0, yaw)
        for _ in range(20):
            body.push(0.0, 10.0)
            body.step(0.0, 0.0)
        first = body.com_m()
        for _ in range(20):
            body.step(0.0, 0.0)
        speed = (body.com_m() - first)[:2] / (20 * STEP_S)
        assert robot.mass_kg * speed == pytest.approx(np.array(way) * 10.0 * 0.02, abs=0.02)
