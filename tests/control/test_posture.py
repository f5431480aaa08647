"""What a task asks besides balance: turning and heights, the same for whoever drives, and in the log."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robot_il.control.guard import Guard, GuardLimits
from robot_il.control.loop import ControlLoop
from robot_il.control.posture import LONGEST_S, SETTLE_S, SHORTEST_S, Course, HeightProgram, course_of, height_to_send
from robot_il.control.replay import replay
from robot_il.robot import load_robot
from robot_il.tasks import TASKS, find_task
from tests.control.test_loop import lqr, ticks_of
from tests.scripted_robot import MemorySink, ScriptedRobot

LOW, HIGH = 0.2, 0.3
COURSE = Course(low_m=LOW, high_m=HIGH)


def program(seed: int = 3) -> HeightProgram:
    return HeightProgram(LOW, HIGH, seed)


def course(seed: int = 3) -> Course:
    return Course(low_m=LOW, high_m=HIGH, program=program(seed))


def seen(heights: HeightProgram, seconds: float = 60.0) -> list[float]:
    return [heights.height_at(time_s) for time_s in np.arange(0.0, seconds, 0.005)]


def test_the_first_set_point_comes_once_the_robot_has_settled():
    assert math.isnan(program().height_at(0.0))
    assert math.isnan(program().height_at(math.nextafter(SETTLE_S, 0.0)))
    assert LOW <= program().height_at(SETTLE_S) <= HIGH


def test_set_points_are_within_the_legs_spread_over_them_and_stay_some_seconds():
    heights = seen(program(), 600.0)[int(SETTLE_S * 200) :]
    changes = np.flatnonzero(np.diff(heights))
    assert np.float32(LOW) <= min(heights) < LOW + 0.1 * (HIGH - LOW)
    assert np.float32(HIGH) >= max(heights) > HIGH - 0.1 * (HIGH - LOW)
    assert SHORTEST_S - 0.01 <= np.diff(changes).min() / 200 < np.diff(changes).max() / 200 <= LONGEST_S + 0.01


def test_a_set_point_is_the_one_that_the_log_keeps():
    assert all(float(np.float32(height)) == height for height in seen(program())[300:])


def test_the_seed_fixes_all_and_another_seed_gives_others_however_it_is_asked():
    one, backwards = program(), program()
    forth = [one.height_at(time_s) for time_s in range(1, 60)]
    back = [backwards.height_at(time_s) for time_s in reversed(range(1, 60))]
    assert forth == back[::-1]
    assert forth != [program(4).height_at(time_s) for time_s in range(1, 60)]


@pytest.mark.parametrize("name", [*TASKS, "drive_turn@0.3"])
def test_a_task_turns_at_its_rate_and_only_one_moves_the_legs(name):
    asked = course_of(find_task(name), load_robot())
    assert asked.yaw_rate_rad_s == (0.5 if name.startswith("drive_turn") else 0.0)
    assert (asked.program is not None) == (name == "height")
    assert (asked.low_m, asked.high_m) == load_robot().heights_m


def test_a_robot_without_legs_keeps_its_height_in_every_task():
    robot = load_robot("two_wheeled")
    asked = course_of(TASKS["height"], robot)
    assert {asked.height_at(time_s) for time_s in range(2, 60)} == {float(np.float32(robot.height_m))}


@pytest.mark.parametrize(("asked", "given"), [(0.0, LOW), (LOW, LOW), (0.25, 0.25), (HIGH, HIGH), (9.0, HIGH)])
def test_what_a_person_asks_for_is_cut_to_what_the_legs_hold(asked, given):
    assert COURSE.within(asked) == float(np.float32(given))


@pytest.mark.parametrize(("source", "sent"), [(0, 0.25), (1, 0.28), (2, 0.25)])
def test_only_while_the_controller_drives_do_the_legs_follow(source, sent):
    state = ScriptedRobot()._state()
    assert height_to_send(0.28, state, source) == sent
    assert height_to_send(math.nan, state, source) == 0.25


def flown(
    asked: Course | None, ticks: int = 1200, press: dict[int, float] | None = None
) -> tuple[ScriptedRobot, np.ndarray]:
    """A run on the scripted robot; ``press`` asks for heights at some of its ticks."""
    robot, sink = ScriptedRobot(), MemorySink()

    def on_tick(state, decision) -> None:
        if state.state_seq in (press or {}):
            loop.ask_height((press or {})[state.state_seq])

    loop = ControlLoop(robot, robot.clock, Guard(lqr(), lqr()), sink, on_tick, course=asked)
    loop.run(ticks)
    return robot, ticks_of(sink)


def test_where_nobody_asks_the_height_of_the_state_goes_back():
    robot, rows = flown(None, 100)
    assert set(robot.heights) == {0.25}
    assert np.isnan(rows["height_wanted"]).all()


def test_the_log_says_which_height_was_wanted_and_sent():
    robot, rows = flown(course())
    sent = rows[rows["sent_seq"] > 0]
    assert sent["sent_height"].tolist() == robot.heights
    assert np.isnan(rows["sent_height"][rows["sent_seq"] == 0]).all()
    asked = sent[(sent["source"] == 1) & np.isfinite(sent["height_wanted"])]
    assert len(asked) > 900
    assert (asked["sent_height"] == asked["height_wanted"]).all()


def test_a_robot_that_is_brought_to_rest_keeps_its_height():
    _, rows = flown(course())
    resting = rows[(rows["sent_seq"] > 0) & (rows["source"] != 1)]
    assert len(resting)
    assert (resting["sent_height"] == resting["height"]).all()


def test_the_task_turns_the_robot_where_nobody_drives():
    _, rows = flown(Course(yaw_rate_rad_s=0.5), 200)
    assert set(rows["yaw_rate_wanted"].tolist()) == {0.5}


def test_what_a_person_asks_for_goes_before_the_task_to_the_end_of_the_run():
    _, rows = flown(course(), press={500: 0.21})
    after = rows[(rows["state_seq"] > 500) & (rows["source"] == 1)]
    assert set(after["height_wanted"].tolist()) == {float(np.float32(0.21))}
    assert len(set(rows["height_wanted"][rows["state_seq"] <= 500].tolist())) > 1


def test_another_run_of_the_connection_forgets_what_was_asked():
    robot, sink = ScriptedRobot(), MemorySink()
    loop = ControlLoop(robot, robot.clock, Guard(lqr(), lqr()), sink, course=COURSE)
    assert math.isnan(loop.height_m)
    loop.observe(2)
    assert loop.height_m == 0.25
    assert loop.ask_height(9.0) == loop.height_m == float(np.float32(HIGH))
    assert ("height_asked", {"height_m": loop.height_m}) in sink.events
    loop.renew(Guard(lqr(), lqr()), None, COURSE)
    assert loop.height_m == 0.25


def test_a_replay_gives_every_height_again_and_notices_one_that_was_not_sent():
    _, rows = flown(course(), press={700: 0.22})
    rows = rows.copy()
    assert replay(rows, lqr(), lqr(), GuardLimits()).bit_equal
    driven = int(np.flatnonzero(rows["sent_seq"])[400])
    rows["sent_height"][driven] += 0.001
    result = replay(rows, lqr(), lqr(), GuardLimits())
    assert (result.differing, result.first[:2]) == (1, (driven, "sent_height"))


def test_a_log_from_before_legs_moved_is_replayed_all_the_same():
    _, rows = flown(None, 100)
    rows = rows.copy()
    for name in ("height", "height_wanted", "sent_height"):
        rows[name] = np.nan
    assert replay(rows, lqr(), lqr(), GuardLimits()).bit_equal
