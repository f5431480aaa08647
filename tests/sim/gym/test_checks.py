"""The environments before those who judge and use environments: registry, checkers, vectors, a learner."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest

from robot_il.tasks import TASKS
from sim.ride import TRAINING_DRAWS
from tests.sim.gym.riding import lqr

gymnasium = pytest.importorskip("gymnasium", reason="the extra [gym] is not installed")

from gymnasium.utils.env_checker import check_env  # noqa: E402
from gymnasium.vector import AutoresetMode  # noqa: E402

from sim.gym import env_id, register_envs  # noqa: E402

ROBOTS = ("reference", "two_wheeled")


def test_every_task_is_an_environment_named_by_one_rule():
    assert env_id("stand") == "robot_il/Stand-v0"
    assert env_id("drive_turn") == "robot_il/DriveTurn-v0"
    for name in TASKS:
        assert gymnasium.spec(env_id(name)).kwargs == {"task": name}


def test_registering_again_changes_nothing():
    before = dict(gymnasium.registry)
    register_envs()
    assert gymnasium.registry == before


def test_gymnasium_imports_the_package_that_an_id_names_and_physics_only_when_an_environment_is_made():
    code = (
        "import sys, gymnasium, sim.gym; assert 'pybullet' not in sys.modules;"
        "del gymnasium.registry['robot_il/Drive-v0'], sys.modules['sim.gym'];"
        "print(gymnasium.make('sim.gym:robot_il/Drive-v0').reset(seed=1)[0].shape)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.strip()) == (0, "(3,)"), result.stderr


@pytest.mark.parametrize("robot", ROBOTS)
@pytest.mark.parametrize("task", TASKS)
def test_gymnasiums_own_check_passes_without_a_warning(make, task, robot):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make(env_id(task), robot=robot, action="share", width=64, height=48)
        check_env(env.unwrapped)


@pytest.mark.parametrize("robot", ROBOTS)
@pytest.mark.parametrize("task", TASKS)
def test_the_check_of_stable_baselines_passes_without_a_warning(make, task, robot):
    checker = pytest.importorskip("stable_baselines3.common.env_checker", reason="stable-baselines3 is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checker.check_env(make(env_id(task), robot=robot, action="share"))


@pytest.mark.parametrize("action", ["torque", "wheels"])
def test_in_newton_metres_both_checks_only_recommend_a_share_of_the_torque(make, action):
    checker = pytest.importorskip("stable_baselines3.common.env_checker", reason="stable-baselines3 is not installed")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(make(action=action).unwrapped, skip_render_check=True)
        checker.check_env(make(action=action))
    assert len(caught) == 2
    assert all("symmetric and normalized" in str(warning.message) for warning in caught)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_vectors_of_environments_give_what_each_gives_alone(make, mode):
    vector = gymnasium.make_vec(env_id("stand"), num_envs=2, vectorization_mode=mode, seconds=0.5)
    alone = [make(seconds=0.5) for _ in range(2)]
    try:
        together, _ = vector.reset(seed=6)
        single = [env.reset(seed=6 + place)[0] for place, env in enumerate(alone)]
        policy = lqr()
        for _ in range(20):
            assert np.array_equal(together, np.array(single))
            actions = np.array([policy(observation) for observation in together], np.float32)
            together, rewards, *_ = vector.step(actions)
            single, expected = zip(
                *(env.step(action)[:2] for env, action in zip(alone, actions, strict=True)), strict=True
            )
            assert rewards.tolist() == list(expected)
    finally:
        vector.close()


def test_a_vector_resets_those_that_ended_with_draws_of_their_own(make):
    vector = gymnasium.make_vec(env_id("stand"), num_envs=2, vectorization_mode="sync", seconds=0.05)
    assert vector.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    vector.reset(seed=0)
    draws = []
    for _ in range(23):
        infos = vector.step(np.zeros((2, 1), np.float32))[4]
        draws += infos["seed"].tolist() if "seed" in infos else []
    vector.close()
    assert len(set(draws)) == 4
    assert min(draws) >= TRAINING_DRAWS


@pytest.mark.timeout(120)
def test_ppo_learns_for_a_few_hundred_steps(make):
    sb3 = pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")
    env = make(action="share", seconds=2.0)
    model = sb3.PPO("MlpPolicy", env, n_steps=128, batch_size=64, n_epochs=2, seed=0, device="cpu")
    before = [value.clone() for value in model.policy.parameters()]
    model.learn(256)
    assert any(not value.equal(old) for value, old in zip(model.policy.parameters(), before, strict=True))
