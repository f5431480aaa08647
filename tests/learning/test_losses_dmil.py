"""The facts about DMIL's losses that follow from its equations."""

import math

import pytest
import torch

from robot_il.errors import ConfigError
from robot_il.learning.algorithms.dmil import (
    DMILConfig,
    DMILLearner,
    discriminator_loss,
    dmil_loss,
    expert_weight,
    rollout_weight,
)
from robot_il.learning.losses import weighted_nll
from robot_il.learning.networks import gaussian_log_density, row_sum
from robot_il.learning.problem import Problem
from tests.learning.pendulum import pendulum_dataset

SMALL = {"policy_hidden": (16,), "model_hidden": (16,), "discriminator_hidden": (16,), "batch": 32,
         "model_pretrain_steps": 5, "policy_pretrain_steps": 5, "evaluate_every": 5, "checkpoint_every": 5}  # fmt: skip


def learner_of(**settings) -> DMILLearner:
    config = DMILConfig(**SMALL, **settings)
    learner = DMILLearner(config, Problem.build(pendulum_dataset(), config.sources(), drop_falls=True), 0)
    learner.prepare(lambda what, done, most: None)
    return learner


def gradients(loss, module):
    return torch.autograd.grad(loss, list(module.parameters()), retain_graph=True, allow_unused=True)


@pytest.mark.parametrize(
    ("verdict", "expert", "rollout"),
    [(0.1, 0.0, 1 / 0.9), (0.5, 8.0, 2.0), (0.9, 10 - 1 / 0.9, 10.0), (0.0, 0.0, 1 / 0.9), (1.0, 10 - 1 / 0.9, 10.0)],
)
def test_weights_are_those_of_equation_22_with_d_clipped(verdict, expert, rollout):
    d = torch.tensor([verdict], dtype=torch.float64)
    assert float(expert_weight(d, 10.0, 0.1)) == pytest.approx(expert, abs=1e-12)
    assert float(rollout_weight(d, 0.1)) == pytest.approx(rollout, abs=1e-12)


@pytest.mark.parametrize(("verdict", "weight"), [(0.3, 0.0), (0.5, 1.0), (0.75, 3.0), (0.99, 9.0)])
def test_offset_weights_of_rollouts_vanish_where_d_calls_them_fake(verdict, weight):
    d = torch.tensor([verdict], dtype=torch.float64)
    assert float(rollout_weight(d, 0.1, offset=True)) == pytest.approx(weight, abs=1e-9)


@pytest.mark.parametrize("settings", [{"alpha": 9.9}, {"clip": 0.05}, {"clip": 0.0}, {"clip": 0.5}])
def test_settings_that_make_expert_weights_negative_are_refused(settings):
    with pytest.raises(ConfigError):
        DMILConfig(**settings)
    assert DMILConfig(alpha=20.0, clip=0.05).alpha == 20.0


def test_a_constant_verdict_of_one_half_gives_behavioural_cloning_weighed_8_to_2():
    """Eq. 22 at d = 1/2 and alpha = 10: -8 E_e[log p] - 2 E_r[log p], in its gradient too."""
    parameter = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    expert, rollout = torch.randn(2, 40, dtype=torch.float64)
    log = tuple(gaussian_log_density(part, parameter, torch.zeros(())) for part in (expert, rollout))
    d = torch.full((40,), 0.5, dtype=torch.float64)
    loss = dmil_loss(log, (expert_weight(d, 10.0, 0.1), rollout_weight(d, 0.1)))
    plain = -8 * log[0].mean() - 2 * log[1].mean()
    torch.testing.assert_close(*(torch.autograd.grad(part, parameter, retain_graph=True)[0] for part in (loss, plain)))


def test_at_the_bayes_optimal_verdict_both_corrections_cancel():
    """p_e (alpha - 1/d) + p_r/(1 - d) = alpha p_e at the optimum of Eq. 3, d = p_e/(p_e + p_r): then it is cloning."""
    # A table of five points: each is an expert row with probability p_e and a rollout row with p_r.
    p_e = torch.tensor([0.3, 0.3, 0.2, 0.1, 0.1], dtype=torch.float64)
    p_r = torch.tensor([0.1, 0.2, 0.3, 0.3, 0.1], dtype=torch.float64)
    d = p_e / (p_e + p_r)
    coefficient = p_e * expert_weight(d, 10.0, 0.0) + p_r * rollout_weight(d, 0.0)
    torch.testing.assert_close(coefficient, 10 * p_e, rtol=0, atol=6e-15)


@pytest.mark.parametrize(
    ("d_expert", "d_rollout", "shrink"),
    [(0.5, 0.5, math.sqrt(0.8)), (0.2, 0.8, math.sqrt(0.5)), (0.8, 0.8, math.sqrt(8.75 / 13.75)), (0.1, 0.9, 0.0)],
)
def test_deterministic_rollouts_shrink_sigma_by_the_share_of_expert_weight(d_expert, d_rollout, shrink):
    """Eq. 22 with modes for rollouts has its minimum at sigma^2 = sigma_data^2 w_e/(w_e + w_r): 0.89, 0.71, ... 0."""
    data = torch.randn(4000, dtype=torch.float64)
    data = (data - data.mean()) / data.std(correction=0)
    verdicts = (torch.full_like(data, verdict) for verdict in (d_expert, d_rollout))
    weights = (expert_weight(next(verdicts), 10.0, 0.1), rollout_weight(next(verdicts), 0.1))

    def slope(sigma, rollout):
        log_std = torch.tensor(math.log(sigma), dtype=torch.float64, requires_grad=True)
        mean = torch.zeros((), dtype=torch.float64)
        log = tuple(gaussian_log_density(part, mean, log_std) for part in (data, rollout))
        return float(torch.autograd.grad(dmil_loss(log, weights), log_std)[0])

    modes = torch.zeros_like(data)
    if shrink == 0:
        assert all(slope(sigma, modes) > 1 for sigma in (1.0, 1e-2, 1e-4)), "pure self-training shrinks it for ever"
        return
    assert slope(shrink, modes) == pytest.approx(0, abs=1e-9)
    assert slope(0.9 * shrink, modes) < 0 < slope(1.1 * shrink, modes)
    assert slope(1.0, data) == pytest.approx(0, abs=1e-9), "rollouts with the policy's own spread leave it alone"


def test_clipping_inside_the_loss_leaves_a_misjudged_row_no_gradient():
    """Eq. 3 of an expert row at logit -3: -(1 - d) = -0.9526 plain, 0 where d is clipped inside the logarithm."""
    logit = torch.tensor([-3.0], requires_grad=True)
    none = torch.empty(0)
    (clipped,) = torch.autograd.grad(discriminator_loss(logit, none, paper_clip=0.1), logit)
    (plain,) = torch.autograd.grad(discriminator_loss(logit, none), logit)
    assert float(clipped) == 0
    assert float(plain) == pytest.approx(-0.9526, abs=1e-4)


def test_both_discriminator_losses_agree_where_nothing_is_clipped():
    real, fake = torch.tensor([0.5, -1.0]), torch.tensor([1.5, -0.2])
    torch.testing.assert_close(discriminator_loss(real, fake), discriminator_loss(real, fake, paper_clip=0.1))


def test_no_gradient_passes_through_a_weight():
    weight, log = torch.tensor([2.0], requires_grad=True), torch.tensor([-1.0], requires_grad=True)
    of_weight, of_log = torch.autograd.grad(weighted_nll(weight, log), (weight, log), allow_unused=True)
    assert of_weight is None
    assert of_log.item() == -2


def test_no_loss_moves_another_network():
    learner = learner_of()
    losses = learner.losses(learner.draw())
    assert list(losses) == ["discriminator", "policy", "model"]
    for name, loss in losses.items():
        for other, module in learner.modules.items():
            if other != name:
                assert all(part is None for part in gradients(loss, module)), f"{name} moves {other}"


@pytest.mark.parametrize(
    ("ablation", "sees_policy", "sees_model"),
    [("none", True, True), ("no-d-adv", True, False), ("no-d-adv-pi-info", False, False)],
)
def test_an_ablated_discriminator_is_blind_to_what_is_hidden(ablation, sees_policy, sees_model):
    learner = learner_of(ablation=ablation)
    batch = learner.draw()
    log_policy, log_model = learner.log_policy(batch), learner.log_model(batch)
    verdict = learner.verdict(batch, log_policy, log_model)
    assert torch.equal(verdict, learner.verdict(batch, log_policy - 3, log_model)) is not sees_policy
    assert torch.equal(verdict, learner.verdict(batch, log_policy, log_model - 3)) is not sees_model


def test_without_the_model_in_the_game_its_loss_is_plain_likelihood_of_the_demonstrations():
    learner = learner_of(ablation="no-d-adv")
    batch = learner.draw()
    loss = learner.losses(batch)["model"]
    expert = row_sum(learner.log_model(batch))[: learner.config.batch]
    plain = -expert.mean() + learner.model.bound_penalty()
    for ours, theirs in zip(gradients(loss, learner.model), gradients(plain, learner.model), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_losses_of_a_step_are_the_equations_evaluated_one_by_one():
    """Shared forward passes must not change what is computed."""
    learner = learner_of()
    batch, size, config = learner.draw(), learner.config.batch, learner.config
    losses = learner.losses(batch)
    with torch.no_grad():
        log_policy, log_model = learner.log_policy(batch), learner.log_model(batch)
        logits = learner.verdict(batch, log_policy, log_model)
        d = torch.sigmoid(logits).clamp(config.clip, 1 - config.clip)
        expected = {"discriminator": -torch.log(torch.sigmoid(logits[:size])).mean()
                    - torch.log(1 - torch.sigmoid(logits[size:])).mean()}  # fmt: skip
        for name, log in (("policy", log_policy.sum(1)), ("model", log_model.sum(1))):
            expected[name] = -((config.alpha - 1 / d[:size]) * log[:size]).mean() - (log / (1 - d))[size:].mean()
        expected["model"] += learner.model.bound_penalty()
    for name, loss in losses.items():
        torch.testing.assert_close(loss.detach(), expected[name], rtol=1e-4, atol=1e-4)


def test_a_frozen_model_is_at_its_best_and_no_longer_trained():
    learner = learner_of(model_patience=2)
    best = {name: value.clone() for name, value in learner.model.state_dict().items()}
    learner.evaluated({"model_nll": 1.0})
    for _ in range(2):
        learner.step()
        learner.evaluated({"model_nll": 2.0})
    assert learner.model_frozen
    assert "model" not in learner.losses(learner.draw())
    resumed = learner_of(model_patience=2)
    resumed.restore(learner.state())
    assert resumed.model_frozen
    for name, value in learner.model.state_dict().items():
        assert torch.equal(value, best[name])


@pytest.mark.parametrize(
    "settings",
    [{"paper_clip": True}, {"fake_offset": True}, {"rollout_horizon": 5}, {"stochastic_rollouts": False},
     {"ring_capacity": 50}, {"model_patience": 0}, {"ablation": "no-d-adv"}, {"ablation": "no-d-adv-pi-info"}],
)  # fmt: skip
def test_every_variant_takes_finite_steps_and_watches_itself(settings):
    learner = learner_of(refresh_every=2, refresh_rows=20, **settings)
    for _ in range(5):
        assert all(math.isfinite(value) for value in learner.step().values())
    watched = learner.monitors()
    assert {"d_expert", "d_rollout", "weight_expert", "effective_share_rollout", "log_std_policy_rollout",
            "log_std_model_expert"} <= set(watched)  # fmt: skip
    assert all(math.isfinite(value) for value in watched.values())
