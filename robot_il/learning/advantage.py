"""Weights from an advantage: twin critics fitted to a given reward, a value between them, exp(A/temperature)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from robot_il.learning.bootstrap import Steps, absorbing_value, next_value
from robot_il.learning.critics import (
    TwinCritic,
    Value,
    critic_inputs,
    expectile_loss,
    frozen_copy,
    gumbel_loss,
    polyak_update,
)
from robot_il.learning.devices import random_rows
from robot_il.learning.gaussian import GaussianLearner
from robot_il.learning.learner import Report
from robot_il.learning.losses import expectation
from robot_il.learning.replayed import Replayed
from robot_il.learning.rows import Rows
from robot_il.learning.weighted import (
    Weigher,
    WeigherConfig,
    silenced,
    spread_monitors,
)

OUTLIER = 3.0
"""Spreads beyond which an advantage counts no further: a few rows near the worst states would outweigh all others."""


class Part(NamedTuple):
    """Transitions, and the reward of a transition of their kind.

    Attributes:
        steps: to be drawn from, as many of each part; in the order of the recordings.
        reward: gives (B,) for transitions; asked once, when training begins.
    """

    steps: Steps
    reward: Callable[[Steps], Tensor]


class Ahead(NamedTuple):
    """What recordings say about the steps ahead of each transition.

    Attributes:
        earned: (N,) discounted sum of the rewards until the look ahead ends.
        factor: (N,) discount of what comes after that.
        state: (N, S) where it ends.
        terminal: (N,) 1 where it ends in a fall.
    """

    earned: Tensor
    factor: Tensor
    state: Tensor
    terminal: Tensor


def look_ahead(steps: Steps, reward: Tensor, horizon: int, discount: float) -> Ahead:
    """Sums rewards r_t + gamma r_(t+1) + ... of at most ``horizon`` transitions that follow each other.

    A look ahead ends early with its recording, or where the next row is not what came next.

    Args:
        steps: (N) transitions in the order of the recordings.
        reward: of each, (N,).
        horizon: 1 gives the reward itself.
        discount: gamma.
    """
    device = reward.device
    joined = torch.zeros(len(steps), dtype=torch.bool, device=device)
    joined[:-1] = (steps.next_state[:-1] == steps.state[1:]).all(dim=1) & ~steps.start[1:] & (steps.terminal[:-1] < 0.5)
    at, earned = torch.arange(len(steps), device=device), reward.clone()
    factor = torch.full((len(steps),), discount, device=device)
    for _ in range(horizon - 1):
        goes_on = joined[at]
        at = at + goes_on
        earned = earned + torch.where(goes_on, factor * reward[at], 0.0)
        factor = torch.where(goes_on, factor * discount, factor)
    return Ahead(earned, factor, steps.next_state[at], steps.terminal[at])


@dataclass(frozen=True)
class AdvantageSettings:
    """How values are learned.

    Attributes:
        lowest: smallest reward, which also is what goes on being earned after a fall.
        highest: largest.
        value: V as an ``expectile`` of Q, or ``soft``: temperature log E[exp(Q/temperature)].
        expectile: which.
        temperature: of the weights and of the soft value.
        relative: whether the weights' temperature is in units of the advantages' spread, instead of the reward.
        horizon: rewards of recorded steps that are summed before V takes over.
        everywhere: whether V is fitted to the rows of all parts; otherwise to the imitated ones.
        v0: weight of (1 - gamma) E[Q(s, pi(s))] over the imitated rows' states in the loss of the critics.
    """

    lowest: float
    highest: float
    value: Literal["expectile", "soft"] = "expectile"
    expectile: float = 0.7
    temperature: float = 1.0
    relative: bool = False
    horizon: int = 1
    everywhere: bool = False
    v0: float = 0.0

    @property
    def largest(self) -> float:
        """Size of the largest reward in either direction."""
        return max(abs(self.lowest), abs(self.highest))


class AdvantageBatch(NamedTuple):
    """Transitions of every part behind each other, and what lies ahead of each."""

    steps: Steps
    ahead: Ahead


def reward_regression_loss(values: Tensor, target: Tensor) -> Tensor:
    """Half the squared error of each critic, summed over them, mean over rows: (C, B) against (B,).

    In the papers' form, E[-w (Q - y) + (Q - y)^2/2] with y = gamma V(s'), this is regression to y + w: both differ by
    w^2/2, which no network can change.
    """
    return 0.5 * expectation((values - target).square().sum(dim=0))


def relative_advantage(advantage: Tensor) -> Tensor:
    """Advantages in their own spread, within ``OUTLIER`` of it, (B,).

    How far advantages spread depends on the discount, on the look ahead and on what the worst states cost; measured so,
    a temperature need not. The spread is half the distance between the 16th and the 84th percentile, which is the
    standard deviation of a Gaussian. One below 1, the unit of the reward, is taken for 1: noise must not be blown up.
    """
    # linspace makes both numbers on the device itself; a tensor of them would have to be copied there at every step.
    low, high = torch.quantile(advantage, torch.linspace(0.16, 0.84, 2, device=advantage.device)).unbind()
    return (advantage / (0.5 * (high - low)).clamp(min=1.0)).clamp(-OUTLIER, OUTLIER)


class AdvantageWeigher(Weigher):
    """Owns ``critics``, their slow copies ``slow_critics``, and ``values``.

    Args:
        learner: keeps the networks; its policy is asked for actions where ``v0`` is not 0.
        config: sizes and rates.
        settings: see there.
        parts: the policy imitates rows of the first.
    """

    def __init__(
        self, learner: GaussianLearner, config: WeigherConfig, settings: AdvantageSettings, parts: Sequence[Part]
    ) -> None:
        self._learner, self._config, self._settings, self._parts = learner, config, settings, parts
        self.joint = settings.v0 != 0
        problem = learner.problem
        self._critics = silenced(TwinCritic(problem.states, problem.actions, config.critic_hidden))
        self._value = silenced(Value(problem.states, config.critic_hidden))
        learner.add("critics", self._critics, config.critic_lr, config.critic_decay)
        learner.add("values", self._value, config.critic_lr, config.critic_decay)
        self._slow = learner.keep("slow_critics", frozen_copy(self._critics))
        self._ahead: list[Ahead] = []
        self._seen: dict[str, Tensor] = {}

    def begin(self) -> None:
        """See ``Weigher``: looks ahead from every row, now that the ratios are known."""
        horizon, discount = self._settings.horizon, self._config.discount
        self._ahead = [look_ahead(part.steps, part.reward(part.steps), horizon, discount) for part in self._parts]

    def fit(self, generator: torch.Generator, report: Report) -> None:
        """See ``Weigher``; there is nothing held out to stop by, the targets move with the value itself."""
        config = self._config

        def move() -> None:
            self._learner.update(self.losses(self.draw(generator), start=False))
            self.follow()

        take_step = Replayed(move, self._learner.device, [generator])
        for step in range(1, config.critic_pretrain_steps + 1):
            take_step()
            if step % config.evaluate_every == 0:
                report("critics", step, config.critic_pretrain_steps)

    def learn(self, generator: torch.Generator) -> dict[str, Tensor]:
        """See ``Weigher``."""
        return self.losses(self.draw(generator), start=True)

    def draw(self, generator: torch.Generator) -> AdvantageBatch:
        """As many transitions of each part, those of the first part first."""
        steps, ahead = [], []
        for part, found in zip(self._parts, self._ahead, strict=True):
            index = random_rows(len(part.steps), self._config.batch, generator, part.steps.table.device)
            steps.append(Steps(part.steps.table.index_select(0, index), part.steps.states, part.steps.actions))
            ahead.append(Ahead(*(column.index_select(0, index) for column in found)))
        return AdvantageBatch(Steps.stack(*steps), Ahead(*map(torch.cat, zip(*ahead, strict=True))))

    def losses(self, batch: AdvantageBatch, *, start: bool) -> dict[str, Tensor]:
        """Losses of the critics and the value on a batch; ``start`` includes the term of ``v0``."""
        settings, steps, ahead = self._settings, batch.steps, batch.ahead
        here, after = self._value(torch.cat([steps.state, ahead.state])).chunk(2)
        fallen, limit = (
            absorbing_value(reward, self._config.discount) for reward in (settings.lowest, settings.largest)
        )
        following = next_value(after, ahead.terminal, fallen, limit)
        target = (ahead.earned + ahead.factor * following).detach()
        difference = self._slow_quality(steps) - here
        critics = reward_regression_loss(self._critics(steps.inputs), target)
        if start:
            critics = critics + self._start_term(steps.rows.first(self._config.batch))
        fitted = difference if settings.everywhere else difference[: self._config.batch]
        return {"critics": critics, "values": self._value_loss(fitted)}

    @torch.no_grad()
    def log_weights(self, steps: Steps) -> Tensor:
        """See ``Weigher``."""
        value = self._value(steps.state)
        advantage = self._slow_quality(steps) - value
        self._seen = {"value": value, "advantage": advantage}
        return (relative_advantage(advantage) if self._settings.relative else advantage) / self._settings.temperature

    @torch.no_grad()
    def _slow_quality(self, steps: Steps) -> Tensor:
        return self._slow.lowest(steps.inputs)

    def _value_loss(self, difference: Tensor) -> Tensor:
        settings = self._settings
        if settings.value == "soft":
            return gumbel_loss(difference, settings.temperature)
        return expectile_loss(difference, settings.expectile)

    def _start_term(self, rows: Rows) -> Tensor:
        """The term of ``v0``."""
        with torch.no_grad():
            action, _ = self._learner.policy(rows.state)
        values = self._critics(critic_inputs(self._learner.problem.coordinates, rows.state, action))
        return self._settings.v0 * (1 - self._config.discount) * expectation(values.sum(dim=0))

    def follow(self) -> None:
        """See ``Weigher``."""
        polyak_update(self._slow, self._critics, self._config.polyak)

    def monitors(self) -> dict[str, float]:
        """See ``Weigher``."""
        return {name: value for key, seen in self._seen.items() for name, value in spread_monitors(seen, key).items()}
