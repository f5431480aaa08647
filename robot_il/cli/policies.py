"""Makes a controller of a policy file."""

from __future__ import annotations

from pathlib import Path

from robot_il.control.controllers import PolicyController
from robot_il.control.onnx_policy import OnnxPolicy
from robot_il.errors import PolicyError
from robot_il.tasks import TASKS, Task, find_task, is_task


def load_policy_controller(path: Path, task_name: str | None) -> tuple[PolicyController, Task]:
    """Loads, verifies and self-tests a policy file.

    Args:
        path: an ONNX file made by the exporter.
        task_name: the task it must be for; None takes the policy's own.

    Raises:
        PolicyError: the file is foreign, of another spec or task, or fails its golden pairs.
    """
    policy = OnnxPolicy(path)
    own = policy.metadata.task
    if not is_task(own):
        raise PolicyError(
            f"a policy for a task of {', '.join(TASKS)}",
            f"one for {own or 'imported data'!r}",
            "it cannot drive this robot; evaluate it with --env",
        )
    task = find_task(own)
    if task_name is not None and task_name != own:
        raise PolicyError(f"a policy for task {task_name!r}", f"one for {own!r}", "give a policy trained for that task")
    policy = OnnxPolicy(path, task)
    return PolicyController(policy.torque, task, {"path": str(path.resolve()), "sha256": policy.sha256}), task
