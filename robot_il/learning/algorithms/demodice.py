"""DemoDICE: an expert's few rows, and many others that are kept close to.

Kim et al. 2022, *DemoDICE: Offline Imitation Learning with Supplementary Imperfect Demonstrations*. The programme is in
``dice.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from robot_il.learning.dice import DiceConfig, DualWeigher
from robot_il.learning.learner import Method
from robot_il.learning.problem import Problem
from robot_il.learning.rows import Rows
from robot_il.learning.weighted import Ratio, WeightedLearner


@dataclass(frozen=True, kw_only=True)
class DemoDICEConfig(DiceConfig):
    """Settings of DemoDICE.

    Attributes:
        closeness: eta, how much staying close to all rows counts beside matching the expert's.
    """

    closeness: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.closeness >= 0, "closeness", "0 or more")

    @property
    def coefficient(self) -> float:
        """The weight c = 1 + eta of KL(d || d_U); the paper calls eta alpha."""
        return 1 + self.closeness

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"expert": ("expert",), "mixed": ("suboptimal", "unlabeled")}


class DemoDICELearner(WeightedLearner):
    """DemoDICE: Psi = log d_E/d_U of states and actions."""

    config: DemoDICEConfig
    candidates = ("expert", "mixed")
    states_only = False

    def __init__(self, config: DemoDICEConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self.imitated = ("expert",)
        expert = Ratio(self, "expert_ratio", ("expert",), self.candidates, states_only=self.states_only)
        self.ratios = (expert,)
        self.weigher = DualWeigher(self, config, self.psi, config.coefficient, -config.ratio_clip)

    def psi(self, rows: Rows) -> Tensor:
        """Psi of rows, (B,)."""
        return self.ratios[0](rows.inputs)


METHOD = Method(
    "demodice",
    DemoDICEConfig,
    DemoDICELearner,
    "Kim et al. 2022, DemoDICE: Offline Imitation Learning with Supplementary Imperfect Demonstrations",
    "a few expert rows beside many others, some of which are as good",
)
