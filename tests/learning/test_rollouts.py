from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_il.errors import TrainingError
from robot_il.learning.algorithms.dmil import DMILConfig, DMILLearner
from robot_il.learning.networks import GaussianDynamics, GaussianPolicy
from robot_il.learning.problem import MARGIN, Problem
from robot_il.learning.rollouts import Roller
from tests.learning.pendulum import pendulum_dataset
from tests.learning.test_losses_dmil import SMALL


@pytest.fixture(scope="module")
def problem():
    return Problem.build(pendulum_dataset({"expert": 4, "suboptimal": 4}), {"expert": ("expert", "suboptimal")})


def constant_(module, mean: float, log_std: float = -30.0):
    """Makes a network answer the same whatever it is asked."""
    with torch.no_grad():
        for parameter in module.body.parameters():
            parameter.zero_()
        size = module.body[-1].bias.numel() // 2
        module.body[-1].bias[:size] = mean
        module.body[-1].bias[size:] = log_std
    return module


def roller(problem, *, horizon: int = 1, stochastic: bool = True, change: float = 0.0) -> Roller:
    policy = constant_(GaussianPolicy(4, 1, (4,), (-2.0, 2.0)), 0.3)
    return Roller(problem, policy, constant_(GaussianDynamics(4, 1, (4,)), change), horizon, stochastic)


def starts(problem, count: int = 200):
    return problem.sources["expert"].train.draw(count, torch.Generator().manual_seed(0))


def test_a_rollout_starts_at_the_models_guess_and_stores_what_policy_and_model_then_did(problem):
    real = starts(problem)
    rows = roller(problem, stochastic=False, change=0.5)(real, torch.Generator())
    ratio = torch.from_numpy(problem.coordinates.change_scale / problem.coordinates.state.scale)
    assert len(rows) == len(real)
    torch.testing.assert_close(rows.state, real.state + 0.5 * ratio)
    torch.testing.assert_close(rows.action, torch.full((200, 1), 0.3))
    torch.testing.assert_close(rows.change, torch.full((200, 4), 0.5))
    torch.testing.assert_close(rows.log_volume, problem.coordinates.action.log_volume(rows.action))


def test_sampled_rollouts_have_the_spread_of_policy_and_model_and_depend_on_the_generator_alone(problem):
    policy = constant_(GaussianPolicy(4, 1, (4,), (-2.0, 2.0)), 0.0, log_std=0.0)  # halfway between the bounds: 0
    model = constant_(GaussianDynamics(4, 1, (4,)), 0.0, log_std=-1.0)
    sample = Roller(problem, policy, model, 1, True)
    rows = sample(starts(problem, 4000), torch.Generator().manual_seed(1))
    spread = torch.exp(model(rows.inputs)[1]).mean().item()
    assert rows.action.std().item() == pytest.approx(1.0, rel=0.05)
    assert rows.change.std().item() == pytest.approx(spread, rel=0.05)
    again = sample(starts(problem, 4000), torch.Generator().manual_seed(1))
    assert torch.equal(rows.table, again.table)


def test_a_rollout_ends_before_the_step_that_leaves_the_bounds(problem):
    rows = roller(problem, horizon=400, stochastic=False, change=1.0)(starts(problem), torch.Generator())
    low, high = problem.state_bounds()
    ratio = torch.from_numpy(problem.coordinates.change_scale / problem.coordinates.state.scale)
    following = rows.state + rows.change * ratio
    assert 0 < len(rows) < 400 * 200
    assert ((rows.state >= low) & (rows.state <= high)).all()
    assert ((following >= low - 1e-5) & (following <= high + 1e-5)).all()


def test_every_step_of_a_rollout_within_the_bounds_is_stored(problem):
    assert len(roller(problem, horizon=3, stochastic=False)(starts(problem), torch.Generator())) == 600


def test_bounds_are_the_recorded_range_and_half_of_it_but_no_further_than_a_fall(problem):
    high = problem.state_bounds()[1]
    mean, scale = problem.coordinates.state.mean, problem.coordinates.state.scale
    states = problem.dataset.observations[problem.training_rows]
    reach = MARGIN * (states.max(axis=0) - states.min(axis=0))
    np.testing.assert_allclose(high.numpy() * scale + mean, states.max(axis=0) + reach, rtol=1e-4)
    wide = pendulum_dataset({"expert": 3})
    observations = wide.observations.copy()
    observations[0, 0] = 0.45
    wide = Problem.build(replace(wide, observations=observations), {"expert": ("expert",)})
    high = wide.state_bounds()[1]
    assert high[0] * wide.coordinates.state.scale[0] + wide.coordinates.state.mean[0] == pytest.approx(0.5, abs=1e-5)


def test_a_model_that_throws_every_rollout_out_of_bounds_is_an_error(problem):
    config = DMILConfig(**SMALL)
    learner = DMILLearner(config, problem, 0)
    constant_(learner.model, 1e6)
    with pytest.raises(TrainingError, match="none of 1000"):
        learner.refresh()
