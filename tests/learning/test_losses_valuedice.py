"""What follows from ValueDICE's objective, on a finite world, and what its learner does with a fall."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_il.learning.algorithms.valuedice import (
    Differences,
    ValueDICEConfig,
    ValueDICELearner,
    log_mean_exp,
    orthogonal_penalty,
    valuedice_objective,
)
from robot_il.learning.bootstrap import Steps
from robot_il.learning.problem import Problem
from tests.learning.pendulum import pendulum_dataset
from tests.learning.tabular import DISCOUNT, World, divergence

SMALL = {"policy_hidden": (16,), "critic_hidden": (16,), "model_hidden": (16,), "batch": 16, "model_pretrain_steps": 50,
         "rollout_horizon": 20, "refresh_rows": 60, "ring_capacity": 60}  # fmt: skip
WORLD = World.random(0)
EXPERT, POLICY = WORLD.policy(1), WORLD.policy(2)


def learner_of(**settings) -> ValueDICELearner:
    config = ValueDICEConfig(**SMALL, **settings)
    learner = ValueDICELearner(config, Problem.build(pendulum_dataset(), config.sources()), 0)
    learner.prepare(lambda what, done, most: None)
    return learner


def moves(policy: np.ndarray) -> np.ndarray:
    """(SA, SA) probability of the next pair for each pair, under a policy."""
    size = WORLD.states * WORLD.actions
    matrix = np.zeros((WORLD.states, WORLD.actions, WORLD.states, WORLD.actions))
    for state, action in np.ndindex(WORLD.states, WORLD.actions):
        following = WORLD.following[state, action]
        matrix[state, action, following] = policy[following]
    return matrix.reshape(size, size)


def differences(nu: torch.Tensor, weight: np.ndarray) -> Differences:
    """nu - gamma E[nu(s', a')] of all pairs, weighted by a distribution over them."""
    return Differences(nu - DISCOUNT * torch.from_numpy(moves(POLICY)) @ nu, torch.from_numpy(weight.ravel()))


def objective(nu: torch.Tensor, expert: np.ndarray, replay: np.ndarray | None = None, share: float = 0.0):
    first = torch.from_numpy((WORLD.start[:, None] * POLICY).ravel())
    own = None if replay is None else differences(nu, replay)
    return valuedice_objective(differences(nu, expert), (first @ nu)[None], DISCOUNT, own, share)


def best_nu(one: np.ndarray, other: np.ndarray) -> torch.Tensor:
    """nu whose difference is log(one/other)."""
    ratio = np.log(one / other).ravel()
    return torch.from_numpy(np.linalg.solve(np.eye(len(ratio)) - DISCOUNT * moves(POLICY), ratio))


def slope_at(nu: torch.Tensor, *arguments) -> torch.Tensor:
    nu = nu.clone().requires_grad_()
    return torch.autograd.grad(objective(nu, *arguments), nu)[0]


def test_for_a_fixed_policy_the_minimum_is_minus_the_divergence_from_the_expert():
    """min over nu of log E_e[exp(nu - gamma nu')] - (1 - gamma) E_s0[nu] = -KL(d_pi || d_e), Donsker and Varadhan's."""
    own, expert = WORLD.occupancy(POLICY), WORLD.occupancy(EXPERT)
    nu = best_nu(own, expert)
    assert float(objective(nu, expert)) == pytest.approx(-divergence(own, expert), abs=1e-13)
    assert float(slope_at(nu, expert).abs().max()) < 1e-13


def test_no_other_function_goes_below_the_minimum():
    own, expert = WORLD.occupancy(POLICY), WORLD.occupancy(EXPERT)
    nu, generator = best_nu(own, expert), torch.Generator().manual_seed(0)
    for _ in range(50):
        other = nu + torch.randn(len(nu), generator=generator, dtype=torch.float64)
        assert float(objective(other, expert)) > float(objective(nu, expert))


def test_the_minimum_is_0_where_the_policy_is_the_expert():
    own = WORLD.occupancy(POLICY)
    assert float(objective(best_nu(own, own), own)) == pytest.approx(0, abs=1e-13)
    assert float(slope_at(torch.zeros(15, dtype=torch.float64), own).abs().max()) < 1e-13


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_with_replayed_transitions_the_minimum_compares_the_mixtures(share):
    own, expert, replay = (WORLD.occupancy(policy) for policy in (POLICY, EXPERT, WORLD.policy(3)))
    mixed = [(1 - share) * one + share * replay for one in (own, expert)]
    nu = best_nu(*mixed)
    assert float(objective(nu, expert, replay, share)) == pytest.approx(-divergence(*mixed), abs=1e-12)
    assert float(slope_at(nu, expert, replay, share).abs().max()) < 1e-12


def test_a_constant_added_to_nu_changes_nothing():
    own, expert = WORLD.occupancy(POLICY), WORLD.occupancy(EXPERT)
    nu = best_nu(own, expert)
    assert float(objective(nu + 7.0, expert, own, 0.3)) == pytest.approx(
        float(objective(nu, expert, own, 0.3)), abs=1e-12
    )


def test_the_gradient_is_that_of_the_differences_under_a_constant_softmax():
    """That of sum stopgrad(softmax(x)) x is that of log E[exp x]."""
    value = torch.randn(40, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(40, dtype=torch.float64)
    (slope,) = torch.autograd.grad(log_mean_exp(value, weight), value)
    share = weight * torch.exp(value.detach())
    torch.testing.assert_close(slope, share / share.sum(), rtol=0, atol=1e-15)


def test_rows_of_no_weight_have_no_effect_and_no_gradient():
    value = torch.tensor([1.0, 2.0, 500.0], requires_grad=True)
    result = log_mean_exp(value, torch.tensor([1.0, 1.0, 0.0]))
    torch.testing.assert_close(result, torch.logsumexp(value.detach()[:2], 0) - np.log(2))
    assert torch.autograd.grad(result, value)[0][2] == 0


def test_the_orthogonal_penalty_vanishes_for_orthogonal_rows_and_counts_the_others():
    layer = torch.nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0, 2.0], [0.0, 5.0, 0.0]]))
    assert float(orthogonal_penalty(layer).detach()) == 0
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [3.0, 1.0, 0.0]]))
    assert float(orthogonal_penalty(layer).detach()) == pytest.approx(2 * 9)


def fallen(steps: Steps, rows: list[int]) -> Steps:
    table = steps.table.clone()
    table[rows, -2] = 1.0
    return replace(steps, table=table)


def test_after_a_fall_comes_the_absorbing_state_whatever_was_recorded_then():
    learner = learner_of()
    batch = fallen(learner.expert.draw(8, torch.Generator().manual_seed(0)), [2, 5])
    moved = batch.table.clone()
    moved[[2, 5], -batch.states - 2 : -2] += 3.0
    looks = []
    for steps in (batch, replace(batch, table=moved)):
        learner.generator.manual_seed(0)
        looks.append(learner.look(steps))
    torch.testing.assert_close(looks[0].differences[0].value, looks[1].differences[0].value, rtol=0, atol=0)
    absorbing = looks[0].inputs[0][1, 2]
    assert absorbing.tolist() == [0.0] * 5 + [1.0]
    assert looks[0].inputs[0][1, 3, -1] == 0


def test_every_fall_adds_a_step_from_the_absorbing_state_to_itself():
    learner = learner_of()
    batch = learner.expert.draw(8, torch.Generator().manual_seed(0))
    nu = learner.critic(torch.tensor([[0.0] * 5 + [1.0]]))
    for rows in ([], [1], [0, 3, 4]):
        value, weight = learner.look(fallen(batch, rows)).differences[0]
        torch.testing.assert_close(value[-1:], (1 - learner.config.discount) * nu)
        assert weight.tolist() == [1.0] * 8 + [float(len(rows))]


def test_the_strict_variant_has_no_model_and_the_other_one_does():
    assert "model" not in learner_of().modules
    assert "model" in learner_of(variant="model").modules


def test_imagined_steps_follow_each_other_until_they_leave_the_bounds():
    learner = learner_of(variant="model")
    ring, horizon = learner.imagination.ring, SMALL["rollout_horizon"]
    count = SMALL["refresh_rows"] // horizon
    steps = Steps(ring.rows().table, 4, 1)
    assert len(steps) == count * horizon
    low, high = learner.problem.state_bounds()
    inside = ((steps.next_state >= low) & (steps.next_state <= high)).all(dim=1)
    assert inside[steps.terminal == 0].all()
    goes_on = steps.terminal[:-count] == 0
    torch.testing.assert_close(steps.next_state[:-count][goes_on], steps.state[count:][goes_on])
    recorded = {row.numpy().tobytes() for row in learner.expert.state}
    assert all(row.numpy().tobytes() in recorded for row in steps.state[steps.start])
    assert steps.start[:count].all()
    assert torch.equal(steps.start[count:], ~goes_on)


def test_a_model_that_runs_away_fills_the_ring_with_falls():
    learner = learner_of(variant="model")
    with torch.no_grad():
        learner.imagination.model.body[-1].bias[:4] = 1e6
    learner.imagination.refresh(learner.generator)
    assert (Steps(learner.imagination.ring.rows().table, 4, 1).terminal == 1).all()
