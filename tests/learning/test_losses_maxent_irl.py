"""Soft values in a finite world and in the linear-quadratic one; Ziebart 2010, chapters 6 and 9."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from robot_il.errors import TrainingError
from robot_il.learning.algorithms.maxent_irl import MaxEntConfig, MaxEntLearner
from robot_il.learning.problem import Problem
from robot_il.learning.soft_lqr import (
    LinearSystem,
    Moments,
    SoftLqr,
    best_temperature,
    fit_soft_lqr,
    negative_log_likelihood,
)
from robot_il.learning.soft_values import path_nll, path_nll_gradient, soft_policy, state_visits
from tests.learning.pendulum import DYNAMICS, INPUT, pendulum_dataset

HORIZON = 8
SCALE = np.array([0.03, 0.2, 0.1, 0.2])
SYSTEM = LinearSystem(DYNAMICS / SCALE[:, None] * SCALE, INPUT / SCALE[:, None], 0.995)
"""The pendulum in units of ``SCALE``."""
WEIGHTS = np.array([30.0, 5.0, 10.0, 3.0])


def slopes(function, at: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """Finite differences of fourth order in every direction."""

    def along(unit):
        near, far = (function(at + k * step * unit) - function(at - k * step * unit) for k in (1, 2))
        return (8 * near - far) / (12 * step)

    return np.array([along(unit) for unit in np.eye(len(at))])


@pytest.fixture
def world():
    """Reward, transitions, start, and a demonstrator's probabilities of states and of state-actions at each time."""
    random = np.random.default_rng(0)
    transitions = random.dirichlet(np.full(5, 0.5), size=(3, 5))
    start, reward = random.dirichlet(np.ones(5)), random.normal(size=5)
    policy = soft_policy(reward, transitions, HORIZON)
    visits = state_visits(policy, transitions, start)
    return reward, transitions, start, visits, visits[:-1, :, None] * policy


def test_the_soft_policy_is_a_distribution_and_prefers_the_reward(world):
    _, transitions, start, _, _ = world
    reward = np.array([5.0, 0, 0, 0, 0])
    policy = soft_policy(reward, transitions, HORIZON)
    np.testing.assert_allclose(policy.sum(axis=2), 1, atol=1e-14)
    indifferent = soft_policy(np.zeros(5), transitions, HORIZON)
    sought, ignored = (state_visits(each, transitions, start)[1:, 0].sum() for each in (policy, indifferent))
    assert sought > 1.3 * ignored


def test_the_gradient_of_the_likelihood_is_the_difference_of_the_visits(world):
    """d NLL/d r = E_pi[visits] - E_D[visits], against central differences."""
    _, transitions, start, visits, acts = world
    guess = np.random.default_rng(1).normal(size=5)
    gradient = path_nll_gradient(guess, transitions, start, visits)
    numeric = slopes(lambda reward: path_nll(reward, transitions, acts), guess)
    np.testing.assert_allclose(gradient, numeric, atol=1e-10)


def test_the_gradient_is_zero_at_the_true_reward_and_at_any_other_by_a_constant(world):
    reward, transitions, start, visits, _ = world
    for same in (reward, reward + 3.0):
        np.testing.assert_allclose(path_nll_gradient(same, transitions, start, visits), 0, atol=1e-13)


def test_descending_the_gradient_finds_the_demonstrators_policy(world):
    _, transitions, start, visits, acts = world
    guess = np.zeros(5)
    for _ in range(2000):
        guess -= 0.2 * path_nll_gradient(guess, transitions, start, visits)
    found = soft_policy(guess, transitions, HORIZON)
    np.testing.assert_allclose(visits[:-1, :, None] * found, acts, atol=1e-4)


@pytest.mark.parametrize("temperature", [0.2, 1.5])
def test_the_soft_lqr_solves_the_soft_bellman_equation_mean_covariance_and_value(temperature):
    """V(s) = tau log integral exp(Q(s, u)/tau) du is -s'P s and a constant; pi = exp((Q - V)/tau) is the Gaussian."""
    law = SoftLqr.solve(SYSTEM, WEIGHTS)
    variance = float(law.covariance(temperature)[0, 0])
    constants = []
    for state in np.random.default_rng(0).normal(size=(4, 4)):
        mean = -float((law.gain @ state)[0])

        def density(u, state=state, mean=mean):
            following = SYSTEM.A @ state + SYSTEM.B[:, 0] * u
            quality = -state @ (WEIGHTS * state) - u * u - SYSTEM.discount * following @ law.value @ following
            return np.exp((quality + state @ law.value @ state) / temperature)

        reach = 12 * np.sqrt(variance)
        total, first, second = (
            quad(lambda u, k=k, f=density, m=mean: (u - m) ** k * f(u), mean - reach, mean + reach, epsabs=1e-13)[0]
            for k in range(3)
        )
        constants.append(total)
        assert abs(first / total) < 1e-9
        assert second / total == pytest.approx(variance, rel=1e-9)
    np.testing.assert_allclose(constants, constants[0], rtol=1e-9)


def test_the_gradient_through_the_riccati_equation_equals_finite_differences():
    random = np.random.default_rng(2)
    states = random.normal(size=(500, 4))
    actions = states @ random.normal(size=(4, 1)) + 0.3 * random.normal(size=(500, 1))
    moments, free = Moments.of(states, actions, 0.0), random.normal(size=4)
    _, gradient = negative_log_likelihood(SYSTEM, moments, free)
    numeric = slopes(lambda values: negative_log_likelihood(SYSTEM, moments, values)[0], free)
    np.testing.assert_allclose(gradient, numeric, atol=1e-8)


def test_the_likelihood_in_closed_form_is_that_of_the_rows():
    random = np.random.default_rng(3)
    states = random.normal(size=(400, 4))
    actions = 0.7 * random.normal(size=(400, 1))
    moments, free = Moments.of(states, actions, 0.0), np.zeros(4)
    law = SoftLqr.solve(SYSTEM, np.logaddexp(0.0, free))
    variance = law.covariance(best_temperature(law, moments))[0, 0]
    centred = (actions - actions.mean()) + (states - states.mean(axis=0)) @ law.gain.T
    rows = 0.5 * np.log(2 * np.pi * variance) + centred**2 / (2 * variance)
    assert negative_log_likelihood(SYSTEM, moments, free)[0] == pytest.approx(rows.mean(), rel=1e-12)


def soft_drive(steps: int, temperature: float, seed: int) -> tuple[np.ndarray, np.ndarray, SoftLqr]:
    """States (steps + 1, 4) and actions of the soft-optimal policy for ``WEIGHTS``."""
    random = np.random.default_rng(seed)
    law = SoftLqr.solve(SYSTEM, WEIGHTS)
    spread = np.sqrt(law.covariance(temperature)[0, 0])
    states, actions = [random.normal(size=4)], []
    for _ in range(steps):
        action = -law.gain @ states[-1] + spread * random.normal(size=1)
        states.append(SYSTEM.A @ states[-1] + SYSTEM.B @ action)
        actions.append(action)
    return np.array(states), np.array(actions), law


@pytest.mark.parametrize("identified", [False, True])
def test_gain_and_spread_are_recovered_from_ten_thousand_soft_steps(identified):
    states, actions, truth = soft_drive(10_000, 0.4, seed=1)
    system = SYSTEM
    if identified:
        inputs = np.hstack([states[:-1], actions])
        found = np.linalg.lstsq(inputs, states[1:])[0].T
        system = LinearSystem(found[:, :4], found[:, 4:], SYSTEM.discount)
    moments = Moments.of(states[:-1], actions, 0.0)
    law, temperature = fit_soft_lqr(system, moments, 200)
    assert np.linalg.norm(law.gain - truth.gain) < 0.06 * np.linalg.norm(truth.gain)
    assert np.sqrt(law.covariance(temperature)) == pytest.approx(np.sqrt(truth.covariance(0.4)), rel=0.005)


def test_the_policy_stabilises_the_fitted_model_and_the_metrics_say_so():
    problem = Problem.build(pendulum_dataset(rows=200), MaxEntConfig().sources())
    learner = MaxEntLearner(MaxEntConfig(), problem, 0)
    learner.prepare(lambda what, done, most: None)
    learner.step()
    watched = learner.monitors()
    assert watched["slowest_pole"] < 1 / np.sqrt(learner.config.discount)
    assert watched["cost_pitch"] > 0
    assert watched["excitation"] > 0.01


def test_recordings_that_show_no_effect_of_the_action_are_refused():
    data = pendulum_dataset({"expert": 5})
    still = np.zeros_like(data.actions)
    grown = (1.02 * data.observations).astype(np.float32)
    problem = Problem.build(replace(data, actions=still, next_observations=grown), MaxEntConfig().sources())
    learner = MaxEntLearner(MaxEntConfig(), problem, 0)
    learner.prepare(lambda what, done, most: None)
    with pytest.raises(TrainingError, match="pushes"):
        learner.step()
