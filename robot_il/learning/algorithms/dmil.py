"""DMIL: discriminator-guided model-based imitation (Zhang et al., CoRL 2022).

A dynamics model f and the policy pi imagine transitions D_r; a discriminator d tells them from the demonstrations D_e,
seeing the likelihoods that pi and f give them; its verdict weighs both in the training of pi and f.

The signs, since the paper's Eq. 4, 16 and 19 carry misprints: with F = P_e (-log d) + P_r (-log(1 - d)), dF/dd is
-P_e/d + P_r/(1 - d). pi and f ascend the loss that d descends, so each descends E_e[(1/d) log p] - E_r[(1/(1-d)) log p]
(Eq. 7 and 8), p being its own density; adding alpha E_e[-log p] gives Eq. 22 and 24.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from robot_il.learning.config import DEMONSTRATIONS
from robot_il.learning.gaussian import log_std_monitors
from robot_il.learning.learner import Method
from robot_il.learning.losses import clipped_logistic_loss, effective_share, logistic_loss, weighted_nll
from robot_il.learning.model_based import ModelBasedConfig, ModelBasedLearner
from robot_il.learning.networks import Discriminator, gaussian_log_density, row_sum, scaled_log_density
from robot_il.learning.problem import Problem, Source
from robot_il.learning.rows import Rows

Ablation = Literal["none", "no-d-adv", "no-d-adv-pi-info"]


@dataclass(frozen=True, kw_only=True)
class GuidedConfig(ModelBasedConfig):
    """Settings of a discriminator that guides policy and model.

    Attributes:
        discriminator_hidden: widths of its hidden layers.
        discriminator_lr: Adam's step size.
        alpha: weight of the likelihood of expert rows, of policy and model both.
        clip: d is clipped to [clip, 1 - clip] in the weights.
        paper_clip: clip d inside the discriminator's own loss too, as the paper words it; rows that d gets badly wrong
            then teach it nothing.
    """

    discriminator_hidden: tuple[int, ...] = (512, 512)
    discriminator_lr: float = 1e-4
    alpha: float = 10.0
    clip: float = 0.1
    paper_clip: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(all(width >= 1 for width in self.discriminator_hidden), "discriminator_hidden", "positive widths")
        self.require(self.discriminator_lr > 0, "discriminator_lr", "positive")
        self.require(0 < self.clip < 0.5, "clip", "between 0 and 0.5")


@dataclass(frozen=True, kw_only=True)
class DMILConfig(GuidedConfig):
    """Settings of DMIL.

    Attributes:
        data: demonstrations D_e: the ``expert`` rows, or ``all`` but the undesirable.
        fake_offset: weigh rollouts by 1/(1 - d) - 1, and by 0 where d < 0.5, as the code of DWBC does.
        ablation: ``no-d-adv`` hides log f from d and fits f by likelihood alone; ``no-d-adv-pi-info`` hides log pi too.
    """

    steps: int = 4000
    data: Literal["expert", "all"] = "expert"
    fake_offset: bool = False
    ablation: Ablation = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        least = 1 / self.clip
        self.require(self.alpha >= least, "alpha", f"at least 1/clip = {least:g}, or expert weights become negative")

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"expert": DEMONSTRATIONS[self.data]}


def expert_weight(verdict: Tensor, alpha: float, clip: float) -> Tensor:
    """Gives alpha - 1/d with d clipped to [clip, 1 - clip], for d of expert rows (Eq. 22, 24)."""
    return alpha - 1 / verdict.clamp(clip, 1 - clip)


def rollout_weight(verdict: Tensor, clip: float, *, offset: bool = False) -> Tensor:
    """Gives 1/(1 - d) with d clipped, for d of rollout rows (Eq. 22, 24): above 1, so no rollout counts for nothing.

    Args:
        verdict: d, (B,).
        clip: see ``expert_weight``.
        offset: subtract 1, and give 0 to rows that d takes for fakes.
    """
    weight = 1 / (1 - verdict.clamp(clip, 1 - clip))
    return torch.where(verdict < 0.5, torch.zeros_like(weight), weight - 1) if offset else weight


def dmil_loss(log_density: tuple[Tensor, Tensor], weight: tuple[Tensor, Tensor]) -> Tensor:
    """E_e[-w_e log p] + E_r[-w_r log p], Eq. 22 with p = pi(a|s) and Eq. 24 with p = f(s'|s,a).

    Args:
        log_density: log p of expert and of rollout rows, each (B,).
        weight: of the same rows.
    """
    return weighted_nll(weight[0], log_density[0]) + weighted_nll(weight[1], log_density[1])


def discriminator_loss(expert: Tensor, rollout: Tensor, paper_clip: float | None = None) -> Tensor:
    """Eq. 3 (and 14) for logits of expert and rollout rows.

    Args:
        expert: logits of expert rows.
        rollout: logits of rollout rows.
        paper_clip: clip d to [this, 1 - this] inside the logarithms; None for the plain logistic loss.
    """
    return logistic_loss(expert, rollout) if paper_clip is None else clipped_logistic_loss(expert, rollout, paper_clip)


def halves(values: Tensor) -> tuple[Tensor, Tensor]:
    """The expert's and the rollouts' half of a batch's values."""
    size = len(values) // 2
    return values[:size], values[size:]


def evidence(rows: Rows, *log_densities: Tensor) -> Tensor:
    """What a discriminator sees: state, action and scaled, detached log-densities, per dimension."""
    return torch.cat([rows.inputs, *(scaled_log_density(part) for part in log_densities)], dim=1)


class DMILLearner(ModelBasedLearner):
    """DMIL. One forward pass of each network serves the discriminator's input, its loss and the weights.

    The weights therefore use d as it was before this step's update of d, a lag of one step.
    """

    config: DMILConfig

    def __init__(self, config: DMILConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self._informed_by_policy = config.ablation != "no-d-adv-pi-info"
        self._informed_by_model = config.ablation == "none"
        inputs = problem.states + problem.actions
        inputs += self._informed_by_policy * problem.actions + self._informed_by_model * problem.states
        self.discriminator = Discriminator(inputs, config.discriminator_hidden)
        self.add("discriminator", self.discriminator, config.discriminator_lr)

    def draw(self) -> Rows:
        """As many expert rows as rollout rows, in this order."""
        batch = self.config.batch
        expert = self.problem.sources["expert"].train.draw(batch, self.generator)
        return Rows.stack(expert, self.ring.draw(batch, self.generator))

    def verdict(self, batch: Rows, log_policy: Tensor, log_model: Tensor) -> Tensor:
        """Logits of d for rows and their per-dimension log-densities; no gradient reaches policy or model."""
        parts = [log_policy] * self._informed_by_policy + [log_model] * self._informed_by_model
        return self.discriminator(evidence(batch, *parts))

    def losses(self, batch: Rows) -> dict[str, Tensor]:
        """See ``Learner``."""
        config = self.config
        mean, log_std = self.policy(batch.state)
        model_mean, model_log_std = self.model(batch.inputs)
        log_policy = gaussian_log_density(batch.action, mean, log_std) + batch.log_volume
        log_model = gaussian_log_density(batch.change, model_mean, model_log_std)
        logits = self.verdict(batch, log_policy, log_model)
        d_expert, d_rollout = halves(torch.sigmoid(logits.detach()))
        weights = (
            expert_weight(d_expert, config.alpha, config.clip),
            rollout_weight(d_rollout, config.clip, offset=config.fake_offset),
        )
        self.seen = {
            "d": torch.cat([d_expert, d_rollout]),
            "weight": torch.cat(weights),
            "policy": log_std,
            "model": model_log_std,
        }
        expert, rollout = halves(logits)
        losses = {
            "discriminator": discriminator_loss(expert, rollout, config.clip if config.paper_clip else None),
            "policy": dmil_loss(halves(row_sum(log_policy)), weights),
        }
        if not self.model_frozen:
            losses["model"] = self._model_loss(log_model, weights) + self.model.bound_penalty()
        return losses

    def _model_loss(self, log_model: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
        log_density = halves(row_sum(log_model))
        return dmil_loss(log_density, weights) if self._informed_by_model else -log_density[0].mean()

    @torch.no_grad()
    def judge(self, rows: Rows) -> dict[str, Tensor]:
        """See ``ModelBasedLearner``."""
        return {"d": torch.sigmoid(self.verdict(rows, self.log_policy(rows), self.log_model(rows)))}

    def row_weights(self, source: Source) -> Tensor:
        """See ``Learner``."""
        verdict = torch.cat([self.judge(block)["d"] for block in source.train.blocks()])
        return expert_weight(verdict, self.config.alpha, self.config.clip)

    def monitors(self) -> dict[str, float]:
        """See ``Learner``."""
        return super().monitors() | guidance_monitors(self.seen, ("expert", "rollout"))


def guidance_monitors(seen: dict[str, Tensor], parts: tuple[str, ...]) -> dict[str, float]:
    """Means of what a guided step saw, for each part of its batch.

    Args:
        seen: any of ``weight`` and discriminators' values (B,), and the log standard deviations ``policy`` and
            ``model`` (B, D), of a batch made of equal parts.
        parts: names of these.
    """
    values: dict[str, float] = {}
    for key, tensor in seen.items():
        sizes = [(name, len(tensor) // len(parts)) for name in parts]
        if key in ("policy", "model"):
            values |= log_std_monitors(tensor, sizes, key)
            continue
        for (name, _), piece in zip(sizes, tensor.chunk(len(parts)), strict=True):
            values[f"{key}_{name}"] = float(piece.mean())
            if key == "weight":
                values[f"effective_share_{name}"] = effective_share(piece)
    return values


METHOD = Method(
    "dmil",
    DMILConfig,
    DMILLearner,
    "Zhang et al. 2022, Discriminator-Guided Model-Based Offline Imitation Learning",
    "few demonstrations, all of one kind; compare with bc on the same rows",
)
