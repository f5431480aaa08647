"""Plans: near upright they are the LQR's, within the limits they are optimal, and no iteration makes one worse."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize

from robot_il.control.lqr import lqr_gain, solve_lqr
from robot_il.control.mpc import predictive
from robot_il.control.mpc_solver import Solver
from robot_il.control.pendulum import NonlinearPendulum
from robot_il.robot import load_robot
from robot_il.tasks import TASKS

ROBOTS = ("reference", "two_wheeled")
STAND = TASKS["stand"]
CONVERGED = 100


def solver_of(name, frictionless=False, **changed):
    robot = load_robot(name)
    solver, gain = predictive(robot, STAND)._solver(robot.height_m)
    if frictionless:
        changed["pendulum"] = NonlinearPendulum(robot.pendulum)
    return Solver(dataclasses.replace(solver.problem, **changed)), gain


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("signal", range(4))
def test_near_upright_the_plan_is_the_lqrs_and_costs_what_it_says(name, signal):
    robot = load_robot(name)
    steps = np.full(100, 0.005)
    solver, gain = solver_of(name, frictionless=True, steps_s=steps)
    P = solve_lqr(robot, STAND)[1]
    start = 0.003 * np.eye(4)[signal]
    plan = solver.improve(solver.follow_law(tuple(start), 0.5 * gain), CONVERGED, tolerance=0.0)
    assert plan.torques[0] == pytest.approx(-lqr_gain(robot, STAND) @ start, rel=2e-3)
    assert plan.cost == pytest.approx(start @ P @ start, rel=2e-3)


@pytest.mark.parametrize("name", ROBOTS)
def test_a_plan_from_a_large_lean_is_what_a_general_optimiser_finds(name):
    steps = np.array([0.01] * 10 + [0.04] * 8)
    solver, gain = solver_of(name, steps_s=steps)
    limit, start = solver.problem.torque_nm, (0.55, 0.5, 0.0, 0.3)
    plan = solver.improve(solver.follow_law(start, gain), CONVERGED, tolerance=0.0)

    def cost(shares):
        return solver.track(start, limit * shares, np.zeros((len(steps), 4)), np.zeros(4)).cost

    # from a plan that is nobody's: the best of all constant ones
    first = min((np.full(len(steps), share) for share in np.linspace(-1, 1, 21)), key=cost)
    found = minimize(cost, first, bounds=[(-1, 1)] * len(steps), method="L-BFGS-B", options={"maxfun": 20_000})
    assert plan.cost <= found.fun * 1.001
    assert cost(plan.torques / limit) == pytest.approx(plan.cost, rel=1e-9)


@pytest.mark.parametrize("name", ROBOTS)
def test_no_small_change_of_a_finished_plan_costs_less(name):
    solver, gain = solver_of(name)
    start, limit = (0.4, -0.5, 0.2, -0.4), solver.problem.torque_nm
    plan = solver.improve(solver.follow_law(start, gain), CONVERGED, tolerance=0.0)
    random = np.random.default_rng(0)
    for _ in range(50):
        changed = np.clip(plan.torques + 0.02 * limit * random.normal(size=len(plan.torques)), -limit, limit)
        assert solver.track(start, changed, plan.states[:-1], np.zeros(4)).cost > plan.cost * (1 - 1e-5)


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("seed", range(8))
def test_no_iteration_makes_a_plan_worse_or_passes_a_limit(name, seed):
    solver, gain = solver_of(name)
    random = np.random.default_rng(seed)
    start = tuple(random.uniform(-1, 1, 4) * [0.65, 3.0, 1.0, 1.5])
    plan = solver.follow_law(start, gain)
    for _ in range(10):
        better = solver.improve(plan, 1)
        assert better.cost <= plan.cost
        assert tuple(better.states[0]) == start
        for torque, (low, high) in zip(better.torques, better.bounds, strict=True):
            assert -solver.problem.torque_nm <= low <= torque <= high <= solver.problem.torque_nm
        plan = better


@pytest.mark.parametrize("name", ROBOTS)
def test_at_the_top_speed_of_the_wheels_torque_only_brakes(name):
    problem = solver_of(name)[0].problem
    radius = load_robot(name).pendulum.wheel_radius_m
    for way in (-1.0, 1.0):
        speed = way * problem.top_rad_s * radius
        low, high = problem.bounds((0.0, 0.0, 0.0, 1.001 * speed))
        assert (low, high) == ((-problem.torque_nm, 0.0) if way > 0 else (0.0, problem.torque_nm))
        low, high = problem.bounds((0.0, 0.0, 0.0, 0.5 * speed))
        assert max(-low, high) == problem.torque_nm
        assert min(-low, high) > 0.5 * problem.torque_nm


def test_the_price_of_a_lean_begins_where_it_is_said_to():
    solver, gain = solver_of("reference")
    bound = solver.problem.pitch_rad
    free = Solver(dataclasses.replace(solver.problem, wall=0.0))
    for lean, dearer in ((0.9 * bound, False), (1.1 * bound, True)):
        start = (lean, 0.0, 0.0, 0.0)
        assert (solver.follow_law(start, gain).cost > free.follow_law(start, gain).cost) is dearer
