"""The convex programme behind ContraDICE, DemoDICE and SMODICE, over distributions of states and actions.

All of them look for the distribution d that some behaviour can have in this world (the Bellman flow constraint), and
that minimises

    c KL(d || d_U) - E_d[Psi],

d_U being that of all rows that may be imitated. They differ in Psi, a sum of logarithms of density ratios, and in c:

    ContraDICE   KL(d || d_G) - alpha KL(d || d_B)    Psi = log d_G/d_U - alpha log d_B/d_U   c = 1 - alpha
    DemoDICE     KL(d || d_E) + eta KL(d || d_U)      Psi = log d_E/d_U                       c = 1 + eta
    SMODICE      KL(d(s) || d_E(s)), bounded above    Psi = log d_E(s)/d_U(s)                 c = 1

Its Lagrangian dual has one multiplier V(s) a state, no constraint, and is convex for c > 0:

    min over V of (1 - gamma) E_mu0[V] + c log E_dU[exp(e/c)],   e = Psi + gamma V(s') - V(s),

and d = d_U exp(e/c)/E_dU[exp(e/c)] at its minimum. The policy imitates the rows of d_U by these weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from robot_il.learning.adam import Adam
from robot_il.learning.bootstrap import Steps, absorbing_value, next_value
from robot_il.learning.critics import Value
from robot_il.learning.devices import random_rows
from robot_il.learning.early_stopping import EarlyStopping, fit_until_stopped
from robot_il.learning.learner import Report
from robot_il.learning.rows import Rows
from robot_il.learning.weighted import (
    Weigher,
    WeightedConfig,
    WeightedLearner,
    held_out_steps,
    silenced,
    spread_monitors,
    steps_of,
)


@dataclass(frozen=True, kw_only=True)
class DiceConfig(WeightedConfig):
    """Settings of the dual.

    Attributes:
        starts: states of mu0: ``all`` of the expert's (without an expert, of the mixture's), which takes recordings for
            a stretch of going on for ever, as ValueDICE does; or the ``first`` of each episode, of which there are few.
    """

    starts: Literal["all", "first"] = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        # log E[exp] of a small batch is biased low by the rows it happens to miss.
        self.require(self.batch >= 2, "batch", "at least 2, better 512 or more")


def bellman_residual(psi: Tensor, value: Tensor, following: Tensor, discount: float) -> Tensor:
    """Gives e = Psi + gamma V(s') - V(s), (B,)."""
    return psi + discount * following - value


def dual_loss(residual: Tensor, start_value: Tensor, coefficient: float, discount: float) -> Tensor:
    """(1 - gamma) E_mu0[V] + c log E_dU[exp(e/c)]; see the module.

    Args:
        residual: e of rows of d_U, (B,).
        start_value: V of states of mu0, (M,).
        coefficient: c, above 0.
        discount: gamma.
    """
    log_mean = torch.logsumexp(residual / coefficient, dim=0) - math.log(residual.numel())
    return (1 - discount) * start_value.mean() + coefficient * log_mean


class DualBatch(NamedTuple):
    """What one step of the dual looks at.

    Attributes:
        steps: transitions out of d_U.
        start: states of mu0, (B, S).
    """

    steps: Steps
    start: Tensor


class DualWeigher(Weigher):
    """Solves the dual with a network for V, under the name ``value``.

    A fall leads into an absorbing state that goes on earning the lowest Psi there is; its value is so low that a
    transition into a fall has practically no weight.

    Args:
        learner: keeps the network.
        psi: gives Psi of rows, (B,).
        coefficient: c.
        lowest: the smallest value of Psi.
        begun_by: source of the states of mu0.
    """

    def __init__(
        self,
        learner: WeightedLearner,
        config: DiceConfig,
        psi: Callable[[Rows], Tensor],
        coefficient: float,
        lowest: float,
        begun_by: str = "expert",
    ) -> None:
        problem = learner.problem
        self._config, self._psi, self._coefficient, self._lowest = config, psi, coefficient, lowest
        self._value = learner.keep("value", silenced(Value(problem.states, config.critic_hidden)))
        self._union = steps_of(problem, learner.candidates)
        self._starts = start_states(Steps.of(problem, begun_by), config.starts)
        held_out = [held_out_steps(problem, config.sources()[name]) for name in learner.candidates]
        first = held_out_steps(problem, config.sources()[begun_by])
        self._held_out = DualBatch(Steps.stack(*held_out), start_states(first, config.starts))
        self._seen: dict[str, Tensor] = {}

    def fit(self, generator: torch.Generator, report: Report) -> None:
        """See ``Weigher``; until the dual of held-out rows stops improving."""
        config = self._config
        if not config.critic_pretrain_steps:
            return
        optimiser = Adam(self._value.parameters(), config.critic_lr, config.critic_decay)
        fit_until_stopped(
            self._value,
            optimiser,
            lambda: self.loss(self.draw(generator)),
            self._held_out_loss,
            generator,
            steps=config.critic_pretrain_steps,
            every=config.evaluate_every,
            stopping=EarlyStopping(config.patience_steps, config.patience_share),
            report=lambda done, most: report("dual", done, most),
        )

    def draw(self, generator: torch.Generator) -> DualBatch:
        """Rows of d_U and, as many, states of mu0."""
        steps = self._union.draw(self._config.batch, generator)
        index = random_rows(len(self._starts), self._config.batch, generator, self._starts.device)
        return DualBatch(steps, self._starts.index_select(0, index))

    def loss(self, batch: DualBatch) -> Tensor:
        """The dual on a batch."""
        steps = batch.steps
        values = self._value(torch.cat([steps.state, steps.next_state, batch.start]))
        here, after, start = values.split([len(steps), len(steps), len(batch.start)])
        return dual_loss(self._residual(steps, here, after), start, self._coefficient, self._config.discount)

    @torch.no_grad()
    def _held_out_loss(self) -> float:
        both = len(self._held_out.steps) and len(self._held_out.start)
        return float(self.loss(self._held_out)) if both else math.nan

    @torch.no_grad()
    def log_weights(self, steps: Steps) -> Tensor:
        """See ``Weigher``."""
        here, after = self._value(torch.cat([steps.state, steps.next_state])).chunk(2)
        residual = self._residual(steps, here, after)
        self._seen |= {"value": here, "residual": residual}
        return residual / self._coefficient

    def _residual(self, steps: Steps, here: Tensor, after: Tensor) -> Tensor:
        psi = self._psi(steps.rows)
        self._seen = {"psi": psi}
        discount = self._config.discount
        fallen = absorbing_value(self._lowest, discount)
        following = next_value(after, steps.terminal, fallen, abs(fallen))
        return bellman_residual(psi, here, following, discount)

    def monitors(self) -> dict[str, float]:
        """See ``Weigher``."""
        return {name: value for key, seen in self._seen.items() for name, value in spread_monitors(seen, key).items()}


def start_states(steps: Steps, which: Literal["all", "first"]) -> Tensor:
    """States of mu0, (M, S), out of transitions; all of them where none is a first one."""
    return steps.state[steps.start] if which == "first" and steps.start.any() else steps.state
