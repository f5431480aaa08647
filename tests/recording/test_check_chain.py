"""Each link of the action chain is broken on purpose, and named."""

import numpy as np
import pytest

from robot_il.recording.chain import TOLERANCE_NM, look_at_chain
from tests.recording.driving import driving_ticks


@pytest.fixture
def ticks() -> np.ndarray:
    return driving_ticks(600)


def remarks(ticks: np.ndarray) -> dict[str, tuple[str, int]]:
    return {f.name: (f.severity, f.count) for f in look_at_chain(ticks, 200) if f.severity != "ok"}


def test_a_whole_chain_has_nothing_to_remark(ticks):
    assert remarks(ticks) == {}


def test_a_person_whose_torque_is_passed_on_agrees_with_the_controller(ticks):
    ticks["intent"] = ticks["controller_torque"]
    assert remarks(ticks) == {}


def test_a_controller_that_asks_for_something_else_than_the_person_fails(ticks):
    ticks["intent"] = ticks["controller_torque"]
    ticks["intent"][100:110] += 0.5
    assert remarks(ticks) == {"intent against controller": ("fail", 10)}


def test_one_tick_on_which_they_differ_is_remarked(ticks):
    ticks["intent"] = ticks["controller_torque"]
    ticks["intent"][100] += 0.5
    assert remarks(ticks) == {"intent against controller": ("warn", 1)}


def test_what_single_precision_loses_is_no_disagreement(ticks):
    ticks["intent"] = ticks["controller_torque"] + np.float32(TOLERANCE_NM / 2)
    assert remarks(ticks) == {}


def test_where_the_fallback_drives_the_persons_wish_is_not_compared(ticks):
    ticks["intent"] = ticks["controller_torque"] + 1
    ticks["source"] = 2
    assert set(remarks(ticks)) == {"fallback"}


def test_limits_that_let_too_much_pass_fail(ticks):
    for name in ("controller_torque", "limited_torque"):
        ticks[name][50] = 8.5
    assert remarks(ticks)["limited torque"] == ("fail", 1)


def test_a_torque_at_the_limit_is_within_it(ticks):
    for name in ("controller_torque", "limited_torque"):
        ticks[name][50] = 8.0
    ticks["sent_left"][50] = ticks["sent_right"][50] = 4.0
    assert "limited torque" not in remarks(ticks)


def test_wheels_that_are_sent_another_sum_fail(ticks):
    ticks["sent_left"][100:120] += 0.3
    found = remarks(ticks)
    assert found["limited against sent"] == ("fail", 20)


def test_a_heading_hold_that_cancels_is_no_disagreement(ticks):
    ticks["sent_left"] += 0.5
    ticks["sent_right"] -= 0.5
    assert "limited against sent" not in remarks(ticks)


def test_ticks_without_a_command_are_not_compared(ticks):
    ticks["sent_left"][10:200] = 3.0
    ticks["sent_seq"][10:200] = 0
    assert "limited against sent" not in remarks(ticks)


def test_a_robot_that_applies_the_opposite_fails(ticks):
    ticks["applied_right"] *= -1
    assert remarks(ticks)["sent against applied"][0] == "fail"


def test_what_the_mcu_withholds_of_a_wheel_that_is_too_fast_is_not_compared(ticks):
    ticks["wheel_velocity_left"][100:400] = 40.0
    ticks["applied_left"][100:400] = 0.0
    assert remarks(ticks) == {}
    ticks["wheel_velocity_left"][100:400] = 39.9
    assert remarks(ticks)["sent against applied"][0] == "fail"


def test_torques_that_the_mcu_made_itself_are_not_held_against_what_was_sent(ticks):
    ticks["applied_left"] += 1.0
    assert remarks(ticks)["sent against applied"][0] == "fail"
    on_board = {each.name: each.severity for each in look_at_chain(ticks, 200, on_board=True)}
    assert on_board["sent against applied"] == "ok"
    ticks["sent_left"] += 1.0
    assert "fail" in {each.severity for each in look_at_chain(ticks, 200, on_board=True)}
