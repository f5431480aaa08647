"""ContraDICE: what to do from an expert, what not to do from undesirable recordings, and others to choose from.

Hoang et al. 2025, *Learning What to Do and What Not To Do: Offline Imitation from Expert and Undesirable
Demonstrations*. Over distributions d that some behaviour can have,

    min KL(d || d_G) - alpha KL(d || d_B),

d_G being the expert's (good) and d_B the undesirable one. It is convex for alpha <= 1. ``dice.py`` has its dual, which
``objective=dual`` solves as it stands. ``objective=official`` follows the published code instead, which gives each row
a reward, learns Q and V, and weighs by exp((Q - V)/beta); the mixture there contains the expert's rows, as here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from robot_il.learning.advantage import AdvantageSettings, AdvantageWeigher, Part
from robot_il.learning.bootstrap import Steps
from robot_il.learning.dice import DiceConfig, DualWeigher
from robot_il.learning.learner import Method
from robot_il.learning.problem import Problem
from robot_il.learning.rows import Rows
from robot_il.learning.weighted import Ratio, Weigher, WeightedLearner, steps_of

VERDICT_CLIP = 0.05
"""The published code clips its discriminators to [this, 1 - this]."""
VERDICT_SCALE = 3.0


@dataclass(frozen=True, kw_only=True)
class ContraDICEConfig(DiceConfig):
    """Settings of ContraDICE.

    Attributes:
        alpha: how much avoiding counts beside imitating, from 0 (imitation alone) to below 1.
        objective: ``dual``, or ``official`` for what the published code does.
        reward_bound: of ``official``: reward of an expert row, and the largest there is; an undesirable row has
            -alpha times as much.
        temperature: of ``official``: beta of the soft value and of the weights, in units of the reward.
    """

    alpha: float = 0.5
    objective: Literal["dual", "official"] = "dual"
    reward_bound: float = 3.0
    temperature: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(0 <= self.alpha < 1, "alpha", "at least 0 and below 1, where the programme stops being convex")
        self.require(self.reward_bound > 0, "reward_bound", "positive")
        self.require(self.temperature > 0, "temperature", "positive")

    @property
    def coefficient(self) -> float:
        """The weight c = 1 - alpha of KL(d || d_U)."""
        return 1 - self.alpha

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"expert": ("expert",), "undesirable": ("undesirable",), "mixed": ("suboptimal", "unlabeled")}


def contrast(expert: Tensor, undesirable: Tensor, alpha: float) -> Tensor:
    """Psi = log d_G/d_U - alpha log d_B/d_U of rows, (B,), from the two logarithms."""
    return expert - alpha * undesirable


def official_reward(expert: Tensor, undesirable: Tensor, alpha: float, bound: float) -> Tensor:
    """The published code's reward of a row of the mixture, (B,), from the logits of both discriminators.

    exp((log 3 D_G - alpha log 3 D_B)/(1 - alpha)), at most ``bound``, with D clipped; in D, not in D/(1 - D).
    """
    good, bad = (torch.sigmoid(part).clamp(VERDICT_CLIP, 1 - VERDICT_CLIP) for part in (expert, undesirable))
    exponent = torch.log(VERDICT_SCALE * good) - alpha * torch.log(VERDICT_SCALE * bad)
    return torch.exp(exponent / (1 - alpha)).clamp(max=bound)


class ContraDICELearner(WeightedLearner):
    """ContraDICE. In the published code's form the discriminators see states alone, and judge the next one."""

    config: ContraDICEConfig
    candidates = ("expert", "mixed")

    def __init__(self, config: ContraDICEConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self.imitated = ("expert",)
        official = config.objective == "official"
        self.ratios = (
            Ratio(self, "expert_ratio", ("expert",), self.candidates, states_only=official),
            Ratio(self, "undesirable_ratio", ("undesirable",), self.candidates, states_only=official),
        )
        self.weigher = self._official() if official else self._dual()

    def psi(self, rows: Rows) -> Tensor:
        """Psi of rows, (B,)."""
        expert, undesirable = (ratio(rows.inputs) for ratio in self.ratios)
        return contrast(expert, undesirable, self.config.alpha)

    def _dual(self) -> Weigher:
        config = self.config
        return DualWeigher(self, config, self.psi, config.coefficient, -(1 + config.alpha) * config.ratio_clip)

    def _official(self) -> Weigher:
        config, problem = self.config, self.problem
        bound, worst = config.reward_bound, -config.alpha * config.reward_bound
        settings = AdvantageSettings(worst, bound, value="soft", temperature=config.temperature, everywhere=True)
        parts = (
            Part(steps_of(problem, self.candidates), self._mixed_reward),
            Part(Steps.of(problem, "expert"), lambda steps: torch.full_like(steps.terminal, bound)),
            Part(Steps.of(problem, "undesirable"), lambda steps: torch.full_like(steps.terminal, worst)),
        )
        return AdvantageWeigher(self, config, settings, parts)

    def _mixed_reward(self, steps: Steps) -> Tensor:
        expert, undesirable = (ratio(steps.next_state) for ratio in self.ratios)
        return official_reward(expert, undesirable, self.config.alpha, self.config.reward_bound)


METHOD = Method(
    "contradice",
    ContraDICEConfig,
    ContraDICELearner,
    "Hoang et al. 2025, Learning What to Do and What Not To Do (ContraDICE)",
    "expert rows, recordings of what must not happen, and others that hold some of both",
)
