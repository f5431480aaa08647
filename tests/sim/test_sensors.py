from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import pytest

from robot_il.robot import Robot
from sim.conditions import Conditions
from sim.plant import GRAVITY_M_S2, Plant
from sim.sensors import READING, InertialNoise, Sensors

GYRO_PITCH, ACCEL_X, ACCEL_Z = (READING.index(name) for name in ("gyro_pitch", "accel_x", "accel_z"))


@pytest.fixture
def plant(robot: Robot) -> Iterator[Plant]:
    made = Plant(robot, Conditions(friction_scale=0.0))
    yield made
    made.close()


def sensors_of(robot: Robot, plant: Plant, noise: float = 0.0, delay: float = 0.0) -> Sensors:
    sensors = Sensors(robot, plant, noise, delay, np.random.default_rng(1))
    sensors.restart()
    return sensors


def test_at_rest_the_accelerometer_shows_gravity_in_the_bodys_axes(robot: Robot, plant: Plant) -> None:
    sensors = sensors_of(robot, plant)
    plant.place(0.3)
    reading = sensors.sample_held(plant.quaternion, (0.0, 0.0, 0.0), 24.0)
    assert reading[ACCEL_X] == pytest.approx(-GRAVITY_M_S2 * math.sin(0.3))
    assert reading[ACCEL_Z] == pytest.approx(GRAVITY_M_S2 * math.cos(0.3))
    assert reading[GYRO_PITCH] == 0.0


def test_rates_are_those_about_the_bodys_own_axes(robot: Robot, plant: Plant) -> None:
    sensors = sensors_of(robot, plant)
    plant.place(0.3, yaw_rad=0.7)
    left = (-math.sin(0.7), math.cos(0.7), 0.0)
    rates = tuple(1.5 * left[axis] + (0.0, 0.0, 0.4)[axis] for axis in range(3))
    reading = sensors.sample_held(plant.quaternion, rates, 24.0)
    assert reading[READING.index("gyro_pitch")] == pytest.approx(1.5)
    assert reading[READING.index("gyro_yaw")] == pytest.approx(0.4 * math.cos(0.3))


def test_the_accelerometer_shows_the_motion_of_its_own_place(robot: Robot, plant: Plant) -> None:
    plant.place(0.2)
    sensors = sensors_of(robot, plant)
    for _ in range(100):
        plant.step(0.0, 0.0)
        sensors.sample_free(24.0)
    positions = []
    for _ in range(3):
        rotation = np.array(axes_of(plant)).reshape(3, 3).T
        offset = np.array([robot.imu.position_x_m, 0.0, robot.imu.position_z_m]) - plant.base_com_m
        positions.append(np.array(plant.com_position_m) + rotation @ offset)
        plant.step(0.0, 0.0)
        reading = sensors.sample_free(24.0)
    acceleration = (positions[2] - 2 * positions[1] + positions[0]) / 1e-6
    force = rotation.T @ (acceleration + [0.0, 0.0, GRAVITY_M_S2])
    assert [reading[ACCEL_X], reading[ACCEL_Z]] == pytest.approx([force[0], force[2]], abs=0.15)
    # A robot that falls freely about its axle feels far less than gravity tilted by its pitch.
    assert abs(force[0]) < 0.5 * GRAVITY_M_S2 * math.sin(0.2)


def axes_of(plant: Plant) -> tuple[float, ...]:
    x, y, z, w = plant.quaternion
    columns = []
    for unit in np.eye(3):
        turned = 2 * np.dot((x, y, z), unit) * np.array((x, y, z)) + (w * w - (x * x + y * y + z * z)) * unit
        columns.extend(turned + 2 * w * np.cross((x, y, z), unit))
    return tuple(columns)


def test_encoders_show_whole_counts_and_the_nearest_one(robot: Robot, plant: Plant) -> None:
    sensors = sensors_of(robot, plant)
    count = 2 * math.pi / robot.encoders.wheel_counts_rev
    for _ in range(150):
        plant.step(0.3, 0.3)
        reading = sensors.sample_free(24.0)
        counts = reading[0] / count
        assert counts == pytest.approx(round(counts), abs=1e-6)
        assert abs(reading[0] - plant.joints[0][0]) <= count / 2 * (1 + 1e-9)
    assert reading[0] > 10 * count


@pytest.mark.parametrize(("scale", "delay_ms"), [(0.0, 0), (0.5, 1), (1.0, 2), (2.4, 5)])
def test_a_sample_arrives_exactly_its_delay_later(robot: Robot, scale: float, delay_ms: int) -> None:
    readings = []
    for delay in (0.0, scale):
        plant = Plant(robot, Conditions(initial_pitch_rad=0.1))
        sensors = sensors_of(robot, plant, noise=1.0, delay=delay)
        readings.append([])
        for _ in range(40):
            plant.step(0.5, 0.5)
            readings[-1].append(sensors.sample_free(24.0))
        plant.close()
    prompt, late = readings
    assert late[delay_ms:] == prompt[: len(prompt) - delay_ms]
    assert len(set(prompt)) == len(prompt)


def test_white_noise_has_the_density_of_the_profile(robot: Robot) -> None:
    steady = dataclasses.replace(
        robot, imu=dataclasses.replace(robot.imu, gyro_bias_walk_rad_s2_rthz=0.0, accel_bias_walk_m_s3_rthz=0.0)
    )
    noise = InertialNoise(steady, 1.0, np.random.default_rng(3))
    samples = np.array([noise.sample() for _ in range(20_000)])
    expected = np.array([robot.imu.gyro_noise_rad_s_rthz] * 2 + [robot.imu.accel_noise_m_s2_rthz] * 2) * math.sqrt(
        500.0
    )
    assert samples.std(axis=0) == pytest.approx(expected, rel=0.03)
    following = (samples[1:] - samples.mean(axis=0)) * (samples[:-1] - samples.mean(axis=0))
    assert following.mean(axis=0) / expected**2 == pytest.approx(np.zeros(4), abs=0.03)


def test_biases_at_boot_have_the_spread_of_the_profile(robot: Robot) -> None:
    random = np.random.default_rng(4)
    biases = np.array([InertialNoise(robot, 1.0, random)._bias for _ in range(3000)])
    expected = [robot.imu.gyro_bias_rad_s] * 2 + [robot.imu.accel_bias_m_s2] * 2
    assert biases.std(axis=0) == pytest.approx(expected, rel=0.05)
    assert biases.mean(axis=0) / expected == pytest.approx(np.zeros(4), abs=0.07)


def test_a_bias_walks_as_the_root_of_time(robot: Robot) -> None:
    only_walk = dataclasses.replace(
        robot,
        imu=dataclasses.replace(
            robot.imu, gyro_noise_rad_s_rthz=0.0, accel_noise_m_s2_rthz=0.0, gyro_bias_rad_s=0.0, accel_bias_m_s2=0.0
        ),
    )
    random = np.random.default_rng(5)
    ends = []
    for _ in range(60):
        noise = InertialNoise(only_walk, 1.0, random)
        path = np.array([noise.sample() for _ in range(4000)])
        ends.append(path[-1])
    expected = np.array([robot.imu.gyro_bias_walk_rad_s2_rthz] * 2 + [robot.imu.accel_bias_walk_m_s3_rthz] * 2) * 2.0
    spread = np.sqrt(np.mean(np.square(ends), axis=0))
    assert spread == pytest.approx(expected, rel=0.3)
    assert spread.mean() > 0.0


def test_the_scale_of_the_noise_scales_it(robot: Robot) -> None:
    once, twice = (InertialNoise(robot, scale, np.random.default_rng(6)) for scale in (1.0, 2.0))
    for _ in range(1500):
        assert twice.sample() == pytest.approx([2.0 * value for value in once.sample()])
