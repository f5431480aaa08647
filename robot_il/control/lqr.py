"""A linear-quadratic regulator from the robot's own figures: the baseline, the teacher and the fallback.

Where legs move, there is one for each of a few heights, and in between the gain is interpolated (Rugh and Shamma,
"Research on gain scheduling", Automatica 36(10), 2000). The legs are slow beside the balance; on that it rests.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm, solve_discrete_are

from robot_il.control.controllers import LinearController, ScheduledController
from robot_il.control.schedule import scheduled
from robot_il.errors import ConfigError
from robot_il.robot import GRAVITY_M_S2, Pendulum, Robot
from robot_il.spec import CONTROL_PERIOD_S
from robot_il.tasks import Task

STATE = ("pitch", "pitch_rate", "position", "velocity")
NOT_FED_BACK = ("yaw_rate", "height")
"""What a task may observe besides: the heading hold and the legs see to these, and the balance does without."""
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
    without their disturbances.) Friction is left out: it helps. Rotors behind gears, of the inertia G that is felt
    between wheels and body, turn with w = x'/r - q': G w' is taken from u.

    Returns:
        A (4, 4) and B (4, 1) of d/dt (pitch, pitch_rate, position, velocity) in SI units, input in N m.
    """
    m, height = pendulum.body_mass_kg, pendulum.body_height_m
    rotor = pendulum.rotor_inertia_kg_m2
    rolling = m + pendulum.wheel_mass_kg + (pendulum.wheel_inertia_kg_m2 + rotor) / pendulum.wheel_radius_m**2
    coupling = m * height - rotor / pendulum.wheel_radius_m
    inertia = np.array([[coupling, rolling], [pendulum.body_inertia_kg_m2 + m * height**2 + rotor, coupling]])
    pitch_and_torque = np.array([[0.0, 1.0 / pendulum.wheel_radius_m], [m * GRAVITY_M_S2 * height, -1.0]])
    accelerations = np.linalg.solve(inertia, pitch_and_torque)
    A = np.zeros((4, 4))
    A[0, 1] = A[2, 3] = 1.0
    A[[1, 3], 0] = accelerations[:, 0]
    B = np.zeros((4, 1))
    B[[1, 3], 0] = accelerations[:, 1]
    return A, B


def driven_dynamics(robot: Robot, height_m: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """``linear_dynamics`` of a robot, per N m of torque that is asked of its drives.

    Args:
        robot: its drives deliver ``drive.strength_1`` of what is asked of them.
        height_m: of the base above the axle; None for the nominal one.

    Returns:
        A (4, 4) and B (4, 1), as there.

    Raises:
        ConfigError: a height that the legs do not reach.
    """
    A, B = linear_dynamics(robot.pendulum if height_m is None else robot.pendulum_at(height_m))
    return A, robot.drive.strength_1 * B


def discretise(A: np.ndarray, B: np.ndarray, period_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Exact dynamics over one period of constant input (Van Loan 1978, eq. 1.2): shapes as given."""
    states, inputs = B.shape
    block = np.zeros((states + inputs, states + inputs))
    block[:states, :states], block[:states, states:] = A, B
    flow = expm(block * period_s)
    return flow[:states, :states], flow[:states, states:]


def tolerated_torque_nm(robot: Robot) -> float:
    """Torque of both wheels that the robot's LQR takes to be as bad as the deviations beside it."""
    return TOLERATED_TORQUE_NM if robot.lqr is None else robot.lqr.torque_nm


def lqr_gain(robot: Robot, task: Task, height_m: float | None = None) -> np.ndarray:
    """Gain of the discrete LQR at the control rate over the signals that the task observes.

    Args:
        robot: whose pendulum is balanced.
        task: its observation must be made of pitch, pitch_rate, position, velocity; yaw_rate and height may be among
            it, and are not fed back.
        height_m: of the base above the axle; None for the nominal one.

    Returns:
        (len(task.observation),), such that the total wheel torque in N m is ``-gain @ (observation - target)``, where
        target is ``task.target_velocity_m_s`` for velocity and 0 for the others.

    Raises:
        ConfigError: a signal outside the pendulum's state, too few of them to stabilise it, or a height that the legs
            do not reach.
    """
    gain = dict(zip(_balanced(task), solve_lqr(robot, task, height_m)[0], strict=True))
    return np.array([gain.get(name, 0.0) for name in task.observation])


def solve_lqr(robot: Robot, task: Task, height_m: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Gain and cost of the discrete LQR, as ``lqr_gain``.

    Returns:
        the gain (n,) over those n observed signals that are the pendulum's, and P (n, n): ``z @ P @ z`` is what it
        costs the linear loop to come to rest from z.

    Raises:
        ConfigError: as ``lqr_gain``.
    """
    balanced = _balanced(task)
    chosen = [STATE.index(name) for name in balanced]
    A, B = driven_dynamics(robot, height_m)
    left_out = [index for index in range(len(STATE)) if index not in chosen]
    if np.any(A[np.ix_(chosen, left_out)]):
        raise ConfigError("observations that determine their own change", f"{task.observation}", "observe the rest too")
    Ad, Bd = discretise(A[np.ix_(chosen, chosen)], B[chosen], CONTROL_PERIOD_S)
    tolerated, torque_nm = (TOLERATED, TOLERATED_TORQUE_NM) if robot.lqr is None else robot.lqr.tolerated
    Q = np.diag([1.0 / tolerated[name] ** 2 for name in balanced])
    R = np.array([[1.0 / torque_nm**2]])
    P = solve_discrete_are(Ad, Bd, Q, R)
    return np.linalg.solve(R + Bd.T @ P @ Bd, Bd.T @ P @ Ad)[0], P


def _balanced(task: Task) -> list[str]:
    """The observed signals that are the pendulum's."""
    unknown = [name for name in task.observation if name not in STATE and name not in NOT_FED_BACK]
    if unknown:
        raise ConfigError(f"observations among {STATE} for LQR", f"{unknown}", "choose another controller or task")
    return [name for name in task.observation if name in STATE]


def lqr_law(robot: Robot, task: Task, name: str = "lqr") -> LinearController:
    """The LQR of a task as a controller, its gain scheduled over the height where the robot's legs move.

    Args:
        robot: that is balanced.
        task: what is observed and what velocity is held.
        name: what the log calls it.

    Raises:
        ConfigError: as ``lqr_gain``.
    """
    gain = lqr_gain(robot, task)
    low, high = robot.heights_m
    if low == high:
        return LinearController(gain, task, name)
    return ScheduledController(scheduled(robot, lambda height_m: lqr_gain(robot, task, height_m)), task, name)
