"""How much of the state space a recording has seen: the cells of a grid over what the task observes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from robot_il.recording.reader import Log
from robot_il.tasks import Task, find_task

WORKING_RANGE: Final = {"pitch": 0.5, "pitch_rate": 3.0, "position": 2.0, "velocity": 1.5}
"""Largest magnitude of each signal in its unit that a demonstration is expected to visit.

Lean and distance are the bounds of the task ``stand`` (``tasks.TASKS``); the rates are the edge of the region from
which the fallback catches the reference robot. Beyond it lies what nobody could demonstrate. Turning and height have
no range: the heading hold and the legs see to them, whoever drives.
"""
PLANE_CELLS: Final = 16
"""Cells along each side of a plane of two signals."""
SPACE_CELLS: Final = 8
"""Cells along each axis of the whole space, coarser: it has as many axes as the task observes signals."""

Cell = tuple[str, int]
"""A task's name and the number of a cell of what it observes."""


@dataclass(frozen=True)
class Coverage:
    """Which cells each of several episodes has visited.

    Attributes:
        shares: of the cells of all planes of two signals, each episode's visited share; NaN without any tick.
        cells: each episode's visited cells of its task's whole space.
        visits: of each cell that any episode has visited, by how many.
    """

    shares: tuple[float, ...]
    cells: tuple[frozenset[Cell], ...]
    visits: Counter[Cell]

    @classmethod
    def of(cls, logs: Sequence[Log]) -> Coverage:
        """Looks at the driven ticks of each log within the working range of its task.

        Args:
            logs: one an episode.
        """
        seen = [(find_task(log.session.task), _observed(log)) for log in logs]
        cells = tuple(_space_cells(task, values) for task, values in seen)
        visits = Counter(cell for visited in cells for cell in visited)
        return cls(tuple(_plane_share(values) for _, values in seen), cells, visits)

    def share(self, index: int) -> float:
        """Share of the working range's planes that an episode has visited, in [0, 1]."""
        return self.shares[index]

    def shared(self, index: int) -> float:
        """Share of the cells that any episode has visited which this one has."""
        return len(self.cells[index]) / len(self.visits) if self.visits else math.nan

    def alone(self, index: int) -> float:
        """Share of the cells that any episode has visited which only this one has."""
        own = sum(self.visits[cell] == 1 for cell in self.cells[index])
        return own / len(self.visits) if self.visits else math.nan


def _observed(log: Log) -> np.ndarray:
    """(N, S) the driven observations that have a working range, each divided by it, those within it."""
    task = find_task(log.session.task)
    driven = log.ticks[log.ticks["source"] > 0]
    names = [name for name in task.observation if name in WORKING_RANGE]
    values = np.stack([driven[name] / WORKING_RANGE[name] for name in names], axis=1)
    within: np.ndarray = values[(np.abs(values) <= 1.0).all(axis=1)]
    return within


def _cell(values: np.ndarray, cells: int) -> np.ndarray:
    """(N, S) in [-1, 1] as number of the cell along each axis."""
    return ((values + 1.0) / 2.0 * cells).astype(np.int64).clip(0, cells - 1)


def _plane_share(values: np.ndarray) -> float:
    """Mean share of occupied cells over the planes of every two of the S signals."""
    if not len(values):
        return math.nan
    cells = _cell(values, PLANE_CELLS)
    planes = combinations(cells.T, 2)
    counts = [len(np.unique(one * PLANE_CELLS + other)) for one, other in planes]
    return float(np.mean(counts)) / PLANE_CELLS**2


def _space_cells(task: Task, values: np.ndarray) -> frozenset[Cell]:
    """The visited cells of the whole space."""
    numbers = np.zeros(len(values), np.int64)
    for column in _cell(values, SPACE_CELLS).T:
        numbers = numbers * SPACE_CELLS + column
    return frozenset((task.name, int(number)) for number in np.unique(numbers))
