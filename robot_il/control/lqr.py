"""A linear-quadratic regulator from the robot's own figures: the baseline, the teacher and the fallback."""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm, solve_discrete_are

from robot_il.errors import ConfigError
from robot_il.robot import Pendulum, Robot
from robot_il.spec import CONTROL_PERIOD_S, Task

GRAVITY_M_S2 = 9.81
STATE = ("pitch", "pitch_rate", "position", "velocity")
TOLERATED = {"pitch": 0.1, "pitch_rate": 1.0, "position": 0.3, "velocity": 0.6}
"""Deviation of each signal, in its unit, that costs as much as ``TOLERATED_TORQUE_NM`` (Bryson's rule)."""
TOLERATED_TORQUE_NM = 2.5
"""A smaller figure gives a slower, quieter loop. With this one the reference robot stays stable with 35 ms of delay in
the loop besides the lag of motor and wheel speed; sensors, link and period together make some 10 ms."""


def linear_dynamics(pendulum: Pendulum) -> tuple[np.ndarray, np.ndarray]:
    """Continuous dynamics of the wheeled inverted pendulum, linear about upright and at rest.

    With pitch q, axle position x, total wheel torque u acting on the wheels forwards and on the body backwards, body
    mass m at height l with inertia I, wheel mass M and inertia J of radius r, Lagrange's equations read

        (m + M + J/r^2) x'' + m l cos(q) q'' - m l sin(q) q'^2 = u/r
        m l cos(q) x'' + (I + m l^2) q'' - m g l sin(q) = -u

    (Grasser, D'Arrigo, Colombi and Rufer, "JOE: a mobile, inverted pendulum", IEEE Trans. Ind. Electron. 49(1), 2002,
    without their disturbances.) Friction is left out: it helps.

    Returns:
        A (4, 4) and B (4, 1) of d/dt (pitch, pitch_rate, position, velocity) in SI units, input in N m.
    """
    m, height = pendulum.body_mass_kg, pendulum.body_height_m
    rolling = m + pendulum.wheel_mass_kg + pendulum.wheel_inertia_kg_m2 / pendulum.wheel_radius_m**2
    inertia = np.array([[m * height, rolling], [pendulum.body_inertia_kg_m2 + m * height**2, m * height]])
    pitch_and_torque = np.array([[0.0, 1.0 / pendulum.wheel_radius_m], [m * GRAVITY_M_S2 * height, -1.0]])
    accelerations = np.linalg.solve(inertia, pitch_and_torque)
    A = np.zeros((4, 4))
    A[0, 1] = A[2, 3] = 1.0
    A[[1, 3], 0] = accelerations[:, 0]
    B = np.zeros((4, 1))
    B[[1, 3], 0] = accelerations[:, 1]
    return A, B


def discretise(A: np.ndarray, B: np.ndarray, period_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Exact dynamics over one period of constant input (Van Loan 1978, eq. 1.2): shapes as given."""
    states, inputs = B.shape
    block = np.zeros((states + inputs, states + inputs))
    block[:states, :states], block[:states, states:] = A, B
    flow = expm(block * period_s)
    return flow[:states, :states], flow[:states, states:]


def lqr_gain(robot: Robot, task: Task) -> np.ndarray:
    """Gain of the discrete LQR at the control rate over the signals that the task observes.

    Args:
        robot: whose pendulum is balanced.
        task: its observation must be made of pitch, pitch_rate, position, velocity.

    Returns:
        (len(task.observation),), such that the total wheel torque in N m is ``-gain @ (observation - target)``, where
        target is ``task.target_velocity_m_s`` for velocity and 0 for the others.

    Raises:
        ConfigError: a signal outside the pendulum's state, or too few of them to stabilise it.
    """
    return solve_lqr(robot, task)[0]


def solve_lqr(robot: Robot, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Gain and cost of the discrete LQR, as ``lqr_gain``.

    Returns:
        the gain, and P (n, n): ``z @ P @ z`` is what it costs the linear loop to come to rest from z.

    Raises:
        ConfigError: as ``lqr_gain``.
    """
    unknown = [name for name in task.observation if name not in STATE]
    if unknown:
        raise ConfigError(f"observations among {STATE} for LQR", f"{unknown}", "choose another controller or task")
    chosen = [STATE.index(name) for name in task.observation]
    A, B = linear_dynamics(robot.pendulum)
    left_out = [index for index in range(len(STATE)) if index not in chosen]
    if np.any(A[np.ix_(chosen, left_out)]):
        raise ConfigError("observations that determine their own change", f"{task.observation}", "observe the rest too")
    Ad, Bd = discretise(A[np.ix_(chosen, chosen)], B[chosen], CONTROL_PERIOD_S)
    tolerated, torque_nm = (TOLERATED, TOLERATED_TORQUE_NM) if robot.lqr is None else robot.lqr.tolerated
    Q = np.diag([1.0 / tolerated[name] ** 2 for name in task.observation])
    R = np.array([[1.0 / torque_nm**2]])
    P = solve_discrete_are(Ad, Bd, Q, R)
    return np.linalg.solve(R + Bd.T @ P @ Bd, Bd.T @ P @ Ad)[0], P
