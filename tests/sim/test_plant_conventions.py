from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from robot_il.control.lqr import discretise, linear_dynamics
from robot_il.robot import Robot, load_robot
from robot_il.urdf_chain import rotation_rpy
from sim.attitude import pitch_of, yaw_of
from sim.body import physics_urdf
from sim.conditions import Conditions
from sim.engine import ENGINES, STEP_S, Plant, make_plant
from sim.physics import bullet
from tests.test_urdf_zoo import CONVENTIONS, with_legs
from tests.zoo import Drawing, write_robot

STEPS = 100
FRICTIONLESS = Conditions(friction_scale=0.0)
PlantOf = Callable[..., AbstractContextManager[Plant]]


@pytest.fixture(params=ENGINES)
def plant_of(request: pytest.FixtureRequest) -> PlantOf:
    @contextlib.contextmanager
    def make(robot: Robot, conditions: Conditions = FRICTIONLESS) -> Iterator[Plant]:
        plant = make_plant(request.param, robot, conditions)
        yield plant
        plant.close()

    return make


def moved(plant: Plant, pitch: float, rate: float, torque: float) -> np.ndarray:
    """Change of (pitch, pitch_rate, position, velocity) over a tenth of a second."""
    plant.place(pitch, 0.0, rate)
    origin = plant.axle()[0]
    for _ in range(STEPS):
        plant.step(torque / 2, torque / 2)
    place, velocity = plant.axle()
    end = np.array([pitch_of(plant.quaternion), plant.angular_velocity_rad_s[1], place[0] - origin[0], velocity[0]])
    return end - [pitch, rate, 0.0, 0.0]


def predicted(robot: Robot, pitch: float, rate: float, torque: float) -> np.ndarray:
    pendulum = dataclasses.replace(robot.pendulum, rotor_inertia_kg_m2=0.0)  # rotors are the drives' matter
    Ad, Bd = discretise(*linear_dynamics(pendulum), STEPS * STEP_S)
    start = np.array([pitch, rate, 0.0, 0.0])
    return Ad @ start + Bd[:, 0] * torque - start


@pytest.mark.parametrize("start", [(0.02, 0.0, 0.0), (0.0, 0.0, 0.02), (-0.02, 0.1, 0.01)])
@pytest.mark.parametrize("name", ["two_wheeled", *CONVENTIONS])
def test_the_linear_model_predicts_every_robot_of_the_zoo_over_100_ms(
    plant_of: PlantOf, tmp_path: Path, name: str, start: tuple[float, float, float]
) -> None:
    robot = load_robot("two_wheeled" if name == "two_wheeled" else str(write_robot(tmp_path, *CONVENTIONS[name])))
    with plant_of(robot) as plant:
        change, expected = moved(plant, *start), predicted(robot, *start)
    # over ten time constants of the engine's step, its semi-implicit Euler is off by about one per cent
    assert np.abs(change - expected).max() < 0.02 * np.abs(expected).max()


def test_products_of_inertia_turn_neither_the_pitch_nor_the_heading(plant_of: PlantOf, tmp_path: Path) -> None:
    text = Drawing().text().replace('ixz="0.0"', 'ixz="0.001"', 1)
    robot = load_robot(str(write_robot(tmp_path, text)))
    with plant_of(robot) as plant:
        plant.place(0.2, 0.7)
        assert pitch_of(plant.quaternion) == pytest.approx(0.2, abs=1e-9)
        assert yaw_of(plant.quaternion) == pytest.approx(0.7, abs=1e-9)
        change, expected = moved(plant, 0.02, 0.0, 0.02), predicted(robot, 0.02, 0.0, 0.02)
    assert np.abs(change - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["one wheel mirrored", "axles to the right", "wheels along z"])
def test_positive_torque_rolls_both_wheels_forward(plant_of: PlantOf, tmp_path: Path, name: str) -> None:
    with plant_of(load_robot(str(write_robot(tmp_path, *CONVENTIONS[name])))) as plant:
        for _ in range(50):
            plant.step(0.05, 0.05)
        left, right = plant.joints[0][1], plant.joints[1][1]
        assert plant.axle()[1][0] > 0.0
        assert left > 0.0
        assert right == pytest.approx(left, rel=1e-3)


def test_more_torque_on_the_right_turns_left(plant_of: PlantOf, tmp_path: Path) -> None:
    with plant_of(load_robot("two_wheeled")) as plant:
        for _ in range(50):
            plant.step(-0.02, 0.02)
        assert yaw_of(plant.quaternion) > 0.01


def test_joints_that_a_robot_does_not_have_stay_at_zero(plant_of: PlantOf) -> None:
    with plant_of(load_robot("two_wheeled")) as plant:
        plant.step(0.1, 0.1)
        assert [tuple(joint) for joint in plant.joints[2:]] == [(0.0, 0.0)] * 4


def test_a_single_leg_joint_a_side_is_reported_as_the_hip_and_held(plant_of: PlantOf, tmp_path: Path) -> None:
    with plant_of(with_legs(tmp_path, "0 -1 0", "0 1 0", (-0.05, 0.05))) as plant:
        for step in range(200):
            plant.step(*[0.1 if step % 40 < 20 else -0.1] * 2)
        angles = [joint[0] for joint in plant.joints[2:]]
    assert angles == pytest.approx([0.05, 0.0, 0.05, 0.0], abs=0.01)


def test_scales_change_mass_and_height_of_a_robot_in_parts(plant_of: PlantOf, tmp_path: Path) -> None:
    robot = load_robot("two_wheeled")
    body = robot.pendulum
    with plant_of(robot, Conditions(mass_scale=1.2, com_height_scale=1.1)) as plant:
        assert sum(plant.masses_kg()) == pytest.approx(1.2 * robot.mass_kg)
        height = body.body_height_m * 1.1 * body.body_mass_kg / robot.mass_kg
        assert plant.com_m() == pytest.approx([0.0, 0.0, body.wheel_radius_m + height], abs=1e-5)


def test_a_robot_in_a_turned_frame_leans_and_rolls_as_the_same_robot_in_ours(plant_of: PlantOf, tmp_path: Path) -> None:
    turn = rotation_rpy(0.0, 0.0, math.pi / 2)
    drawing = Drawing(frame=turn, axes=((-1, 0, 0), (-1, 0, 0)))
    changes = []
    for drawn, tables in ((Drawing(), ""), (drawing, '[frame]\nforward = "y"\n')):
        with plant_of(load_robot(str(write_robot(tmp_path, drawn, tables)))) as plant:
            changes.append(moved(plant, 0.05, 0.1, 0.02))
    assert changes[0] == pytest.approx(changes[1], rel=1e-6)


def engine_body(path: Path) -> list[tuple[object, ...]]:
    """Everything the engine knows of a body, but for limits of force and speed, to which it is not held."""
    client = bullet.connect(bullet.DIRECT)
    flags = bullet.URDF_USE_INERTIA_FROM_FILE | bullet.URDF_USE_IMPLICIT_CYLINDER
    body = bullet.loadURDF(str(path), flags=flags, physicsClientId=client)
    joints = range(bullet.getNumJoints(body, physicsClientId=client))
    facts: list[tuple[object, ...]] = []
    for joint in joints:
        info = bullet.getJointInfo(body, joint, physicsClientId=client)
        facts.append((*info[:3], *info[6:10], *info[12:]))
    for link in (-1, *joints):
        facts.append(bullet.getDynamicsInfo(body, link, physicsClientId=client))
        facts += [shape[2:] for shape in bullet.getCollisionShapeData(body, link, physicsClientId=client)]
    bullet.disconnect(client)
    return facts


def test_the_engine_has_the_reference_robot_as_drawn_to_the_last_bit(robot: Robot, tmp_path: Path) -> None:
    path = tmp_path / "body.urdf"
    path.write_text(physics_urdf(robot, Conditions()))
    assert engine_body(path) == engine_body(robot.urdf_path)
