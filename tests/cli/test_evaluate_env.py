"""Policies of the robot, scored in its Gymnasium environments."""

from __future__ import annotations

import json

import numpy as np
import pytest

from robot_il.cli.main import main
from robot_il.control.onnx_policy import OnnxPolicy
from tests.firmware_bridge.policies import lqr_policy_file

gymnasium = pytest.importorskip("gymnasium", reason="the extra [gym] is not installed")


def test_the_score_is_the_return_over_the_draws_of_an_evaluation(tmp_path, capsys):
    path = lqr_policy_file(tmp_path / "policy.onnx")
    arguments = ["--episodes", "2", "--seed", "4", "--seconds", "0.5", "--json", str(tmp_path / "scores.json")]
    assert main(["evaluate", str(path), "--env", "robot_il/Stand-v0", *arguments]) == 0
    (scores,) = json.loads((tmp_path / "scores.json").read_text())
    assert "robot_il/Stand-v0" in capsys.readouterr().out
    policy, env, returns = OnnxPolicy(path), gymnasium.make("robot_il/Stand-v0", seconds=0.5), []
    for seed in (4, 5):
        observation, _ = env.reset(seed=seed)
        returns.append(0.0)
        for _ in range(100):
            observation, reward, *_ = env.step(policy.act(observation))
            returns[-1] += reward
    env.close()
    assert scores["returns"] == returns
    assert scores["lengths"] == [100, 100]
    assert np.mean(returns) > 80.0


def test_the_robot_the_task_and_the_engine_are_those_of_the_command_line(tmp_path, capsys):
    path = lqr_policy_file(tmp_path / "policy.onnx", "drive")
    short = ["--episodes", "1", "--seconds", "0.1"]
    command = ["evaluate", str(path), "--env", "robot_il/Drive-v0", *short]
    assert main([*command, "--robot", "two_wheeled", "--task", "drive@0.4", "--randomise", "none"]) == 0
    assert main([*command, "--robot", "nobody"]) == 1
    assert "nobody" in capsys.readouterr().err


def test_a_policy_of_another_observation_is_refused(tmp_path, capsys):
    path = lqr_policy_file(tmp_path / "policy.onnx", "drive")
    assert main(["evaluate", str(path), "--env", "robot_il/Stand-v0", "--episodes", "1"]) == 1
    assert "observation (4,) and action (1,) for robot_il/Stand-v0" in capsys.readouterr().err
