"""What a method that needs more than recordings is given: somebody to label states, and somewhere to drive.

Nothing here knows a simulator. Whoever starts the training (the command line, a test) makes the environment; it is
never the robot itself: a policy in training drives nothing but a simulation.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from robot_il.errors import ConfigError, TrainingError
from robot_il.learning.dataset import Dataset

Actor = Callable[[np.ndarray], np.ndarray]
"""Maps one observation (S,) in SI to one action (A,) in the action's units; a ``PolicyWeights`` is one."""
Oracle = Callable[[np.ndarray], np.ndarray]
"""Maps observations (N, S) to what the expert would do there, (N, A), within the action's limits."""


@dataclass(frozen=True, eq=False)
class Experience:
    """N transitions that an actor drove, episode by episode.

    Attributes:
        observations: (N, S) float32, SI.
        actions: (N, A) float32, as they were applied, in the action's units.
        next_observations: (N, S) float32, one period later.
        terminated: (N,) bool, true at the last row of an episode that ended in a fall.
        episode: (N,) int32, rising from 0.
    """

    observations: np.ndarray
    actions: np.ndarray
    next_observations: np.ndarray
    terminated: np.ndarray
    episode: np.ndarray

    def __post_init__(self) -> None:
        for field in fields(self):
            array = np.ascontiguousarray(getattr(self, field.name)).view()
            array.flags.writeable = False
            object.__setattr__(self, field.name, array)
        sizes = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(sizes.values())) > 1 or self.observations.shape != self.next_observations.shape:
            raise ValueError(f"expected as many rows of everything; came {sizes}")
        if (np.diff(self.episode) < 0).any():
            raise ValueError("expected episodes in rising order")

    @classmethod
    def empty(cls, states: int, actions: int) -> Experience:
        """Nothing yet, of S states and A actions."""
        rows = np.zeros((0, states), np.float32)
        return cls(rows, np.zeros((0, actions), np.float32), rows, np.zeros(0, bool), np.zeros(0, np.int32))

    @classmethod
    def join(cls, *parts: Experience) -> Experience:
        """All rows of the parts, in order, every episode with a number of its own."""
        episodes, offset = [], 0
        for part in parts:
            episodes.append(part.episode + offset)
            offset += part.episodes
        columns = {field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)}
        return cls(**columns | {"episode": np.concatenate(episodes).astype(np.int32)})

    def __len__(self) -> int:
        """N."""
        return len(self.observations)

    @property
    def episodes(self) -> int:
        """How many episodes there are."""
        return int(self.episode[-1]) + 1 if len(self) else 0

    def state(self) -> dict[str, Any]:
        """The columns as tensors, for a checkpoint."""
        return {field.name: torch.from_numpy(getattr(self, field.name).copy()) for field in fields(self)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Experience:
        """The inverse of ``state``."""
        return cls(**{field.name: state[field.name].numpy().copy() for field in fields(cls)})


class Collect(Protocol):
    """Lets an actor drive."""

    def __call__(self, actor: Actor, episodes: int, seed: int, steps: int) -> Experience:
        """Drives ``episodes`` episodes of at most ``steps`` transitions each; each ends at a fall.

        The same actor, numbers and seed give the same experience, bit for bit.

        Raises:
            TrainingError: the actor gave something that is no finite action.
        """


@dataclass(frozen=True, eq=False)
class Environment:
    """Where a policy in training may drive, and who labels what it sees.

    Attributes:
        name: what the run's ``config.json`` says of it; another name is another environment.
        oracle: the expert.
        collect: drives.
        at: drives episodes as hard as a curriculum has them after this share of the training, 0 to 1; None where there
            are no easier ones.
    """

    name: str
    oracle: Oracle
    collect: Collect
    at: Callable[[float], Collect] | None = None

    def collector(self, curriculum: bool, progress: float) -> Collect:
        """What drives now.

        Args:
            curriculum: whether the episodes begin easy.
            progress: share of the training that is done, 0 to 1.

        Raises:
            ConfigError: a curriculum where there are no easier episodes.
        """
        if not curriculum:
            return self.collect
        if self.at is None:
            raise ConfigError("an environment with easier episodes", self.name, "train with curriculum=false")
        return self.at(progress)


MakeEnvironment = Callable[[Dataset], Environment]
"""Makes the environment that fits a dataset; a ``ConfigError`` where none does."""


EXPERT_ACTIONS = "expert_actions.npy"
"""In a run folder: what the oracle said of every row of the dataset, (N, A) float32."""
MAX_ROWS_BYTES = 4 * 2**30


def expert_actions_file(environment: Environment, dataset: Dataset) -> bytes:
    """Content of ``EXPERT_ACTIONS``."""
    content = io.BytesIO()
    np.save(content, environment.oracle(dataset.observations), allow_pickle=False)
    return content.getvalue()


def environment_of_run(folder: Path, name: str) -> Environment | None:
    """What is left of a finished run's environment: the labels of the recorded states, so that no twin is needed again.

    Args:
        folder: of the run.
        name: of the environment.

    Returns:
        An environment whose oracle knows the dataset's rows, as a whole, and in which nobody can drive; None where the
        run had none.

    Raises:
        TrainingError: the file is damaged.
    """
    path = folder / EXPERT_ACTIONS
    if not path.exists():
        return None
    try:
        if path.stat().st_size > MAX_ROWS_BYTES:
            raise ValueError(f"more than {MAX_ROWS_BYTES} bytes")
        actions = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise TrainingError("the expert's actions as training wrote them", f"{path}: {error}", "train again") from error

    def recall(observations: np.ndarray) -> np.ndarray:
        if len(observations) != len(actions):
            raise _over(name, f"{len(observations)} states in place of the dataset's {len(actions)}")
        return actions

    def refuse(actor: Actor, episodes: int, seed: int, steps: int) -> Experience:
        del actor, seed
        raise _over(name, f"{episodes} episodes of {steps} steps asked for")

    return Environment(name, recall, refuse)


def _over(name: str, asked: str) -> TrainingError:
    return TrainingError(f"the environment {name}", f"a finished run's memory of it, and {asked}", "train again")
