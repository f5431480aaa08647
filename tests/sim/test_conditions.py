from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from robot_il.control.lqr import linear_dynamics
from robot_il.errors import ConfigError
from robot_il.robot import Robot, load_robot
from robot_il.spec import LIMITS
from robot_il.tasks import TASKS, Task, find_task
from sim.conditions import MAX_FIGURES, MAX_PUSHES, Conditions, nominal, sample_conditions

STAND_7 = (-0.03650281221289302, (3.479330638432991, 1.0775072921727835), 1.5006582996259397)
DRIVE_7 = (-0.035769375904367684, (3.346029380622572, 2.8570717558153285), 1.0682361337755466)
"""Start, first push and delay that seed 7 has drawn since there have been draws."""


@pytest.mark.parametrize("task", TASKS.values(), ids=str)
def test_the_same_task_and_seed_draw_the_same_episode_and_others_another(task: Task, robot: Robot) -> None:
    assert sample_conditions(task, 7, robot) == sample_conditions(task, 7, robot)
    other = next(known for known in TASKS.values() if known is not task)
    draws = {sample_conditions(task, 7, robot), sample_conditions(task, 8, robot), sample_conditions(other, 7, robot)}
    assert len(draws) == 3


def test_the_draws_of_standing_and_driving_are_what_they_have_always_been(robot: Robot) -> None:
    stand, drive = (sample_conditions(TASKS[name], 7, robot) for name in ("stand", "drive"))
    assert (stand.initial_pitch_rad, stand.pushes[0], stand.delay_scale) == STAND_7
    assert (drive.initial_pitch_rad, drive.pushes[0], drive.delay_scale) == DRIVE_7


def test_drawn_episodes_start_within_a_tenth_of_a_radian_and_keep_their_ranges(robot: Robot) -> None:
    draws = [sample_conditions(TASKS["stand"], seed, robot) for seed in range(200)]
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
        {"side_pushes": ((1.0, 101.0),)},
        {"tipped_rad": 1.6},
        {"slope_rad": 0.6},
        {"bump_height_m": -0.01},
        {"floor_friction_scale": 0.0},
        {"payload_kg": -1.0},
        {"figures": (("drive.strength_1", 1.0),) * (MAX_FIGURES + 1)},
    ],
)
def test_conditions_in_which_nothing_can_be_learned_are_refused(changes) -> None:
    with pytest.raises(ConfigError):
        Conditions(**changes)


def test_pushes_to_be_recovered_from_are_harder_than_those_of_standing(robot: Robot) -> None:
    draws = [sample_conditions(TASKS["push_recovery"], seed, robot) for seed in range(50)]
    impulses = [abs(impulse) for draw in draws for _, impulse in draw.pushes]
    assert min(impulses) >= 8.0
    assert 15.0 < max(impulses) <= 16.0


@pytest.mark.parametrize("name", ["reference", "two_wheeled"])
def test_a_robot_that_is_to_stand_up_is_thrown_the_way_it_leans_and_not_pushed(name: str) -> None:
    robot = load_robot(name)
    draws = [sample_conditions(TASKS["stand_up"], seed, robot) for seed in range(100)]
    top = LIMITS.wheel_speed_rad_s * robot.pendulum.wheel_radius_m
    ways = []
    for draw in draws:
        assert draw.tipped_rad is not None
        way = math.copysign(1.0, draw.tipped_rad)
        assert 0.25 <= way * draw.tipped_rad <= 0.4
        assert way * draw.initial_pitch_rate_rad_s > 1.5
        assert 0.2 * top <= way * draw.initial_velocity_m_s <= 0.35 * top
        assert (draw.initial_pitch_rad, draw.pushes) == (0.0, ())
        ways.append(way)
    assert abs(sum(ways)) < 40


def test_a_lean_grows_at_the_rate_of_the_linear_models_unstable_pole(robot: Robot) -> None:
    draw = sample_conditions(TASKS["stand_up"], 3, robot)
    A, _ = linear_dynamics(robot.pendulum)
    pole = max(np.linalg.eigvals(A).real)
    assert 0.25 * pole <= abs(draw.initial_pitch_rate_rad_s) <= 0.35 * pole


def test_a_further_set_point_draws_like_its_task_from_a_stream_of_its_own(robot: Robot) -> None:
    usual, faster = (sample_conditions(find_task(name), 3, robot) for name in ("drive", "drive@0.4"))
    assert usual != faster
    assert len(usual.pushes) == len(faster.pushes)


@pytest.mark.parametrize("task", ["stand", "height", "push_recovery"])
@pytest.mark.parametrize("width", ["identified", "plausible", "none"])
def test_start_and_pushes_are_the_same_however_far_the_robots_are_from_their_profile(
    robot: Robot, task: str, width: str
) -> None:
    usual, other = (sample_conditions(TASKS[task], 9, robot, kind) for kind in ("usual", width))
    for name in ("pushes", "initial_pitch_rad", "initial_pitch_rate_rad_s", "fall_tilt_rad"):
        assert getattr(usual, name) == getattr(other, name)
