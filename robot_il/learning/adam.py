"""Adam, with less around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Adam(torch.optim.Adam):
    """torch's fused Adam, bit for bit, called without the bookkeeping that ``step`` does every time.

    For networks of this size that bookkeeping (profiler hooks, grouping tensors by device and type, looking up each
    parameter's state) costs as much as the arithmetic. State and its dictionary are torch's own.

    Args:
        parameters: of one network, on one device, of one type.
        learning_rate: its step size.
        weight_decay: L2.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)
        self._state: tuple[list[Tensor], list[Tensor], list[Tensor]] | None = None

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What it moves."""
        return self.param_groups[0]["params"]

    @torch.no_grad()
    def move(self, gradients: Sequence[Tensor]) -> None:
        """One step along the gradients, given in the order of ``parameters``."""
        if self._state is None:
            self._begin(gradients)
            return
        group = self.param_groups[0]
        first, second, steps = self._state
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            group["params"],
            list(gradients),
            first,
            second,
            [],
            steps,
            amsgrad=False,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )

    def _begin(self, gradients: Sequence[Tensor]) -> None:
        """The first step is torch's, which makes the state."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.step()
        self.zero_grad(set_to_none=True)
        states = [self.state[parameter] for parameter in self.parameters]
        names = ("exp_avg", "exp_avg_sq", "step")
        self._state = tuple([state[name] for state in states] for name in names)  # type: ignore[assignment]

    def load_state_dict(self, state_dict: Any) -> None:
        """See ``torch.optim.Optimizer``."""
        super().load_state_dict(state_dict)
        self._state = None
