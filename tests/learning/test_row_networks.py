"""Values and slopes of networks with one output, against automatic differentiation."""

import pytest
import torch

from robot_il.learning.networks import mlp
from robot_il.learning.row_networks import row_slopes, row_values

HIDDEN = [(16,), (16, 8), (8, 16, 8)]


def network(hidden: tuple[int, ...]) -> torch.nn.Sequential:
    torch.manual_seed(0)
    return mlp(5, hidden, 1).double()


def inputs() -> torch.Tensor:
    return torch.randn(40, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()


def losses(values: torch.Tensor) -> list[torch.Tensor]:
    """Two that look at different rows with different weights."""
    return [values.square().mean() - values[:9].sum(), torch.logsumexp(values[5:], 0)]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_values_are_those_of_the_network(hidden):
    body, rows = network(hidden), inputs()
    torch.testing.assert_close(row_values(body, rows), body(rows).squeeze(1), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_every_loss_has_the_gradients_of_automatic_differentiation_by_parameters_and_by_inputs(hidden):
    body, rows = network(hidden), inputs()
    ours, theirs = losses(row_values(body, rows)), losses(body(rows).squeeze(1))
    for mine, reference in zip(ours, theirs, strict=True):
        for wanted in (list(body.parameters()), [rows], [rows, *body.parameters()]):
            found = torch.autograd.grad(mine, wanted, retain_graph=True)
            for slope, expected in zip(found, torch.autograd.grad(reference, wanted, retain_graph=True), strict=True):
                torch.testing.assert_close(slope, expected, rtol=1e-11, atol=1e-14)


def test_two_losses_share_one_pass_backwards():
    """The largest product, (rows, hidden) by (hidden, hidden), is made once backwards however many losses ask."""
    body, rows = network((16, 8)), inputs()
    values = row_values(body, rows)
    products = []
    with torch.profiler.profile(record_shapes=True) as profile:
        for loss in losses(values):
            torch.autograd.grad(loss, list(body.parameters()), retain_graph=True)
            torch.autograd.grad(loss, [rows], retain_graph=True)
    products = [event.input_shapes for event in profile.events() if event.name == "aten::mm"]
    assert sum(shapes[:2] == [[40, 8], [8, 16]] for shapes in products) == 1


@pytest.mark.parametrize("hidden", HIDDEN)
def test_slopes_are_those_of_automatic_differentiation(hidden):
    body, rows = network(hidden), inputs()
    (expected,) = torch.autograd.grad(body(rows).sum(), rows)
    torch.testing.assert_close(row_slopes(body, rows), expected, rtol=1e-12, atol=1e-15)


def test_values_cannot_be_differentiated_twice_in_silence():
    body, rows = network((16, 8)), inputs()
    (slope,) = torch.autograd.grad(row_values(body, rows).square().sum(), rows, create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable|not have been used"):
        torch.autograd.grad(slope.square().sum(), list(body.parameters()))


@pytest.mark.parametrize(
    "body",
    [
        mlp(3, (4,), 2),
        torch.nn.Sequential(torch.nn.Linear(3, 1)),
        torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)),
        torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)),
    ],
)
def test_a_network_of_another_kind_is_refused(body):
    with pytest.raises(ValueError, match="one output"):
        row_values(body, torch.zeros(2, 3))
