"""Maximum-entropy inverse reinforcement learning in its linear-quadratic form: which cost does the demonstrator pay?

A linear model s' = A s + B u is fitted by least squares to every recorded row, whoever drove; then the diagonal of Q
and the temperature under which the demonstrations are likeliest are found (Ziebart et al. 2008 for the principle; see
``soft_lqr.py`` for the policy and ``soft_values.py`` for the same in a finite world). What is learned is a cost, and
the policy is the optimal one for it: linear, as least squares is, but one that stabilises the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from robot_il.errors import TrainingError
from robot_il.learning.algorithms.linear import (
    RESIDUAL_FLOOR,
    LinearConfig,
    LinearLearner,
    LinearPolicy,
    least_squares,
    linear_columns,
)
from robot_il.learning.dataset import Dataset
from robot_il.learning.learner import Method, Report
from robot_il.learning.networks import gaussian_log_density, row_sum
from robot_il.learning.problem import Coordinates, Problem
from robot_il.learning.soft_lqr import LinearSystem, Moments, fit_soft_lqr
from robot_il.spec import LABELS


@dataclass(frozen=True, kw_only=True)
class MaxEntConfig(LinearConfig):
    """Settings of inverse LQR, solved in one step without early stopping.

    Attributes:
        discount: gamma, of one control period; 0.995 looks 1 s ahead at 200 Hz.
        iterations: most of L-BFGS, from each start.
    """

    discount: float = 0.995
    iterations: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(0 < self.discount <= 1, "discount", "above 0 and at most 1")
        self.require(self.iterations >= 1, "iterations", "at least 1")


class LinearDynamics(nn.Module):
    """z' = A z + B u + c, with z the standardised state and u the action in spreads of the recorded ones.

    Attributes:
        A: (S, S).
        B: (S, A).
        excitation: share of the actions' spread that no linear feedback explains, the smallest over actions; without
            any, the model cannot tell what the action does from what the state does by itself.
    """

    def __init__(self, states: int, actions: int) -> None:
        super().__init__()
        self.register_buffer("A", torch.eye(states, dtype=torch.float64))
        self.register_buffer("B", torch.zeros(states, actions, dtype=torch.float64))
        self.register_buffer("excitation", torch.zeros((), dtype=torch.float64))
        self.A: Tensor
        self.B: Tensor
        self.excitation: Tensor

    def fit(self, states: np.ndarray, actions: np.ndarray, changes: np.ndarray) -> None:
        """Least squares of the change of state (N, S) on states (N, S) and actions (N, A)."""
        weight, _ = least_squares(np.concatenate([states, actions], axis=1), changes)
        size = states.shape[1]
        self.A.copy_(torch.from_numpy(np.eye(size) + weight[:size].T))
        self.B.copy_(torch.from_numpy(weight[size:].T.copy()))
        feedback, bias = least_squares(states, actions)
        unexplained = (actions - states @ feedback - bias).std(axis=0)
        self.excitation.fill_((unexplained / np.maximum(actions.std(axis=0), RESIDUAL_FLOOR)).min())


class SoftLqrPolicy(LinearPolicy):
    """The optimal soft policy, with the reward that it is optimal for."""

    def __init__(self, states: int, actions: int) -> None:
        super().__init__(states, actions)
        self.register_buffer("reward", torch.zeros(states, dtype=torch.float64))
        self.register_buffer("temperature", torch.zeros((), dtype=torch.float64))
        self.reward: Tensor
        self.temperature: Tensor


class MaxEntLearner(LinearLearner):
    """Inverse LQR; ``prepare`` identifies the dynamics, ``update`` solves for the cost."""

    config: MaxEntConfig
    policy: SoftLqrPolicy

    def __init__(self, config: MaxEntConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self.policy = SoftLqrPolicy(problem.states, problem.actions)
        self.dynamics = LinearDynamics(problem.states, problem.actions)
        self.modules = {"policy": self.policy, "dynamics": self.dynamics}
        _, actions = linear_columns(problem.dataset, problem.coordinates, self.draw())
        spread = actions.std(axis=0)
        self._spread = np.where(spread > RESIDUAL_FLOOR, spread, 1.0)

    def prepare(self, report: Report) -> None:
        """Fits the dynamics to all training rows but those into a fall: physics does not care who drove."""
        data = self.problem.dataset
        index = data.select(LABELS, held_out=False)
        index = index[~data.terminals[index]]
        states, actions, changes = transition_columns(data, self.problem.coordinates, index)
        self.dynamics.fit(states, actions / self._spread, changes)

    def update(self, losses: object) -> None:
        """Solves.

        Raises:
            TrainingError: no feedback stabilises the fitted dynamics.
        """
        del losses
        states, actions = linear_columns(self.problem.dataset, self.problem.coordinates, self.draw())
        actions = actions / self._spread
        system = LinearSystem(self.dynamics.A.numpy(), self.dynamics.B.numpy(), self.config.discount)
        moments = Moments.of(states, actions, RESIDUAL_FLOOR / float(self._spread.min()))
        try:
            law, temperature = fit_soft_lqr(system, moments, self.config.iterations)
        except np.linalg.LinAlgError as error:
            raise TrainingError(
                "recordings from which a linear model that can be stabilised is identified",
                f"{error} (excitation {float(self.dynamics.excitation):.3g})",
                "record with pushes and other starts; a robot at rest under a noise-free law shows nothing",
            ) from error
        weight = -law.gain.T * self._spread
        bias = (actions.mean(axis=0) + law.gain @ states.mean(axis=0)) * self._spread
        log_std = 0.5 * np.log(np.diag(law.covariance(temperature))) + np.log(self._spread)
        policy = self.policy
        for buffer, value in (
            (policy.weight, weight),
            (policy.bias, bias),
            (policy.log_std, log_std),
            (policy.reward, law.weights),
            (policy.temperature, np.array(temperature)),
        ):
            buffer.copy_(torch.from_numpy(value))

    def losses(self, batch: np.ndarray) -> dict[str, Tensor]:
        """Mean negative log-likelihood of the demonstrations under the policy."""
        inputs, targets = linear_columns(self.problem.dataset, self.problem.coordinates, batch)
        mean = self.policy(torch.from_numpy(inputs))
        return {"policy": -row_sum(gaussian_log_density(torch.from_numpy(targets), mean, self.policy.log_std)).mean()}

    def monitors(self) -> dict[str, float]:
        """See ``Learner``; ``cost_SIGNAL`` is the weight of one spread of it against one spread of the action."""
        names = [channel.name for channel in self.problem.dataset.info.observation]
        costs = dict(zip((f"cost_{name}" for name in names), self.policy.reward.tolist(), strict=True))
        gain = self.policy.weight.numpy().T / self._spread[:, None]
        closed = self.dynamics.A.numpy() + self.dynamics.B.numpy() @ gain
        slowest = float(np.abs(np.linalg.eigvals(closed)).max())
        return costs | {
            "temperature": float(self.policy.temperature),
            "slowest_pole": slowest,
            "excitation": float(self.dynamics.excitation),
        }


def transition_columns(
    dataset: Dataset, coordinates: Coordinates, index: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standardised states (N, S), actions in half widths (N, A) and standardised changes (N, S), float64."""
    states, actions = linear_columns(dataset, coordinates, index)
    moved = dataset.next_observations[index].astype(np.float64) - dataset.observations[index]
    return states, actions, moved / coordinates.state.scale


METHOD = Method(
    "maxent_irl",
    MaxEntConfig,
    MaxEntLearner,
    "Ziebart et al. 2008, Maximum Entropy Inverse Reinforcement Learning, in its linear-quadratic form",
    "what the demonstrator cares about, and the linear policy that is optimal for it; a minute of data will do",
)
