"""The loop under a guard with a region: late answers, an operator who is gone, and the replay of all that."""

from __future__ import annotations

import numpy as np
import pytest

from robot_il.control.clock import PERIOD_NS
from robot_il.control.controllers import LinearController
from robot_il.control.guard import Guard, GuardLimits, LoopInput
from robot_il.control.loop import OPERATOR_LOST_NS, OPERATOR_SILENT_NS, STALE_NS, ControlLoop
from robot_il.control.region import Region
from robot_il.control.replay import replay
from robot_il.control.supervisor import SupervisorState
from robot_il.tasks import TASKS
from tests.scripted_robot import GAIN, MemorySink, ScriptedRobot

from .test_loop import lqr, ticks_of

UNIT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
REGION = Region(((16.0, 0.0, 0.0), (0.0, 0.3, 0.0), (0.0, 0.0, 1.0)), 1.0, 0.0, UNIT, (0.0, 0.0, 0.0))


class Thinking(LinearController):
    """Takes its time over some answers; the robot's world goes on meanwhile."""

    def __init__(self, robot: ScriptedRobot, periods: float, at: set[int]) -> None:
        super().__init__(GAIN, TASKS["stand"])
        self._robot, self._ns, self._at = robot, round(periods * PERIOD_NS), at

    def torque(self, state):
        if state.state_seq in self._at:
            self._robot.clock.time_ns += self._ns
        return super().torque(state)


class Scripted:
    """An operator who is heard at every tick but those of some intervals, told in ns of the loop's clock."""

    def __init__(self, robot: ScriptedRobot, *silences: tuple[int, int]) -> None:
        self._robot, self._silences = robot, silences

    stick_forward = stick_turn = yaw_rate_wanted = 0.0
    taken = False
    heard_ns = 0

    def look(self, now_ns: int) -> None:
        self.heard_ns = next((start for start, end in self._silences if start <= now_ns < end), now_ns)


def run(robot, sink, controller=None, ticks: int = 600, operator=None, limits: GuardLimits | None = None):
    guard = Guard(controller or lqr(), lqr(), limits, region=REGION)
    return ControlLoop(robot, robot.clock, guard, sink, operator=operator).run(ticks)


def inputs_of(sink: MemorySink, bit: LoopInput) -> int:
    return int(np.count_nonzero(ticks_of(sink)["inputs"] & int(bit)))


@pytest.mark.parametrize(
    ("periods", "late"), [(STALE_NS / 5e6 - 0.1, 0), (STALE_NS / 5e6 + 0.1, 1), (10.0, 1), (14.0, 1)]
)
def test_an_answer_later_than_three_periods_brings_the_fallback_at_the_next_state(robot, sink, periods, late) -> None:
    report = run(robot, sink, Thinking(robot, periods, {60}), 100)
    rows = ticks_of(sink)
    assert inputs_of(sink, LoopInput.CONTROLLER_LATE) == late
    assert rows[rows["state_seq"] > 60]["source"][0] == (2 if late else 1)
    assert report.reasons == (["stop requested", "controller late"] if late else ["stop requested"])
    assert report.outcome is SupervisorState.DISARMED


def test_states_that_came_while_the_controller_thought_are_no_silence_of_the_link(robot, sink) -> None:
    run(robot, sink, Thinking(robot, 14.0, {60}), 100)
    assert inputs_of(sink, LoopInput.OBSERVATION_STALE | LoopInput.OBSERVATION_LOST) == 0


def test_a_link_that_died_while_the_controller_thought_was_silent_all_the_while(robot, sink) -> None:
    robot.silence = set(range(61, 100))
    report = run(robot, sink, Thinking(robot, 9.9, {60}), 100)
    assert "observation lost" in report.reasons
    lost = next(detail for name, detail in sink.events if detail.get("what") == "OBSERVATION_LOST")
    assert lost["silence_us"] < 70_000


def test_a_controller_that_is_always_late_is_taken_off_for_good(robot, sink) -> None:
    limits = GuardLimits(regain_s=0.1, max_rescues=2)
    report = run(robot, sink, Thinking(robot, 10.0, set(range(60, 10_000))), 600, limits=limits)
    assert inputs_of(sink, LoopInput.CONTROLLER_LATE) == 3
    assert not report.as_asked
    assert report.outcome is SupervisorState.DISARMED


S = 1_000_000_000


@pytest.mark.parametrize(
    ("silent_ns", "fallback", "ended"),
    [
        (OPERATOR_SILENT_NS, False, False),
        (OPERATOR_SILENT_NS + PERIOD_NS, True, False),
        (OPERATOR_LOST_NS, True, False),
        (OPERATOR_LOST_NS + PERIOD_NS, True, True),
    ],
)
def test_an_operators_silence_counts_at_its_edges(robot, sink, silent_ns: int, fallback: bool, ended: bool) -> None:
    begun = 2 * S
    report = run(robot, sink, operator=Scripted(robot, (begun, begun + silent_ns + PERIOD_NS)))
    rows = ticks_of(sink)
    assert ("operator silent" in report.reasons) == fallback
    assert ("operator lost" in report.reasons) == ended
    assert report.as_asked != ended
    assert report.outcome is SupervisorState.DISARMED
    assert (len(rows) < 600) == ended


def test_an_operator_who_is_back_gets_the_robot_back(robot, sink) -> None:
    silences = [(2 * S, 2 * S + 3 * OPERATOR_SILENT_NS)]
    report = run(robot, sink, operator=Scripted(robot, *silences), limits=GuardLimits(regain_s=0.2))
    rows = ticks_of(sink)
    hands = rows["source"][np.flatnonzero(np.diff(rows["source"].astype(int))) + 1].tolist()
    assert hands == [1, 2, 1, 0]
    assert report.as_asked


def test_a_run_without_an_operator_waits_for_none(robot, sink) -> None:
    assert run(robot, sink).reasons == ["stop requested"]


def test_the_margin_is_logged_and_a_replay_gives_it_and_every_decision_again(sink) -> None:
    robot = ScriptedRobot(pitch=0.22)
    robot.silence = {200, 201, 202, 203}
    limits = GuardLimits(regain_s=0.2)
    thinking = Thinking(robot, 10.0, {300})
    run(robot, sink, thinking, 800, Scripted(robot, (4 * S, 4 * S + 2 * OPERATOR_SILENT_NS)), limits)
    rows = ticks_of(sink)
    assert rows["margin"].min() < limits.switch_margin
    assert rows["margin"].max() > 0.9
    assert np.count_nonzero(np.diff(rows["source"].astype(int))) > 6
    assert replay(rows, lqr(), lqr(), limits, REGION).bit_equal
    assert not replay(rows, lqr(), lqr(), limits).bit_equal
