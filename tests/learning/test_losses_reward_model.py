import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_il.learning.algorithms.dpo import smoothed
from robot_il.learning.algorithms.reward_model import (
    RewardEnsemble,
    RewardModelConfig,
    RewardModelLearner,
    bradley_terry_loss,
)
from robot_il.learning.pairs_file import PairsFile
from robot_il.learning.preferences import Pairs, Preferences
from robot_il.learning.problem import Problem
from robot_il.learning.rows import Rows
from robot_il.learning.weighted import normalised_weights
from tests.learning.pendulum import pendulum_dataset
from tests.learning.test_losses_dpo import ACTIONS, BETA, FIRST, REFERENCE, REWARD, SECOND, minimised, preferred

SMALL = {"policy_hidden": (16,), "reward_hidden": (32,), "critic_hidden": (16,), "policy_pretrain_steps": 20}


def quiet(what, done, most):
    pass


def learner_of(data, preferences=None, **settings):
    config = RewardModelConfig(**{**SMALL, **settings})
    return RewardModelLearner(config, Problem.build(data, config.sources(), preferences=preferences), 0)


def test_differences_of_a_fitted_reward_are_the_logits_of_the_preferences():
    """A bandit: r_i - r_j = logit p_ij at the maximum of the likelihood of Bradley and Terry."""
    fitted = minimised(lambda r: bradley_terry_loss(r[FIRST], r[SECOND], preferred(REWARD)))
    logits = torch.logit(preferred(REWARD))
    np.testing.assert_allclose(fitted[FIRST] - fitted[SECOND], logits, atol=4e-6)


def test_a_constant_added_to_the_reward_changes_neither_the_loss_nor_the_standardised_reward():
    generator = torch.Generator().manual_seed(0)
    better, worse, target = (torch.rand(7, generator=generator) for _ in range(3))
    shifted = bradley_terry_loss(better + 3.0, worse + 3.0, target)
    torch.testing.assert_close(shifted, bradley_terry_loss(better, worse, target))
    ensemble = RewardEnsemble(5, (8,), 3)
    rows = Rows(torch.randn(50, 2 * 4 + 3, generator=generator), 4, 1)
    ensemble.standardise(rows)
    before = ensemble.reward(rows.inputs, 1.0)
    with torch.no_grad():
        for member in ensemble.members:
            member[-1].bias += 2.5
    ensemble.standardise(rows)
    torch.testing.assert_close(ensemble.reward(rows.inputs, 1.0), before, atol=1e-5, rtol=1e-4)


def test_every_member_has_mean_0_and_spread_1_and_their_disagreement_is_taken_off():
    rows = Rows(torch.randn(200, 2 * 4 + 3, generator=torch.Generator().manual_seed(1)), 4, 1)
    torch.manual_seed(0)
    ensemble = RewardEnsemble(5, (8,), 3)
    ensemble.standardise(rows)
    each = (ensemble(rows.inputs) - ensemble.centre) / ensemble.scale
    torch.testing.assert_close(each.mean(dim=1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(each.std(dim=1, correction=0), torch.ones(3))
    lowered = ensemble.reward(rows.inputs, 0.0) - ensemble.reward(rows.inputs, 2.0)
    torch.testing.assert_close(lowered, 2 * each.std(dim=0, correction=0))
    own = torch.stack([rows.inputs, rows.inputs.flip(0), rows.inputs])
    torch.testing.assert_close(ensemble(own)[1], ensemble(rows.inputs)[1].flip(0))


def test_cloning_by_the_exponential_of_the_reward_gives_the_kl_regularised_policy():
    """pi_ref exp(r/T)/Z, Eq. 4 of Rafailov et al. 2023, which DPO reaches too: actions drawn from pi_ref, weighted."""
    counts = (REFERENCE * 1000).round().long()
    actions = torch.repeat_interleave(torch.arange(ACTIONS), counts)
    weight = normalised_weights(REWARD[actions] / BETA, math.inf)
    policy = torch.softmax(minimised(lambda logits: -(weight * torch.log_softmax(logits, 0)[actions]).mean()), 0)
    expected = REFERENCE * torch.exp(REWARD / BETA)
    np.testing.assert_allclose(policy, expected / expected.sum(), atol=4e-6)


def test_a_tie_is_best_explained_by_equal_rewards():
    target = smoothed(torch.tensor([0.5], dtype=torch.float64), 0.2)
    gap = minimised(lambda r: bradley_terry_loss(r[:1], torch.ones(1, dtype=torch.float64), target), 1)
    assert gap.item() == pytest.approx(1.0, abs=1e-8)


def test_a_pair_beyond_the_clip_teaches_nothing_more():
    better = torch.tensor([70.0, 2.0], requires_grad=True)
    bradley_terry_loss(better, torch.zeros(2), torch.tensor([0.9, 0.9])).backward()
    assert better.grad[0].item() == 0.0
    assert better.grad[1].item() != 0.0


def cost_preferences(data, count=600, length=20):
    """Segments of which the one nearer to upright, at rest, is preferred, as a person's file would name them."""
    random = np.random.default_rng(3)
    scaled = data.observations / data.observations.std(axis=0)
    cost = np.square(scaled).sum(axis=1)
    records, lines = data.info.episodes, []
    for _ in range(count):
        held_out = random.random() < 0.4
        side = [index for index, record in enumerate(records) if record.held_out == held_out]
        pair = [(int(random.choice(side)), int(random.integers(records[0].rows - length))) for _ in range(2)]
        costs = [cost[data.episode == episode][start : start + length].mean() for episode, start in pair]
        named = [{"source": episode, "start": start, "length": length} for episode, start in pair]
        better = int(np.argmin(costs))
        lines.append(json.dumps({"better": named[better], "worse": named[1 - better], "weight": 1}))
    return "\n".join(lines).encode()


def split_in_half(data):
    """Every other episode held out."""
    records = [replace(record, held_out=index % 2 == 1) for index, record in enumerate(data.info.episodes)]
    held_out = np.array([record.held_out for record in records])[data.episode]
    return replace(data, held_out=held_out, info=replace(data.info, episodes=tuple(records)))


def test_the_reward_orders_pairs_of_episodes_it_never_saw(tmp_path):
    data = split_in_half(pendulum_dataset({"unlabeled": 40}, rows=60))
    preferences = PairsFile(tmp_path / "pairs.jsonl", cost_preferences(data)).preferences(data)
    learner = learner_of(data, preferences, reward_pretrain_steps=300, implicit_pretrain_steps=100)
    before = learner.held_out()
    learner.prepare(quiet)
    after = learner.held_out()
    assert after["explicit_accuracy"] > 0.8
    assert after["explicit_accuracy"] > before["explicit_accuracy"]
    assert after["reward_loss"] < math.log(2)
    assert 0 <= after["implicit_accuracy"] <= 1


def test_pairs_that_are_all_ties_teach_no_reward():
    data = split_in_half(pendulum_dataset({"expert": 4, "undesirable": 4}))
    ties = Pairs(np.array([0, 10]), np.array([130, 140]), np.array([20, 20]), np.full(2, 0.5))
    learner = learner_of(data, Preferences(ties, ties))
    learner.fit(("reward", learner.ensemble), 200, learner._reward_loss, lambda: math.nan, quiet, 1e-2)
    means = learner.held_out_means(lambda rows: learner.ensemble(rows.inputs).mean(dim=0))
    assert (means[0] - means[1]).abs().max() < 0.05


@pytest.mark.parametrize("extraction", ["iql", "weighted_bc"])
def test_rows_of_higher_reward_weigh_more_and_nothing_but_the_policy_moves_in_a_step(extraction):
    data = pendulum_dataset({"expert": 5, "undesirable": 5})
    learner = learner_of(data, extraction=extraction, reward_pretrain_steps=100, implicit_pretrain_steps=0,
                         batch=64, critic_lr=3e-3, critic_pretrain_steps=100)  # fmt: skip
    learner.prepare(quiet)
    before = {name: copy.deepcopy(module.state_dict()) for name, module in learner.modules.items()}
    losses = [learner.step()["policy"] for _ in range(60)]
    assert np.mean(losses[-10:]) < np.mean(losses[:5])
    for name, state in before.items():
        same = all(map(torch.equal, state.values(), learner.modules[name].state_dict().values()))
        assert same is (name != "policy"), name
    source = learner.problem.sources["segments"]
    reward, weight = learner.reward(source.train), learner.row_weights(source)
    assert np.corrcoef(reward.numpy(), weight.log().numpy())[0, 1] > 0.3
    assert learner.row_weights(learner.problem.sources["demonstrations"]) is None
    assert reward.abs().max() <= learner.config.reward_bound
    assert {"effective_share", "weight_max", "reward_mean"} <= set(learner.monitors())


def test_a_held_out_row_counts_in_the_score_as_much_as_its_weight():
    learner = learner_of(pendulum_dataset({"expert": 5, "undesirable": 5}), reward_pretrain_steps=20,
                         extraction="weighted_bc", temperature=0.5)  # fmt: skip
    learner.prepare(quiet)
    rows = learner.problem.sources["segments"].held_out
    with torch.no_grad():
        weight = torch.exp(learner.reward(rows) / 0.5)
        likelihood = learner.log_policy(rows).sum(dim=1)
    expected = -(weight * likelihood).sum() / weight.sum()
    assert learner.held_out()["score"] == pytest.approx(expected.item(), rel=1e-4)
