"""Names of the environments, one a task, and their entry in Gymnasium's registry."""

from __future__ import annotations

import gymnasium

from robot_il.tasks import TASKS

NAMESPACE = "robot_il"
VERSION = 0


def env_id(task_name: str) -> str:
    """Gymnasium's name for a task: ``drive_turn`` is ``robot_il/DriveTurn-v0``.

    Args:
        task_name: key of ``tasks.TASKS``.
    """
    return f"{NAMESPACE}/{''.join(word.capitalize() for word in task_name.split('_'))}-v{VERSION}"


def register_envs() -> None:
    """Registers an environment for each task; those that are there already stay."""
    for name in TASKS:
        if env_id(name) not in gymnasium.registry:
            gymnasium.register(env_id(name), entry_point="sim.gym.env:TwinEnv", kwargs={"task": name})
