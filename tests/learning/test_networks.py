import numpy as np
import pytest
import torch

from robot_il.learning.networks import (
    LOG_STD_BOUNDS_FED_BACK,
    Discriminator,
    GaussianDynamics,
    GaussianPolicy,
    gaussian_log_density,
    row_sum,
    scaled_log_density,
)
from robot_il.learning.scaling import ActionScaling, StateScaling, channel_scale


def test_gaussian_log_density_is_that_of_torch():
    value, mean, log_std = torch.randn(3, 50, 2, dtype=torch.float64)
    expected = torch.distributions.Normal(mean, log_std.exp()).log_prob(value)
    torch.testing.assert_close(gaussian_log_density(value, mean, log_std), expected)


def test_density_of_an_action_is_that_of_the_squashed_gaussian():
    random = np.random.default_rng(0)
    low, high = np.array([-4.0, -1.0], np.float32), np.array([4.0, 3.0], np.float32)
    actions = (random.uniform(-0.9, 0.9, size=(64, 2)) * (high - low) / 2 + (high + low) / 2).astype(np.float32)
    scaling = ActionScaling.fit(actions, low, high)
    value = scaling(actions).double()
    mean, log_std = torch.randn(2, 64, 2, dtype=torch.float64)
    ours = gaussian_log_density(value, mean, log_std) + scaling.log_volume(value)

    # The same random variable put together from torch's parts, with the action in half widths of its range.
    centre, spread = torch.from_numpy(scaling.centre).double(), torch.from_numpy(scaling.spread).double()
    base = torch.distributions.Normal(centre + spread * mean, spread * log_std.exp())
    squashed = torch.distributions.TransformedDistribution(base, torch.distributions.transforms.TanhTransform())
    unit = torch.from_numpy((actions - scaling.offset) / scaling.limit).double()
    torch.testing.assert_close(ours, squashed.log_prob(unit), rtol=1e-4, atol=1e-4)


def test_saturated_actions_have_finite_coordinates_and_density():
    actions = np.array([[8.0], [-8.0], [0.1], [0.0]], np.float32)
    scaling = ActionScaling.fit(actions, np.array([-8.0], np.float32), np.array([8.0], np.float32))
    value = scaling(actions)
    assert torch.isfinite(value).all()
    assert torch.isfinite(scaling.log_volume(value)).all()
    np.testing.assert_allclose(scaling.action(value).numpy(), actions, atol=2e-5)
    torch.testing.assert_close(scaling.saturate(2 * value[:2]), value[:2])


def test_action_coordinates_are_standardised():
    actions = np.random.default_rng(1).normal(0.4, 0.1, size=(500, 1)).astype(np.float32)
    value = ActionScaling.fit(actions, np.array([-8.0], np.float32), np.array([8.0], np.float32))(actions)
    assert abs(float(value.mean())) < 1e-5
    assert float(value.std()) == pytest.approx(1.0, abs=2e-3)


def test_a_millirad_spread_is_scaled_by_itself_and_not_by_a_floor():
    values = np.random.default_rng(2).normal(0, 0.008, size=(4000, 1))
    assert channel_scale(values, np.array([1e-4]))[0] == pytest.approx(values.std(), rel=1e-6)


def test_a_scale_never_falls_below_its_floor_and_a_constant_channel_keeps_its_units():
    values = np.stack([np.linspace(0, 1e-5, 10), np.full(10, 3.0)], axis=1)
    np.testing.assert_allclose(channel_scale(values, np.array([1e-3, 1e-3])), [1e-3, 1.0])


def test_states_are_clipped_at_ten_standard_deviations():
    states = np.random.default_rng(3).normal(0, 0.01, size=(100, 1)).astype(np.float32)
    scaling = StateScaling.fit(states, ("m",))
    assert scaling(np.array([[2.0]]))[0, 0] == 10
    assert scaling(np.array([[-2.0]]))[0, 0] == -10


def test_log_standard_deviation_of_a_policy_stays_within_its_bounds():
    policy = GaussianPolicy(3, 2, (8,), LOG_STD_BOUNDS_FED_BACK)
    log_std = policy(1e4 * torch.randn(200, 3))[1].detach()
    low, high = LOG_STD_BOUNDS_FED_BACK
    assert low <= float(log_std.min()) < low + 1e-3
    assert high - 1e-3 < float(log_std.max()) <= high


def test_soft_bounds_of_the_model_hold_and_are_drawn_together():
    model = GaussianDynamics(2, 1, (8,))
    log_std = model(1e4 * torch.randn(200, 3))[1].detach()
    assert float(log_std.min()) > -5.01
    assert float(log_std.max()) < 0.51
    assert model.bound_penalty().item() == pytest.approx(0.01 * 2 * 5.5)
    (towards,) = torch.autograd.grad(model.bound_penalty(), model.max_log_std)
    torch.testing.assert_close(towards, torch.full((2,), 0.01))


def test_a_discriminator_sees_log_densities_clipped_detached_and_within_the_unit_interval():
    raw = torch.tensor([[-100.0, -20.0, -5.0, 10.0, 50.0]], requires_grad=True)
    seen = scaled_log_density(raw)
    torch.testing.assert_close(seen, torch.tensor([[0.0, 0.0, 0.5, 1.0, 1.0]]))
    assert not seen.requires_grad


def test_densities_are_summed_over_dimensions_and_logits_are_one_a_row():
    torch.testing.assert_close(row_sum(torch.tensor([[1.0, 2.0], [3.0, 4.0]])), torch.tensor([3.0, 7.0]))
    assert Discriminator(5, (4, 4))(torch.zeros(7, 5)).shape == (7,)
