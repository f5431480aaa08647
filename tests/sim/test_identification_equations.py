from __future__ import annotations

import numpy as np
import pytest

from robot_il.control.lqr import linear_dynamics
from robot_il.robot import Robot, load_robot
from sim.conditions import Conditions
from sim.identification.equations import (
    COULOMB,
    DELAY,
    LAG,
    NAMES,
    ROTOR,
    SCALE,
    VISCOUS,
    Body,
    advance,
    delivered,
    rates,
)
from sim.identification.identify import profile_values
from sim.plant import STEP_S, Plant


@pytest.fixture
def frictionless(robot: Robot) -> np.ndarray:
    values = profile_values(robot)
    values[[VISCOUS, COULOMB]] = 0.0
    return values


def test_small_motions_are_those_of_the_lqr_s_linear_model(robot: Robot, frictionless: np.ndarray) -> None:
    A, B = linear_dynamics(robot.pendulum)
    body = Body.of(robot.pendulum)
    small = np.array([1e-4, 2e-4, 0.3, -1e-4])
    torque = 1e-3
    assert rates(body, frictionless, small, np.float64(torque)) == pytest.approx(A @ small + B[:, 0] * torque, rel=1e-4)


def test_the_equations_move_as_the_physics_engine_does(robot: Robot, frictionless: np.ndarray) -> None:
    plant = Plant(robot, Conditions(friction_scale=0.0))
    plant.place(0.05)
    state = np.array([0.05, 0.0, 0.0, 0.0])
    for _ in range(150):
        plant.step(0.5, 0.5)
        state = advance(Body.of(robot.pendulum), frictionless, state, np.float64(1.0), STEP_S)
    rate, velocity = plant.angular_velocity_rad_s[1], plant.axle()[1][0]
    plant.close()
    assert (rate, velocity) == pytest.approx(state[[1, 3]], rel=2e-3)


def test_energy_stays_where_nothing_takes_or_gives_any(frictionless: np.ndarray) -> None:
    pendulum = load_robot().pendulum
    body, values = Body.of(pendulum), frictionless
    m, height = pendulum.body_mass_kg, pendulum.body_height_m
    rolling = m + body.wheel_mass_kg + body.wheel_inertia_kg_m2 / body.radius_m**2

    def energy(state: np.ndarray) -> float:
        lean, rate, _, velocity = state
        swing = 0.5 * (pendulum.body_inertia_kg_m2 + m * height**2) * rate**2
        return float(
            0.5 * rolling * velocity**2 + m * height * np.cos(lean) * velocity * rate + swing
            + m * 9.81 * height * np.cos(lean)
        )  # fmt: skip

    state = np.array([0.1, 0.5, 0.0, -0.3])
    before = energy(state)
    for _ in range(300):
        state = advance(body, values, state, np.float64(0.0), 0.001)
    assert abs(state[0]) > 0.5
    assert energy(state) == pytest.approx(before, rel=1e-8)


def test_a_geared_rotor_resists_the_wheels_and_pushes_the_body_back(robot: Robot, frictionless: np.ndarray) -> None:
    body, rest = Body.of(robot.pendulum), np.zeros(4)
    geared = frictionless.copy()
    geared[ROTOR] = 0.01
    bare, heavy = (rates(body, values, rest, np.float64(1.0)) for values in (frictionless, geared))
    wheel = [change[3] / body.radius_m - change[1] for change in (bare, heavy)]
    # the torque that is left for wheels and body is what the rotor does not take
    assert wheel[1] == pytest.approx(wheel[0] * (1.0 - 0.01 * wheel[1]), rel=1e-9)


def test_twice_the_masses_and_twice_the_torque_move_alike(robot: Robot, frictionless: np.ndarray) -> None:
    body = Body.of(robot.pendulum)
    heavy = Body(2 * body.mass_kg, 2 * body.wheel_mass_kg, 2 * body.wheel_inertia_kg_m2, body.radius_m)
    doubled = frictionless.copy()
    doubled[[SCALE, NAMES.index("inertia_kg_m2")]] *= 2.0
    state = np.array([0.1, -0.4, 0.2, 0.3])
    assert rates(heavy, doubled, state, np.float64(1.5)) == pytest.approx(
        rates(body, frictionless, state, np.float64(1.5))
    )


@pytest.mark.parametrize("delay_s", [0.0, 0.0017, 0.005, 0.0123])
@pytest.mark.parametrize("lag_s", [0.0, 0.002, 0.02])
def test_what_is_delivered_is_the_demand_delayed_and_lagged(delay_s: float, lag_s: float) -> None:
    demand = np.random.default_rng(0).normal(size=(40, 2))
    fine = 2000
    period_s = 0.005
    late = round(delay_s / period_s * fine)
    steps = np.repeat(demand.ravel(), fine // 2)
    steps = np.concatenate([np.full(late, demand[0, 0]), steps])[: len(steps)]
    torque, keep = demand[0, 0], np.exp(-period_s / fine / lag_s) if lag_s else 0.0
    slow = []
    for value in steps:
        torque = keep * torque + (1.0 - keep) * value
        slow.append(torque)
    expected = np.reshape(slow, (40, 4, -1)).mean(axis=2)
    assert delivered(demand, delay_s, lag_s, period_s, 4) == pytest.approx(expected, abs=5e-3)


def test_the_names_and_their_places_belong_together() -> None:
    assert (NAMES[SCALE], NAMES[DELAY], NAMES[LAG]) == ("torque_scale", "delay_s", "lag_s")
