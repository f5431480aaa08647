"""The facts about D2MIL's losses that follow from its equations."""

import math

import pytest
import torch

from robot_il.errors import ConfigError
from robot_il.learning.algorithms.d2mil import (
    D2MILConfig,
    D2MILLearner,
    Thirds,
    d2mil_model_loss,
    d2mil_policy_loss,
    d2mil_weights,
)
from robot_il.learning.algorithms.dmil import DMILConfig, discriminator_loss, dmil_loss, expert_weight, rollout_weight
from robot_il.learning.losses import positive_unlabeled_loss
from robot_il.learning.problem import Problem
from tests.learning.pendulum import pendulum_dataset
from tests.learning.test_losses_dmil import SMALL, gradients

EVEN = {"beta_o": 0.5, "beta_r": 0.5}


def constant(value: float) -> Thirds:
    return Thirds(*(torch.full((1,), value, dtype=torch.float64) for _ in range(3)))


def weights(d_o: float, d_r: float, **settings) -> tuple[float, float, float]:
    result = d2mil_weights(constant(d_r), constant(d_o), D2MILConfig(**settings))
    return float(result.expert), float(result.suboptimal), float(result.rollout)


@pytest.mark.parametrize(
    ("d_o", "d_r", "settings", "suboptimal"),
    [(0.1, 0.1, EVEN, -4.444), (0.1, 0.5, EVEN, -0.444), (0.5, 0.5, EVEN, 0.0),
     (0.1, 0.1, {}, -3.333), (0.5, 0.5, {}, 0.4)],
)  # fmt: skip
def test_weights_of_suboptimal_rows_are_those_of_equation_34_and_negative_ones_are_raised_to_zero(
    d_o, d_r, settings, suboptimal
):
    assert weights(d_o, d_r, **settings, clamp_suboptimal=False)[1] == pytest.approx(suboptimal, abs=1e-3)
    assert weights(d_o, d_r, **settings)[1] == pytest.approx(max(suboptimal, 0), abs=1e-3)


def test_weights_of_expert_and_rollout_rows_are_those_of_equation_34():
    expert, _, rollout = weights(0.5, 0.5, **EVEN)
    assert expert == pytest.approx(10 - 0.5 * 0.5 / 0.25 - 0.5 / 0.5)
    assert rollout == pytest.approx(0.5 / 0.5 + 0.5 / 0.5)


@pytest.mark.parametrize(("settings", "least"), [(EVEN, 2.2222), ({}, 2.6667)])
def test_weights_of_expert_rows_stay_well_above_zero(settings, least):
    grid = torch.linspace(0, 1, 41).tolist()
    assert min(weights(d_o, d_r, **settings)[0] for d_o in grid for d_r in grid) == pytest.approx(least, abs=1e-3)


@pytest.mark.parametrize("settings", [{"alpha": 9.0}, {"beta_r": 1.0, "beta_o": 1.0}, {"eta": 1.5}])
def test_settings_that_make_expert_weights_negative_are_refused(settings):
    with pytest.raises(ConfigError):
        D2MILConfig(**settings)


def test_without_suboptimal_rows_and_with_d_r_alone_it_is_dmil():
    """Eq. 34 and 35 at beta_o = 0, beta_r = 1 and without D_o are Eq. 22 and 24."""
    config, plain = D2MILConfig(beta_o=0.0, beta_r=1.0), DMILConfig()
    expert, rollout = torch.rand(2, 64, dtype=torch.float64)
    logs = torch.randn(2, 64, dtype=torch.float64)
    none = torch.empty(0, dtype=torch.float64)
    d_r, d_o = Thirds(expert, none, rollout), Thirds(torch.rand(64), none, torch.rand(64))
    theirs = (expert_weight(expert, plain.alpha, plain.clip), rollout_weight(rollout, plain.clip))
    dmil = dmil_loss((logs[0], logs[1]), theirs)

    both = Thirds(logs[0], none, logs[1])
    torch.testing.assert_close(d2mil_policy_loss(both, d2mil_weights(d_r, d_o, config)), dmil, rtol=0, atol=1e-13)
    torch.testing.assert_close(d2mil_model_loss(both, d_r, 1.0, config), dmil, rtol=0, atol=1e-13)
    real = torch.cat([logs[0], none])
    torch.testing.assert_close(discriminator_loss(real, logs[1]), discriminator_loss(logs[0], logs[1]))


def test_the_optimum_of_positive_unlabeled_learning_is_the_scaled_ratio_of_densities():
    """The minimum of Eq. 27: d* = eta p_e/p_u, point by point."""
    # Four points with so many positive and unlabeled rows; eta p_e <= p_u everywhere, so the clamp never acts.
    positive, unlabeled, eta = torch.tensor([40, 30, 20, 10]), torch.tensor([40, 20, 20, 20]), 0.5
    logits = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    index_p, index_u = (torch.repeat_interleave(torch.arange(4), counts) for counts in (positive, unlabeled))
    optimiser = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-13, tolerance_change=0,
                                  line_search_fn="strong_wolfe")  # fmt: skip

    def closure():
        optimiser.zero_grad()
        loss = positive_unlabeled_loss(logits[index_p], logits[index_u], eta)
        loss.backward()
        return loss

    optimiser.step(closure)
    expected = eta * (positive / 100) / (unlabeled / 100)
    torch.testing.assert_close(torch.sigmoid(logits.detach()), expected.double(), rtol=0, atol=1e-6)


def test_a_negative_risk_of_the_unlabeled_rows_counts_as_none():
    positive, unlabeled = torch.full((4,), 8.0), torch.full((4,), -8.0, requires_grad=True)
    loss = positive_unlabeled_loss(positive, unlabeled, 0.5)
    assert loss.item() == pytest.approx(0.5 * float(torch.nn.functional.softplus(torch.tensor(-8.0))), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, unlabeled)
    assert float(gradient.abs().max()) == 0


def learner_of(**settings) -> D2MILLearner:
    config = D2MILConfig(**SMALL, **settings)
    learner = D2MILLearner(config, Problem.build(pendulum_dataset(), config.sources(), drop_falls=True), 0)
    learner.prepare(lambda what, done, most: None)
    return learner


def test_no_loss_moves_another_network():
    learner = learner_of()
    losses = learner.losses(learner.draw())
    assert list(losses) == ["real_discriminator", "optimality", "policy", "model"]
    for name, loss in losses.items():
        for other, module in learner.modules.items():
            if other != name:
                assert all(part is None for part in gradients(loss, module)), f"{name} moves {other}"


def test_the_losses_of_a_step_are_the_equations_evaluated_one_by_one():
    learner = learner_of()
    batch, config = learner.draw(), learner.config
    losses = learner.losses(batch)
    with torch.no_grad():
        log_policy, log_model = learner.log_policy(batch).sum(1), learner.log_model(batch).sum(1)
        d_r = (learner.seen["d_r"]).clamp(0.1, 0.9).chunk(3)
        d_o = (learner.seen["d_o"]).clamp(0.1, 0.9).chunk(3)
        weight = (
            config.alpha - config.beta_o * config.eta / (d_o[0] * (1 - d_o[0])) - config.beta_r / d_r[0],
            (config.beta_o / (1 - d_o[1]) - config.beta_r / d_r[1]).clamp(min=0),
            config.beta_o / (1 - d_o[2]) + config.beta_r / (1 - d_r[2]),
        )
        policy = -sum((w * log).mean() for w, log in zip(weight, log_policy.chunk(3), strict=True))
        share = 240 / 480  # four training episodes of 60 rows of each label
        model = [(w * log).mean() for w, log in zip(
            (config.alpha - 1 / d_r[0], config.alpha - 1 / d_r[1], 1 / (1 - d_r[2])), log_model.chunk(3), strict=True
        )]  # fmt: skip
        model = -share * model[0] - (1 - share) * model[1] - model[2] + learner.model.bound_penalty()
    torch.testing.assert_close(losses["policy"].detach(), policy, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(losses["model"].detach(), model, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("settings", [{"paper_clip": True}, {"clamp_suboptimal": False}, EVEN])
def test_every_variant_takes_finite_steps_and_watches_itself(settings):
    learner = learner_of(**settings)
    for _ in range(3):
        assert all(math.isfinite(value) for value in learner.step().values())
    watched = learner.monitors()
    assert {"d_r_expert", "d_o_suboptimal", "weight_suboptimal", "log_std_policy_suboptimal"} <= set(watched)
    assert watched["weight_suboptimal"] >= 0 or settings.get("clamp_suboptimal") is False
