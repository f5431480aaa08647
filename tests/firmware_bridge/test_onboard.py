"""A policy on the microcontroller drives only where COMMANDs would, as long as they would, and within every limit."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from robot_il.spec import LIMITS, STATE_SIGNALS, TICKS_PER_STATE, Event, Fault, Mode, Param, Reject
from tests.firmware_bridge.c_messages import STRUCTS
from tests.firmware_bridge.conftest import Bench

TIMEOUT_TICKS = LIMITS.command_timeout_ms
STATE_STRUCT = STRUCTS["STATE"]
_Begin = ctypes.CFUNCTYPE(None, ctypes.POINTER(STATE_STRUCT))
_GoOn = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.POINTER(ctypes.c_float))


class _Policy(ctypes.Structure):
    _fields_ = (("begin", _Begin), ("go_on", _GoOn))


class Scripted:
    """A policy in Python in the firmware's slot.

    Attributes:
        torque: what it gives, in N m; a function of what it saw, or a number.
        takes_ticks: how many calls it takes to its torque.
        seen: what it was shown at each beginning.
    """

    def __init__(self, bench: Bench, every_ticks: int = TICKS_PER_STATE, torque: float = 2.0) -> None:
        self.torque: float | Callable[[dict], float] = torque
        self.takes_ticks = 1
        self.seen: list[dict] = []
        self._left = 0
        self._library, self._mcu = bench.firmware._library, bench.firmware._mcu
        self._struct = _Policy(_Begin(self._begin), _GoOn(self._go_on))
        self._library.ril_mcu_carry.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        self._library.ril_mcu_policy_every.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
        self._library.ril_mcu_carry(self._mcu, ctypes.addressof(self._struct))
        self.ask(every_ticks)

    def ask(self, every_ticks: int) -> None:
        self._library.ril_mcu_policy_every(self._mcu, every_ticks)

    def _begin(self, state) -> None:
        self.seen.append({name: getattr(state.contents, name) for name, _ in STATE_STRUCT._fields_})
        self._left = self.takes_ticks

    def _go_on(self, total) -> bool:
        self._left -= 1
        if self._left > 0:
            return False
        total[0] = self.torque(self.seen[-1]) if callable(self.torque) else self.torque
        return True


@pytest.fixture
def policy(bench: Bench) -> Scripted:
    return Scripted(bench)


def armed(bench: Bench) -> None:
    bench.arm()
    bench.period()


def test_without_a_command_since_arming_nothing_drives_and_the_policy_is_not_asked(bench, policy):
    armed(bench)
    bench.tick(50)
    assert bench.torques == (0.0, 0.0)
    assert policy.seen == []


def test_with_commands_the_policys_sum_drives_and_not_theirs(bench, policy):
    armed(bench)
    bench.drive(-0.5, periods=4)
    assert bench.torques == (1.0, 1.0)


def test_the_difference_of_the_wheels_stays_the_commands(bench, policy):
    armed(bench)
    bench.drive(-0.25, 0.25, periods=4)
    assert bench.torques == (0.75, 1.25)


def test_a_new_difference_counts_from_the_command_on(bench, policy):
    armed(bench)
    bench.drive(0.0, periods=4)
    bench.period()
    bench.command(0.125, -0.125)
    bench.tick()
    assert bench.torques == (1.125, 0.875)


def test_the_policy_is_shown_what_the_state_says(bench, policy):
    bench.firmware.sensors.gyro_pitch = 0.3
    armed(bench)
    bench.drive(0.0, periods=2)
    bench.period()
    state = bench.state._asdict()
    shown = policy.seen[-1]
    names = [signal.name for signal in STATE_SIGNALS if not signal.name.startswith("applied")]
    assert {name: shown[name] for name in names} == {name: state[name] for name in names}
    assert shown["pitch"] > 0.0


@pytest.mark.parametrize("every_ticks", [1, 2, 5])
def test_the_policy_is_asked_at_its_rate(bench, policy, every_ticks):
    policy.ask(every_ticks)
    armed(bench)
    bench.drive(0.0, periods=5)
    times = [seen["mcu_time_us"] for seen in policy.seen]
    assert {after - before for before, after in pairwise(times)} == {1000 * every_ticks}


def test_a_policy_that_nobody_asks_for_leaves_the_commands_alone(bench, policy):
    policy.ask(0)
    armed(bench)
    bench.drive(-0.5, periods=4)
    assert bench.torques == (-0.5, -0.5)
    assert policy.seen == []


def test_an_empty_slot_that_is_asked_for_leaves_the_commands_alone(bench, policy):
    bench.firmware._library.ril_mcu_carry(bench.firmware._mcu, None)
    armed(bench)
    bench.drive(-0.5, periods=4)
    assert bench.torques == (-0.5, -0.5)


def test_taking_the_request_back_brings_the_commands_torque_back_within_the_tick(bench, policy):
    armed(bench)
    bench.drive(0.25, periods=4)
    assert bench.torques == (1.0, 1.0)
    policy.ask(0)
    bench.tick()
    assert bench.torques == (0.25, 0.25)


def test_the_policy_stops_100_ms_after_the_last_fresh_command_however_well_it_works(bench, policy):
    policy.ask(1)
    armed(bench)
    bench.period()
    bench.command(0.0)
    bench.tick(TIMEOUT_TICKS - 1)
    assert bench.firmware.mode is Mode.ARMED
    assert bench.torques == (1.0, 1.0)
    asked = len(policy.seen)
    bench.tick()
    assert bench.firmware.mode is Mode.STOPPED
    assert bench.torques == (0.0, 0.0)
    assert bench.firmware.faults & Fault.COMMAND_TIMEOUT
    bench.tick(50)
    assert bench.torques == (0.0, 0.0)
    assert len(policy.seen) == asked


@pytest.mark.parametrize("reject", [Reject.REPEATED, Reject.NOT_FINITE, Reject.OUT_OF_RANGE])
def test_commands_that_are_refused_do_not_keep_the_policy_alive(bench, policy, reject):
    policy.ask(1)
    armed(bench)
    bench.period()
    bench.command(0.0)
    answered = bench.state.state_seq
    for number in range(TIMEOUT_TICKS // TICKS_PER_STATE):
        bench.period()
        seq = bench.state.state_seq
        values = {
            Reject.REPEATED: (number + 2, answered, 0.0, 0.0, 0.0),
            Reject.NOT_FINITE: (number + 2, seq, math.nan, 0.0, 0.0),
            Reject.OUT_OF_RANGE: (number + 2, seq, 4.5, 0.0, 0.0),
        }[reject]
        bench.send("COMMAND", *values)
    assert (Event.REJECTED, reject, 0.0) in bench.events
    assert bench.firmware.mode is Mode.STOPPED
    assert bench.torques == (0.0, 0.0)


@pytest.mark.parametrize("stop", ["DISARM", "ESTOP"])
def test_a_stop_ends_the_policy_at_once(bench, policy, stop):
    armed(bench)
    bench.drive(0.0, periods=4)
    bench.send(stop)
    assert bench.torques == (0.0, 0.0)
    bench.tick(20)
    assert bench.torques == (0.0, 0.0)


def test_a_tilt_ends_the_policy_as_it_ends_commands(bench, policy):
    armed(bench)
    bench.drive(0.0, periods=4)
    bench.firmware.sensors.gyro_pitch = 8.0
    for _ in range(40):
        bench.period()
        bench.command(0.0)
    assert bench.firmware.mode is Mode.STOPPED
    assert bench.firmware.faults & Fault.TILT
    assert bench.torques == (0.0, 0.0)


def test_after_a_stop_and_a_new_arming_the_policy_waits_for_a_command_again(bench, policy):
    armed(bench)
    bench.drive(0.0, periods=4)
    bench.send("DISARM")
    armed(bench)
    bench.tick(20)
    assert bench.torques == (0.0, 0.0)
    bench.drive(0.0, periods=4)
    assert bench.torques == (1.0, 1.0)


@pytest.mark.parametrize("torque", [math.nan, math.inf, -math.inf, 8.000001, -8.000001, 1e30])
def test_a_policy_without_a_torque_hands_back_to_the_commands_until_the_next_arming(bench, policy, torque):
    armed(bench)
    bench.drive(0.25, periods=4)
    policy.torque = torque
    bench.drive(0.25, periods=2)
    assert bench.torques == (0.25, 0.25)
    policy.torque = 2.0
    bench.drive(0.25, periods=4)
    assert bench.torques == (0.25, 0.25)
    bench.send("DISARM")
    armed(bench)
    bench.drive(0.25, periods=4)
    assert bench.torques == (1.0, 1.0)


def test_a_policy_that_never_gave_a_torque_leaves_the_commands_alone(bench, policy):
    policy.torque = math.nan
    armed(bench)
    bench.drive(0.25, periods=4)
    assert bench.torques == (0.25, 0.25)
    assert len(policy.seen) == 1


@pytest.mark.parametrize("torque", [8.0, -8.0])
def test_the_whole_range_is_the_policys(bench, policy, torque):
    policy.torque = torque
    armed(bench)
    bench.drive(0.0, periods=6)
    assert bench.torques == (torque / 2, torque / 2)


def test_what_the_difference_adds_beyond_a_wheels_limit_is_cut_off(bench, policy):
    policy.torque = 8.0
    armed(bench)
    bench.drive(-0.5, 0.5, periods=6)
    assert bench.torques == (3.5, 4.0)


def test_slew_and_tightened_limits_hold_for_the_policy(bench, policy):
    policy.torque = 8.0
    armed(bench)
    bench.send("PARAM_SET", Param.WHEEL_TORQUE_NM, 1.5)
    bench.period()
    bench.command(0.0)
    before = 0.0
    for _ in range(TICKS_PER_STATE * 3):
        bench.tick()
        after = bench.torques[0]
        assert abs(after - before) <= LIMITS.wheel_torque_slew_nm_s * 1e-3 + 1e-6
        before = after
    assert bench.torques == (1.5, 1.5)


def test_a_policy_that_takes_several_ticks_drives_once_it_knows(bench, policy):
    policy.takes_ticks = 4
    armed(bench)
    bench.drive(0.0, periods=1)
    bench.period()
    bench.command(0.0)
    bench.tick(TICKS_PER_STATE)
    assert len(policy.seen) == 2
    bench.tick(2)
    assert bench.torques[0] > 0.0


def test_a_policy_that_needs_its_whole_period_is_in_time(bench, policy):
    policy.takes_ticks = TICKS_PER_STATE
    armed(bench)
    bench.drive(0.0, periods=6)
    assert bench.torques == (1.0, 1.0)


def test_a_policy_that_is_late_hands_back_to_the_commands(bench, policy):
    policy.takes_ticks = TICKS_PER_STATE + 1
    armed(bench)
    bench.drive(0.25, periods=6)
    assert bench.torques == (0.25, 0.25)
    policy.takes_ticks = 1
    bench.drive(0.25, periods=6)
    assert bench.torques == (0.25, 0.25)


def test_a_policy_left_in_the_middle_by_a_stop_begins_anew(bench, policy):
    policy.takes_ticks = 4
    armed(bench)
    bench.drive(0.0, periods=2)
    bench.period()
    bench.send("DISARM")
    armed(bench)
    bench.drive(0.0, periods=4)
    assert bench.torques == (1.0, 1.0)


@pytest.mark.parametrize("takes_ticks", [1, 4])
def test_nothing_that_was_computed_before_a_stop_drives_after_it(bench, policy, takes_ticks):
    policy.takes_ticks = takes_ticks
    armed(bench)
    bench.drive(0.0, periods=3)
    bench.period()
    bench.send("DISARM")
    armed(bench)
    asked = len(policy.seen)
    bench.command(0.0)
    bench.tick(TICKS_PER_STATE - 1)
    assert (bench.torques, len(policy.seen)) == ((0.0, 0.0), asked)


def test_a_policy_that_is_not_wanted_any_more_in_the_middle_may_be_asked_again(bench, policy):
    policy.takes_ticks = 4
    armed(bench)
    bench.drive(0.25, periods=4)
    bench.period()
    bench.command(0.25)
    policy.ask(0)
    bench.tick(TICKS_PER_STATE - 1)
    assert bench.torques == (0.25, 0.25)
    policy.ask(TICKS_PER_STATE)
    bench.drive(0.25, periods=4)
    assert bench.torques == (1.0, 1.0)


def test_what_it_gave_before_it_was_not_wanted_does_not_come_back_with_the_next_command(bench, policy):
    armed(bench)
    bench.drive(0.25, periods=4)
    policy.ask(0)
    bench.tick()
    policy.ask(100 * TICKS_PER_STATE)
    bench.period()
    bench.command(0.5)
    bench.tick(2)
    assert bench.torques == (0.5, 0.5)


def test_safety_itself_lets_no_sum_in_before_a_command(bench):
    library, mcu = bench.firmware._library, bench.firmware._mcu
    library.ril_host_safety.restype, library.ril_host_safety.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
    library.ril_safety_drive_sum.restype = ctypes.c_bool
    library.ril_safety_drive_sum.argtypes = (ctypes.c_void_p, ctypes.c_float)
    safety = library.ril_host_safety(mcu)
    assert not library.ril_safety_drive_sum(safety, 2.0)
    bench.arm()
    assert bench.firmware.mode is Mode.ARMED
    assert not library.ril_safety_drive_sum(safety, 2.0)
    bench.tick(5)
    assert bench.torques == (0.0, 0.0)
    bench.command(0.0)
    assert library.ril_safety_drive_sum(safety, 2.0)
    bench.send("DISARM")
    assert not library.ril_safety_drive_sum(safety, 2.0)
    assert bench.torques == (0.0, 0.0)
