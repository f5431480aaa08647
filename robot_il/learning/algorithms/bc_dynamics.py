"""BC+d: behavioural cloning on demonstrations and on a learned model's rollouts, unweighted (Zhang et al., CoRL 2022).

The paper's first ablation of DMIL: the same model, the same rollouts, and no discriminator to say which are any good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from robot_il.learning.algorithms.bc import bc_loss
from robot_il.learning.config import DEMONSTRATIONS
from robot_il.learning.gaussian import log_std_monitors
from robot_il.learning.learner import Method, Report
from robot_il.learning.model_based import ModelBasedConfig, ModelBasedLearner
from robot_il.learning.networks import LOG_STD_BOUNDS, gaussian_log_density
from robot_il.learning.problem import Problem
from robot_il.learning.rows import Rows


@dataclass(frozen=True, kw_only=True)
class BCDynamicsConfig(ModelBasedConfig):
    """Settings of BC+d.

    Attributes:
        data: demonstrations D_e: the ``expert`` rows, or ``all`` but the undesirable.
        log_std_floor: as in ``bc``: no likelihood is fed back.
        model_pretrain_steps: none, as in the paper: policy and model learn from step 0 on.
        policy_pretrain_steps: likewise.
    """

    data: Literal["expert", "all"] = "expert"
    log_std_floor: float = LOG_STD_BOUNDS[0]
    model_pretrain_steps: int = 0
    policy_pretrain_steps: int = 0

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"expert": DEMONSTRATIONS[self.data]}


def model_loss(log_model: Tensor) -> Tensor:
    """E_e[-log f(s'|s,a)], Eq. 12, for per-dimension log-densities (B, S) of demonstrations."""
    return bc_loss(log_model)


def union_loss(log_policy: Tensor) -> Tensor:
    """E[-log pi(a|s)] over D_e and D_r together, Eq. 13, for log-densities (B, A) of rows drawn from both."""
    return bc_loss(log_policy)


class BCDynamicsLearner(ModelBasedLearner):
    """BC+d. A batch is half demonstrations, half rollouts, and demonstrations alone while there are no rollouts."""

    config: BCDynamicsConfig

    def __init__(self, config: BCDynamicsConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self._log_std = torch.zeros(0, problem.actions, device=problem.device)

    def prepare(self, report: Report) -> None:
        """Pretraining where it is asked for; then the first rollouts only.

        The store grows as training goes on: filled at once, it would long be full of an untrained policy's actions.
        """
        self.pretrain_model(report)
        self.pretrain_policy(report)
        self.refresh()

    def draw(self) -> Rows:
        """Expert rows, then as many rollout rows."""
        batch = self.config.batch
        expert = self.problem.sources["expert"].train.draw(batch, self.generator)
        return Rows.stack(expert, self.ring.draw(batch, self.generator)) if len(self.ring) else expert

    def losses(self, batch: Rows) -> dict[str, Tensor]:
        """See ``Learner``."""
        mean, log_std = self.policy(batch.state)
        self._log_std = log_std.detach()
        losses = {"policy": union_loss(gaussian_log_density(batch.action, mean, log_std) + batch.log_volume)}
        if not self.model_frozen:
            losses["model"] = model_loss(self.log_model(batch.first(self.config.batch))) + self.model.bound_penalty()
        return losses

    def monitors(self) -> dict[str, float]:
        """See ``Learner``."""
        size = min(self.config.batch, len(self._log_std))
        parts = [("expert", size), ("rollout", len(self._log_std) - size)]
        return super().monitors() | log_std_monitors(self._log_std, [part for part in parts if part[1]], "policy")


METHOD = Method(
    "bc_dynamics",
    BCDynamicsConfig,
    BCDynamicsLearner,
    "BC+d, Eq. 12 and 13 of Zhang et al. 2022 (DMIL)",
    "to see what a model's rollouts do without a discriminator; an ablation of dmil",
)
