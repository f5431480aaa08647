"""Adam, with less around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)
EPSILON = 1e-8
MEMORY = ("step", "exp_avg", "exp_avg_sq")


class Adam:
    """torch's fused Adam (Kingma and Ba 2015), bit for bit, without the bookkeeping around it.

    For networks of this size that bookkeeping (profiler hooks, grouping tensors by device and type, looking up each
    parameter's state) costs as much as the arithmetic; and making one of torch's optimisers imports its compiler, in
    some 3 s. What is stored is laid out as torch does it.

    Args:
        parameters: of one network, on one device, of one type.
        learning_rate: its step size.
        weight_decay: L2.

    Attributes:
        parameters: what it moves.
        learning_rate: may be changed between steps; one that is replayed on a GPU keeps what it was recorded with.
        weight_decay: likewise.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float = 0.0) -> None:
        self.parameters: list[Tensor] = list(parameters)
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        values = [parameter.detach() for parameter in self.parameters]
        self._first, self._second = ([torch.zeros_like(value) for value in values] for _ in range(2))
        self._steps = [torch.zeros((), device=value.device) for value in values]

    @torch.no_grad()
    def move(self, gradients: Sequence[Tensor]) -> None:
        """One step along the gradients, given in the order of ``parameters``."""
        torch._foreach_add_(self._steps, 1)
        torch._fused_adam_(
            self.parameters,
            [_alike(*pair) for pair in zip(gradients, self.parameters, strict=True)],
            self._first,
            self._second,
            [],
            self._steps,
            amsgrad=False,
            lr=self.learning_rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self.weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """Its memory, by the position of each parameter; the tensors themselves."""
        columns = enumerate(zip(self._steps, self._first, self._second, strict=True))
        state = {index: dict(zip(MEMORY, row, strict=True)) for index, row in columns}
        return {"state": state}

    @torch.no_grad()
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Goes back to what ``state_dict`` returned, in the tensors that there are.

        Of an optimiser of torch's before its first step, whose memory is empty, to the beginning.
        """
        for name, column in zip(MEMORY, (self._steps, self._first, self._second), strict=True):
            for index, kept in enumerate(column):
                row = state_dict["state"].get(index)
                kept.copy_(row[name]) if row else kept.zero_()


def _alike(gradient: Tensor, parameter: Tensor) -> Tensor:
    """The gradient in the parameter's layout: the fused kernel takes it for granted and would mix up the entries."""
    return gradient if gradient.stride() == parameter.stride() else torch.empty_like(parameter).copy_(gradient)
