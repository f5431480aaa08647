"""The watchdog is fed by fresh commands and by nothing else."""

from __future__ import annotations

import pytest

from firmware_bridge.protocol import encode
from robot_il.spec import (
    LIMITS,
    PROTOCOL_VERSION,
    SPEC_HASH_U64,
    TICKS_PER_STATE,
    Event,
    Fault,
    Mode,
    Param,
    Reject,
)
from tests.firmware_bridge.conftest import BOARD, Bench

DRIVEN_TICKS = LIMITS.command_timeout_ms - 1
"""Ticks that a fresh command lasts: in the next one, 100 ms after the STATE it answers, the wheels are off."""


def assert_stopped_and_latched(bench: Bench) -> None:
    """Zero torque, and neither time nor fresh commands nor ARM start the wheels again; DISARM and ARM do."""
    assert (bench.firmware.mode, bench.torques) == (Mode.STOPPED, (0.0, 0.0))
    assert bench.firmware.faults == Fault.COMMAND_TIMEOUT
    assert (Event.STOPPED, Fault.COMMAND_TIMEOUT, 0.0) in bench.events
    bench.drive(1.0, periods=100)
    bench.arm()
    bench.drive(1.0)
    assert (bench.firmware.mode, bench.torques) == (Mode.STOPPED, (0.0, 0.0))
    bench.send("DISARM")
    assert (bench.firmware.mode, bench.firmware.faults) == (Mode.DISARMED, Fault(0))
    bench.arm()
    bench.drive(1.0)
    assert (bench.firmware.mode, bench.torques) == (Mode.ARMED, (1.0, 1.0))


@pytest.fixture
def driving(armed: Bench) -> Bench:
    """An armed firmware at the tick of a STATE that was just answered with 1 N m."""
    armed.drive(1.0, periods=20)
    armed.period()
    armed.command(1.0)
    return armed


def test_a_host_that_was_killed_stops_the_wheels_at_the_timeout(driving):
    driving.tick(DRIVEN_TICKS)
    assert (driving.firmware.mode, driving.torques) == (Mode.ARMED, (1.0, 1.0))
    driving.tick()
    assert_stopped_and_latched(driving)


def test_the_stop_shows_in_the_next_state(driving):
    driving.tick(DRIVEN_TICKS + TICKS_PER_STATE)
    assert (driving.state.mode, driving.state.faults) == (Mode.STOPPED, Fault.COMMAND_TIMEOUT)


def test_a_frozen_host_that_wakes_up_finds_the_stop_latched(driving):
    driving.tick(10 * DRIVEN_TICKS)
    for seq in range(driving.state.state_seq - 30, driving.state.state_seq + 1):  # what it had not answered yet
        driving.command_seq += 1
        driving.send("COMMAND", driving.command_seq, seq, 1.0, 1.0, 0.0)
    assert_stopped_and_latched(driving)


@pytest.mark.parametrize("resend_every", [1, 5, 7])
def test_a_bridge_that_resends_the_last_command_trips_it(driving, resend_every):
    frame = encode("COMMAND", driving.command_seq, driving.state.state_seq, 1.0, 1.0, 0.0)
    for tick in range(DRIVEN_TICKS + 1):
        assert driving.firmware.mode == Mode.ARMED
        if tick % resend_every == 0:
            driving.firmware.receive(frame)
        driving.tick()
    assert_stopped_and_latched(driving)


@pytest.mark.parametrize("resend_every", [1, 5, 7])
def test_a_bridge_that_resends_the_last_command_with_a_rising_number_trips_it(driving, resend_every):
    answered = driving.state.state_seq
    for tick in range(DRIVEN_TICKS + 1):
        assert driving.firmware.mode == Mode.ARMED
        if tick % resend_every == 0:
            driving.command_seq += 1
            driving.send("COMMAND", driving.command_seq, answered, 1.0, 1.0, 0.0)
        driving.tick()
    assert_stopped_and_latched(driving)


def test_a_bridge_that_invents_state_numbers_trips_it(driving):
    for ahead in range(1, DRIVEN_TICKS + 2):
        driving.command_seq += 1
        driving.send("COMMAND", driving.command_seq, driving.state.state_seq + ahead, 1.0, 1.0, 0.0)
        driving.tick()
    assert_stopped_and_latched(driving)


@pytest.mark.parametrize(
    "chatter",
    [
        ("HELLO", PROTOCOL_VERSION, SPEC_HASH_U64),
        ("TIME_REQUEST", 1),
        ("PARAM_SET", Param.COMMAND_TIMEOUT_MS, 100.0),
        ("ARM", BOARD.boot_id, None),
        ("COMMAND", None, None, 9.0, 0.0, 0.0),
    ],
    ids=lambda chatter: chatter[0],
)
def test_a_live_link_without_accepted_commands_trips_it(driving, chatter):
    name, *values = chatter
    for _ in range(DRIVEN_TICKS + 1):
        fresh = [driving.state.state_seq if value is None else value for value in values]
        driving.send(name, *fresh)
        driving.tick()
    assert (driving.firmware.mode, driving.torques) == (Mode.STOPPED, (0.0, 0.0))


def test_a_host_that_arms_and_never_commands_trips_it(bench):
    bench.arm()
    bench.tick(DRIVEN_TICKS)
    assert bench.firmware.mode == Mode.ARMED
    bench.tick()
    assert bench.firmware.faults == Fault.COMMAND_TIMEOUT


@pytest.mark.parametrize(("lag_periods", "survives"), [(0, True), (1, True), (18, True), (19, False), (25, False)])
def test_a_host_that_lags_is_borne_as_long_as_what_it_answers_is_fresh(bench, lag_periods, survives):
    bench.arm()
    first = bench.state.state_seq + 1
    for _ in range(100):
        bench.period()
        answered = bench.state.state_seq - lag_periods
        if answered >= first:
            bench.command_seq += 1
            bench.send("COMMAND", bench.command_seq, answered, 1.0, 1.0, 0.0)
    assert (bench.firmware.mode == Mode.ARMED) == survives


@pytest.mark.parametrize(("silent_periods", "survives"), [(1, True), (19, True), (20, False)])
def test_silences_shorter_than_the_timeout_are_borne_again_and_again(armed, silent_periods, survives):
    for _ in range(20):
        armed.tick(silent_periods * TICKS_PER_STATE)
        armed.command(1.0)
    assert (armed.firmware.mode == Mode.ARMED) == survives


def test_a_tightened_timeout_trips_earlier(driving):
    driving.send("PARAM_SET", Param.COMMAND_TIMEOUT_MS, 12.5)
    driving.tick(12)
    assert driving.firmware.mode == Mode.ARMED
    driving.tick()
    assert driving.firmware.mode == Mode.STOPPED


def test_a_tightened_timeout_makes_commands_stale_earlier(driving):
    driving.send("PARAM_SET", Param.COMMAND_TIMEOUT_MS, 20.0)
    driving.period()
    driving.send("COMMAND", driving.command_seq + 1, driving.state.state_seq - 5, 1.0, 1.0, 0.0)
    assert driving.last_reject() == Reject.STALE
