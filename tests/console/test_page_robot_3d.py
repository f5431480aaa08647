"""The robot in 3D stands on the floor and moves as measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robot_il.console.robot_3d import rotation_rpy, rotation_z, standing_poses, visual_shapes
from robot_il.robot import load_robot
from robot_il.spec import TICK_DTYPE

ROBOT = load_robot()
RADIUS = ROBOT.pendulum.wheel_radius_m


def tick_of(**values: float) -> np.void:
    tick = np.zeros((), TICK_DTYPE)
    for side in ("left", "right"):
        tick[f"hip_{side}"], tick[f"knee_{side}"] = ROBOT.posture.hip_rad, ROBOT.posture.knee_rad
    for name, value in values.items():
        tick[name] = value
    return tick[()]


def poses(**values: float) -> dict:
    return standing_poses(ROBOT.chain, tick_of(**values), RADIUS)


def test_every_link_of_the_urdf_is_drawn() -> None:
    assert {shape.link for shape in visual_shapes(ROBOT)} == set(ROBOT.chain.links)


@pytest.mark.parametrize("pitch", [-0.4, 0.0, 0.3])
def test_the_wheels_stand_on_the_floor_however_it_leans(pitch: float) -> None:
    placed = poses(pitch=pitch)
    assert placed["tyre_left"][1][2] == pytest.approx(RADIUS)
    assert placed["tyre_right"][1][2] == pytest.approx(RADIUS)


def test_a_positive_pitch_leans_the_body_forward() -> None:
    assert poses(pitch=0.2)["torso"][1][0] > poses(pitch=0.0)["torso"][1][0]


def test_a_positive_yaw_turns_it_left() -> None:
    forward = poses(yaw=0.5)["torso"][0] @ np.array([1.0, 0.0, 0.0])
    assert math.atan2(forward[1], forward[0]) == pytest.approx(0.5)


def test_a_wheel_turns_with_its_encoder() -> None:
    still, turned = poses()["tyre_left"][0], poses(wheel_position_left=0.7)["tyre_left"][0]
    angle = math.acos((np.trace(still.T @ turned) - 1.0) / 2.0)
    assert angle == pytest.approx(0.7, abs=1e-6)
    assert poses(wheel_position_left=0.7)["tyre_right"][0] == pytest.approx(poses()["tyre_right"][0])


def test_fixed_axis_angles_are_applied_roll_first() -> None:
    turned = rotation_rpy(math.pi / 2, 0.0, math.pi / 2) @ np.array([0.0, 1.0, 0.0])
    assert turned == pytest.approx(np.array([0.0, 0.0, 1.0]), abs=1e-12)
    assert rotation_z(math.pi / 2) @ np.array([1.0, 0.0, 0.0]) == pytest.approx(np.array([0.0, 1.0, 0.0]), abs=1e-12)
