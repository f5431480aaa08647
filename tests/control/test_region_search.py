"""The simulation behind the region: its physics, its limits, and the search."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robot_il.control.guard import GuardLimits
from robot_il.control.lqr import discretise, linear_dynamics
from robot_il.control.region_catch import ROBOTS, STEP_S, Catch, Variation, line_ms
from robot_il.control.region_search import (
    Grid,
    compute_region,
    hand_over_s,
    region_at,
)
from robot_il.control.schedule import as_told
from robot_il.errors import ConfigError
from robot_il.robot import load_robot

ROBOT = load_robot()
QUICK = Grid(12, (1.0,), 4)


def catch(robot=ROBOT, variation: Variation = ROBOTS[0], **limits: float) -> Catch:
    return Catch(robot, GuardLimits(**limits), (variation,))


def moved(state: list[float], torque: float, steps: int, robot=ROBOT) -> np.ndarray:
    model = catch(robot)
    pitch, rate, position, velocity = state
    now = np.array([pitch, rate, position, velocity, velocity / robot.pendulum.wheel_radius_m])[:, None, None]
    for _ in range(steps):
        now = model._move(now, np.array([[torque]]))
    return now[:, 0, 0]


@pytest.mark.parametrize("torque", [0.0, 0.01])
def test_small_motion_is_that_of_the_linear_dynamics(torque: float) -> None:
    start = np.array([1e-4, 2e-3, 0.0, -1e-3])
    transition, response = discretise(*linear_dynamics(ROBOT.pendulum), 100 * STEP_S)
    expected = transition @ start + response[:, 0] * torque
    assert moved(start.tolist(), torque, 100)[:4] == pytest.approx(expected, rel=0.04, abs=1e-6)


def test_without_torque_energy_is_kept_through_a_large_swing() -> None:
    p = ROBOT.pendulum
    total = p.body_mass_kg + p.wheel_mass_kg + p.wheel_inertia_kg_m2 / p.wheel_radius_m**2
    lever = p.body_mass_kg * p.body_height_m
    inertia = p.body_inertia_kg_m2 + lever * p.body_height_m

    def energy(state: np.ndarray) -> float:
        pitch, rate, _, velocity = state[:4]
        moving = 0.5 * total * velocity**2 + lever * np.cos(pitch) * velocity * rate + 0.5 * inertia * rate**2
        return float(moving + lever * 9.81 * np.cos(pitch))

    grippy = dataclasses.replace(ROBOT, contact=dataclasses.replace(ROBOT.contact, friction_1=1e3))
    start, end = (moved([0.1, 0.0, 0.0, 0.3], 0.0, steps, grippy) for steps in (0, 250))
    assert end[0] > 0.3
    assert energy(end) == pytest.approx(energy(start), rel=2e-3)


def test_on_ice_the_wheels_spin_and_the_robot_as_a_whole_stays_where_it_was() -> None:
    icy = dataclasses.replace(ROBOT, contact=dataclasses.replace(ROBOT.contact, friction_1=0.0))
    pitch, rate, _, velocity, wheel = moved([0.0, 0.0, 0.0, 0.0], 4.0, 20, icy)
    p = ROBOT.pendulum
    momentum = (p.body_mass_kg + p.wheel_mass_kg) * velocity + p.body_mass_kg * p.body_height_m * np.cos(pitch) * rate
    assert wheel == pytest.approx(4.0 * 20 * STEP_S / p.wheel_inertia_kg_m2)
    assert momentum == pytest.approx(0.0, abs=1e-3)


def test_slipping_wheels_grip_again() -> None:
    weak = dataclasses.replace(ROBOT, contact=dataclasses.replace(ROBOT.contact, friction_1=0.3))
    model = catch(weak)
    now = np.zeros((5, 1, 1))
    now[4] = 20.0
    for _ in range(200):
        now = model._move(now, np.zeros((1, 1)))
    assert now[3] == pytest.approx(0.1 * now[4])
    assert 0.0 < now[3, 0, 0] < 2.0


def test_a_robot_near_rest_is_caught_and_one_far_from_it_is_not() -> None:
    starts = np.array([[0.05, 0.0, 0.0], [0.0, 0.0, 0.5], [0.59, 3.0, 0.0], [0.3, 5.0, 0.0]])
    assert catch().catches(starts).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    "weakened",
    [
        {"torque_nm": 2.0},
        {"torque_slew_nm_s": 15.0},
        {"tilt_rad": 0.3},
    ],
)
def test_tighter_limits_of_the_host_lose_a_robot_that_was_caught(weakened: dict) -> None:
    start = np.array([[0.29, 1.0, 0.0]])
    assert catch().catches(start).all()
    assert not catch(**weakened).catches(start).any()


@pytest.mark.parametrize("variation", [Variation(strength=0.4), Variation(delay=30.0)])
def test_a_weaker_or_slower_robot_is_lost_where_the_one_on_paper_is_caught(variation: Variation) -> None:
    start = np.array([[0.35, 1.2, 0.0]])
    assert catch().catches(start).all()
    assert not catch(variation=variation).catches(start).any()


def test_beyond_the_wheel_speed_limit_only_braking_torque_passes() -> None:
    model = catch()
    state = np.zeros((5, 1, 2))
    state[4] = [40.1, 39.9]
    steady = np.full((1, 2), 1.0)
    assert model._mcu(state, steady, steady).tolist() == [[0.0, 1.0]]
    assert model._mcu(state, -steady, -steady).tolist() == [[-1.0, -1.0]]


def test_left_and_right_are_alike() -> None:
    starts = np.random.default_rng(1).normal(size=(40, 3)) * [0.3, 2.0, 1.0]
    assert (catch().catches(starts, 1.0) == catch().catches(-starts, 1.0)).all()


def test_what_is_found_passes_and_the_safety_factor_shrinks_every_axis() -> None:
    full, shrunk = (
        region_at(ROBOT, ROBOT.height_m, robots=ROBOTS[:1], grid=QUICK, weights=(1.0,), safety_factor=share)
        for share in (1.0, 0.5)
    )
    assert full.level == shrunk.level
    assert np.array(shrunk.region.extent) == pytest.approx(0.5 * np.array(full.region.extent))
    drawn = np.random.default_rng(2).normal(size=(100, 3))
    inside = shrunk.region.points(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
    assert catch().catches(inside).all()


def test_the_prediction_reaches_over_every_delay_of_the_loop() -> None:
    slower = dataclasses.replace(ROBOT, sensors=dataclasses.replace(ROBOT.sensors, delay_s=0.007))
    assert hand_over_s(ROBOT) == pytest.approx(0.005 + 0.002 + 0.003 + 0.002 + 0.010)
    assert hand_over_s(slower) - hand_over_s(ROBOT) == pytest.approx(0.005)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan")])
def test_a_safety_factor_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="safety factor"):
        compute_region(ROBOT, safety_factor=share)


def test_a_robot_that_cannot_be_caught_has_no_region() -> None:
    hopeless = dataclasses.replace(ROBOT, sensors=dataclasses.replace(ROBOT.sensors, delay_s=0.2))
    with pytest.raises(ConfigError, match="can catch robot reference"):
        compute_region(hopeless, robots=ROBOTS[:1], grid=QUICK, weights=(0.0,))


def test_many_robots_at_once_are_caught_as_each_of_them_alone() -> None:
    starts = np.random.default_rng(3).normal(size=(60, 3)) * [0.3, 2.0, 1.5]
    some = (ROBOTS[0], ROBOTS[1], ROBOTS[6])
    together = Catch(ROBOT, GuardLimits(), some)
    alone = np.array([catch(variation=variation).catches(starts) for variation in some])
    assert (together.catches(starts) == alone.all(axis=0)).all()
    assert 0.1 < alone.mean() < 0.95
    good = starts[alone.all(axis=0)]
    assert together.catches_all(good)
    assert not together.catches_all(np.vstack([good, starts[~alone.all(axis=0)][:1]]))


def test_a_drive_that_gives_less_than_it_is_asked_for_counts_on_paper_too() -> None:
    start = np.array([[0.35, 1.2, 0.0]])
    faint = dataclasses.replace(ROBOT, drive=dataclasses.replace(ROBOT.drive, strength_1=0.4))
    assert catch().catches(start).all()
    assert not catch(faint).catches(start).any()


def test_each_height_has_the_region_that_is_found_for_it_alone() -> None:
    record = compute_region(ROBOT, robots=ROBOTS[:1], grid=QUICK, weights=(0.0,))
    knots = ROBOT.postures.knots_m
    assert record.region.heights_m == tuple(map(as_told, knots))
    assert record.region.heights_m[record.region.nominal] == as_told(ROBOT.height_m)
    low = region_at(ROBOT, knots[0], robots=ROBOTS[:1], grid=QUICK, weights=(0.0,))
    assert (record.region.regions[0], record.found_levels[0]) == (low.region, low.level)
    assert len({region.level for region in record.region.regions}) == len(knots)


def test_the_pendulum_that_is_simulated_is_that_of_the_height() -> None:
    low_m, high_m = ROBOT.heights_m
    start = np.array([1e-4, 0.0, 0.0, 0.0, 0.0])[:, None, None]
    for height_m in (low_m, high_m):
        model, now = Catch(ROBOT, GuardLimits(), ROBOTS[:1], height_m), start
        transition, _ = discretise(*linear_dynamics(ROBOT.pendulum_at(height_m)), 100 * STEP_S)
        for _ in range(100):
            now = model._move(now, np.zeros((1, 1)))
        assert now[0, 0, 0] == pytest.approx(transition[0, 0] * 1e-4, rel=0.01)


def test_rotors_behind_a_gear_move_as_in_the_linear_dynamics_rolling_and_slipping() -> None:
    geared = load_robot("two_wheeled")
    pendulum = geared.pendulum
    assert pendulum.rotor_inertia_kg_m2 > pendulum.wheel_inertia_kg_m2
    start = np.array([1e-4, 2e-3, 0.0, -1e-3])
    transition, response = discretise(*linear_dynamics(pendulum), 100 * STEP_S)
    expected = transition @ start + response[:, 0] * 1e-3
    assert moved(start.tolist(), 1e-3, 100, geared)[:4] == pytest.approx(expected, rel=0.04, abs=3e-6)
    # on ice wheels and rotors turn alone, and what the body gets is the torque less what they take to turn against it
    icy = dataclasses.replace(geared, contact=dataclasses.replace(geared.contact, friction_1=0.0))
    _, rate, _, velocity, wheel = moved([0.0, 0.0, 0.0, 0.0], 1e-3, 10, icy)
    spin, rotor = pendulum.wheel_inertia_kg_m2, pendulum.rotor_inertia_kg_m2
    assert spin * wheel + rotor * (wheel - rate) == pytest.approx(1e-3 * 10 * STEP_S)
    momentum = (pendulum.body_mass_kg + pendulum.wheel_mass_kg) * velocity
    assert momentum + pendulum.body_mass_kg * pendulum.body_height_m * rate == pytest.approx(0.0, abs=1e-6)


def test_what_the_line_and_a_slow_inertial_sensor_add_counts_as_delay() -> None:
    link = dataclasses.replace(ROBOT.link, to_host_s=0.002, to_mcu_s=0.003, jitter_s=0.001)
    late = dataclasses.replace(ROBOT, link=link, imu=dataclasses.replace(ROBOT.imu, delay_s=0.004))
    assert line_ms(late) == (4, 5)
    assert hand_over_s(late) - hand_over_s(ROBOT) == pytest.approx(0.011)
    start = np.array([[0.35, 1.2, 0.0]])
    later = dataclasses.replace(late, link=dataclasses.replace(link, to_mcu_s=0.04))
    assert catch(late).catches(start).all()
    assert not catch(later).catches(start).any()


def test_a_limit_of_the_current_is_one_of_the_torque() -> None:
    start = np.array([[0.35, 1.2, 0.0]])
    limited = dataclasses.replace(ROBOT, drive=dataclasses.replace(ROBOT.drive, current_limit_a=3.5))
    assert catch().catches(start).all()
    assert not catch(limited).catches(start).any()
