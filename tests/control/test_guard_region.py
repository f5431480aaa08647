"""The guard with a region: margins, hand-overs and returns; what else takes the robot from a controller."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from robot_il.control.guard import LOST_REPEATS_S, GuardLimits, LoopInput
from robot_il.control.region import MARGIN_FLOOR, Region
from robot_il.control.supervisor import Reason, SupervisorState
from robot_il.spec import Mode

from .test_guard import INSTANT, Constant, running, state

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
BALL = Region(shape=IDENTITY, level=0.25, horizon_s=0.0, transition=IDENTITY, response=(0.0, 0.0, 0.0))
"""Margin = 1 - 2 |z|, and no time passes in a hand-over."""


class Tracking(Constant):
    """A fallback that remembers how often it was reset."""

    resets = 0

    def reset(self) -> None:
        self.resets += 1


def at_margin(margin: float):
    return state(velocity=0.5 * (1.0 - margin))


def test_the_margin_of_every_tick_is_in_its_decision_whoever_drives() -> None:
    guard = running(Constant(0.0), region=BALL)
    states = [state(Mode.DISARMED), at_margin(1.0), at_margin(0.5), at_margin(-0.5), at_margin(0.0)]
    assert [guard.decide(s).margin for s in states] == pytest.approx([1.0, 1.0, 0.5, -0.5, 0.0])
    assert guard.decide(at_margin(-9.0)).margin == MARGIN_FLOOR


def test_without_a_region_the_margin_is_unknown() -> None:
    assert math.isnan(running(Constant(0.0)).decide(state()).margin)


def test_the_switch_holds_at_its_edge() -> None:
    edge = INSTANT.switch_margin
    assert running(Constant(1.0), region=BALL).decide(at_margin(edge + 1e-9)).source == 1
    assert running(Constant(1.0), region=BALL).decide(at_margin(edge - 1e-9)).source == 2


def test_judging_switches_a_region_off_and_still_logs_the_margin() -> None:
    guard = running(Constant(1.0), GuardLimits(switch_tilt_rad=math.inf), region=BALL)
    decision = guard.decide(at_margin(-0.5))
    assert (decision.source, decision.margin) == (1, pytest.approx(-0.5))


@pytest.mark.parametrize("torque", [-8.0, 8.0])
def test_the_last_torque_counts_until_the_fallbacks_takes_hold(torque: float) -> None:
    response = (0.0, 0.0, 0.25 / 8.0)  # 8 N m until then cost half of the margin
    region = Region(IDENTITY, 0.25, 0.02, IDENTITY, response)
    guard = running(Constant(torque), region=region)
    ahead, back = (math.copysign(0.5 * (1.0 - 0.6), sign * torque) for sign in (1, -1))
    assert guard.decide(state(velocity=ahead)).source == 1  # no torque yet
    assert guard.decide(state(velocity=back)).source == 1
    assert guard.decide(state(velocity=ahead)).source == 2
    assert guard.supervisor.reasons == Reason.REGION_LEFT


def test_between_switch_and_regain_whoever_drives_keeps_the_robot() -> None:
    limits = GuardLimits(torque_slew_nm_s=1e9, regain_s=0.05)
    between = 0.5 * (limits.switch_margin + limits.regain_margin)
    guard = running(Constant(1.0), limits, region=BALL)
    assert {guard.decide(at_margin(between)).source for _ in range(50)} == {1}
    guard.decide(at_margin(limits.switch_margin - 0.01))
    assert {guard.decide(at_margin(between)).source for _ in range(50)} == {2}
    sources = [guard.decide(at_margin(0.9)).source for _ in range(20)]
    assert sources == [2] * 9 + [1] * 11


def test_calm_must_be_unbroken() -> None:
    limits = GuardLimits(torque_slew_nm_s=1e9, regain_s=0.05)
    guard = running(Constant(1.0), limits, region=BALL)
    guard.decide(at_margin(0.0))
    for margin in itertools.chain.from_iterable([0.9] * 8 + [limits.regain_margin] for _ in range(5)):
        assert guard.decide(at_margin(margin)).source == 2


def test_every_hand_over_resets_the_fallback_once() -> None:
    guard = running(Constant(1.0), GuardLimits(torque_slew_nm_s=1e9, regain_s=0.05), region=BALL)
    guard.fallback = fallback = Tracking(0.125)
    counts = []
    for _ in range(3):
        guard.decide(at_margin(0.0))
        for _ in range(20):
            guard.decide(at_margin(0.9))
        counts.append(fallback.resets)
    assert counts == [1, 2, 3]


@pytest.mark.parametrize("repeated", ["both", "state_seq", "mcu_time_us", "older"])
def test_a_repeated_observation_brings_the_fallback_and_many_stop_the_robot(repeated: str) -> None:
    guard = running(Constant(1.0))
    first = state()
    assert guard.decide(first).source == 1
    newer = state()
    again = {
        "both": first,
        "state_seq": newer._replace(state_seq=first.state_seq),
        "mcu_time_us": newer._replace(mcu_time_us=first.mcu_time_us),
        "older": newer._replace(mcu_time_us=first.mcu_time_us - 5000),
    }[repeated]
    assert guard.decide(again).source == 2
    assert guard.supervisor.reasons == Reason.OBSERVATION_REPEATED
    for _ in range(round(LOST_REPEATS_S * 200) - 1):
        assert guard.decide(again).source == 2
    assert guard.decide(again).source == 0
    assert guard.supervisor.state is SupervisorState.SAFE_STOP
    assert Reason.OBSERVATION_LOST in guard.supervisor.reasons


def test_after_a_repeated_observation_the_controller_gets_a_calm_robot_back() -> None:
    guard = running(Constant(1.0), GuardLimits(regain_s=0.05, max_rescues=0))
    first = state()
    sources = [guard.decide(given).source for given in (first, first, *(state() for _ in range(20)))]
    assert sources == [1, 2] + [2] * 8 + [1] * 12


def test_a_silent_operator_loses_the_robot_until_they_are_heard_again() -> None:
    guard = running(Constant(1.0), GuardLimits(regain_s=0.05))
    guard.decide(state())
    silent = [guard.decide(state(), LoopInput.OPERATOR_SILENT).source for _ in range(50)]
    heard = [guard.decide(state()).source for _ in range(20)]
    assert silent == [2] * 50
    assert heard == [2] * 8 + [1] * 12


def test_a_lost_operator_ends_the_run_at_rest() -> None:
    guard = running(Constant(1.0))
    guard.decide(state())
    moving = [guard.decide(state(velocity=0.5), LoopInput.OPERATOR_LOST).source for _ in range(20)]
    at_rest = guard.decide(state(), LoopInput.OPERATOR_LOST)
    assert moving == [2] * 20
    assert (at_rest.request, guard.supervisor.state) == ("disarm", SupervisorState.SAFE_STOP)


def test_a_lost_operator_cannot_keep_a_restless_robot_driven() -> None:
    guard = running(Constant(1.0))
    guard.decide(state())
    ticks = round(INSTANT.settle_s * 200)
    sources = [guard.decide(state(velocity=0.5), LoopInput.OPERATOR_LOST).source for _ in range(ticks + 1)]
    assert sources == [2] * ticks + [0]


def test_a_late_controller_gets_the_robot_back_a_limited_number_of_times() -> None:
    guard = running(Constant(1.0), GuardLimits(regain_s=0.05, max_rescues=2))
    sources = []
    for _ in range(4):
        sources.append(guard.decide(state()).source)
        sources.append(guard.decide(state(), LoopInput.CONTROLLER_LATE).source)
        sources += [guard.decide(state()).source for _ in range(20)]
    assert sum(1 for a, b in itertools.pairwise(sources) if (a, b) == (2, 1)) == 2
    assert sources[-1] == 2


@pytest.mark.parametrize("later", [LoopInput.OPERATOR_SILENT, LoopInput.OBSERVATION_STALE, LoopInput.CONTROLLER_LATE])
def test_what_excuses_a_controller_does_not_excuse_one_that_has_failed(later: LoopInput) -> None:
    controller = Constant(math.nan)
    guard = running(controller, GuardLimits(regain_s=0.05))
    guard.decide(state())
    controller.answer = 1.0
    guard.decide(state(), later)
    assert {guard.decide(state()).source for _ in range(100)} == {2}


def test_the_torque_goes_from_hand_to_hand_without_a_jump_in_either_direction() -> None:
    limits = GuardLimits(torque_slew_nm_s=100.0, regain_s=0.15)
    guard = running(Constant(4.0), limits, fallback=-4.0, region=BALL)
    margins = [0.9] * 20 + [0.0] + [0.9] * 60
    torques = [guard.decide(at_margin(margin)).limited_torque for margin in margins]
    assert {-4.0, 4.0} <= {round(torque, 9) for torque in torques}
    assert max(abs(np.diff([0.0, *torques]))) <= 100.0 * 0.005 + 1e-12
