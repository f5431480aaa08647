"""A person's stick, as the loop meets it: every mode with everything that a hand may do, and each limit at its edge."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from robot_il.cli import arguments
from robot_il.control.device import State
from robot_il.control.loop import OPERATOR_LOST_NS, OPERATOR_SILENT_NS
from robot_il.control.lqr import lqr_gain
from robot_il.control.operator import unpack_hand
from robot_il.control.schedule import as_told
from robot_il.control.takeover import LARGEST_VELOCITY_M_S, VelocityDriver
from robot_il.control.teleop import (
    ASSISTS,
    DIRECT_TORQUE_NM,
    GIVE_BACK_S,
    LARGEST_YAW_RATE_RAD_S,
    MODES,
    MOST_REQUESTS,
    TAKE_OVER_DEFLECTION,
    Stick,
    Teleop,
    read_request,
)
from robot_il.errors import ConfigError
from robot_il.robot import load_robot
from robot_il.tasks import TASKS
from tests.control.held_stick import POLICY_NM, STILL, Driven, Held, Policy
from tests.scripted_robot import PERIOD_NS, MemorySink


@pytest.fixture(params=MODES)
def driven(request: pytest.FixtureRequest) -> Driven:
    return Driven(request.param)


def persons(driven: Driven) -> bool:
    """Whether the newest torque is marked as the person's."""
    return math.isfinite(driven.teleop.intent)


# what the hand does x mode


def test_a_moved_stick_drives_in_every_mode(driven: Driven) -> None:
    driven.tick(forward=0.5, turn=-0.5)
    teleop = driven.teleop
    assert (teleop.stick_forward, teleop.stick_turn, teleop.taken) == (0.5, -0.5, True)
    assert teleop.yaw_rate_wanted == float(np.float32(-0.5 * LARGEST_YAW_RATE_RAD_S))
    assert persons(driven)


def test_a_neutral_stick_asks_for_nothing_in_any_mode(driven: Driven) -> None:
    torque = driven.tick()
    assert (driven.teleop.stick_forward, driven.teleop.stick_turn, driven.teleop.yaw_rate_wanted) == (0.0, 0.0, 0.0)
    assert torque == (POLICY_NM if driven.policy else pytest.approx(0.0))
    assert persons(driven) == (driven.policy is None)


def test_a_released_dead_man_makes_any_deflection_neutral(driven: Driven) -> None:
    torque = driven.tick(forward=1.0, turn=1.0, deadman=False)
    assert (driven.teleop.stick_forward, driven.teleop.stick_turn, driven.teleop.yaw_rate_wanted) == (0.0, 0.0, 0.0)
    assert torque == (POLICY_NM if driven.policy else pytest.approx(0.0))
    assert driven.events == []


def test_a_stick_counts_for_150_ms_after_it_was_heard_and_not_longer(driven: Driven) -> None:
    driven.tick(forward=1.0, turn=1.0)
    driven.tick(after_ns=OPERATOR_SILENT_NS, heard=False)
    assert (driven.teleop.stick_forward, driven.stick.heard) == (1.0, True)
    driven.tick(after_ns=1, heard=False)
    assert (driven.teleop.stick_forward, driven.teleop.stick_turn, driven.stick.heard) == (0.0, 0.0, False)
    assert driven.teleop.yaw_rate_wanted == 0.0


def test_a_person_who_is_heard_again_drives_again(driven: Driven) -> None:
    driven.tick(forward=1.0)
    driven.tick(after_ns=OPERATOR_SILENT_NS + 1, heard=False)
    driven.tick(forward=1.0)
    assert driven.teleop.stick_forward == 1.0


def test_what_nobody_ever_said_is_neutral_and_unheard(driven: Driven) -> None:
    fresh = Driven(driven.teleop.mode, rested=False)
    fresh.tick(heard=False)
    assert fresh.now_ns - fresh.teleop.heard_ns > OPERATOR_LOST_NS
    assert fresh.teleop.stick_forward == 0.0


def test_a_stick_that_is_held_while_arming_does_not_count_until_it_is_let_go(driven: Driven) -> None:
    driven.tick(forward=1.0)
    driven.teleop.reset()
    for _ in range(3):
        driven.tick(forward=1.0, turn=1.0)
        assert (driven.teleop.stick_forward, driven.teleop.yaw_rate_wanted) == (0.0, 0.0)
    driven.tick(deadman=False, forward=1.0)
    driven.tick(forward=1.0)
    assert driven.teleop.stick_forward == 1.0


def test_silence_is_no_letting_go(driven: Driven) -> None:
    driven.tick(forward=1.0)
    driven.teleop.reset()
    driven.tick(after_ns=OPERATOR_SILENT_NS + 1, heard=False)
    driven.tick(forward=1.0)
    assert driven.teleop.stick_forward == 0.0


# signs of life


@pytest.mark.parametrize("seq", [7, 6, 0, (7 - 2**31) % 2**32], ids=["same", "older", "first", "half way round"])
def test_a_number_that_does_not_rise_is_no_sign_of_life(driven: Driven, seq: int) -> None:
    driven.tick(forward=1.0, seq=7)
    heard_ns = driven.teleop.heard_ns
    driven.tick(forward=-1.0, seq=seq)
    assert (driven.teleop.heard_ns, driven.teleop.stick_forward) == (heard_ns, 1.0)


def test_a_stuck_sender_falls_silent(driven: Driven) -> None:
    driven.tick(forward=1.0, seq=7)
    for _ in range(OPERATOR_SILENT_NS // PERIOD_NS + 1):
        driven.tick(forward=1.0, seq=7)
    assert driven.teleop.stick_forward == 0.0


def test_numbers_that_ran_over_rise(driven: Driven) -> None:
    fresh = Driven(driven.teleop.mode, rested=False)
    fresh.tick(seq=2**32 - 1)
    fresh.tick(forward=1.0, seq=0)
    assert fresh.teleop.stick_forward == 1.0


def test_of_many_hands_the_newest_counts_and_all_are_logged(driven: Driven) -> None:
    before = len(driven.sink.hands)
    for forward in (0.25, 0.5, 0.75):
        driven.held.put(forward=forward)
    driven.tick(heard=False)
    assert driven.teleop.stick_forward == 0.75
    assert [unpack_hand(row).forward for row in driven.sink.hands[before:]] == [0.25, 0.5, 0.75]


def test_requests_are_kept_for_whoever_runs_the_loop_but_not_without_bound(driven: Driven) -> None:
    driven.held.requests = [json.dumps({"do": str(number)}).encode() for number in range(MOST_REQUESTS + 5)]
    driven.tick()
    assert len(driven.stick.requests) == MOST_REQUESTS
    assert read_request(driven.stick.requests[-1]) == {"do": str(MOST_REQUESTS + 4)}


@pytest.mark.parametrize("text", [b"", b"\xff", b"[]", b"7", b"{}", b'{"do": 3}', b'{"do"', b"[" * 4000])
def test_what_is_no_request_is_none(text: bytes) -> None:
    assert read_request(text) == {}


# taking over and giving back


@pytest.mark.parametrize("axis", ["forward", "turn"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_stick_must_be_moved_beyond_the_threshold_to_take_over(axis: str, sign: int) -> None:
    shared = Driven("shared")
    assert shared.tick(**{axis: sign * TAKE_OVER_DEFLECTION}) == POLICY_NM
    assert not shared.teleop.taken
    assert not persons(shared)
    shared.tick(**{axis: sign * float(np.nextafter(np.float32(TAKE_OVER_DEFLECTION), np.float32(1.0)))})
    assert shared.teleop.taken
    assert persons(shared)
    assert shared.events == ["take_over"]


def test_the_policy_gets_the_robot_back_after_half_a_second_at_rest_and_no_sooner() -> None:
    shared = Driven("shared")
    shared.tick(forward=1.0)
    shared.tick(after_ns=round(GIVE_BACK_S * 1e9))
    assert shared.teleop.taken
    assert shared.tick(after_ns=1) == POLICY_NM
    assert not shared.teleop.taken
    assert not persons(shared)
    assert shared.events == ["take_over", "give_back"]


def test_a_stick_that_moves_again_keeps_the_robot() -> None:
    shared = Driven("shared")
    for _ in range(3):
        shared.tick(forward=1.0)
        shared.tick(after_ns=round(GIVE_BACK_S * 1e9))
    assert shared.events == ["take_over"]


def test_a_released_dead_man_gives_the_robot_back_too() -> None:
    shared = Driven("shared")
    shared.tick(forward=1.0)
    shared.tick(forward=1.0, deadman=False, after_ns=round(GIVE_BACK_S * 1e9))
    shared.tick(forward=1.0, deadman=False, after_ns=1)
    assert shared.events == ["take_over", "give_back"]


def test_a_turn_below_the_threshold_turns_nothing_while_the_policy_drives() -> None:
    shared = Driven("shared")
    shared.tick(turn=TAKE_OVER_DEFLECTION)
    assert shared.teleop.yaw_rate_wanted == 0.0
    shared.tick(turn=1.0)
    assert shared.teleop.yaw_rate_wanted == LARGEST_YAW_RATE_RAD_S


def test_a_new_run_begins_with_the_policy() -> None:
    shared = Driven("shared")
    shared.tick(forward=1.0)
    assert shared.policy is not None
    before = shared.policy.resets
    shared.teleop.reset()
    assert (shared.teleop.taken, shared.policy.resets) == (False, before + 1)


# what a stick is, mode by mode


@pytest.mark.parametrize("stick", [-1.0, -0.5, 0.25, 1.0])
def test_in_direct_the_stick_is_torque_and_nothing_else(stick: float) -> None:
    direct = Driven("direct")
    assert direct.tick(forward=stick) == pytest.approx(stick * DIRECT_TORQUE_NM)
    assert direct.teleop.intent == pytest.approx(stick * DIRECT_TORQUE_NM)


@pytest.mark.parametrize("hand", [{}, {"forward": 1.0, "deadman": False}, {"turn": 1.0}], ids=str)
def test_in_direct_a_stick_that_asks_for_no_torque_is_balanced_by_the_driver(hand: dict) -> None:
    direct, reference = Driven("direct"), VelocityDriver(load_robot())
    leaning = STILL._replace(pitch=0.05, mcu_time_us=5000)
    direct.tick(forward=0.5)
    direct.held.put(**hand)
    direct.teleop.look(direct.now_ns + PERIOD_NS)
    assert direct.teleop.torque(leaning) == pytest.approx(reference.torque(leaning), rel=1e-6)
    assert reference.torque(leaning) != 0.0


def test_in_assisted_a_full_stick_asks_for_the_largest_velocity() -> None:
    assisted = Driven("assisted")
    first = [assisted.tick(forward=1.0) for _ in range(20)]
    assert assisted.teleop._driver.wanted_m_s == LARGEST_VELOCITY_M_S
    # a still robot that is to roll forward first leans: its wheels are driven back
    assert min(first) < -0.05


def test_in_assisted_by_lean_a_half_stick_asks_for_half_the_acceleration() -> None:
    half, full = Driven("assisted", "lean"), Driven("assisted", "lean")
    half.tick(forward=0.5)
    full.tick(forward=-1.0)
    assert half.teleop._driver.wanted_m_s == LARGEST_VELOCITY_M_S
    assert full.teleop._driver.wanted_m_s == -LARGEST_VELOCITY_M_S
    assert full.teleop._driver._slew_m_s2 == pytest.approx(2.0 * half.teleop._driver._slew_m_s2)
    half.tick()
    assert half.teleop._driver.wanted_m_s == 0.0


@pytest.mark.parametrize(
    "state", [STILL._replace(pitch=math.nan), STILL._replace(velocity=math.inf)], ids=("pitch", "v")
)
def test_a_state_without_a_number_gives_a_torque_without_one_and_the_guard_takes_it(state: State) -> None:
    assisted = Driven("assisted")
    assert not math.isfinite(assisted.teleop.torque(state))


# who it is


def test_the_identity_names_the_person_the_mode_and_what_the_stick_moves() -> None:
    for mode in ("direct", "assisted"):
        identity = Driven(mode, "lean").teleop.identity
        assert (identity["name"], identity["mode"], identity["assist"]) == ("person", mode, "lean")
    shared = Driven("shared").teleop.identity
    assert shared["name"] == "policy"
    assert (shared["operator"]["name"], shared["operator"]["mode"]) == ("person", "shared")
    json.dumps([shared, identity], allow_nan=False)


@pytest.mark.parametrize(
    "wrong",
    [
        ("standing", None, "velocity"),
        ("assisted", None, "speed"),
        ("shared", None, "velocity"),
        ("direct", Policy(), "lean"),
    ],
    ids=("mode", "assist", "no policy", "a policy too many"),
)
def test_a_mode_that_is_none_is_refused(wrong: tuple) -> None:
    mode, policy, assist = wrong
    with pytest.raises(ConfigError):
        Teleop(load_robot(), Stick(Held(), MemorySink()), MemorySink(), mode, policy, assist)


def test_the_command_line_offers_the_assists_there_are() -> None:
    assert arguments.ASSISTS == ASSISTS


def test_the_driver_begins_anew_where_the_fallback_left_the_robot() -> None:
    driver = VelocityDriver(load_robot())
    driver.ask(LARGEST_VELOCITY_M_S)
    for tick in range(200):
        driver.torque(STILL._replace(mcu_time_us=tick * 5000, position=0.0025 * tick, velocity=0.5))
    later = STILL._replace(mcu_time_us=3_000_000, position=2.0)
    fresh = VelocityDriver(load_robot())
    fresh.ask(LARGEST_VELOCITY_M_S)
    assert driver.torque(later) == fresh.torque(later)


@pytest.mark.parametrize(("rolling", "begun"), [(0.3, 0.3), (-0.3, -0.3), (2.0, LARGEST_VELOCITY_M_S)])
def test_a_robot_that_rolls_is_taken_over_as_it_rolls(rolling: float, begun: float) -> None:
    driver = VelocityDriver(load_robot())
    driver.ask(begun)
    gain = driver.identity["gain"][3]
    torque = driver.torque(STILL._replace(mcu_time_us=5000, velocity=rolling, height=as_told(load_robot().height_m)))
    # nothing is to change, so only what it is too fast by is braked, and the period's way caught up with
    assert torque == pytest.approx(-gain * (rolling - begun), abs=0.02)


def test_a_lost_state_or_two_change_nothing_for_the_driver() -> None:
    driver = VelocityDriver(load_robot())
    driver.ask(LARGEST_VELOCITY_M_S)
    torques = [driver.torque(STILL._replace(mcu_time_us=us)) for us in (5000, 10_000, 100_000, 105_000)]
    assert np.abs(np.diff(torques)).max() < 0.2


def test_the_gain_that_the_driver_holds_with_is_the_robots_lqr() -> None:
    identity = VelocityDriver(load_robot()).identity
    assert identity["gain"] == lqr_gain(load_robot(), TASKS["stand"]).tolist()
