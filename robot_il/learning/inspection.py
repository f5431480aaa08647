"""What a finished training saw and what its discriminator makes of it, recomputed from the run and its dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from robot_il.learning.dataset import Dataset
from robot_il.learning.export import dataset_of, restored_learner
from robot_il.learning.learner import Learner
from robot_il.learning.model_based import ModelBasedLearner
from robot_il.learning.runs import RunFolder, read_tensors

SHOWN_POINTS = 1500
"""Of each kind in the embedding."""


@dataclass(frozen=True)
class Contribution:
    """What one episode gave to one training.

    Attributes:
        episode: its number in the dataset.
        label: its label.
        source: the recording it comes from.
        train: rows trained on.
        held_out: rows kept for judging.
        weight: mean weight of its rows in the policy's loss; 1 where all rows count alike; None where none is used.
    """

    episode: int
    label: str
    source: str
    train: int
    held_out: int
    weight: float | None


@dataclass(frozen=True)
class Stage:
    """Demonstrations and model rollouts at one step of a training, in the plane.

    Attributes:
        title: for a person.
        real: (N, 2).
        imagined: (M, 2).
        verdict: (M,) what the discriminator says of the rollouts.
        explained: share of the demonstrations' variance along each axis.
    """

    title: str
    real: np.ndarray
    imagined: np.ndarray
    verdict: np.ndarray
    explained: tuple[float, float]


@dataclass(frozen=True)
class Inspection:
    """What there is to see in one complete run.

    Attributes:
        contributions: of every episode.
        stages: at the chosen step and at the last; empty for a method without model or discriminator.
    """

    contributions: tuple[Contribution, ...]
    stages: tuple[Stage, ...]


def inspect(run: Path) -> Inspection:
    """Looks into a complete run.

    Raises:
        ConfigError: not a run folder.
        DataError: its dataset is gone.
        PolicyError: its dataset is another one by now.
        TrainingError: its checkpoint is gone or damaged.
    """
    folder = RunFolder.open(run)
    dataset = dataset_of(folder.config(), run)
    learner = restored_learner(folder, dataset)
    return Inspection(contributions(dataset, learner), _stages(folder, learner))


def contributions(dataset: Dataset, learner: Learner) -> tuple[Contribution, ...]:
    """Rows and mean weight of every episode."""
    weight, used = _row_weights(dataset, learner)
    episodes = len(dataset.info.episodes)
    total = np.bincount(dataset.episode, weights=weight, minlength=episodes)
    rows = np.bincount(dataset.episode, weights=used, minlength=episodes)
    return tuple(
        Contribution(
            episode=number,
            label=record.label,
            source=record.source,
            train=0 if record.held_out else record.rows,
            held_out=record.rows if record.held_out else 0,
            weight=float(total[number] / rows[number]) if rows[number] else None,
        )
        for number, record in enumerate(dataset.info.episodes)
    )


def _row_weights(dataset: Dataset, learner: Learner) -> tuple[np.ndarray, np.ndarray]:
    """Weight of every row of the dataset in the policy's loss, and whether it is used there at all, (N,) each."""
    weight, used = np.zeros(len(dataset)), np.zeros(len(dataset), dtype=bool)
    for name, source in learner.problem.sources.items():
        given = learner.row_weights(source)
        if given is None and name not in learner.imitated:
            continue
        weight[source.train_index] = 1.0 if given is None else given.numpy()
        used[source.train_index] = True
    return weight, used


def _stages(folder: RunFolder, learner: Learner) -> tuple[Stage, ...]:
    if not isinstance(learner, ModelBasedLearner) or not learner.judge(learner.real.first(1)):
        return ()
    summary = folder.summary() or {}
    stages = [_stage(learner, f"chosen step {summary.get('chosen_step', '')}")]
    last = read_tensors(folder.path / "checkpoints" / "last.pt")
    if int(last["learner"]["steps"]) != summary.get("chosen_step"):
        for name, module in learner.modules.items():
            module.load_state_dict(last["learner"]["modules"][name])
        stages.append(_stage(learner, f"last step {last['learner']['steps']}"))
    return tuple(stages)


@torch.no_grad()
def _stage(learner: ModelBasedLearner, title: str) -> Stage:
    """Fresh rollouts of the networks as they are; the plane is that of the demonstrations."""
    learner.refresh()
    imagined = learner.ring.rows()
    imagined = type(imagined)(imagined.table[-SHOWN_POINTS:], imagined.states, imagined.actions)
    real = learner.real.inputs.double().numpy()
    centre, axes, explained = principal_plane(real)
    shown = real[np.unique(np.linspace(0, len(real) - 1, SHOWN_POINTS).astype(int))]
    verdict = next(iter(learner.judge(imagined).values())).numpy()
    return Stage(title, (shown - centre) @ axes, (imagined.inputs.double().numpy() - centre) @ axes, verdict, explained)


def principal_plane(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Centre (D,), the two directions of largest variance (D, 2), and their shares of it, of points (N, D), D >= 2.

    Each direction's largest entry is positive, so that the plane does not flip between machines.
    """
    centre = points.mean(axis=0)
    _, spread, directions = np.linalg.svd(points - centre, full_matrices=False)
    axes = directions[:2].T
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    share = spread**2 / max(float((spread**2).sum()), np.finfo(float).tiny)
    return centre, axes, (float(share[0]), float(share[1]))


def first_of_each_method(runs: Sequence[dict]) -> list[dict]:
    """Of the runs of one method the first complete one: seeds look alike here."""
    found: dict[str, dict] = {}
    for run in runs:
        if run["summary"].get("chosen_step") is not None:
            found.setdefault(str(run["summary"].get("method")), run)
    return list(found.values())
