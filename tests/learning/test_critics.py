"""Value networks, their slow copies, and the losses they are fitted with."""

import math

import pytest
import torch

from robot_il.learning.critics import (
    Critic,
    TwinCritic,
    Value,
    critic_inputs,
    expectile_loss,
    frozen_copy,
    gradient_penalty,
    gumbel_loss,
    interpolated,
    polyak_update,
    sample_policy,
)
from robot_il.learning.networks import GaussianPolicy, mlp, row_sum
from robot_il.learning.problem import Problem
from tests.learning.pendulum import pendulum_dataset


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem.build(pendulum_dataset(), {"expert": ("expert",)})


def minimiser(loss, low: float, high: float) -> float:
    """Where the derivative of a convex loss of one number changes sign, by bisection."""
    for _ in range(80):
        middle = (low + high) / 2
        value = torch.tensor(middle, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(loss(value), value)
        low, high = (low, middle) if slope > 0 else (middle, high)
    return (low + high) / 2


def test_networks_give_one_value_a_row():
    rows = torch.randn(7, 5)
    assert Critic(4, 1, (8,))(rows).shape == (7,)
    assert TwinCritic(4, 1, (8,))(rows).shape == (2, 7)
    assert Value(4, (8,))(rows[:, :4]).shape == (7,)


def test_the_lowest_of_twins_is_below_or_equal_both_and_equals_one():
    torch.manual_seed(0)
    twins, rows = TwinCritic(4, 1, (8,)), torch.randn(50, 5)
    lowest, both = twins.lowest(rows), twins(rows)
    torch.testing.assert_close(lowest, torch.minimum(*both), rtol=0, atol=0)
    assert 0 < int((lowest == both[0]).sum()) < 50


def test_a_frozen_copy_starts_equal_and_moves_only_by_the_polyak_rate():
    network = Value(4, (8,))
    target = frozen_copy(network)
    before = [part.clone() for part in target.parameters()]
    with torch.no_grad():
        for part in network.parameters():
            part += 1.0
    assert all(map(torch.equal, before, target.parameters()))
    polyak_update(target, network, 0.25)
    for old, new in zip(before, target.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.25)
    assert not any(part.requires_grad for part in target.parameters())


@pytest.mark.parametrize("expectile", [0.3, 0.5, 0.9])
def test_the_expectile_loss_is_minimal_where_weighted_differences_balance(expectile):
    target = torch.randn(101, dtype=torch.float64, generator=generator())
    best = minimiser(lambda value: expectile_loss(target - value, expectile), -5, 5)
    above, below = (target - best).clamp(min=0).sum(), (best - target).clamp(min=0).sum()
    assert float(expectile * above - (1 - expectile) * below) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_gumbel_loss_is_minimal_at_the_soft_maximum(temperature):
    q = torch.randn(50, dtype=torch.float64, generator=generator())
    best = minimiser(lambda value: gumbel_loss(q - value, temperature), -3, 5)
    soft = temperature * (torch.logsumexp(q / temperature, 0) - math.log(50))
    assert best == pytest.approx(float(soft), abs=1e-9)


def test_the_gumbel_loss_stays_finite_for_differences_that_would_overflow():
    difference = torch.tensor([1e4, -1e4, 0.0], requires_grad=True)
    loss = gumbel_loss(difference, 1.0)
    (slope,) = torch.autograd.grad(loss, difference)
    assert math.isfinite(loss.item())
    assert torch.isfinite(slope).all()


def linear_in(slope: torch.Tensor, inputs: int) -> torch.nn.Sequential:
    """A network whose units are all active, and which therefore is linear with this slope."""
    body = mlp(inputs, (inputs,), 1)
    with torch.no_grad():
        body[0].weight.copy_(torch.eye(inputs))
        body[0].bias.fill_(100.0)
        body[2].weight.copy_(slope[None])
    return body


def test_the_gradient_penalty_of_a_linear_function_is_that_of_its_slope():
    slope, inputs = torch.tensor([3.0, 0.0, 4.0]), torch.randn(9, 3, generator=generator())
    assert gradient_penalty(linear_in(slope, 3), inputs).item() == pytest.approx(16.0)
    assert gradient_penalty(linear_in(slope / 5, 3), inputs).item() == pytest.approx(0.0, abs=1e-10)


@pytest.mark.parametrize("hidden", [(16,), (16, 8), (8, 16, 8)])
def test_the_gradient_penalty_and_its_slopes_are_those_of_differentiating_twice(hidden):
    torch.manual_seed(0)
    body, inputs = mlp(3, hidden, 1).double(), torch.randn(40, 3, dtype=torch.float64, generator=generator())
    points = inputs.clone().requires_grad_()
    (slope,) = torch.autograd.grad(body(points).sum(), points, create_graph=True)
    reference = ((slope.square().sum(dim=1) + 1e-12).sqrt() - 1).square().mean()
    ours = gradient_penalty(body, inputs)
    torch.testing.assert_close(ours, reference, rtol=1e-12, atol=0)
    weights = [part for part in body.parameters() if part.ndim == 2]
    for mine, theirs in zip(torch.autograd.grad(ours, weights), torch.autograd.grad(reference, weights), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-14)
    assert float(torch.autograd.grad(gradient_penalty(body, inputs), weights)[0].abs().sum()) > 0


def test_interpolated_points_lie_between_their_rows():
    one, other = torch.randn(20, 3), torch.randn(20, 3)
    between = interpolated(one, other, generator())
    share = (between - other) / (one - other)
    torch.testing.assert_close(share, share[:, :1].expand_as(share), rtol=1e-3, atol=1e-3)
    assert float(share.min()) > -1e-3
    assert float(share.max()) < 1 + 1e-3


def test_the_density_of_a_sample_is_that_of_a_recorded_row_but_for_the_unit(problem):
    torch.manual_seed(0)
    policy = GaussianPolicy(4, 1, (8,), (-2.0, 2.0))
    scaling = problem.coordinates.action
    state = problem.sources["expert"].train.state
    drawn = sample_policy(policy, problem.coordinates, state, generator(3))
    mean, log_std = policy(state)
    noise = torch.randn(mean.shape, generator=generator(3))
    action = mean + torch.exp(log_std) * noise
    # Density over tanh(centre + spread v), by the change of variables, in units of the spread.
    raw = torch.from_numpy(scaling.centre) + torch.from_numpy(scaling.spread) * action
    slope = 1 - torch.tanh(raw.double()).square()
    normal = torch.distributions.Normal(mean.double(), log_std.double().exp()).log_prob(action.double())
    torch.testing.assert_close(drawn.log_density.double(), row_sum(normal - slope.log()), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(drawn.inputs, critic_inputs(problem.coordinates, state, action))


def test_a_sample_carries_the_gradient_of_its_action_to_the_policy(problem):
    policy = GaussianPolicy(4, 1, (8,), (-2.0, 2.0))
    drawn = sample_policy(policy, problem.coordinates, problem.sources["expert"].train.state, generator())
    slopes = torch.autograd.grad(drawn.inputs[:, 4].sum(), list(policy.parameters()))
    assert all(float(slope.abs().sum()) > 0 for slope in slopes)
