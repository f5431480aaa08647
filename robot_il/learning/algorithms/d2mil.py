"""D2MIL: DMIL with a second discriminator, for few expert and many suboptimal demonstrations (Zhang et al. 2022, A.2).

d_r tells real rows (D_e and D_o) from rollouts D_r; d_o tells expert rows from all others, of which some may be as good
(positive-unlabeled learning). Signs as in ``dmil.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robot_il.learning.algorithms.dmil import (
    GuidedConfig,
    discriminator_loss,
    evidence,
    expert_weight,
    guidance_monitors,
    rollout_weight,
)
from robot_il.learning.learner import Method
from robot_il.learning.losses import positive_unlabeled_loss, weighted_nll
from robot_il.learning.model_based import ModelBasedLearner
from robot_il.learning.networks import Discriminator, gaussian_log_density, row_sum
from robot_il.learning.problem import Problem, Source
from robot_il.learning.rows import Rows


@dataclass(frozen=True, kw_only=True)
class D2MILConfig(GuidedConfig):
    """Settings of D2MIL.

    Attributes:
        eta: share of expert-like rows among the others, for d_o.
        beta_o: weight of d_o's correction of the policy.
        beta_r: weight of d_r's.
        clamp_suboptimal: raise negative weights of suboptimal rows to 0; a negative weight on a likelihood has no lower
            bound, and the paper gives no guard.
    """

    steps: int = 2500
    policy_decay: float = 1e-2
    eta: float = 0.5
    beta_o: float = 0.6
    beta_r: float = 0.4
    clamp_suboptimal: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(0 < self.eta < 1, "eta", "between 0 and 1")
        self.require(self.beta_o >= 0, "beta_o", "0 or more")
        self.require(self.beta_r >= 0, "beta_r", "0 or more")
        # The largest corrections: of the policy at d_o and d_r = clip, of the model at d_r = clip.
        policy = self.beta_o * self.eta / (self.clip * (1 - self.clip)) + self.beta_r / self.clip
        least = max(policy, 1 / self.clip)
        self.require(self.alpha >= least, "alpha", f"at least {least:g}, or expert weights become negative")

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"expert": ("expert",), "suboptimal": ("suboptimal", "unlabeled")}


@dataclass(frozen=True)
class Thirds:
    """Values (weights, log-densities, a discriminator's) of expert, suboptimal and rollout rows, each (B,)."""

    expert: Tensor
    suboptimal: Tensor
    rollout: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Thirds:
        """From the values of a batch made of the three in this order, as many of each."""
        expert, suboptimal, rollout = values.chunk(3)
        return cls(expert, suboptimal, rollout)

    def clipped(self, clip: float) -> Thirds:
        """All within [clip, 1 - clip]."""
        low, high = clip, 1 - clip
        return Thirds(self.expert.clamp(low, high), self.suboptimal.clamp(low, high), self.rollout.clamp(low, high))

    def joined(self) -> Tensor:
        """Behind each other, (3B,)."""
        return torch.cat([self.expert, self.suboptimal, self.rollout])


def d2mil_weights(real: Thirds, optimal: Thirds, config: D2MILConfig) -> Thirds:
    """Weights of the policy's likelihood, Eq. 34.

    Expert rows: alpha - beta_o eta/(d_o (1 - d_o)) - beta_r/d_r; suboptimal: beta_o/(1 - d_o) - beta_r/d_r, raised to 0
    under ``clamp_suboptimal``; rollouts: beta_o/(1 - d_o) + beta_r/(1 - d_r).

    Args:
        real: d_r.
        optimal: d_o.
        config: alpha, betas, eta and clip.
    """
    d_r, d_o = real.clipped(config.clip), optimal.clipped(config.clip)
    doubt = config.eta / (d_o.expert * (1 - d_o.expert))
    suboptimal = config.beta_o / (1 - d_o.suboptimal) - config.beta_r / d_r.suboptimal
    return Thirds(
        expert=config.alpha - config.beta_o * doubt - config.beta_r / d_r.expert,
        suboptimal=suboptimal.clamp(min=0) if config.clamp_suboptimal else suboptimal,
        rollout=config.beta_o / (1 - d_o.rollout) + config.beta_r / (1 - d_r.rollout),
    )


def d2mil_policy_loss(log_policy: Thirds, weights: Thirds) -> Tensor:
    """Eq. 34: the sum of three weighted expectations of -log pi."""
    return (
        weighted_nll(weights.expert, log_policy.expert)
        + weighted_nll(weights.suboptimal, log_policy.suboptimal)
        + weighted_nll(weights.rollout, log_policy.rollout)
    )


def d2mil_model_loss(log_model: Thirds, real: Thirds, share: float, config: GuidedConfig) -> Tensor:
    """Eq. 35: E over D_e and D_o together of -(alpha - 1/d_r) log f, plus E over D_r of -(1/(1 - d_r)) log f.

    Args:
        log_model: log f.
        real: d_r.
        share: of D_e in D_e and D_o together: physics does not care who drove, so real rows count alike.
        config: alpha and clip.
    """
    expert = weighted_nll(expert_weight(real.expert, config.alpha, config.clip), log_model.expert)
    suboptimal = weighted_nll(expert_weight(real.suboptimal, config.alpha, config.clip), log_model.suboptimal)
    imagined = weighted_nll(rollout_weight(real.rollout, config.clip), log_model.rollout)
    return share * expert + (1 - share) * suboptimal + imagined


class D2MILLearner(ModelBasedLearner):
    """D2MIL; forward passes are shared as in DMIL."""

    config: D2MILConfig

    def __init__(self, config: D2MILConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        inputs = problem.states + 2 * problem.actions
        self.real_discriminator = Discriminator(inputs + problem.states, config.discriminator_hidden)
        self.optimality = Discriminator(inputs, config.discriminator_hidden)
        self.add("real_discriminator", self.real_discriminator, config.discriminator_lr)
        self.add("optimality", self.optimality, config.discriminator_lr)
        sizes = [len(problem.sources[name].train) for name in ("expert", "suboptimal")]
        self._share = sizes[0] / sum(sizes)

    def draw(self) -> Rows:
        """As many expert rows as suboptimal as rollout rows, in this order."""
        batch, sources = self.config.batch, self.problem.sources
        real = [sources[name].train.draw(batch, self.generator) for name in ("expert", "suboptimal")]
        return Rows.stack(*real, self.ring.draw(batch, self.generator))

    def losses(self, batch: Rows) -> dict[str, Tensor]:
        """See ``Learner``."""
        config, size = self.config, len(batch) // 3
        mean, log_std = self.policy(batch.state)
        model_mean, model_log_std = self.model(batch.inputs)
        log_policy = gaussian_log_density(batch.action, mean, log_std) + batch.log_volume
        log_model = gaussian_log_density(batch.change, model_mean, model_log_std)
        real = self.real_discriminator(evidence(batch, log_policy, log_model))
        optimal = self.optimality(evidence(batch, log_policy))
        d_r, d_o = torch.sigmoid(real.detach()), torch.sigmoid(optimal.detach())
        weights = d2mil_weights(Thirds.of(d_r), Thirds.of(d_o), config)
        self.seen = {"d_r": d_r, "d_o": d_o, "weight": weights.joined(), "policy": log_std, "model": model_log_std}
        clip = config.clip if config.paper_clip else None
        losses = {
            # Eq. 26: D_e and D_o together are what is real.
            "real_discriminator": discriminator_loss(real[: 2 * size], real[2 * size :], clip),
            "optimality": positive_unlabeled_loss(optimal[:size], optimal[size:], config.eta),
            "policy": d2mil_policy_loss(Thirds.of(row_sum(log_policy)), weights),
        }
        if not self.model_frozen:
            loss = d2mil_model_loss(Thirds.of(row_sum(log_model)), Thirds.of(d_r), self._share, config)
            losses["model"] = loss + self.model.bound_penalty()
        return losses

    @torch.no_grad()
    def judge(self, rows: Rows) -> dict[str, Tensor]:
        """See ``ModelBasedLearner``."""
        log_policy = self.log_policy(rows)
        real = self.real_discriminator(evidence(rows, log_policy, self.log_model(rows)))
        optimal = self.optimality(evidence(rows, log_policy))
        return {"d_r": torch.sigmoid(real), "d_o": torch.sigmoid(optimal)}

    def row_weights(self, source: Source) -> Tensor:
        """See ``Learner``."""
        verdicts = [self.judge(block) for block in source.train.blocks()]
        real, optimal = (torch.cat([verdict[name] for verdict in verdicts]) for name in ("d_r", "d_o"))
        weights = d2mil_weights(Thirds(real, real, real), Thirds(optimal, optimal, optimal), self.config)
        return weights.expert if source.name == "expert" else weights.suboptimal

    def monitors(self) -> dict[str, float]:
        """See ``Learner``."""
        return super().monitors() | guidance_monitors(self.seen, ("expert", "suboptimal", "rollout"))


METHOD = Method(
    "d2mil",
    D2MILConfig,
    D2MILLearner,
    "Zhang et al. 2022, appendix A.2: dual-discriminator weighted model-based imitation",
    "a handful of expert rows (140, say) beside thousands of suboptimal ones",
)
