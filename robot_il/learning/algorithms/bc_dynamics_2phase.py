"""BC+d in two phases: first behavioural cloning and the model, each to its best, then BC+d with the model frozen.

Zhang et al., CoRL 2022: the second ablation of DMIL. What the paper leaves open is how often the frozen model is asked
for new rollouts; here the oldest give way to new ones of the changing policy, as in every method with rollouts.
"""

from __future__ import annotations

from dataclasses import dataclass

from robot_il.learning.algorithms.bc_dynamics import BCDynamicsConfig, BCDynamicsLearner
from robot_il.learning.learner import Method, Report


@dataclass(frozen=True, kw_only=True)
class BCDynamics2PhaseConfig(BCDynamicsConfig):
    """Settings of BC+d in two phases.

    Attributes:
        model_pretrain_steps: most steps of the model's phase 1, Eq. 12.
        policy_pretrain_steps: most steps of the policy's phase 1, Eq. 11.
    """

    model_pretrain_steps: int = 10_000
    policy_pretrain_steps: int = 10_000


class BCDynamics2PhaseLearner(BCDynamicsLearner):
    """Phase 1 is what comes before the first step; the steps are phase 2."""

    config: BCDynamics2PhaseConfig

    def prepare(self, report: Report) -> None:
        """Phase 1. The policy comes first, so that it is that of ``bc`` with the same seed, bit for bit."""
        self.pretrain_policy(report)
        self.pretrain_model(report)
        self.model_frozen = True
        self.fill()


METHOD = Method(
    "bc_dynamics_2phase",
    BCDynamics2PhaseConfig,
    BCDynamics2PhaseLearner,
    "two-phase BC+d, Eq. 11 to 13 of Zhang et al. 2022 (DMIL)",
    "as bc_dynamics, with rollouts that are plausible from the first one on",
)
