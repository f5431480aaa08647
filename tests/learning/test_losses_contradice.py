"""What follows from min KL(d || d_G) - alpha KL(d || d_B) under the Bellman flow constraint, on a world of 15 pairs."""

import functools
import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize

from robot_il.errors import ConfigError
from robot_il.learning.algorithms.contradice import ContraDICEConfig, ContraDICELearner, contrast, official_reward
from robot_il.learning.algorithms.demodice import DemoDICEConfig
from robot_il.learning.bootstrap import Steps
from robot_il.learning.dice import bellman_residual, dual_loss
from robot_il.learning.problem import Problem
from robot_il.learning.weighted import normalised_weights
from tests.learning.pendulum import pendulum_dataset
from tests.learning.tabular import DISCOUNT, Recording, World, divergence, minimised

WORLD = World.random(3)
GOOD = WORLD.occupancy(WORLD.policy(1))
BAD = WORLD.occupancy(WORLD.policy(2))
UNION = Recording.random(WORLD, 4)
PSI_GOOD, PSI_BAD = (np.log(part / UNION.density) for part in (GOOD, BAD))
SMALL = {"batch": 64, "policy_hidden": (16,), "critic_hidden": (16,), "ratio_hidden": (16,),
         "ratio_pretrain_steps": 40, "critic_pretrain_steps": 40}  # fmt: skip


class Solution(NamedTuple):
    """The dual at its minimum: its value, V, and the distribution (S, A) that its weights give."""

    value: float
    multiplier: torch.Tensor
    d: np.ndarray


@functools.cache
def solved(alpha: float) -> Solution:
    psi = UNION.look_up(contrast(torch.from_numpy(PSI_GOOD), torch.from_numpy(PSI_BAD), alpha))
    start = torch.from_numpy(WORLD.start) * WORLD.states

    def residual(value):
        return bellman_residual(psi, value[UNION.state], value[UNION.after], DISCOUNT)

    def loss(value):
        # E_mu0[V] as a mean over states, each counted by its probability.
        return dual_loss(residual(value), start * value, 1 - alpha, DISCOUNT)

    # Towards c = 0 the loss gets kinks; from the minimiser at twice the c it is not far.
    nearby = solved(2 * alpha - 1).multiplier if alpha > 0.5 else torch.zeros(WORLD.states, dtype=torch.float64)
    value = minimised(loss, nearby)
    weight = normalised_weights(residual(value) / (1 - alpha), math.inf)
    return Solution(float(loss(value)), value, UNION.total(weight))


def objective(d: np.ndarray, alpha: float) -> float:
    return divergence(d, GOOD) - alpha * divergence(d, BAD)


@functools.cache
def primal(alpha: float) -> tuple[float, np.ndarray]:
    """The same programme solved as it is written, over d itself."""
    matrix, right = WORLD.flow()

    def slope(d):
        return np.log(d / GOOD.ravel()) + 1 - alpha * (np.log(d / BAD.ravel()) + 1)

    start = WORLD.occupancy(WORLD.policy(9, 5.0)).ravel()
    result = minimize(
        lambda d: objective(d.reshape(GOOD.shape), alpha),
        start,
        jac=slope,
        method="SLSQP",
        bounds=[(1e-12, 1)] * start.size,
        constraints={"type": "eq", "fun": lambda d: matrix @ d - right, "jac": lambda d: matrix},
        options={"ftol": 1e-15, "maxiter": 2000},
    )
    return float(result.fun), result.x.reshape(GOOD.shape)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.6, 0.9])
def test_the_dual_has_the_value_and_the_distribution_of_the_primal(alpha):
    """Strong duality: min f(d) = -min L(V); the weights are d*/d_U."""
    (value, d), weights = primal(alpha), solved(alpha).d
    assert -solved(alpha).value == pytest.approx(value, abs=1e-11)
    np.testing.assert_allclose(weights, d, rtol=0, atol=4e-8)
    assert objective(weights, alpha) == pytest.approx(value, abs=1e-11)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.6, 0.9])
def test_the_weighted_rows_satisfy_the_bellman_flow_constraint(alpha):
    matrix, right = WORLD.flow()
    np.testing.assert_allclose(matrix @ solved(alpha).d.ravel(), right, atol=1e-9)


def test_with_alpha_0_it_is_imitation_of_the_expert_alone():
    """d* = d_G, hence pi* = pi_E."""
    d = solved(0.0).d
    np.testing.assert_allclose(d, GOOD, rtol=0, atol=2e-9)
    np.testing.assert_allclose(d / d.sum(axis=1, keepdims=True), WORLD.policy(1), rtol=0, atol=2e-9)


def test_the_more_alpha_the_farther_from_what_is_undesirable():
    distances = [divergence(solved(alpha).d, BAD) for alpha in (0.0, 0.3, 0.6, 0.9)]
    assert distances == sorted(distances)
    assert distances[-1] > distances[0] + 0.1


def test_towards_alpha_1_the_dual_tends_to_a_linear_programme_whose_policy_is_certain():
    """At alpha = 1 the entropies cancel: max over d of E_d[log d_G/d_B]."""
    matrix, right = WORLD.flow()
    result = linprog(-np.log(GOOD / BAD).ravel(), A_eq=matrix, b_eq=right, bounds=(0, None), method="highs")
    d = result.x.reshape(GOOD.shape)
    visited = d.sum(axis=1) > 1e-9
    assert ((d[visited] > 1e-9).sum(axis=1) == 1).all()
    gaps = [abs(-solved(alpha).value - result.fun) for alpha in (0.9, 0.99, 0.999)]
    assert gaps == sorted(gaps, reverse=True)
    # d* itself differs by O(1 - alpha) in its entropy term.
    assert gaps[-1] < 5e-3
    np.testing.assert_allclose(solved(0.999).d, d, atol=1e-6)


def test_the_dual_is_convex_below_alpha_1_and_not_defined_from_there():
    """L(V) along random lines has no negative curvature."""
    psi = UNION.look_up(contrast(torch.from_numpy(PSI_GOOD), torch.from_numpy(PSI_BAD), 0.7))
    random = torch.Generator().manual_seed(0)
    ones = torch.ones(WORLD.states, dtype=torch.float64)

    def loss(value):
        return dual_loss(
            bellman_residual(psi, value[UNION.state], value[UNION.after], DISCOUNT), ones * value, 0.3, DISCOUNT
        )

    for _ in range(20):
        one, other = torch.randn(2, WORLD.states, dtype=torch.float64, generator=random)
        assert loss((one + other) / 2) <= (loss(one) + loss(other)) / 2 + 1e-12
    with pytest.raises(ConfigError, match="alpha at least 0 and below 1"):
        ContraDICEConfig(alpha=1.0)


def test_an_added_constant_in_v_changes_neither_loss_nor_weights():
    """(1 - gamma) k from the start states cancels (gamma - 1) k in every residual."""
    residual, start = torch.randn(2, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    moved = residual + (DISCOUNT - 1) * 7.0
    torch.testing.assert_close(
        dual_loss(moved, start + 7.0, 0.4, DISCOUNT), dual_loss(residual, start, 0.4, DISCOUNT), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(normalised_weights(moved / 0.4, 1e9), normalised_weights(residual / 0.4, 1e9))


def test_a_residual_that_would_overflow_does_not():
    residual = torch.tensor([0.0, 400.0, -400.0])
    loss = dual_loss(residual, torch.zeros(3), 0.1, DISCOUNT)
    assert float(loss) == pytest.approx(400 - 0.1 * math.log(3), rel=1e-6)
    torch.testing.assert_close(normalised_weights(residual / 0.1, 20.0), torch.tensor([0.0, 3.0, 0.0]))


def test_weights_have_mean_1_before_they_are_clipped():
    log_weight = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    assert float(normalised_weights(log_weight, math.inf).mean()) == pytest.approx(1, abs=1e-5)
    assert float(normalised_weights(3 * log_weight, 5.0).max()) == 5.0


def test_it_is_demodice_with_another_psi_and_another_coefficient():
    """At alpha = 0 and closeness = 0 the two programmes are the same one."""
    assert ContraDICEConfig(alpha=0.0).coefficient == DemoDICEConfig(closeness=0.0).coefficient == 1
    expert, undesirable = torch.randn(2, 20)
    torch.testing.assert_close(contrast(expert, undesirable, 0.0), expert)


@pytest.mark.parametrize(
    ("good", "bad", "alpha", "expected"),
    [(0.5, 0.5, 0.5, 1.5), (0.9, 0.9, 0.5, 2.7), (0.5, 0.1, 0.5, 3.0), (0.2, 0.8, 0.5, 0.15), (0.001, 0.5, 0.0, 0.15)],
)
def test_the_published_codes_reward_is_a_clipped_function_of_both_verdicts(good, bad, alpha, expected):
    """exp((log 3 D_G - alpha log 3 D_B)/(1 - alpha)), at most 3, with D in [0.05, 0.95]."""
    logits = (torch.logit(torch.tensor([value], dtype=torch.float64)) for value in (good, bad))
    assert float(official_reward(*logits, alpha, 3.0)) == pytest.approx(expected, rel=1e-9)


def learner_of(**settings) -> ContraDICELearner:
    config = ContraDICEConfig(**SMALL | settings)
    data = pendulum_dataset({"expert": 4, "undesirable": 4, "suboptimal": 4}, rows=30)
    learner = ContraDICELearner(config, Problem.build(data, config.sources()), 0)
    learner.prepare(lambda what, done, most: None)
    return learner


def test_before_v_has_learned_anything_rows_weigh_as_their_ratios_say():
    learner = learner_of(critic_pretrain_steps=0)
    steps = learner.draw().steps
    expected = normalised_weights(learner.psi(steps.rows) / 0.5, learner.config.weight_clip)
    torch.testing.assert_close(learner.weights(steps), expected)


def test_a_transition_into_a_fall_has_no_weight():
    learner = learner_of()
    table = learner.draw().steps.table.clone()
    table[:10, -2] = 1.0
    weight = learner.weights(Steps(table, 4, 1))
    assert float(weight[:10].max()) == 0
    assert float(weight.mean()) == pytest.approx(1, rel=1e-5)


def test_the_dual_goes_down_before_the_first_step_and_its_weights_then_stay_as_they_are():
    untrained, learner = learner_of(critic_pretrain_steps=0), learner_of(critic_pretrain_steps=200)
    batch = learner.weigher.draw(torch.Generator().manual_seed(7))
    assert learner.weigher.loss(batch) < untrained.weigher.loss(batch)
    before = learner.weights(batch.steps)
    for _ in range(3):
        learner.step()
    torch.testing.assert_close(learner.weights(batch.steps), before, rtol=0, atol=0)


def test_the_published_form_has_critics_with_a_slow_copy_and_its_discriminators_see_states_alone():
    learner = learner_of(objective="official")
    assert learner.modules["expert_ratio"].body[0].in_features == 4
    quick, slow = (
        torch.cat([part.detach().flatten() for part in learner.modules[name].parameters()])
        for name in ("critics", "slow_critics")
    )
    assert not torch.equal(quick, slow)
    assert float((quick - slow).abs().max()) < 0.2
    assert set(learner.step()) == {"policy"}
    assert math.isfinite(learner.held_out()["score"])


def test_the_weights_of_all_rows_are_those_of_training_and_undesirable_ones_have_none():
    learner = learner_of()
    learner.step()
    sources = learner.problem.sources
    parts = {name: learner.row_weights(source) for name, source in sources.items()}
    assert float(parts["undesirable"].max()) == 0
    assert float(torch.cat([parts["expert"], parts["mixed"]]).mean()) == pytest.approx(1, rel=1e-4)
    assert [len(parts[name]) for name in sources] == [len(source.train) for source in sources.values()]


def test_monitors_show_the_share_of_rows_left_in_effect_the_range_of_psi_and_what_was_clipped():
    learner = learner_of()
    learner.step()
    values = learner.monitors()
    assert 0 < values["effective_share"] <= 1
    assert values["psi_min"] <= values["psi_mean"] <= values["psi_max"]
    assert values["expert_ratio_clipped_share"] == 0
    assert values["weight_max"] <= learner.config.weight_clip


def test_starts_may_be_the_first_states_of_episodes_alone():
    first, every = (learner_of(starts=which).weigher.draw(torch.Generator()).start for which in ("first", "all"))
    assert len(first.unique(dim=0)) <= 3 < len(every.unique(dim=0))
