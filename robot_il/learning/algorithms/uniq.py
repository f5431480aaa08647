"""UNIQ: no expert at all; recordings of what must not happen, and a mixture to choose from.

Hoang et al. 2024, *UNIQ: Offline Inverse Q-learning for Avoiding Undesirable Demonstrations*, arXiv 2410.08307. The
policy keeps as far as it can from the distribution of the undesirable rows:

    max over pi and r of E_pi[r] - E_UN[r] - psi(r) + H(pi),

where E_UN[r] = E_MIX[tau r] with tau = d_UN/d_MIX, so that the mixture's rows alone are needed to evaluate it. Here tau
comes from one discriminator of states and actions and the reward is -log tau. The paper's exact penalty psi is not
used: the reward that maximises it would be a function of tau too, and a bounded logarithm does not depend on the batch
at hand.

``objective=critics`` learns the discounted sum of that reward by critics, as the paper does, and the policy imitates
the mixture by weights exp(A/temperature). ``objective=dual``, the default, asks the same question of distributions,
max of E_d[-log tau] - c KL(d || d_MIX), and answers it with the dual in ``dice.py``: it kept farther from what is
undesirable (docs/methods/uniq.md has the figures).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from robot_il.learning.advantage import AdvantageSettings, AdvantageWeigher, Part
from robot_il.learning.dice import DiceConfig, DualWeigher
from robot_il.learning.learner import Method
from robot_il.learning.problem import Problem
from robot_il.learning.rows import Rows
from robot_il.learning.weighted import Ratio, Weigher, WeightedLearner, steps_of


@dataclass(frozen=True, kw_only=True)
class UNIQConfig(DiceConfig):
    """Settings of UNIQ.

    Attributes:
        objective: ``dual``, over distributions; or ``critics``.
        reward_bound: largest reward, in either direction.
        closeness: of ``dual``: c, how much staying close to the mixture counts.
        value: of ``critics``: V as an ``expectile`` of Q, or ``soft``: temperature log E[exp(Q/temperature)].
        expectile: which; above 0.5, V leans towards the better actions.
        horizon: rewards of recorded steps that are summed before V takes over; what one torque of 5 ms brings about
            shows only later.
        temperature: of the weights exp(A/temperature), A being in units of its own spread; of the soft value, in units
            of the reward.
        v0: weight of (1 - gamma) E[Q(s, pi(s))] in the critics' loss: above 0 what the policy would do is valued less,
            as in the authors' earlier code; below 0 more, as the cooperative objective reads. The critics then go on
            learning beside the policy.
        penalise_undesirable: fit the critics to the undesirable rows too, not to the mixture alone.
    """

    critic_pretrain_steps: int = 1000
    critic_decay: float = 0.0
    polyak: float = 0.05
    objective: Literal["dual", "critics"] = "dual"
    reward_bound: float = 3.0
    closeness: float = 0.5
    value: Literal["expectile", "soft"] = "expectile"
    expectile: float = 0.7
    horizon: int = 50
    temperature: float = 1.0
    v0: float = 0.0
    penalise_undesirable: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.reward_bound > 0, "reward_bound", "positive")
        self.require(self.closeness > 0, "closeness", "positive")
        self.require(0 < self.expectile < 1, "expectile", "between 0 and 1")
        self.require(self.temperature > 0, "temperature", "positive")
        self.require(1 <= self.horizon <= 1000, "horizon", "in 1 to 1000")

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``; an expert's rows are part of the mixture where there are any."""
        return {"mixture": ("unlabeled", "suboptimal", "expert"), "undesirable": ("undesirable",)}


def avoidance_reward(log_ratio: Tensor, bound: float) -> Tensor:
    """-log tau of rows within [-bound, bound], (B,): above 0 where the mixture is likelier than what is undesirable."""
    return (-log_ratio).clamp(-bound, bound)


class UNIQLearner(WeightedLearner):
    """UNIQ."""

    config: UNIQConfig
    candidates = ("mixture",)

    def __init__(self, config: UNIQConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self.imitated = ("mixture",)
        self.ratios = (Ratio(self, "undesirable_ratio", ("undesirable",), self.candidates),)
        self.weigher = self._dual() if config.objective == "dual" else self._critics()

    def reward(self, rows: Rows) -> Tensor:
        """-log tau of rows within the bound, (B,)."""
        return avoidance_reward(self.ratios[0](rows.inputs), self.config.reward_bound)

    def _dual(self) -> Weigher:
        config = self.config
        return DualWeigher(self, config, self.reward, config.closeness, -config.reward_bound, begun_by="mixture")

    def _critics(self) -> Weigher:
        config = self.config
        settings = AdvantageSettings(
            lowest=-config.reward_bound,
            highest=config.reward_bound,
            value=config.value,
            expectile=config.expectile,
            temperature=config.temperature,
            relative=True,
            horizon=config.horizon,
            v0=config.v0,
        )
        names = ("mixture", "undesirable") if config.penalise_undesirable else ("mixture",)
        parts = [Part(steps_of(self.problem, (name,)), self.reward) for name in names]
        return AdvantageWeigher(self, config, settings, parts)


METHOD = Method(
    "uniq",
    UNIQConfig,
    UNIQLearner,
    "Hoang et al. 2024, UNIQ: Offline Inverse Q-learning for Avoiding Undesirable Demonstrations",
    "no expert: recordings of what must not happen, and a mixture of good and bad",
)
