"""Our Adam against torch's, which it must equal bit for bit."""

import copy

import torch
from torch import nn

from robot_il.learning.adam import Adam


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))


def gradients(net: nn.Module, seed: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    loss = net(torch.randn(16, 3, generator=generator)).square().mean()
    return torch.autograd.grad(loss, list(net.parameters()))


def same(first: nn.Module, second: nn.Module) -> bool:
    return all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))


def test_its_steps_are_those_of_torchs_fused_adam_bit_for_bit():
    ours, theirs = network(), network()
    mover = Adam(ours.parameters(), 1e-2, 1e-3)
    reference = torch.optim.Adam(theirs.parameters(), lr=1e-2, weight_decay=1e-3, fused=True)
    for seed in range(5):
        mover.move(gradients(ours, seed))
        for parameter, gradient in zip(theirs.parameters(), gradients(theirs, seed), strict=True):
            parameter.grad = gradient
        reference.step()
        assert same(ours, theirs)
    assert not same(ours, network())


def test_it_goes_on_from_its_stored_state_bit_for_bit():
    ours = network()
    mover = Adam(ours.parameters(), 1e-2)
    for seed in range(3):
        mover.move(gradients(ours, seed))
    other = network()
    other.load_state_dict(copy.deepcopy(ours.state_dict()))
    resumed = Adam(other.parameters(), 1e-2)
    resumed.move(gradients(other, 99))  # a state of its own, which must give way
    other.load_state_dict(copy.deepcopy(ours.state_dict()))
    resumed.load_state_dict(copy.deepcopy(mover.state_dict()))
    for seed in range(3, 6):
        mover.move(gradients(ours, seed))
        resumed.move(gradients(other, seed))
        assert same(ours, other)


def test_a_gradient_laid_out_otherwise_moves_the_same_entries():
    """The derivative of a transpose is one; the fused kernel reads memory in order, whatever the layout."""
    ours, theirs = (nn.Parameter(torch.arange(12.0).reshape(3, 4)) for _ in range(2))
    gradient = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    Adam([ours], 1e-2).move([gradient.T.contiguous().T])
    Adam([theirs], 1e-2).move([gradient])
    assert torch.equal(ours, theirs)


def test_it_goes_on_from_what_torchs_stored():
    theirs = network()
    reference = torch.optim.Adam(theirs.parameters(), lr=1e-2, fused=True)
    ours, fresh = network(), network()
    begun, mover = Adam(fresh.parameters(), 1e-2), Adam(ours.parameters(), 1e-2)
    begun.load_state_dict(reference.state_dict())  # of before the first step: there is nothing in it
    for seed in range(6):
        if seed == 3:
            ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
            mover.load_state_dict(copy.deepcopy(reference.state_dict()))
        for parameter, gradient in zip(theirs.parameters(), gradients(theirs, seed), strict=True):
            parameter.grad = gradient
        begun.move(gradients(fresh, seed))
        if seed >= 3:
            mover.move(gradients(ours, seed))
        reference.step()
    assert same(ours, theirs)
    assert same(fresh, theirs)


def test_a_changed_step_size_takes_effect():
    ours = network()
    mover = Adam(ours.parameters(), 1e-2)
    mover.move(gradients(ours, 0))
    before = copy.deepcopy(ours.state_dict())
    mover.learning_rate = 0.0
    mover.move(gradients(ours, 1))
    assert all(map(torch.equal, before.values(), ours.state_dict().values()))
