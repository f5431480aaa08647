from dataclasses import replace

import numpy as np
import pytest

from robot_il.errors import ConfigError, PolicyError
from robot_il.learning.export import write_policy
from robot_il.learning.gym_evaluation import evaluate_in_gym, format_gym_table
from tests.learning.test_export import foreign
from tests.learning.test_policy_weights import made

gymnasium = pytest.importorskip("gymnasium", reason="the extra [hopper] is not installed")


def policy_for(folder, observed, acting, **meta):
    weights = made(sizes=(observed, 16, acting), action_scale=np.ones(acting), action_offset=np.zeros(acting))
    metadata = replace(foreign(observed, acting, -1.0, 1.0), dataset_meta=meta)
    write_policy(weights, metadata, np.zeros((3, observed)), folder / "policy.onnx")
    return folder / "policy.onnx", weights


def test_the_score_is_the_sum_of_rewards_of_whole_seeded_episodes(tmp_path):
    policy, weights = policy_for(tmp_path, 3, 1)
    env = gymnasium.make("Pendulum-v1")
    expected = []
    for seed in (7, 8):
        observation, _ = env.reset(seed=seed)
        score, over = 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(weights(observation))
            score, over = score + reward, terminated or truncated
        expected.append(score)
    score = evaluate_in_gym(policy, "Pendulum-v1", episodes=2, seed=7)
    assert score.returns == pytest.approx(expected, rel=1e-4)
    assert score.lengths == (200, 200)
    assert score.mean == pytest.approx(np.mean(expected), rel=1e-4)
    assert score.normalised is None


def test_the_same_seed_gives_the_same_returns(tmp_path):
    policy, _ = policy_for(tmp_path, 3, 1)
    seen = []
    first = evaluate_in_gym(policy, "Pendulum-v1", 3, 1, progress=lambda episode, score: seen.append((episode, score)))
    assert seen == list(enumerate(first.returns, 1))
    assert evaluate_in_gym(policy, "Pendulum-v1", 3, 1) == first
    assert evaluate_in_gym(policy, "Pendulum-v1", 3, 2) != first


def test_the_datasets_reference_returns_normalise_the_score(tmp_path):
    policy, _ = policy_for(tmp_path, 3, 1, d4rl_min=-2000.0, d4rl_max=-200.0)
    score = evaluate_in_gym(policy, "Pendulum-v1", 1)
    assert score.normalised == pytest.approx(100 * (score.mean + 2000) / 1800)
    assert score.to_json()["normalised"] == score.normalised
    assert score.to_json()["std"] is None
    header, row = format_gym_table([score]).splitlines()
    assert dict(zip(header.split(), row.split(), strict=True)) == {
        "policy": "policy",
        "env": "Pendulum-v1",
        "episodes": "1",
        "mean": f"{score.mean:.1f}",
        "std": "-",
        "best": f"{score.mean:.1f}",
        "worst": f"{score.mean:.1f}",
        "steps": "200.0",
        "normalised": f"{score.normalised:.1f}",
    }


def test_a_policy_of_other_sizes_an_unknown_environment_or_no_episode_is_refused(tmp_path):
    policy, _ = policy_for(tmp_path, 3, 2)
    with pytest.raises(
        PolicyError, match=r"observation \(3,\) and action \(1,\) for Pendulum-v1; came \(3,\) and \(2,\)"
    ):
        evaluate_in_gym(policy, "Pendulum-v1", 1)
    with pytest.raises(ConfigError, match="Nowhere-v0"):
        evaluate_in_gym(policy, "Nowhere-v0", 1)
    with pytest.raises(ConfigError, match="at least one episode"):
        evaluate_in_gym(policy, "Pendulum-v1", 0)


def test_an_environment_with_other_than_box_actions_is_refused(tmp_path):
    policy, _ = policy_for(tmp_path, 4, 1)
    with pytest.raises(PolicyError, match="CartPole-v1"):
        evaluate_in_gym(policy, "CartPole-v1", 1)


def test_hopper_runs_in_the_version_its_data_were_recorded_in_and_writes_no_file(tmp_path, monkeypatch):
    for needed in ("mujoco", "imageio"):
        pytest.importorskip(needed, reason="the extra [hopper] is not installed")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    policy, _ = policy_for(tmp_path, 11, 3)
    score = evaluate_in_gym(policy, "Hopper-v4", 2)
    assert all(1 <= length <= 1000 for length in score.lengths)
    assert all(np.isfinite(score.returns))
    assert list((tmp_path / "empty").iterdir()) == []
