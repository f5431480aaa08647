"""What counts as done, where it says too little that the robot did not fall."""

import dataclasses

import pytest

from robot_il.cli.judging import NEAR_1, REST_M_S, REST_RAD, REST_S, SETTLE_S, judge_of
from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import LinearController
from robot_il.control.lqr import lqr_gain, lqr_law
from robot_il.tasks import TASKS, find_task
from sim.conditions import nominal
from sim.twin import Truth

PERIOD_S = 0.005
STILL = Truth(*[0.0] * len(Truth._fields))


def judged(task, *parts):
    judge = judge_of(find_task(task), PERIOD_S)
    for truth, seconds in parts:
        for _ in range(round(seconds / PERIOD_S)):
            judge.see(truth)
    return judge


def leaning(pitch, velocity=0.0):
    return STILL._replace(pitch=pitch, velocity=velocity)


@pytest.mark.parametrize("task", ["stand", "drive", "drive@0.4", "height", "push_recovery"])
def test_who_only_has_to_survive_is_judged_by_nothing_else(task):
    judge = judged(task, (leaning(0.4, 2.0), 3.0))
    assert (judge.succeeded, judge.error) == (None, None)


def test_a_robot_has_stood_up_when_it_is_upright_and_at_rest_all_of_the_last_half_second():
    falling, calm = (leaning(0.6, 2.0), 2.0), (leaning(0.99 * REST_RAD, 0.99 * REST_M_S), REST_S)
    assert judged("stand_up", falling, calm).succeeded
    assert judged("stand_up", falling, calm).error == pytest.approx(0.99 * REST_RAD)
    assert not judged("stand_up", calm, falling).succeeded
    assert not judged("stand_up", falling, (calm[0], REST_S - 2 * PERIOD_S)).succeeded
    for bad in (leaning(1.01 * REST_RAD), leaning(-1.01 * REST_RAD)):
        assert not judged("stand_up", (STILL, REST_S - PERIOD_S), (bad, PERIOD_S)).succeeded
    for way in (-1, 1):
        assert not judged("stand_up", (leaning(0.0, 1.01 * way * REST_M_S), REST_S)).succeeded


def test_an_episode_that_is_over_before_it_could_be_judged_is_no_success():
    assert not judged("stand_up").succeeded
    assert judged("stand_up").error is None
    assert not judged("stand_up", (STILL, REST_S / 2)).succeeded
    assert not judged("drive_turn", (STILL, SETTLE_S)).succeeded
    assert judged("drive_turn", (STILL, SETTLE_S)).error is None


@pytest.mark.parametrize(
    ("share", "done"),
    [
        (1.0, True),
        (1 + 0.99 * NEAR_1, True),
        (1 + 1.01 * NEAR_1, False),
        (1 - 1.01 * NEAR_1, False),
        (-1.0, False),
        (0.0, False),
    ],
)
def test_a_robot_has_turned_when_its_mean_rate_after_the_start_is_near_what_was_asked(share, done):
    wanted = TASKS["drive_turn"].target_yaw_rate_rad_s
    turning = STILL._replace(yaw_rate=share * wanted)
    judge = judged("drive_turn", (STILL, SETTLE_S), (turning, 2.0))
    assert judge.succeeded is done
    assert judge.error == pytest.approx(abs(share - 1.0) * wanted)


def flown(task, law, seconds=3.0, **conditions):
    rollout = Rollout("reference", TASKS[task], seconds)
    start = dataclasses.replace(nominal(TASKS[task]), **conditions)
    return rollout.run(law(rollout.robot, rollout.task), lqr_law(rollout.robot, rollout.task), start, 0)


def test_in_the_twin_the_lqr_stands_up_from_a_lean_and_turns():
    up = flown("stand_up", lqr_law, tipped_rad=0.3)
    assert (up.survived, up.succeeded) == (True, True)
    assert up.task_error < REST_RAD
    turned = flown("drive_turn", lqr_law)
    assert turned.succeeded
    assert turned.task_error < 0.1


def test_in_the_twin_one_who_falls_or_never_comes_to_rest_has_not_stood_up():
    def idle(robot, task):
        return LinearController(0.0 * lqr_gain(robot, task), task)

    def rolling(robot, task):
        return LinearController(lqr_gain(robot, task), dataclasses.replace(task, target_velocity_m_s=1.2))

    fell = flown("stand_up", idle, tipped_rad=0.3)
    assert (fell.survived, fell.succeeded) == (False, False)
    ran = flown("stand_up", rolling, 1.5, tipped_rad=0.1)
    assert (ran.survived, ran.succeeded) == (True, False)
