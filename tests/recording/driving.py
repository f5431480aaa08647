"""Ticks of a robot that is driven about: every signal follows from one simulated motion, with sensor noise on top."""

from __future__ import annotations

import numpy as np

from robot_il.control.lqr import GRAVITY_M_S2, discretise, linear_dynamics, lqr_gain
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_PERIOD_S
from robot_il.tasks import TASKS
from tests.recording.conftest import plausible_ticks

TRACK_M = 0.4
IMU_HEIGHT_M = 0.35


def driving_ticks(count: int = 2000, seed: int = 0) -> np.ndarray:
    """The linear wheeled pendulum under its LQR, sent back and forth and round the corner, obeyed a period later."""
    robot = load_robot()
    noise = np.random.default_rng(seed)
    A, B = discretise(*linear_dynamics(robot.pendulum), CONTROL_PERIOD_S)
    gain, radius = lqr_gain(robot, TASKS["stand"]), robot.pendulum.wheel_radius_m
    place = 0.4 * np.sin(2 * np.pi * np.arange(count) * CONTROL_PERIOD_S / 5.0)
    states, torques = np.zeros((count, 4)), np.zeros(count)
    state, applied = np.array([0.03, 0.0, 0.0, 0.0]), 0.0
    for index in range(count):
        states[index] = state
        torques[index] = -gain @ (state - [0.0, 0.0, place[index], 0.0]) + noise.normal(0, 0.3)
        state, applied = A @ state + B[:, 0] * applied, torques[index]
        state[1] += 0.8 * (-1) ** (index // 300) * (index % 300 == 150)  # somebody pushes it

    ticks = plausible_ticks(count, seed)
    pitch, rate, position, velocity = states.T
    yaw_rate = 0.6 * np.sin(2 * np.pi * np.arange(count) * CONTROL_PERIOD_S / 3.0)
    yaw = np.cumsum(yaw_rate) * CONTROL_PERIOD_S
    ticks["pitch"], ticks["pitch_rate"] = pitch, rate + noise.normal(0, 0.005, count)
    ticks["yaw"], ticks["yaw_rate"] = yaw, yaw_rate + noise.normal(0, 0.005, count)
    ticks["position"], ticks["velocity"] = position, velocity + noise.normal(0, 0.001, count)
    for side, sign in (("left", -1), ("right", 1)):
        turned = (position + sign * TRACK_M / 2 * yaw) / radius - pitch
        ticks[f"wheel_position_{side}"] = turned
        ticks[f"wheel_velocity_{side}"] = np.gradient(turned, CONTROL_PERIOD_S) + noise.normal(0, 0.05, count)
        ticks[f"sent_{side}"] = torques / 2 + sign * 0.1 * yaw_rate
        ticks[f"applied_{side}"][1:] = ticks[f"sent_{side}"][:-1]
        ticks[f"applied_{side}"][0] = 0.0
    force = np.gradient(velocity, CONTROL_PERIOD_S) + IMU_HEIGHT_M * np.gradient(rate, CONTROL_PERIOD_S)
    ticks["accel_x"] = force - GRAVITY_M_S2 * np.sin(pitch) + noise.normal(0, 0.1, count)
    ticks["accel_z"] = GRAVITY_M_S2 * np.cos(pitch) + noise.normal(0, 0.2, count)
    ticks["limited_torque"] = ticks["sent_left"] + ticks["sent_right"]
    ticks["controller_torque"] = ticks["limited_torque"]
    ticks["margin"] = 0.8
    return ticks
