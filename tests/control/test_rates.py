"""The loop at 200 Hz, 500 Hz and 1 kHz: the same firmware, twin, guard and limits, only the rhythm differs."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from firmware_bridge.serial_device import SerialDevice
from robot_il.cli.drive import deployed_guard
from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import LinearController
from robot_il.control.guard import Decision
from robot_il.control.loop import ControlLoop
from robot_il.control.lqr import lqr_gain
from robot_il.control.supervisor import SupervisorState
from robot_il.errors import ProtocolError
from robot_il.robot import load_robot
from robot_il.spec import LOOP_RATES_HZ, Mode
from robot_il.tasks import TASKS
from sim.conditions import nominal, sample_conditions
from sim.lockstep import LockstepLink
from sim.twin import Twin

TASK = TASKS["stand"]


def lqr() -> LinearController:
    return LinearController(lqr_gain(load_robot(), TASK), TASK)


@pytest.mark.parametrize("rate_hz", LOOP_RATES_HZ)
def test_the_robot_reports_and_is_answered_at_the_rate_asked_for(rate_hz: int) -> None:
    with contextlib.closing(Twin(load_robot(), nominal(TASK), 1)) as twin:
        link = LockstepLink(twin)
        with contextlib.closing(SerialDevice(link)) as device:
            assert device.open(rate_hz).rate_hz == rate_hz
            loop = ControlLoop(device, link.clock, deployed_guard(lqr(), "reference", rate_hz=rate_hz), rate_hz=rate_hz)
            states = [arrival.state for arrival in loop.observe(10)]
            report = loop.run(rate_hz)
    assert set(np.diff([state.mcu_time_us for state in states])) == {1_000_000 // rate_hz}
    assert (report.outcome, report.controlled, report.rescued) == (SupervisorState.DISARMED, rate_hz, 0)
    assert (report.skipped, report.misses) == (0, 0)


@pytest.mark.parametrize("rate_hz", LOOP_RATES_HZ)
def test_the_lqr_stands_at_every_rate(rate_hz: int) -> None:
    rollout = Rollout("reference", TASK, 4.0, rate_hz=rate_hz)
    for seed in range(2):
        episode = rollout.run(lqr(), lqr(), sample_conditions(TASK, seed, load_robot()), seed)
        assert episode.survived
        assert episode.seconds == pytest.approx(4.0)


@pytest.mark.parametrize("rate_hz", LOOP_RATES_HZ)
def test_the_torque_changes_no_faster_at_a_higher_rate(rate_hz: int) -> None:
    decided: list[Decision] = []
    guard = deployed_guard(Jumping(), "reference", rate_hz=rate_hz)
    with contextlib.closing(Twin(load_robot(), nominal(TASK), 1)) as twin:
        link = LockstepLink(twin)
        with contextlib.closing(SerialDevice(link)) as device:
            device.open(rate_hz)
            loop = ControlLoop(
                device, link.clock, guard, on_tick=lambda state, made: decided.append(made), rate_hz=rate_hz
            )
            loop.run(50)
    changes = np.diff([made.limited_torque for made in decided if made.source == 1])
    assert np.abs(changes).max() == pytest.approx(guard.limits.torque_slew_nm_s / rate_hz)


class Jumping(LinearController):
    """Asks for all there is, one way and the other."""

    def __init__(self) -> None:
        super().__init__(lqr_gain(load_robot(), TASK), TASK)
        self._sign = 1.0

    def torque(self, state: object) -> float:
        self._sign = -self._sign
        return 100.0 * self._sign


def test_a_rate_that_the_firmware_has_not_is_refused_with_both_sides_named() -> None:
    with contextlib.closing(Twin(load_robot(), nominal(TASK), 1)) as twin:
        device = SerialDevice(LockstepLink(twin))
        with pytest.raises(ProtocolError, match=r"a STATE every 4 ms; came 5 ms"):
            device.open(250)


def test_the_rate_is_not_changed_while_armed_and_a_stopped_robot_is_disarmed_for_it() -> None:
    with contextlib.closing(Twin(load_robot(), nominal(TASK), 1)) as twin:
        link = LockstepLink(twin)
        with contextlib.closing(SerialDevice(link)) as device:
            device.open(1000)
            device.read(link.clock.now_ns() + 10_000_000)
            device.request("arm")
            while twin.mode != Mode.STOPPED:  # nobody answers: the MCU stops and latches
                device.read(link.clock.now_ns() + 10_000_000)
            assert device.open(200).rate_hz == 200
            assert twin.mode == Mode.DISARMED
            state = device.read(link.clock.now_ns() + 10_000_000)
            following = device.read(link.clock.now_ns() + 10_000_000)
            assert state is not None
            assert following is not None
            assert following.mcu_time_us - state.mcu_time_us == 5000
