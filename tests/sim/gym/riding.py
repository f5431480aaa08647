"""Who rides an environment, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from robot_il.control.controllers import target
from robot_il.control.lqr import lqr_gain
from robot_il.robot import load_robot
from robot_il.tasks import find_task

Policy = Callable[[np.ndarray], np.ndarray]


def lqr(robot_name: str = "reference", task_name: str = "stand") -> Policy:
    """The LQR as a policy of the observation."""
    task = find_task(task_name)
    gain, goal = lqr_gain(load_robot(robot_name), task), target(task)
    return lambda observation: np.array([-gain @ (observation.astype(np.float64) - goal)])


def ridden(env: Any, policy: Policy, **reset: Any) -> tuple[np.ndarray, np.ndarray, tuple[bool, bool], dict[str, Any]]:
    """Observations, rewards, (terminated, truncated) and the last info of an episode."""
    observation, info = env.reset(**reset)
    seen, rewards, over = [observation], [], False
    while not over:
        observation, reward, terminated, truncated, info = env.step(policy(observation))
        seen.append(observation)
        rewards.append(reward)
        over = terminated or truncated
    return np.array(seen), np.array(rewards), (terminated, truncated), info
