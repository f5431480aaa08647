from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from robot_il.control.controllers import LinearController
from robot_il.control.device import State
from robot_il.control.guard import Decision, Guard, GuardLimits, LoopInput, implausible_signal
from robot_il.control.region import Region
from robot_il.control.schedule import as_told
from robot_il.control.shaping import LARGEST_YAW_LAG_RAD
from robot_il.control.supervisor import Reason, SupervisorState
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_PERIOD_S, LIMITS, STATE_SIGNALS, TORQUE_LIMIT_NM, Mode
from robot_il.tasks import TASKS

STAND = TASKS["stand"]
HEIGHT_M = as_told(load_robot().height_m)
RATE_LIMITED = GuardLimits()
INSTANT = GuardLimits(torque_slew_nm_s=1e9)


class Constant:
    """A controller that always asks for the same torque, or raises."""

    def __init__(self, torque: float | Exception) -> None:
        self.identity = {"name": "constant"}
        self.intent = math.nan
        self.answer = torque

    def reset(self) -> None: ...

    def torque(self, state: State) -> float:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


_sent = itertools.count(1)


def state(mode: Mode = Mode.ARMED, **changes: float) -> State:
    """A STATE newer than any made before."""
    number = next(_sent)
    values: dict = dict.fromkeys(State._fields, 0.0) | {"mcu_time_us": 5000 * number, "state_seq": number}
    values["height"] = HEIGHT_M
    return State(**values | {"battery": 24.0, "mode": int(mode), "faults": 0} | changes)


def running(
    controller: object,
    limits: GuardLimits = INSTANT,
    fallback: float = 0.125,
    region: Region | None = None,
    rate_hz: int = 200,
) -> Guard:
    guard = Guard(controller, Constant(fallback), limits, region=region, rate_hz=rate_hz)
    guard.decide(state(Mode.DISARMED), LoopInput.ARM_REQUESTED)
    assert guard.supervisor.state is SupervisorState.ARMING
    return guard


def test_nothing_is_sent_before_the_mcu_is_armed() -> None:
    guard = Guard(Constant(1.0), Constant(0.0))
    first = guard.decide(state(Mode.DISARMED))
    second = guard.decide(state(Mode.DISARMED), LoopInput.ARM_REQUESTED)
    assert (first.drive, first.request, second.drive, second.request) == (False, None, False, "arm")


def test_the_controller_drives_from_the_first_armed_state() -> None:
    decision = running(Constant(1.0)).decide(state())
    no_number = pytest.approx(math.nan, nan_ok=True)
    assert decision == Decision(True, None, no_number, 1.0, 1.0, 0.5, 0.5, 1, no_number)


@pytest.mark.parametrize("torque", [math.nan, math.inf, -math.inf, RuntimeError("broken")])
def test_a_controller_without_an_answer_is_replaced_in_the_same_tick(torque: float | Exception) -> None:
    guard = running(Constant(torque))
    decision = guard.decide(state())
    assert (decision.source, decision.limited_torque) == (2, 0.125)
    assert guard.supervisor.reasons == Reason.CONTROLLER_FAILED
    assert guard.failure


def test_a_failed_controller_never_gets_the_robot_back() -> None:
    controller = Constant(math.nan)
    guard = running(controller)
    guard.decide(state())
    controller.answer = 1.0
    assert {guard.decide(state()).source for _ in range(1000)} == {2}


@pytest.mark.parametrize("signal", [s for s in STATE_SIGNALS if s.low is not None], ids=lambda s: s.name)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "above", "below"])
def test_each_implausible_signal_stops_the_robot(signal, value) -> None:
    bad = {"above": np.nextafter(signal.high, np.inf), "below": np.nextafter(signal.low, -np.inf)}.get(value, value)
    guard = running(Constant(1.0))
    guard.decide(state())
    decision = guard.decide(state(**{signal.name: bad}))
    assert guard.supervisor.state is SupervisorState.SAFE_STOP
    assert (decision.left, decision.right, decision.request) == (0.0, 0.0, "disarm")
    assert implausible_signal(state(**{signal.name: bad})) == signal.name


@pytest.mark.parametrize("signal", [s for s in STATE_SIGNALS if s.low is not None], ids=lambda s: s.name)
def test_each_signal_at_its_edge_is_plausible(signal) -> None:
    assert implausible_signal(state(**{signal.name: signal.high})) is None
    assert implausible_signal(state(**{signal.name: signal.low})) is None


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_tilt_limit_holds_at_its_edge(sign: int) -> None:
    limit = GuardLimits(switch_tilt_rad=math.inf).tilt_rad
    at_edge, beyond = running(Constant(0.0)), running(Constant(0.0))
    at_edge.decide(state(pitch=sign * limit))
    beyond.decide(state(pitch=sign * np.nextafter(limit, 1.0)))
    assert at_edge.supervisor.state is not SupervisorState.SAFE_STOP
    assert beyond.supervisor.state is SupervisorState.SAFE_STOP


@pytest.mark.parametrize("asked", [-1e6, -8.1, -8.0, 8.0, 8.1, 1e6])
def test_torque_never_exceeds_the_limit(asked: float) -> None:
    decision = running(Constant(asked)).decide(state())
    assert decision.limited_torque == math.copysign(TORQUE_LIMIT_NM, asked)
    assert max(abs(decision.left), abs(decision.right)) <= LIMITS.wheel_torque_nm


def test_torque_changes_no_faster_than_the_slew_limit() -> None:
    guard = running(Constant(8.0), RATE_LIMITED)
    torques = [0.0] + [guard.decide(state()).limited_torque for _ in range(5)]
    assert max(np.diff(torques)) <= RATE_LIMITED.torque_slew_nm_s * CONTROL_PERIOD_S


def test_a_hand_over_starts_from_the_last_torque() -> None:
    controller = Constant(4.0)
    guard = running(controller, GuardLimits(torque_slew_nm_s=100.0), fallback=-4.0)
    for _ in range(20):
        before = guard.decide(state()).limited_torque
    controller.answer = math.nan
    after = guard.decide(state())
    assert after.source == 2
    assert abs(after.limited_torque - before) <= 100.0 * CONTROL_PERIOD_S + 1e-12


@pytest.mark.parametrize("yaw", [-100.0, -0.1, 0.1, 100.0])
@pytest.mark.parametrize("torque", [-8.0, -7.0, 0.0, 7.0, 8.0])
def test_heading_hold_never_takes_a_wheel_over_its_limit_nor_changes_the_total(yaw: float, torque: float) -> None:
    guard = running(Constant(torque))
    guard.decide(state())
    decision = guard.decide(state(yaw=yaw))
    assert max(abs(decision.left), abs(decision.right)) <= LIMITS.wheel_torque_nm
    assert decision.left + decision.right == pytest.approx(torque)


def test_heading_hold_turns_back() -> None:
    guard = running(Constant(0.0))
    guard.decide(state())
    turned_left = guard.decide(state(yaw=0.1))
    assert turned_left.left > turned_left.right


@pytest.mark.parametrize("rate_hz", [200, 1000])
@pytest.mark.parametrize("wanted", [-1.5, 0.4])
def test_the_held_heading_turns_as_fast_as_is_wanted(rate_hz: int, wanted: float) -> None:
    guard = running(Constant(0.0), rate_hz=rate_hz)
    guard.decide(state())
    turning = [guard.decide(state(yaw=0.0), yaw_rate_wanted=wanted) for _ in range(rate_hz // 10)]
    # after a tenth of a second the heading is that much ahead, and the damping asks for the rate
    assert turning[-1].right - turning[-1].left == pytest.approx(2.0 * (1.0 * 0.1 * wanted + 0.2 * wanted))


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_robot_that_is_held_while_turning_does_not_spin_after_it_is_let_go(sign: int) -> None:
    guard = running(Constant(0.0))
    guard.decide(state())
    for _ in range(2000):
        held = guard.decide(state(yaw=0.0), yaw_rate_wanted=sign * 1.5)
    assert held.right - held.left == pytest.approx(2.0 * sign * (LARGEST_YAW_LAG_RAD + 0.2 * 1.5))
    let_go = guard.decide(state(yaw=0.0))
    assert let_go.right - let_go.left == pytest.approx(2.0 * sign * LARGEST_YAW_LAG_RAD)


def test_the_heading_that_turning_ended_with_is_held() -> None:
    guard = running(Constant(0.0))
    guard.decide(state())
    for tick in range(200):
        guard.decide(state(yaw=tick / 200), yaw_rate_wanted=1.0)
    ended = guard.decide(state(yaw=1.0))
    assert ended.right - ended.left == pytest.approx(0.0, abs=0.03)
    assert guard.decide(state(yaw=0.9)).right > 0.05


def test_nobody_turns_the_robot_while_the_fallback_drives() -> None:
    guard = running(Constant(math.nan))
    guard.decide(state())
    for _ in range(200):
        decision = guard.decide(state(yaw=0.0), yaw_rate_wanted=1.5)
        assert (decision.source, decision.left) == (2, decision.right)


@pytest.mark.parametrize("torque", [-100.0, 0.0, 7.9, 100.0])
def test_turning_never_takes_a_wheel_over_its_limit_nor_changes_the_total(torque: float) -> None:
    guard = running(Constant(torque))
    guard.decide(state())
    for _ in range(400):
        decision = guard.decide(state(yaw=0.0), yaw_rate_wanted=1.5)
    assert max(abs(decision.left), abs(decision.right)) <= LIMITS.wheel_torque_nm
    assert decision.left + decision.right == pytest.approx(decision.limited_torque)


def test_leaving_the_region_hands_over_and_calm_hands_back_a_limited_number_of_times() -> None:
    limits = GuardLimits(torque_slew_nm_s=1e9, max_rescues=2, regain_s=0.1)
    guard = running(Constant(1.0), limits)
    sources = []
    for _ in range(4):
        sources.append(guard.decide(state()).source)
        sources.append(guard.decide(state(pitch=0.26)).source)
        sources += [guard.decide(state()).source for _ in range(30)]
    hand_backs = sum(1 for a, b in itertools.pairwise(sources) if (a, b) == (2, 1))
    assert hand_backs == 2
    assert sources[-1] == 2


def test_the_region_looks_ahead_along_the_lean_rate() -> None:
    guard = running(Constant(1.0))
    beyond = (INSTANT.switch_tilt_rad - 0.1) / INSTANT.lookahead_s
    assert guard.decide(state(pitch=0.1, pitch_rate=0.99 * beyond)).source == 1
    assert guard.decide(state(pitch=0.1, pitch_rate=1.01 * beyond)).source == 2


def test_a_stop_lets_the_fallback_bring_the_robot_to_rest_then_disarms() -> None:
    guard = running(Constant(1.0))
    guard.decide(state())
    moving = guard.decide(state(velocity=0.5), LoopInput.STOP_REQUESTED)
    at_rest = guard.decide(state(velocity=0.0))
    assert (moving.source, moving.drive) == (2, True)
    assert (at_rest.drive, at_rest.request, at_rest.left, at_rest.right) == (True, "disarm", 0.0, 0.0)
    assert guard.decide(state(Mode.DISARMED)).drive is False
    assert guard.supervisor.state is SupervisorState.DISARMED


def test_a_robot_that_does_not_come_to_rest_is_stopped_all_the_same() -> None:
    guard = running(Constant(1.0))
    guard.decide(state())
    guard.decide(state(velocity=0.5), LoopInput.STOP_REQUESTED)
    for _ in range(round(INSTANT.settle_s / CONTROL_PERIOD_S) + 1):
        guard.decide(state(velocity=0.5))
    assert guard.supervisor.state is SupervisorState.SAFE_STOP


@pytest.mark.parametrize("mode", [Mode.DISARMED, Mode.STOPPED, Mode.ESTOPPED])
def test_a_robot_that_stops_by_itself_is_a_fault(mode: Mode) -> None:
    guard = running(Constant(1.0))
    guard.decide(state())
    decision = guard.decide(state(mode))
    assert guard.supervisor.state is SupervisorState.FAULT
    assert (decision.drive, decision.request) == (False, None)


def test_drive_task_tracks_its_velocity() -> None:
    law = LinearController(np.array([-20.0, -4.0, -2.0]), TASKS["drive"])
    assert law.torque(state(velocity=0.2)) == pytest.approx(0.0)
    assert law.torque(state(velocity=0.0)) == pytest.approx(-0.4)
