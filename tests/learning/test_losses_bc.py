import numpy as np
import pytest
import torch

from robot_il.learning.algorithms.bc import bc_loss
from robot_il.learning.algorithms.linear import LinearConfig, LinearLearner, least_squares
from robot_il.learning.networks import gaussian_log_density
from robot_il.learning.problem import Problem
from tests.learning.pendulum import GAIN, pendulum_dataset


def test_bc_with_a_linear_mean_and_one_sigma_is_least_squares():
    """Eq. 1 of Zhang et al. 2022, E[-log N(a; Ws + b, sigma)]: W and b of least squares, sigma the residual's RMS."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(300, 4))
    targets = inputs @ random.normal(size=(4, 1)) + 0.3 + 0.2 * random.normal(size=(300, 1))
    weight, bias = least_squares(inputs, targets)
    rms = np.sqrt(np.square(inputs @ weight + bias - targets).mean())

    states, actions = torch.from_numpy(inputs), torch.from_numpy(targets)
    fitted = [torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in ((4, 1), (1,), (1,))]
    optimiser = torch.optim.LBFGS(
        fitted, max_iter=300, tolerance_grad=1e-12, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        loss = bc_loss(gaussian_log_density(actions, states @ fitted[0] + fitted[1], fitted[2].expand(300, 1)))
        loss.backward()
        return loss

    optimiser.step(closure)
    np.testing.assert_allclose(fitted[0].detach().numpy(), weight, rtol=0, atol=3e-7)
    np.testing.assert_allclose(fitted[1].detach().numpy(), bias, rtol=0, atol=3e-7)
    assert fitted[2].exp().item() == pytest.approx(rms, abs=3e-7)


@pytest.mark.parametrize("rows", [28, 400])
def test_least_squares_recovers_a_noise_free_feedback(rows):
    problem = Problem.build(pendulum_dataset({"expert": 5}, rows=rows), LinearConfig().sources())
    learner = LinearLearner(LinearConfig(), problem, 0)
    learner.step()
    probe = np.eye(4, dtype=np.float32) * 0.01
    np.testing.assert_allclose(learner.act(probe)[:, 0], 0.01 * GAIN[0], rtol=1e-3)
    assert learner.held_out()["mse"] < 1e-10


def test_least_squares_of_a_channel_that_never_moves_is_finite_and_ignores_it():
    random = np.random.default_rng(1)
    inputs = np.hstack([random.normal(size=(50, 1)), np.zeros((50, 1))])
    weight, bias = least_squares(inputs, 2 * inputs[:, :1] + 1)
    np.testing.assert_allclose(weight, [[2.0], [0.0]], atol=1e-6)
    np.testing.assert_allclose(bias, [1.0], atol=1e-6)
