"""Networks that value states and actions, their slow copies, and the losses that several methods fit them with.

A critic sees ``Rows.inputs``: the standardised state beside the clipped standardised action. Values are per row, (B,).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from robot_il.learning.devices import random_normal, random_uniform
from robot_il.learning.losses import expectation
from robot_il.learning.networks import GaussianPolicy, gaussian_log_density, mlp, row_sum
from robot_il.learning.problem import Coordinates
from robot_il.learning.row_networks import row_slopes, row_values

GUMBEL_CLIP = 7.0
"""Largest exponent in ``gumbel_loss``, as in the code of Garg et al. 2023."""

_Network = TypeVar("_Network", bound=nn.Module)


class Critic(nn.Module):
    """Q(s, a).

    Args:
        states: S.
        actions: A.
        hidden: widths of the hidden layers.
    """

    def __init__(self, states: int, actions: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.body = mlp(states + actions, hidden, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Values (B,) for states and actions beside each other, (B, S + A)."""
        return self.body(inputs).squeeze(1)

    def shared(self, inputs: Tensor) -> Tensor:
        """The same values, where losses of several networks ask for their slopes; see ``row_networks.py``."""
        return row_values(self.body, inputs)


class TwinCritic(nn.Module):
    """Two critics of independent initial weights; the lower of their values is biased less upwards than either.

    Args: as of ``Critic``.
    """

    def __init__(self, states: int, actions: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.first = Critic(states, actions, hidden)
        self.second = Critic(states, actions, hidden)

    def forward(self, inputs: Tensor) -> Tensor:
        """Values of both, (2, B)."""
        return torch.stack([self.first(inputs), self.second(inputs)])

    def lowest(self, inputs: Tensor) -> Tensor:
        """The lower of both values, (B,); clipped double Q-learning, Fujimoto et al. 2018, Eq. 10."""
        return self(inputs).amin(dim=0)


class Value(nn.Module):
    """V(s).

    Args:
        states: S.
        hidden: widths of the hidden layers.
    """

    def __init__(self, states: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.body = mlp(states, hidden, 1)

    def forward(self, state: Tensor) -> Tensor:
        """Values (B,) of standardised states (B, S)."""
        return self.body(state).squeeze(1)


def frozen_copy(network: _Network) -> _Network:
    """A copy that no gradient reaches, to be moved by ``polyak_update`` alone.

    Put it among a learner's ``modules`` without an optimiser: it is then stored, restored and checkpointed.
    """
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def polyak_update(target: nn.Module, network: nn.Module, rate: float) -> None:
    """Moves each parameter of ``target`` by ``rate`` of the way to that of ``network``."""
    torch._foreach_lerp_(list(target.parameters()), list(network.parameters()), rate)


def expectile_loss(difference: Tensor, expectile: float) -> Tensor:
    """E[|expectile - 1(u < 0)| u^2] for u = target - V; Kostrikov et al. 2022 (IQL), Eq. 5.

    V becomes that expectile of the target: its mean at 0.5, towards its maximum at 1.
    """
    weight = (expectile - (difference < 0).to(difference.dtype)).abs()
    return expectation(weight * difference.square())


def gumbel_loss(difference: Tensor, temperature: float, clip: float = GUMBEL_CLIP) -> Tensor:
    """E[e^z - z - 1] for z = (Q - V)/temperature, its exponent at most ``clip``; Garg et al. 2023 (XQL), Eq. 11.

    Where nothing is clipped its minimiser is V = temperature log E[exp(Q/temperature)]. All rows are divided by the
    largest e^z (by e^-1 at least), which leaves the minimiser and keeps the gradient of float32 size.
    """
    z = (difference / temperature).clamp(max=clip)
    shift = z.detach().max().clamp(min=-1) if z.numel() else z.new_zeros(())
    return expectation(torch.exp(z - shift) - (z + 1) * torch.exp(-shift))


def gradient_penalty(body: nn.Sequential, inputs: Tensor) -> Tensor:
    """E[(|grad y| - 1)^2] at ``inputs`` (B, I); Gulrajani et al. 2017, Eq. 3.

    Args:
        body: the ``mlp`` that gives y, one number a row.
        inputs: where to look; see ``interpolated``.
    """
    slope = row_slopes(body, inputs)
    # A row on a flat piece has slope 0, where the square root has no derivative.
    length = (slope.square().sum(dim=1) + 1e-12).sqrt()
    return expectation((length - 1).square())


def interpolated(one: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
    """A point drawn uniformly on the line between each row of ``one`` and that of ``other``, both (B, I)."""
    share = random_uniform((len(one), 1), generator, one.device)
    return torch.lerp(other, one, share)


class Sample(NamedTuple):
    """Actions drawn from a policy, differentiable with respect to its parameters.

    Attributes:
        inputs: state and clipped action beside each other, (B, S + A), as a critic sees them.
        log_density: (B,) log pi of the action, measured in the recorded actions' spread.
        log_std: (B, A) log standard deviation it was drawn with, for monitoring.
    """

    inputs: Tensor
    log_density: Tensor
    log_std: Tensor


def sample_policy(
    policy: GaussianPolicy, coordinates: Coordinates, state: Tensor, generator: torch.Generator
) -> Sample:
    """One action for each standardised state (B, S), reparameterised: v = mean + std * noise.

    The density is that of the action itself, not of the pre-tanh v; but in units of the recorded spread, so that an
    entropy is O(1) for a robot that balances with a twentieth of its torque too.
    """
    scaling = coordinates.action
    mean, log_std = policy(state)
    noise = random_normal(mean.shape, generator, mean.device)
    action = scaling.saturate(mean + torch.exp(log_std) * noise)
    density = gaussian_log_density(action, mean, log_std) + scaling.log_volume(action)
    density = density + scaling.on(action.device).log_spread
    return Sample(critic_inputs(coordinates, state, action), row_sum(density), log_std.detach())


def critic_inputs(coordinates: Coordinates, state: Tensor, action: Tensor) -> Tensor:
    """Standardised state (B, S) and action v (B, A) beside each other, the action clipped as in ``Rows.inputs``."""
    clip = coordinates.state.clip
    return torch.cat([state, action.clamp(-clip, clip)], dim=1)


def value_monitors(seen: Mapping[str, Tensor]) -> dict[str, float]:
    """What a step saw, for ``Learner.monitors``: the mean of each tensor, and of a ``q`` also its largest magnitude."""
    values = {name: float(tensor.detach().mean()) for name, tensor in seen.items()}
    if "q" in seen:
        values["q_largest"] = float(seen["q"].detach().abs().max())
    return values
