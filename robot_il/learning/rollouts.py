"""Imagined transitions: the policy acting in the learned dynamics model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robot_il.learning.devices import random_normal
from robot_il.learning.networks import GaussianDynamics, GaussianPolicy
from robot_il.learning.problem import Problem
from robot_il.learning.rows import Rows


@dataclass(frozen=True, eq=False)
class Roller:
    """Rolls a policy out in a model, from recorded transitions on.

    Attributes:
        problem: its coordinates, and the bounds at which a rollout ends.
        policy: acts.
        model: answers.
        horizon: transitions of one rollout.
        stochastic: whether both are sampled; otherwise the policy's mode and the model's mean are taken.
    """

    problem: Problem
    policy: GaussianPolicy
    model: GaussianDynamics
    horizon: int
    stochastic: bool

    @torch.no_grad()
    def __call__(self, starts: Rows, generator: torch.Generator) -> Rows:
        """At most ``horizon`` transitions from each of the (B) starts; fewer where a rollout left the bounds.

        The first state is the model's own guess of what follows the recorded state and action, so that even the first
        imagined transition starts where the model, not the robot, came to. The step that leaves is not stored.
        """
        low, high = self.problem.state_bounds()
        state = self._next(starts.state, starts.inputs, generator)[0]
        alive = inside(state, low, high)
        parts = []
        for _ in range(self.horizon):
            rows, following = self.transition(state, generator)
            alive = alive & inside(following, low, high)
            parts.append(rows.table[alive])
            state = following
        return Rows(torch.cat(parts), starts.states, starts.actions)

    @torch.no_grad()
    def transition(self, state: Tensor, generator: torch.Generator) -> tuple[Rows, Tensor]:
        """The transitions out of standardised states (N, S), and the states that they lead to, unclipped."""
        scaling, clip = self.problem.coordinates.action, self.problem.coordinates.state.clip
        clipped = state.clamp(-clip, clip)
        mean, log_std = self.policy(clipped)
        action = scaling.saturate(self._pick(mean, log_std, generator))
        inputs = torch.cat([clipped, action.clamp(-clip, clip)], dim=1)
        following, change = self._next(state, inputs, generator)
        return Rows.join(clipped, action, scaling.log_volume(action), change, clip), following

    def _next(self, state: Tensor, inputs: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The next standardised state, and the scaled change that led there."""
        coordinates = self.problem.coordinates
        mean, log_std = self.model(inputs)
        change = self._pick(mean, log_std, generator)
        moved = torch.from_numpy(coordinates.change_scale / coordinates.state.scale).to(state.device)
        return state + change * moved, change

    def _pick(self, mean: Tensor, log_std: Tensor, generator: torch.Generator) -> Tensor:
        if not self.stochastic:
            return mean
        return mean + torch.exp(log_std) * random_normal(mean.shape, generator, mean.device)


def inside(state: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """(B,) whether each state is finite and within the bounds."""
    return ((state >= low) & (state <= high)).all(dim=1)
