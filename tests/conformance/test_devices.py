"""What every device promises to the loop."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from robot_il.control.clock import Clock
from robot_il.control.device import Device, Identity, State
from robot_il.control.guard import implausible_signal
from robot_il.spec import Mode

from .members import DEVICES

PERIOD_NS = 5_000_000


@pytest.fixture(params=DEVICES)
def opened(request: pytest.FixtureRequest) -> Iterator[tuple[Device, Clock]]:
    with DEVICES[request.param]() as (device, clock):
        assert isinstance(device.open(), Identity)
        yield device, clock
        device.close()


def following(device: Device, clock: Clock) -> State:
    state = device.read(clock.now_ns() + 10 * PERIOD_NS)
    assert state is not None
    return state


def until_mode(device: Device, clock: Clock, mode: Mode) -> State:
    for _ in range(40):
        state = following(device, clock)
        if state.mode == mode:
            return state
    raise AssertionError(f"never reached {mode.name}, stayed in {Mode(state.mode).name}")


def test_states_come_in_order_at_the_control_rate(opened) -> None:
    states = [following(*opened) for _ in range(20)]
    assert [s.state_seq - states[0].state_seq for s in states] == list(range(20))
    assert {b.mcu_time_us - a.mcu_time_us for a, b in itertools.pairwise(states)} == {5000}


def test_every_state_is_plausible_and_starts_disarmed(opened) -> None:
    for _ in range(20):
        state = following(*opened)
        assert implausible_signal(state) is None
        assert state.mode == Mode.DISARMED


def test_a_deadline_that_has_passed_returns_without_waiting(opened) -> None:
    device, clock = opened
    following(device, clock)
    before = clock.now_ns()
    assert device.read(before) is None
    assert clock.now_ns() - before < PERIOD_NS


def test_arm_and_disarm_show_in_the_mode(opened) -> None:
    device, clock = opened
    following(device, clock)
    device.request("arm")
    until_mode(device, clock, Mode.ARMED)
    device.request("disarm")
    until_mode(device, clock, Mode.DISARMED)


def test_an_emergency_stop_works_from_disarmed_and_from_armed(opened) -> None:
    device, clock = opened
    following(device, clock)
    device.request("estop")
    until_mode(device, clock, Mode.ESTOPPED)
    device.request("disarm")
    until_mode(device, clock, Mode.DISARMED)
    device.request("arm")
    until_mode(device, clock, Mode.ARMED)
    device.request("estop")
    until_mode(device, clock, Mode.ESTOPPED)


def test_commands_have_rising_numbers_that_the_robot_acknowledges(opened) -> None:
    device, clock = opened
    following(device, clock)
    device.request("arm")
    until_mode(device, clock, Mode.ARMED)
    sent = []
    for _ in range(20):
        sent.append(device.write(0.1, 0.1))
        state = following(device, clock)
    assert sent == list(range(sent[0], sent[0] + 20))
    assert sent[-1] - 2 <= state.command_seq <= sent[-1]


def test_a_clean_exchange_counts_no_errors(opened) -> None:
    device, clock = opened
    for _ in range(20):
        following(device, clock)
    assert (device.statistics.undecodable, device.statistics.missing_states) == (0, 0)
