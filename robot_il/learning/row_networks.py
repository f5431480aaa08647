"""Networks with one output: what several losses, or a gradient penalty, ask of their slope, computed once.

For a network y(x) of linear layers and ReLU with a single output, the slope of y by any hidden unit is a vector a row,

    d_L = w_L m_L,    d_l = (d_(l+1) W_(l+1)) m_l,    dy/dx = d_1 W_1,

where m_l marks the active units. A loss only multiplies a row of these by its own dloss/dy. So a critic that is moved
by one loss, and through whose actions a policy is moved by another, needs one pass backwards for both; and a penalty on
dy/dx need not be differentiated through the units' activity, which has no slope (automatic differentiation does, by
products with zeros).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class _Forward:
    """One pass forwards, and the slopes that passes backwards have in common.

    Args:
        inputs: (B, I).
        parameters: weight and bias of each layer in turn.
    """

    def __init__(self, inputs: Tensor, parameters: tuple[Tensor, ...]) -> None:
        self.parameters = tuple(part.detach() for part in parameters)
        self.seen = _activations(inputs.detach(), self.parameters)
        self._slopes: list[Tensor] = []

    def values(self) -> Tensor:
        """(B,)."""
        return torch.addmv(self.parameters[-1], self.seen[-1], self.parameters[-2][0])

    def slopes(self) -> list[Tensor]:
        """Of the values by the hidden units; computed when first asked for."""
        self._slopes = self._slopes or _unit_slopes(self.seen, self.parameters[::2])
        return self._slopes


class _ByParameters(torch.autograd.Function):
    """The values, which depend on the parameters."""

    @staticmethod
    def forward(ctx: Any, done: _Forward, *parameters: Tensor) -> Tensor:
        ctx.done = done
        return done.values()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, loss: Tensor) -> tuple[Tensor | None, ...]:
        found: list[Tensor | None] = [None]
        for below, slope in zip(ctx.done.seen, ctx.done.slopes(), strict=False):
            scaled = loss[:, None] * slope
            found += [scaled.T @ below, scaled.sum(dim=0)]
        return (*found, (loss @ ctx.done.seen[-1])[None], loss.sum()[None])


class _ByInputs(torch.autograd.Function):
    """Zeros, which depend on the inputs as the values do.

    A node of its own, because one for both would compute every slope whichever is asked for.
    """

    @staticmethod
    def forward(ctx: Any, done: _Forward, inputs: Tensor) -> Tensor:
        ctx.done = done
        return inputs.new_zeros(len(inputs))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, loss: Tensor) -> tuple[Tensor | None, ...]:
        return None, loss[:, None] * (ctx.done.slopes()[0] @ ctx.done.parameters[0])


def _activations(inputs: Tensor, parameters: tuple[Tensor, ...]) -> list[Tensor]:
    """What each layer is given, the inputs first."""
    seen = [inputs]
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        seen.append(torch.addmm(bias, seen[-1], weight.T).relu_())
    return seen


def _unit_slopes(seen: tuple[Tensor, ...] | list[Tensor], weights: tuple[Tensor, ...]) -> list[Tensor]:
    """d_1 to d_L of the module's equation, (B, H) each; differentiable by the weights."""
    slopes = [_where_active(weights[-1].expand_as(seen[-1]), seen[-1])]
    for below, weight in zip(reversed(seen[1:-1]), reversed(weights[1:-1]), strict=True):
        slopes.append(_where_active(slopes[-1] @ weight, below))
    return slopes[::-1]


def _where_active(slope: Tensor, activation: Tensor) -> Tensor:
    """Times m, by the operation behind ReLU's own slope: a product with a condition takes ten times as long."""
    return torch.ops.aten.threshold_backward(slope, activation, 0)


def row_values(body: nn.Sequential, inputs: Tensor) -> Tensor:
    """Values (B,) of an ``mlp`` with hidden layers and one output, for (B, I): equal to ``body(inputs)``.

    Several losses of them, differentiated one after the other, share the pass backwards through the network.
    """
    parameters = _parameters(body)
    done = _Forward(inputs, parameters)
    return _ByParameters.apply(done, *parameters) + _ByInputs.apply(done, inputs)


def row_slopes(body: nn.Sequential, inputs: Tensor) -> Tensor:
    """Slopes dy/dx (B, I) of such a network, differentiable by its weights (by the inputs they have no slope)."""
    parameters = _parameters(body)
    with torch.no_grad():
        seen = _activations(inputs, parameters)
    weights = parameters[::2]
    return _unit_slopes(seen, weights)[0] @ weights[0]


def _parameters(body: nn.Sequential) -> tuple[Tensor, ...]:
    layers = [layer for layer in body if isinstance(layer, nn.Linear)]
    alternating = all(
        isinstance(first, nn.Linear) != isinstance(second, nn.Linear) for first, second in pairwise(body)
    ) and all(isinstance(layer, nn.Linear | nn.ReLU) for layer in body)
    if not alternating or len(layers) < 2 or layers[-1].out_features != 1:
        raise ValueError(f"expected linear layers with ReLU between them and one output; came {body}")
    return tuple(part for layer in layers for part in (layer.weight, layer.bias))
