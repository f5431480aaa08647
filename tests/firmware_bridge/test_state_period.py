"""How often the MCU reports, and that an inertial sensor which hangs is not taken for one at rest."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robot_il.spec import TICKS_PER_STATE, Event, Fault, Mode, Param, Reject
from tests.firmware_bridge.conftest import Bench

FROZEN_TICKS = 20


def asked(bench: Bench, period_ms: float) -> float:
    bench.send("PARAM_SET", Param.STATE_PERIOD_MS, period_ms)
    name, values = bench.others[-1]
    assert (name, values[0]) == ("PARAM_VALUE", Param.STATE_PERIOD_MS)
    return values[1]


@pytest.mark.parametrize("period_ms", [1, 2, 5])
def test_the_period_asked_for_is_kept(bench: Bench, period_ms: int) -> None:
    assert asked(bench, period_ms) == period_ms
    bench.tick(2 * TICKS_PER_STATE)
    before = len(bench.states)
    bench.tick(20)
    times = [state.mcu_time_us for state in bench.states[before:]]
    assert set(np.diff(times)) == {1000 * period_ms}


@pytest.mark.parametrize("period_ms", [0.0, -1.0, 1.5, 3.0, 4.0, 6.0, 1e9, math.nan, math.inf])
def test_any_other_period_is_refused_with_the_one_in_force(bench: Bench, period_ms: float) -> None:
    assert asked(bench, period_ms) == 5.0


def test_a_loop_that_runs_is_not_given_another_rhythm(armed: Bench) -> None:
    assert asked(armed, 1.0) == 5.0
    armed.send("ESTOP")
    assert asked(armed, 1.0) == 5.0
    armed.send("DISARM")
    assert asked(armed, 1.0) == 1.0


@pytest.mark.parametrize(("age_ms", "taken"), [(1, True), (99, True), (101, False)])
def test_an_answer_is_judged_by_its_age_at_1_khz_too(bench: Bench, age_ms: int, taken: bool) -> None:
    asked(bench, 1.0)
    bench.tick(10)
    bench.send("ARM", 0xB007, bench.state.state_seq)
    bench.tick(1)
    answered = bench.state.state_seq
    keep_alive = age_ms - 1
    for _ in range(keep_alive):
        bench.tick(1)
    bench.send("COMMAND", 1, answered, 0.1, 0.1, 0.0)
    bench.tick(1)
    if taken:
        assert bench.state.command_seq == 1
    else:
        assert bench.state.mode == Mode.STOPPED  # the first command came too late for the watchdog, too
        assert bench.last_reject() in (Reject.STALE, Reject.NOT_ARMED)


def frozen(bench: Bench, ticks: int) -> None:
    """The same inertial sample again and again, fresh each time."""
    for _ in range(ticks):
        bench.firmware.tick()
        bench.collect()


def test_samples_that_never_change_stop_the_wheels(armed: Bench) -> None:
    armed.drive(0.5)
    frozen(armed, FROZEN_TICKS)
    assert armed.firmware.mode == Mode.ARMED
    frozen(armed, 2)  # the first of them may still have differed from the one before
    assert armed.firmware.mode == Mode.STOPPED
    assert armed.torques == (0.0, 0.0)
    assert Fault.SENSOR_STALE in armed.firmware.faults
    assert any(event == Event.STOPPED and argument & Fault.SENSOR_STALE for event, argument, _ in armed.events)


def test_exactly_one_sample_too_many_is_a_sensor_that_hangs() -> None:
    bench = Bench()
    frozen(bench, 1 + FROZEN_TICKS)  # the first differs from what was before it: nothing
    assert Fault.SENSOR_STALE not in bench.firmware.faults
    frozen(bench, 1)
    assert Fault.SENSOR_STALE in bench.firmware.faults


LARGEST = {**dict.fromkeys(("gyro_pitch", "gyro_yaw", "accel_x", "accel_z", "hip_left", "knee_left"), 1e5)}
LARGEST |= {**dict.fromkeys(("hip_right", "knee_right", "battery"), 1e5), "wheel_left": 1e9, "wheel_right": 1e9}


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("channel", LARGEST)
def test_a_sample_is_usable_up_to_what_any_sensor_can_give_and_no_further(channel: str, sign: float) -> None:
    real = np.float64 if channel.startswith("wheel") else np.float32
    bench = Bench()
    setattr(bench.firmware.sensors, channel, sign * LARGEST[channel])
    bench.tick()
    assert Fault.SENSOR_NOT_FINITE not in bench.firmware.faults
    setattr(bench.firmware.sensors, channel, sign * float(np.nextafter(real(LARGEST[channel]), real(np.inf))))
    bench.tick()
    assert Fault.SENSOR_NOT_FINITE in bench.firmware.faults


def test_one_value_that_changes_is_life(armed: Bench) -> None:
    for channel in ("gyro_pitch", "gyro_yaw", "accel_x", "accel_z"):
        for tick in range(3 * FROZEN_TICKS):
            setattr(armed.firmware.sensors, channel, getattr(armed.firmware.sensors, channel) + 1e-4 * (-1) ** tick)
            armed.firmware.tick()
            armed.collect()
            if armed.firmware.time_us % 5000 == 0:
                armed.command(0.0)
        assert armed.firmware.mode == Mode.ARMED


def test_a_sensor_that_lives_again_may_be_armed_again(armed: Bench) -> None:
    frozen(armed, FROZEN_TICKS + 2)
    armed.send("DISARM")
    armed.period()
    armed.send("ARM", 0xB007, armed.state.state_seq)
    assert armed.firmware.mode == Mode.ARMED


def test_a_sensor_that_hangs_refuses_arming(bench: Bench) -> None:
    frozen(bench, FROZEN_TICKS + 2)
    bench.send("ARM", 0xB007, bench.state.state_seq)
    assert bench.last_reject() == Reject.FAULT_ACTIVE
