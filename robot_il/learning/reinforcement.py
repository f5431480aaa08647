"""What adversarial methods need of reinforcement learning: fragments of experience, advantages, the clipped objective.

Proximal policy optimisation (Schulman et al. 2017) is three formulas. They are here, and not taken from a library, so
that a step stays one minibatch of the engine that trains every other method: the same checkpoints, resumed bit for bit,
the same metrics, no second copy of the policy, and rollouts that are one matrix product for all fragments at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from robot_il.learning.bootstrap import Steps
from robot_il.learning.environment import Experience
from robot_il.learning.problem import Coordinates
from robot_il.learning.rollouts import Roller
from robot_il.learning.rows import Rows


@dataclass(frozen=True)
class Fragments:
    """N stretches of at most T transitions each, beside each other.

    Attributes:
        steps: T N transitions; that of time t of stretch n is row t N + n.
        alive: (T, N) bool, false behind the end of a stretch, where the rows mean nothing.
    """

    steps: Steps
    alive: Tensor

    def grid(self, values: Tensor) -> Tensor:
        """Values of the rows, (T N,), as (T, N)."""
        return values.reshape(self.alive.shape)

    def to(self, device: torch.device) -> Fragments:
        """The same on a device."""
        return Fragments(self.steps.to(device), self.alive.to(device))

    def kept(self, values: Tensor) -> Tensor:
        """Of values of the rows, (T N, ...), those that mean something."""
        return values[self.alive.reshape(-1)]

    @classmethod
    def imagined(cls, roller: Roller, state: Tensor, generator: torch.Generator) -> Fragments:
        """From standardised states (N, S) on, in the model; leaving its bounds ends a stretch as a fall does."""
        low, high = roller.problem.state_bounds()
        clip = roller.problem.coordinates.state.clip
        alive = torch.ones(len(state), dtype=torch.bool, device=state.device)
        parts, living = [], []
        for _ in range(roller.horizon):
            rows, following = roller.transition(state, generator)
            left = ~((following >= low) & (following <= high)).all(dim=1)
            nothing = torch.zeros(len(state), device=state.device)
            parts.append(Steps.extend(rows, following.clamp(-clip, clip), left, nothing))
            living.append(alive)
            alive = alive & ~left
            state = torch.where(left[:, None], state, following)
        return cls(Steps.stack(*parts), torch.stack(living))

    @classmethod
    def driven(cls, experience: Experience, coordinates: Coordinates) -> Fragments:
        """The episodes of an environment, each one stretch."""
        rows = coordinates.transitions(experience.observations, experience.actions, experience.next_observations)
        following = coordinates.state(experience.next_observations)
        fell = torch.from_numpy(experience.terminated.copy())
        table = Steps.extend(rows, following, fell, torch.zeros(len(rows))).table
        lengths = np.bincount(experience.episode, minlength=experience.episodes)
        firsts = np.cumsum(lengths) - lengths
        alive = np.arange(lengths.max())[:, None] < lengths
        index = np.where(alive, firsts + np.arange(lengths.max())[:, None], 0)
        steps = Steps(table[torch.from_numpy(index.reshape(-1))], rows.states, rows.actions)
        return cls(steps, torch.from_numpy(alive))


def advantages(
    reward: Tensor, value: Tensor, following: Tensor, fragments: Fragments, discount: float, trace: float
) -> Tensor:
    """Generalised advantage estimates (Schulman et al. 2016, Eq. 16), (T, N).

    A_t = delta_t + gamma lambda A_{t+1} with delta_t = r_t + gamma V(s_{t+1}) - V(s_t); the sum ends with the stretch.

    Args:
        reward: (T, N).
        value: V(s_t), (T, N).
        following: V(s_{t+1}), (T, N), with what a fall is worth where s_{t+1} is one.
        fragments: which rows mean something.
        discount: gamma.
        trace: lambda.
    """
    delta = reward + discount * following - value
    result, ahead = torch.zeros_like(delta), torch.zeros_like(delta[0])
    goes_on = torch.cat([fragments.alive[1:], torch.zeros_like(fragments.alive[:1])])
    for time in reversed(range(len(delta))):
        ahead = delta[time] + discount * trace * torch.where(goes_on[time], ahead, torch.zeros_like(ahead))
        result[time] = ahead
    return result


def standardised(values: Tensor) -> Tensor:
    """Less their mean, divided by their spread; zeros where they do not differ."""
    return (values - values.mean()) / values.std(correction=0).clamp(min=1e-8)


def clipped_policy_loss(log_policy: Tensor, before: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """-E[min(rho A, clip(rho, 1 - clip, 1 + clip) A)], rho = pi(a|s)/pi_before(a|s) (Schulman et al. 2017, Eq. 7).

    Args:
        log_policy: log pi(a|s), (B,).
        before: that of the policy that acted, (B,).
        advantage: A, (B,).
        clip: epsilon.
    """
    ratio = torch.exp(log_policy - before)
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()


def energy_distance(first: Tensor, second: Tensor) -> float:
    """2 E|x - y| - E|x - x'| - E|y - y'| of samples (N, D) and (M, D); 0 for equal ones (Szekely and Rizzo 2013)."""

    def mean_distance(x: Tensor, y: Tensor) -> Tensor:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").mean()

    apart = 2 * mean_distance(first, second) - mean_distance(first, first) - mean_distance(second, second)
    return float(apart)


def thinned(rows: Rows, most: int) -> Rows:
    """At most so many rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    index = torch.linspace(0, len(rows) - 1, most).round().long().to(rows.table.device)
    return Rows(rows.table[index], rows.states, rows.actions)
