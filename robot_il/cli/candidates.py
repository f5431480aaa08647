"""Who is compared in an evaluation, and running them side by side in processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_il.cli.policies import load_policy_controller
from robot_il.cli.rollout import Rollout
from robot_il.cli.side_by_side import side_by_side
from robot_il.control.controllers import Controller, PolicyController
from robot_il.control.lqr import lqr_law
from robot_il.control.onnx_policy import OnnxPolicy
from robot_il.errors import PolicyError
from robot_il.learning.evaluation import Episode
from robot_il.learning.least_squares import same_law
from robot_il.spec import TORQUE_LIMIT_NM
from robot_il.tasks import TASKS, Task, find_task, is_task

CHUNK = 5
"""Episodes of one job."""


@dataclass(frozen=True)
class Candidate:
    """One policy to be judged; small and picklable, so that each process can make its own controller.

    Attributes:
        name: its row in the table.
        path: policy file; None for the LQR.
        baseline: True for the least-squares policy that the file carries.
    """

    name: str
    path: Path | None = None
    baseline: bool = False

    def controller(self, rollout: Rollout) -> Controller:
        """Makes the controller.

        Raises:
            PolicyError: the file cannot be used, or is of another task.
        """
        if self.path is None:
            return lqr_law(rollout.robot, rollout.task)
        if self.baseline:
            return _least_squares(self.path, rollout.task)
        return load_policy_controller(self.path, rollout.task.name)[0]


_Job = tuple[Rollout, Candidate, Sequence[int]]


def candidates_for(
    paths: Sequence[Path], task_name: str | None, names: Sequence[str] = ()
) -> tuple[list[Candidate], Task]:
    """The LQR first, then the least-squares policies of the same data, then the policies.

    Args:
        paths: policy files.
        task_name: None for the first policy's.
        names: of the policies; by default those of their files.

    Raises:
        PolicyError: a policy of another task than the first, or one that cannot be used.
    """
    policies = [(path, OnnxPolicy(path)) for path in paths]
    task_name = task_name or policies[0][1].metadata.task
    if not is_task(task_name):
        raise PolicyError(
            f"a policy for a task of {', '.join(TASKS)}",
            f"{paths[0]} for {task_name or 'imported data'!r}",
            "evaluate it with --env",
        )
    stems = [path.stem for path in paths]
    names = names or (stems if len(set(stems)) == len(stems) else [str(path) for path in paths])
    candidates = [Candidate("lqr"), *_baselines(policies, names)]
    candidates += [Candidate(name, path) for name, path in zip(names, paths, strict=True)]
    for candidate in candidates:
        if candidate.path is not None:
            load_policy_controller(candidate.path, task_name)
    return candidates, find_task(task_name)


def _baselines(policies: Sequence[tuple[Path, OnnxPolicy]], names: Sequence[str]) -> list[Candidate]:
    """A least-squares policy for each different one that the files carry, unless it is itself among the policies."""
    laws = [(policy.metadata.baseline, policy.metadata.method) for _, policy in policies]
    known = [law for law, method in laws if law is not None and method == "linear"]
    candidates = []
    for (path, _), (law, _), name in zip(policies, laws, names, strict=True):
        if law is not None and not any(same_law(law, other) for other in known):
            known.append(law)
            candidates.append(Candidate(f"linear ({name})", path, baseline=True))
    return candidates


def _least_squares(path: Path, task: Task) -> PolicyController:
    """The least-squares policy in a policy file: torque = weights @ observation + bias, clipped to the limit."""
    law = OnnxPolicy(path, task).metadata.baseline
    if law is None:
        raise PolicyError("a policy file with its least-squares baseline", f"{path} without", "export it again")
    weights, bias = np.array(law.weights[0]), law.bias[0]

    def torque(observation: tuple[float, ...]) -> float:
        return float(np.clip(weights @ observation + bias, -TORQUE_LIMIT_NM, TORQUE_LIMIT_NM))

    return PolicyController(torque, task, {"baseline": "least squares"})


def evaluate_candidates(
    rollout: Rollout,
    candidates: Sequence[Candidate],
    seeds: Sequence[int],
    workers: int | None,
    finished: Callable[[Candidate, list[Episode]], None] = lambda candidate, episodes: None,
) -> list[list[Episode]]:
    """Runs every candidate through every draw; the result is the same for any number of processes.

    Args:
        rollout: how an episode is set up.
        candidates: who drives.
        seeds: the draws.
        workers: processes; None for one a core.
        finished: called with each candidate as soon as all its episodes are there, in their order.

    Returns:
        for each candidate its episodes, in the order of ``seeds``.
    """
    jobs = [
        (rollout, candidate, seeds[start : start + CHUNK])
        for candidate in candidates
        for start in range(0, len(seeds), CHUNK)
    ]
    results: list[list[Episode]] = [[] for _ in candidates]
    chunks = side_by_side(_run_chunk, jobs, workers, "evaluated", chunk=1)
    for job, chunk in zip(jobs, chunks, strict=True):
        index = candidates.index(job[1])
        results[index] += chunk
        if len(results[index]) == len(seeds):
            finished(job[1], results[index])
    return results


def _run_chunk(job: _Job) -> list[Episode]:
    rollout, candidate, seeds = job
    controller = candidate.controller(rollout)
    fallback = lqr_law(rollout.robot, rollout.task)
    return [rollout.run(controller, fallback, rollout.conditions(seed), seed) for seed in seeds]
