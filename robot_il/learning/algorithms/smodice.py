"""SMODICE with the Kullback-Leibler divergence: match the states that an expert visits, whatever it did there.

Ma et al. 2022, *Versatile Offline Imitation from Observations and Examples via State-Occupancy Matching*. The programme
is in ``dice.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from robot_il.learning.algorithms.demodice import DemoDICELearner
from robot_il.learning.dice import DiceConfig
from robot_il.learning.learner import Method


@dataclass(frozen=True, kw_only=True)
class SMODICEConfig(DiceConfig):
    """Settings of SMODICE: those of the dual."""

    @property
    def coefficient(self) -> float:
        """The weight c = 1 of KL(d || d_U)."""
        return 1.0

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"expert": ("expert",), "mixed": ("suboptimal", "unlabeled")}


class SMODICELearner(DemoDICELearner):
    """SMODICE: Psi = log d_E(s)/d_U(s), of states alone."""

    config: SMODICEConfig  # type: ignore[assignment]
    states_only = True


METHOD = Method(
    "smodice",
    SMODICEConfig,
    SMODICELearner,
    "Ma et al. 2022, SMODICE: Versatile Offline Imitation via State-Occupancy Matching",
    "an expert whose states are to be matched although its torques mean little here (another motor, another operator)",
)
