"""Training on a GPU, where there is one: the numbers of the CPU, captured steps those of eager ones, seeds alone."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_il.learning.devices import choose_device
from robot_il.learning.export import export_policy
from robot_il.learning.numerics import fastest_accurate_precision, product_error, reproducible_torch
from robot_il.learning.registry import METHODS
from robot_il.learning.runs import RunFolder
from robot_il.learning.stepping import CAPTURED, BranchingStepper
from robot_il.learning.trainer import Job, train_together
from robot_il.spec import LABELS
from tests.learning.pendulum import pendulum_dataset, saved
from tests.learning.test_methods import fresh, small_settings, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")
METHODS_THERE = [name for name, method in METHODS.items() if method.learner.uses_device]
CAPTURED_THERE = [name for name in METHODS_THERE if not METHODS[name].learner.not_captured]
STEPS = 10
MOVEMENT_TOLERANCE = 0.02
"""Largest difference between two devices' movements of a network in ``STEPS`` steps, as a share of the movement. Their
sums differ in order, by some 1e-7, and Adam divides the smallest gradients by their own size."""
SMALL_STEPS = {"policy_lr": "1e-4", "critic_lr": "1e-4"}


@pytest.fixture(scope="module")
def dataset():
    return pendulum_dataset(dict.fromkeys(LABELS, 6), rows=40)


@pytest.fixture(autouse=True)
def numerics():
    with reproducible_torch("highest"):
        yield


def prepared(name, dataset):
    settings = {key: word for key, word in SMALL_STEPS.items() if key in METHODS[name].config.__dataclass_fields__}
    learner = fresh(name, dataset, settings=settings)
    learner.prepare(lambda what, done, most: None)
    return learner


def on_gpu(name, dataset, like, seed: int = 0):
    """A learner on the GPU with another's networks, memory and position in the run."""
    settings = {key: word for key, word in SMALL_STEPS.items() if key in METHODS[name].config.__dataclass_fields__}
    learner = fresh(name, dataset, seed, settings=settings, device=choose_device("cuda"))
    generator = learner.generator.get_state()
    learner.restore(like.state())
    learner.generator.set_state(generator)
    return learner


def parameters(learner) -> dict[str, torch.Tensor]:
    return {
        name: torch.cat([part.detach().double().cpu().flatten() for part in module.parameters()])
        for name, module in learner.modules.items()
        if list(module.parameters())
    }


@pytest.mark.parametrize("name", METHODS_THERE)
def test_the_same_batches_and_weights_give_the_same_losses_and_movements_as_on_the_cpu(name, dataset):
    cpu = prepared(name, dataset)
    gpu = on_gpu(name, dataset, cpu)
    # A generator of the CPU's draws the same numbers for both; what it draws is moved to where it is needed.
    cpu.generator, gpu.generator = (torch.Generator().manual_seed(7) for _ in range(2))
    start = parameters(cpu)
    for _ in range(STEPS):
        assert gpu.step() == pytest.approx(cpu.step(), rel=1e-3, abs=1e-4)
    ours, theirs = parameters(gpu), parameters(cpu)
    for module, before in start.items():
        moved = theirs[module] - before
        assert (ours[module] - theirs[module]).norm() <= MOVEMENT_TOLERANCE * moved.norm() + 1e-6 * before.norm(), (
            module
        )
    observations = dataset.observations[:50]
    np.testing.assert_allclose(gpu.act(observations), cpu.act(observations), rtol=0, atol=1e-2)


@pytest.mark.parametrize("name", CAPTURED_THERE)
def test_a_captured_step_is_the_eager_one(name, dataset):
    start = prepared(name, dataset)
    eager, captured = (on_gpu(name, dataset, start) for _ in range(2))
    stepper = BranchingStepper([captured])
    sums: dict[str, float] = {}
    for _ in range(2 * STEPS):
        for network, loss in eager.step().items():
            sums[network] = sums.get(network, 0.0) + loss
        stepper.step([captured])
    assert stepper.how == CAPTURED
    found = {network: loss.total for network, loss in stepper.losses(captured).items()}
    assert found == pytest.approx(sums, rel=1e-5)
    for ours, theirs in zip(parameters(captured).values(), parameters(eager).values(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
    assert captured.monitors() == pytest.approx(eager.monitors(), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", METHODS_THERE)
def test_seeds_batched_in_one_graph_are_the_seeds_alone(name, dataset):
    start = prepared(name, dataset)
    batched, alone = ([on_gpu(name, dataset, start, seed) for seed in range(4)] for _ in range(2))
    together = BranchingStepper(batched)
    for _ in range(STEPS):
        together.step(batched)
    for learner, other in zip(batched, alone, strict=True):
        stepper = BranchingStepper([other])
        for _ in range(STEPS):
            stepper.step([other])
        for ours, theirs in zip(parameters(learner).values(), parameters(other).values(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
    first, second = (parameters(learner)["policy"] for learner in batched[:2])
    assert not torch.equal(first, second)


@pytest.mark.parametrize("name", ["bc", "dmil", "oril", "dpo", "airl"])
def test_a_run_on_the_gpu_repeats_itself_resumes_on_either_device_and_is_exported(name, tmp_path):
    folder = saved(tmp_path / "data", episodes=dict.fromkeys(LABELS, 6), rows=40)
    job = Job(name, folder, tmp_path / "whole", 0, small_settings(name), device="cuda")
    train(job)
    config = RunFolder(job.out).config()
    assert (config["device"], config["stepping"] == CAPTURED) == ("cuda", name != "airl")
    export_policy(job.out, tmp_path / "policy.onnx")
    for end in ("cuda", "cpu"):
        count = iter(range(10_000))
        cut = replace(job, out=tmp_path / end)
        train(cut, stop=lambda count=count: next(count) >= 35)
        summary = train(replace(cut, settings=None, resume=True, device=end))
        assert summary["steps"] == RunFolder(job.out).summary()["steps"] or name == "airl"
    assert (tmp_path / "cuda" / "policy.npz").read_bytes() == (job.out / "policy.npz").read_bytes()


def test_seeds_trained_together_there_are_those_trained_alone(tmp_path):
    folder = saved(tmp_path / "data", episodes=dict.fromkeys(LABELS, 6), rows=40)
    jobs = [Job("dmil", folder, tmp_path / f"{seed}", seed, small_settings("dmil"), device="cuda") for seed in range(3)]
    assert all(result.error is None for result in train_together(jobs))
    for job in jobs:
        alone = replace(job, out=tmp_path / f"alone-{job.seed}")
        train(alone)
        ours, theirs = (np.load(run.out / "policy.npz") for run in (job, alone))
        for name in ours.files:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-6)


def test_the_matmul_precision_there_is_the_fastest_that_is_as_exact_as_float32():
    gpu = choose_device("cuda")
    assert product_error(fastest_accurate_precision(gpu), gpu) < 2e-6


def test_a_learner_there_is_copied_and_stored_as_on_the_cpu(dataset):
    learner = on_gpu("bc", dataset, prepared("bc", dataset))
    learner.step()
    state = copy.deepcopy(learner.state())
    expected = learner.step()
    learner.restore(state)
    assert learner.step() == expected
