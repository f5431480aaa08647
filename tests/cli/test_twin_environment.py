"""The lock-step twin as the environment of a training run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli.main import main
from robot_il.cli.twin_environment import twin_environment
from robot_il.control.controllers import LinearController
from robot_il.control.device import State
from robot_il.control.guard import GuardLimits
from robot_il.control.lqr import lqr_gain
from robot_il.errors import ConfigError, TrainingError
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_PERIOD_S, STATE_SIGNALS
from robot_il.tasks import TASKS
from sim.ride import TRAINING_DRAWS
from tests.learning.pendulum import pendulum_dataset, saved

STAND = TASKS["stand"]


@pytest.fixture(scope="module")
def environment():
    return twin_environment(pendulum_dataset())


def lqr(environment):
    return lambda observation: environment.oracle(observation[None])[0]


@pytest.mark.parametrize("task", ["stand", "drive"])
def test_the_oracle_is_the_lqr_that_drives_the_robot(task):
    task = TASKS[task]
    data = pendulum_dataset()
    columns = [signal for signal in data.info.observation if signal.name in task.observation]
    index = [STAND.observation.index(column.name) for column in columns]
    info = replace(data.info, task=task.name, observation=tuple(columns))
    data = replace(
        data, info=info, observations=data.observations[:, index], next_observations=data.next_observations[:, index]
    )
    oracle = twin_environment(data).oracle
    law = LinearController(lqr_gain(load_robot("reference"), task), task)
    blank = State(*(0 for _ in STATE_SIGNALS))
    for row, torque in zip(data.observations[:20], oracle(data.observations[:20]), strict=True):
        state = blank._replace(**dict(zip(task.observation, map(float, row), strict=True)))
        assert torque[0] == pytest.approx(np.clip(law.torque(state), -8, 8), abs=1e-5)


def test_what_is_driven_repeats_bit_for_bit_and_another_seed_gives_another_draw(environment):
    first, again, other = (environment.collect(lqr(environment), 2, seed, 60) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.observations, again.observations)
    np.testing.assert_array_equal(first.actions, again.actions)
    assert not np.array_equal(first.observations, other.observations)
    assert first.episodes == 2
    assert len(first) == 120
    assert not first.terminated.any()


def test_the_actions_are_what_was_sent_in_answer_to_the_observations(environment):
    driven = environment.collect(lqr(environment), 1, 3, 80)
    asked = environment.oracle(driven.observations)
    np.testing.assert_allclose(driven.actions[1:], asked[1:], atol=1e-5)
    first_step = GuardLimits().torque_slew_nm_s * CONTROL_PERIOD_S
    assert driven.actions[0, 0] == pytest.approx(np.clip(asked[0, 0], -first_step, first_step))
    np.testing.assert_array_equal(driven.observations[1:], driven.next_observations[:-1])


def test_an_episode_ends_at_the_fall_and_the_states_before_it_are_there(environment):
    driven = environment.collect(lambda observation: np.zeros(1), 1, 0, 1000)
    assert driven.terminated[-1]
    assert driven.terminated.sum() == 1
    assert len(driven) < 1000
    assert np.abs(driven.observations[:, 0]).max() > 0.3


@pytest.mark.parametrize("answer", [np.nan, None])
def test_an_actor_that_gives_no_finite_torque_is_an_error_and_no_experience(environment, answer):
    def actor(observation):
        return np.array([answer]) if answer is not None else 1 / 0

    with pytest.raises(TrainingError, match=r"nan|ZeroDivision"):
        environment.collect(actor, 1, 0, 50)


def test_training_and_evaluation_never_share_a_draw():
    largest_seed_of_an_evaluation = 2**32 - 1
    assert largest_seed_of_an_evaluation < TRAINING_DRAWS


@pytest.mark.parametrize(
    ("change", "named"), [({"task": ""}, "imported data"), ({"task": "drive"}, "pitch, pitch_rate, velocity")]
)
def test_data_that_are_not_the_robots_are_refused_saying_what_is_missing(change, named):
    data = pendulum_dataset()
    with pytest.raises(ConfigError, match=named):
        twin_environment(replace(data, info=replace(data.info, **change)))


def test_dagger_trains_in_the_twin_from_the_command_line_and_its_run_can_be_exported(tmp_path: Path, capsys):
    folder = saved(tmp_path / "data")
    settings = ["rounds=1", "round_episodes=1", "episode_steps=60", "policy_pretrain_steps=20", "policy_hidden=16"]
    command = ["train", "dagger", "--data", folder, "--out", tmp_path / "run", "--steps", 60, "--set", *settings]
    assert main([str(word) for word in command]) == 0
    assert main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "dagger.onnx")]) == 0
    assert "dagger for stand" in capsys.readouterr().out


def test_the_list_of_methods_says_which_need_an_environment(capsys):
    assert main(["train", "--list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "expert + environment" in lines["dagger"]
    assert "environment" not in lines["bc"]


def test_a_curriculum_begins_with_easier_draws_of_the_same_seed_and_ends_with_the_draws_themselves(environment):
    collectors = [environment.collect, environment.collect.at(0.0), environment.collect.at(1.0)]
    usual, easy, full = (collector(lqr(environment), 2, 0, 40).observations for collector in collectors)
    np.testing.assert_array_equal(usual, full)
    assert np.abs(easy[:20, 0]).max() < 0.5 * np.abs(usual[:20, 0]).max()
