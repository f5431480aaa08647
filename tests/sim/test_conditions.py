from __future__ import annotations

import itertools
import math

import pytest

from robot_il.errors import ConfigError
from robot_il.spec import TASKS
from sim.conditions import MAX_PUSHES, Conditions, nominal, sample_conditions


@pytest.mark.parametrize("task", TASKS.values(), ids=str)
def test_the_same_task_and_seed_draw_the_same_episode_and_others_another(task) -> None:
    assert sample_conditions(task, 7) == sample_conditions(task, 7)
    other = next(known for known in TASKS.values() if known is not task)
    assert len({sample_conditions(task, 7), sample_conditions(task, 8), sample_conditions(other, 7)}) == 3


def test_drawn_episodes_start_within_a_tenth_of_a_radian_and_keep_their_ranges() -> None:
    draws = [sample_conditions(TASKS["stand"], seed) for seed in range(200)]
    pitches = [draw.initial_pitch_rad for draw in draws]
    assert -0.1 <= min(pitches) < -0.08
    assert 0.08 < max(pitches) <= 0.1
    for draw in draws:
        assert all(1.0 <= abs(impulse) <= 4.0 for _, impulse in draw.pushes)
        times = [time_s for time_s, _ in draw.pushes]
        assert all(1.0 <= later - earlier <= 7.0 for earlier, later in itertools.pairwise(times))
    signs = [math.copysign(1.0, impulse) for draw in draws for _, impulse in draw.pushes]
    assert abs(sum(signs)) / len(signs) < 0.1


def test_the_nominal_episode_is_the_profile_undisturbed_and_the_tasks_own_fall() -> None:
    task = TASKS["stand"]
    assert nominal(task) == Conditions(fall_tilt_rad=task.fall_tilt_rad, fall_distance_m=task.fall_distance_m)
    assert nominal(TASKS["drive"]).fall_distance_m is None


@pytest.mark.parametrize(
    "changes",
    [
        {"mass_scale": 0.0},
        {"mass_scale": math.nan},
        {"initial_pitch_rad": 2.0},
        {"delay_scale": -1.0},
        {"fall_distance_m": 0.0},
        {"pushes": ((-1.0, 2.0),)},
        {"pushes": ((math.inf, 2.0),)},
        {"pushes": ((1.0, math.nan),)},
        {"pushes": ((1.0, 1.0),) * (MAX_PUSHES + 1)},
    ],
)
def test_conditions_in_which_nothing_can_be_learned_are_refused(changes) -> None:
    with pytest.raises(ConfigError):
        Conditions(**changes)
