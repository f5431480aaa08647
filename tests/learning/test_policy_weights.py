from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from robot_il.errors import PolicyError
from robot_il.learning.policy_weights import PolicyWeights


def made(seed=0, sizes=(4, 16, 8, 2), **changes):
    random = np.random.default_rng(seed)
    settings = {
        "observation_mean": random.normal(size=sizes[0]),
        "observation_scale": random.uniform(0.1, 2, sizes[0]),
        "observation_clip": 3.0,
        "layers": tuple(
            (random.normal(size=(before, after)) / np.sqrt(before), random.normal(size=after))
            for before, after in pairwise(sizes)
        ),
        "action_scale": random.uniform(0.5, 8, sizes[-1]),
        "action_offset": random.normal(size=sizes[-1]),
    }
    return PolicyWeights(**settings | changes)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("squash", ["tanh", "clip"])
@pytest.mark.parametrize("clip", [3.0, np.inf])
def test_the_action_is_what_torch_computes_in_double_precision(activation, squash, clip):
    weights = made(activation=activation, squash=squash, observation_clip=clip)
    observations = np.random.default_rng(1).normal(scale=5, size=(200, 4)).astype(np.float32)
    hidden = (torch.tensor(observations).double() - torch.tensor(weights.observation_mean)) / torch.tensor(
        weights.observation_scale
    )
    hidden = hidden.clamp(-clip, clip)
    for index, (weight, bias) in enumerate(weights.layers):
        hidden = torch.nn.functional.linear(hidden, torch.tensor(weight).double().T, torch.tensor(bias).double())
        if index < 2:
            hidden = torch.relu(hidden) if activation == "relu" else torch.tanh(hidden)
    hidden = torch.tanh(hidden) if squash == "tanh" else hidden.clamp(-1, 1)
    expected = torch.tensor(weights.action_offset) + torch.tensor(weights.action_scale) * hidden
    np.testing.assert_allclose(weights(observations), expected.numpy(), atol=2e-5)
    np.testing.assert_allclose(weights(observations[0]), weights(observations)[0], atol=1e-6)
    assert weights(observations).dtype == np.float32


def test_saving_and_loading_gives_back_every_bit_and_the_same_bytes(tmp_path):
    weights = made(observation_clip=np.inf, squash="clip", activation="tanh")
    weights.save(tmp_path / "a.npz")
    again = PolicyWeights.load(tmp_path / "a.npz")
    again.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (again.squash, again.activation, again.observation_clip) == ("clip", "tanh", np.inf)
    for before, after in zip(weights.layers, again.layers, strict=True):
        np.testing.assert_array_equal(before[0], after[0])
        np.testing.assert_array_equal(before[1], after[1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_the_weights_are_a_read_only_copy():
    mean = np.zeros(4)
    weights = made(observation_mean=mean)
    mean[:] = 1
    assert not weights.observation_mean.any()
    with pytest.raises(ValueError, match="read-only"):
        weights.layers[0][0][:] = 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observation_scale": np.ones(3)}, r"observation_scale of shape \(4,\); came \(3,\)"),
        ({"layers": ((np.ones((5, 2)), np.ones(2)),)}, r"weight0 of shape \(4, 2\); came \(5, 2\)"),
        ({"layers": ()}, "1 to 32 layers; came 0"),
        ({"action_scale": np.ones(1)}, "action_scale of shape"),
        ({"action_offset": np.ones((2, 1))}, "action_offset of shape"),
        ({"observation_mean": np.full(4, np.nan)}, "finite policy weights"),
        ({"observation_scale": np.array([1, 1, 0, 1])}, "positive scales"),
        ({"action_scale": np.array([1, -1])}, "positive scales"),
        ({"observation_clip": 0}, "positive observation clip"),
        ({"observation_clip": np.nan}, "positive observation clip"),
        ({"squash": "sine"}, "squash out of tanh, clip; came 'sine'"),
        ({"activation": "gelu"}, "activation out of relu, tanh"),
    ],
)
def test_weights_that_do_not_make_a_policy_are_refused(changes, message):
    with pytest.raises(PolicyError, match=message):
        replace(made(), **changes)


def test_files_that_are_no_policy_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("weights")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    np.savez(tmp_path / "pickle.npz", observation_mean=np.array([{}], dtype=object))
    for name in ("text", "empty", "other", "pickle", "missing"):
        with pytest.raises(PolicyError, match=rf"{name}\.npz"):
            PolicyWeights.load(tmp_path / f"{name}.npz")


def test_a_file_cut_anywhere_is_refused(tmp_path):
    made().save(tmp_path / "whole.npz")
    content = (tmp_path / "whole.npz").read_bytes()
    for length in range(0, len(content), 97):
        (tmp_path / "cut.npz").write_bytes(content[:length])
        with pytest.raises(PolicyError, match=r"cut\.npz"):
            PolicyWeights.load(tmp_path / "cut.npz")
