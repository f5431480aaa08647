"""Tilt, battery and sensor faults at their edges, and parameters that tighten a limit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robot_il.spec import LIMITS, TICKS_PER_STATE, Event, Fault, Mode, Param
from tests.firmware_bridge.conftest import Bench
from tests.firmware_bridge.test_modes import leaning

STALE_TICKS = 10


def float32(value: float) -> float:
    return float(np.float32(value))


def above(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(math.inf)))


def below(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(-math.inf)))


def keep_commanding(bench: Bench, ticks: int) -> None:
    """Lets time pass without tripping the watchdog."""
    for tick in range(ticks):
        if tick % TICKS_PER_STATE == 0:
            bench.command(0.5)
        bench.tick()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_wheels_stop_in_the_tick_in_which_the_tilt_limit_is_passed(sign):
    bench = leaning(sign * 0.3)
    bench.arm()
    rate = sign * 4.5  # reaches the limit before the command watchdog does
    pitch = 0.3
    while bench.firmware.mode == Mode.ARMED:
        pitch += abs(rate) * 1e-3
        bench.firmware.sensors.gyro_pitch = rate
        bench.firmware.sensors.accel_x = -9.81 * math.sin(sign * pitch)
        bench.firmware.sensors.accel_z = 9.81 * math.cos(pitch)
        bench.tick()
    assert pitch == pytest.approx(LIMITS.tilt_rad, abs=2e-3 * abs(rate))
    assert bench.firmware.faults == Fault.TILT
    assert (Event.STOPPED, Fault.TILT, 0.0) in bench.events


@pytest.mark.parametrize(("limit_of", "stops"), [(above, False), (float32, False), (below, True)])
def test_a_pitch_at_the_tilt_limit_is_within_it(limit_of, stops):
    bench = leaning(0.25)
    bench.arm()
    bench.send("PARAM_SET", Param.TILT_RAD, limit_of(bench.state.pitch))
    bench.tick()
    assert (bench.firmware.mode == Mode.STOPPED) == stops


def test_tilt_shows_while_disarmed_and_goes_when_set_upright():
    bench = leaning(1.0)
    assert bench.firmware.faults == Fault.TILT
    bench.firmware.sensors.accel_x, bench.firmware.sensors.accel_z = 0.0, 9.81
    bench.tick(1000)
    assert bench.firmware.faults == Fault(0)


@pytest.mark.parametrize(("voltage", "low"), [(19.2, False), (above(19.2), False), (below(19.2), True), (0.0, True)])
def test_a_battery_at_its_limit_is_not_low(armed, voltage, low):
    armed.firmware.sensors.battery = voltage
    keep_commanding(armed, 1000)
    assert (armed.firmware.faults == Fault.BATTERY_LOW) == low
    assert (armed.firmware.mode == Mode.STOPPED) == low


@pytest.mark.parametrize(("ticks", "stops"), [(499, False), (500, True)])
def test_a_low_battery_stops_after_its_time(armed, ticks, stops):
    armed.firmware.sensors.battery = 15.0
    keep_commanding(armed, ticks)
    armed.firmware.sensors.battery = 24.0
    keep_commanding(armed, 10)
    assert (armed.firmware.mode == Mode.STOPPED) == stops


def test_a_battery_that_sags_now_and_then_is_not_low(armed):
    for _ in range(5):
        armed.firmware.sensors.battery = 15.0
        keep_commanding(armed, 490)
        armed.firmware.sensors.battery = 24.0
        keep_commanding(armed, 5)
    assert armed.firmware.mode == Mode.ARMED


FLOAT_SENSORS = (
    *("wheel_left", "wheel_right", "gyro_pitch", "gyro_yaw", "accel_x", "accel_z"),
    *("hip_left", "knee_left", "hip_right", "knee_right", "battery"),
)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
@pytest.mark.parametrize("sensor", FLOAT_SENSORS)
def test_any_sensor_value_that_is_not_finite_stops_at_once(armed, sensor, value):
    setattr(armed.firmware.sensors, sensor, value)
    armed.tick()
    assert (armed.firmware.mode, armed.firmware.faults) == (Mode.STOPPED, Fault.SENSOR_NOT_FINITE)


@pytest.mark.parametrize("sensor", FLOAT_SENSORS)
def test_a_sensor_value_that_is_not_finite_refuses_arming_and_leaves_the_estimate_finite(bench, sensor):
    good = getattr(bench.firmware.sensors, sensor)
    setattr(bench.firmware.sensors, sensor, math.nan)
    bench.arm()
    assert (bench.firmware.mode, bench.firmware.faults) == (Mode.DISARMED, Fault.SENSOR_NOT_FINITE)
    setattr(bench.firmware.sensors, sensor, good)
    bench.period()
    assert all(math.isfinite(value) for value in bench.state)
    bench.arm()
    assert bench.firmware.mode == Mode.ARMED


def test_missing_samples_do_not_clear_a_bad_one(bench):
    bench.firmware.sensors.gyro_yaw = math.nan
    bench.tick()
    bench.firmware.sensors.fresh = 0
    bench.arm()
    assert (bench.firmware.mode, bench.firmware.faults) == (Mode.DISARMED, Fault.SENSOR_NOT_FINITE)


@pytest.mark.parametrize(("ticks", "stops"), [(1, False), (STALE_TICKS, False), (STALE_TICKS + 1, True)])
def test_missing_samples_are_borne_for_ten_ticks(armed, ticks, stops):
    armed.firmware.sensors.fresh = 0
    keep_commanding(armed, ticks)
    assert (armed.firmware.mode == Mode.STOPPED) == stops
    assert armed.firmware.faults == (Fault.SENSOR_STALE if stops else Fault(0))


def test_a_fresh_sample_starts_the_count_again(armed):
    for _ in range(10):
        armed.firmware.sensors.fresh = 0
        keep_commanding(armed, STALE_TICKS)
        armed.firmware.sensors.fresh = 1
        keep_commanding(armed, 1)
    assert armed.firmware.mode == Mode.ARMED


def test_faults_may_come_together(armed):
    armed.firmware.sensors.fresh = 0
    armed.tick(101)
    assert armed.firmware.faults & Fault.SENSOR_STALE
    armed.send("DISARM")
    armed.firmware.sensors.fresh = 1
    armed.firmware.sensors.battery = math.inf
    armed.tick()
    assert armed.firmware.faults == Fault.SENSOR_NOT_FINITE


SPEC_LIMITS = {
    Param.WHEEL_TORQUE_NM: LIMITS.wheel_torque_nm,
    Param.WHEEL_TORQUE_SLEW_NM_S: LIMITS.wheel_torque_slew_nm_s,
    Param.TILT_RAD: LIMITS.tilt_rad,
    Param.WHEEL_SPEED_RAD_S: LIMITS.wheel_speed_rad_s,
    Param.COMMAND_TIMEOUT_MS: float(LIMITS.command_timeout_ms),
}
BATTERY = float32(LIMITS.battery_low_v)


def ask(bench: Bench, param: int, value: float) -> float:
    """The value in force after asking for one."""
    bench.others.clear()
    bench.send("PARAM_SET", param, value)
    ((name, (answered, in_force)),) = bench.others
    assert (name, answered) == ("PARAM_VALUE", param)
    return in_force


def test_every_parameter_starts_at_the_limit_of_the_spec(bench):
    in_force = {param: ask(bench, param, math.nan) for param in Param if param != Param.STATE_PERIOD_MS}
    assert in_force == {param: float32(limit) for param, limit in SPEC_LIMITS.items()} | {Param.BATTERY_LOW_V: BATTERY}


@pytest.mark.parametrize(("param", "limit"), SPEC_LIMITS.items())
def test_a_limit_can_be_tightened_and_widened_back_but_no_further(bench, param, limit):
    assert ask(bench, param, limit / 2) == float32(limit / 2)
    assert ask(bench, param, above(limit)) == float32(limit / 2)
    assert ask(bench, param, float32(limit)) == float32(limit)


def test_the_battery_limit_can_be_raised_only(bench):
    assert ask(bench, Param.BATTERY_LOW_V, below(BATTERY)) == BATTERY
    assert ask(bench, Param.BATTERY_LOW_V, 22.0) == 22.0
    assert ask(bench, Param.BATTERY_LOW_V, BATTERY) == BATTERY


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, -1e-30])
@pytest.mark.parametrize("param", list(Param))
def test_values_that_are_negative_or_not_finite_are_not_taken(bench, param, value):
    before = ask(bench, param, math.nan)
    assert ask(bench, param, value) == before


@pytest.mark.parametrize(("value", "taken"), [(80.0, True), (79.5, False), (0.0, False)])
def test_a_slew_limit_that_would_hold_a_torque_is_not_taken(bench, value, taken):
    assert (ask(bench, Param.WHEEL_TORQUE_SLEW_NM_S, value) == value) == taken


@pytest.mark.parametrize("param", [0, len(Param) + 1, 0xFFFF])
def test_an_unknown_parameter_is_answered_with_nan(bench, param):
    assert math.isnan(ask(bench, param, 1.0))


def test_a_torque_limit_tightened_while_driving_holds_at_once(armed):
    armed.drive(2.0)
    armed.send("PARAM_SET", Param.WHEEL_TORQUE_NM, 1.0)
    armed.tick(2)
    assert armed.torques == (1.0, 1.0)
    armed.command(2.0)
    armed.period()
    assert armed.state.rejected == 1


def test_a_slew_limit_tightened_slows_the_torque(armed):
    armed.send("PARAM_SET", Param.WHEEL_TORQUE_SLEW_NM_S, 100.0)
    armed.drive(2.0, periods=1)
    assert armed.torques == (pytest.approx(0.4), pytest.approx(0.4))


def test_a_battery_limit_raised_stops_earlier(armed):
    armed.send("PARAM_SET", Param.BATTERY_LOW_V, 24.5)
    keep_commanding(armed, 600)
    assert armed.firmware.faults == Fault.BATTERY_LOW
