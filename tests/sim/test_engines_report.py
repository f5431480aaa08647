from __future__ import annotations

import math

import numpy as np
import pytest

from robot_il.robot import load_robot
from robot_il.spec import CONTROL_PERIOD_S
from sim.engine import ENGINES, STEP_S
from sim.engines_report import CLOSED, Compared, compare_engines, hardly_moved, time_steps, versions
from sim.engines_trials import LEGS, SIGNALS, TRIALS, run_closed, run_open, trials_for

TWO_WHEELED, REFERENCE = load_robot("two_wheeled"), load_robot("reference")


@pytest.fixture(scope="module")
def compared() -> dict[str, Compared]:
    return {one.name: one for one in compare_engines(REFERENCE, range(2), 1.0)}


def entry(one: Compared, signal: str, horizon_s: float) -> dict[str, float]:
    return next(row for row in one.table() if (row["signal"], row["horizon_s"]) == (signal, horizon_s))


def test_legs_move_only_where_there_are_some_that_can() -> None:
    assert trials_for(REFERENCE) == TRIALS
    assert [trial.name for trial in TRIALS if trial not in trials_for(TWO_WHEELED)] == [LEGS]


def test_every_trial_is_there_with_a_row_for_each_step(compared: dict[str, Compared]) -> None:
    assert list(compared) == [*(trial.name for trial in TRIALS), CLOSED]
    for one in compared.values():
        for engine in ENGINES:
            assert one.values[engine].shape == (2, len(one.times_s), len(SIGNALS))
    assert compared["lean"].times_s[-1] == pytest.approx(0.4)
    assert compared[CLOSED].times_s[-1] == pytest.approx(1.0)
    assert (compared["lean"].step_s, compared[CLOSED].step_s) == (STEP_S, CONTROL_PERIOD_S)


@pytest.mark.parametrize(
    ("name", "signal", "share"),
    [
        ("lean", "pitch", 0.03), ("lean", "velocity", 0.03), ("torque", "pitch", 0.01), ("torque", "velocity", 0.02),
        ("push", "pitch", 0.01), ("coast", "position", 0.01), ("turn", "yaw", 0.01), (LEGS, "height", 0.01),
    ],
)  # fmt: skip
def test_the_engines_come_apart_by_little_of_the_way_that_the_robot_moves(
    compared: dict[str, Compared], name: str, signal: str, share: float
) -> None:
    row = entry(compared[name], signal, 0.2)
    assert not hardly_moved(row)
    assert 0.0 < row["rms"] <= row["largest"] < share * row["moved_rms"]


def test_the_lqr_gets_through_in_both_engines(compared: dict[str, Compared]) -> None:
    assert [compared[CLOSED].upright(engine) for engine in ENGINES] == [2, 2]
    assert entry(compared[CLOSED], "pitch", 1.0)["largest"] < 0.01


def test_a_trial_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    runs = [run_open(TRIALS[0], TWO_WHEELED, "mujoco", seed) for seed in (3, 3, 4)]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_a_robot_that_has_fallen_leaves_no_numbers_behind() -> None:
    weak = TWO_WHEELED.drive.__class__(**{**vars(TWO_WHEELED.drive), "strength_1": 0.01})
    run = run_closed(TWO_WHEELED.__class__(**{**vars(TWO_WHEELED), "drive": weak}), "mujoco", 0, 3.0)
    fell = np.isnan(run[:, 0])
    assert 0 < fell.sum() < len(run)
    assert np.array_equal(fell, np.sort(fell))


def made_up(first: list[float], second: list[float]) -> Compared:
    rows = [np.repeat(np.array(values)[None, :, None], len(SIGNALS), axis=2) for values in (first, second)]
    both = [np.concatenate([row, row + 1.0]) for row in rows]
    both[1][1, -1] = math.nan
    return Compared("made up", "", 0.1, (0.1, 0.2), dict(zip(ENGINES, both, strict=True)))


def test_the_table_counts_only_draws_that_still_go_on_in_both_engines() -> None:
    one = made_up([0.0, 1.0, 3.0], [0.0, 1.5, 2.0])
    row = entry(one, "pitch", 0.2)
    assert (row["draws"], row["rms"], row["largest"], row["moved_rms"]) == (1, 1.0, 1.0, 3.0)
    assert entry(one, "pitch", 0.1)["draws"] == 2
    assert entry(one, "pitch", 0.1)["rms"] == pytest.approx(0.5)
    assert [one.upright(engine) for engine in ENGINES] == [2, 1]


def test_every_engine_tells_its_version_and_takes_its_time() -> None:
    assert set(versions()) == set(ENGINES)
    assert all(versions().values())
    timing = time_steps(TWO_WHEELED)
    assert set(timing.step_us) == set(ENGINES)
    assert 0.0 < timing.ratio[1] <= timing.ratio[0] <= timing.ratio[2]
