"""Which commands are accepted, and what the drives get of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from firmware_bridge.hostlib import Board
from robot_il.spec import LIMITS, TICKS_PER_STATE, Event, Mode, Param, Reject
from tests.firmware_bridge.conftest import BOARD, Bench

LIMIT = LIMITS.wheel_torque_nm
SLEW_A_TICK = LIMITS.wheel_torque_slew_nm_s * 1e-3


def above(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(math.inf)))


def below(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(-math.inf)))


def assert_rejected(bench: Bench, reason: Reject, *, rejected: int = 1) -> None:
    assert bench.last_reject() == reason
    bench.period()
    assert bench.state.rejected == rejected


@pytest.mark.parametrize("torque", [LIMIT, below(LIMIT), -LIMIT, 0.0, -0.0, 1e-40])
def test_a_torque_up_to_the_limit_is_accepted(armed, torque):
    armed.drive(torque)
    assert armed.torques == (pytest.approx(torque), pytest.approx(torque))
    assert armed.state.rejected == 0


@pytest.mark.parametrize("wheel", [0, 1])
@pytest.mark.parametrize("torque", [above(LIMIT), -above(LIMIT), 3e38])
def test_a_torque_beyond_the_limit_of_either_wheel_is_rejected_not_clipped(armed, wheel, torque):
    armed.drive(1.0)
    armed.period()
    armed.command(*((torque, 0.5) if wheel == 0 else (0.5, torque)))
    assert_rejected(armed, Reject.OUT_OF_RANGE)
    assert armed.torques == (1.0, 1.0)


@pytest.mark.parametrize("wheel", [0, 1])
@pytest.mark.parametrize("torque", [math.nan, math.inf, -math.inf])
def test_a_torque_that_is_not_finite_is_rejected(armed, wheel, torque):
    armed.drive(1.0)
    armed.period()
    armed.command(*((torque, 0.5) if wheel == 0 else (0.5, torque)))
    assert_rejected(armed, Reject.NOT_FINITE)
    assert armed.torques == (1.0, 1.0)


def test_a_command_before_arming_is_rejected(bench):
    bench.command(1.0)
    assert_rejected(bench, Reject.NOT_ARMED)
    assert bench.torques == (0.0, 0.0)


def test_a_command_that_answers_a_state_from_before_arming_is_rejected(bench):
    bench.arm()
    bench.command(1.0)
    assert_rejected(bench, Reject.REPEATED)


def test_a_second_answer_to_the_same_state_is_rejected(armed):
    armed.command(1.0)
    assert_rejected(armed, Reject.REPEATED)


@pytest.mark.parametrize("step", [0, -1, -1000, 1 << 31])
def test_a_command_whose_number_did_not_rise_is_rejected(armed, step):
    armed.drive(0.5, periods=2000 // TICKS_PER_STATE)
    armed.period()
    armed.send("COMMAND", (armed.command_seq + step) % (1 << 32), armed.state.state_seq, 1.0, 1.0, 0.0)
    assert_rejected(armed, Reject.REPEATED)


def test_a_command_with_number_zero_is_rejected(bench):
    bench.arm()
    bench.period()
    bench.send("COMMAND", 0, bench.state.state_seq, 1.0, 1.0, 0.0)
    assert_rejected(bench, Reject.REPEATED)


@pytest.mark.parametrize("step", [1, 2, 1000, (1 << 31) - 1])
def test_a_command_number_may_skip(armed, step):
    armed.period()
    armed.send("COMMAND", armed.command_seq + step, armed.state.state_seq, 1.0, 1.0, 0.0)
    armed.period()
    assert (armed.state.command_seq, armed.state.rejected) == (armed.command_seq + step, 0)


@pytest.mark.parametrize("ahead", [1, 2, 1000, (1 << 31) - 1])
def test_a_command_that_answers_a_state_never_sent_is_rejected(armed, ahead):
    armed.period()
    armed.send("COMMAND", armed.command_seq + 1, armed.state.state_seq + ahead, 1.0, 1.0, 0.0)
    assert_rejected(armed, Reject.FUTURE)


@pytest.mark.parametrize(
    ("periods_ago", "reason"),
    [(1, Reject.REPEATED), (20, Reject.REPEATED), (21, Reject.STALE), (31, Reject.STALE), (32, Reject.STALE)],
)
def test_an_older_state_is_repeated_up_to_the_timeout_and_stale_beyond(armed, periods_ago, reason):
    armed.drive(0.5, periods=40)
    armed.period()
    armed.send("COMMAND", armed.command_seq + 1, armed.state.state_seq - periods_ago, 1.0, 1.0, 0.0)
    assert_rejected(armed, reason)


def test_the_number_of_the_last_accepted_command_is_reported(armed):
    armed.drive(0.1, periods=5)
    armed.period()
    armed.command(math.nan)
    armed.period()
    assert armed.state.command_seq == armed.command_seq - 1


def test_the_count_of_rejected_commands_is_exact_and_its_event_rare(armed):
    armed.events.clear()
    for _ in range(100):
        armed.period()
        armed.command(1.0)
        armed.command(1.0)
    armed.period()
    assert armed.state.rejected == 100
    assert len([event for event, _, _ in armed.events if event == Event.REJECTED]) == 5  # in 500 ms


def test_each_reason_has_its_own_rate_limit(armed):
    armed.events.clear()
    armed.command(1.0)
    armed.command(math.nan)
    reasons = [argument for event, argument, _ in armed.events if event == Event.REJECTED]
    assert reasons == [Reject.REPEATED, Reject.NOT_FINITE]


def test_commands_pass_the_wrap_of_both_sequence_numbers():
    bench = Bench(Board(boot_id=BOARD.boot_id, robot_id=1, wheel_radius_m=0.05, initial_state_seq=(1 << 32) - 20))
    bench.tick(TICKS_PER_STATE)
    bench.arm()
    for command_seq in [(1 << 32) - 20 + step for step in range(20)] + list(range(1, 21)):
        bench.period()
        bench.send("COMMAND", command_seq, bench.state.state_seq, 0.5, 0.5, 0.0)
    bench.period()
    assert (bench.firmware.mode, bench.state.rejected, bench.state.command_seq) == (Mode.ARMED, 0, 20)
    assert bench.state.state_seq < 100


def test_after_a_new_arming_a_host_may_count_from_one_again(armed):
    armed.drive(0.5, periods=100)
    armed.send("DISARM")
    armed.arm()
    armed.command_seq = 0
    armed.drive(0.5)
    assert armed.torques == (0.5, 0.5)


def test_the_torque_between_arming_and_the_first_command_is_zero(bench):
    bench.arm()
    bench.tick(LIMITS.command_timeout_ms - 1)
    assert (bench.firmware.mode, bench.torques) == (Mode.ARMED, (0.0, 0.0))


def test_a_new_arming_keeps_nothing_of_the_torque_before(armed):
    armed.drive(2.0)
    armed.send("DISARM")
    armed.arm()
    armed.tick(3)
    assert (armed.firmware.mode, armed.torques) == (Mode.ARMED, (0.0, 0.0))


def test_the_last_torque_holds_between_commands(armed):
    armed.drive(1.5, -1.5)
    armed.tick(50)
    assert armed.torques == (1.5, -1.5)


def test_the_applied_torque_slews_to_the_command(armed):
    armed.period()
    armed.command(4.0, -4.0)
    seen = []
    for _ in range(7):
        armed.tick()
        seen.append(armed.torques)
    expected = [min(4.0, SLEW_A_TICK * step) for step in range(1, 8)]
    assert [left for left, _ in seen] == pytest.approx(expected)
    assert [right for _, right in seen] == pytest.approx([-torque for torque in expected])


def test_a_stop_does_not_slew(armed):
    armed.drive(4.0)
    assert armed.torques == (4.0, 4.0)
    armed.send("ESTOP")
    assert armed.torques == (0.0, 0.0)


def test_the_reported_torque_is_the_mean_over_the_period(armed):
    armed.period()
    armed.command(0.5, -0.5)
    armed.period()
    assert armed.state.applied_left == pytest.approx(0.4)  # the tick of the answered STATE had the torque before
    armed.command(0.5, -0.5)
    armed.period()
    assert (armed.state.applied_left, armed.state.applied_right) == (0.5, -0.5)


def spin(bench: Bench, rate: float, left: float = 0.5, right: float = 0.5) -> None:
    """Spins both wheels at a constant rate until the estimate has settled; the torque command is kept up."""
    for _ in range(100):
        bench.command(left, right)
        for _ in range(TICKS_PER_STATE):
            bench.firmware.sensors.wheel_left += rate * 1e-3
            bench.firmware.sensors.wheel_right += rate * 1e-3
            bench.tick()


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize(("rate", "passes"), [(39.9, True), (40.1, False)])
def test_beyond_the_wheel_speed_limit_only_braking_torque_passes(armed, rate, passes, direction):
    driving, braking = 0.5 * direction, -0.5 * direction
    spin(armed, direction * rate, driving, braking)
    assert armed.torques == (driving if passes else 0.0, braking)


def test_at_the_wheel_speed_limit_driving_torque_passes(armed):
    spin(armed, 15.625)  # a rate that floats hold exactly
    rate = armed.state.wheel_velocity_left
    armed.send("PARAM_SET", Param.WHEEL_SPEED_RAD_S, rate)
    spin(armed, 15.625)
    assert armed.state.wheel_velocity_left == rate
    assert armed.torques == (0.5, 0.5)
    armed.send("PARAM_SET", Param.WHEEL_SPEED_RAD_S, below(rate))
    spin(armed, 15.625)
    assert armed.torques == (0.0, 0.0)
