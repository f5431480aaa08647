"""What follows from ORIL's reward and from TD3+BC, and what its learner makes of a fall."""

from dataclasses import replace

import pytest
import torch

from robot_il.learning.algorithms.oril import ORILConfig, ORILLearner, reward_of, td3_bc_loss, twin_critic_loss
from robot_il.learning.losses import positive_unlabeled_loss
from robot_il.learning.problem import Problem
from tests.learning.pendulum import pendulum_dataset
from tests.learning.tabular import minimised


def learner_of(**settings) -> ORILLearner:
    config = ORILConfig(
        **{"policy_hidden": (16,), "critic_hidden": (16,), "reward_hidden": (16,), "batch": 16} | settings
    )
    return ORILLearner(config, Problem.build(pendulum_dataset(), config.sources()), 0)


def constant(network: torch.nn.Module, value: float) -> None:
    """Makes the last layer of a network say one thing."""
    with torch.no_grad():
        network.body[-1].weight.zero_()
        network.body[-1].bias.fill_(value)


@pytest.mark.parametrize("prior", [0.3, 0.5])
def test_the_optimal_reward_is_the_share_of_expert_like_rows_among_the_unlabeled(prior):
    # Rows of five kinds; of the unlabeled a share ``prior`` is distributed as the expert's.
    expert, bad = torch.tensor([4, 3, 2, 1, 0]), torch.tensor([0, 1, 2, 3, 4])
    unlabeled = (10 * prior * expert + 10 * (1 - prior) * bad).round().long()
    rows = [torch.arange(5).repeat_interleave(count) for count in (expert, unlabeled)]

    def loss(logit: torch.Tensor) -> torch.Tensor:
        return positive_unlabeled_loss(logit[rows[0]], logit[rows[1]], prior)

    # The kinds at either end would have infinite logits: R is 1 where all are expert-like, and 0 where none is.
    reward = torch.sigmoid(minimised(loss, torch.zeros(5, dtype=torch.float64), steps=60))
    density = [count / count.sum() for count in (expert, unlabeled)]
    torch.testing.assert_close(reward, (prior * density[0] / density[1]).double(), rtol=0, atol=1e-6)


def test_rewards_are_a_probability_or_a_log_ratio_within_its_limit():
    logit = torch.tensor([-9.0, -1.0, 0.0, 9.0])
    torch.testing.assert_close(reward_of(logit, "probability", 3.0), torch.sigmoid(logit))
    assert reward_of(logit, "log-ratio", 3.0).tolist() == [-3.0, -1.0, 0.0, 3.0]
    probability = torch.sigmoid(logit[1:3].double())
    torch.testing.assert_close(
        reward_of(logit[1:3].double(), "log-ratio", 3.0), (probability / (1 - probability)).log()
    )


def test_the_critics_errors_are_summed_and_each_is_a_mean_over_rows():
    q, target = torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.tensor([1.0, 1.0])
    assert float(twin_critic_loss(q, target)) == (0 + 4) / 2 + (1 + 1) / 2


def test_the_target_takes_the_lower_of_both_slow_critics():
    learner = learner_of()
    constant(learner.reward, 0.0)
    learner.judge_rows()
    batch = learner.draw()
    for first, second in ((1.0, 5.0), (5.0, 1.0)):
        constant(learner.critic_target.first, first)
        constant(learner.critic_target.second, second)
        torch.testing.assert_close(learner.target(*batch), torch.full((32,), 0.5 + 0.99 * 1.0))


def test_the_target_stays_within_what_rewards_can_add_up_to():
    learner = learner_of()
    for critic in (learner.critic_target.first, learner.critic_target.second):
        constant(critic, 1e6)
    assert float(learner.target(*learner.draw()).max()) <= 1.0 + 0.99 * 100


@pytest.mark.parametrize(("reward", "lowest"), [("probability", 0.0), ("log-ratio", -3.0)])
def test_after_a_fall_the_lowest_reward_goes_on_for_ever(reward, lowest):
    learner = learner_of(reward=reward)
    constant(learner.reward, 0.0)
    learner.judge_rows()
    batch, earned = learner.draw()
    table = batch.table.clone()
    table[:4, -2] = 1.0
    middle = 0.5 if reward == "probability" else 0.0
    for guess in (-1e6, 0.0, 1e6):
        for critic in (learner.critic_target.first, learner.critic_target.second):
            constant(critic, guess)
        target = learner.target(replace(batch, table=table), earned)
        torch.testing.assert_close(target[:4], torch.full((4,), middle + 0.99 * lowest / 0.01))
        assert reward == "probability" or (target[4:] >= target[:4].max()).all()


def test_noise_on_the_next_action_is_limited():
    quiet, loud = learner_of(target_noise=0.0), learner_of(target_noise=1e6, noise_limit=0.5)
    for learner in (quiet, loud):
        constant(learner.reward, 0.0)
        learner.judge_rows()
    batch = quiet.draw()
    seen = []
    for learner in (quiet, loud):
        with torch.no_grad():
            for critic in (learner.critic_target.first, learner.critic_target.second):
                critic.body = torch.nn.Linear(5, 1)
                critic.body.weight.copy_(torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.0]]))
                critic.body.bias.zero_()
        seen.append(learner.target(*batch))
    difference = (seen[0] - seen[1]).abs() / 0.99
    torch.testing.assert_close(difference, torch.full((32,), 0.5))


def test_a_constant_value_leaves_the_gradient_of_behavioural_cloning():
    recorded = torch.randn(20, 1, generator=torch.Generator().manual_seed(0))
    slopes = []
    for reward_weight in (2.5, 0.0):
        action = torch.zeros(20, 1, requires_grad=True)
        loss = td3_bc_loss(3.0 + 0.0 * action.squeeze(1), action, recorded, reward_weight)
        slopes.append(torch.autograd.grad(loss, action)[0])
    torch.testing.assert_close(slopes[0], slopes[1], rtol=0, atol=0)
    torch.testing.assert_close(slopes[1], -2 * recorded / 20)


def test_the_smaller_the_reward_weight_the_closer_to_behavioural_cloning():
    action = torch.zeros(20, 1, requires_grad=True)
    recorded, q = torch.ones(20, 1), 5.0 * action.squeeze(1) + 1.0
    plain = torch.autograd.grad((action - recorded).square().mean(), action)[0]
    gaps = []
    for reward_weight in (1.0, 0.1, 0.01, 0.0):
        loss = td3_bc_loss(q, action, recorded, reward_weight)
        gaps.append(float((torch.autograd.grad(loss, action, retain_graph=True)[0] - plain).abs().max()))
    assert gaps == pytest.approx([5.0 / 20, 0.5 / 20, 0.05 / 20, 0.0], abs=1e-7)


def test_the_scale_of_the_value_has_no_effect_on_the_policys_loss():
    q = torch.rand(20, generator=torch.Generator().manual_seed(0)) + 0.1
    action, recorded = torch.zeros(20, 1), torch.ones(20, 1)
    torch.testing.assert_close(td3_bc_loss(q, action, recorded, 2.5), td3_bc_loss(1000 * q, action, recorded, 2.5))


def test_policy_and_slow_copies_move_every_other_step():
    learner = learner_of()
    watched = (learner.policy, learner.policy_target, learner.critic_target)
    moved = []
    for _ in range(4):
        before = [[part.clone() for part in network.parameters()] for network in watched]
        losses = learner.step()
        same = [all(map(torch.equal, old, network.parameters())) for old, network in zip(before, watched, strict=True)]
        moved.append((set(losses), *same))
    every, other = {"critic", "policy"}, {"critic"}
    assert moved == [(every, False, False, False), (other, True, True, True)] * 2


def test_a_fitted_reward_is_higher_for_expert_states_and_stays_as_it_is():
    learner = learner_of(reward_pretrain_steps=200, batch=64, reward_lr=3e-3)
    learner.prepare(lambda what, done, most: None)
    before = [part.clone() for part in learner.reward.parameters()]
    for _ in range(3):
        learner.step()
    seen = learner.monitors()
    assert seen["reward_expert"] > seen["reward_unlabeled"]
    assert all(map(torch.equal, before, learner.reward.parameters()))


def test_the_reward_of_a_drawn_row_is_what_the_fitted_network_says_of_it():
    for reward in ("probability", "log-ratio"):
        learner = learner_of(reward=reward, reward_pretrain_steps=20, reward_lr=3e-3)
        learner.prepare(lambda what, done, most: None)
        other = learner_of(reward=reward)
        other.restore(learner.state())
        for one in (learner, other):
            steps, earned = one.draw()
            expected = reward_of(learner.logit(steps), reward, 3.0).detach()
            torch.testing.assert_close(earned, expected, rtol=1e-5, atol=1e-6)


def test_a_reward_of_states_does_not_look_at_actions():
    batch, _ = learner_of().draw()
    table = batch.table.clone()
    table[:, 4] += 1.0
    for sees, same in (("state", True), ("state-action", False)):
        learner = learner_of(reward_sees=sees)
        rewards = [learner.logit(steps) for steps in (batch, replace(batch, table=table))]
        assert torch.equal(*rewards) is same
