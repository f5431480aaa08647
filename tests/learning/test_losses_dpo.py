import math

import numpy as np
import pytest
import torch

from robot_il.learning.algorithms.dpo import (
    DPOConfig,
    DPOLearner,
    cloning_loss,
    cpl_loss,
    dpo_loss,
    ipo_loss,
    log_kernel,
    preference_objective,
    smoothed,
    trust_penalty,
)
from robot_il.learning.algorithms.reward_model import bradley_terry_loss
from robot_il.learning.preference_based import PairTable, preference_accuracy
from robot_il.learning.preferences import Pairs
from robot_il.learning.problem import Problem
from tests.learning.pendulum import pendulum_dataset

ACTIONS = 4
REWARD = torch.tensor([0.3, -1.0, 1.2, 0.1], dtype=torch.float64)
REFERENCE = torch.tensor([0.1, 0.4, 0.2, 0.3], dtype=torch.float64)
FIRST, SECOND = torch.triu_indices(ACTIONS, ACTIONS, 1)
BETA = 0.7


def minimised(loss, size=ACTIONS):
    """The parameters (size,) at which a function of them is least."""
    parameters = torch.zeros(size, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [parameters], max_iter=500, tolerance_grad=1e-14, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        value = loss(parameters)
        value.backward()
        return value

    optimiser.step(closure)
    return parameters.detach()


def preferred(reward):
    """Probability that the first of each pair of actions is preferred, Bradley and Terry."""
    return torch.sigmoid(reward[FIRST] - reward[SECOND])


def test_the_loss_of_a_policy_that_is_its_reference_is_log_2_whatever_is_preferred():
    zero = torch.zeros(5)
    for smoothing in (0.0, 0.1):
        target = smoothed(torch.tensor([1.0, 0.5, 1.0, 1.0, 0.5]), smoothing)
        assert dpo_loss(zero, zero, target, 3.0).item() == pytest.approx(math.log(2), abs=1e-7)


def test_after_cloning_a_learner_begins_at_log_2_on_held_out_pairs():
    config = DPOConfig(policy_hidden=(16,), policy_pretrain_steps=20, pairs=50, batch=32)
    data = pendulum_dataset({"expert": 4, "suboptimal": 4})
    learner = DPOLearner(config, Problem.build(data, config.sources()), 0)
    learner.prepare(lambda what, done, most: None)
    assert learner.held_out()["preference_loss"] == pytest.approx(math.log(2), abs=1e-6)
    learner.losses(learner.draw())
    assert learner.monitors()["shift_max"] < 1e-5


@pytest.mark.parametrize(("beta", "sigma", "better", "worse"), [(0.5, 0.5, 0.4, 0.4 - 1 / 3), (2.0, 0.3, -0.2, 0.5)])
def test_the_first_gradient_at_a_fixed_sigma_is_half_beta_times_the_difference_of_actions(beta, sigma, better, worse):
    """-(beta/2) (a_w - a_l)/sigma^2, both actions at one state."""
    mean = torch.tensor([[0.7]], dtype=torch.float64, requires_grad=True)
    actions = torch.tensor([[better], [worse]], dtype=torch.float64)
    reference = log_kernel(actions, mean.detach(), sigma)
    ratio = log_kernel(actions, mean, sigma) - reference
    dpo_loss(ratio[:1], ratio[1:], torch.ones(1), beta).backward()
    assert mean.grad.item() == pytest.approx(-beta / 2 * (better - worse) / sigma**2, rel=1e-12)
    if sigma == 0.5:
        assert mean.grad.item() == pytest.approx(-0.3333, abs=1e-4)


def test_the_optimum_of_dpo_is_the_reference_times_the_exponential_of_the_reward():
    """Eq. 4 of Rafailov et al. 2023: pi = pi_ref exp(r/beta)/Z, tabular, preferences as r gives them."""

    def loss(logits):
        ratio = torch.log_softmax(logits, 0) - REFERENCE.log()
        return dpo_loss(ratio[FIRST], ratio[SECOND], preferred(REWARD), BETA)

    policy = torch.softmax(minimised(loss), 0)
    expected = REFERENCE * torch.exp(REWARD / BETA)
    np.testing.assert_allclose(policy, expected / expected.sum(), atol=4e-6)


def test_dpo_gives_the_policy_of_an_explicit_reward_followed_by_kl_regularised_improvement():
    """On counted preferences that no reward explains exactly: reward by likelihood, then max E[r] - beta KL."""
    random = np.random.default_rng(0)
    share = torch.from_numpy(random.binomial(20, preferred(REWARD).numpy()) / 20)
    reward = minimised(lambda r: bradley_terry_loss(r[FIRST], r[SECOND], share))

    def negative_value(logits):
        log_policy = torch.log_softmax(logits, 0)
        return -(log_policy.exp() * (reward - BETA * (log_policy - REFERENCE.log()))).sum()

    def loss(logits):
        ratio = torch.log_softmax(logits, 0) - REFERENCE.log()
        return dpo_loss(ratio[FIRST], ratio[SECOND], share, BETA)

    in_two_steps = torch.softmax(minimised(negative_value), 0)
    in_one = torch.softmax(minimised(loss), 0)
    np.testing.assert_allclose(in_one, in_two_steps, atol=4e-6)
    assert (preferred(reward) - share).abs().max() > 0.01


@pytest.mark.parametrize("target", [1.0, 0.9, 0.5])
def test_the_optimum_of_ipo_is_finite_even_for_a_preference_without_exception(target):
    """h = (2 t - 1)/(2 beta); Eq. 17 of Azar et al. 2024 at t = 1."""

    def loss(logits):
        ratio = torch.log_softmax(logits, 0) - REFERENCE[:2].log()
        return ipo_loss(ratio[:1], ratio[1:], torch.tensor([target], dtype=torch.float64), BETA)

    ratio = torch.log_softmax(minimised(loss, 2), 0) - REFERENCE[:2].log()
    assert (ratio[0] - ratio[1]).item() == pytest.approx((2 * target - 1) / (2 * BETA), abs=1e-9)


def test_cpl_without_bias_recovers_the_policy_whose_advantage_gave_the_preferences():
    """Eq. 5 of Hejna et al. 2024 with A = alpha log pi, so pi = softmax(r/alpha) for a single decision."""
    alpha = 0.4

    def loss(logits):
        advantage = alpha * torch.log_softmax(logits, 0)
        return cpl_loss(advantage[FIRST], advantage[SECOND], preferred(REWARD), 1.0)

    np.testing.assert_allclose(torch.softmax(minimised(loss), 0), torch.softmax(REWARD / alpha, 0), atol=4e-6)


def test_cpl_without_bias_is_dpo_with_a_reference_that_prefers_nothing():
    level = torch.randn(2, 9, generator=torch.Generator().manual_seed(0))
    target = torch.linspace(0.5, 1, 9)
    same = dpo_loss(level[0] - math.log(0.25), level[1] - math.log(0.25), target, BETA)
    torch.testing.assert_close(cpl_loss(BETA * level[0], BETA * level[1], target, 1.0), same)


def test_the_bias_of_cpl_makes_likely_segments_better_than_equally_preferred_unlikely_ones():
    """The conservatism of Hejna et al. 2024; without it both levels may sink together at no loss."""
    better, worse, target = torch.tensor([-1.0]), torch.tensor([-2.0]), torch.ones(1)
    losses = {
        bias: [cpl_loss(better - sunk, worse - sunk, target, bias).item() for sunk in (0.0, 3.0)] for bias in (0.5, 1.0)
    }
    assert losses[0.5][1] > losses[0.5][0] + 0.1
    assert losses[1.0][1] == pytest.approx(losses[1.0][0], abs=1e-6)


@pytest.mark.parametrize("objective", ["dpo", "ipo", "cpl"])
def test_a_tie_pulls_both_segments_together(objective):
    config = DPOConfig(objective=objective, beta=2.0, label_smoothing=0.1)
    level = torch.tensor([[0.4], [-0.3]], requires_grad=True)
    target = smoothed(torch.tensor([0.5]), config.label_smoothing)
    (slope,) = torch.autograd.grad(preference_objective(config, level, level, target), level)
    assert target.item() == 0.5
    assert slope[0].item() > slope[1].item()
    same = torch.full((2, 1), 0.4, requires_grad=True)
    (slope,) = torch.autograd.grad(preference_objective(config, same, same, target), same)
    assert slope[0].item() == pytest.approx(slope[1].item(), abs=1e-7)


def test_smoothing_keeps_the_optimum_of_a_hard_pair_finite():
    """log((1 - eps)/eps)/beta in place of infinity."""
    target = smoothed(torch.ones(1, dtype=torch.float64), 0.1)
    gap = minimised(lambda h: dpo_loss(h[:1], torch.zeros(1, dtype=torch.float64), target, 5.0), 1)
    assert gap.item() == pytest.approx(math.log(9) / 5, abs=1e-9)


def test_the_trust_region_costs_nothing_inside_and_the_squared_excess_outside():
    shift = torch.tensor([[0.2], [-0.5], [0.9], [-1.5]])
    assert trust_penalty(shift[:2], 0.5).item() == 0.0
    assert trust_penalty(shift, 0.5).item() == pytest.approx((0.4**2 + 1.0**2) / 4)


def test_cloning_counts_the_better_segments_of_known_order_alone():
    level = torch.tensor([[-1.0, -5.0, -3.0], [-100.0, -100.0, -100.0]])
    assert cloning_loss(level, torch.tensor([1.0, 0.5, 1.0])).item() == 2.0
    assert cloning_loss(level, torch.full((3,), 0.5)).item() == 0.0


def test_a_segment_counts_by_its_mean_whatever_its_length_and_the_stride():
    values = torch.arange(100, dtype=torch.float32) ** 2
    table = PairTable(Pairs(np.array([0, 50]), np.array([20, 90]), np.array([20, 7]), np.ones(2)))
    expected = torch.tensor([[values[0:20].mean(), values[50:57].mean()], [values[20:40].mean(), values[90:97].mean()]])
    torch.testing.assert_close(table.means(values), expected)
    generator = torch.Generator().manual_seed(0)
    whole = table.draw(64, 1, generator)
    assert {round(value, 2) for value in whole.means(values[whole.rows.flatten()])[0].tolist()} == {123.5, 2813.0}
    strided = [table.draw(4000, 3, generator) for _ in range(3)]
    assert all(batch.rows.shape[2] == 7 for batch in strided)
    mean = torch.cat([batch.means(values[batch.rows.flatten()])[0] for batch in strided]).mean()
    assert mean.item() == pytest.approx(expected[0].mean().item(), rel=0.02)
    np.testing.assert_array_equal(table.rows(100), [*range(40), *range(50, 57), *range(90, 97)])


def test_ties_do_not_count_in_the_accuracy():
    weight = torch.tensor([1.0, 1.0, 0.5, 1.0, 1.0])
    assert preference_accuracy(torch.tensor([0.1, -0.2, -9.0, 3.0, 0.0]), weight) == pytest.approx(2.5 / 4)
    assert math.isnan(preference_accuracy(torch.tensor([1.0]), torch.tensor([0.5])))


@pytest.mark.parametrize("objective", ["dpo", "ipo", "cpl"])
def test_training_orders_the_training_pairs_better_and_leaves_the_reference_alone(objective):
    config = DPOConfig(objective=objective, policy_hidden=(32,), policy_pretrain_steps=100, pairs=200, policy_lr=1e-3)
    data = pendulum_dataset({"expert": 5, "undesirable": 5})
    learner = DPOLearner(config, Problem.build(data, config.sources()), 0)
    learner.prepare(lambda what, done, most: None)
    reference = [part.clone() for part in learner.reference.parameters()]
    losses = [learner.step()["policy"] for _ in range(150)]
    assert np.mean(losses[-20:]) < np.mean(losses[:5])
    assert learner.monitors()["accuracy"] > 0.8
    assert learner.monitors()["shift_max"] < 2.0
    assert all(map(torch.equal, reference, learner.reference.parameters()))
