"""Who is compared in an evaluation, and running them side by side in processes."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_il.cli.policies import load_policy_controller
from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import Controller, LinearController, PolicyController
from robot_il.control.lqr import lqr_gain
from robot_il.control.onnx_policy import OnnxPolicy
from robot_il.errors import PolicyError
from robot_il.learning.evaluation import Episode
from robot_il.spec import TASKS, TORQUE_LIMIT_NM, Task
from sim.conditions import sample_conditions

CHUNK = 5
"""Episodes handed to a process at a time."""


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
            return LinearController(lqr_gain(rollout.robot, rollout.task), rollout.task)
        if self.baseline:
            return _least_squares(self.path, rollout.task)
        return load_policy_controller(self.path, rollout.task.name)[0]


def candidates_for(paths: Sequence[Path], task_name: str | None) -> tuple[list[Candidate], Task]:
    """The LQR first, then the least-squares policies of the same data, then the policies.

    Raises:
        PolicyError: a policy of another task than the first, or one that cannot be used.
    """
    policies = [(path, OnnxPolicy(path)) for path in paths]
    task_name = task_name or policies[0][1].metadata.task
    if task_name not in TASKS:
        raise PolicyError(
            f"a policy for a task of {', '.join(TASKS)}",
            f"{paths[0]} for {task_name or 'imported data'!r}",
            "evaluate it with --env",
        )
    candidates = [Candidate("lqr"), *_baselines(policies)]
    stems = [path.stem for path in paths]
    names = stems if len(set(stems)) == len(stems) else [str(path) for path in paths]
    candidates += [Candidate(name, path) for name, path in zip(names, paths, strict=True)]
    for candidate in candidates:
        if candidate.path is not None:
            load_policy_controller(candidate.path, task_name)
    return candidates, TASKS[task_name]


def _baselines(policies: Sequence[tuple[Path, OnnxPolicy]]) -> list[Candidate]:
    """A least-squares policy for each different one that the files carry, unless it is itself among the policies."""
    known = {policy.metadata.baseline for _, policy in policies if policy.metadata.method == "linear"}
    candidates = []
    for path, policy in policies:
        law = policy.metadata.baseline
        if law is not None and law not in known:
            known.add(law)
            candidates.append(Candidate(f"linear ({path.stem})", path, baseline=True))
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
    rollout: Rollout, candidates: Sequence[Candidate], seeds: Sequence[int], workers: int | None
) -> list[list[Episode]]:
    """Runs every candidate through every draw; the result is the same for any number of processes.

    Returns:
        for each candidate its episodes, in the order of ``seeds``.
    """
    jobs = [
        (rollout, candidate, seeds[start : start + CHUNK])
        for candidate in candidates
        for start in range(0, len(seeds), CHUNK)
    ]
    workers = workers or len(os.sched_getaffinity(0))
    if workers == 1:
        chunks = _with_progress(map(_run_chunk, jobs), len(jobs))
    else:
        os.environ["OMP_NUM_THREADS"] = "1"  # inherited: processes of several threads each would fight for the cores
        # spawn, not fork: a physics engine and an inference runtime do not survive a fork
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            chunks = _with_progress(pool.imap(_run_chunk, jobs), len(jobs))
    per_candidate = len(jobs) // len(candidates)
    return [
        [episode for chunk in chunks[index * per_candidate : (index + 1) * per_candidate] for episode in chunk]
        for index in range(len(candidates))
    ]


def _run_chunk(job: tuple[Rollout, Candidate, Sequence[int]]) -> list[Episode]:
    rollout, candidate, seeds = job
    controller = candidate.controller(rollout)
    fallback = LinearController(lqr_gain(rollout.robot, rollout.task), rollout.task)
    return [rollout.run(controller, fallback, sample_conditions(rollout.task, seed), seed) for seed in seeds]


def _with_progress(chunks: Iterable[list[Episode]], total: int) -> list[list[Episode]]:
    """Collects the chunks, saying now and then how far it is."""
    start = shown = time.monotonic()
    done: list[list[Episode]] = []
    for chunk in chunks:
        done.append(chunk)
        now = time.monotonic()
        if now - shown > 2.0 and len(done) < total:
            shown = now
            left = (now - start) / len(done) * (total - len(done))
            print(f"evaluated {100 * len(done) // total} %, about {left:.0f} s left", file=sys.stderr, flush=True)
    return done
