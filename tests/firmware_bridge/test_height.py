"""The height that the legs are told to hold: who moves it, how fast, how far, and when it stays."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from firmware_bridge.hostlib import Board
from robot_il.spec import LIMITS, Mode, Reject
from tests.firmware_bridge.conftest import BOARD, Bench
from tests.firmware_bridge.test_commands import above, assert_rejected, below

LOW, BOOT, HIGH = 0.25, 0.3125, 0.375  # floats hold them exactly
LEGGED = dataclasses.replace(BOARD, height_low_m=LOW, height_m=BOOT, height_high_m=HIGH)
STEP_M = LIMITS.height_rate_m_s * 1e-3


def up(board: Board = LEGGED) -> Bench:
    """A robot with legs, armed, that has accepted a command to stay."""
    bench = Bench(board)
    bench.arm()
    bench.period()
    bench.command(0.0)
    return bench


@pytest.fixture
def legs() -> Bench:
    return up()


def heights(bench: Bench, ticks: int) -> list[float]:
    """Of each tick while the host answers every STATE with the height that was asked for last."""
    seen = []
    for _ in range(ticks):
        bench.tick()
        seen.append(bench.firmware.height)
    return seen


def ask(bench: Bench, height: float, periods: int = 1) -> None:
    """Answers each STATE of some periods with that height."""
    for _ in range(periods):
        bench.period()
        bench.command(0.0, height=height)


def test_the_height_at_boot_is_the_boards():
    bench = Bench(LEGGED)
    bench.tick(5)
    assert (bench.firmware.height, bench.state.height) == (BOOT, BOOT)


def test_the_height_of_the_state_asks_for_nothing(legs):
    ask(legs, HIGH, periods=3)
    reached = [legs.state.height]
    for _ in range(20):
        legs.period()
        legs.command(0.0)
        reached.append(legs.state.height)
    assert max(reached) - reached[0] <= 5 * STEP_M
    assert len(set(reached[5:])) == 1


@pytest.mark.parametrize(("asked", "direction"), [(HIGH, 1), (LOW, -1)])
def test_the_height_moves_at_the_rate_of_the_spec_and_arrives_to_the_bit(legs, asked, direction):
    ask(legs, asked)
    steps = np.diff([BOOT, *heights(legs, 4)])
    assert steps == pytest.approx(direction * STEP_M, abs=1e-7)
    ask(legs, asked, periods=140)
    assert (legs.firmware.height, legs.state.height) == (asked, asked)


def test_between_its_ends_the_height_is_never_beyond_what_was_asked(legs):
    target = BOOT + 2.5 * STEP_M
    ask(legs, target)
    assert heights(legs, 4)[2:] == [np.float32(target)] * 2


def test_a_new_height_is_gone_to_from_where_the_legs_are(legs):
    ask(legs, HIGH, periods=20)
    reached = legs.firmware.height
    ask(legs, LOW)
    after = heights(legs, 1)[0]
    assert BOOT < reached < HIGH
    assert after < reached + 5 * STEP_M
    assert heights(legs, 4)[-1] < after


@pytest.mark.parametrize("asked", [LOW, HIGH, above(LOW), below(HIGH)])
def test_a_height_up_to_the_ends_is_accepted(legs, asked):
    ask(legs, asked, periods=3)
    legs.period()
    assert legs.state.rejected == 0


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (below(LOW), Reject.OUT_OF_RANGE),
        (above(HIGH), Reject.OUT_OF_RANGE),
        (-BOOT, Reject.OUT_OF_RANGE),
        (3e38, Reject.OUT_OF_RANGE),
        (math.nan, Reject.NOT_FINITE),
        (math.inf, Reject.NOT_FINITE),
        (-math.inf, Reject.NOT_FINITE),
    ],
)
def test_a_height_beyond_them_rejects_the_whole_command(legs, asked, reason):
    legs.drive(1.0)
    legs.period()
    legs.command(0.5, height=asked)
    assert_rejected(legs, reason)
    assert (legs.torques, legs.firmware.height) == ((1.0, 1.0), BOOT)


@pytest.mark.parametrize("torque", [math.nan, 9.0])
def test_a_command_that_is_rejected_for_its_torque_moves_no_leg(legs, torque):
    legs.period()
    legs.command(torque, height=HIGH)
    assert set(heights(legs, 4)) == {BOOT}


def test_after_a_rejected_command_the_legs_go_on_to_the_last_accepted_height(legs):
    ask(legs, HIGH)
    legs.period()
    legs.command(0.0, height=math.nan)
    assert heights(legs, 1)[0] > BOOT + 5 * STEP_M


def test_commands_that_are_all_rejected_for_their_height_trip_the_watchdog(legs):
    ask(legs, above(HIGH), periods=LIMITS.command_timeout_ms // 5 - 1)
    assert (legs.firmware.mode, legs.last_reject()) == (Mode.ARMED, Reject.OUT_OF_RANGE)
    ask(legs, above(HIGH), periods=2)
    assert legs.firmware.mode == Mode.STOPPED
    assert legs.torques == (0.0, 0.0)


def test_before_arming_no_command_moves_a_leg():
    bench = Bench(LEGGED)
    bench.period()
    bench.command(0.0, height=HIGH)
    assert bench.last_reject() == Reject.NOT_ARMED
    assert set(heights(bench, 20)) == {BOOT}


def disarm(bench: Bench) -> None:
    bench.send("DISARM")


def estop(bench: Bench) -> None:
    bench.send("ESTOP")


def stop(bench: Bench) -> None:
    """By a fault that the next tick finds."""
    bench.firmware.sensors.accel_z = math.nan
    bench.tick()
    bench.firmware.sensors.accel_z = 9.81


@pytest.mark.parametrize(("leave", "mode"), [(disarm, Mode.DISARMED), (estop, Mode.ESTOPPED), (stop, Mode.STOPPED)])
def test_whatever_ends_armed_freezes_the_height_on_its_way(legs, leave, mode):
    ask(legs, HIGH, periods=10)
    on_its_way = legs.firmware.height
    leave(legs)
    assert legs.firmware.mode == mode
    assert on_its_way < HIGH
    assert set(heights(legs, 100)) == {on_its_way}


def test_a_silent_host_leaves_the_legs_after_the_watchdog_and_not_farther(legs):
    ask(legs, HIGH)
    seen = heights(legs, 200)
    assert legs.firmware.mode == Mode.STOPPED
    assert seen[-1] - BOOT <= LIMITS.height_rate_m_s * LIMITS.command_timeout_ms * 1e-3 + 1e-6
    assert len(set(seen[LIMITS.command_timeout_ms :])) == 1


def test_a_new_arming_forgets_where_the_legs_were_going(legs):
    ask(legs, HIGH, periods=10)
    legs.send("DISARM")
    kept = legs.firmware.height
    legs.arm()
    assert set(heights(legs, 50)) == {kept}
    ask(legs, LOW)
    assert heights(legs, 2)[-1] < kept


@pytest.mark.parametrize(
    "broken",
    [
        {"height_low_m": math.nan},
        {"height_high_m": math.nan},
        {"height_low_m": -math.inf},
        {"height_high_m": math.inf},
        {"height_low_m": HIGH, "height_high_m": LOW},
        {"height_m": above(HIGH)},
        {"height_m": below(LOW)},
    ],
    ids=str,
)
def test_a_board_that_contradicts_itself_has_legs_that_do_not_move(broken):
    board = dataclasses.replace(LEGGED, **broken)
    bench = up(board)
    assert bench.state.height == np.float32(board.height_m)
    ask(bench, 0.3)
    assert bench.last_reject() == Reject.OUT_OF_RANGE
    assert set(heights(bench, 4)) == {np.float32(board.height_m)}


@pytest.mark.parametrize("unknown", [math.nan, math.inf])
def test_a_board_that_does_not_know_its_height_says_zero(unknown):
    bench = up(dataclasses.replace(LEGGED, height_m=unknown))
    assert bench.state.height == 0.0
    ask(bench, BOOT)
    assert bench.last_reject() == Reject.OUT_OF_RANGE


def test_a_robot_without_legs_takes_its_one_height_and_no_other():
    bench = up(dataclasses.replace(BOARD, height_low_m=0.05, height_m=0.05, height_high_m=0.05))
    ask(bench, 0.05, periods=3)
    bench.period()
    assert bench.state.rejected == 0
    ask(bench, above(0.05))
    assert_rejected(bench, Reject.OUT_OF_RANGE)


def test_a_reset_leaves_the_legs_where_they_are(legs):
    ask(legs, HIGH, periods=30)
    before = legs.firmware.height
    legs.firmware.reset()
    legs.tick(10)
    assert BOOT < before == legs.firmware.height == legs.state.height
