"""A balancing robot made of the equations alone, with delays and noisy readings: what identification is tried on."""

from __future__ import annotations

import math

import numpy as np

from robot_il.control.lqr import lqr_gain
from robot_il.robot import Robot
from robot_il.tasks import TASKS
from sim.identification.data import Stretch
from sim.identification.equations import DELAY, LAG, Body, advance

PERIOD_S, STEP_S = 0.005, 0.001
GYRO_RAD_S, COUNT_RAD = 3.4e-3, 3.8e-4


def recorded(robot: Robot, values: np.ndarray, seconds: float, seed: int, amplitude_nm: float = 2.0) -> Stretch:
    """Readings of a robot with these figures (see ``equations.NAMES``), balanced by an LQR and excited."""
    random = np.random.default_rng(seed)
    body, gain = Body.of(robot.pendulum), lqr_gain(robot, TASKS["stand"])
    lines = np.geomspace(0.3, 8.0, 10)
    phases = random.uniform(0.0, 2.0 * np.pi, len(lines))
    state, torque, demand = np.array([0.02, 0.0, 0.0, 0.0]), 0.0, 0.0
    seen = [state] * (round(values[DELAY] / STEP_S) + 1)
    keep, bias = math.exp(-STEP_S / values[LAG]), 0.002 * random.standard_normal()
    rows = []
    for tick in range(round(seconds / PERIOD_S)):
        lean, rate, position, velocity = seen[0]
        angle = round((position / body.radius_m - lean) / COUNT_RAD) * COUNT_RAD
        gyro = rate + bias + GYRO_RAD_S * random.standard_normal()
        rows.append((demand, lean, gyro, angle, velocity / body.radius_m - rate))
        wave = np.sin(2.0 * np.pi * lines * tick * PERIOD_S + phases).sum() * amplitude_nm / len(lines)
        demand = float(np.clip(-gain @ seen[0] + wave, -8.0, 8.0))
        for _ in range(round(PERIOD_S / STEP_S)):
            mean = demand + (torque - demand) * values[LAG] / STEP_S * (1.0 - keep)
            torque = demand + (torque - demand) * keep
            state = advance(body, values, state, np.float64(mean), STEP_S)
            seen = [*seen[1:], state]
    columns = np.array(rows)
    return Stretch(PERIOD_S, columns[:, :1], columns[:, 1:].T.copy(), f"seed {seed}")
