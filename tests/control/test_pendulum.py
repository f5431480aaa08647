"""The nonlinear pendulum: its linear part is the LQR's, it conserves energy, and the twin moves as it says."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from robot_il.control.lqr import GRAVITY_M_S2, discretise, linear_dynamics
from robot_il.control.pendulum import NonlinearPendulum
from robot_il.robot import load_robot
from sim.attitude import pitch_of
from sim.conditions import Conditions
from sim.engine import make_plant

ROBOTS = ("reference", "two_wheeled")


def with_rotor(name):
    robot = load_robot(name)
    return dataclasses.replace(robot.pendulum, rotor_inertia_kg_m2=0.3 * robot.pendulum.wheel_inertia_kg_m2)


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("rotors", [False, True])
def test_about_upright_it_moves_as_the_linear_dynamics_of_the_lqr_say(name, rotors):
    pendulum = with_rotor(name) if rotors else load_robot(name).pendulum
    exact = np.hstack(discretise(*linear_dynamics(pendulum), 0.005))
    found = NonlinearPendulum(pendulum).linearise(np.zeros((1, 4)), np.zeros(1), np.array([0.005]))[0]
    assert found == pytest.approx(exact, rel=1e-4, abs=1e-7)


def test_the_derivatives_are_those_of_the_steps_themselves_far_from_upright_too():
    model = NonlinearPendulum(load_robot("two_wheeled").pendulum, 0.9, 0.001, 0.02)
    random = np.random.default_rng(0)
    states, torques = random.normal(size=(5, 4)) * [0.4, 2.0, 1.0, 1.0], random.normal(size=5) * 0.3
    steps = np.array([0.005, 0.01, 0.02, 0.04, 0.04])
    jacobians = model.linearise(states, torques, steps)
    for state, torque, step, jacobian in zip(states, torques, steps, jacobians, strict=True):
        change = 1e-6 * random.normal(size=5)
        before = np.array(model.advance(tuple(state), torque, step))
        after = np.array(model.advance(tuple(state + change[:4]), torque + change[4], step))
        assert after - before == pytest.approx(jacobian @ change, rel=1e-3, abs=1e-10)


def test_without_torque_and_friction_it_keeps_its_energy():
    pendulum = load_robot().pendulum
    model = NonlinearPendulum(pendulum)
    m, length, radius = pendulum.body_mass_kg, pendulum.body_height_m, pendulum.wheel_radius_m
    rolling = m + pendulum.wheel_mass_kg + pendulum.wheel_inertia_kg_m2 / radius**2
    turning = pendulum.body_inertia_kg_m2 + m * length**2

    def energy(state):
        pitch, rate, _, velocity = state
        moving = 0.5 * (rolling * velocity**2 + turning * rate**2) + m * length * math.cos(pitch) * velocity * rate
        return moving + m * GRAVITY_M_S2 * length * math.cos(pitch)

    state = (0.3, 0.5, 0.0, -0.7)
    start = energy(state)
    for _ in range(200):
        state = model.advance(state, 0.0, 0.002)
        assert energy(state) == pytest.approx(start, rel=1e-7)
    assert abs(state[0]) > 1.0


def test_friction_takes_from_the_torque_against_the_turning_of_the_wheels():
    pendulum = load_robot().pendulum
    smooth, rough = NonlinearPendulum(pendulum), NonlinearPendulum(pendulum, 1.0, 0.01, 0.08)
    radius = pendulum.wheel_radius_m
    for speed in (-3.0, 3.0):
        state = (0.0, 0.0, 0.0, speed)
        lost = 0.01 * speed / radius + 0.08 * math.tanh(speed / radius / 2.0)
        assert rough.advance(state, 1.0, 0.01) == pytest.approx(smooth.advance(state, 1.0 - lost, 0.01))


def test_many_states_at_once_move_as_one_by_one():
    model = NonlinearPendulum(load_robot().pendulum, 0.9, 0.008, 0.08)
    states = np.random.default_rng(1).normal(size=(4, 6))
    together = np.stack(model.advance(tuple(states), 0.5, 0.02, np), axis=1)
    for column, moved in zip(states.T, together, strict=True):
        assert model.advance(tuple(column), 0.5, 0.02) == pytest.approx(moved, rel=1e-12)


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize(("pitch", "share"), [(0.1, 0.0), (0.4, 0.2), (-0.3, 0.1), (0.5, -0.05)])
def test_the_twins_plant_moves_as_it_says_from_large_leans(name, pitch, share):
    robot = load_robot(name)
    plant = make_plant("pybullet", robot, Conditions(friction_scale=0.0))
    # the rotors are the drives', not the plant's
    model = NonlinearPendulum(dataclasses.replace(robot.pendulum, rotor_inertia_kg_m2=0.0))
    torque, state = share * 2.0 * min(4.0, robot.drive.torque_limit_nm), (pitch, 0.0, 0.0, 0.0)
    plant.place(pitch, 0.0, 0.0, 0.0)
    start = plant.axle()[0][0]
    for _ in range(100):
        plant.step(0.5 * torque, 0.5 * torque)
        state = model.advance(state, torque, 0.001)
    leaned = pitch_of(plant.quaternion)
    place, velocity = plant.axle()
    plant.close()
    scale = abs(state[0] - pitch) + abs(state[3])
    assert leaned == pytest.approx(state[0], abs=0.02 * scale)
    assert place[0] - start == pytest.approx(state[2], abs=0.02 * scale)
    assert velocity[0] == pytest.approx(state[3], abs=0.03 * scale)
