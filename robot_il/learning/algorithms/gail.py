"""GAIL: generative adversarial imitation learning (Ho and Ermon, NeurIPS 2016).

AIRL without the policy's density in the discriminator: logit D = g(s, a), Eq. 14 with the expert as 1, and the reward
log D - log(1 - D) = g. The entropy that AIRL has in its reward is a bonus here, as in the paper. What is learned is no
reward: at the optimum D is 1/2 everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robot_il.learning.algorithms.airl import AdversarialConfig, AdversarialLearner
from robot_il.learning.learner import Method


@dataclass(frozen=True, kw_only=True)
class GAILConfig(AdversarialConfig):
    """Settings of GAIL: those of AIRL, without shaping and with an entropy bonus."""

    shaping: bool = False
    entropy_weight: float = 1e-3


def gail_logit(f: Tensor, log_policy: Tensor) -> Tensor:
    """Gives f, whatever the policy's density, (B,)."""
    del log_policy
    return f


class GAILLearner(AdversarialLearner):
    """GAIL."""

    config: GAILConfig

    def logit(self, f: Tensor, log_policy: Tensor) -> Tensor:
        """See ``AdversarialLearner``."""
        return gail_logit(f, log_policy)

    def density_slope(self, inputs: Tensor) -> Tensor:
        """See ``AdversarialLearner``: there is no such part."""
        return torch.zeros_like(inputs)


METHOD = Method(
    "gail",
    GAILConfig,
    GAILLearner,
    "Ho and Ermon 2016, Generative Adversarial Imitation Learning",
    "matching what the expert visits, not each of its actions; compare with airl",
)
