"""AIRL: adversarial inverse reinforcement learning (Fu, Luo and Levine, ICLR 2018).

A discriminator of the special form

    D(s, a, s') = exp f / (exp f + pi(a|s)),   that is   logit D = f(s, a, s') - log pi(a|s)                      Eq. 2
    f(s, a, s') = g(s, a) + gamma h(s') - h(s),   h = 0 in a state from which nothing follows                   Eq. 4

tells transitions of the expert from the policy's own; the policy is moved by reinforcement learning on the reward
log D - log(1 - D) = f - log pi. At the optimum f is the expert's log-density, D is 1/2, and g is its reward up to the
shaping by h, which telescopes along a path and changes no optimal policy.

Densities are of the standardised pre-tanh action, so that f is of the order of one; they are constants, of the present
policy, for both kinds of transitions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from robot_il.learning.bootstrap import Steps, absorbing_value, next_value
from robot_il.learning.config import DEMONSTRATIONS
from robot_il.learning.critics import Value
from robot_il.learning.devices import random_normal, random_rows, random_uniform, seeded_generator
from robot_il.learning.environment import Actor
from robot_il.learning.learner import Method, Report
from robot_il.learning.losses import logistic_loss
from robot_il.learning.model_based import ModelBasedConfig, ModelBasedLearner
from robot_il.learning.networks import LOG_DENSITY_RANGE, gaussian_log_density, mlp, row_sum
from robot_il.learning.problem import Problem
from robot_il.learning.reinforcement import (
    Fragments,
    advantages,
    clipped_policy_loss,
    energy_distance,
    standardised,
    thinned,
)
from robot_il.learning.rollouts import Roller
from robot_il.learning.rows import Rows

JUDGED_ROWS = 1024
"""Rows on either side of the held-out comparison."""
JUDGED_STARTS = 128
SEEDS = 2**31


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig(ModelBasedConfig):
    """Settings of a policy that reinforcement learning moves towards what a discriminator takes for the expert's.

    Attributes:
        data: demonstrations: the ``expert`` rows, or ``all`` but the undesirable.
        rollouts: where the policy acts: in the learned ``model`` from recorded states on, or in the ``twin``.
        episode_steps: longest episode in the twin, in control periods.
        curriculum: whether the twin's episodes begin easy.
        discriminator_hidden: widths of the hidden layers of g and h.
        discriminator_lr: Adam's step size.
        gradient_penalty: weight of the squared slope of the discriminator's logit between the expert's rows and the
            policy's; 0 leaves it free to learn single rows by heart.
        shaping: whether h is there at all.
        discount: gamma, of one control period.
        trace: lambda of the advantage estimates.
        reward_clip: largest reward in either direction.
        ratio_clip: epsilon of the clipped objective.
        cloning_weight: of the demonstrations' likelihood beside the objective (Jena et al. 2020); 0 is the papers'
            form, in which nothing holds the policy to what the demonstrators did once the discriminator errs.
        entropy_weight: of a bonus on the policy's entropy besides what is in the reward.
        value_hidden: widths of the value function's hidden layers.
        value_lr: Adam's step size.
        replay_rows: transitions of past policies among which the discriminator's are drawn.
    """

    steps: int = 3000
    patience_steps: int = 1000
    policy_lr: float = 1e-4
    rollout_horizon: int = 32
    refresh_rows: int = 2048
    refresh_every: int = 32
    data: Literal["expert", "all"] = "expert"
    rollouts: Literal["model", "twin"] = "model"
    episode_steps: int = 500
    curriculum: bool = False
    discriminator_hidden: tuple[int, ...] = (128, 128)
    discriminator_lr: float = 3e-4
    gradient_penalty: float = 1.0
    shaping: bool = True
    discount: float = 0.99
    trace: float = 0.95
    reward_clip: float = 5.0
    ratio_clip: float = 0.1
    cloning_weight: float = 0.1
    entropy_weight: float = 0.0
    value_hidden: tuple[int, ...] = (128, 128)
    value_lr: float = 1e-3
    replay_rows: int = 8192

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("discriminator_hidden", "value_hidden"):
            self.require(all(width >= 1 for width in getattr(self, name)), name, "positive widths")
        for name in ("discriminator_lr", "value_lr", "reward_clip", "ratio_clip"):
            self.require(getattr(self, name) > 0, name, "positive")
        for name in ("gradient_penalty", "cloning_weight", "entropy_weight"):
            self.require(getattr(self, name) >= 0, name, "0 or more")
        for name in ("episode_steps", "replay_rows"):
            self.require(getattr(self, name) >= 1, name, "at least 1")
        self.require(0 < self.discount < 1, "discount", "between 0 and 1")
        self.require(0 <= self.trace <= 1, "trace", "in 0 to 1")

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"expert": DEMONSTRATIONS[self.data]}

    def needs_environment(self) -> bool:
        """See ``MethodConfig``."""
        return self.rollouts == "twin"


def shaped_reward(g: Tensor, h: Tensor, h_next: Tensor, terminal: Tensor, discount: float) -> Tensor:
    """Returns f = g + gamma h(s') - h(s) with h(s') = 0 where s' is terminal, Eq. 4 of Fu et al. 2018; all (B,)."""
    return g + discount * (1 - terminal) * h_next - h


def airl_logit(f: Tensor, log_policy: Tensor) -> Tensor:
    """Returns f - log pi, Eq. 2; log pi (B,) is taken as a constant and clipped to [-20, 10].

    Without the clip a narrow policy's density in a state where the expert does something else would decide alone.
    """
    return f - log_policy.detach().clamp(*LOG_DENSITY_RANGE)


class ShapedReward(nn.Module):
    """The networks g(s, a) and h(s).

    Args:
        states: S.
        actions: A.
        hidden: widths of the hidden layers of each.
        shaping: whether h is there; otherwise it is 0.
    """

    def __init__(self, states: int, actions: int, hidden: Sequence[int], *, shaping: bool) -> None:
        super().__init__()
        self.g = mlp(states + actions, hidden, 1)
        self.h = mlp(states, hidden, 1) if shaping else None

    def forward(self, inputs: Tensor, following: Tensor, terminal: Tensor, discount: float) -> Tensor:
        """Gives f, (B,), for state and action beside each other (B, S + A), next state (B, S), and terminal (B,)."""
        g = self.g(inputs).squeeze(1)
        if self.h is None:
            return g
        here, there = self.h(torch.cat([inputs[:, : following.shape[1]], following])).squeeze(1).chunk(2)
        return shaped_reward(g, here, there, terminal, discount)


class AdversarialLearner(ModelBasedLearner):
    """A discriminator and proximal policy optimisation, one minibatch of each a step.

    Every ``refresh_every`` steps the present policy acts for ``refresh_rows`` transitions; rewards and advantages of
    these are fixed then, and the minibatches until the next time are drawn from them. The dynamics model is fitted
    once, by likelihood, and stays as it is.
    """

    config: AdversarialConfig
    not_captured = "the number of transitions in its fragments changes with every refresh"

    def __init__(self, config: AdversarialConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        sizes = (problem.states, problem.actions)
        self.discriminator = ShapedReward(*sizes, config.discriminator_hidden, shaping=config.shaping)
        self.value = Value(problem.states, config.value_hidden)
        self.add("discriminator", self.discriminator, config.discriminator_lr)
        self.add("value", self.value, config.value_lr)
        self.roller = Roller(problem, self.policy, self.model, config.rollout_horizon, config.stochastic_rollouts)
        self.expert = Steps.of(problem, "expert")
        self.replay = self.current = Steps(self.expert.table[:0], *sizes)
        self.targets = torch.zeros(0, 3, device=problem.device)
        """Of each current transition: log pi when it was taken, advantage, return in units of 1/(1 - gamma)."""

    def prepare(self, report: Report) -> None:
        """Fits the model and clones the demonstrations; then lets the policy act for the first time."""
        if self.config.rollouts == "model":
            self.pretrain_model(report)
        self.pretrain_policy(report)
        self.refresh()

    def logit(self, f: Tensor, log_policy: Tensor) -> Tensor:
        """Of D; what it makes of the policy's own density is all in which the adversarial methods differ."""
        return airl_logit(f, log_policy)

    def refresh(self) -> None:
        """Lets the policy act, and works out what moves it until the next time."""
        fragments = self.act_out(self.real.draw(self._starts(), self.generator), self.generator)
        config, steps = self.config, fragments.steps
        with torch.no_grad():
            log_policy = self.log_density(steps.rows)[0]
            reward = self.logit(self.reward(steps), log_policy).clamp(-config.reward_clip, config.reward_clip)
            scale = 1 - config.discount
            values = self.value(torch.cat([steps.state, steps.next_state])) / scale
            value, after = values.chunk(2)
            fallen = absorbing_value(-config.reward_clip, config.discount)
            after = next_value(after, steps.terminal, fallen, config.reward_clip / scale)
            parts = [fragments.grid(part) for part in (reward, value, after)]
            gained = advantages(parts[0], parts[1], parts[2], fragments, config.discount, config.trace)
            returns = scale * (gained + parts[1])
        kept = [fragments.kept(part.reshape(-1)) for part in (log_policy, gained, returns)]
        self.current = Steps(fragments.kept(steps.table), steps.states, steps.actions)
        self.targets = torch.stack([kept[0], standardised(kept[1]), kept[2]], dim=1)
        recent = Steps.stack(self.replay, self.current).table[-config.replay_rows :]
        self.replay = Steps(recent, steps.states, steps.actions)
        self.seen["reward"] = float(fragments.kept(reward).mean())
        self.seen["ended"] = float(self.current.terminal.sum()) / fragments.alive.shape[1]
        self.seen["driven"] = float(len(self.current))

    def _starts(self) -> int:
        return math.ceil(self.config.refresh_rows / self.config.rollout_horizon)

    def act_out(self, starts: Rows, generator: torch.Generator) -> Fragments:
        """What the policy does from these states on in the model, or in the twin from its own."""
        config = self.config
        if config.rollouts == "model":
            return Fragments.imagined(self.roller, starts.state, generator)
        environment = self.problem.require_environment()
        seed = int(torch.randint(SEEDS, (), generator=generator, device=generator.device))
        episodes = math.ceil(config.refresh_rows / config.episode_steps)
        collect = environment.collector(config.curriculum, min(1.0, self.steps / config.steps))
        driven = collect(self.actor(seed), episodes, seed, config.episode_steps)
        return Fragments.driven(driven, self.problem.coordinates).to(self.device)

    def actor(self, seed: int) -> Actor:
        """The policy, sampled, for one observation at a time."""
        coordinates, generator = self.problem.coordinates, torch.Generator().manual_seed(seed)

        @torch.no_grad()
        def act(observation: np.ndarray) -> np.ndarray:
            mean, log_std = self.policy(coordinates.state(observation[None]).to(self.device))
            value = mean + torch.exp(log_std) * random_normal(mean.shape, generator, self.device)
            return coordinates.action.action(coordinates.action.saturate(value)).cpu().numpy()[0]

        return act

    def log_density(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Of the standardised pre-tanh actions log pi, (B,), and the policy's log standard deviations (B, A)."""
        mean, log_std = self.policy(rows.state)
        return row_sum(gaussian_log_density(rows.action, mean, log_std)), log_std

    def reward(self, steps: Steps) -> Tensor:
        """Gives f of each transition, (B,)."""
        return self.discriminator(steps.inputs, steps.next_state, steps.terminal, self.config.discount)

    def draw(self) -> tuple[Steps, Tensor]:
        """As many transitions of the expert, of past policies and of the present one; and the targets of the last."""
        batch, generator = self.config.batch, self.generator
        index = random_rows(len(self.current), batch, generator, self.device)
        now = Steps(self.current.table[index], self.current.states, self.current.actions)
        past = self.replay.draw(batch, generator)
        return Steps.stack(self.expert.draw(batch, generator), past, now), self.targets[index]

    def losses(self, batch: tuple[Steps, Tensor]) -> dict[str, Tensor]:
        """See ``Learner``."""
        config = self.config
        steps, (before, advantage, returns) = batch[0], batch[1].unbind(dim=1)
        log_policy, log_std = self.log_density(steps.rows)
        judged = Steps(steps.table[: 2 * config.batch], steps.states, steps.actions)
        logits = self.logit(self.reward(judged), log_policy[: len(judged)])
        real, fake = logits.chunk(2)
        present = log_policy[len(judged) :]
        policy = clipped_policy_loss(present, before, advantage, config.ratio_clip)
        policy = policy - config.cloning_weight * log_policy[: config.batch].mean()
        policy = policy - config.entropy_weight * row_sum(log_std[len(judged) :]).mean()
        value = self.value(steps.state[len(judged) :])
        self._watch(logits.detach(), log_std.detach(), (present - before).detach())
        return {
            "discriminator": logistic_loss(real, fake) + self._slope_penalty(judged),
            "policy": policy,
            "value": 0.5 * (value - returns).square().mean(),
        }

    def _slope_penalty(self, judged: Steps) -> Tensor:
        """Weight times E|grad logit|^2 at points between expert and policy rows (Gulrajani et al. 2017, centred at 0).

        Centred at 0 and not at 1, so that a discriminator that sees no difference is left flat (Mescheder et al. 2018).
        It is the logit that should be flat, not f: AIRL's f is to become a log-density, which is steep.
        """
        if not self.config.gradient_penalty:
            return judged.table.new_zeros(())
        expert, policy = judged.table.chunk(2)
        share = random_uniform((len(expert), 1), self.generator, self.device)
        between = Steps(share * expert + (1 - share) * policy, judged.states, judged.actions)
        inputs, following = between.inputs.clone().requires_grad_(), between.next_state.clone().requires_grad_()
        f = self.discriminator(inputs, following, between.terminal, self.config.discount)
        slopes = torch.autograd.grad(f.sum(), [inputs, following], create_graph=True, materialize_grads=True)
        known = self.density_slope(inputs)
        total = (slopes[0] - known).square().sum(dim=1) + slopes[1].square().sum(dim=1)
        return self.config.gradient_penalty * total.mean()

    def density_slope(self, inputs: Tensor) -> Tensor:
        """Slope of the part of the logit that the policy's density makes, by state and action, (B, S + A); constant."""
        mean, log_std = self.policy(inputs[:, : self.problem.states])
        log_policy = row_sum(gaussian_log_density(inputs[:, self.problem.states :], mean, log_std))
        (slope,) = torch.autograd.grad(log_policy.clamp(*LOG_DENSITY_RANGE).sum(), inputs)
        return slope

    def _watch(self, logits: Tensor, log_std: Tensor, moved: Tensor) -> None:
        real, fake = torch.sigmoid(logits).chunk(2)
        self.seen |= {"d_expert": real.mean(), "d_policy": fake.mean(), "log_std_policy": log_std.mean()}
        self.seen["ratio_clipped"] = (moved.exp() - 1).abs().gt(self.config.ratio_clip).float().mean()

    @torch.no_grad()
    def held_out(self) -> dict[str, float]:
        """See ``Learner``; the score is the energy distance of what the policy does to the held-out demonstrations.

        It acts from held-out states on, with the same random numbers every time. A likelihood of the demonstrated
        actions would prefer the policy that was cloned from them, whatever that one does after its first error.
        """
        values = super().held_out()
        if not values:
            return values
        held_out = self.problem.sources["expert"].held_out
        fragments = self.act_out(thinned(held_out, JUDGED_STARTS), seeded_generator(self.device, 0))
        table = fragments.kept(fragments.steps.rows.table)
        done = thinned(Rows(table, held_out.states, held_out.actions), JUDGED_ROWS)
        return values | {"score": energy_distance(done.inputs, thinned(held_out, JUDGED_ROWS).inputs)}

    def monitors(self) -> dict[str, float]:
        """See ``Learner``."""
        return {name: float(value) for name, value in self.seen.items()}

    def state(self) -> dict[str, Any]:
        """See ``Learner``; with what the policy did."""
        own = {name: getattr(self, name).table.clone() for name in ("current", "replay")}
        return super().state() | own | {"targets": self.targets.clone(), "seen": self.monitors()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See ``Learner``."""
        super().restore(state)
        sizes = (self.problem.states, self.problem.actions)
        tables = {name: state[name].clone().to(self.device) for name in ("current", "replay", "targets")}
        self.current, self.replay = (Steps(tables[name], *sizes) for name in ("current", "replay"))
        self.targets, self.seen = tables["targets"], dict(state["seen"])


@dataclass(frozen=True, kw_only=True)
class AIRLConfig(AdversarialConfig):
    """Settings of AIRL."""


METHOD = Method(
    "airl",
    AIRLConfig,
    AdversarialLearner,
    "Fu et al. 2018, Learning Robust Rewards with Adversarial Inverse Reinforcement Learning",
    "a reward besides the policy; wants more data than cloning, and patience",
)
