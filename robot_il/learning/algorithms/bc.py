"""Behavioural cloning: maximum likelihood of the demonstrated actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from robot_il.learning.config import DEMONSTRATIONS
from robot_il.learning.gaussian import GaussianConfig, GaussianLearner
from robot_il.learning.learner import Method
from robot_il.learning.networks import row_sum
from robot_il.learning.rows import Rows


@dataclass(frozen=True, kw_only=True)
class BCConfig(GaussianConfig):
    """Settings of behavioural cloning.

    Attributes:
        data: ``expert`` alone (BC-exp), or ``all`` but the undesirable (BC-all), every transition counting once.
    """

    data: Literal["expert", "all"] = "expert"

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"demonstrations": DEMONSTRATIONS[self.data]}


def bc_loss(log_policy: Tensor) -> Tensor:
    """E[-log pi(a|s)], Eq. 1 (and 11) of Zhang et al. 2022, for per-dimension log-densities (B, A)."""
    return -row_sum(log_policy).mean()


class BCLearner(GaussianLearner):
    """Behavioural cloning."""

    def draw(self) -> Rows:
        """See ``Learner``."""
        return self.problem.sources["demonstrations"].train.draw(self.config.batch, self.generator)

    def losses(self, batch: Rows) -> dict[str, Tensor]:
        """See ``Learner``."""
        return {"policy": bc_loss(self.log_policy(batch))}


METHOD = Method(
    "bc",
    BCConfig,
    BCLearner,
    "behavioural cloning, Eq. 1 of Zhang et al. 2022 (DMIL)",
    "many demonstrations of one kind; the first thing to try after linear",
)
