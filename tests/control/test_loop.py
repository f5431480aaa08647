from __future__ import annotations

import math

import numpy as np
import pytest

from robot_il.control.clock import PERIOD_NS, ArrivalGrid
from robot_il.control.controllers import LinearController, SyntheticOperator
from robot_il.control.guard import Guard, GuardLimits
from robot_il.control.loop import ControlLoop
from robot_il.control.replay import recorded_intent, replay
from robot_il.control.supervisor import SupervisorState
from robot_il.spec import TICK_DTYPE, Mode
from robot_il.tasks import TASKS
from tests.scripted_robot import GAIN, MemorySink, ScriptedRobot

STAND = TASKS["stand"]


def lqr() -> LinearController:
    return LinearController(GAIN, STAND)


def run(robot: ScriptedRobot, sink: MemorySink, ticks: int, controller=None):
    loop = ControlLoop(robot, robot.clock, Guard(controller or lqr(), lqr()), sink)
    return loop.run(ticks)


def ticks_of(sink: MemorySink) -> np.ndarray:
    return np.frombuffer(b"".join(sink.rows), dtype=TICK_DTYPE)


def test_a_clean_run_drives_exactly_the_ticks_asked_for_and_ends_disarmed(robot, sink) -> None:
    report = run(robot, sink, 400)
    rows = ticks_of(sink)
    assert (report.outcome, report.reasons) == (SupervisorState.DISARMED, ["stop requested"])
    assert np.count_nonzero(rows["source"] == 1) == 400
    assert robot.mode is Mode.DISARMED
    assert abs(robot.x[0]) < 0.02


def test_every_state_is_answered_once_and_logged_once(robot, sink) -> None:
    run(robot, sink, 100)
    answered = [seq for seq, _, _ in robot.commands]
    assert len(set(answered)) == len(answered)
    assert (np.diff(ticks_of(sink)["state_seq"]) == 1).all()


def test_the_log_holds_what_was_sent_and_what_was_sensed(robot, sink) -> None:
    run(robot, sink, 50)
    rows = ticks_of(sink)
    sent = rows[rows["sent_seq"] > 0]
    left = np.array([command[1] for command in robot.commands], dtype=np.float32)
    assert (sent["sent_left"] == left).all()
    assert np.isnan(rows["intent"]).all()
    assert (rows["battery"] == 24).all()


def test_a_robot_that_will_not_arm_ends_the_run(robot, sink) -> None:
    robot.refuses_to_arm = True
    report = run(robot, sink, 100)
    assert report.reasons == ["arm refused"]
    assert not [command for command in robot.commands if command[1] or command[2]]


def test_a_run_is_as_asked_unless_the_controller_lost_the_robot(robot, sink) -> None:
    class Broken(LinearController):
        def torque(self, state):
            return math.nan

    assert run(robot, sink, 100).as_asked
    assert not run(ScriptedRobot(), sink, 100, Broken(GAIN, STAND)).as_asked


def test_time_that_the_mcu_lost_is_neither_lateness_nor_silence(robot, sink) -> None:
    loop = ControlLoop(robot, robot.clock, Guard(lqr(), lqr()), sink)

    def slip(state, decision) -> None:
        if state.state_seq == 60:
            robot.slip(0.048)

    loop._on_tick = slip
    report = loop.run(150)
    assert report.reasons == ["stop requested"]
    assert max(report.lateness_us) < 1000
    assert [name for name, _ in sink.events].count("mcu_time_slipped") == 1


def test_a_stall_that_the_mcu_did_not_report_is_lateness_and_silence(robot, sink) -> None:
    loop = ControlLoop(robot, robot.clock, Guard(lqr(), lqr()), sink)

    def stall(state, decision) -> None:
        if state.state_seq == 60:
            robot.slip(0.048, reported=False)

    loop._on_tick = stall
    report = loop.run(150)
    assert "observation stale" in report.reasons
    assert max(report.lateness_us) > 40_000


def test_arm_is_not_repeated_at_every_tick(robot, sink) -> None:
    robot.refuses_to_arm = True
    run(robot, sink, 100)
    assert robot.requests.count("arm") <= 1 + 200 / 10 + 1


@pytest.mark.parametrize(("lost", "source"), [(1, 1), (2, 1), (3, 2), (9, 2)])
def test_an_observation_older_than_three_periods_brings_the_fallback(robot, sink, lost: int, source: int) -> None:
    robot.silence = set(range(50, 50 + lost))
    report = run(robot, sink, 150)
    rows = ticks_of(sink)
    first_after = rows[rows["state_seq"] == 50 + lost]
    assert first_after["source"][0] == source
    assert report.skipped == lost
    assert report.outcome is SupervisorState.DISARMED


def test_an_observation_older_than_ten_periods_stops_the_robot_and_disarms_without_a_state(robot, sink) -> None:
    robot.silence = set(range(50, 60))
    report = run(robot, sink, 500)
    assert "observation lost" in report.reasons
    assert robot.mode is Mode.DISARMED
    assert max(seq for seq, left, right in robot.commands if left or right) < 50


def test_silence_of_a_second_is_a_lost_link(robot, sink) -> None:
    robot.silence = set(range(50, 10_000))
    report = run(robot, sink, 500)
    assert report.outcome is SupervisorState.FAULT
    assert (sink.events[-1][0], sink.events[-2][0]) == ("link_lost", "observation_late")


def test_a_link_that_breaks_is_a_fault_and_is_logged(robot, sink) -> None:
    robot.gone_after = 60
    report = run(robot, sink, 500)
    assert (report.outcome, report.reasons) == (SupervisorState.FAULT, ["link lost"])
    assert sink.events[-1][0] == "link_lost"


def test_a_non_finite_observation_stops_the_robot(robot, sink) -> None:
    robot.corrupt = {80: {"pitch_rate": math.nan}}
    report = run(robot, sink, 500)
    assert "observation invalid" in report.reasons
    assert robot.mode is Mode.DISARMED


def test_a_slow_controller_loses_the_robot_to_the_fallback(robot, sink) -> None:
    class Slow(LinearController):
        def torque(self, state):
            robot.clock.time_ns += PERIOD_NS * 3 // 4
            return super().torque(state)

    report = run(robot, sink, 100, Slow(GAIN, STAND))
    assert "controller slow" in report.reasons
    assert report.misses == 11
    assert report.outcome is SupervisorState.DISARMED


def test_a_stop_request_ends_the_run_early_and_safely(robot, sink) -> None:
    loop = ControlLoop(robot, robot.clock, Guard(lqr(), lqr()), sink)
    loop._on_tick = lambda state, decision: loop.request_stop() if state.state_seq == 100 else None
    report = loop.run(100_000)
    assert report.outcome is SupervisorState.DISARMED
    assert report.controlled < 1000


@pytest.mark.parametrize("kind", ["lqr", "operator"])
def test_a_replay_gives_the_same_bits(robot, sink, kind: str) -> None:
    controller = lqr() if kind == "lqr" else SyntheticOperator(GAIN, STAND, seed=3, tremor_nm=1.5)
    robot.silence = {200, 201, 202, 203, 204}
    run(robot, sink, 1000, controller)
    rows = ticks_of(sink)
    again = lqr() if kind == "lqr" else recorded_intent(rows)
    result = replay(rows, again, lqr(), GuardLimits())
    assert result.bit_equal, result.first
    assert result.ticks == len(rows) > 1000


def test_a_replay_finds_one_flipped_bit(robot, sink) -> None:
    run(robot, sink, 300)
    rows = ticks_of(sink).copy()
    rows["pitch"][150] = np.nextafter(rows["pitch"][150], np.float32(1))
    result = replay(rows, lqr(), lqr(), GuardLimits())
    assert result.first is not None
    assert result.first[0] == 150


def test_the_operator_is_reproducible_and_differs_between_seeds() -> None:
    def torques(seed: int) -> list[float]:
        robot, sink = ScriptedRobot(), MemorySink()
        run(robot, sink, 200, SyntheticOperator(GAIN, STAND, seed))
        return ticks_of(sink)["intent"][2:200].tolist()

    assert torques(1) == torques(1)
    assert torques(1) != torques(2)


def test_the_grid_does_not_move_with_a_stall() -> None:
    grid = ArrivalGrid()
    lateness = []
    for seq in range(1, 1001):
        stall = 12_000_000 if 500 <= seq < 503 else 0
        lateness.append(grid.arrived(seq, seq * PERIOD_NS + stall))
    assert [value > 11_000_000 for value in lateness[499:502]] == [True] * 3
    assert max(lateness[503:]) == 0
    assert grid.skipped == 0


def test_the_grid_counts_what_is_missing_and_follows_a_drifting_clock() -> None:
    grid = ArrivalGrid()
    drift = 1 + 100e-6
    for seq in (s for s in range(1, 20_001) if s % 100):
        late = grid.arrived(seq, round(seq * PERIOD_NS * drift))
        assert late < 2_000
    assert grid.skipped == 199


def test_a_late_first_state_does_not_hide_the_lateness_of_others() -> None:
    grid = ArrivalGrid()
    grid.arrived(1, PERIOD_NS + 3_000_000)
    assert grid.arrived(2, 2 * PERIOD_NS) == 0
    assert grid.arrived(3, 3 * PERIOD_NS + 1_000_000) == 1_000_000
