"""Scores the runs of a comparison: in the twin where it fits the data, and on held-out episodes; keeps what is done."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.cli.candidates import Candidate, evaluate_candidates
from robot_il.cli.rollout import Rollout
from robot_il.cli.training_pool import Outcome
from robot_il.control.onnx_policy import OnnxPolicy
from robot_il.control.policy_metadata import LinearBaseline
from robot_il.learning.comparison import Entry, Row, summarise
from robot_il.learning.dataset import Dataset
from robot_il.learning.evaluation import Episode, write_text
from robot_il.learning.export import export_policy
from robot_il.learning.least_squares import law_policy, same_law
from robot_il.learning.runs import RunFolder, read_json
from robot_il.learning.selection import fingerprint, held_out_errors
from robot_il.tasks import find_task, is_task


@dataclass(frozen=True)
class Contender:
    """One policy to be scored.

    Attributes:
        row: the row of the table that it belongs to.
        seed: of its training.
        key: equal for policies that are one and the same.
        candidate: how to drive it; None where no twin fits the data.
        held_out_rms: its error on held-out episodes.
    """

    row: str
    seed: int
    key: str
    candidate: Candidate | None
    held_out_rms: float


def score_policies(
    arguments: argparse.Namespace, dataset: Dataset, complete: Sequence[Outcome], workers: int
) -> list[Row]:
    """The LQR, the least-squares policies of the same rows, then every method, each with its intervals.

    Args:
        arguments: of ``robot-il compare``.
        dataset: that all were trained on.
        complete: the finished runs.
        workers: processes to drive the twin with.
    """
    contenders = _contenders(arguments.out, dataset, complete)
    driven = {}
    if is_task(dataset.info.task):
        rollout = Rollout(arguments.robot, find_task(dataset.info.task), arguments.seconds)
        driven = _drive(arguments.out / "scores", rollout, contenders, arguments.episodes, workers)
    entries: dict[str, list[Entry]] = {}
    for each in contenders:
        entry = Entry(each.seed, each.key, driven.get(each.key, ()), each.held_out_rms)
        entries.setdefault(each.row, []).append(entry)
    return [summarise(name, found) for name, found in entries.items()]


def _contenders(out: Path, dataset: Dataset, complete: Sequence[Outcome]) -> list[Contender]:
    fits = is_task(dataset.info.task)
    methods = [_of_run(out, dataset, outcome) for outcome in complete]
    lqr = [Contender("lqr", 0, "lqr", Candidate("lqr"), math.nan)] if fits else []
    return [*lqr, *_least_squares(out, dataset, complete), *methods]


def _of_run(out: Path, dataset: Dataset, outcome: Outcome) -> Contender:
    """A run's chosen policy, exported unless it was before."""
    weights = RunFolder(outcome.job.out).policy()
    path, newest = _policy_file(out, outcome), outcome.job.out / "policy.npz"
    if not path.exists() or path.stat().st_mtime < newest.stat().st_mtime:
        export_policy(outcome.job.out, path)
    candidate = Candidate(outcome.name, path) if is_task(dataset.info.task) else None
    return Contender(outcome.job.method, outcome.job.seed or 0, fingerprint(weights), candidate, _rms(weights, dataset))


def _policy_file(out: Path, outcome: Outcome) -> Path:
    return out / "policies" / f"{outcome.name}.onnx"


def _least_squares(out: Path, dataset: Dataset, complete: Sequence[Outcome]) -> list[Contender]:
    """The least-squares policy of every different set of rows that the methods imitate, unless ``linear`` has it."""
    known: list[LinearBaseline] = []
    found = []
    for outcome in sorted(complete, key=lambda outcome: outcome.job.method != "linear"):
        path = _policy_file(out, outcome)
        law = OnnxPolicy(path).metadata.baseline
        if law is None or any(same_law(law, other) for other in known):
            continue
        known.append(law)
        if outcome.job.method != "linear":
            name = f"least squares ({outcome.job.method})"
            candidate = Candidate(name, path, baseline=True) if is_task(dataset.info.task) else None
            key = hashlib.sha256(json.dumps(asdict(law)).encode()).hexdigest()
            found.append(Contender(name, 0, key, candidate, _rms(law_policy(law, dataset), dataset)))
    return found


def _rms(policy: Callable[[np.ndarray], np.ndarray], dataset: Dataset) -> float:
    errors = held_out_errors(policy, dataset)
    return math.sqrt(errors.mean()) if len(errors) else math.nan


def _drive(
    folder: Path, rollout: Rollout, contenders: Sequence[Contender], episodes: int, workers: int
) -> dict[str, list[Episode]]:
    """The episodes of every different policy by its key; what was driven before is read back."""
    folder.mkdir(exist_ok=True)
    about = {"robot": rollout.robot_name, "task": rollout.task.name, "seconds": rollout.seconds}
    done: dict[str, list[Episode]] = {}
    missing: dict[str, Contender] = {}
    for each in contenders:
        before = _read(folder / f"{each.key}.json", about)
        if len(before) >= episodes:
            done[each.key] = before[:episodes]
        elif each.candidate is not None:
            missing[each.key] = each
    keys = {each.candidate: key for key, each in missing.items()}

    def keep(candidate: Candidate, driven: list[Episode]) -> None:
        content = about | {"episodes": [asdict(episode) for episode in driven]}
        write_text(folder / f"{keys[candidate]}.json", json.dumps(content))
        done[keys[candidate]] = driven

    if missing:
        candidates = [each.candidate for each in missing.values() if each.candidate is not None]
        evaluate_candidates(rollout, candidates, range(episodes), workers, keep)
    return done


def _read(path: Path, about: dict[str, Any]) -> list[Episode]:
    """Episodes that were driven before under the same conditions; none where there are no such."""
    if not path.exists():
        return []
    content = read_json(path, "scores that robot-il compare wrote")
    if any(content.get(key) != value for key, value in about.items()):
        return []
    return [Episode(**episode) for episode in content["episodes"]]
