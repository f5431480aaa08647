"""ORIL: a reward learned by telling expert states from others, then offline reinforcement learning on all of them.

Zolna et al. 2020, Offline learning from demonstrations and unlabeled experience. A share eta of the unlabeled rows is
taken to be as good as the expert's, so that the reward R = sigmoid(d) is learned by positive-unlabeled risk:

    eta E_e[-log R] + E_u[-log(1 - R)] - eta E_e[-log(1 - R)]

The paper looks at observations alone and goes on with critic-regularised regression. Here, as in the public
re-implementations, TD3+BC follows (Fujimoto and Gu 2021), whose policy is deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from robot_il.learning.adam import Adam
from robot_il.learning.bootstrap import ActorLearner, BootstrapConfig, Steps, absorbing_value, next_value, td_target
from robot_il.learning.critics import (
    TwinCritic,
    critic_inputs,
    frozen_copy,
    gradient_penalty,
    interpolated,
    polyak_update,
    value_monitors,
)
from robot_il.learning.devices import random_normal, random_rows
from robot_il.learning.early_stopping import EarlyStopping, fit_until_stopped
from robot_il.learning.learner import Method, Report
from robot_il.learning.losses import expectation, positive_unlabeled_loss
from robot_il.learning.networks import Discriminator
from robot_il.learning.problem import Problem
from robot_il.learning.rows import Rows


@dataclass(frozen=True, kw_only=True)
class ORILConfig(BootstrapConfig):
    """Settings of ORIL.

    Attributes:
        reward: ``probability`` is R in [0, 1], as in the paper; ``log-ratio`` is log R - log(1 - R), within
            ``reward_limit``.
        reward_limit: see ``reward``.
        reward_sees: ``state``, as in the paper, or ``state-action``.
        reward_hidden: widths of the discriminator's hidden layers.
        reward_lr: Adam's step size for it.
        reward_pretrain_steps: most steps of fitting it; held-out episodes stop it earlier, and it is frozen then.
        penalty: weight of its gradient penalty; few expert rows are soon told apart by heart.
        eta: share of expert-like rows among the others.
        reward_weight: how strongly the policy follows Q rather than the recorded action, alpha of TD3+BC.
        target_noise: standard deviation of the noise on the next action, in units of the recorded spread.
        noise_limit: largest noise.
        policy_every: steps of the critics to one of the policy and of the slow copies.
    """

    steps: int = 5000
    patience_steps: int = 2000
    policy_decay: float = 0.0
    reward: Literal["probability", "log-ratio"] = "probability"
    reward_limit: float = 3.0
    reward_sees: Literal["state", "state-action"] = "state"
    reward_hidden: tuple[int, ...] = (256, 256)
    reward_lr: float = 3e-4
    reward_pretrain_steps: int = 3000
    penalty: float = 1.0
    eta: float = 0.5
    reward_weight: float = 2.5
    target_noise: float = 0.2
    noise_limit: float = 0.5
    policy_every: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(all(width >= 1 for width in self.reward_hidden), "reward_hidden", "positive widths")
        for name in ("reward_limit", "reward_lr"):
            self.require(getattr(self, name) > 0, name, "positive")
        for name in ("reward_pretrain_steps", "penalty", "reward_weight", "target_noise", "noise_limit"):
            self.require(getattr(self, name) >= 0, name, "0 or more")
        self.require(0 < self.eta < 1, "eta", "between 0 and 1")
        self.require(self.policy_every >= 1, "policy_every", "at least 1")

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"expert": ("expert",), "unlabeled": ("suboptimal", "unlabeled")}

    @property
    def reward_range(self) -> tuple[float, float]:
        """Smallest and largest reward."""
        return (0.0, 1.0) if self.reward == "probability" else (-self.reward_limit, self.reward_limit)


def reward_of(logit: Tensor, kind: str, limit: float) -> Tensor:
    """R = sigmoid(d), or log R - log(1 - R) = d within the limit; (B,)."""
    return torch.sigmoid(logit) if kind == "probability" else logit.clamp(-limit, limit)


def twin_critic_loss(q: Tensor, target: Tensor) -> Tensor:
    """Sum over both critics of E[(Q - y)^2]; Fujimoto et al. 2018 (TD3), algorithm 1.

    Args:
        q: of both critics, (2, B).
        target: y = r + gamma min_i Q_i(s', a'), (B,).
    """
    return (q - target).square().mean(dim=1).sum()


def td3_bc_loss(q: Tensor, action: Tensor, recorded: Tensor, reward_weight: float) -> Tensor:
    """-lambda E[Q(s, pi(s))] + E[(pi(s) - a)^2], lambda = alpha/E|Q|; Fujimoto and Gu 2021, Eq. 3 and 5.

    Args:
        q: Q(s, pi(s)), (B,).
        action: pi(s), (B, A).
        recorded: a, (B, A).
        reward_weight: alpha; 0 leaves behavioural cloning.
    """
    weight = reward_weight / q.detach().abs().mean().clamp(min=1e-8)
    return -weight * expectation(q) + (action - recorded).square().mean()


class Rewarded(NamedTuple):
    """Transitions, and the reward of each, (B,)."""

    steps: Steps
    reward: Tensor


class ORILLearner(ActorLearner):
    """The reward first; then twin critics and a deterministic policy, the Gaussian's mean, each with a slow copy."""

    config: ORILConfig

    def __init__(self, config: ORILConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self.seen_columns = problem.states + (problem.actions if config.reward_sees == "state-action" else 0)
        self.reward = self.keep("reward", Discriminator(self.seen_columns, config.reward_hidden))
        self.critic = TwinCritic(problem.states, problem.actions, config.critic_hidden)
        self.add("critic", self.critic, config.critic_lr)
        self.critic_target = self.keep("critic_target", frozen_copy(self.critic))
        self.policy_target = self.keep("policy_target", frozen_copy(self.policy))
        self.imitated = ("expert",)
        self._steps = [Steps.of(problem, name) for name in ("expert", "unlabeled")]
        self._limit = max(map(abs, config.reward_range)) / (1 - config.discount)
        self._rewards: list[Tensor] = []
        self.judge_rows()

    def prepare(self, report: Report) -> None:
        """Fits the reward by positive-unlabeled risk, until that of held-out rows stops falling."""
        config = self.config
        fit_until_stopped(
            self.reward,
            Adam(self.reward.parameters(), config.reward_lr),
            lambda: self._reward_loss(*(steps.draw(config.batch, self.generator) for steps in self._steps)),
            self._held_out_risk,
            self.generator,
            steps=config.reward_pretrain_steps,
            every=config.evaluate_every,
            stopping=EarlyStopping(config.patience_steps, config.patience_share),
            report=lambda done, most: report("reward", done, most),
        )
        self.judge_rows()

    def restore(self, state: Mapping[str, Any]) -> None:
        """See ``Learner``."""
        super().restore(state)
        self.judge_rows()

    @torch.no_grad()
    def judge_rows(self) -> None:
        """Rewards of all training rows, which the steps look up: the reward network stays as it is then."""
        config = self.config
        self._rewards = [
            torch.cat([reward_of(self.logit(rows), config.reward, config.reward_limit) for rows in steps.blocks()])
            for steps in self._steps
        ]

    def logit(self, rows: Rows) -> Tensor:
        """The discriminator's, d, (B,); of the state alone or with the action, as ``reward_sees`` says."""
        return self.reward(rows.inputs[:, : self.seen_columns])

    def _reward_loss(self, expert: Rows, unlabeled: Rows) -> Tensor:
        between = interpolated(expert.inputs, unlabeled.inputs, self.generator)[:, : self.seen_columns]
        risk = positive_unlabeled_loss(self.logit(expert), self.logit(unlabeled), self.config.eta)
        return risk + self.config.penalty * gradient_penalty(self.reward.body, between)

    @torch.no_grad()
    def _held_out_risk(self) -> float:
        expert, unlabeled = (self.problem.sources[name].held_out for name in ("expert", "unlabeled"))
        if not len(expert) or not len(unlabeled):
            return math.nan
        return float(positive_unlabeled_loss(self.logit(expert), self.logit(unlabeled), self.config.eta))

    def draw(self) -> Rewarded:
        """Half expert rows, half others."""
        parts, rewards = [], []
        for steps, reward in zip(self._steps, self._rewards, strict=True):
            index = random_rows(len(steps), self.config.batch, self.generator, self.device)
            parts.append(Steps(steps.table.index_select(0, index), steps.states, steps.actions))
            rewards.append(reward.index_select(0, index))
        return Rewarded(Steps.stack(*parts), torch.cat(rewards))

    @torch.no_grad()
    def target(self, batch: Steps, reward: Tensor) -> Tensor:
        """Rewards and what follows: y = r + gamma min_i Q_i(s', pi(s') + noise) of the slow copies, (B,)."""
        config, scaling = self.config, self.problem.coordinates.action
        noise = config.target_noise * random_normal(batch.action.shape, self.generator, self.device)
        action = self.policy_target(batch.next_state)[0] + noise.clamp(-config.noise_limit, config.noise_limit)
        inputs = critic_inputs(self.problem.coordinates, batch.next_state, scaling.saturate(action))
        fallen = absorbing_value(config.reward_range[0], config.discount)
        following = next_value(self.critic_target.lowest(inputs), batch.terminal, fallen, self._limit)
        return td_target(reward, following, config.discount)

    def losses(self, batch: Rewarded) -> dict[str, Tensor]:
        """See ``Learner``; the policy's every ``policy_every`` steps."""
        steps, reward = batch
        target = self.target(steps, reward)
        q = self.critic(steps.inputs)
        half = self.config.batch
        self.seen = {"q": q, "reward_expert": reward[:half], "reward_unlabeled": reward[half:]}
        losses = {"critic": twin_critic_loss(q, target)}
        if self.steps % self.config.policy_every == 0:
            action, _ = self.policy(steps.state)
            q_policy = self.critic.first(critic_inputs(self.problem.coordinates, steps.state, action))
            losses["policy"] = td3_bc_loss(q_policy, action, steps.action, self.config.reward_weight)
        return losses

    def capture_key(self) -> Hashable:
        """See ``Learner``."""
        return self.steps % self.config.policy_every == 0

    def move(self) -> dict[str, Tensor]:
        """See ``Learner``; the slow copies follow where the policy moved."""
        losses = super().move()
        if "policy" in losses:
            polyak_update(self.critic_target, self.critic, self.config.polyak)
            polyak_update(self.policy_target, self.policy, self.config.polyak)
        return losses

    def monitors(self) -> dict[str, float]:
        """See ``Learner``: |Q|, and the mean reward of either kind of row."""
        return value_monitors(self.seen)


METHOD = Method(
    "oril",
    ORILConfig,
    ORILLearner,
    "Zolna et al. 2020, ORIL, with TD3+BC of Fujimoto and Gu 2021",
    "some expert and much other data, where the other data show states worth leaving",
)
