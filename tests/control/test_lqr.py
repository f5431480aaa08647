from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from robot_il.control.controllers import LinearController, ScheduledController
from robot_il.control.lqr import (
    GRAVITY_M_S2,
    TOLERATED,
    TOLERATED_TORQUE_NM,
    discretise,
    driven_dynamics,
    linear_dynamics,
    lqr_gain,
    lqr_law,
    solve_lqr,
)
from robot_il.control.schedule import as_told
from robot_il.errors import ConfigError
from robot_il.robot import Pendulum, load_robot
from robot_il.spec import CONTROL_PERIOD_S
from robot_il.tasks import TASKS, find_task

from .test_guard import state

STATE = ("pitch", "pitch_rate", "position", "velocity")


def observed(task: str) -> tuple[np.ndarray, np.ndarray]:
    """Discrete dynamics of what a task observes."""
    A, B = linear_dynamics(load_robot().pendulum)
    chosen = [STATE.index(name) for name in TASKS[task].observation if name in STATE]
    return discretise(A[np.ix_(chosen, chosen)], B[chosen], CONTROL_PERIOD_S)


def fed_back(task: str) -> np.ndarray:
    """The gain over those observed signals that are the pendulum's; over all others it has to be 0."""
    balanced = np.array([name in STATE for name in TASKS[task].observation])
    gain = lqr_gain(load_robot(), TASKS[task])
    assert not gain[~balanced].any()
    return gain[balanced]


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
    gain = fed_back(task)
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
    gain = fed_back(task)
    Q = np.diag([TOLERATED[name] ** -2 for name in TASKS[task].observation if name in STATE])

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


@pytest.mark.parametrize("task", list(TASKS))
def test_at_the_nominal_height_the_scheduled_law_is_the_nominal_one_to_the_last_bit(task: str) -> None:
    robot = load_robot()
    scheduled = lqr_law(robot, TASKS[task])
    nominal = LinearController(lqr_gain(robot, TASKS[task]), TASKS[task])
    assert isinstance(scheduled, ScheduledController)
    for pitch, rate, position, velocity in np.random.default_rng(0).normal(size=(50, 4)).tolist():
        here = state(pitch=pitch, pitch_rate=rate, position=position, velocity=velocity, yaw_rate=velocity)
        assert scheduled.torque(here) == nominal.torque(here)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_at_any_height_the_scheduled_law_is_that_heights_own_to_a_thousandth(share: float) -> None:
    robot, task = load_robot(), find_task("drive@0.4")
    low, high = robot.heights_m
    height_m = low + share * (high - low)
    scheduled, own = lqr_law(robot, task), LinearController(lqr_gain(robot, task, height_m), task)
    for signal in ("pitch", "pitch_rate", "velocity"):
        here = state(height=as_told(height_m), **{signal: 0.7})
        assert scheduled.torque(here) == pytest.approx(own.torque(here), rel=1e-3)


def test_the_nominal_law_is_not_that_of_other_heights() -> None:
    robot = load_robot()
    low, high = (lqr_gain(robot, TASKS["stand"], height_m) for height_m in robot.heights_m)
    assert (abs(high) > abs(low)).all()
    assert high[1] / low[1] > 1.3


def test_a_robot_whose_legs_hold_one_posture_has_one_law() -> None:
    robot = load_robot("two_wheeled")
    law = lqr_law(robot, TASKS["stand"])
    assert type(law) is LinearController
    assert law.identity["gain"] == lqr_gain(robot, TASKS["stand"]).tolist()


def test_a_logs_scheduled_law_is_made_again_to_the_bit() -> None:
    robot = load_robot()
    given = lqr_law(robot, find_task("drive@0.4"))
    again = LinearController.from_identity(json.loads(json.dumps(given.identity)))
    assert isinstance(again, ScheduledController)
    for height_m in np.linspace(0.1, 0.5, 41):
        here = state(pitch=0.1, pitch_rate=-0.3, velocity=0.2, height=as_told(height_m))
        assert again.torque(here) == given.torque(here)


def test_an_earlier_releases_law_is_the_same_at_every_height() -> None:
    task = TASKS["stand"]
    identity = {"name": "lqr", "gain": [-44.0, -7.0, -7.5, -9.5], "task": "stand", "target_velocity_m_s": 0.0}
    torques = {
        LinearController.from_identity(identity).torque(state(pitch=0.1, height=height_m))
        for height_m in (0.0, 0.25, float("nan"))
    }
    assert torques == {LinearController(np.array(identity["gain"]), task).torque(state(pitch=0.1))}


@pytest.mark.parametrize("strength", [0.8, 1.25])
def test_drives_that_give_another_torque_than_asked_for_get_a_gain_that_makes_up_for_it(strength: float) -> None:
    robot = load_robot()
    other = dataclasses.replace(robot, drive=dataclasses.replace(robot.drive, strength_1=strength))
    A, B = driven_dynamics(other)
    assert pytest.approx(strength * linear_dynamics(robot.pendulum)[1]) == B
    P = solve_lqr(other, TASKS["stand"])[1]
    Ad, Bd = discretise(A, B, CONTROL_PERIOD_S)
    gain = (Bd.T @ P @ Ad / (TOLERATED_TORQUE_NM**-2 + Bd.T @ P @ Bd))[0]
    assert lqr_gain(other, TASKS["stand"]) == pytest.approx(gain)
    assert lqr_gain(other, TASKS["stand"]) != pytest.approx(lqr_gain(robot, TASKS["stand"]), rel=1e-2)


def test_a_height_that_the_legs_do_not_reach_has_no_law() -> None:
    for height_m in (0.19, 0.39, float("nan")):
        with pytest.raises(ConfigError, match=r"from 0\.2000 to 0\.3800"):
            lqr_gain(load_robot(), TASKS["stand"], height_m)
