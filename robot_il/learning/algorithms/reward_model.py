"""A reward learned from pairs of segments, and then a policy that earns it, both from recordings alone.

The reward is an ensemble of networks r(s, a), each fitted to the pairs by the model of Bradley and Terry: a segment is
preferred with probability sigmoid(mean r over it - mean r over the other). The policy follows by implicit Q-learning
(Kostrikov et al. 2022; with rewards from preferences: P-IQL of Hejna and Sadigh 2023), or by one-step weighting.

Beside the explicit reward, an implicit one is fitted to the same pairs: beta log pi/pi_ref of a policy trained by DPO.
How often each orders held-out pairs rightly is reported; implicit ones tend to generalise worse (Razin et al. 2025).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from robot_il.learning.advantage import AdvantageSettings, AdvantageWeigher, Part
from robot_il.learning.algorithms.dpo import dpo_loss, log_kernel, preference_loss, smoothed
from robot_il.learning.bootstrap import Steps
from robot_il.learning.critics import frozen_copy
from robot_il.learning.learner import Method, Report
from robot_il.learning.losses import effective_share, weighted_nll
from robot_il.learning.networks import mlp, row_sum
from robot_il.learning.preference_based import PairBatch, PreferenceConfig, PreferenceLearner, preference_accuracy
from robot_il.learning.problem import Problem, Source
from robot_il.learning.rows import Rows
from robot_il.learning.weighted import Weigher, WeigherConfig, held_out_steps, normalised_weights, spread_monitors
from robot_il.spec import LABELS

DIFFERENCE_CLIP = 50.0
"""Largest difference of two segments' rewards in the likelihood; beyond it a pair says no more."""


@dataclass(frozen=True, kw_only=True)
class RewardModelConfig(PreferenceConfig, WeigherConfig):
    """Settings of the reward and of the policy extracted from it.

    Attributes:
        members: networks in the ensemble.
        reward_hidden: widths of each one's hidden layers.
        reward_lr: Adam's step size.
        reward_pretrain_steps: most steps of fitting the reward.
        reward_bound: largest reward, in either direction, in standard deviations over the recordings.
        pessimism: how many standard deviations over the ensemble are taken off its mean.
        implicit_pretrain_steps: most steps of fitting the implicit reward for comparison; 0 leaves it out.
        extraction: ``iql``, or ``weighted_bc``, which weighs each row by its own reward and looks no step ahead.
        expectile: of the recorded actions' values that V stands for; 0.5 their mean, towards 1 their best.
        horizon: rewards of recorded steps that are summed before V takes over; one torque of 5 ms changes little.
        temperature: rows weigh exp(advantage/temperature), or exp(reward/temperature); in units of the spread that
            advantages, or rewards, have.
    """

    steps: int = 4000
    members: int = 3
    reward_hidden: tuple[int, ...] = (128, 128)
    reward_lr: float = 1e-3
    reward_pretrain_steps: int = 2000
    reward_bound: float = 3.0
    pessimism: float = 1.0
    implicit_pretrain_steps: int = 1000
    extraction: Literal["iql", "weighted_bc"] = "iql"
    expectile: float = 0.7
    horizon: int = 20
    temperature: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(1 <= self.members <= 100, "members", "in 1 to 100")
        self.require(all(width >= 1 for width in self.reward_hidden), "reward_hidden", "positive widths")
        for name in ("reward_lr", "reward_pretrain_steps", "reward_bound", "temperature"):
            self.require(getattr(self, name) > 0, name, "positive")
        for name in ("implicit_pretrain_steps", "pessimism"):
            self.require(getattr(self, name) >= 0, name, "0 or more")
        self.require(0 < self.expectile < 1, "expectile", "between 0 and 1")
        self.require(1 <= self.horizon <= 1000, "horizon", "in 1 to 1000")


def bradley_terry_loss(better: Tensor, worse: Tensor, target: Tensor) -> Tensor:
    """E[-t log sigmoid(r_w - r_l) - (1 - t) log sigmoid(r_l - r_w)], Eq. 1 of Christiano et al. 2017.

    Args:
        better: rewards of the preferred segments, (P,), or of each member, (K, P).
        worse: of the others.
        target: probability of that preference, (P,) or (K, P).
    """
    return preference_loss((better - worse).clamp(-DIFFERENCE_CLIP, DIFFERENCE_CLIP), target)


class RewardEnsemble(nn.Module):
    """K networks r(s, a), standardised over the recordings; the reward is their mean less their disagreement.

    Args:
        inputs: S + A.
        hidden: widths of each network's hidden layers.
        members: K.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], members: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(mlp(inputs, hidden, 1) for _ in range(members))
        self.register_buffer("centre", torch.zeros(members, 1))
        self.register_buffer("scale", torch.ones(members, 1))
        self.centre: Tensor
        self.scale: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        """What each member says, (K, B), for the same inputs (B, I) or inputs of its own, (K, B, I).

        Pairs fix it up to a constant.
        """
        each = inputs if inputs.ndim == 3 else [inputs] * len(self.members)
        return torch.stack([member(own).squeeze(1) for member, own in zip(self.members, each, strict=True)])

    def reward(self, inputs: Tensor, pessimism: float) -> Tensor:
        """Mean less ``pessimism`` standard deviations over the members, (B,), in units of the recordings' spread."""
        each = (self(inputs) - self.centre) / self.scale
        return each.mean(dim=0) - pessimism * each.std(dim=0, correction=0)

    @torch.no_grad()
    def standardise(self, rows: Rows) -> None:
        """Gives every member mean 0 and standard deviation 1 over these rows.

        Pairs say nothing of a constant, yet a discounted sum would turn one into a wish for long or short episodes.
        """
        values = torch.cat([self(block.inputs) for block in rows.blocks()], dim=1)
        self.centre.copy_(values.mean(dim=1, keepdim=True))
        self.scale.copy_(values.std(dim=1, keepdim=True, correction=0).clamp(min=1e-6))


class RewardWeigher(Weigher):
    """Weighs a row by exp(r/T): with it, cloning gives pi_ref exp(r/T), up to a factor.

    That is the policy of most E[r] - T KL(pi, pi_ref) for a single decision, pi_ref being what drove the recordings;
    Eq. 4 of Rafailov et al. 2023.
    """

    def __init__(self, part: Part, temperature: float) -> None:
        self._part, self._temperature = part, temperature

    def fit(self, generator: torch.Generator, report: Report) -> None:
        """See ``Weigher``; there are no value networks."""

    def log_weights(self, steps: Steps) -> Tensor:
        """See ``Weigher``."""
        return self._part.reward(steps) / self._temperature

    def monitors(self) -> dict[str, float]:
        """See ``Weigher``; there is nothing besides the weights."""
        return {}


class RewardModelLearner(PreferenceLearner):
    """Reward and values are fitted before the first step; the steps extract a policy by the weights they give."""

    config: RewardModelConfig

    def __init__(self, config: RewardModelConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self.ensemble = RewardEnsemble(problem.states + problem.actions, config.reward_hidden, config.members)
        self.keep("reward", self.ensemble)
        self.implicit = self.keep("implicit", copy.deepcopy(self.policy))
        self.reference = self.keep("reference", frozen_copy(self.policy))
        self._steps, self._held_out = Steps.of(problem, "segments"), held_out_steps(problem, LABELS)
        part = Part(self._steps, lambda steps: self.reward(steps.rows))
        self.weigher: Weigher = RewardWeigher(part, config.temperature)
        if config.extraction == "iql":
            settings = AdvantageSettings(
                lowest=-config.reward_bound,
                highest=config.reward_bound,
                expectile=config.expectile,
                horizon=config.horizon,
                temperature=config.temperature,
            )
            self.weigher = AdvantageWeigher(self, config, settings, [part])
        self._weight, self._rewards = torch.ones(1), torch.zeros(1)

    @torch.no_grad()
    def reward(self, rows: Rows) -> Tensor:
        """The reward that the policy is to earn, (B,)."""
        bound = self.config.reward_bound
        return self.ensemble.reward(rows.inputs, self.config.pessimism).clamp(-bound, bound)

    def prepare(self, report: Report) -> None:
        """Fits the reward; clones the demonstrations; fits the implicit reward from there on; fits the values."""
        config = self.config
        self._fit_reward(report)
        self.clone_demonstrations(report)
        for network in (self.reference, self.implicit):
            network.load_state_dict(self.policy.state_dict())
        if config.implicit_pretrain_steps:
            self.fit(
                ("implicit reward", self.implicit),
                config.implicit_pretrain_steps,
                self._implicit_loss,
                lambda: self._judge(self._implicit_reward)["loss"],
                report,
                config.policy_lr,
            )
        self._begin()
        self.weigher.fit(self.generator, report)

    def _begin(self) -> None:
        self._rewards = self.reward(self._steps.rows)
        self.weigher.begin()

    def restore(self, state: Mapping[str, Any]) -> None:
        """See ``Learner``."""
        super().restore(state)
        self._begin()

    def _fit_reward(self, report: Report) -> None:
        config = self.config
        self.fit(
            ("reward", self.ensemble),
            config.reward_pretrain_steps,
            self._reward_loss,
            lambda: self._judge(lambda rows: self.ensemble(rows.inputs).mean(dim=0))["loss"],
            report,
            config.reward_lr,
        )
        self.ensemble.standardise(self.problem.sources["segments"].train)

    def _reward_loss(self) -> Tensor:
        """Every member sees pairs of its own: without that, and equal but for their start, they would soon agree."""
        drawn = [self.draw_pairs() for _ in self.ensemble.members]
        values = self.ensemble(torch.stack([self.take(batch.rows).inputs for batch in drawn]))
        means = torch.stack([batch.means(value) for batch, value in zip(drawn, values, strict=True)])
        target = smoothed(torch.stack([batch.weight for batch in drawn]), self.config.label_smoothing)
        return bradley_terry_loss(means[:, 0], means[:, 1], target)

    def _implicit_loss(self) -> Tensor:
        batch: PairBatch = self.draw_pairs()
        ratio = batch.means(self._implicit_reward(self.take(batch.rows)))
        return dpo_loss(ratio[0], ratio[1], smoothed(batch.weight, self.config.label_smoothing), 1.0)

    def _implicit_reward(self, rows: Rows) -> Tensor:
        """The logarithm of pi/pi_ref times beta, (B,), of policies with the fixed standard deviation."""
        with torch.no_grad():
            reference = log_kernel(rows.action, self.reference(rows.state)[0], self.config.sigma)
        return self.config.beta * (log_kernel(rows.action, self.implicit(rows.state)[0], self.config.sigma) - reference)

    def _judge(self, reward: Any) -> dict[str, float]:
        """Loss and accuracy of a reward on the held-out pairs; NaN without any."""
        pairs = self.held_out_pairs
        if not len(pairs):
            return {"loss": math.nan, "accuracy": math.nan}
        means = self.held_out_means(reward)
        loss = bradley_terry_loss(means[0], means[1], smoothed(pairs.weight, self.config.label_smoothing))
        return {"loss": float(loss), "accuracy": preference_accuracy(means[0] - means[1], pairs.weight)}

    def draw(self) -> Steps:
        """See ``Learner``."""
        return self._steps.draw(self.config.batch, self.generator)

    def weights(self, steps: Steps) -> Tensor:
        """Weights of transitions, (B,), in units of their mean."""
        return normalised_weights(self.weigher.log_weights(steps), self.config.weight_clip)

    def losses(self, batch: Steps) -> dict[str, Tensor]:
        """See ``Learner``."""
        self._weight = self.weights(batch)
        return {"policy": weighted_nll(self._weight, row_sum(self.log_policy(batch.rows)))}

    @torch.no_grad()
    def held_out(self) -> dict[str, float]:
        """See ``Learner``; ``score`` is the likelihood of all held-out rows, weighted as in training.

        The accuracies are those of the explicit and of the implicit reward on held-out pairs.
        """
        values, steps = super().held_out(), self._held_out
        if not values:
            return values
        values["score"] = float(weighted_nll(self.weights(steps), row_sum(self.log_policy(steps.rows))))
        if not len(self.held_out_pairs):
            return values
        explicit = self._judge(self.reward)
        values |= {"reward_loss": explicit["loss"], "explicit_accuracy": explicit["accuracy"]}
        if self.config.implicit_pretrain_steps:
            values["implicit_accuracy"] = self._judge(self._implicit_reward)["accuracy"]
        return values

    @torch.no_grad()
    def row_weights(self, source: Source) -> Tensor | None:
        """See ``Learner``; in units of the mean over all rows."""
        return self.weights(self._steps) if source.name == "segments" else None

    def monitors(self) -> dict[str, float]:
        """See ``Learner``."""
        weight = self._weight
        return super().monitors() | {
            "effective_share": effective_share(weight),
            "weight_max": float(weight.max()),
            "weight_clipped_share": float((weight >= self.config.weight_clip).float().mean()),
            **spread_monitors(self._rewards, "reward"),
            **self.weigher.monitors(),
        }


METHOD = Method(
    "reward_model",
    RewardModelConfig,
    RewardModelLearner,
    "Bradley and Terry 1952; Christiano et al. 2017; extraction by IQL, Kostrikov et al. 2022 (P-IQL)",
    "preferences, when it matters what is good and not only who did it; judge it by its held-out accuracy first",
)
