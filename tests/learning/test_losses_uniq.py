"""What follows from keeping away from d_UN inside a mixture, on a world of 15 pairs of state and action."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from robot_il.learning.advantage import look_ahead, relative_advantage, reward_regression_loss
from robot_il.learning.algorithms.uniq import UNIQConfig, UNIQLearner, avoidance_reward
from robot_il.learning.bootstrap import Steps, absorbing_value
from robot_il.learning.losses import logistic_loss
from robot_il.learning.problem import Problem
from robot_il.learning.weighted import normalised_weights, steps_of
from tests.learning.pendulum import pendulum_dataset
from tests.learning.tabular import DISCOUNT, Recording, World, divergence, minimised

WORLD = World.random(5)
PLAIN = WORLD.policy(1)
MIXTURE = WORLD.occupancy(PLAIN)
UNDESIRABLE = WORLD.occupancy(WORLD.policy(2))
TAU = UNDESIRABLE / MIXTURE
SMALL = {"batch": 64, "policy_hidden": (16,), "critic_hidden": (16,), "ratio_hidden": (16,),
         "ratio_pretrain_steps": 40, "critic_pretrain_steps": 40}  # fmt: skip


def soft_policy(reward: np.ndarray, temperature: float) -> np.ndarray:
    """pi = pi_MIX exp((Q - V)/temperature), V = temperature log E_MIX[exp(Q/temperature)], to convergence."""
    value = np.zeros(WORLD.states)
    for _ in range(600):
        quality = reward + DISCOUNT * value[WORLD.following]
        value = temperature * logsumexp(quality / temperature, b=PLAIN, axis=1)
    weight = PLAIN * np.exp((quality - value[:, None]) / temperature)
    return weight / weight.sum(axis=1, keepdims=True)


def test_the_optimal_discriminators_logit_is_the_logarithm_of_tau():
    """Logistic loss between UN and MIX, each mean over its own rows: d/(1 - d) = d_UN/d_MIX."""
    under, over = Recording.random(WORLD, 1), Recording.random(WORLD, 2)
    shape = WORLD.following.shape

    def loss(logits):
        table = logits.reshape(shape)
        return logistic_loss(over.look_up(table), under.look_up(table))

    logits = minimised(loss, torch.zeros(WORLD.following.size, dtype=torch.float64)).reshape(shape)
    np.testing.assert_allclose(np.exp(logits.numpy()), over.density / under.density, rtol=1e-9)
    assert float(torch.exp(under.look_up(logits)).mean()) == pytest.approx(1, abs=1e-9)


def test_tau_has_mean_1_over_the_mixture():
    """E_MIX[d_UN/d_MIX] = 1."""
    assert (MIXTURE * TAU).sum() == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_tau_is_bounded_by_the_share_of_the_undesirable_in_the_mixture(share):
    """d_MIX >= share d_UN."""
    mixture = share * UNDESIRABLE + (1 - share) * MIXTURE
    assert (UNDESIRABLE / mixture).max() <= 1 / share


def test_the_papers_form_of_the_critics_loss_is_regression_to_the_reward():
    """E[-w (Q - y) + (Q - y)^2/2] and E[(Q - y - w)^2]/2 have the same gradient."""
    random = torch.Generator().manual_seed(0)
    target, reward = torch.randn(2, 40, dtype=torch.float64, generator=random)
    values = torch.randn(2, 40, dtype=torch.float64, generator=random, requires_grad=True)
    difference = values - target
    paper = (-reward * difference + 0.5 * difference.square()).sum(dim=0).mean()
    ours = reward_regression_loss(values, target + reward)
    torch.testing.assert_close(*(torch.autograd.grad(loss, values)[0] for loss in (paper, ours)))
    torch.testing.assert_close(ours - paper, reward.square().mean())


def test_a_constant_reward_gives_back_the_mixtures_policy():
    assert np.abs(soft_policy(np.full(TAU.shape, 0.7), 1.0) - PLAIN).max() < 4e-15
    torch.testing.assert_close(normalised_weights(torch.full((64,), 5.0), 20.0), torch.ones(64), rtol=0, atol=0)


def test_the_policy_visits_what_is_undesirable_less_the_lower_the_temperature():
    """E_d[tau] falls and KL(d || d_UN) rises from the mixture over temperature 1 to 0.3."""
    reward = avoidance_reward(torch.from_numpy(np.log(TAU)), 3.0).numpy()
    occupancies = [MIXTURE, *(WORLD.occupancy(soft_policy(reward, temperature)) for temperature in (1.0, 0.3))]
    met = [float((d * TAU).sum()) for d in occupancies]
    apart = [divergence(d, UNDESIRABLE) for d in occupancies]
    assert met[0] == pytest.approx(1)
    assert met == sorted(met, reverse=True)
    assert met[-1] < 0.7
    assert apart == sorted(apart)


def test_rewards_are_bounded_whatever_the_discriminator_says():
    logs = torch.tensor([-50.0, -1.0, 0.0, 2.0, 50.0])
    torch.testing.assert_close(avoidance_reward(logs, 3.0), torch.tensor([3.0, 1.0, 0.0, -2.0, -3.0]))


def learner_of(steps: int = 0, **settings) -> UNIQLearner:
    """With critics, unless the settings say otherwise."""
    config = UNIQConfig(**SMALL | {"objective": "critics"} | settings)
    data = pendulum_dataset({"expert": 4, "undesirable": 4, "unlabeled": 4}, rows=30)
    learner = UNIQLearner(config, Problem.build(data, config.sources()), 0)
    learner.prepare(lambda what, done, most: None)
    for _ in range(steps):
        learner.step()
    return learner


def test_before_the_critics_have_learned_anything_every_row_weighs_1():
    learner = learner_of(critic_pretrain_steps=0)
    torch.testing.assert_close(learner.weights(learner.draw().steps), torch.ones(64))


def test_falling_is_valued_as_the_worst_reward_for_ever():
    """Every row that falls pulls its Q of 0 down by gamma R/(1 - gamma)."""
    learner = learner_of(penalise_undesirable=False, critic_pretrain_steps=0, horizon=1)
    batch = learner.weigher.draw(torch.Generator().manual_seed(0))
    fallen = batch._replace(ahead=batch.ahead._replace(terminal=torch.ones(64)))
    bias = learner.modules["critics"].first.body[-1].bias
    slopes = [
        float(torch.autograd.grad(learner.weigher.losses(each, start=False)["critics"], bias)[0])
        for each in (batch, fallen)
    ]
    assert slopes[0] == pytest.approx(0, abs=3)
    assert slopes[1] - slopes[0] == pytest.approx(-0.99 * absorbing_value(-3.0, 0.99), rel=1e-4)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_v0_moves_the_value_of_what_the_policy_would_do(sign):
    """Positive: down, as in the authors' earlier code; negative: up. (1 - gamma) E[Q] has a slope of 1 - gamma."""
    learner = learner_of(v0=sign)
    batch = learner.weigher.draw(torch.Generator().manual_seed(0))
    bias = learner.modules["critics"].first.body[-1].bias
    plain, moved = (
        torch.autograd.grad(learner.weigher.losses(batch, start=start)["critics"], bias)[0] for start in (False, True)
    )
    assert float(moved - plain) == pytest.approx(sign * 0.01, rel=1e-2)


def test_with_v0_the_critics_go_on_learning_beside_the_policy_and_without_they_do_not():
    assert set(learner_of(v0=0.5).step()) == {"critics", "values", "policy"}
    assert set(learner_of().step()) == {"policy"}


@pytest.mark.parametrize("value", ["expectile", "soft"])
def test_values_stay_within_what_rewards_can_add_up_to(value):
    learner = learner_of(3, value=value, critic_lr=0.01, critic_pretrain_steps=100)
    values = learner.monitors()
    assert -330 < values["value_min"] <= values["value_max"] < 330
    assert values["advantage_min"] < values["advantage_max"]
    assert 0 < values["effective_share"] < 1


@pytest.mark.parametrize("horizon", [1, 2, 5, 40])
def test_a_look_ahead_is_the_discounted_sum_of_what_was_recorded_and_ends_with_the_recording(horizon):
    """Rewards of 1 over episodes of 30 rows: (1 - gamma^n)/(1 - gamma) where n rows are left at most."""
    problem = learner_of().problem
    steps, index = steps_of(problem, ("mixture",)), problem.sources["mixture"].train_index
    ahead = look_ahead(steps, torch.ones(len(steps)), horizon, 0.9)
    episode = problem.dataset.episode[index]
    left = np.array([(episode[row:] == number).sum() for row, number in enumerate(episode)])
    count = torch.from_numpy(np.minimum(left, horizon))
    torch.testing.assert_close(ahead.earned, (1 - 0.9**count) / 0.1, rtol=1e-5, atol=0)
    torch.testing.assert_close(ahead.factor, 0.9**count, rtol=1e-5, atol=0)
    torch.testing.assert_close(ahead.state, steps.next_state[torch.arange(len(steps)) + count - 1])


def test_a_look_ahead_stops_at_a_fall():
    steps = steps_of(learner_of().problem, ("mixture",))
    table = steps.table.clone()
    table[5, -2] = 1.0
    ahead = look_ahead(Steps(table, 4, 1), torch.ones(len(table)), 10, 0.9)
    assert ahead.terminal[:7].tolist() == [1, 1, 1, 1, 1, 1, 0]
    assert (float(ahead.earned[5]), float(ahead.factor[5])) == pytest.approx((1, 0.9))


def test_relative_advantages_are_bounded_and_free_of_scale_and_small_ones_are_left_alone():
    advantage = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(relative_advantage(50 * advantage), relative_advantage(500 * advantage))
    assert float(relative_advantage(50 * advantage).abs().max()) == 3
    torch.testing.assert_close(relative_advantage(0.01 * advantage), 0.01 * advantage)


def test_the_dual_form_weighs_by_tau_alone_before_its_v_has_learned_anything():
    """Weights tau^(-1/c)."""
    learner = learner_of(objective="dual", critic_pretrain_steps=0)
    steps = learner.draw().steps
    expected = normalised_weights(learner.reward(steps.rows) / learner.config.closeness, learner.config.weight_clip)
    torch.testing.assert_close(learner.weights(steps), expected)
    assert math.isfinite(learner.held_out()["score"])


def test_without_penalise_undesirable_the_critics_see_the_mixture_alone():
    sizes = [len(learner_of(penalise_undesirable=also).weigher.draw(torch.Generator()).steps) for also in (False, True)]
    assert sizes == [64, 128]


def test_an_experts_rows_are_part_of_the_mixture():
    learner = learner_of()
    labels = learner.problem.dataset.label[learner.problem.sources["mixture"].train_index]
    assert set(labels) == {0, 3}
