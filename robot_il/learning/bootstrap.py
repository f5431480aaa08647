"""Transitions whose value depends on that of the next state, and what a fall is worth.

A fall ends an episode. If its value were 0, as in r + (1 - done) gamma V(s'), then with rewards below 0 falling would
end the punishment, and with rewards above 0 staying up would be rewarded for itself. Here the state after a fall is an
absorbing one that goes on earning the lowest reward there is: V = r_min/(1 - gamma) (Al-Hafez et al. 2023, LS-IQ,
section 4.3). The end of a recording, by contrast, ends nothing: its last next state is valued like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from robot_il.learning.gaussian import GaussianConfig, GaussianLearner
from robot_il.learning.networks import gaussian_log_density, row_sum
from robot_il.learning.problem import Problem, Source
from robot_il.learning.rows import Ring, Rows


@dataclass(frozen=True, kw_only=True)
class BootstrapConfig(GaussianConfig):
    """Settings of a method that learns a value function.

    Attributes:
        discount: gamma, of one control period; 0.99 looks 0.5 s ahead at 200 Hz, 0.995 1 s.
        critic_hidden: widths of the value functions' hidden layers.
        critic_lr: Adam's step size.
        polyak: share of the way that a target network moves to its original in a step.
    """

    discount: float = 0.99
    critic_hidden: tuple[int, ...] = (256, 256)
    critic_lr: float = 3e-4
    polyak: float = 0.005

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(0 < self.discount < 1, "discount", "between 0 and 1")
        self.require(all(width >= 1 for width in self.critic_hidden), "critic_hidden", "positive widths")
        self.require(self.critic_lr > 0, "critic_lr", "positive")
        self.require(0 < self.polyak <= 1, "polyak", "above 0 and at most 1")


@dataclass(frozen=True)
class Steps(Rows):
    """N transitions with what follows them, in the same matrix, so that drawing a batch is still one gather.

    Attributes:
        table: float32 (N, W + S + 2): the table of ``Rows``, W wide | next state | terminal | start.
        states: S.
        actions: A.
    """

    @classmethod
    def width(cls, states: int, actions: int) -> int:
        """Number of columns."""
        return Rows.width(states, actions) + states + 2

    @classmethod
    def extend(cls, rows: Rows, next_state: Tensor, terminal: Tensor, start: Tensor) -> Steps:
        """From rows, the standardised and clipped states after them (N, S), and two flags (N,) each."""
        flags = torch.stack([terminal.float(), start.float()], dim=1)
        return cls(torch.cat([rows.table, next_state, flags], dim=1), rows.states, rows.actions)

    @classmethod
    def of(cls, problem: Problem, source: str) -> Steps:
        """The training rows of one of the problem's sources, in their order."""
        data, chosen = problem.dataset, problem.sources[source]
        index = chosen.train_index
        first = np.diff(data.episode, prepend=-1) != 0
        next_state = problem.coordinates.state(data.next_observations[index])
        flags = (torch.from_numpy(flag[index]).to(problem.device) for flag in (data.terminals, first))
        return cls.extend(chosen.train, next_state.to(problem.device), *flags)

    @property
    def rows(self) -> Rows:
        """The transitions without what follows them; a view."""
        return Rows(self.table[:, : -self.states - 2], self.states, self.actions)

    @property
    def change(self) -> Tensor:
        """See ``Rows``."""
        return self.rows.change

    @property
    def next_state(self) -> Tensor:
        """Standardised, clipped states one period later, (N, S)."""
        return self.table[:, -self.states - 2 : -2]

    @property
    def terminal(self) -> Tensor:
        """(N,) 1 where the next state is a fall, else 0."""
        return self.table[:, -2]

    @property
    def start(self) -> Tensor:
        """(N,) bool: whether the transition is the first of its episode."""
        return self.table[:, -1] > 0.5


class ActorLearner(GaussianLearner):
    """Owns a policy that follows a critic: its standard deviation says what the critic likes, not what was recorded.

    Likelihood is therefore measured around the deployed action, with the one spread that suits the rows best. It ranks
    policies as their error does, on the scale of a likelihood.
    """

    @torch.no_grad()
    def negative_log_likelihood(self, source: Source) -> Tensor:
        """See ``Learner``: of N(a; deployed action, RMS error on these very rows), at least the floor wide."""
        rows = source.held_out
        mean, _ = self.policy(rows.state)
        spread = (rows.action - mean).square().mean(dim=0).sqrt()
        log_std = spread.log().clamp(min=self.config.log_std_floor).expand_as(mean)
        return -row_sum(gaussian_log_density(rows.action, mean, log_std) + rows.log_volume)


class StepRing(Ring):
    """A first-in-first-out store of steps."""

    kind = Steps

    def draw(self, count: int, generator: torch.Generator) -> Steps:
        """``count`` steps, uniformly and with replacement."""
        return Steps(super().draw(count, generator).table, self._rows.states, self._rows.actions)


def absorbing_value(lowest_reward: float, discount: float) -> float:
    """r_min/(1 - gamma): what the state after a fall is worth, for the lowest reward that a state can earn."""
    return lowest_reward / (1 - discount)


def next_value(value: Tensor, terminal: Tensor, fallen: float, limit: float) -> Tensor:
    """V(s') within [-limit, limit], and ``fallen`` where s' is a fall, (B,).

    Args:
        value: V(s') of a network, (B,).
        terminal: 1 at a fall, (B,).
        fallen: value of the state after a fall, see ``absorbing_value``.
        limit: largest value that rewards can add up to, R/(1 - gamma); a network's guess beyond it is wrong, and
            bootstrapping from it would carry the error on.
    """
    return torch.where(terminal > 0.5, torch.full_like(value, fallen), value.clamp(-limit, limit))


def td_target(reward: Tensor, following: Tensor, discount: float) -> Tensor:
    """Gives r + gamma V(s'), detached, for V(s') from ``next_value``; all (B,)."""
    return (reward + discount * following).detach()
