"""What follows from IQ-Learn's objective, on a finite world, and the guards of its learner."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_il.errors import ConfigError
from robot_il.learning.algorithms.iq_learn import (
    IQLearnConfig,
    IQLearnLearner,
    chi_square_utility,
    iq_critic_loss,
    iq_objective,
    soft_actor_loss,
)
from robot_il.learning.problem import Problem
from tests.learning.pendulum import pendulum_dataset
from tests.learning.tabular import DISCOUNT, World, minimised

WORLD = World.random(1)
EXPERT = WORLD.policy(1)
OCCUPANCY = torch.from_numpy(WORLD.occupancy(EXPERT))
FOLLOWING = torch.from_numpy(WORLD.following)


def soft_value(q: torch.Tensor, temperature: float) -> torch.Tensor:
    """V(s) of the policy that is best for Q, (S,)."""
    return temperature * torch.logsumexp(q / temperature, dim=1)


def solved(alpha: float, temperature: float) -> torch.Tensor:
    """The Q (S, A) that maximises J under the expert's exact occupancy."""

    def loss(point: torch.Tensor) -> torch.Tensor:
        q = temperature * point.view(OCCUPANCY.shape)
        value = soft_value(q, temperature)
        parts = iq_objective(q, value[:, None], value[FOLLOWING], DISCOUNT, alpha)
        return -(OCCUPANCY * parts).sum() / temperature

    return temperature * minimised(loss, torch.zeros(OCCUPANCY.numel(), dtype=torch.float64)).view(OCCUPANCY.shape)


def bias(alpha: float, temperature: float) -> float:
    policy = torch.softmax(solved(alpha, temperature) / temperature, dim=1)
    return float((policy - torch.from_numpy(EXPERT)).abs().max())


@pytest.mark.parametrize(
    ("alpha", "temperature", "expected"),
    [(0.5, 1.0, 0.15), (0.5, 0.1, 0.024), (0.5, 0.01, 0.0026), (500.0, 1.0, 2.6e-4)],
)
def test_the_policy_is_biased_by_about_the_temperature_over_alpha(alpha, temperature, expected):
    """Largest |pi - pi_e| at the maximum of J with phi(r) = r - r^2/(4 alpha), over exact occupancies."""
    assert bias(alpha, temperature) == pytest.approx(expected, rel=0.1)


def test_a_small_bias_is_proportional_to_temperature_and_inverse_to_alpha():
    assert bias(0.5, 0.01) == pytest.approx(10 * bias(0.5, 0.001), rel=0.05)
    assert bias(0.5, 0.001) == pytest.approx(bias(500.0, 1.0), rel=1e-3)


def test_at_the_optimum_the_reward_tells_the_policys_occupancy_from_the_experts():
    # phi'(r) = 1 - r/(2 alpha) = d_pi/d_e.
    alpha, temperature = 0.5, 0.1
    q = solved(alpha, temperature)
    own = WORLD.occupancy(torch.softmax(q / temperature, dim=1).numpy())
    reward = q - DISCOUNT * soft_value(q, temperature)[FOLLOWING]
    np.testing.assert_allclose(1 - reward / (2 * alpha), own / OCCUPANCY, atol=1e-9)


def test_the_value_of_the_start_telescopes_along_the_experts_occupancy():
    """(1 - gamma) E_s0[V(s0)] = E_e[V(s) - gamma V(s')] for any V."""
    value = torch.from_numpy(np.random.default_rng(0).normal(size=WORLD.states))
    along = (OCCUPANCY * (value[:, None] - DISCOUNT * value[FOLLOWING])).sum()
    start = (1 - DISCOUNT) * torch.from_numpy(WORLD.start) @ value
    assert float(along) == pytest.approx(float(start), abs=1e-15)


def test_a_rows_part_of_the_objective_is_its_utility_less_the_value_it_uses_up():
    q, value, following = torch.tensor([2.0]), torch.tensor([1.5]), torch.tensor([3.0])
    reward = 2.0 - 0.9 * 3.0
    assert float(iq_objective(q, value, following, 0.9, 0.5)) == pytest.approx(reward - reward**2 / 2 - (1.5 - 2.7))


def test_the_utility_is_largest_at_twice_alpha():
    reward = torch.tensor(2 * 0.7, requires_grad=True)
    (slope,) = torch.autograd.grad(chi_square_utility(reward, 0.7), reward)
    assert float(slope) == pytest.approx(0, abs=1e-7)


def values(count: int = 20) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(4, count, generator=torch.Generator().manual_seed(0), dtype=torch.float64))


def test_with_the_square_on_expert_rows_alone_the_loss_is_minus_the_objective():
    q, q_policy, value, following = values()
    loss = iq_critic_loss(q, q_policy, value, following, 0.99, 0.5, both=False)
    torch.testing.assert_close(loss, -iq_objective(q, value, following, 0.99, 0.5).mean())


def test_where_policy_and_expert_agree_squaring_both_changes_nothing():
    q, _, value, following = values()
    both, one = (iq_critic_loss(q, q, value, following, 0.99, 0.5, both=both) for both in (True, False))
    torch.testing.assert_close(both, one)


def test_with_both_squared_the_rewards_of_separable_actions_stop_at_the_largest_one():
    config = IQLearnConfig(alpha=0.5)
    assert config.largest_reward == 2.0
    assert IQLearnConfig(alpha=0.5, regularise_policy=False).largest_reward == 1.0
    q = torch.full((5,), config.largest_reward, dtype=torch.float64, requires_grad=True)
    q_policy = torch.full((5,), -config.largest_reward, dtype=torch.float64, requires_grad=True)
    nothing = torch.zeros(5, dtype=torch.float64)
    loss = iq_critic_loss(q, q_policy, q_policy, nothing, 0.99, config.alpha, both=True)
    for slope in torch.autograd.grad(loss, (q, q_policy)):
        torch.testing.assert_close(slope, nothing, rtol=0, atol=1e-15)


def test_without_the_square_on_the_policys_actions_their_value_falls_for_ever():
    q_policy = torch.full((5,), -1e6, requires_grad=True)
    nothing = torch.zeros(5)
    loss = iq_critic_loss(nothing, q_policy, q_policy, nothing, 0.99, 0.5, both=False)
    assert (torch.autograd.grad(loss, q_policy)[0] > 0).all()


def test_the_actor_descends_entropy_less_value():
    q, log_density, *_ = values()
    torch.testing.assert_close(soft_actor_loss(q, log_density, 0.1), 0.1 * log_density.mean() - q.mean())


def learner_of(**settings) -> IQLearnLearner:
    config = IQLearnConfig(policy_hidden=(16,), critic_hidden=(16,), batch=16, critic_pretrain_steps=0, **settings)
    return IQLearnLearner(config, Problem.build(pendulum_dataset(), config.sources()), 0)


def exaggerated(learner: IQLearnLearner, value: float) -> IQLearnLearner:
    with torch.no_grad():
        learner.critic_target.body[-1].bias.fill_(value)
    return learner


@pytest.mark.parametrize("guess", [1e6, -1e6])
def test_a_next_value_stays_within_what_rewards_can_add_up_to(guess):
    batch = learner_of().draw()
    limit = 2.0 / (1 - 0.99)
    assert float(exaggerated(learner_of(), guess).following(batch).abs().max()) == pytest.approx(limit)
    free = exaggerated(learner_of(clip_targets=False), guess).following(batch)
    assert float(free.abs().max()) > 1e5


def test_a_fall_is_worth_less_than_any_state_to_go_on_from():
    learner = learner_of()
    batch = learner.draw()
    table = batch.table.clone()
    table[:4, -2] = 1.0
    for guess in (-1e6, 0.0, 1e6):
        following = exaggerated(learner, guess).following(replace(batch, table=table))
        torch.testing.assert_close(following[:4], torch.full((4,), -2.0 / (1 - 0.99)))
        assert (following[4:] >= following[:4].max()).all()


def test_the_slow_copy_moves_by_its_rate_after_the_critic_did():
    learner = learner_of(polyak=0.5)
    before = [part.clone() for part in learner.critic_target.parameters()]
    learner.step()
    for old, slow, fast in zip(before, learner.critic_target.parameters(), learner.critic.parameters(), strict=True):
        torch.testing.assert_close(slow, (old + fast) / 2)


@pytest.mark.parametrize("settings", [{"alpha": 0.0}, {"temperature": 0.0}, {"critic_pretrain_steps": -1}])
def test_settings_without_an_optimum_are_refused(settings):
    with pytest.raises(ConfigError):
        IQLearnConfig(**settings)
