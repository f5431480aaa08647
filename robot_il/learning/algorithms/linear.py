"""Least squares with an intercept: the baseline that every report shows beside a learned policy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from robot_il.learning.config import DEMONSTRATIONS, MethodConfig
from robot_il.learning.dataset import Dataset
from robot_il.learning.learner import Learner, Method
from robot_il.learning.networks import gaussian_log_density, row_sum
from robot_il.learning.policy_weights import PolicyWeights
from robot_il.learning.problem import Coordinates, Problem, Source

RIDGE = 1e-10
"""Relative to the mean square of the standardised states: decides only between fits that the data cannot tell apart."""
RESIDUAL_FLOOR = 1e-4
"""Smallest standard deviation of the residual, in half widths of the action's range: a noise-free linear demonstrator
would otherwise have an infinite likelihood."""


@dataclass(frozen=True, kw_only=True)
class LinearConfig(MethodConfig):
    """Settings of least squares, which needs one step and no early stopping.

    Attributes:
        data: ``expert`` alone, or ``all`` but the undesirable.
    """

    data: Literal["expert", "all"] = "expert"
    steps: int = 1
    evaluate_every: int = 1
    checkpoint_every: int = 1
    patience_steps: int = 0

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"demonstrations": DEMONSTRATIONS[self.data]}


def least_squares(inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minimises |inputs W + b - targets|^2 + RIDGE N |W|^2.

    Args:
        inputs: (N, S), about standardised.
        targets: (N, A).

    Returns:
        W of shape (S, A) and b of shape (A,), in float64.
    """
    rows, size = inputs.shape
    centre, aim = inputs.mean(axis=0, dtype=np.float64), targets.mean(axis=0, dtype=np.float64)
    # Stacking the ridge as rows keeps the condition number; the normal equations would square it.
    stacked = np.vstack([inputs - centre, math.sqrt(RIDGE * rows) * np.eye(size)])
    wanted = np.vstack([targets - aim, np.zeros((size, targets.shape[1]))])
    weight = np.linalg.lstsq(stacked, wanted)[0]
    return weight, aim - centre @ weight


class LinearPolicy(nn.Module):
    """Mean W z + b of the action in half widths of its range, and the standard deviation of the residual."""

    def __init__(self, states: int, actions: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(states, actions, dtype=torch.float64))
        self.register_buffer("bias", torch.zeros(actions, dtype=torch.float64))
        self.register_buffer("log_std", torch.zeros(actions, dtype=torch.float64))
        self.weight: Tensor
        self.bias: Tensor
        self.log_std: Tensor

    def forward(self, state: Tensor) -> Tensor:
        """Actions (N, A), unclipped, for standardised states (N, S)."""
        return state @ self.weight + self.bias

    def fit(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        """Sets the least-squares solution for standardised states (N, S) and actions in half widths (N, A)."""
        weight, bias = least_squares(inputs, targets)
        residual = np.sqrt(np.square(inputs @ weight + bias - targets).mean(axis=0))
        for buffer, value in ((self.weight, weight), (self.bias, bias)):
            buffer.copy_(torch.from_numpy(value))
        self.log_std.copy_(torch.from_numpy(np.log(np.maximum(residual, RESIDUAL_FLOOR))))


class LinearLearner(Learner):
    """Least squares on all rows at once; its one network has no gradient, so ``update`` solves instead."""

    config: LinearConfig
    uses_device = False

    def __init__(self, config: LinearConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self.policy = LinearPolicy(problem.states, problem.actions)
        self.modules["policy"] = self.policy

    def draw(self) -> np.ndarray:
        """All training rows of the imitated sources, as indices into the dataset."""
        return np.concatenate([self.problem.sources[name].train_index for name in self.imitated])

    def losses(self, batch: np.ndarray) -> dict[str, Tensor]:
        """Mean squared error, in half widths."""
        inputs, targets = linear_columns(self.problem.dataset, self.problem.coordinates, batch)
        return {"policy": (self.policy(torch.from_numpy(inputs)) - torch.from_numpy(targets)).square().mean()}

    def update(self, losses: object) -> None:
        """Solves."""
        del losses
        self.policy.fit(*linear_columns(self.problem.dataset, self.problem.coordinates, self.draw()))

    def negative_log_likelihood(self, source: Source) -> Tensor:
        """See ``Learner``; of the Gaussian around the unclipped mean."""
        coordinates = self.problem.coordinates
        inputs = _standardised(coordinates, source.held_out_observations)
        wanted = (source.held_out_actions - coordinates.action.offset) / coordinates.action.limit
        mean = self.policy(torch.from_numpy(inputs))
        return -row_sum(gaussian_log_density(torch.from_numpy(wanted), mean, self.policy.log_std))

    def act(self, observations: np.ndarray) -> np.ndarray:
        """See ``Learner``."""
        scaling = self.problem.coordinates.action
        mean = self.policy(torch.from_numpy(_standardised(self.problem.coordinates, observations)))
        return (scaling.offset + scaling.limit * mean.clamp(-1, 1).numpy()).astype(np.float32)

    def policy_weights(self) -> PolicyWeights:
        """See ``Learner``."""
        coordinates = self.problem.coordinates
        return PolicyWeights(
            observation_mean=coordinates.state.mean,
            observation_scale=coordinates.state.scale,
            observation_clip=math.inf,
            layers=((self.policy.weight.numpy(), self.policy.bias.numpy()),),
            action_scale=coordinates.action.limit,
            action_offset=coordinates.action.offset,
            squash="clip",
        )


def linear_columns(dataset: Dataset, coordinates: Coordinates, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardised, unclipped states (N, S) and actions in half widths of their range (N, A), float64."""
    scaling = coordinates.action
    targets = (dataset.actions[index].astype(np.float64) - scaling.offset) / scaling.limit
    return _standardised(coordinates, dataset.observations[index]), targets


def _standardised(coordinates: Coordinates, states: np.ndarray) -> np.ndarray:
    return (states.astype(np.float64) - coordinates.state.mean) / coordinates.state.scale


METHOD = Method(
    "linear",
    LinearConfig,
    LinearLearner,
    "ordinary least squares",
    "always: no learned policy is worth deploying that does not beat it",
)
