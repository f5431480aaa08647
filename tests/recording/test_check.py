import dataclasses
import json

import numpy as np
import pytest

from robot_il.recording.check import check
from robot_il.recording.evidence import disagreement, gaps, longest_repeat
from robot_il.recording.reader import read_log
from robot_il.spec import Fault, Mode
from tests.recording.conftest import plausible_ticks, write_log


@pytest.fixture
def examine(log_path):
    """Checks a log with its ticks or other parts replaced; returns the report and the findings that are not ok."""
    log = read_log(log_path)

    def look(ticks=None, **changes):
        changes |= {} if ticks is None else {"ticks": ticks}
        report = check(dataclasses.replace(log, **changes))
        return report, {finding.name: finding for finding in report.findings if finding.severity != "ok"}

    return look


def test_a_good_recording_passes_with_nothing_to_remark(examine):
    report, remarks = examine()
    assert report.passed
    assert remarks == {}
    assert report.verdict == "time was kept: no period lost, none slipped"


@pytest.mark.parametrize("name", ["mcu_time_us", "state_seq", "host_receive_ns", "tick"])
@pytest.mark.parametrize("step", [0, -3])
def test_time_that_stands_still_or_runs_back_fails(examine, ticks, name, step):
    ticks[name][200] = int(ticks[name][199]) + step
    report, remarks = examine(ticks)
    assert not report.passed
    assert remarks[f"order of {name}"].severity == "fail"


def test_a_sequence_number_may_wrap(examine, ticks):
    ticks["state_seq"] += np.uint32(2**32 - 600)
    assert ticks["state_seq"][0] > ticks["state_seq"][-1]
    assert examine(ticks)[1] == {}


def drop(ticks: np.ndarray, start: int, count: int) -> np.ndarray:
    """The ticks without ``count`` of them, as the loop logs it: it counts what it skipped."""
    ticks["skipped"][start + count :] += count
    return np.delete(ticks, np.s_[start : start + count])


def test_states_lost_on_the_link_are_told_from_a_late_host(examine, ticks):
    lost = drop(ticks.copy(), 100, 3)
    lost["link_errors"][100:] += 3
    report, remarks = examine(lost)
    assert (remarks["lost on the link"].count, gaps(lost)) == (3, (3, 0))
    assert "a bad link: 3 STATEs" in report.verdict
    assert "busy host" not in report.verdict

    late = drop(ticks.copy(), 100, 3)
    report, remarks = examine(late)
    assert (remarks["skipped by the host"].count, gaps(late)) == (3, (0, 3))
    assert report.verdict.startswith("a busy host, not the stack: 3 periods skipped")
    assert report.passed


def test_many_lost_states_fail(examine, ticks):
    lost = drop(ticks, 100, 40)
    lost["link_errors"][100:] += 40
    assert not examine(lost)[0].passed


def test_slipped_simulation_time_is_the_hosts_fault(examine):
    slip = {"host_ns": 1, "name": "mcu_time_slipped", "detail": {"value": 12.0}}
    report, remarks = examine(events=[slip])
    assert remarks["slipped time"].count == 12
    assert "busy host, not the stack: 0 periods skipped, 12 ms slipped" in report.verdict
    assert report.passed


def test_ticks_that_the_recorder_lost_are_told_from_skipped_ones(examine, ticks):
    _, remarks = examine(np.delete(ticks, [50, 51]))
    assert remarks["lost by the recorder"].count == 2


def test_late_ticks_are_remarked(examine, ticks):
    ticks["lateness_us"][::10] = 3000
    assert examine(ticks)[1]["late ticks"].count == 40


def test_an_uneven_robot_clock_is_remarked(examine, ticks):
    ticks["mcu_time_us"][100:] += 2000
    assert examine(ticks)[1]["robot's clock"].count == 1


@pytest.mark.parametrize("name", ["pitch", "velocity", "battery", "applied_left", "sent_right", "controller_torque"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_fails(examine, ticks, name, value):
    ticks[name][7] = value
    report, remarks = examine(ticks)
    assert not report.passed
    assert "first at tick 7" in remarks[f"{name} finite"].text


def test_torque_need_not_be_a_number_where_nobody_drives(examine, ticks):
    ticks["source"][:10] = 0
    ticks["controller_torque"][:10] = np.nan
    ticks["limited_torque"][:10] = np.nan
    assert examine(ticks)[1] == {}


def test_a_value_out_of_its_plausible_range_fails(examine, ticks):
    ticks["pitch_rate"][3:5] = 40
    report, remarks = examine(ticks)
    assert not report.passed
    assert remarks["pitch_rate range"].count == 2


def test_a_robot_that_hits_the_floor_before_it_is_armed_is_remarked(examine, ticks):
    ticks["mode"][:10], ticks["source"][:10] = Mode.DISARMED, 0
    ticks["accel_z"][5] = -915
    report, remarks = examine(ticks)
    assert (report.passed, remarks["accel_z range"].severity) == (True, "warn")
    ticks["accel_z"][10] = -915
    assert not examine(ticks)[0].passed


def test_a_sensor_at_the_end_of_its_range_is_remarked(examine, ticks):
    ticks["yaw_rate"][3:9] = -35
    report, remarks = examine(ticks)
    assert report.passed
    assert remarks["yaw_rate saturated"].count == 6


@pytest.mark.parametrize("name", ["pitch", "pitch_rate", "yaw_rate", "accel_x", "accel_z"])
def test_a_stuck_sensor_fails_only_while_armed_and_for_long(examine, ticks, name):
    ticks[name][100:149] = 8.01
    assert f"{name} stuck" not in examine(ticks)[1]
    ticks[name][149] = 8.01
    report, remarks = examine(ticks)
    assert (report.passed, remarks[f"{name} stuck"].count) == (False, 50)
    ticks["mode"] = Mode.DISARMED
    assert f"{name} stuck" not in examine(ticks)[1]


def test_a_resting_wheel_is_only_remarked(examine, ticks):
    ticks["wheel_velocity_left"][100:200] = 0
    report, remarks = examine(ticks)
    assert report.passed
    assert remarks["wheel_velocity_left stuck"].severity == "warn"


def test_clipped_saturated_and_fallback_torque_are_remarked(examine, ticks):
    ticks["controller_torque"][:50] = 9
    ticks["limited_torque"][:50] = 8
    ticks["source"][:50] = 2
    remarks = examine(ticks)[1]
    assert [remarks[name].count for name in ("clipped torque", "saturated torque", "fallback")] == [50, 50, 50]


def test_rejected_commands_are_counted_over_the_counters_wrap(examine, ticks):
    ticks["rejected"] = 65534
    ticks["rejected"][300:] = 3
    assert examine(ticks)[1]["rejected commands"].count == 5


def test_a_robot_that_obeys_one_period_later_agrees():
    assert disagreement(plausible_ticks(400), 200)[0] == 0
    assert disagreement(plausible_ticks(400), 200)[1] > 390


def test_torque_within_a_slew_between_two_commands_agrees():
    ticks = plausible_ticks(400)
    ticks["applied_left"][2:] = (ticks["sent_left"][:-2] + ticks["sent_left"][1:-1]) / 2
    assert disagreement(ticks, 200)[0] == 0


def test_a_robot_that_does_something_else_fails(examine, ticks):
    ticks["applied_left"][10:110] += 1.5
    report, remarks = examine(ticks)
    assert 95 <= remarks["sent against applied"].count <= 100
    assert not report.passed


def test_a_swapped_sign_is_disagreement(examine, ticks):
    ticks["applied_left"] *= -1
    ticks["applied_right"] *= -1
    assert not examine(ticks)[0].passed


def test_a_fall_is_remarked_by_its_fault(examine, ticks):
    ticks["mode"][380:] = Mode.STOPPED
    ticks["faults"][380:] = Fault.TILT
    remarks = examine(ticks)[1]
    assert remarks["stops"].text == "ticks while stopped: 20; faults: TILT"


def test_damage_fails_and_a_cut_is_remarked(examine):
    report, remarks = examine(status="damaged", problems=("7 ticks are lost",), lost_ticks=7)
    assert (report.passed, remarks["file"].text) == (False, "7 ticks are lost")
    report, remarks = examine(status="cut", problems=("the end of the file is missing",))
    assert (report.passed, remarks["file"].severity) == (True, "warn")


def test_no_tick_at_all_fails(tmp_path):
    report = check(read_log(write_log(tmp_path / "none.mcap", plausible_ticks(0))))
    assert not report.passed
    assert report.verdict == "nothing was recorded"


def test_a_single_tick_is_looked_at_without_complaint(tmp_path):
    assert check(read_log(write_log(tmp_path / "one.mcap", plausible_ticks(1)))).passed


def test_the_report_is_strict_json_and_a_table(examine, ticks):
    ticks["pitch"][0] = np.nan
    ticks["host_send_ns"] = 0
    report, _ = examine(ticks)
    values = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert values["passed"] is False
    assert values["timing"]["latency_us"]["p50"] is None
    assert values["findings"][0]["name"] == "file"
    lines = report.lines()
    assert lines[-1] == "NOT fit to learn from"
    assert any(line.startswith("fail  pitch finite") for line in lines)


def test_the_longest_repeat_counts_ticks_and_stops_at_the_edge_of_interest():
    values = np.array([1, 2, 2, 2, 3, 3, 4])
    everywhere = np.ones(7, bool)
    assert longest_repeat(values, everywhere) == 3
    assert longest_repeat(values, values != 2) == 2
    assert longest_repeat(np.arange(5), np.ones(5, bool)) == 0
    assert longest_repeat(values[:1], everywhere[:1]) == 0
