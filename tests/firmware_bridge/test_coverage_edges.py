"""Edges that executing every line and every branch does not reach; each was found by a mutant that survived."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robot_il.spec import LIMITS, TICKS_PER_STATE, Fault, Mode, Param
from tests.firmware_bridge.conftest import BOARD, Bench
from tests.firmware_bridge.test_faults import ask, below

FULL_TORQUE_FADES_S = 0.05


def spin(bench: Bench, left: float, right: float, torque: float) -> None:
    """Spins the wheels at constant rates until the estimate has settled; the torque command is kept up."""
    for _ in range(100):
        bench.command(torque)
        for _ in range(TICKS_PER_STATE):
            bench.firmware.sensors.wheel_left += left * 1e-3
            bench.firmware.sensors.wheel_right += right * 1e-3
            bench.tick()


@pytest.mark.parametrize(("left", "right", "torques"), [(45.0, 0.0, (0.0, 0.5)), (0.0, 45.0, (0.5, 0.0))])
def test_each_wheel_is_held_to_its_own_speed(armed, left, right, torques):
    spin(armed, left, right, 0.5)
    assert armed.torques == torques


@pytest.mark.parametrize("torque", [0.001, -0.001])
def test_beyond_the_wheel_speed_limit_not_the_smallest_driving_torque_passes(armed, torque):
    rate = 41.0 if torque > 0.0 else -41.0
    spin(armed, rate, rate, torque)
    assert armed.torques == (0.0, 0.0)


@pytest.mark.parametrize("param", [Param.WHEEL_TORQUE_NM, Param.WHEEL_SPEED_RAD_S, Param.TILT_RAD])
@pytest.mark.parametrize("value", [0.0, 0.25])
def test_a_limit_can_be_tightened_down_to_nothing(bench, param, value):
    assert ask(bench, param, value) == value


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_the_command_timeout_can_be_tightened_down_to_nothing(bench, value):
    assert ask(bench, Param.COMMAND_TIMEOUT_MS, value) == value


def test_the_slew_limit_keeps_exactly_so_much_that_full_torque_fades_in_time(bench):
    lowest = float(np.float32(LIMITS.wheel_torque_nm / FULL_TORQUE_FADES_S))
    assert ask(bench, Param.WHEEL_TORQUE_SLEW_NM_S, below(lowest)) == LIMITS.wheel_torque_slew_nm_s
    assert ask(bench, Param.WHEEL_TORQUE_SLEW_NM_S, lowest) == lowest


def test_without_a_sample_since_boot_the_sensors_are_stale():
    bench = Bench()
    assert bench.firmware.faults == Fault.SENSOR_STALE
    bench.firmware.sensors.fresh = 0
    bench.tick()
    assert bench.firmware.faults == Fault.SENSOR_STALE


def test_a_battery_low_from_boot_on_is_low_after_its_whole_time():
    bench = Bench()
    bench.firmware.sensors.battery = LIMITS.battery_low_v - 1.0
    bench.tick(LIMITS.battery_low_ms - 1)
    assert bench.firmware.faults == Fault(0)
    bench.tick()
    assert bench.firmware.faults == Fault.BATTERY_LOW


@pytest.mark.parametrize("periods", range(1, 24))
def test_the_age_of_an_answered_state_is_right_across_the_wrap_of_its_number(periods):
    """Commands answer STATEs five periods old, some numbered before and some after 2^32; then the host is gone."""
    behind = 5
    bench = Bench(dataclasses.replace(BOARD, initial_state_seq=2**32 - 8))
    bench.arm()
    for _ in range(behind):
        bench.period()
    for sequence in range(1, periods + 1):
        bench.period()
        bench.send("COMMAND", sequence, bench.states[-1 - behind].state_seq, 1.0, 1.0, 0.0)
    assert bench.state.rejected == 0
    bench.tick(LIMITS.command_timeout_ms - behind * TICKS_PER_STATE - 1)
    assert bench.firmware.mode == Mode.ARMED
    bench.tick()
    assert bench.firmware.mode == Mode.STOPPED
