"""The base of every method that learns whom to imitate: density ratios first, then weights, then weighted cloning.

First, discriminators learn how much likelier a row is in one kind of recording than in another. Then a ``Weigher``
turns these ratios into a weight for each row, by value networks of its own. Both are done before the policy's first
step and stay as they are, so that a step costs hardly more than one of plain cloning, and the weighted likelihood of
held-out rows means the same from the first step to the last. Weights are constants to the policy.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from robot_il.learning.adam import Adam
from robot_il.learning.bootstrap import BootstrapConfig, Steps
from robot_il.learning.early_stopping import EarlyStopping, fit_until_stopped
from robot_il.learning.gaussian import GaussianLearner
from robot_il.learning.learner import Report
from robot_il.learning.losses import effective_share, logistic_loss, weighted_nll
from robot_il.learning.networks import Discriminator, row_sum
from robot_il.learning.problem import Problem, Source
from robot_il.learning.rows import Rows

_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class WeigherConfig(BootstrapConfig):
    """Settings of how rows get their weights.

    Attributes:
        critic_pretrain_steps: most steps of fitting the value functions.
        critic_decay: L2 weight decay of the value functions.
        weight_clip: largest weight of a row, in units of the batch's mean weight.
    """

    batch: int = 512
    critic_hidden: tuple[int, ...] = (128, 128)
    critic_pretrain_steps: int = 1500
    critic_decay: float = 1e-3
    weight_clip: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("critic_pretrain_steps", "critic_decay"):
            self.require(getattr(self, name) >= 0, name, "0 or more")
        self.require(self.weight_clip >= 1, "weight_clip", "at least 1")


@dataclass(frozen=True, kw_only=True)
class WeightedConfig(WeigherConfig):
    """Settings of the density ratios.

    Attributes:
        ratio_hidden: widths of the discriminators' hidden layers.
        ratio_lr: Adam's step size for them.
        ratio_decay: their L2 weight decay.
        ratio_pretrain_steps: most steps of fitting each; held-out episodes stop it earlier.
        ratio_clip: largest logarithm of a density ratio, in either direction.
    """

    ratio_hidden: tuple[int, ...] = (256, 256)
    ratio_lr: float = 3e-4
    ratio_decay: float = 1e-3
    ratio_pretrain_steps: int = 3000
    ratio_clip: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(all(width >= 1 for width in self.ratio_hidden), "ratio_hidden", "positive widths")
        self.require(self.ratio_lr > 0, "ratio_lr", "positive")
        for name in ("ratio_decay", "ratio_pretrain_steps"):
            self.require(getattr(self, name) >= 0, name, "0 or more")
        self.require(self.ratio_clip > 0, "ratio_clip", "positive")


def normalised_weights(log_weight: Tensor, largest: float) -> Tensor:
    """Weights exp(x) over their mean, then at most ``largest``; (B,).

    The largest x is subtracted first, so that no exponential overflows. Equal x give weights of 1.
    """
    return (torch.softmax(log_weight, dim=0) * log_weight.numel()).clamp(max=largest)


class Ratio:
    """The logarithm of a ratio of two densities, log p(s, a)/q(s, a) or log p(s)/q(s).

    The optimal discriminator of p from q, equally often drawn, has it as its logit.

    Args:
        learner: keeps the network, under ``name``.
        name: of the network.
        over: sources of p.
        under: sources of q, their rows counting alike.
        states_only: whether actions are looked at.
    """

    def __init__(
        self,
        learner: WeightedLearner,
        name: str,
        over: tuple[str, ...],
        under: tuple[str, ...],
        *,
        states_only: bool = False,
    ) -> None:
        problem, self._config = learner.problem, learner.config
        self.name = name
        self._columns = problem.states + (0 if states_only else problem.actions)
        self.network = learner.keep(name, Discriminator(self._columns, self._config.ratio_hidden))
        self._train = tuple(_rows(problem, sources, held_out=False) for sources in (over, under))
        self._held_out = tuple(_rows(problem, sources, held_out=True) for sources in (over, under))
        self._seen = torch.zeros(1)

    def fit(self, generator: torch.Generator, report: Report) -> None:
        """Fits the network by the logistic loss, until held-out episodes stop improving."""
        config = self._config
        if not config.ratio_pretrain_steps:
            return
        optimiser = Adam(self.network.parameters(), config.ratio_lr, config.ratio_decay)
        fit_until_stopped(
            self.network,
            optimiser,
            lambda: self._loss(*(rows.draw(config.batch, generator) for rows in self._train)),
            self._held_out_loss,
            generator,
            steps=config.ratio_pretrain_steps,
            every=config.evaluate_every,
            stopping=EarlyStopping(config.patience_steps, config.patience_share),
            report=lambda done, most: report(self.name.replace("_", " "), done, most),
        )

    def _loss(self, over: Rows, under: Rows) -> Tensor:
        logits = self.network(torch.cat([over.inputs, under.inputs])[:, : self._columns])
        return logistic_loss(*logits.split([len(over), len(under)]))

    @torch.no_grad()
    def _held_out_loss(self) -> float:
        return float(self._loss(*self._held_out)) if all(map(len, self._held_out)) else math.nan

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> Tensor:
        """The ratio's logarithm, (B,), within ``ratio_clip``, for states beside actions (B, S + A) or states (B, S)."""
        clip = self._config.ratio_clip
        self._seen = self.network(inputs[:, : self._columns]).clamp(-clip, clip)
        return self._seen

    def monitors(self) -> dict[str, float]:
        """Range of the logarithms last given, and the share of them that were clipped."""
        values = self._seen
        return spread_monitors(values, self.name) | {
            f"{self.name}_clipped_share": float((values.abs() >= self._config.ratio_clip).float().mean())
        }


def _rows(problem: Problem, sources: tuple[str, ...], *, held_out: bool) -> Rows:
    chosen = [problem.sources[name] for name in sources]
    return Rows.stack(*(source.held_out if held_out else source.train for source in chosen))


def steps_of(problem: Problem, sources: tuple[str, ...]) -> Steps:
    """The training transitions of these sources, in this order."""
    return Steps.stack(*(Steps.of(problem, name) for name in sources))


def held_out_steps(problem: Problem, labels: tuple[str, ...]) -> Steps:
    """The held-out transitions of these labels, in the order of a source's ``held_out``."""
    data, index = problem.dataset, problem.dataset.select(labels, held_out=True)
    rows = problem.coordinates.rows(data, index)
    first = np.diff(data.episode, prepend=-1) != 0
    flags = (torch.from_numpy(flag[index]) for flag in (data.terminals, first))
    return Steps.extend(rows, problem.coordinates.state(data.next_observations[index]), *flags).to(problem.device)


def silenced(network: _Network) -> _Network:
    """The network with its last layers at 0: it begins by saying nothing, rather than something at random.

    Weights are exponentials of what value networks say; random ones would be imitated until they are unlearned.
    """
    for part in network.modules():
        if isinstance(part, nn.Sequential):
            for parameter in part[-1].parameters():
                nn.init.zeros_(parameter)
    return network


class Weigher(abc.ABC):
    """Turns transitions into weights, by value networks that it adds to a learner's.

    Attributes:
        joint: whether the value networks go on learning beside the policy. Otherwise nothing of the policy enters them:
            they are fitted before its first step and then stay as they are.
    """

    joint = False

    @abc.abstractmethod
    def fit(self, generator: torch.Generator, report: Report) -> None:
        """Fits the value networks, the ratios being known."""

    @abc.abstractmethod
    def log_weights(self, steps: Steps) -> Tensor:
        """Logarithms of the weights of any transitions, (B,), up to a constant; without gradient."""

    def begin(self) -> None:  # noqa: B027 (not every weigher keeps something)
        """Computes what the ratios alone decide; called when they have been fitted or restored."""

    def learn(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of the value networks by name, on a batch of their own, where they are ``joint``."""
        del generator
        return {}

    def follow(self) -> None:  # noqa: B027 (not every weigher has slow copies)
        """Moves the slow copies of the value networks."""

    @abc.abstractmethod
    def monitors(self) -> dict[str, float]:
        """Numbers worth watching, of the last batch."""


class WeightedBatch(NamedTuple):
    """What one step looks at.

    Attributes:
        steps: transitions that the policy is to imitate.
        values: losses of the value networks, where they go on learning.
    """

    steps: Steps
    values: dict[str, Tensor]


class WeightedLearner(GaussianLearner):
    """Owns the ratios and a weigher; the policy learns by weighted likelihood.

    A subclass makes ``ratios`` and ``weigher`` in its constructor.

    Attributes:
        ratios: fitted before the first step, in this order.
        weigher: gives the weights.
        candidates: sources whose rows the policy may imitate.
    """

    config: WeightedConfig
    ratios: tuple[Ratio, ...]
    weigher: Weigher
    candidates: tuple[str, ...]

    def __init__(self, config: WeightedConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self._steps = steps_of(problem, self.candidates)
        self._held_out = Steps.stack(*(held_out_steps(problem, config.sources()[name]) for name in self.candidates))
        self._weight = torch.ones(1)

    def prepare(self, report: Report) -> None:
        """Fits the ratios, then the weigher's value networks."""
        for ratio in self.ratios:
            ratio.fit(self.generator, report)
        self.weigher.begin()
        self.weigher.fit(self.generator, report)

    def restore(self, state: Mapping[str, Any]) -> None:
        """See ``Learner``."""
        super().restore(state)
        self.weigher.begin()

    def draw(self) -> WeightedBatch:
        """See ``Learner``."""
        steps = self._steps.draw(self.config.batch, self.generator)
        return WeightedBatch(steps, self.weigher.learn(self.generator) if self.weigher.joint else {})

    def weights(self, steps: Steps) -> Tensor:
        """Weights of transitions, (B,), in units of their mean."""
        return normalised_weights(self.weigher.log_weights(steps), self.config.weight_clip)

    def losses(self, batch: WeightedBatch) -> dict[str, Tensor]:
        """See ``Learner``."""
        self._weight = self.weights(batch.steps)
        loss = weighted_nll(self._weight, row_sum(self.log_policy(batch.steps.rows)))
        return batch.values | {"policy": loss}

    def move(self) -> dict[str, Tensor]:
        """See ``Learner``."""
        losses = super().move()
        if self.weigher.joint:
            self.weigher.follow()
        return losses

    @torch.no_grad()
    def held_out(self) -> dict[str, float]:
        """See ``Learner``; ``score`` is the likelihood of the candidates' rows, weighted as in training.

        ``nll`` and ``mse`` are those of the imitated sources' rows, unweighted, as for any other method.
        """
        values = super().held_out()
        if not values:
            return values
        steps = self._held_out
        return values | {"score": float(weighted_nll(self.weights(steps), row_sum(self.log_policy(steps.rows))))}

    def row_weights(self, source: Source) -> Tensor:
        """See ``Learner``; in units of the mean over all candidates' rows."""
        if source.name not in self.candidates:
            return torch.zeros(len(source.train), device=self.problem.device)
        sizes = [len(self.problem.sources[name].train) for name in self.candidates]
        return self.weights(self._steps).split(sizes)[self.candidates.index(source.name)]

    def monitors(self) -> dict[str, float]:
        """See ``Learner``."""
        weight = self._weight
        return {
            "effective_share": effective_share(weight),
            "weight_max": float(weight.max()),
            "weight_clipped_share": float((weight >= self.config.weight_clip).float().mean()),
            **self.weigher.monitors(),
            **{name: value for ratio in self.ratios for name, value in ratio.monitors().items()},
        }


def spread_monitors(values: Tensor, name: str) -> dict[str, float]:
    """Mean, smallest and largest of ``values`` (B,), as ``NAME_mean``, ``NAME_min``, ``NAME_max``."""
    return {
        f"{name}_mean": float(values.mean()),
        f"{name}_min": float(values.min()),
        f"{name}_max": float(values.max()),
    }
