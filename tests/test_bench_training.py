"""The benchmark of training runs and counts what it says it counts."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(TOOLS))
    try:
        spec = importlib.util.spec_from_file_location("bench_training", TOOLS / "bench_training.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(TOOLS))


def test_every_product_of_a_step_is_counted_with_its_sizes(bench):
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    inputs = torch.zeros(16, 3)

    def step():
        return torch.autograd.grad(net(inputs).sum(), list(net.parameters()))

    products = bench.products_of(step, period=4)
    sizes = sorted((shape[0], shape[2], count) for shape, count in products.items())
    # two forward, two for the weights, one back through the second layer
    assert sizes == [((2, 16), (16, 8), 1.0), ((8, 16), (16, 3), 1.0), ((16, 2), (2, 8), 1.0), ((16, 3), (3, 8), 1.0),
                     ((16, 8), (8, 2), 1.0)]  # fmt: skip


def test_factors_have_the_sizes_and_strides_asked_for(bench):
    left, right = bench.factors(((4, 3), (1, 4), (3, 5), (7, 1)))
    assert (left.shape, left.stride(), right.shape, right.stride()) == ((4, 3), (1, 4), (3, 5), (7, 1))
    assert (left @ right).shape == (4, 5)


def test_it_prints_rates_ratios_and_the_share_of_the_limit():
    words = ["--methods", "bc,dmil,discriminator", "--seconds", "0.4", "--rows", "400", "--json"]
    done = subprocess.run(
        [sys.executable, TOOLS / "bench_training.py", *words], capture_output=True, text=True, check=True, timeout=120
    )
    results = json.loads(done.stdout)
    assert [result["method"] for result in results] == ["bc", "dmil", "discriminator"]
    for result in results:
        assert set(result["ours_over"]) == {"plain", "limit"}
        for low, middle, high in [*result["steps_per_second"].values(), *result["ours_over"].values()]:
            assert 0 < low <= middle <= high


@pytest.mark.parametrize("name", ["bc", "discriminator", "bc_dynamics", "dmil", "d2mil"])
def test_a_plain_loop_learns(name, bench):
    torch.manual_seed(0)
    dataset = bench.synthetic(400)
    problem = bench.Problem.build(dataset, bench.METHODS["bc" if name == "discriminator" else name].config().sources())
    loop = bench.Plain(problem, 32)
    before = {net: [part.clone() for part in net.parameters()] for net in loop.adams}
    rows = loop.batch(loop.demonstrations)
    likelihood = loop.log_policy(rows).mean().item()
    for _ in range(30):
        getattr(loop, name)()
    moved = {net for net, parts in before.items() if not all(map(torch.equal, parts, net.parameters()))}
    expected = {
        "bc": {loop.policy},
        "discriminator": {loop.blind},
        "bc_dynamics": {loop.policy, loop.model},
        "dmil": {loop.policy, loop.model, loop.full},
        "d2mil": {loop.policy, loop.model, loop.full, loop.partial},
    }[name]
    assert moved == expected
    if loop.policy in moved:
        assert loop.log_policy(rows).mean().item() > likelihood
