"""Direct preference optimisation over segments: a policy moved by pairs of which one is preferred.

Rafailov et al. 2023 for one decision; a segment's log-ratio is here the mean over its steps. The policy is a Gaussian
whose standard deviation sigma is fixed, so that log pi = -|v - mu|^2 / (2 sigma^2) up to a constant: were sigma
learned, hard and noise-free pairs would drive it to its floor, and with 1/sigma^2 of 10^3 every logit saturates.

Variants: identity preference optimisation (IPO, Azar et al. 2024), whose optimum stays finite for certain pairs, and
contrastive preference learning (CPL, Hejna et al. 2024), which needs no reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from robot_il.learning.critics import frozen_copy
from robot_il.learning.learner import Method, Report
from robot_il.learning.networks import GaussianPolicy, gaussian_log_density
from robot_il.learning.preference_based import PairBatch, PreferenceConfig, PreferenceLearner, preference_accuracy
from robot_il.learning.problem import Problem
from robot_il.learning.rows import Rows


@dataclass(frozen=True, kw_only=True)
class DPOConfig(PreferenceConfig):
    """Settings of segment DPO.

    Attributes:
        objective: ``dpo``, ``ipo`` or ``cpl``.
        cloning: weight of the likelihood of the better segments (lambda_BC).
        trust_radius: how far the mean may move from the reference's at no cost, in units of the recorded spread.
        trust_weight: of the squared distance beyond it.
        cpl_alpha: CPL's temperature alpha, which takes the place of beta there.
        cpl_bias: CPL's lambda: 1 leaves the optimum open wherever there are no data, less makes preferred segments
            likely in themselves.
    """

    steps: int = 2000
    objective: Literal["dpo", "ipo", "cpl"] = "dpo"
    cloning: float = 0.3
    trust_radius: float = 0.5
    trust_weight: float = 10.0
    cpl_alpha: float = 1.0
    cpl_bias: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("trust_radius", "cpl_alpha"):
            self.require(getattr(self, name) > 0, name, "positive")
        for name in ("cloning", "trust_weight"):
            self.require(getattr(self, name) >= 0, name, "0 or more")
        self.require(0 < self.cpl_bias <= 1, "cpl_bias", "above 0 and at most 1")


def smoothed(weight: Tensor, smoothing: float) -> Tensor:
    """Probability that the better one is better, if a statement is wrong with probability ``smoothing`` (cDPO)."""
    return weight * (1 - smoothing) + (1 - weight) * smoothing


def preference_loss(difference: Tensor, target: Tensor) -> Tensor:
    """E[-t log sigmoid(x) - (1 - t) log sigmoid(-x)], the likelihood of Bradley and Terry 1952.

    Args:
        difference: x, how much better the better one is held to be, (P,).
        target: t, the probability that it is, (P,).
    """
    return (target * functional.softplus(-difference) + (1 - target) * functional.softplus(difference)).mean()


def log_kernel(action: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """-|v - mu|^2 / (2 sigma^2), (B,): log pi up to a constant, for actions v and means (B, A)."""
    return -(action - mean).square().sum(dim=-1) / (2 * sigma**2)


def dpo_loss(better: Tensor, worse: Tensor, target: Tensor, beta: float) -> Tensor:
    """Eq. 7 of Rafailov et al. 2023: -log sigmoid(beta (h_w - h_l)) where the target is 1.

    Args:
        better: h_w = log pi/pi_ref of the preferred ones, (P,).
        worse: h_l of the others.
        target: probability of that preference; below 1 for ties and smoothed labels.
        beta: strength.
    """
    return preference_loss(beta * (better - worse), target)


def ipo_loss(better: Tensor, worse: Tensor, target: Tensor, beta: float) -> Tensor:
    """E[t (h - c)^2 + (1 - t) (h + c)^2] with h = h_w - h_l, c = 1/(2 beta); Eq. 17 of Azar et al. 2024 at t = 1.

    Its minimiser is h = (2 t - 1)/(2 beta): finite even for a preference without exception.
    """
    difference, wanted = better - worse, 1 / (2 * beta)
    return (target * (difference - wanted).square() + (1 - target) * (difference + wanted).square()).mean()


def cpl_loss(better: Tensor, worse: Tensor, target: Tensor, bias: float) -> Tensor:
    """Eq. 5 of Hejna et al. 2024 with their conservative bias lambda: -log sigmoid(A_w - lambda A_l).

    Args:
        better: alpha log pi of the preferred ones, (P,).
        worse: of the others.
        target: probability of that preference; the opposite one enters with the roles changed.
        bias: lambda in (0, 1].
    """
    agree = functional.softplus(-(better - bias * worse))
    disagree = functional.softplus(-(worse - bias * better))
    return (target * agree + (1 - target) * disagree).mean()


def trust_penalty(shift: Tensor, radius: float) -> Tensor:
    """E[max(0, |mu - mu_ref| - radius)^2] over rows and dimensions: what keeps the mean near what was recorded."""
    return (shift.abs() - radius).clamp(min=0).square().mean()


def preference_objective(config: DPOConfig, level: Tensor, ratio: Tensor, target: Tensor) -> Tensor:
    """The chosen objective.

    Args:
        config: which one, and its strength.
        level: mean log pi of each segment up to a constant, (2, P), better ones first.
        ratio: mean log pi/pi_ref, (2, P).
        target: probability that the better one is better, (P,).
    """
    if config.objective == "cpl":
        return cpl_loss(config.cpl_alpha * level[0], config.cpl_alpha * level[1], target, config.cpl_bias)
    return (dpo_loss if config.objective == "dpo" else ipo_loss)(ratio[0], ratio[1], target, config.beta)


def cloning_loss(level: Tensor, weight: Tensor) -> Tensor:
    """E[-log pi] of the better segments, up to a constant; a tie names none as better and counts for nothing."""
    known = (weight > 0.5).float()
    return -(known * level[0]).sum() / known.sum().clamp(min=1)


class DPOLearner(PreferenceLearner):
    """Segment DPO, IPO or CPL. The reference is the policy as cloned, and frozen."""

    config: DPOConfig

    def __init__(self, config: DPOConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self.reference: GaussianPolicy = self.keep("reference", frozen_copy(self.policy))
        self._of_reference: tuple[Tensor, Tensor] | None = None

    def log_policy(self, rows: Rows) -> Tensor:
        """See ``GaussianLearner``; with the fixed standard deviation."""
        mean, _ = self.policy(rows.state)
        log_std = torch.full_like(mean, math.log(self.config.sigma))
        return gaussian_log_density(rows.action, mean, log_std) + rows.log_volume

    def prepare(self, report: Report) -> None:
        """Clones the demonstrations and keeps the result as the reference."""
        self.clone_demonstrations(report)
        self.reference.load_state_dict(self.policy.state_dict())
        self._of_reference = None

    def draw(self) -> PairBatch:
        """See ``Learner``."""
        return self.draw_pairs()

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """See ``Learner``."""
        config = self.config
        rows = self.take(batch.rows)
        mean, _ = self.policy(rows.state)
        reference, anchor = (value[batch.rows.flatten()] for value in self._reference_values())
        level = batch.means(log_kernel(rows.action, mean, config.sigma))
        ratio = level - batch.means(anchor)
        loss = preference_objective(config, level, ratio, smoothed(batch.weight, config.label_smoothing))
        shift = mean - reference
        logit = self._logit(level, ratio).detach()
        self.seen = {"logit": logit, "distance": shift.detach().abs(), "weight": batch.weight}
        loss = loss + config.cloning * cloning_loss(level, batch.weight)
        return {"policy": loss + config.trust_weight * trust_penalty(shift, config.trust_radius)}

    def _logit(self, level: Tensor, ratio: Tensor) -> Tensor:
        """How much better the better segment is held to be, (P,)."""
        if self.config.objective == "cpl":
            return self.config.cpl_alpha * (level[0] - level[1])
        return self.config.beta * (ratio[0] - ratio[1])

    def _watched(self) -> dict[str, float]:
        if not self.seen:
            return {}
        logit, distance = self.seen["logit"], self.seen["distance"]
        return {
            "accuracy": preference_accuracy(logit, self.seen["weight"]),
            "logit": float(logit.mean()),
            "saturated_share": float((logit.abs() > 5).float().mean()),
            "shift_mean": float(distance.mean()),
            "shift_max": float(distance.max()),
            "outside_trust_share": float((distance > self.config.trust_radius).float().mean()),
        }

    @torch.no_grad()
    def _reference_values(self) -> tuple[Tensor, Tensor]:
        """The reference's mean (N, A) and log density up to a constant (N,) at every row; computed once."""
        if self._of_reference is None:
            means = torch.cat([self.reference(block.state)[0] for block in self.rows.blocks()])
            self._of_reference = means, log_kernel(self.rows.action, means, self.config.sigma)
        return self._of_reference

    def held_out(self) -> dict[str, float]:
        """See ``Learner``; the score is the objective on held-out pairs, with the cloning term, without the trust's."""
        values, pairs, config = super().held_out(), self.held_out_pairs, self.config
        if not len(pairs):
            return values
        level = self.held_out_means(lambda rows: log_kernel(rows.action, self.policy(rows.state)[0], config.sigma))
        ratio = level - pairs.means(self._reference_values()[1])
        loss = preference_objective(config, level, ratio, smoothed(pairs.weight, config.label_smoothing))
        return values | {
            "score": float(loss + config.cloning * cloning_loss(level, pairs.weight)),
            "preference_loss": float(loss),
            "implicit_accuracy": preference_accuracy(self._logit(level, ratio), pairs.weight),
        }

    def monitors(self) -> dict[str, float]:
        """See ``Learner``."""
        return super().monitors() | self._watched()

    def restore(self, state: Mapping[str, Any]) -> None:
        """See ``Learner``."""
        super().restore(state)
        self._of_reference = None


METHOD = Method(
    "dpo",
    DPOConfig,
    DPOLearner,
    "Rafailov et al. 2023, Direct Preference Optimization; options: IPO (Azar et al. 2024), CPL (Hejna et al. 2024)",
    "recordings of which some are known to be better than others; try reward_model beside it",
)
