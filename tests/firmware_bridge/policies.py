"""Policy files for the robot that need no training: networks whose first two hidden units carry the LQR."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robot_il.control.controllers import target
from robot_il.control.lqr import lqr_gain
from robot_il.control.policy_metadata import PolicyMetadata, PolicySignal
from robot_il.learning.export import write_policy
from robot_il.learning.policy_weights import PolicyWeights
from robot_il.robot import load_robot
from robot_il.spec import SIGNALS, SPEC_HASH, TORQUE_LIMIT_NM, WHEEL_TORQUE
from robot_il.tasks import TASKS, Task


def lqr_network(task: Task, hidden: int = 16, activation: str = "relu", strength: float = 1.0) -> PolicyWeights:
    """Two hidden layers; what the other units do does not reach the torque, but is computed all the same.

    Args:
        task: what is observed and held.
        hidden: width of both layers.
        activation: of both layers.
        strength: share of the LQR's gain.
    """
    random = np.random.default_rng(hidden)
    signals = len(task.observation)
    scale = np.array([0.1, 0.5, 0.5, 0.5])[:signals]
    # small enough that a tanh passes it on almost unchanged
    share = 1.0 if activation == "relu" else 0.05
    gain = -strength * lqr_gain(load_robot("reference"), task) * scale * share / TORQUE_LIMIT_NM
    first, second, last = random.normal(size=(signals, hidden)), np.zeros((hidden, hidden)), np.zeros((hidden, 1))
    first[:, 0], first[:, 1] = gain, -gain
    second[:, 2:] = 0.1 * random.normal(size=(hidden, hidden - 2))
    second[0, 0] = second[1, 1] = 1.0
    last[0], last[1] = (1.0, -1.0) if activation == "relu" else (0.5 / share, -0.5 / share)
    return PolicyWeights(
        observation_mean=target(task),
        observation_scale=scale,
        observation_clip=10.0,
        layers=((first, np.zeros(hidden)), (second, np.zeros(hidden)), (last, np.zeros(1))),
        action_scale=np.array([TORQUE_LIMIT_NM]),
        action_offset=np.zeros(1),
        activation=activation,
        squash="clip",
    )


def described(task: Task, spec_hash: str = SPEC_HASH) -> PolicyMetadata:
    """What a policy file for a task says of itself."""
    return PolicyMetadata(
        task=task.name,
        spec_hash=spec_hash,
        observation=tuple(PolicySignal(name, SIGNALS[name].unit) for name in task.observation),
        action=(PolicySignal(WHEEL_TORQUE.name, WHEEL_TORQUE.unit, WHEEL_TORQUE.low, WHEEL_TORQUE.high),),
        action_source="controller",
        period_s=0.005,
        method="made",
        dataset_hash="d" * 64,
        config_hash="c" * 64,
        code_version="0.1.0 source made",
    )


def lqr_policy_file(path: Path, task_name: str = "stand", **settings: float | str) -> Path:
    """A policy file of such a network."""
    task = TASKS[task_name]
    weights = lqr_network(task, **settings)
    random = np.random.default_rng(1)
    recorded = weights.observation_mean + weights.observation_scale * random.normal(size=(300, len(task.observation)))
    write_policy(weights, described(task), recorded.astype(np.float32), path)
    return path
