"""The base of every method that learns from pairs of segments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from robot_il.errors import DataError
from robot_il.learning.adam import Adam
from robot_il.learning.config import DEMONSTRATIONS
from robot_il.learning.devices import CPU, random_rows, random_uniform
from robot_il.learning.early_stopping import EarlyStopping, fit_until_stopped
from robot_il.learning.gaussian import GaussianConfig, GaussianLearner
from robot_il.learning.learner import Report
from robot_il.learning.networks import row_sum
from robot_il.learning.preferences import Pairs, preferences_from_labels
from robot_il.learning.problem import Problem
from robot_il.learning.rows import Rows
from robot_il.spec import LABELS


@dataclass(frozen=True, kw_only=True)
class PreferenceConfig(GaussianConfig):
    """Settings of the pairs and of what comes before they are used.

    Attributes:
        data: what the policy clones before it learns preferences: ``expert`` alone, or ``all`` but the undesirable.
        pairs: training pairs drawn from the labels; without effect where a file names them.
        pairs_batch: pairs drawn in a step.
        segment: rows of a segment drawn from the labels, fewer where a label has no stretch as long.
        stride: a step looks at every so many-th row of a segment, from a random one on; at 200 Hz neighbours are alike.
        tie_share: share of the drawn pairs whose segments carry the same label and so are tied.
        label_smoothing: probability with which a stated preference is taken to be wrong.
        beta: how strongly a log-ratio speaks; the smaller, the further a policy has to go to satisfy a preference.
        sigma: fixed standard deviation of a policy that is trained by preferences, in units of the recorded spread.
        policy_pretrain_steps: most steps of behavioural cloning before.
    """

    data: Literal["expert", "all"] = "all"
    pairs: int = 1000
    pairs_batch: int = 16
    segment: int = 100
    stride: int = 4
    tie_share: float = 0.0
    label_smoothing: float = 0.1
    beta: float = 5.0
    sigma: float = 0.3
    policy_pretrain_steps: int = 2000

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(1 <= self.pairs <= 10**6, "pairs", "in 1 to 1000000")
        self.require(1 <= self.segment <= 10_000, "segment", "in 1 to 10000")
        for name in ("pairs_batch", "stride"):
            self.require(getattr(self, name) >= 1, name, "at least 1")
        self.require(0 <= self.tie_share < 1, "tie_share", "at least 0 and below 1")
        self.require(0 <= self.label_smoothing < 0.5, "label_smoothing", "at least 0 and below 0.5")
        for name in ("beta", "sigma"):
            self.require(getattr(self, name) > 0, name, "positive")
        self.require(self.policy_pretrain_steps >= 0, "policy_pretrain_steps", "0 or more")

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"demonstrations": DEMONSTRATIONS[self.data], "segments": LABELS}

    def takes_preferences(self) -> bool:
        """See ``MethodConfig``."""
        return True


class PairBatch(NamedTuple):
    """B pairs, every segment as T rows.

    Attributes:
        rows: (2, B, T) indices into the dataset, of the better segments and of the worse.
        share: (B, T) each row's share in its segment's mean; 0 beyond the segment's end.
        weight: (B,) probability that the better one is better.
    """

    rows: Tensor
    share: Tensor
    weight: Tensor

    def means(self, values: Tensor) -> Tensor:
        """Means over segments, (..., 2, B), of a value for each row, (..., 2 B T)."""
        return (values.unflatten(-1, self.rows.shape) * self.share).sum(dim=-1)


class PairTable:
    """Pairs as tensors on one device."""

    def __init__(self, pairs: Pairs, device: torch.device = CPU) -> None:
        self._start = torch.stack([torch.tensor(pairs.better), torch.tensor(pairs.worse)]).to(device)
        self._length = torch.tensor(pairs.length, device=device)
        self.weight = torch.tensor(pairs.weight, device=device)
        self._longest = int(pairs.length.max(initial=0))

    def __len__(self) -> int:
        """P."""
        return len(self._length)

    def draw(self, count: int, stride: int, generator: torch.Generator) -> PairBatch:
        """``count`` pairs, uniformly and with replacement, with every ``stride``-th row from a random one on."""
        device = self.weight.device
        chosen = random_rows(len(self), count, generator, device)
        length = self._length[chosen]
        first = (random_uniform((count,), generator, device) * length.clamp(max=stride)).long()
        # A GPU should not be asked for a value at every step: it gets room for the longest segment there is.
        longest = int(length.max()) if device == CPU else self._longest
        offset = first[:, None] + stride * torch.arange(math.ceil(longest / stride), device=device)
        inside = offset < length[:, None]
        rows = self._start[:, chosen, None] + torch.where(inside, offset, 0)
        return PairBatch(rows, inside / inside.sum(dim=1, keepdim=True), self.weight[chosen])

    def state(self) -> dict[str, Tensor]:
        """Everything about the pairs."""
        return {"start": self._start, "length": self._length, "weight": self.weight}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes back to what ``state`` returned."""
        device = self.weight.device
        self._start, self._length, self.weight = (state[name].to(device) for name in ("start", "length", "weight"))
        self._longest = int(state["length"].max()) if len(state["length"]) else 0

    def rows(self, count: int) -> Tensor:
        """Indices of the dataset's rows, ``count`` in all, that occur in a segment."""
        edges = torch.zeros(count + 1, dtype=torch.int64)
        for start in self._start:
            edges.index_add_(0, start, torch.ones_like(start))
            edges.index_add_(0, start + self._length, -torch.ones_like(start))
        return torch.nonzero(edges.cumsum(0)[:-1]).squeeze(1)

    def means(self, values: Tensor) -> Tensor:
        """Means over whole segments, (2, P), of a value for each row of the dataset, (N,); of a table on the CPU.

        A GPU's running sum would depend on the order in which its threads happen to finish.
        """
        total = torch.cat([torch.zeros(1, dtype=torch.float64), values.cpu().double().cumsum(0)])
        return ((total[self._start + self._length] - total[self._start]) / self._length).float()


def preference_accuracy(difference: Tensor, weight: Tensor) -> float:
    """Share of the pairs of known order in which the better segment has the higher value; NaN for none.

    Equal values count as half: whoever holds nothing for better is right as often as a coin.
    """
    certain = difference[weight > 0.5]
    return float((torch.sign(certain) + 1).mean() / 2) if len(certain) else math.nan


class PreferenceLearner(GaussianLearner):
    """Owns the pairs, and a policy that is cloned from the demonstrations first.

    Attributes:
        rows: every row of the dataset; pairs name them by index.
        train_pairs: to learn from.
        held_out_pairs: to judge by, on the CPU; empty only where nothing is chosen by them.
    """

    config: PreferenceConfig

    def __init__(self, config: PreferenceConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self.imitated = ("demonstrations",)
        self.preferences = problem.preferences or preferences_from_labels(
            problem.dataset, seed, count=config.pairs, longest=config.segment, tie_share=config.tie_share
        )
        if config.patience_steps and not len(self.preferences.held_out):
            raise DataError(
                "pairs of two held-out episodes to choose the best step by", "none",
                "record more episodes of two labels, or train a fixed number of steps: --set patience_steps=0",
            )  # fmt: skip
        everything = torch.arange(len(problem.dataset)).numpy()
        self.rows = problem.coordinates.rows(problem.dataset, everything).to(problem.device)
        self.train_pairs = PairTable(self.preferences.train, problem.device)
        self.held_out_pairs = PairTable(self.preferences.held_out)
        self._judged = self.held_out_pairs.rows(len(self.rows)).to(problem.device)

    def draw_pairs(self) -> PairBatch:
        """A batch of training pairs."""
        return self.train_pairs.draw(self.config.pairs_batch, self.config.stride, self.generator)

    def take(self, index: Tensor) -> Rows:
        """The dataset's rows at ``index``, of any shape, flattened."""
        return Rows(self.rows.table.index_select(0, index.flatten()), self.problem.states, self.problem.actions)

    @torch.no_grad()
    def held_out_means(self, value: Callable[[Rows], Tensor]) -> Tensor:
        """Means over the held-out segments, (2, P), of what ``value`` gives for rows (B,)."""
        values = torch.zeros(len(self.rows), device=self.device)
        for index in self._judged.split(65_536):
            values[index] = value(self.take(index))
        return self.held_out_pairs.means(values)

    def fit(
        self,
        what: tuple[str, nn.Module],
        steps: int,
        loss: Callable[[], Tensor],
        held_out: Callable[[], float],
        report: Report,
        learning_rate: float,
    ) -> None:
        """Fits one network before the first step, and leaves it where ``held_out`` was lowest."""
        name, module = what
        config = self.config
        fit_until_stopped(
            module,
            Adam(module.parameters(), learning_rate, config.policy_decay),
            loss,
            held_out,
            self.generator,
            steps=steps,
            every=config.evaluate_every,
            stopping=EarlyStopping(config.patience_steps, config.patience_share),
            report=lambda done, most: report(name, done, most),
        )

    def clone_demonstrations(self, report: Report) -> None:
        """Behavioural cloning: the policy that preferences then move."""
        source = self.problem.sources["demonstrations"].train
        self.fit(
            ("policy", self.policy),
            self.config.policy_pretrain_steps,
            lambda: -row_sum(self.log_policy(source.draw(self.config.batch, self.generator))).mean(),
            lambda: GaussianLearner.held_out(self).get("score", math.nan),
            report,
            self.config.policy_lr,
        )

    def state(self) -> dict[str, Any]:
        """See ``Learner``."""
        return super().state() | {"pairs": [self.train_pairs.state(), self.held_out_pairs.state()]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See ``Learner``."""
        super().restore(state)
        for pairs, stored in zip((self.train_pairs, self.held_out_pairs), state["pairs"], strict=True):
            pairs.restore(stored)
        self._judged = self.held_out_pairs.rows(len(self.rows)).to(self.device)

    def monitors(self) -> dict[str, float]:
        """See ``Learner``; with the numbers of pairs, and of those left out for being on both sides of the split."""
        return {
            "pairs_train": float(len(self.train_pairs)),
            "pairs_held_out": float(len(self.held_out_pairs)),
            "pairs_across": float(self.preferences.across),
        }
