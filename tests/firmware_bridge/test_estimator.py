"""Attitude, heading and odometry against motions whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from robot_il.spec import TICKS_PER_STATE
from tests.firmware_bridge.conftest import BOARD, Bench

G = 9.81
RADIUS = BOARD.wheel_radius_m


def move(bench: Bench, seconds: float, pitch: Callable[[float], float], **offsets: float) -> np.ndarray:
    """Tilts the body along ``pitch(t)``, its wheels held; returns the true pitch at each STATE, in rad.

    Args:
        offsets: sensor name and what to add to its true value.
    """
    sensors, truth = bench.firmware.sensors, []
    bench.states.clear()
    for tick in range(1, int(seconds * 1000) + 1):
        t = tick * 1e-3
        sensors.gyro_pitch = (pitch(t) - pitch(t - 1e-3)) * 1e3 + offsets.get("gyro_pitch", 0.0)
        sensors.accel_x = -G * math.sin(pitch(t)) + offsets.get("accel_x", 0.0)
        sensors.accel_z = G * math.cos(pitch(t)) + offsets.get("accel_z", 0.0)
        bench.tick()
        if tick % TICKS_PER_STATE == 0:
            truth.append(pitch(t))
    return np.array(truth)


def column(bench: Bench, name: str) -> np.ndarray:
    return np.array([getattr(state, name) for state in bench.states])


@pytest.mark.parametrize("pitch", [-1.2, -0.3, 0.0, 0.3, 1.2, 3.0])
def test_pitch_starts_at_what_gravity_says(pitch):
    bench = Bench()
    move(bench, 0.005, lambda t: pitch)
    assert bench.state.pitch == pytest.approx(pitch, abs=1e-6)


@pytest.mark.parametrize("hertz", [0.1, 1.0, 10.0])
def test_pitch_and_its_rate_follow_a_swinging_body(bench, hertz):
    truth = move(bench, 10.0, lambda t: 0.3 * math.sin(2 * math.pi * hertz * t))
    assert np.abs(column(bench, "pitch") - truth).max() < 1e-3
    rates = 0.3 * 2 * math.pi * hertz * np.cos(2 * math.pi * hertz * (np.arange(1, len(truth) + 1) * 5e-3 - 5e-4))
    assert np.abs(column(bench, "pitch_rate") - rates).max() < 1e-2


def test_a_gyro_bias_is_learned(bench):
    move(bench, 60.0, lambda t: 0.1, gyro_pitch=0.02)
    assert bench.state.pitch == pytest.approx(0.1, abs=1e-3)
    assert bench.state.pitch_rate == pytest.approx(0.0, abs=1e-3)


def test_a_gyro_bias_shifts_the_pitch_by_no_more_than_a_second_of_it(bench):
    move(bench, 10.0, lambda t: 0.0, gyro_pitch=0.02)
    assert np.abs(column(bench, "pitch")).max() < 0.02


def test_no_gyro_bias_beyond_a_plausible_one_is_learned(bench):
    move(bench, 60.0, lambda t: 0.0, gyro_pitch=1.0)
    assert bench.state.pitch_rate == pytest.approx(0.9, abs=1e-3)


def test_a_short_shake_of_the_accelerometer_moves_the_pitch_little(bench):
    move(bench, 0.05, lambda t: 0.0, accel_x=G)
    assert abs(bench.state.pitch) < 0.05


def test_pitch_follows_a_fall_past_upside_down(bench):
    truth = move(bench, 2.0, lambda t: 3.0 * t)
    error = (column(bench, "pitch") - truth + math.pi) % (2 * math.pi) - math.pi
    assert np.abs(error).max() < 1e-3


def test_heading_counts_whole_turns_and_tells_left_from_right(bench):
    bench.firmware.sensors.gyro_yaw = 2.0
    bench.tick(5000)
    bench.period()
    assert bench.state.yaw == pytest.approx(10.0, abs=0.02)
    assert bench.state.yaw_rate == pytest.approx(2.0)


def test_a_leaning_gyro_sees_less_of_the_turn(bench):
    bench.firmware.sensors.gyro_yaw = 2.0 * math.cos(0.5)
    move(bench, 1.0, lambda t: 0.5 * min(1.0, 10 * t))
    assert bench.state.yaw_rate == pytest.approx(2.0, abs=1e-2)


def roll(bench: Bench, seconds: float, angle: Callable[[float], float]) -> None:
    """Turns both wheels along ``angle(t)``, the body upright."""
    sensors = bench.firmware.sensors
    left, right = sensors.wheel_left, sensors.wheel_right
    bench.states.clear()
    for tick in range(1, int(seconds * 1000) + 1):
        sensors.wheel_left, sensors.wheel_right = left + angle(tick * 1e-3), right + angle(tick * 1e-3)
        bench.tick()


def test_position_and_velocity_of_a_steady_roll(bench):
    roll(bench, 3.0, lambda t: 8.0 * t)
    assert bench.state.velocity == pytest.approx(8.0 * RADIUS, rel=1e-4)
    assert bench.state.position == pytest.approx(24.0 * RADIUS, rel=1e-4)
    assert bench.state.wheel_velocity_left == pytest.approx(8.0, rel=1e-4)
    assert bench.state.wheel_position_right == pytest.approx(24.0, rel=1e-4)


def test_the_velocity_lags_a_change_by_about_a_control_period(bench):
    roll(bench, 2.0, lambda t: 5.0 * t * t)  # 10 rad/s^2
    lag_s = 2.0 - bench.state.wheel_velocity_left / 10.0
    assert 0.002 < lag_s < 0.008


def test_a_quantised_encoder_leaves_little_noise_on_the_velocity(bench):
    step = 2 * math.pi / (1 << 14)
    roll(bench, 2.0, lambda t: step * round(3.0 * t / step))
    settled = column(bench, "wheel_velocity_left")[100:]
    assert settled.std() < 0.03
    assert settled.mean() == pytest.approx(3.0, rel=1e-3)


def test_velocity_stays_quiet_after_a_long_way(bench):
    bench.firmware.sensors.wheel_left = bench.firmware.sensors.wheel_right = 1e6
    fresh = Bench()
    fresh.firmware.sensors.wheel_left = fresh.firmware.sensors.wheel_right = 1e6  # 50 km
    fresh.tick(TICKS_PER_STATE)
    roll(fresh, 2.0, lambda t: 3.0 * t)
    assert column(fresh, "wheel_velocity_left")[200:].std() < 1e-3
    assert fresh.state.position == pytest.approx(6.0 * RADIUS, abs=1e-3)


def test_tipping_the_body_over_held_wheels_moves_the_axle_by_the_arc(bench):
    """The wheel joint is fixed to the shank, so the wheel turns with the body."""
    move(bench, 1.0, lambda t: 0.2 * min(1.0, 2 * t))
    assert bench.state.position == pytest.approx(0.2 * RADIUS, abs=1e-4)


def test_legs_that_bend_over_wheels_that_stand_do_not_move_the_axle(bench):
    sensors = bench.firmware.sensors
    for tick in range(500):
        sensors.hip_left = sensors.hip_right = -0.3e-3 * tick
        sensors.knee_left = sensors.knee_right = 0.8e-3 * tick
        sensors.wheel_left = sensors.wheel_right = -0.5e-3 * tick
        bench.tick()
    bench.period()
    assert bench.state.position == pytest.approx(0.0, abs=1e-4)
    assert bench.state.velocity == pytest.approx(0.0, abs=1e-2)


def test_missing_samples_are_bridged_at_the_last_rates(bench):
    roll(bench, 1.0, lambda t: 8.0 * t)
    before = bench.state
    bench.firmware.sensors.fresh = 0
    bench.tick(10)
    assert bench.state.position - before.position == pytest.approx(8.0 * 0.01 * RADIUS, rel=1e-2)
    assert bench.state.wheel_velocity_left == pytest.approx(before.wheel_velocity_left)


def test_after_a_long_gap_the_attitude_begins_anew_and_the_position_goes_on(bench):
    roll(bench, 1.0, lambda t: 4.0 * t)
    bench.arm()
    roll(bench, 1.0, lambda t: 8.0 * t)
    before = bench.state
    bench.firmware.sensors.fresh = 0
    bench.tick(500)
    bench.firmware.sensors.fresh = 1
    bench.firmware.sensors.accel_x, bench.firmware.sensors.accel_z = -G * math.sin(0.6), G * math.cos(0.6)
    bench.tick(TICKS_PER_STATE)
    assert bench.state.pitch == pytest.approx(0.6, abs=1e-5)
    assert bench.state.velocity == 0.0
    bridged = 8.0 * 0.01 * RADIUS  # ten ticks at the last rate, and then it stands
    assert bench.state.position == pytest.approx(before.position + bridged, rel=1e-3)


def test_each_sensor_shows_in_its_own_field(bench):
    sensors = bench.firmware.sensors
    sensors.hip_left, sensors.knee_left, sensors.hip_right, sensors.knee_right = 0.125, -0.25, 0.375, -0.5
    sensors.battery = 23.5
    bench.period()
    state = bench.state
    assert (state.hip_left, state.knee_left, state.hip_right, state.knee_right) == (0.125, -0.25, 0.375, -0.5)
    assert state.battery == 23.5


def test_left_and_right_wheel_show_apart(bench):
    sensors = bench.firmware.sensors
    for _ in range(500):
        sensors.wheel_left += 3e-3
        sensors.wheel_right -= 1e-3
        bench.tick()
    state = bench.state
    assert (state.wheel_position_left, state.wheel_position_right) == pytest.approx((1.5, -0.5), rel=1e-3)
    assert (state.wheel_velocity_left, state.wheel_velocity_right) == pytest.approx((3.0, -1.0), rel=1e-3)
    assert state.velocity == pytest.approx(RADIUS * 1.0, rel=1e-3)


def test_the_same_samples_give_the_same_bytes():
    streams = []
    for _ in range(2):
        bench = Bench()
        rng = np.random.default_rng(5)
        stream = b""
        for _ in range(2000):
            bench.firmware.sensors.gyro_pitch = rng.normal(0, 0.1)
            bench.firmware.sensors.wheel_left = rng.normal(0, 0.01)
            bench.firmware.tick()
            stream += bench.firmware.transmit()
        streams.append(stream)
    assert streams[0] == streams[1]
