"""Steps a second of each trained method, beside a plain loop of the same mathematics, taking turns in one process.

    python tools/bench_training.py [--seconds 6] [--rows 10000] [--json]

The plain loop is what one writes straight from the paper: a forward pass for every use (for d's input, for each loss,
for each weight), torch's default matmul and Adam, a batch gathered by indexing each column. It is judged by the same
numbers of rows, widths and batch. One thread. Each method takes turns with its plain loop in blocks, and the medians
over blocks with their quartiles are printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from robot_il.learning.dataset import Channel, Dataset
from robot_il.learning.episodes import Episode, assemble
from robot_il.learning.learner import Learner
from robot_il.learning.numerics import fastest_accurate_precision, reproducible_torch
from robot_il.learning.problem import Problem
from robot_il.learning.registry import METHODS

BATCH, CLIP, ALPHA = 256, 0.1, 10.0
STATES, ACTIONS = 4, 1
COMPARED = ("bc", "dmil", "d2mil")


def synthetic(rows: int) -> Dataset:
    """Smooth random trajectories: a benchmark of speed asks for no more."""
    random = np.random.default_rng(0)

    def episode(label: str, count: int, *, held_out: bool) -> Episode:
        states = np.cumsum(0.05 * random.normal(size=(count + 1, STATES)), axis=0).astype(np.float32)
        actions = np.tanh(states[:-1, :ACTIONS] + 0.1 * random.normal(size=(count, ACTIONS))).astype(np.float32)
        step = np.arange(count, dtype=np.int32)
        return Episode(label, "synthetic", "0" * 64, states[:-1], actions, states[1:], False, step, held_out)

    sizes = (("expert", rows // 10), ("suboptimal", rows))
    return assemble(
        [episode(label, count, held_out=side) for label, count in sizes for side in (False, True)],
        task="",
        observation=[Channel(f"s{index}", "1") for index in range(STATES)],
        action=[Channel("a", "1", -1.0, 1.0)],
        period_s=0.005,
        seed=0,
    )


def network(inputs: int, outputs: int, width: int) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )


class Plain:
    """The plain loop's networks, data and losses."""

    def __init__(self, problem: Problem) -> None:
        self.columns = {
            name: [source.train.state.clone(), source.train.action.clone(), source.train.change.clone()]
            for name, source in problem.sources.items()
        }
        self.columns["rollout"] = [column.clone() for column in next(iter(self.columns.values()))]
        self.policy = network(STATES, 2 * ACTIONS, 256)
        self.model = network(STATES + ACTIONS, 2 * STATES, 256)
        self.full = network(2 * (STATES + ACTIONS), 1, 512)
        self.partial = network(STATES + 2 * ACTIONS, 1, 512)
        nets = (self.policy, self.model, self.full, self.partial)
        self.adams = {net: torch.optim.Adam(net.parameters(), lr=1e-4) for net in nets}

    def batch(self, name: str) -> list[Tensor]:
        """Rows of a source, each column indexed by itself."""
        columns = self.columns[name]
        index = torch.randint(len(columns[0]), (BATCH,))
        return [column[index] for column in columns]

    def log_policy(self, rows: list[Tensor]) -> Tensor:
        """Per dimension, of the pre-tanh action, with the tanh's volume."""
        mean, log_std = self.policy(rows[0]).chunk(2, dim=1)
        normal = torch.distributions.Normal(mean, torch.exp(-2 + 2 * (torch.tanh(log_std) + 1)))
        return normal.log_prob(rows[1]) - torch.log(1 - torch.tanh(rows[1]) ** 2 + 1e-6)

    def log_model(self, rows: list[Tensor]) -> Tensor:
        """Per dimension, of the scaled change of state."""
        mean, log_std = self.model(torch.cat([rows[0], rows[1]], 1)).chunk(2, dim=1)
        log_std = 0.5 - functional.softplus(0.5 - log_std)
        return torch.distributions.Normal(mean, torch.exp(log_std)).log_prob(rows[2])

    def verdict(self, net: nn.Module, rows: list[Tensor], *, model: bool) -> Tensor:
        """Clipped d, with the log-densities recomputed for it."""
        with torch.no_grad():
            logs = [self.log_policy(rows), *([self.log_model(rows)] if model else [])]
            logs = [(part.clamp(-20, 10) + 20) / 30 for part in logs]
        return torch.sigmoid(net(torch.cat([rows[0], rows[1], *logs], 1)))

    def move(self, net: nn.Module, loss: Tensor) -> None:
        """One step of one network."""
        self.adams[net].zero_grad()
        loss.backward()
        self.adams[net].step()

    def weights(self, net: nn.Module, rows: list[Tensor], *, model: bool) -> Tensor:
        """Clipped d under no_grad."""
        with torch.no_grad():
            return self.verdict(net, rows, model=model).clamp(CLIP, 1 - CLIP)

    def bc(self) -> None:
        """One step of behavioural cloning."""
        self.move(self.policy, -self.log_policy(self.batch("demonstrations")).sum(1).mean())

    def dmil(self) -> None:
        """One step of DMIL: d, then pi, then f."""
        expert, rollout = self.batch("expert"), self.batch("rollout")
        real, fake = (self.verdict(self.full, rows, model=True) for rows in (expert, rollout))
        self.move(self.full, -torch.log(real).mean() - torch.log(1 - fake).mean())
        for net, log in ((self.policy, self.log_policy), (self.model, self.log_model)):
            d_e, d_r = (self.weights(self.full, rows, model=True).squeeze(1) for rows in (expert, rollout))
            loss = -((ALPHA - 1 / d_e) * log(expert).sum(1)).mean() - (1 / (1 - d_r) * log(rollout).sum(1)).mean()
            self.move(net, loss)

    def d2mil(self) -> None:
        """One step of D2MIL: d_r, then d_o, then pi, then f."""
        parts = [self.batch(name) for name in ("expert", "suboptimal", "rollout")]
        verdicts = [self.verdict(self.full, rows, model=True) for rows in parts]
        self.move(self.full, -torch.log(torch.cat(verdicts[:2])).mean() - torch.log(1 - verdicts[2]).mean())
        good = [self.verdict(self.partial, rows, model=False) for rows in parts]
        risk = -torch.log(1 - torch.cat(good[1:])).mean() + 0.5 * torch.log(1 - good[0]).mean()
        self.move(self.partial, -0.5 * torch.log(good[0]).mean() + risk.clamp(min=0))
        d_r = [self.weights(self.full, rows, model=True).squeeze(1) for rows in parts]
        d_o = [self.weights(self.partial, rows, model=False).squeeze(1) for rows in parts]
        weights = (
            ALPHA - 0.3 / (d_o[0] * (1 - d_o[0])) - 0.4 / d_r[0],
            (0.6 / (1 - d_o[1]) - 0.4 / d_r[1]).clamp(min=0),
            0.6 / (1 - d_o[2]) + 0.4 / (1 - d_r[2]),
        )
        logs = [self.log_policy(rows).sum(1) for rows in parts]
        self.move(self.policy, -sum((w * log).mean() for w, log in zip(weights, logs, strict=True)))
        d_r = [self.weights(self.full, rows, model=True).squeeze(1) for rows in parts]
        weights = (ALPHA - 1 / d_r[0], ALPHA - 1 / d_r[1], 1 / (1 - d_r[2]))
        logs = [self.log_model(rows).sum(1) for rows in parts]
        self.move(self.model, -sum((w * log).mean() for w, log in zip(weights, logs, strict=True)))


def ours(name: str, problem: Problem) -> Learner:
    """The learner, ready to step; with a ring filled by an untrained model, which costs the same."""
    method = METHODS[name]
    fields = method.config.__dataclass_fields__
    untrained = {key: "1" for key in ("model_pretrain_steps", "policy_pretrain_steps") if key in fields}
    learner = method.learner(method.config.parse({**untrained, "batch": str(BATCH)}), problem, 0)
    learner.prepare(lambda what, done, most: None)
    return learner


def rate(step: Callable[[], Any], seconds: float) -> float:
    """Steps a second over about this long."""
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        step()
        count += 1
    return count / (time.perf_counter() - began)


def compare(name: str, dataset: Dataset, seconds: float, blocks: int = 8) -> dict[str, Any]:
    """Our steps and the plain loop's, taking turns; rates a second and their ratio, block by block."""
    problem = Problem.build(dataset, METHODS[name].config().sources())
    precision = fastest_accurate_precision()
    rates: dict[str, list[float]] = {"ours": [], "plain": []}
    learner, plain = ours(name, problem), Plain(problem)
    for block in range(blocks + 1):
        for side, setting, step in (("ours", precision, learner.step), ("plain", "highest", getattr(plain, name))):
            with reproducible_torch(setting):
                value = rate(step, seconds / (2 * blocks))
            if block:  # the first warms up
                rates[side].append(value)
    ratios = [mine / theirs for mine, theirs in zip(rates["ours"], rates["plain"], strict=True)]
    quartiles = {side: statistics.quantiles(values, n=4) for side, values in {**rates, "ratio": ratios}.items()}
    return {"method": name, "precision": precision, **quartiles}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0, help="for each method")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    dataset = synthetic(args.rows)
    results = [compare(name, dataset, args.seconds) for name in COMPARED]
    if args.json:
        print(json.dumps(results, indent=1))
        return
    print("steps a second, median (quartiles) over blocks that take turns")
    for result in results:
        words = [f"{side} {q[1]:.1f} ({q[0]:.1f} to {q[2]:.1f})" for side, q in result.items() if isinstance(q, list)]
        print(f"{result['method']:<7}" + "   ".join(words) + f"   [{result['precision']}]")


if __name__ == "__main__":
    main()
