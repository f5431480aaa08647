"""When to stop, and fitting one network until then."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robot_il.learning.adam import Adam
from robot_il.learning.replayed import Replayed


@dataclass
class EarlyStopping:
    """Remembers the best step and says when waiting for a better one is over.

    Attributes:
        patience_steps: steps to wait at least; 0 waits for ever.
        patience_share: this share of the best step is waited for besides.
        best: lowest value so far.
        best_step: where it was.
    """

    patience_steps: int
    patience_share: float = 0.0
    best: float = math.inf
    best_step: int = 0

    def improved(self, step: int, value: float) -> bool:
        """Takes note of the value at a step; True when it is the lowest so far."""
        if not value < self.best:
            return False
        self.best, self.best_step = value, step
        return True

    def exhausted(self, step: int) -> bool:
        """Whether to stop at this step."""
        patience = self.patience_steps + self.patience_share * self.best_step
        return self.patience_steps > 0 and step - self.best_step >= patience

    def state(self) -> dict[str, float]:
        """What ``restore`` takes."""
        return {"best": self.best, "best_step": self.best_step}

    def restore(self, state: dict[str, float]) -> None:
        """Goes back to what ``state`` returned."""
        self.best, self.best_step = float(state["best"]), int(state["best_step"])


def fit_until_stopped(
    module: nn.Module,
    optimiser: Adam,
    loss: Callable[[], Tensor],
    held_out: Callable[[], float],
    generator: torch.Generator,
    *,
    steps: int,
    every: int,
    stopping: EarlyStopping,
    report: Callable[[int, int], None],
) -> None:
    """Trains one network and leaves it at its best held-out value.

    Args:
        module: the network.
        optimiser: of its parameters.
        loss: draws a batch and returns its loss.
        held_out: the value to be lowest; NaN where there is nothing to judge by, and all steps are then taken.
        generator: what the loss draws from.
        steps: most steps.
        every: steps between looks at ``held_out``.
        stopping: the patience.
        report: called at every look with the steps done and ``steps``.
    """
    best = None
    device = next(module.parameters()).device
    take_step = Replayed(lambda: optimiser.move(torch.autograd.grad(loss(), optimiser.parameters)), device, [generator])
    for step in range(1, steps + 1):
        take_step()
        if step % every == 0 or step == steps:
            report(step, steps)
            if stopping.improved(step, held_out()):
                best = copy.deepcopy(module.state_dict())
            elif stopping.best < math.inf and stopping.exhausted(step):
                break
    if best is not None:
        module.load_state_dict(best)
