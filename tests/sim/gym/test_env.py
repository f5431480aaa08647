"""One environment: spaces, draws, ends, frames."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import LinearController
from robot_il.control.lqr import lqr_gain
from robot_il.errors import ConfigError
from robot_il.robot import load_robot
from robot_il.spec import LIMITS, SIGNALS, TORQUE_LIMIT_NM, Fault
from robot_il.tasks import TASKS, find_task
from sim.conditions import Conditions, nominal, sample_conditions
from sim.physics import bullet
from sim.ride import TRAINING_DRAWS
from tests.sim.gym.riding import lqr, ridden

gymnasium = pytest.importorskip("gymnasium", reason="the extra [gym] is not installed")

from sim.gym import env_id  # noqa: E402
from sim.gym.env import TwinEnv  # noqa: E402


def test_spaces_are_those_of_the_spec_in_si_units(make):
    for name, task in TASKS.items():
        space = make(env_id(name)).observation_space
        assert space.dtype == np.float32
        assert space.low.tolist() == [np.float32(SIGNALS[signal].low) for signal in task.observation]
        assert space.high.tolist() == [np.float32(SIGNALS[signal].high) for signal in task.observation]
    assert make().action_space == gymnasium.spaces.Box(-TORQUE_LIMIT_NM, TORQUE_LIMIT_NM, (1,), np.float32)
    assert make(action="share").action_space == gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    limit = LIMITS.wheel_torque_nm
    assert make(action="wheels").action_space == gymnasium.spaces.Box(-limit, limit, (2,), np.float32)


def test_a_weaker_robot_has_a_smaller_action_space(make):
    robot = load_robot("two_wheeled")
    assert make(robot="two_wheeled").action_space.high[0] == np.float32(2.0 * robot.drive.torque_limit_nm)


def test_the_same_seed_gives_the_same_episodes_and_another_seed_others(make):
    first, second = make(seconds=0.5), make(seconds=0.5)
    for env in (first, second):
        env.action_space.seed(4)
    policy = lqr()
    for reset in ({"seed": 4}, {}, {}):
        runs = [ridden(env, policy, **reset) for env in (first, second)]
        assert np.array_equal(runs[0][0], runs[1][0])
        assert np.array_equal(runs[0][1], runs[1][1])
    assert not np.array_equal(ridden(first, policy, seed=4)[0], ridden(second, policy, seed=5)[0])


@pytest.mark.parametrize("task", ["stand", "drive@0.4", "stand_up"])
def test_a_seed_is_the_draw_of_an_evaluation_which_it_survives_or_not_alike(make, task):
    robot, policy = load_robot(), lqr(task_name=task)
    env = make(task=task, seconds=3.0)
    rollout = Rollout("reference", find_task(task), 3.0)
    controller = LinearController(lqr_gain(robot, rollout.task), rollout.task)
    for seed in (11, 12):
        info = env.reset(seed=seed)[1]
        conditions = sample_conditions(rollout.task, seed, robot)
        assert (info["seed"], info["conditions"]) == (seed, conditions)
        episode = rollout.run(controller, controller, conditions, seed)
        end = ridden(env, policy, seed=seed)[3]
        assert end["end"] == episode.end
        # an evaluation counts the moments too between the first torque and the hand's letting go
        assert end["truth"].time_s == pytest.approx(episode.seconds, abs=0.02)


def test_without_a_seed_no_draw_is_one_of_an_evaluation(make):
    env = make()
    draws = [env.reset(**reset)[1]["seed"] for reset in ({"seed": 1}, {}, {})]
    assert draws[0] == 1
    assert all(TRAINING_DRAWS <= draw < 2 * TRAINING_DRAWS for draw in draws[1:])


def test_an_option_names_the_draw_or_the_conditions(make):
    env, task = make(), TASKS["stand"]
    assert env.reset(seed=3, options={"draw": 8})[1]["conditions"] == sample_conditions(task, 8, load_robot())
    own = Conditions(initial_pitch_rad=0.2)
    assert env.reset(seed=3, options={"conditions": own})[1]["conditions"] == own
    observation, info = env.reset(seed=3, options={"draw": 8, "conditions": {"initial_pitch_rad": -0.15}})
    drawn = sample_conditions(task, 8, load_robot())
    assert info["conditions"].pushes == drawn.pushes
    assert info["conditions"].initial_pitch_rad == -0.15
    assert info["truth"].pitch == pytest.approx(-0.15)
    assert observation[0] == pytest.approx(-0.15, abs=0.03)


def test_the_robot_on_paper_is_undisturbed(make):
    assert make(randomise=None).reset(seed=3)[1]["conditions"] == nominal(TASKS["stand"])


def test_a_fall_terminates_and_is_worth_nothing(make):
    env = make()
    _, rewards, ended, info = ridden(env, lambda _: np.zeros(1), seed=0)
    assert ended == (True, False)
    assert info["end"] == "fell"
    assert abs(info["truth"].pitch) > TASKS["stand"].fall_tilt_rad
    assert rewards[-1] == 0.0
    assert (rewards[:-1] > 0.0).all()


def test_who_rolls_away_upright_has_fallen_too(make):
    env = make(seconds=20.0, randomise=None)
    balance = lqr(task_name="drive@1")
    _, _, ended, info = ridden(env, lambda observation: balance(observation[[0, 1, 3]]), seed=0)
    assert ended == (True, False)
    assert info["end"] == "ran away"
    assert abs(info["truth"].position) == pytest.approx(TASKS["stand"].fall_distance_m, abs=0.02)


def test_the_mcu_that_stops_by_itself_terminates_the_episode(make):
    env = make(randomise=None)
    env.reset(seed=0)
    env.step(np.zeros(1))
    env.unwrapped.ride.twin.firmware.sensors.battery = 10.0
    env.unwrapped.ride.twin.drives.open_circuit_v = 10.0
    policy, observation, over = lqr(), env.step(np.zeros(1))[0], False
    while not over:
        observation, reward, over, truncated, info = env.step(policy(observation))
        assert not truncated
    assert info["end"] == "mcu stopped"
    assert env.unwrapped.ride.state.faults == Fault.BATTERY_LOW
    assert reward == 0.0


def test_the_end_of_the_time_truncates(make):
    _, rewards, ended, info = ridden(make(seconds=0.25), lqr(), seed=0)
    assert ended == (False, True)
    assert info["end"] == "survived"
    assert len(rewards) == 50
    assert rewards[-1] > 0.0


def test_a_step_is_five_milliseconds_and_the_hand_lets_go_at_the_first_torque(make):
    env = make(randomise=None)
    _, info = env.reset(seed=0)
    times = [info["truth"].time_s] + [env.step(np.zeros(1))[4]["truth"].time_s for _ in range(4)]
    assert times[0] == 0.0
    assert np.diff(times)[-2:] == pytest.approx(0.005)


def test_the_reward_counts_the_torque_that_was_sent_not_the_one_asked_for(make):
    env = make(randomise=None)
    env.reset(seed=0)
    env.step(np.array([8.0]))
    # the host lets the total torque change by 4 N m a period
    assert env.unwrapped.ride.torque_nm == 4.0


def test_a_share_of_the_torque_does_what_the_torque_does(make):
    policy = lqr()
    runs = [
        ridden(make(seconds=0.5, action="share"), lambda observation: policy(observation) / TORQUE_LIMIT_NM, seed=2),
        ridden(make(seconds=0.5), policy, seed=2),
    ]
    assert np.array_equal(runs[0][0], runs[1][0])


def test_two_torques_turn_the_robot(make):
    env = make(action="wheels", randomise=None, seconds=1.0)
    policy = lqr()
    ridden(env, lambda observation: 0.5 * policy(observation)[0] + np.array([-0.1, 0.1]), seed=0)
    assert env.unwrapped.ride.truth.yaw > 0.1


def test_the_heading_turns_and_the_legs_move_where_the_task_asks_for_it(make):
    env = make(env_id("drive_turn"), randomise=None, seconds=3.0)
    balance = lqr(task_name="drive")
    ridden(env, lambda observation: balance(observation[:3]), seed=0)
    assert env.unwrapped.ride.truth.yaw == pytest.approx(0.5 * 3.0, abs=0.3)
    env = make(env_id("height"), randomise=None, seconds=3.0)
    stand = lqr()
    seen, _, ended, _ = ridden(env, lambda observation: stand(observation[:4]), seed=0)
    assert ended == (False, True)
    assert np.ptp(seen[:, 4]) > 0.02


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"task": "dance"}, "dance"),
        ({"robot": "nobody"}, "nobody"),
        ({"engine": "none"}, "engines"),
        ({"seconds": 0.0}, "seconds"),
        ({"seconds": math.nan}, "seconds"),
        ({"randomise": "wild"}, "randomise"),
        ({"action": "lean"}, "action"),
        ({"render_mode": "human"}, "render_mode"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(settings, named):
    with pytest.raises(ConfigError, match=named):
        TwinEnv(**settings)


@pytest.mark.parametrize(
    "options",
    [{"weather": 1}, {"draw": -1}, {"draw": 1.5}, {"conditions": {"wind": 1.0}}, {"conditions": {"mass_scale": 99}}],
)
def test_options_that_mean_nothing_are_refused(make, options):
    with pytest.raises(ConfigError):
        make().reset(seed=0, options=options)


def test_a_step_before_a_reset_after_an_end_or_of_no_number_is_refused():
    env = TwinEnv()
    with pytest.raises(ConfigError, match="call reset"):
        env.step(np.zeros(1))
    env.reset(seed=0)
    with pytest.raises(ConfigError, match="finite"):
        env.step(np.array([math.nan]))
    while not env.step(np.zeros(1))[2]:
        pass
    with pytest.raises(ConfigError, match="call reset"):
        env.step(np.zeros(1))
    env.close()


def test_closing_gives_the_engine_back_and_a_reset_begins_anew():
    env = TwinEnv(render_mode="rgb_array", width=64, height=48)
    for _ in range(3):
        env.reset(seed=0)
        assert env.render().shape == (48, 64, 3)
        env.close()
        assert env.ride is None
        env.close()


def test_episodes_that_follow_one_another_take_one_physics_client():
    env = TwinEnv(randomise=None)
    for _ in range(40):
        env.reset(seed=0)
    client = bullet.connect(bullet.DIRECT)
    bullet.disconnect(client)
    env.close()
    assert client < 30


def test_a_frame_is_drawn_where_the_twin_is_and_leaves_its_physics_alone(make):
    looked, unlooked = make(render_mode="rgb_array", seconds=0.5, width=96, height=72), make(seconds=0.5)
    policy, frames = lqr(), []

    def watching(observation):
        frames.append(looked.render())
        return policy(observation)

    seen = ridden(looked, watching, seed=1)[0]
    assert np.array_equal(seen, ridden(unlooked, policy, seed=1)[0])
    assert frames[0].shape == (72, 96, 3)
    assert not np.array_equal(frames[0], frames[-1])
