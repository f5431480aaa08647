"""The base of every method whose policy is a Gaussian network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from robot_il.learning.adam import Adam
from robot_il.learning.config import MethodConfig
from robot_il.learning.early_stopping import EarlyStopping, fit_until_stopped
from robot_il.learning.learner import Learner, Report
from robot_il.learning.networks import LOG_STD_BOUNDS, GaussianPolicy, gaussian_log_density, row_sum
from robot_il.learning.policy_weights import PolicyWeights
from robot_il.learning.problem import Coordinates, Problem, Source
from robot_il.learning.rows import Rows


@dataclass(frozen=True, kw_only=True)
class GaussianConfig(MethodConfig):
    """Settings of a Gaussian policy.

    Attributes:
        policy_hidden: widths of its hidden layers.
        policy_lr: Adam's step size.
        policy_decay: L2 weight decay.
        log_std_floor: smallest log standard deviation, in units of the recorded actions' spread.
        log_std_ceiling: largest.
    """

    policy_hidden: tuple[int, ...] = (256, 256)
    policy_lr: float = 3e-4
    policy_decay: float = 1e-3
    log_std_floor: float = LOG_STD_BOUNDS[0]
    log_std_ceiling: float = LOG_STD_BOUNDS[1]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(all(width >= 1 for width in self.policy_hidden), "policy_hidden", "positive widths")
        self.require(self.policy_lr > 0, "policy_lr", "positive")
        self.require(self.policy_decay >= 0, "policy_decay", "0 or more")
        self.require(self.log_std_floor < self.log_std_ceiling, "log_std_floor", "below log_std_ceiling")


class GaussianLearner(Learner):
    """Owns a ``GaussianPolicy`` under the name ``policy``."""

    config: GaussianConfig

    def __init__(self, config: GaussianConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        bounds = (config.log_std_floor, config.log_std_ceiling)
        self.policy = GaussianPolicy(problem.states, problem.actions, config.policy_hidden, bounds)
        self.add("policy", self.policy, config.policy_lr, config.policy_decay)

    def log_policy(self, rows: Rows) -> Tensor:
        """Per dimension log pi(a|s), (B, A), over the action in half widths of its range."""
        mean, log_std = self.policy(rows.state)
        return gaussian_log_density(rows.action, mean, log_std) + rows.log_volume

    def clone(self, rows: Rows, steps: int, report: Report) -> None:
        """Behavioural cloning of the rows for at most so many steps, until held-out episodes stop improving."""
        config = self.config
        fit_until_stopped(
            self.policy,
            Adam(self.policy.parameters(), config.policy_lr, config.policy_decay),
            lambda: -row_sum(self.log_policy(rows.draw(config.batch, self.generator))).mean(),
            lambda: GaussianLearner.held_out(self).get("score", math.nan),
            self.generator,
            steps=steps,
            every=config.evaluate_every,
            stopping=EarlyStopping(config.patience_steps, config.patience_share),
            report=lambda done, most: report("policy", done, most),
        )

    @torch.no_grad()
    def negative_log_likelihood(self, source: Source) -> Tensor:
        """See ``Learner``."""
        return -row_sum(self.log_policy(source.held_out))

    @torch.no_grad()
    def act(self, observations: np.ndarray) -> np.ndarray:
        """See ``Learner``: tanh of the mean, not the mean of the tanh."""
        coordinates = self.problem.coordinates
        mean, _ = self.policy(coordinates.state(observations).to(self.device))
        return coordinates.action.action(mean).cpu().numpy()

    def policy_weights(self) -> PolicyWeights:
        """See ``Learner``."""
        return gaussian_policy_weights(self.policy, self.problem.coordinates)


def gaussian_policy_weights(policy: GaussianPolicy, coordinates: Coordinates) -> PolicyWeights:
    """The mean branch alone, with the standardisation of the pre-tanh action folded into the last layer."""
    linear = [layer for layer in policy.body if isinstance(layer, torch.nn.Linear)]
    layers = [_arrays(layer) for layer in linear]
    weight, bias = layers[-1]
    scaling = coordinates.action
    weight = weight[:, : policy.actions] * scaling.spread
    bias = bias[: policy.actions] * scaling.spread + scaling.centre
    return PolicyWeights(
        observation_mean=coordinates.state.mean,
        observation_scale=coordinates.state.scale,
        observation_clip=coordinates.state.clip,
        layers=(*layers[:-1], (weight, bias)),
        action_scale=scaling.limit,
        action_offset=scaling.offset,
    )


def _arrays(layer: torch.nn.Linear) -> tuple[np.ndarray, np.ndarray]:
    return layer.weight.detach().cpu().numpy().T.copy(), layer.bias.detach().cpu().numpy().copy()


def log_std_monitors(log_std: Tensor, parts: Sequence[tuple[str, int]], of: str) -> dict[str, float]:
    """Mean log standard deviation of each part of a stacked batch, as ``log_std_OF_PART``."""
    pieces = log_std.detach().split([size for _, size in parts])
    return {f"log_std_{of}_{name}": float(piece.mean()) for (name, _), piece in zip(parts, pieces, strict=True)}
