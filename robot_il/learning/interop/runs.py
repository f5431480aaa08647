"""Runs of rows that follow each other: what formats of whole trajectories, with one observation more, can hold."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from robot_il.learning.dataset import Dataset


@dataclass(frozen=True)
class Run:
    """Rows of one episode, each of whose next observation is the next row's observation, bit for bit.

    Attributes:
        start: its first row.
        stop: the row after its last.
        episode: the dataset's episode that it belongs to.
        last: whether it ends where that episode ends.
    """

    start: int
    stop: int
    episode: int
    last: bool


def runs_of(dataset: Dataset) -> list[Run]:
    """The runs of a dataset, in the order of its rows; one an episode unless rows were drawn at random."""
    bits = dataset.observations.view(np.uint32), dataset.next_observations.view(np.uint32)
    follows = (bits[1][:-1] == bits[0][1:]).all(axis=1)
    follows &= (np.diff(dataset.step) == 1) & (np.diff(dataset.episode) == 0)
    edges = [0, *(np.flatnonzero(~follows) + 1).tolist(), len(dataset)]
    result = []
    for start, stop in pairwise(edges):
        episode = int(dataset.episode[start])
        last = stop == len(dataset) or int(dataset.episode[stop]) != episode
        result.append(Run(start, stop, episode, last))
    return result


def with_last(dataset: Dataset, run: Run) -> np.ndarray:
    """(R + 1, S) float32: the observations of a run of R rows, and what came after."""
    return np.concatenate([dataset.observations[run.start : run.stop], dataset.next_observations[run.stop - 1 :][:1]])
