"""What MuJoCo's plant does better than PyBullet's, or has to do by means of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import mujoco
import numpy as np
import pytest

from robot_il.robot import Robot, load_robot
from sim.attitude import pitch_of
from sim.body import pieces
from sim.conditions import Conditions
from sim.engine import GRAVITY_M_S2, STEP_S
from sim.ground import Ground
from sim.mujoco_model import compile_model
from sim.mujoco_plant import MujocoPlant
from tests.zoo import Drawing, write_robot

FRICTIONLESS = Conditions(friction_scale=0.0)
Make = Callable[..., MujocoPlant]


@pytest.fixture
def made() -> Iterator[Make]:
    plants: list[MujocoPlant] = []

    def make(of: Robot, conditions: Conditions = FRICTIONLESS) -> MujocoPlant:
        plants.append(MujocoPlant(of, conditions))
        return plants[-1]

    yield make
    for plant in plants:
        plant.close()


@pytest.mark.parametrize("name", ["reference", "two_wheeled"])
def test_a_robot_that_is_set_down_rests_on_the_floor_from_the_first_step_on(made: Make, name: str) -> None:
    plant = made(load_robot(name))
    for _ in range(20):
        before = plant.com_velocity_m_s[2]
        plant.step(0.0, 0.0)
        assert abs(plant.com_velocity_m_s[2] - before) < 0.1 * GRAVITY_M_S2 * STEP_S


def test_equal_torques_turn_the_robot_by_no_more_than_rounding(made: Make) -> None:
    plant = made(load_robot("reference"), Conditions())
    for _ in range(300):
        plant.step(0.3, 0.3)
    assert abs(plant.angular_velocity_rad_s[2]) < 1e-6


def test_the_wheels_stay_on_the_floor_while_the_body_falls(made: Make) -> None:
    plant = made(load_robot("reference"), dataclasses.replace(FRICTIONLESS, initial_pitch_rad=0.05))
    height = plant.axle()[0][2]
    while pitch_of(plant.quaternion) < 0.4:
        plant.step(0.0, 0.0)
        assert abs(plant.axle()[0][2] - height) < 3e-5
        assert abs(plant.axle()[1][2]) < 3e-3


def test_the_engine_has_every_inertia_in_its_principal_axes(tmp_path: Path) -> None:
    text = Drawing().text().replace('ixz="0.0"', 'ixz="0.001"', 1)
    robot = load_robot(str(write_robot(tmp_path, text)))
    model = compile_model(robot, FRICTIONLESS, Ground.of(robot, FRICTIONLESS))
    for name, piece in pieces(robot.chain).items():
        body, turned = model.body(name), np.empty(9)
        mujoco.mju_quat2Mat(turned, body.iquat)
        axes = turned.reshape(3, 3)
        assert axes @ np.diag(body.inertia) @ axes.T == pytest.approx(piece.inertia_kg_m2, rel=1e-9, abs=1e-12)
        assert body.mass[0] == pytest.approx(piece.mass_kg)
        assert body.ipos == pytest.approx(piece.com_m)


def test_turning_on_the_spot_rolling_resistance_takes_its_share_of_the_torque(made: Make) -> None:
    robot = load_robot("reference")
    rough = dataclasses.replace(robot, contact=dataclasses.replace(robot.contact, rolling_resistance_1=0.01))
    rates = []
    for of in (robot, rough):
        plant = made(of)
        for _ in range(100):
            plant.step(-0.15, 0.15)
        rates.append(plant.angular_velocity_rad_s[2])
    resists_nm = 0.01 * 0.5 * robot.mass_kg * GRAVITY_M_S2 * robot.pendulum.wheel_radius_m
    assert rates[1] / rates[0] == pytest.approx((0.15 - resists_nm) / 0.15, rel=0.02)


def test_a_jammed_wheel_stays_jammed_when_its_friction_is_set(made: Make) -> None:
    plant = made(load_robot("reference"))
    plant.jam("wheel_left")
    for _ in range(50):
        plant.rub(0.04, 0.04)
        plant.step(4.0, 4.0)
    assert abs(plant.joints[0][0]) < 1e-3
    assert plant.joints[1][0] > 0.01


def test_what_the_engine_is_told_of_a_leg_does_not_shift_when_a_wheel_is_jammed(made: Make) -> None:
    robot = load_robot("reference")
    plant = made(robot)
    plant.jam("wheel_right")
    for _ in range(100):
        plant.step(0.0, 0.0)
    angles = [joint[0] for joint in plant.joints[2:]]
    assert angles == pytest.approx([robot.posture.hip_rad, robot.posture.knee_rad] * 2, abs=1e-3)
