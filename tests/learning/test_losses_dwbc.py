"""The facts about DWBC's weights and its discriminator that follow from its objectives."""

import pytest
import torch

from robot_il.errors import ConfigError
from robot_il.learning.algorithms.dmil import expert_weight as dmil_expert_weight
from robot_il.learning.algorithms.dwbc import (
    DWBCConfig,
    DWBCLearner,
    dwbc_discriminator_loss,
    expert_weight,
    other_weight,
)
from robot_il.learning.problem import Problem
from tests.learning.pendulum import pendulum_dataset
from tests.learning.tabular import Recording, World, minimised

GRID = torch.linspace(0, 1, 101, dtype=torch.float64)
SMALL = {"batch": 32, "policy_hidden": (16,), "discriminator_hidden": (16,)}


def at(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_weights_are_those_of_the_authors_code():
    """w_E = alpha - 1 - eta/(d (1 - d)); w_O = 1/(1 - d) - 1 from d = 0.5 on, else 0."""
    config = DWBCConfig()
    torch.testing.assert_close(expert_weight(at([0.1, 0.5, 0.9]), config), at([17 / 18, 4.5, 17 / 18]))
    torch.testing.assert_close(other_weight(at([0.1, 0.49, 0.5, 0.9]), config), at([0.0, 0.0, 1.0, 9.0]))


def test_expert_weights_lie_between_0_944_and_4_5_and_the_others_between_0_and_9():
    config = DWBCConfig()
    expert, other = expert_weight(GRID, config), other_weight(GRID, config)
    assert (float(expert.min()), float(expert.max())) == pytest.approx((0.9444, 4.5), abs=1e-4)
    assert (float(other.min()), float(other.max())) == pytest.approx((0.0, 9.0), abs=1e-9)


def test_weights_as_printed_lack_the_1_and_the_threshold():
    config = DWBCConfig(paper_form=True)
    torch.testing.assert_close(expert_weight(at([0.1, 0.5]), config), at([35 / 18, 5.5]))
    torch.testing.assert_close(other_weight(at([0.1, 0.5, 0.9]), config), at([1 / 0.9, 2.0, 10.0]))


def test_without_pu_the_expert_weight_is_that_of_a_plain_discriminator():
    """DMIL's alpha - 1/d, less the 1 of the code."""
    config = DWBCConfig(no_pu=True, alpha=11.0)
    torch.testing.assert_close(expert_weight(GRID, config), dmil_expert_weight(GRID, 10.0, 0.1))


@pytest.mark.parametrize(
    ("settings", "least"),
    [({"alpha": 6.5}, 6.556), ({"alpha": 5.5, "paper_form": True}, 5.556), ({"no_pu": True}, 11), ({"clip": 0.05}, 11)],
)
def test_settings_that_make_expert_weights_negative_are_refused(settings, least):
    with pytest.raises(ConfigError, match="or expert weights become negative"):
        DWBCConfig(**settings)
    fixed = {**settings, "alpha": least + 0.6}
    assert float(expert_weight(GRID, DWBCConfig(**fixed)).min()) >= 0


def optimum(config: DWBCConfig, positive: Recording, unlabeled: Recording, world: World) -> torch.Tensor:
    def loss(logits):
        table = logits.reshape(world.following.shape)
        return dwbc_discriminator_loss(positive.look_up(table), unlabeled.look_up(table), config)

    logits = minimised(loss, torch.zeros(world.following.size, dtype=torch.float64))
    return torch.sigmoid(logits).reshape(world.following.shape)


def test_where_the_others_are_the_experts_rows_d_is_eta_and_every_row_counts():
    """D_o = D_e: d* = eta = 0.5, so w_E = 4.5 and w_O = 1."""
    world, config = World.random(1), DWBCConfig()
    rows = Recording.random(world, 2)
    d = optimum(config, rows, rows, world)
    torch.testing.assert_close(d, torch.full_like(d, 0.5), rtol=0, atol=1e-7)
    assert float(expert_weight(d, config).mean()) == pytest.approx(4.5, abs=1e-6)
    # At d = 0.5 itself the threshold falls one way or the other with the last digit.
    assert float(other_weight(d + 1e-6, config).mean()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("no_pu", [False, True])
def test_the_optimal_discriminator_is_the_scaled_ratio_of_densities(no_pu):
    """PU: d* = eta p_e/p_o where that is below 1; without: p_e/(p_e + p_o)."""
    world = World.random(1)
    config = DWBCConfig(no_pu=no_pu, alpha=12.0, eta=0.2)
    expert, other = Recording.random(world, 2), Recording.random(world, 3)
    p_e, p_o = torch.from_numpy(expert.density), torch.from_numpy(other.density)
    expected = p_e / (p_e + p_o) if no_pu else config.eta * p_e / p_o
    assert float(expected.max()) < 1
    torch.testing.assert_close(optimum(config, expert, other, world), expected, rtol=0, atol=1e-6)


def learner_of(**settings) -> DWBCLearner:
    config = DWBCConfig(**SMALL, **settings)
    data = pendulum_dataset({"expert": 4, "suboptimal": 4}, rows=30)
    return DWBCLearner(config, Problem.build(data, config.sources()), 0)


def test_neither_loss_reaches_the_other_network():
    learner = learner_of()
    losses = learner.losses(learner.draw())
    for name, other in (("discriminator", "policy"), ("policy", "discriminator")):
        parameters = list(learner.modules[other].parameters())
        gradients = torch.autograd.grad(losses[name], parameters, retain_graph=True, allow_unused=True)
        assert all(gradient is None for gradient in gradients)


def test_the_discriminator_moves_once_in_so_many_steps():
    learner = learner_of(discriminator_every=3)
    moved = []
    for _ in range(7):
        before = [part.clone() for part in learner.discriminator.parameters()]
        learner.step()
        moved.append(not all(map(torch.equal, before, learner.discriminator.parameters())))
    assert moved == [True, False, False, True, False, False, True]


def test_monitors_show_verdicts_weights_and_the_share_of_rows_left_in_effect():
    learner = learner_of()
    learner.step()
    values = learner.monitors()
    assert 0.94 < values["weight_expert"] <= 4.5
    assert 0 <= values["effective_share_suboptimal"] <= 1
    assert 0 < values["d_expert"] < 1
