from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from robot_il.control.lqr import GRAVITY_M_S2, discretise, linear_dynamics
from robot_il.errors import ConfigError
from robot_il.robot import Contact, Robot
from sim.attitude import pitch_of, yaw_of
from sim.conditions import Conditions
from sim.engine import ENGINES, STEP_S, Plant, make_plant

FRICTIONLESS = Conditions(friction_scale=0.0)
LINEAR_TOLERANCE = 0.01
"""Of the change over the horizon: the engine's semi-implicit Euler step alone makes half of it."""


@pytest.fixture(params=ENGINES)
def plant(robot: Robot, request: pytest.FixtureRequest) -> Iterator[Callable[..., Plant]]:
    plants: list[Plant] = []

    def make(conditions: Conditions = FRICTIONLESS, of: Robot = robot) -> Plant:
        plants.append(make_plant(request.param, of, conditions))
        return plants[-1]

    yield make
    for made in plants:
        made.close()


def state_of(plant: Plant, start: np.ndarray) -> np.ndarray:
    place, velocity = plant.axle()
    return np.array([pitch_of(plant.quaternion), plant.angular_velocity_rad_s[1], place[0] - start[0], velocity[0]])


def test_the_engine_has_the_masses_of_the_urdf(plant: Callable[..., Plant], robot: Robot) -> None:
    assert sorted(plant().masses_kg()) == pytest.approx(sorted(link.mass_kg for link in robot.chain.links.values()))


@pytest.mark.parametrize("pitch", [0.0, 0.2])
def test_the_engine_has_the_centre_of_mass_of_the_chain(
    plant: Callable[..., Plant], robot: Robot, pitch: float
) -> None:
    body, wheels = robot.pendulum, robot.pendulum.wheel_mass_kg
    height = body.body_height_m * body.body_mass_kg / (body.body_mass_kg + wheels)
    com = plant(Conditions(initial_pitch_rad=pitch)).com_m()
    expected = [height * math.sin(pitch), 0.0, body.wheel_radius_m + height * math.cos(pitch)]
    assert com == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(
    ("state", "torque"),
    [((0.02, 0.0), 0.0), ((0.0, 0.0), 1.0), ((0.02, -0.3), 0.5), ((-0.05, 0.2), -1.0), ((0.05, 0.0), 0.6)],
)
def test_the_linear_model_predicts_the_frictionless_plant_over_100_ms(
    plant: Callable[..., Plant], robot: Robot, state: tuple[float, float], torque: float
) -> None:
    body = plant()
    body.place(state[0], 0.0, state[1])
    start = np.array([*state, 0.0, 0.0])
    origin = body.axle()[0]
    steps = 100
    for _ in range(steps):
        body.step(torque / 2, torque / 2)
    Ad, Bd = discretise(*linear_dynamics(robot.pendulum), steps * STEP_S)
    predicted = Ad @ start + Bd[:, 0] * torque
    scale = np.abs(predicted - start).max()
    change = state_of(body, origin) - start
    assert np.abs(change - (predicted - start))[[1, 3]].max() < LINEAR_TOLERANCE * scale
    assert change[[0, 2]] == pytest.approx((predicted - start)[[0, 2]], rel=0.02, abs=0.001 * scale)


def test_falling_without_friction_conserves_energy(plant: Callable[..., Plant], robot: Robot) -> None:
    body = plant(dataclasses.replace(FRICTIONLESS, initial_pitch_rad=0.02))
    pendulum = robot.pendulum
    rolling = pendulum.wheel_mass_kg + pendulum.wheel_inertia_kg_m2 / pendulum.wheel_radius_m**2

    def energy() -> float:
        pitch, rate, _, speed = state_of(body, np.zeros(3))
        m, height = pendulum.body_mass_kg, pendulum.body_height_m
        forward, up = speed + height * rate * math.cos(pitch), -height * rate * math.sin(pitch)
        kinetic = 0.5 * m * (forward**2 + up**2) + 0.5 * pendulum.body_inertia_kg_m2 * rate**2
        return kinetic + 0.5 * rolling * speed**2 + m * GRAVITY_M_S2 * height * math.cos(pitch)

    before, kinetic_scale = energy(), 0.0
    while abs(pitch_of(body.quaternion)) < 0.6:
        body.step(0.0, 0.0)
        kinetic_scale = pendulum.body_mass_kg * GRAVITY_M_S2 * pendulum.body_height_m * (1 - math.cos(0.6))
    assert energy() == pytest.approx(before, abs=0.02 * kinetic_scale)


def test_a_wheel_turns_only_by_a_torque_above_its_coulomb_friction(plant: Callable[..., Plant], robot: Robot) -> None:
    ice = dataclasses.replace(robot, contact=Contact(friction_1=0.0))
    for share, turns in ((0.9, False), (1.5, True)):
        body = plant(Conditions(), ice)
        for _ in range(50):
            body.step(share * robot.drive.coulomb_friction_nm, share * robot.drive.coulomb_friction_nm)
        for wheel in body.joints[:2]:
            assert wheel[0] > 0.005 if turns else abs(wheel[0]) < 1e-4


def test_the_wheels_roll_without_slipping(plant: Callable[..., Plant], robot: Robot) -> None:
    body = plant()
    origin = body.axle()[0]
    for _ in range(300):
        body.step(0.1, 0.1)
    legs = body.joints[2][0] + body.joints[3][0]
    posture = robot.posture.hip_rad + robot.posture.knee_rad
    turned = body.joints[0][0] + pitch_of(body.quaternion) + legs - posture
    assert body.axle()[0][0] - origin[0] == pytest.approx(turned * robot.pendulum.wheel_radius_m, rel=0.01)


def test_the_legs_hold_their_posture_under_full_torque(plant: Callable[..., Plant], robot: Robot) -> None:
    body = plant()
    for step in range(200):
        torque = 4.0 if step % 40 < 20 else -4.0
        body.step(torque, torque)
    angles = [joint[0] for joint in body.joints[2:]]
    assert angles == pytest.approx([robot.posture.hip_rad, robot.posture.knee_rad] * 2, abs=0.02)


def test_on_ice_a_push_gives_the_robot_its_whole_impulse(plant: Callable[..., Plant], robot: Robot) -> None:
    body = plant(FRICTIONLESS, dataclasses.replace(robot, contact=Contact(friction_1=0.0)))
    before = body.com_m()[0]
    for _ in range(50):
        body.push(40.0)
        body.step(0.0, 0.0)
    for _ in range(50):
        body.step(0.0, 0.0)
    middle = body.com_m()[0]
    for _ in range(50):
        body.step(0.0, 0.0)
    assert middle > before
    assert (body.com_m()[0] - middle) / (50 * STEP_S) * 10.0 == pytest.approx(40.0 * 0.05, rel=0.02)


def test_scales_change_mass_and_height_as_they_say(plant: Callable[..., Plant], robot: Robot) -> None:
    scaled = plant(Conditions(mass_scale=1.2, com_height_scale=1.1))
    body = robot.pendulum
    assert sum(scaled.masses_kg()) == pytest.approx(12.0)
    height = body.body_height_m * 1.1 * body.body_mass_kg / (body.body_mass_kg + body.wheel_mass_kg)
    assert scaled.com_m() == pytest.approx([0.0, 0.0, body.wheel_radius_m + height], abs=1e-5)


def test_placing_a_robot_keeps_its_wheels_angles_and_turns_it_to_the_heading(plant: Callable[..., Plant]) -> None:
    body = plant()
    for _ in range(100):
        body.step(0.5, 0.5)
    turned = body.joints[0][0]
    body.place(0.1, 1.0)
    assert body.joints[0][0] == turned != 0.0
    assert pitch_of(body.quaternion) == pytest.approx(0.1)
    assert yaw_of(body.quaternion) == pytest.approx(1.0)
    assert body.axle()[0] == pytest.approx([0.0, 0.0, 0.1], abs=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_body_that_the_engine_cannot_load_is_refused(robot: Robot, engine: str) -> None:
    chain = robot.chain
    links = {"": chain.links["torso"], **{name: link for name, link in chain.links.items() if name != "torso"}}
    joints = tuple(dataclasses.replace(joint, parent=joint.parent.replace("torso", "")) for joint in chain.joints)
    nameless = dataclasses.replace(robot, chain=dataclasses.replace(chain, base="", links=links, joints=joints))
    with pytest.raises(ConfigError, match=f"(?i)a body that {engine} can load"):
        make_plant(engine, nameless, Conditions())
