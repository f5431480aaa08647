from __future__ import annotations

import dataclasses
import math

import pytest

from robot_il.cli.rollout import Rollout
from robot_il.errors import ConfigError
from robot_il.robot import Robot
from robot_il.tasks import TASKS
from sim.conditions import nominal, sample_conditions
from sim.curriculum import EASIEST, FULL_AT, difficulty_at, eased
from sim.randomisation import USUAL, WIDTHS

TASK = TASKS["stand"]


def test_difficulty_rises_in_a_straight_line_and_ends_at_an_evaluations() -> None:
    assert difficulty_at(0.0) == EASIEST
    assert difficulty_at(FULL_AT / 2) == pytest.approx((1.0 + EASIEST) / 2)
    assert [difficulty_at(progress) for progress in (FULL_AT, 0.9, 1.0)] == pytest.approx([1.0] * 3)


@pytest.mark.parametrize("wrong", [-0.01, 1.01, math.nan])
def test_no_share_beyond_0_and_1_is_taken(robot: Robot, wrong: float) -> None:
    with pytest.raises(ConfigError):
        difficulty_at(wrong)
    with pytest.raises(ConfigError):
        eased(nominal(TASK), wrong, robot)


@pytest.mark.parametrize("task", TASKS.values(), ids=str)
@pytest.mark.parametrize("width", WIDTHS)
def test_full_difficulty_is_the_draw_itself_and_none_is_the_robot_on_paper(robot: Robot, task, width: str) -> None:
    drawn = sample_conditions(task, 4, robot, width)
    assert eased(drawn, 1.0, robot) is drawn
    easiest = eased(drawn, 0.0, robot)
    assert all(impulse == 0.0 for _, impulse in easiest.pushes)
    assert not easiest.tipped_rad
    profile = {name: getattr(easiest, name) for name in USUAL}
    assert profile == dict.fromkeys(USUAL, 1.0)
    assert (easiest.initial_pitch_rad, easiest.initial_pitch_rate_rad_s, easiest.initial_velocity_m_s) == (0, 0, 0)
    for name, value in easiest.figures:
        section, key = name.split(".")
        assert value == pytest.approx(getattr(getattr(robot, section), key))


def test_in_between_everything_shrinks_alike_and_the_judgement_stays(robot: Robot) -> None:
    drawn = dataclasses.replace(
        sample_conditions(TASKS["stand_up"], 4, robot), side_pushes=((1.0, 2.0),), slope_rad=0.1
    )
    half = eased(drawn, 0.5, robot)
    assert half.tipped_rad == pytest.approx(0.5 * drawn.tipped_rad)
    assert half.initial_velocity_m_s == pytest.approx(0.5 * drawn.initial_velocity_m_s)
    assert half.side_pushes == ((1.0, 1.0),)
    assert half.mass_scale - 1.0 == pytest.approx(0.5 * (drawn.mass_scale - 1.0))
    assert (half.fall_tilt_rad, half.fall_distance_m, half.slope_rad) == (0.69, 4.0, 0.1)


def test_an_evaluations_draws_know_of_no_difficulty() -> None:
    rollout = Rollout("reference", TASK, 1.0)
    assert rollout.conditions(3) == sample_conditions(TASK, 3, rollout.robot)
    assert "difficulty" not in {field.name for field in dataclasses.fields(Rollout)}


def test_an_environment_draws_as_easily_as_it_is_told_at_its_start_or_at_a_reset() -> None:
    pytest.importorskip("gymnasium")
    from sim.gym.env import TwinEnv

    env = TwinEnv("stand", difficulty=0.5)
    drawn = sample_conditions(TASK, 3, env.robot)
    for options, difficulty in ((None, 0.5), ({"difficulty": 0.1}, 0.1), ({"difficulty": 1.0}, 1.0)):
        _, info = env.reset(seed=3, options=options)
        assert info["conditions"] == eased(drawn, difficulty, env.robot)
    env.close()
    with pytest.raises(ConfigError, match="difficulty"):
        TwinEnv("stand", difficulty=1.5)
