"""Scores: each against a value that is known, or against what must be better or worse."""

import dataclasses
import math

import numpy as np
import pytest

from robot_il.control.lqr import lqr_gain
from robot_il.recording.coverage import PLANE_CELLS, WORKING_RANGE, Coverage
from robot_il.recording.reader import read_log
from robot_il.recording.scores import ABOUT, score, shown
from robot_il.recording.smoothness import spectral_arc_length, windows
from robot_il.robot import load_robot
from robot_il.spec import Fault
from robot_il.tasks import TASKS
from tests.recording.conftest import SESSION, write_log
from tests.recording.driving import driving_ticks


@pytest.fixture
def log(tmp_path):
    read = read_log(write_log(tmp_path / "run.mcap", driving_ticks(1200)))
    return dataclasses.replace(read, session=dataclasses.replace(SESSION, config={"robot": "reference"}))


def scored(log, ticks):
    return score([dataclasses.replace(log, ticks=ticks)])[0]


def minimum_jerk(rate_hz: int = 200, seconds: float = 1.0, pause_s: float = 0.0) -> np.ndarray:
    """Velocity of a movement from rest to rest at minimum jerk, and of a second one after a pause."""
    t = np.arange(round(rate_hz * seconds)) / (rate_hz * seconds)
    one = 30 * (t**2 - 2 * t**3 + t**4)
    return np.concatenate([one, np.zeros(round(rate_hz * pause_s)), one]) if pause_s else one


def test_a_movement_at_minimum_jerk_has_the_arc_length_of_the_literature():
    """Balasubramanian et al. 2015 give about -1.4 for it."""
    assert spectral_arc_length(minimum_jerk(), 200) == pytest.approx(-1.4, abs=0.05)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_arc_length_does_not_depend_on_the_size_of_a_movement(scale):
    movement = minimum_jerk()
    assert spectral_arc_length(scale * movement, 200) == pytest.approx(spectral_arc_length(movement, 200))


@pytest.mark.parametrize("rate_hz", [500, 1000])
def test_the_arc_length_hardly_depends_on_the_rate(rate_hz):
    movement = spectral_arc_length(minimum_jerk(rate_hz), rate_hz)
    assert movement == pytest.approx(spectral_arc_length(minimum_jerk(), 200), abs=0.02)


def test_a_movement_with_a_stop_in_it_is_less_smooth_and_tremor_less_still():
    smooth = spectral_arc_length(minimum_jerk(), 200)
    stopped = spectral_arc_length(minimum_jerk(pause_s=0.3), 200)
    tremor = minimum_jerk() + 0.3 * np.sin(2 * np.pi * 8 * np.arange(200) / 200)
    assert spectral_arc_length(tremor, 200) < smooth - 0.3
    assert stopped < smooth - 0.3


@pytest.mark.parametrize("values", [np.empty(0), np.ones(1), np.zeros(100)])
def test_a_signal_without_movement_has_no_smoothness(values):
    assert math.isnan(spectral_arc_length(values, 200))


def test_long_signals_are_judged_in_stretches_and_short_ones_whole():
    assert [len(part) for part in windows(np.arange(1000), 200)] == [400, 400]
    assert [len(part) for part in windows(np.arange(100), 200)] == [100]


def test_the_lqr_itself_is_at_no_distance_from_the_lqr(log):
    ticks = log.ticks.copy()
    gain = lqr_gain(load_robot(), TASKS["stand"])
    seen = np.stack([ticks[name].astype(float) for name in TASKS["stand"].observation], axis=1)
    ticks["sent_left"] = ticks["sent_right"] = np.clip(-seen @ gain, -8, 8) / 2
    found = scored(log, ticks)
    assert found.lqr_distance_nm < 1e-5
    assert found.lqr_distance < 1e-5


def test_a_torque_beside_the_lqrs_is_as_far_from_it_as_it_is(log):
    ticks = log.ticks.copy()
    gain = lqr_gain(load_robot(), TASKS["stand"])
    seen = np.stack([ticks[name].astype(float) for name in TASKS["stand"].observation], axis=1)
    ticks["sent_left"] = ticks["sent_right"] = (np.clip(-seen @ gain, -8, 8) + 0.75) / 2
    assert scored(log, ticks).lqr_distance_nm == pytest.approx(0.75, abs=1e-4)


def test_the_opposite_of_the_lqr_is_at_the_largest_distance(log):
    ticks = log.ticks.copy()
    gain = lqr_gain(load_robot(), TASKS["stand"])
    seen = np.stack([ticks[name].astype(float) for name in TASKS["stand"].observation], axis=1)
    ticks["sent_left"] = ticks["sent_right"] = np.clip(seen @ gain, -8, 8) / 2
    assert scored(log, ticks).lqr_distance == pytest.approx(1.0)


def test_an_episode_out_of_the_middle_is_measured_from_where_it_began(log):
    moved = log.ticks.copy()
    moved["position"] += 5.0
    assert scored(log, moved).lqr_distance_nm == pytest.approx(scored(log, log.ticks).lqr_distance_nm, abs=1e-3)


@pytest.mark.parametrize("config", [{}, {"robot": "none such"}, {"robot": 7}])
def test_without_its_robot_a_recording_has_no_distance_and_says_why(log, config):
    found = score([dataclasses.replace(log, session=dataclasses.replace(log.session, config=config))])[0]
    assert math.isnan(found.lqr_distance_nm)
    assert any("robot" in remark for remark in found.remarks)


def test_fallback_ticks_do_not_count_towards_the_distance(log):
    ticks = log.ticks.copy()
    ticks["source"][:600] = 2
    before = scored(log, ticks).lqr_distance_nm
    ticks["sent_left"][:600] = 4.0
    assert scored(log, ticks).lqr_distance_nm == before


def test_the_torque_rate_is_that_of_a_ramp(log):
    ticks = log.ticks.copy()
    ticks["sent_left"] = ticks["sent_right"] = np.arange(len(ticks)) * 0.005
    assert scored(log, ticks).torque_rate_nm_s == pytest.approx(2.0, rel=1e-3)


def test_a_jump_across_a_gap_is_no_torque_rate(log):
    ticks = log.ticks.copy()
    ticks["sent_left"] = ticks["sent_right"] = 0.0
    ticks["sent_left"][600:] = 4.0
    ticks["state_seq"][600:] += 7
    assert scored(log, ticks).torque_rate_nm_s == 0.0


def test_upright_time_and_falls(log):
    ticks = log.ticks.copy()
    assert (scored(log, ticks).upright_s, scored(log, ticks).fell) == (6.0, False)
    ticks["pitch"][1000:] = 0.6
    found = scored(log, ticks)
    assert (found.seconds, found.upright_s, found.fell) == (6.0, 5.0, True)


def test_a_stop_for_tilt_is_a_fall_but_one_before_anybody_drove_is_none(log):
    ticks = log.ticks.copy()
    ticks["source"][:100] = ticks["source"][1100:] = 0
    ticks["faults"][:100] = Fault.TILT
    assert not scored(log, ticks).fell
    ticks["faults"][1100:] = Fault.TILT
    assert scored(log, ticks).fell


def test_margins_are_of_the_driven_ticks_alone(log):
    ticks = log.ticks.copy()
    ticks["margin"] = 0.5
    ticks["margin"][0], ticks["source"][0] = -1.0, 0
    ticks["margin"][1] = 0.1
    found = scored(log, ticks)
    assert found.least_margin == pytest.approx(0.1)
    assert found.mean_margin == pytest.approx(0.5, abs=1e-3)


def at(log, **signals):
    """The recording with signals replaced by constants."""
    ticks = log.ticks.copy()
    for name in ("pitch", "pitch_rate", "position", "velocity"):
        ticks[name] = signals.get(name, 0.0)
    return dataclasses.replace(log, ticks=ticks)


def test_a_robot_that_never_moves_covers_one_cell_of_each_plane(log):
    assert Coverage.of([at(log)]).share(0) == pytest.approx(1 / PLANE_CELLS**2)


def test_a_walk_through_every_cell_of_a_plane_covers_it(log):
    side = (np.arange(PLANE_CELLS) + 0.5) / PLANE_CELLS * 2 - 1
    pitch, rate = (grid.ravel() for grid in np.meshgrid(side, side))
    ticks = np.resize(log.ticks, len(pitch))
    for name in ("position", "velocity"):
        ticks[name] = 0.0
    ticks["pitch"], ticks["pitch_rate"] = pitch * WORKING_RANGE["pitch"], rate * WORKING_RANGE["pitch_rate"]
    whole, lines, cell = 1.0, 4 / PLANE_CELLS, 1 / PLANE_CELLS**2
    expected = (whole + lines + cell) / 6  # of the six planes one is full, four are lines, one is a point
    assert Coverage.of([dataclasses.replace(log, ticks=ticks)]).share(0) == pytest.approx(expected)


def test_what_lies_outside_the_working_range_covers_nothing(log):
    coverage = Coverage.of([at(log, pitch=0.51)])
    assert math.isnan(coverage.share(0))
    assert not coverage.visits


def test_coverage_beside_others_counts_shared_and_own_cells(log):
    coverage = Coverage.of([at(log), at(log), at(log, velocity=1.0)])
    assert [coverage.shared(index) for index in range(3)] == [0.5, 0.5, 0.5]
    assert [coverage.alone(index) for index in range(3)] == [0.0, 0.0, 0.5]


def test_cells_of_different_tasks_are_different_cells(log):
    other = dataclasses.replace(log.session, task="drive")
    coverage = Coverage.of([at(log), dataclasses.replace(at(log), session=other)])
    assert [coverage.shared(0), coverage.alone(1)] == [0.5, 0.5]


def test_only_driven_ticks_cover_anything(log):
    idle = at(log, velocity=1.0)
    idle.ticks["source"] = 0
    assert not Coverage.of([idle]).visits


def test_an_episode_in_which_nobody_drove_has_no_scores_but_no_error(log):
    idle = at(log)
    idle.ticks["source"] = 0
    found = score([idle])[0]
    assert (found.seconds, found.fell) == (0.0, False)
    assert all(isinstance(v, bool) or math.isnan(v) or v == 0.0 for v in found.values().values())


def test_every_score_is_explained_and_shown_with_its_unit(log):
    found = score([log])[0]
    assert set(found.values()) == set(ABOUT)
    assert shown("upright_s", found.upright_s) == "6 s"
    assert shown("fell", found.fell) == "no"
    assert shown("coverage", 0.123) == "12.3 %"
    assert shown("mean_margin", math.nan) == "–"
