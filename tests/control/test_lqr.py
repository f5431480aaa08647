from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from robot_il.control.lqr import GRAVITY_M_S2, TOLERATED, TOLERATED_TORQUE_NM, discretise, linear_dynamics, lqr_gain
from robot_il.errors import ConfigError
from robot_il.robot import Pendulum, load_robot
from robot_il.spec import CONTROL_PERIOD_S, TASKS

STATE = ("pitch", "pitch_rate", "position", "velocity")


def observed(task: str) -> tuple[np.ndarray, np.ndarray]:
    """Discrete dynamics of what a task observes."""
    A, B = linear_dynamics(load_robot().pendulum)
    chosen = [STATE.index(name) for name in TASKS[task].observation]
    return discretise(A[np.ix_(chosen, chosen)], B[chosen], CONTROL_PERIOD_S)


def test_without_inertias_the_dynamics_are_those_of_a_cart_and_a_point_mass() -> None:
    m, cart, length, radius = 2.0, 3.0, 0.5, 0.1
    A, B = linear_dynamics(Pendulum(radius, cart, 0.0, m, length, 0.0))
    # cart x'' = -m g q + u/r + u/l   and   l q'' = g q - x'' - u/(m l)
    assert A[3, 0] == pytest.approx(-m * GRAVITY_M_S2 / cart)
    assert B[3, 0] == pytest.approx((1 / radius + 1 / length) / cart)
    assert A[1, 0] == pytest.approx((GRAVITY_M_S2 - A[3, 0]) / length)
    assert B[1, 0] == pytest.approx((-B[3, 0] - 1 / (m * length)) / length)


def test_heavy_wheels_leave_a_pendulum_that_falls_at_its_own_rate() -> None:
    pendulum = Pendulum(0.1, 1e9, 0.0, 2.0, 0.5, 0.3)
    A, _ = linear_dynamics(pendulum)
    assert A[1, 0] == pytest.approx(2.0 * GRAVITY_M_S2 * 0.5 / (0.3 + 2.0 * 0.5**2))


def test_discretising_a_double_integrator_gives_its_closed_form() -> None:
    Ad, Bd = discretise(np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0], [1.0]]), 0.1)
    assert Ad == pytest.approx(np.array([[1.0, 0.1], [0.0, 1.0]]))
    assert Bd == pytest.approx(np.array([[0.005], [0.1]]))


@pytest.mark.parametrize("task", list(TASKS))
@pytest.mark.parametrize("delay_periods", [0, 1, 3])
def test_the_closed_loop_is_stable_even_when_torque_comes_periods_late(task: str, delay_periods: int) -> None:
    Ad, Bd = observed(task)
    gain = lqr_gain(load_robot(), TASKS[task])
    states = len(gain)
    loop = np.zeros((states + delay_periods, states + delay_periods))
    loop[:states, :states] = Ad
    if delay_periods:
        loop[:states, -1:] = Bd
        loop[states, :states] = -gain
        loop[states + 1 :, states:-1] = np.eye(delay_periods - 1)
    else:
        loop -= Bd @ gain[None]
    assert max(abs(np.linalg.eigvals(loop))) < 1.0


@pytest.mark.parametrize("task", list(TASKS))
def test_no_neighbouring_gain_costs_less(task: str) -> None:
    Ad, Bd = observed(task)
    gain = lqr_gain(load_robot(), TASKS[task])
    Q = np.diag([TOLERATED[name] ** -2 for name in TASKS[task].observation])

    def cost(K: np.ndarray) -> float:
        loop = Ad - Bd @ K[None]
        return float(np.trace(solve_discrete_lyapunov(loop.T, Q + np.outer(K, K) * TOLERATED_TORQUE_NM**-2)))

    for index in range(len(gain)):
        for factor in (0.97, 1.03):
            other = gain.copy()
            other[index] *= factor
            assert cost(other) > cost(gain)


def test_a_robot_that_leans_forward_is_driven_forward() -> None:
    for task in TASKS.values():
        leaning = np.array([float(name == "pitch") for name in task.observation])
        assert -lqr_gain(load_robot(), task) @ leaning > 0.0


@pytest.mark.parametrize("observation", [("pitch", "pitch_rate", "yaw"), ("pitch", "velocity"), ("pitch_rate",)])
def test_signals_that_do_not_determine_the_balance_are_refused(observation: tuple[str, ...]) -> None:
    task = dataclasses.replace(TASKS["stand"], observation=observation)
    with pytest.raises(ConfigError):
        lqr_gain(load_robot(), task)
