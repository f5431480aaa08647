"""What speaks against an episode, at the edge of each threshold."""

import numpy as np
import pytest

from robot_il.control.supervisor import Reason
from robot_il.recording.episode_book import EpisodeBook
from robot_il.recording.proposal import LIMIT_SHARE, OVERSPEED_RAD_S, propose
from robot_il.spec import LIMITS, TORQUE_LIMIT_NM, Fault, Mode
from robot_il.tasks import TASKS
from tests.recording.conftest import plausible_ticks


def judged(ticks, events=(), task="stand"):
    return propose(ticks, events, task)


def test_an_episode_in_which_nothing_went_wrong_is_left_to_the_person(ticks):
    assert judged(ticks) == ("unlabeled", [])
    assert judged(ticks[:0]) == ("unlabeled", [])


@pytest.mark.parametrize("task", [*TASKS, None])
@pytest.mark.parametrize("sign", [1, -1])
def test_leaning_beyond_the_limit_is_a_fall(ticks, task, sign):
    limit = np.float32(TASKS[task].fall_tilt_rad if task else LIMITS.tilt_rad)
    ticks["pitch"][50] = sign * np.nextafter(limit, np.float32(0))
    assert judged(ticks, task=task)[0] == "unlabeled"
    ticks["pitch"][50] = sign * (limit + np.float32(0.01))
    label, reasons = judged(ticks, task=task)
    assert label == "undesirable"
    assert reasons == [f"fell: leaned {limit + 0.01:.2f} rad, more than {limit:g} rad"]


def test_a_robot_that_lies_there_disarmed_has_not_fallen_in_this_episode(ticks):
    ticks["pitch"][:50] = 1.3
    ticks["faults"][:50] = Fault.TILT
    ticks["mode"][:50] = Mode.DISARMED
    assert judged(ticks)[0] == "unlabeled"


def test_the_robots_own_tilt_stop_is_a_fall(ticks):
    ticks["mode"][300:] = Mode.STOPPED
    ticks["faults"][300:] = Fault.TILT
    assert judged(ticks) == ("undesirable", ["fell: the robot stopped itself with the fault TILT"])


def test_another_stop_of_the_robot_is_no_fall(ticks):
    ticks["mode"][300:] = Mode.STOPPED
    ticks["faults"][300:] = Fault.BATTERY_LOW
    assert judged(ticks)[0] == "unlabeled"


def test_an_emergency_stop_shows_in_the_mode_or_in_an_event(ticks):
    assert judged(ticks, [{"name": "mcu_estopped", "detail": {}}])[1] == [
        "emergency stop: asked for, the robot's mode does not show it"
    ]
    assert judged(ticks, [{"name": "mcu_armed"}, {"name": "key"}])[0] == "unlabeled"
    ticks["mode"][390:] = Mode.ESTOPPED
    assert judged(ticks)[1] == ["emergency stop: 10 ticks in it"]


@pytest.mark.parametrize("over", [False, True])
def test_clipped_torque_counts_above_its_share_of_the_driven_ticks(ticks, over):
    ticks["source"][:200] = 0
    count = int(LIMIT_SHARE * 200) + over
    ticks["limited_torque"][200 : 200 + count] += 0.1
    ticks["limited_torque"][:200] += 0.1
    reasons = judged(ticks)[1]
    assert reasons == (["limits: the torque was clipped on 6 % of the driven ticks"] if over else [])


@pytest.mark.parametrize("over", [False, True])
def test_saturated_torque_counts_above_its_share(ticks, over):
    count = int(LIMIT_SHARE * 400) + over
    ticks["limited_torque"][:count] = ticks["controller_torque"][:count] = -TORQUE_LIMIT_NM
    reasons = judged(ticks)[1]
    assert reasons == (["limits: the torque was at +-8 N m on 5 % of the driven ticks"] if over else [])


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("speed", "said"),
    [
        (OVERSPEED_RAD_S, None),
        (-OVERSPEED_RAD_S - 0.5, "overspeed: a wheel at 10.5 rad/s, more than 10 rad/s"),
        (LIMITS.wheel_speed_rad_s, "limits: a wheel at 40.0 rad/s, beyond the limit of 40 rad/s"),
    ],
)
def test_wheels_too_fast_are_overspeed_and_at_the_limit_a_limit_hit(ticks, side, speed, said):
    ticks[f"wheel_velocity_{side}"][7] = speed
    assert judged(ticks)[1] == ([said] if said else [])


def test_wheels_that_spin_while_the_robot_is_disarmed_are_turned_by_hand(ticks):
    ticks["wheel_velocity_left"][7] = 30
    ticks["mode"] = Mode.DISARMED
    assert judged(ticks)[0] == "unlabeled"


def test_each_rescue_by_the_fallback_is_counted_with_its_reasons(ticks):
    for first, last, reason in ((10, 20, Reason.REGION_LEFT), (50, 60, Reason.CONTROLLER_LATE)):
        ticks["source"][first:last] = 2
        ticks["reasons"][first:last] = int(reason)
    assert judged(ticks)[1] == [
        "rescued: the fallback took the robot 2 times, 5 % of the driven ticks (region left, controller late)"
    ]


@pytest.mark.parametrize("reason", [Reason.STOP_REQUESTED, Reason.OPERATOR_SILENT, Reason.OPERATOR_LOST])
def test_the_fallback_that_brings_a_run_to_rest_or_holds_the_robot_is_no_rescue(ticks, reason):
    ticks["source"][300:] = 2
    ticks["reasons"][300:] = int(reason)
    assert judged(ticks)[0] == "unlabeled"


def test_numbers_that_are_none_are_no_reason_of_this_kind(ticks):
    for name in ("pitch", "wheel_velocity_left", "wheel_velocity_right"):
        ticks[name] = np.nan
    assert judged(ticks)[0] == "unlabeled"


def test_the_worst_episode_proposes_what_the_book_takes():
    ticks = plausible_ticks(400)
    ticks["pitch"][5:] = 0.8
    ticks["mode"][20:] = Mode.ESTOPPED
    ticks["limited_torque"] = TORQUE_LIMIT_NM
    ticks["wheel_velocity_left"] = 60
    ticks["source"][::2] = 2
    ticks["reasons"] = int(~Reason(0))
    label, reasons = judged(ticks)
    assert [reason.split(":")[0] for reason in reasons] == [
        "fell", "emergency stop", "limits", "limits", "limits", "rescued"
    ]  # fmt: skip
    book = EpisodeBook()
    book.apply({"op": "add", "id": "e1", "start_ns": 0, "stop_ns": 1, "task": "stand", "mode": "direct"})
    (episode,) = book.apply({"op": "propose", "id": "e1", "label": label, "reasons": reasons})
    assert episode.reasons == tuple(reasons)
