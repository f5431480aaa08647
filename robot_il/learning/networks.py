"""The networks every method shares, and the densities they speak of.

All of them work in O(1) coordinates (see ``scaling.py``): states standardised and clipped, actions as the standardised
pre-tanh value, state changes divided by their spread. Densities come per dimension and are summed by ``row_sum``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

LOG_STD_BOUNDS = (-5.0, 2.0)
"""Of a policy whose own likelihood is never fed back to it."""
LOG_STD_BOUNDS_FED_BACK = (-2.0, 2.0)
"""Of a policy whose likelihood weighs its own training: without the floor at -2, noise-free demonstrations drive the
density to its ceiling, a discriminator keys on it, and the weighted likelihood dominates every other term."""
MODEL_LOG_STD_BOUNDS = (-5.0, 0.5)
LOG_DENSITY_RANGE = (-20.0, 10.0)
_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def mlp(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    sizes = [inputs, *hidden]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


def gaussian_log_density(value: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Per dimension log N(value; mean, exp(log_std)^2); all of shape (B, D)."""
    return -0.5 * ((value - mean) * torch.exp(-log_std)).square() - log_std - _HALF_LOG_TWO_PI


def row_sum(log_density: Tensor) -> Tensor:
    """Sums a per-dimension log-density (B, D) to that of the row, (B,)."""
    return log_density.sum(dim=1)


def scaled_log_density(log_density: Tensor) -> Tensor:
    """Log-densities as a discriminator sees them: detached, clipped to [-20, 10], mapped to [0, 1].

    Raw values are some ten times the other inputs and would tell rollouts from data by their scale alone.
    """
    low, high = LOG_DENSITY_RANGE
    return (log_density.detach().clamp(low, high) - low) / (high - low)


class GaussianPolicy(nn.Module):
    """A diagonal Gaussian over the standardised pre-tanh action, given the standardised state.

    Args:
        states: S, the number of state inputs.
        actions: A.
        hidden: widths of the hidden layers.
        log_std_bounds: smallest and largest log standard deviation, in units of the recorded actions' spread.
    """

    def __init__(self, states: int, actions: int, hidden: Sequence[int], log_std_bounds: tuple[float, float]) -> None:
        super().__init__()
        self.actions = actions
        self.low, self.high = log_std_bounds
        self.body = mlp(states, hidden, 2 * actions)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, each (B, A), for states (B, S); the bounds are approached by a tanh."""
        mean, free = self.body(state).split(self.actions, dim=1)
        return mean, self.low + 0.5 * (self.high - self.low) * (torch.tanh(free) + 1)


class GaussianDynamics(nn.Module):
    """A diagonal Gaussian over the scaled change of state, given state and action.

    The log standard deviation stays between two learned soft bounds (Chua et al. 2018, PETS, appendix A.1), which
    start at ``MODEL_LOG_STD_BOUNDS`` and are drawn together by ``bound_penalty``.

    Args:
        states: S.
        actions: A.
        hidden: widths of the hidden layers.
    """

    def __init__(self, states: int, actions: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.states = states
        self.body = mlp(states + actions, hidden, 2 * states)
        self.min_log_std = nn.Parameter(torch.full((states,), MODEL_LOG_STD_BOUNDS[0]))
        self.max_log_std = nn.Parameter(torch.full((states,), MODEL_LOG_STD_BOUNDS[1]))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, each (B, S), for (state, action) rows of shape (B, S + A)."""
        mean, free = self.body(inputs).split(self.states, dim=1)
        bounded = self.max_log_std - functional.softplus(self.max_log_std - free)
        return mean, self.min_log_std + functional.softplus(bounded - self.min_log_std)

    def bound_penalty(self) -> Tensor:
        """0.01 (sum max - sum min), which keeps the soft bounds close to what the data need."""
        return 0.01 * (self.max_log_std - self.min_log_std).sum()


class Discriminator(nn.Module):
    """Logit of "this row is real", for any inputs of shape (B, I); its sigmoid is the d of the papers."""

    def __init__(self, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.body = mlp(inputs, hidden, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of shape (B,)."""
        return self.body(inputs).squeeze(1)
