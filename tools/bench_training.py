"""Steps a second of each trained method, beside plain loops, other libraries, and the limit of its matrix products.

    python tools/bench_training.py [--methods bc,dmil,...] [--seconds 6] [--rows 10000] [--peer PYTHON ...] [--json]

The *plain loop* (tools/bench_plain.py) is the same mathematics written straight from the paper. *Peers* are training
steps of d3rlpy and imitation at the same sizes (tools/bench_peers.py), run by the interpreters named with --peer, since
both ask for libraries of other versions. The *limit* is the time that the matrix products of a step take by themselves:
their shapes are recorded from the very step, rollouts included, and measured at the same matmul precision.

All take turns in blocks within one run, one thread each. A second is one of processor time, which on an idle machine is
a second, and on a busy one leaves out what others took. Printed are medians over blocks with their quartiles, and the
medians of ratios within a block.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from bench_plain import Plain
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from robot_il.learning.algorithms.dmil import DMILLearner, discriminator_loss, halves
from robot_il.learning.dataset import Channel, Dataset
from robot_il.learning.episodes import Episode, assemble
from robot_il.learning.learner import Learner
from robot_il.learning.numerics import fastest_accurate_precision, keep_freed_memory, reproducible_torch
from robot_il.learning.problem import Problem
from robot_il.learning.registry import METHODS

BATCH = 256
STATES, ACTIONS = 4, 1
DISCRIMINATOR = "discriminator"
"""Not a method: the step of a discriminator alone, for comparison with GAIL's."""
PEERS_OF = {"bc": ("d3rlpy bc", "imitation bc"), DISCRIMINATOR: ("imitation gail discriminator",)}
BLOCKS = 8
Shape = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Sizes and strides of a product's two factors."""


def synthetic(rows: int) -> Dataset:
    """Smooth random trajectories of every label: a benchmark of speed asks for no more."""
    random = np.random.default_rng(0)

    def episode(label: str, count: int, *, held_out: bool) -> Episode:
        states = np.cumsum(0.05 * random.normal(size=(count + 1, STATES)), axis=0).astype(np.float32)
        actions = np.tanh(states[:-1, :ACTIONS] + 0.1 * random.normal(size=(count, ACTIONS))).astype(np.float32)
        step = np.arange(count, dtype=np.int32)
        return Episode(label, "synthetic", "0" * 64, states[:-1], actions, states[1:], False, step, held_out)

    sizes = (("expert", rows // 10), ("suboptimal", rows), ("undesirable", rows // 10), ("unlabeled", rows))
    return assemble(
        [episode(label, count, held_out=side) for label, count in sizes for side in (False, True)],
        task="",
        observation=[Channel(f"s{index}", "1") for index in range(STATES)],
        action=[Channel("a", "1", -1.0, 1.0)],
        period_s=0.005,
        seed=0,
    )


class DiscriminatorAlone:
    """DMIL's discriminator on states and actions, moved by itself."""

    def __init__(self, dataset: Dataset) -> None:
        self.learner = ours("dmil", dataset, ablation="no-d-adv-pi-info")
        assert isinstance(self.learner, DMILLearner)
        self._nothing = torch.zeros(0)

    def step(self) -> None:
        """One step."""
        learner = self.learner
        logits = learner.verdict(learner.draw(), self._nothing, self._nothing)
        learner.update({"discriminator": discriminator_loss(*halves(logits))})


def ours(name: str, dataset: Dataset, **settings: str) -> Learner:
    """The learner, ready to step; with a ring filled by an untrained model, which costs the same."""
    method = METHODS[name]
    fields = method.config.__dataclass_fields__
    untrained = {key: "1" for key in ("model_pretrain_steps", "policy_pretrain_steps") if key in fields}
    sizes = {key: str(BATCH) for key in ("batch",) if fields[key].default != BATCH}
    config = method.config.parse(untrained | sizes | settings)
    problem = Problem.build(dataset, config.sources(), drop_falls=method.learner.drop_falls)
    learner = method.learner(config, problem, 0)
    learner.prepare(lambda what, done, most: None)
    return learner


class Products(TorchDispatchMode):
    """Counts the matrix products of what runs under it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[Shape] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, arguments: tuple = (), options: Any = None) -> Any:
        name = function.overloadpacket.__name__
        if name in ("mm", "addmm"):
            left, right = arguments[-2:]
            self.found[tuple(left.shape), left.stride(), tuple(right.shape), right.stride()] += 1
        return function(*arguments, **(options or {}))


def products_of(step: Callable[[], Any], period: int) -> dict[Shape, float]:
    """How many products of each shape a step makes on average over a period."""
    with Products() as products:
        for _ in range(period):
            step()
    return {shape: count / period for shape, count in products.found.items()}


def factors(shape: Shape) -> tuple[Tensor, Tensor]:
    """Two matrices of these sizes and strides."""
    return tuple(
        torch.randn(1 + sum((extent - 1) * step for extent, step in zip(size, stride, strict=True))).as_strided(
            size, stride
        )
        for size, stride in zip(shape[::2], shape[1::2], strict=True)
    )


def limit(products: dict[Shape, float], seconds: float) -> float:
    """Steps a second if a step were its matrix products and nothing else."""
    total = 0.0
    for shape, count in products.items():
        left, right = factors(shape)
        total += count / rate(lambda left=left, right=right: left @ right, seconds / len(products), chunk=5)
    return 1 / total if total else math.inf


def rate(step: Callable[[], Any], seconds: float, chunk: int = 1) -> float:
    """Calls a second over about this long, and over one chunk at least."""
    count, began, used = 0, time.perf_counter(), time.process_time()
    while count == 0 or time.perf_counter() - began < seconds:
        for _ in range(chunk):
            step()
        count += chunk
    return count / (time.process_time() - used)


@contextmanager
def peers(interpreters: list[str], rows: int) -> Iterator[dict[str, Callable[[float], float]]]:
    """Rate of every step that other libraries can do, by its name; each interpreter sleeps until it is asked."""
    script = str(Path(__file__).with_name("bench_peers.py"))
    found: dict[str, Callable[[float], float]] = {}
    processes = []
    try:
        for interpreter in interpreters:
            process = subprocess.Popen(
                [interpreter, script, str(rows), str(BATCH)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            processes.append(process)
            for name in json.loads(process.stdout.readline()):
                found.setdefault(name, asker(process, name))
        yield found
    finally:
        for process in processes:
            process.kill()
            process.wait()


def asker(process: subprocess.Popen, name: str) -> Callable[[float], float]:
    """Asks a peer for its rate."""

    def ask(seconds: float) -> float:
        process.stdin.write(f"{name} {seconds}\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    return ask


def sides_of(
    name: str, dataset: Dataset, precision: str, others: dict[str, Callable[[float], float]]
) -> dict[str, Callable[[float], float]]:
    """Everything that takes turns for one method: seconds to spend, to steps a second."""
    single = DiscriminatorAlone(dataset) if name == DISCRIMINATOR else None
    learner = single.learner if single else ours(name, dataset)
    step = single.step if single else learner.step
    refresh = 1 if single else getattr(learner.config, "refresh_every", 1)
    with reproducible_torch(precision):
        step()  # some methods compute something once, at their first step
        products = products_of(step, refresh)

    def under(setting: str, work: Callable[[float], float]) -> Callable[[float], float]:
        def run(seconds: float) -> float:
            with reproducible_torch(setting):
                return work(seconds)

        return run

    sides = {"ours": under(precision, lambda seconds: rate(step, seconds))}
    if hasattr(Plain, name):
        plain = getattr(Plain(learner.problem, BATCH), name)
        sides["plain"] = under("highest", lambda seconds: rate(plain, seconds))
    sides |= {peer: others[peer] for peer in PEERS_OF.get(name, ()) if peer in others}
    return sides | {"limit": under(precision, lambda seconds: limit(products, seconds))}


def compare(name: str, dataset: Dataset, seconds: float, others: dict[str, Callable[[float], float]]) -> dict[str, Any]:
    """All sides of one method, taking turns: quartiles of the rates, and of our rate over each other's."""
    precision = fastest_accurate_precision()
    sides = sides_of(name, dataset, precision, others)
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for block in range(BLOCKS + 1):
        for side, work in sides.items():
            value = work(seconds / (len(sides) * BLOCKS))
            if block:  # the first warms up
                rates[side].append(value)
    ratios = {
        side: [mine / theirs for mine, theirs in zip(rates["ours"], values, strict=True)]
        for side, values in rates.items()
        if side != "ours"
    }
    quartiles = {side: statistics.quantiles(values, n=4) for side, values in rates.items()}
    over = {side: statistics.quantiles(values, n=4) for side, values in ratios.items()}
    return {"method": name, "precision": precision, "steps_per_second": quartiles, "ours_over": over}


def line(result: dict[str, Any]) -> str:
    """One method for a person."""
    mine = result["steps_per_second"]["ours"]
    words = [f"{result['method']:<20}{mine[1]:8.1f} ({mine[0]:.1f} to {mine[2]:.1f}) steps/s"]
    for side, quartile in result["ours_over"].items():
        share = f"{100 * quartile[1]:.0f} % ({100 * quartile[0]:.0f} to {100 * quartile[2]:.0f}) of the limit"
        times = f"{quartile[1]:.2f} ({quartile[0]:.2f} to {quartile[2]:.2f}) x {side}"
        words.append(share if side == "limit" else times)
    return "   ".join(words) + f"   [{result['precision']}]"


def main() -> None:
    """Prints a line a method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    trained = [name for name, method in METHODS.items() if not method.config().needs_environment()]
    default = [name for name in trained if METHODS[name].config().steps > 1]
    parser.add_argument("--methods", default=",".join([*default, DISCRIMINATOR]))
    parser.add_argument("--seconds", type=float, default=6.0, help="for each method (default 6)")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument(
        "--peer", action="append", default=[], metavar="PYTHON", help="an interpreter with d3rlpy or imitation"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    dataset = synthetic(args.rows)
    keep_freed_memory()
    results = []
    with peers(args.peer, args.rows) as others:
        for name in args.methods.split(","):
            print(f"measuring {name}", file=sys.stderr, flush=True)
            results.append(compare(name, dataset, args.seconds, others))
            if not args.json:
                print(line(results[-1]), flush=True)
    if args.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
