"""Losses and weights that several methods share: pure functions of tensors.

Every log-density argument is per row, shape (B,), every discriminator value or logit too. Expectations are means over
rows, each over its own; an empty one is 0.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def expectation(values: Tensor) -> Tensor:
    """Mean over rows; 0 for none, so that an absent source drops out of a sum of expectations."""
    return values.mean() if values.numel() else values.sum()


def weighted_nll(weight: Tensor, log_density: Tensor) -> Tensor:
    """E[-w log p] with the weight detached: no gradient passes through a weight to whatever produced it."""
    return expectation(-weight.detach() * log_density)


def logistic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """E_real[-log d] + E_fake[-log(1 - d)] for logits, d being their sigmoid.

    In terms of logits a confidently wrong row still has a gradient of about 1. Clipping d first (see
    ``clipped_logistic_loss``) leaves such rows none.
    """
    return expectation(functional.softplus(-real)) + expectation(functional.softplus(fake))


def clipped_logistic_loss(real: Tensor, fake: Tensor, clip: float) -> Tensor:
    """The same with d clipped to [clip, 1 - clip] inside the logarithms, as papers word it."""
    low, high = torch.sigmoid(real).clamp(clip, 1 - clip), torch.sigmoid(fake).clamp(clip, 1 - clip)
    return expectation(-torch.log(low)) + expectation(-torch.log1p(-high))


def positive_unlabeled_loss(positive: Tensor, unlabeled: Tensor, prior: float) -> Tensor:
    """Risk of telling P from U, for logits: eta E_P[-log d] + max(0, E_U[-log(1 - d)] - eta E_P[-log(1 - d)]).

    Eq. 27 of Zhang et al. 2022 after Xu and Denil 2021; the clamp at 0 is that of Kiryo et al. 2017 (nnPU): the
    difference estimates a risk, which is never negative, and a network that makes it so has learned single rows by
    heart. Unlabeled rows are one sample of one distribution: their expectation is over all of them together.

    Args:
        positive: logits of rows known to be good.
        unlabeled: logits of rows of unknown quality.
        prior: eta, the share of good rows among the unlabeled.
    """
    negative_risk = expectation(functional.softplus(unlabeled)) - prior * expectation(functional.softplus(positive))
    return prior * expectation(functional.softplus(-positive)) + negative_risk.clamp(min=0)


def effective_share(weight: Tensor) -> float:
    """(sum w)^2 / (B sum w^2): the share of rows that the weighting leaves in effect; 1 for equal weights."""
    squares = float(weight.square().sum())
    return float(weight.sum()) ** 2 / (weight.numel() * squares) if squares > 0 else 0.0
