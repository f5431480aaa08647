"""DWBC: cloning weighted by a discriminator of the expert's rows that also sees what the policy thinks of them.

Xu et al. 2022, *Discriminator-Weighted Offline Imitation Learning from Suboptimal Demonstrations*. Some of the others'
rows D_o are as good as the expert's D_e, so d is learned from positive and unlabeled rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from robot_il.learning.algorithms.dmil import evidence
from robot_il.learning.gaussian import GaussianConfig, GaussianLearner
from robot_il.learning.learner import Method
from robot_il.learning.losses import effective_share, logistic_loss, positive_unlabeled_loss, weighted_nll
from robot_il.learning.networks import LOG_STD_BOUNDS_FED_BACK, Discriminator, row_sum
from robot_il.learning.problem import Problem, Source
from robot_il.learning.rows import Rows


@dataclass(frozen=True, kw_only=True)
class DWBCConfig(GaussianConfig):
    """Settings of DWBC.

    Attributes:
        discriminator_hidden: widths of d's hidden layers.
        discriminator_lr: Adam's step size.
        discriminator_every: steps of the policy to one of d.
        alpha: weight of plain cloning of the expert.
        eta: share of rows as good as the expert's among the others.
        clip: d is clipped to [clip, 1 - clip] in the weights.
        no_pu: take all the others' rows for bad ones, instead of a share eta of them for good.
        paper_form: weights as printed: without the 1 subtracted and the threshold at d = 0.5 of the authors' code.
    """

    policy_decay: float = 5e-3
    log_std_floor: float = LOG_STD_BOUNDS_FED_BACK[0]
    discriminator_hidden: tuple[int, ...] = (256, 256)
    discriminator_lr: float = 1e-4
    discriminator_every: int = 1
    alpha: float = 7.5
    eta: float = 0.5
    clip: float = 0.1
    no_pu: bool = False
    paper_form: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(all(width >= 1 for width in self.discriminator_hidden), "discriminator_hidden", "positive widths")
        self.require(self.discriminator_lr > 0, "discriminator_lr", "positive")
        self.require(self.discriminator_every >= 1, "discriminator_every", "at least 1")
        self.require(0 < self.eta < 1, "eta", "between 0 and 1")
        self.require(0 < self.clip < 0.5, "clip", "between 0 and 0.5")
        least = largest_correction(self)
        self.require(self.alpha >= least, "alpha", f"at least {least:g}, or expert weights become negative")

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"expert": ("expert",), "suboptimal": ("suboptimal", "unlabeled")}


def largest_correction(config: DWBCConfig) -> float:
    """What the weight of an expert row falls short of alpha by at most: at d = clip or 1 - clip."""
    share = 1.0 if config.no_pu else config.eta / (1 - config.clip)
    return share / config.clip + (0 if config.paper_form else 1)


def expert_weight(verdict: Tensor, config: DWBCConfig) -> Tensor:
    """Gives alpha - eta/(d (1 - d)) - 1 with d clipped, for d of expert rows, (B,).

    The policy objective of Xu et al. 2022 and, for the 1, their code. With ``no_pu`` it is alpha - 1/d - 1, the same
    derivation's for a plain discriminator (their code keeps eta there); with ``paper_form`` the 1 is not subtracted.
    """
    d = verdict.clamp(config.clip, 1 - config.clip)
    correction = 1 / d if config.no_pu else config.eta / (d * (1 - d))
    return config.alpha - correction - (0 if config.paper_form else 1)


def other_weight(verdict: Tensor, config: DWBCConfig) -> Tensor:
    """Gives 1/(1 - d) - 1 with d clipped, and 0 where d < 0.5, for d of the others' rows, (B,).

    The policy objective of Xu et al. 2022 and their code; with ``paper_form`` 1/(1 - d) throughout.
    """
    weight = 1 / (1 - verdict.clamp(config.clip, 1 - config.clip))
    return weight if config.paper_form else torch.where(verdict < 0.5, torch.zeros_like(weight), weight - 1)


def dwbc_discriminator_loss(expert: Tensor, other: Tensor, config: DWBCConfig) -> Tensor:
    """The discriminator objective of Xu et al. 2022 for logits: E_e[-log d] + E_o[-log(1 - d)]/eta - E_e[-log(1 - d)].

    The last two terms together estimate a risk and are kept from falling below 0 (Kiryo et al. 2017). With ``no_pu`` it
    is the plain logistic loss.
    """
    if config.no_pu:
        return logistic_loss(expert, other)
    return positive_unlabeled_loss(expert, other, config.eta) / config.eta


class DWBCLearner(GaussianLearner):
    """DWBC; one forward pass of each network serves d's input, its loss and the weights."""

    config: DWBCConfig

    def __init__(self, config: DWBCConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self.imitated = ("expert",)
        self.discriminator = Discriminator(problem.states + 2 * problem.actions, config.discriminator_hidden)
        self.add("discriminator", self.discriminator, config.discriminator_lr)

    def draw(self) -> Rows:
        """As many expert rows as others, in this order."""
        parts = (self.problem.sources[name].train for name in ("expert", "suboptimal"))
        return Rows.stack(*(rows.draw(self.config.batch, self.generator) for rows in parts))

    def losses(self, batch: Rows) -> dict[str, Tensor]:
        """See ``Learner``."""
        config, size = self.config, len(batch) // 2
        log_policy = self.log_policy(batch)
        logits = self.discriminator(evidence(batch, log_policy))
        expert, other = logits.split(size)
        d_expert, d_other = torch.sigmoid(logits.detach()).split(size)
        weights = expert_weight(d_expert, config), other_weight(d_other, config)
        self.seen = {"d": (d_expert, d_other), "weight": weights}
        parts = row_sum(log_policy).split(size)
        return {
            "discriminator": dwbc_discriminator_loss(expert, other, config),
            "policy": weighted_nll(weights[0], parts[0]) + weighted_nll(weights[1], parts[1]),
        }

    def update(self, losses: Mapping[str, Tensor]) -> None:
        """See ``Learner``; d moves once in ``discriminator_every`` steps."""
        waits = self.steps % self.config.discriminator_every != 0
        super().update({name: loss for name, loss in losses.items() if not (waits and name == "discriminator")})

    def capture_key(self) -> Hashable:
        """See ``Learner``."""
        return self.steps % self.config.discriminator_every == 0

    @torch.no_grad()
    def row_weights(self, source: Source) -> Tensor:
        """See ``Learner``."""
        rows = source.train
        verdict = torch.sigmoid(self.discriminator(evidence(rows, self.log_policy(rows))))
        return (expert_weight if source.name == "expert" else other_weight)(verdict, self.config)

    def monitors(self) -> dict[str, float]:
        """See ``Learner``."""
        values: dict[str, float] = {}
        for part, name in enumerate(("expert", "suboptimal")):
            values |= {f"{key}_{name}": float(seen[part].mean()) for key, seen in self.seen.items()}
            values[f"effective_share_{name}"] = effective_share(self.seen["weight"][part])
        return values


METHOD = Method(
    "dwbc",
    DWBCConfig,
    DWBCLearner,
    "Xu et al. 2022, Discriminator-Weighted Offline Imitation Learning from Suboptimal Demonstrations",
    "expert rows beside others of unknown quality, without a model or a value function",
)
