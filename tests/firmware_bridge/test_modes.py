"""The mode machine: every mode against every event, and what arming asks for."""

from __future__ import annotations

import math

import pytest

from firmware_bridge.hostlib import Board
from robot_il.spec import LIMITS, PROTOCOL_VERSION, SPEC_HASH_U64, TICKS_PER_STATE, Event, Fault, Mode, Param, Reject
from tests.firmware_bridge.conftest import BOARD, Bench

TIMEOUT_TICKS = LIMITS.command_timeout_ms

D, A, S, E = Mode.DISARMED, Mode.ARMED, Mode.STOPPED, Mode.ESTOPPED


def in_mode(mode: Mode) -> Bench:
    """A bench in that mode, driving where the mode permits it, with no fault present."""
    bench = Bench()
    bench.tick(TICKS_PER_STATE)
    if mode in (A, S):
        bench.arm()
        bench.drive(1.0)
    if mode == S:
        bench.tick(TIMEOUT_TICKS + TICKS_PER_STATE)
    if mode == E:
        bench.send("ESTOP")
    bench.period()
    bench.events.clear()
    return bench


def tip_over(bench: Bench) -> None:
    bench.firmware.sensors.gyro_pitch = 100.0
    bench.tick(10)


def lose_sensors(bench: Bench) -> None:
    bench.firmware.sensors.fresh = 0
    bench.tick(20)


def break_sensor(bench: Bench) -> None:
    bench.firmware.sensors.gyro_yaw = math.nan
    bench.tick()


def drain_battery(bench: Bench) -> None:
    bench.firmware.sensors.battery = 10.0
    for _ in range(LIMITS.battery_low_ms // TICKS_PER_STATE + 1):
        bench.command(1.0)
        bench.period()


EVENTS = {
    # event: (what happens, mode after it from DISARMED, ARMED, STOPPED, ESTOPPED)
    "arm": (lambda bench: bench.send("ARM", BOARD.boot_id, bench.state.state_seq), (A, A, S, E)),
    "command": (lambda bench: bench.command(1.0), (D, A, S, E)),
    "wrong command": (lambda bench: bench.command(math.nan), (D, A, S, E)),
    "disarm": (lambda bench: bench.send("DISARM"), (D, D, D, D)),
    "estop": (lambda bench: bench.send("ESTOP"), (E, E, E, E)),
    "hello": (lambda bench: bench.send("HELLO", PROTOCOL_VERSION, SPEC_HASH_U64), (D, A, S, E)),
    "foreign hello": (lambda bench: bench.send("HELLO", 99, 1), (D, A, S, E)),
    "time request": (lambda bench: bench.send("TIME_REQUEST", 1), (D, A, S, E)),
    "parameter": (lambda bench: bench.send("PARAM_SET", Param.TILT_RAD, 0.5), (D, A, S, E)),
    "noise": (lambda bench: bench.firmware.receive(bytes(range(256))), (D, A, S, E)),
    "one tick": (lambda bench: bench.tick(), (D, A, S, E)),
    "silence": (lambda bench: bench.tick(2 * TIMEOUT_TICKS), (D, S, S, E)),
    "fall": (tip_over, (D, S, S, E)),
    "sensors stale": (lose_sensors, (D, S, S, E)),
    "sensor not finite": (break_sensor, (D, S, S, E)),
    "battery low": (drain_battery, (D, S, S, E)),
    "lost time": (lambda bench: bench.firmware.lost_time(50.0), (D, A, S, E)),
}
CASES = [
    pytest.param(start, happen, after[start], id=f"{start.name}-{name}")
    for name, (happen, after) in EVENTS.items()
    for start in Mode
]


@pytest.mark.parametrize(("start", "happen", "expected"), CASES)
def test_each_event_leads_from_each_mode_to_the_mode_of_the_table(start, happen, expected):
    bench = in_mode(start)
    assert bench.firmware.mode == start
    happen(bench)
    assert bench.firmware.mode == expected


@pytest.mark.parametrize(("start", "happen", "expected"), CASES)
def test_the_wheels_are_driven_in_mode_armed_only(start, happen, expected):
    bench = in_mode(start)
    happen(bench)
    if expected != Mode.ARMED:
        assert bench.torques == (0.0, 0.0)
        bench.tick(TICKS_PER_STATE)
        bench.command(1.0)
        bench.tick(TICKS_PER_STATE)
        assert bench.torques == (0.0, 0.0)


@pytest.mark.parametrize(("start", "happen", "expected"), CASES)
def test_each_change_of_mode_is_reported_once(start, happen, expected):
    bench = in_mode(start)
    happen(bench)
    bench.collect()
    codes = {A: Event.ARMED, D: Event.DISARMED, S: Event.STOPPED, E: Event.ESTOPPED}
    reported = [event for event, _, _ in bench.events if event in codes.values()]
    assert reported == ([codes[expected]] if expected != start else [])


def test_a_stop_reports_its_fault_bits(armed):
    break_sensor(armed)
    assert (Event.STOPPED, Fault.SENSOR_NOT_FINITE, 0.0) in armed.events


def test_a_latched_fault_stays_until_disarm_though_its_cause_is_gone(armed):
    break_sensor(armed)
    armed.firmware.sensors.gyro_yaw = 0.0
    armed.tick(1000)
    assert (armed.firmware.mode, armed.firmware.faults) == (Mode.STOPPED, Fault.SENSOR_NOT_FINITE)
    armed.send("DISARM")
    assert (armed.firmware.mode, armed.firmware.faults) == (Mode.DISARMED, Fault(0))


def test_an_emergency_stop_after_a_fault_keeps_the_fault(armed):
    break_sensor(armed)
    armed.send("ESTOP")
    assert armed.firmware.faults == Fault.SENSOR_NOT_FINITE | Fault.ESTOP


def test_arming_makes_the_position_zero(bench):
    for _ in range(200):
        bench.firmware.sensors.wheel_left += 0.01
        bench.firmware.sensors.wheel_right += 0.01
        bench.tick()
    bench.tick(100)
    before = bench.state.position
    bench.arm()
    bench.period()
    assert before == pytest.approx(0.1, abs=1e-3)
    assert bench.state.position == pytest.approx(0.0, abs=1e-6)


def test_a_second_arm_while_armed_leaves_the_position_alone(armed):
    for _ in range(50):
        armed.firmware.sensors.wheel_left += 0.01
        armed.firmware.sensors.wheel_right += 0.01
        armed.tick()
    armed.send("ARM", BOARD.boot_id, armed.state.state_seq)
    armed.period()
    assert armed.state.position > 0.02


def test_arming_with_another_boot_id_is_refused(bench):
    bench.send("ARM", BOARD.boot_id + 1, bench.state.state_seq)
    assert (bench.firmware.mode, bench.last_reject()) == (Mode.DISARMED, Reject.WRONG_BOOT)


def test_arming_on_a_state_never_sent_is_refused(bench):
    bench.send("ARM", BOARD.boot_id, bench.state.state_seq + 1)
    assert (bench.firmware.mode, bench.last_reject()) == (Mode.DISARMED, Reject.FUTURE)


def test_arming_before_any_state_was_sent_is_refused():
    bench = Bench()
    bench.tick()
    bench.send("ARM", BOARD.boot_id, 0)
    assert (bench.firmware.mode, bench.last_reject()) == (Mode.DISARMED, Reject.FUTURE)


@pytest.mark.parametrize(("age_ticks", "granted"), [(99, True), (100, True), (101, False), (1000, False)])
def test_arming_needs_a_state_of_at_most_the_timeout(bench, age_ticks, granted):
    seq = bench.state.state_seq
    bench.tick(age_ticks)
    bench.send("ARM", BOARD.boot_id, seq)
    assert bench.firmware.mode == (Mode.ARMED if granted else Mode.DISARMED)
    if not granted:
        assert bench.last_reject() == Reject.STALE


@pytest.mark.parametrize("stop", ["DISARM", "ESTOP"])
def test_the_copy_of_an_arm_does_not_undo_the_stop_that_followed_it(bench, stop):
    seq = bench.state.state_seq
    bench.send("ARM", BOARD.boot_id, seq)
    bench.send(stop)
    bench.send("DISARM")
    bench.send("ARM", BOARD.boot_id, seq)
    assert (bench.firmware.mode, bench.last_reject()) == (Mode.DISARMED, Reject.REPEATED)
    bench.arm()
    assert bench.firmware.mode == Mode.ARMED


def test_arming_before_the_first_sensor_sample_is_refused():
    bench = Bench()
    bench.firmware.sensors.fresh = 0
    bench.tick(TICKS_PER_STATE)
    bench.arm()
    assert (bench.firmware.mode, bench.last_reject()) == (Mode.DISARMED, Reject.FAULT_ACTIVE)
    assert bench.firmware.faults == Fault.SENSOR_STALE


def leaning(pitch: float) -> Bench:
    """A bench at rest at that pitch."""
    bench = Bench()
    bench.firmware.sensors.accel_x = -9.81 * math.sin(pitch)
    bench.firmware.sensors.accel_z = 9.81 * math.cos(pitch)
    bench.tick(TICKS_PER_STATE)
    return bench


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("pitch", "granted"), [(0.3499, True), (0.3501, False), (0.69, False), (1.5, False)])
def test_arming_beyond_the_arming_tilt_is_refused(pitch, sign, granted):
    bench = leaning(sign * pitch)
    assert bench.state.pitch == pytest.approx(sign * pitch, abs=1e-5)
    bench.arm()
    assert bench.firmware.mode == (Mode.ARMED if granted else Mode.DISARMED)
    if not granted:
        assert bench.last_reject() == Reject.TILTED


def test_arming_within_the_arming_tilt_but_beyond_a_tightened_tilt_limit_is_refused():
    bench = leaning(0.3)
    bench.send("PARAM_SET", Param.TILT_RAD, 0.2)
    bench.arm()
    assert (bench.firmware.mode, bench.last_reject()) == (Mode.DISARMED, Reject.TILTED)


def test_a_refused_arm_is_no_rejected_command(bench):
    bench.send("ARM", BOARD.boot_id + 1, bench.state.state_seq)
    bench.period()
    assert bench.state.rejected == 0


def test_the_host_learns_who_answers(bench):
    bench.send("HELLO", PROTOCOL_VERSION + 5, 0)
    assert bench.others == [("IDENTITY", (PROTOCOL_VERSION, SPEC_HASH_U64, BOARD.boot_id, 0x100, BOARD.robot_id))]


def test_a_time_request_is_answered_with_the_time_of_the_last_tick(bench):
    bench.tick(2)
    bench.send("TIME_REQUEST", -5)
    assert bench.others == [("TIME_REPLY", (-5, 7000))]


def test_the_clock_starts_where_the_board_says():
    bench = Bench(Board(boot_id=1, robot_id=1, wheel_radius_m=0.05, initial_time_us=1 << 40))
    bench.tick(TICKS_PER_STATE)
    assert bench.state.mcu_time_us == (1 << 40) + 5000


def test_lost_time_is_reported_with_its_length(bench):
    bench.firmware.lost_time(37.5)
    bench.collect()
    assert bench.events[-1] == (Event.TIME_SLIPPED, 0, 37.5)
