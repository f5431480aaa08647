"""One dataset as a method sees it: the sources it asked for, scaled, split by episode, and resident as tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from robot_il.errors import ConfigError, DataError
from robot_il.learning.dataset import Dataset, DatasetInfo
from robot_il.learning.devices import CPU
from robot_il.learning.environment import Environment
from robot_il.learning.preferences import Preferences
from robot_il.learning.rows import Rows
from robot_il.learning.scaling import ActionScaling, StateScaling, channel_scale
from robot_il.spec import LABELS
from robot_il.tasks import find_task, is_task

MARGIN = 0.5
"""A rollout may leave the recorded range of a channel by this share of it."""


@dataclass(frozen=True, eq=False)
class Coordinates:
    """How a method's networks see states, actions and changes; fitted on training rows alone.

    Attributes:
        state: scaling of states.
        action: scaling of actions.
        change_scale: (S,) standard deviation of s' - s, in the channels' units.
    """

    state: StateScaling
    action: ActionScaling
    change_scale: np.ndarray

    @classmethod
    def fit(cls, dataset: Dataset, index: np.ndarray) -> Coordinates:
        """From the dataset's rows at ``index``."""
        columns = (dataset.observations, dataset.actions, dataset.next_observations)
        return cls.of(dataset.info, *(column[index] for column in columns))

    @classmethod
    def of(cls, info: DatasetInfo, states: np.ndarray, actions: np.ndarray, next_states: np.ndarray) -> Coordinates:
        """From transitions in the dataset's channels, (N, S), (N, A) and (N, S)."""
        return cls(
            StateScaling.fit(states, tuple(channel.unit for channel in info.observation)),
            ActionScaling.fit(actions, info.action_low, info.action_high),
            channel_scale(next_states - states, np.zeros(states.shape[1])),
        )

    def rows(self, dataset: Dataset, index: np.ndarray) -> Rows:
        """The dataset's rows at ``index`` in these coordinates."""
        return self.transitions(dataset.observations[index], dataset.actions[index], dataset.next_observations[index])

    def transitions(self, states: np.ndarray, actions: np.ndarray, next_states: np.ndarray) -> Rows:
        """Transitions in SI and the action's units, (N, S), (N, A) and (N, S), in these coordinates."""
        change = (next_states - states) / self.change_scale
        action = self.action(actions)
        log_volume = self.action.log_volume(action)
        return Rows.join(self.state(states), action, log_volume, torch.from_numpy(change), self.state.clip)


@dataclass(frozen=True, eq=False)
class Source:
    """Transitions that play one part in a method.

    Attributes:
        name: the part (``demonstrations``, ``expert``, ``suboptimal``, ...).
        train: rows to train on.
        train_index: the same rows as indices into the dataset.
        held_out: rows of held-out episodes; may be empty.
        held_out_observations: the same rows in SI, (M, S).
        held_out_actions: in the action's units, (M, A).
        held_out_episode: (M,) episode of each.
    """

    name: str
    train: Rows
    train_index: np.ndarray
    held_out: Rows
    held_out_observations: np.ndarray
    held_out_actions: np.ndarray
    held_out_episode: np.ndarray

    @classmethod
    def of(
        cls,
        name: str,
        dataset: Dataset,
        coordinates: Coordinates,
        train: np.ndarray,
        held_out: np.ndarray,
        device: torch.device = CPU,
    ) -> Source:
        """From the dataset's rows at these indices; those that networks see on ``device``."""
        return cls(
            name,
            coordinates.rows(dataset, train).to(device),
            train,
            coordinates.rows(dataset, held_out).to(device),
            dataset.observations[held_out],
            dataset.actions[held_out],
            dataset.episode[held_out],
        )


@dataclass(frozen=True, eq=False)
class Problem:
    """What a learner is given.

    Attributes:
        dataset: the recordings.
        coordinates: fitted on the training rows of every source in use.
        sources: by name.
        training_rows: of every source in use, as indices into the dataset.
        environment: somewhere to drive and somebody to label, for a method that asks for them.
        preferences: pairs that a person named; None where there are none and labels have to serve.
        device: where the sources' rows are, and where networks are to be.
    """

    dataset: Dataset
    coordinates: Coordinates
    sources: Mapping[str, Source]
    training_rows: np.ndarray
    environment: Environment | None = None
    preferences: Preferences | None = None
    device: torch.device = CPU

    @classmethod
    def build(
        cls,
        dataset: Dataset,
        labels: Mapping[str, tuple[str, ...]],
        *,
        drop_falls: bool = False,
        environment: Environment | None = None,
        preferences: Preferences | None = None,
        coordinates: Coordinates | None = None,
        device: torch.device = CPU,
    ) -> Problem:
        """Scales and gathers what a method asked for.

        Args:
            dataset: the recordings.
            labels: for each source its name and the labels that serve it.
            drop_falls: leave out the transitions into a fall, whose next state is no state to go on from.
            environment: handed on to the method.
            preferences: likewise.
            coordinates: others than those that fit the training rows.
            device: where to train.

        Raises:
            DataError: a source has no training row.
        """
        kept = ~dataset.terminals if drop_falls else np.ones(len(dataset), dtype=bool)
        train = {name: _usable(dataset, name, served, kept) for name, served in labels.items()}
        training_rows = np.unique(np.concatenate(list(train.values())))
        coordinates = coordinates or Coordinates.fit(dataset, training_rows)
        sources = {}
        for name, served in labels.items():
            held_out = dataset.select(served, held_out=True)
            sources[name] = Source.of(name, dataset, coordinates, train[name], held_out[kept[held_out]], device)
        return cls(dataset, coordinates, sources, training_rows, environment, preferences, device)

    def require_environment(self) -> Environment:
        """The environment.

        Raises:
            ConfigError: there is none.
        """
        if self.environment is None:
            raise ConfigError(
                "an environment to drive in, or an expert to ask", "none", "train with robot-il train, which has a twin"
            )
        return self.environment

    @property
    def states(self) -> int:
        """S."""
        return self.dataset.observations.shape[1]

    @property
    def actions(self) -> int:
        """A."""
        return self.dataset.actions.shape[1]

    def require_held_out(self, names: Iterable[str]) -> None:
        """Checks that there is something to stop early on.

        Raises:
            DataError: no source of these has a held-out row.
        """
        wanted = [self.sources[name] for name in names]
        if not any(len(source.held_out) for source in wanted):
            raise DataError(
                f"held-out episodes among the {' or '.join(source.name for source in wanted)} rows",
                "none",
                "record another episode of that label and build the dataset again, or train a fixed number of steps "
                "without choosing among them: --set patience_steps=0",
            )

    def state_bounds(self) -> tuple[Tensor, Tensor]:
        """Smallest and largest standardised state a rollout may visit, each (S,).

        The recorded range and ``MARGIN`` of it on both sides, and no further than where the task counts a fall.
        """
        states = self.dataset.observations[self.training_rows]
        low, high = states.min(axis=0), states.max(axis=0)
        reach = MARGIN * (high - low)
        low, high = low - reach, high + reach
        for column, limit in enumerate(self._task_limits()):
            low[column], high[column] = max(low[column], -limit), min(high[column], limit)
        mean, scale = self.coordinates.state.mean, self.coordinates.state.scale
        low, high = (low - mean) / scale, (high - mean) / scale
        return torch.from_numpy(low).to(self.device), torch.from_numpy(high).to(self.device)

    def _task_limits(self) -> list[float]:
        name = self.dataset.info.task
        task = find_task(name) if is_task(name) else None
        limits = {} if task is None else {"pitch": task.fall_tilt_rad, "position": task.fall_distance_m}
        return [limits.get(channel.name) or np.inf for channel in self.dataset.info.observation]


def _usable(dataset: Dataset, name: str, labels: tuple[str, ...], kept: np.ndarray) -> np.ndarray:
    index = dataset.select(labels, held_out=False)
    index = index[kept[index]]
    if not len(index):
        present = [f"{label} ({len(dataset.select(label))})" for label in LABELS if len(dataset.select(label))]
        raise DataError(
            f"training rows labelled {' or '.join(labels)} for the method's {name}",
            f"rows labelled {', '.join(present)}",
            f"add recordings with that label (robot-il dataset build --{labels[0]} FILE) or choose a method that does "
            "without (robot-il train --list)",
        )
    return index
