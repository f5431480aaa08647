"""What every method is to the trainer: a learner that takes steps, is scored on held-out rows, and can be stored."""

from __future__ import annotations

import abc
import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from robot_il.learning.adam import Adam
from robot_il.learning.config import MethodConfig
from robot_il.learning.devices import restore_generator, seeded_generator
from robot_il.learning.policy_weights import PolicyWeights
from robot_il.learning.problem import Problem, Source
from robot_il.spec import LABELS

Report = Callable[[str, int, int], None]
"""Takes what is being done, how many steps of it are done, and how many there are at most."""
_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True)
class Method:
    """One line of the registry.

    Attributes:
        name: as typed after ``robot-il train``.
        config: its settings, with their defaults.
        learner: what trains it.
        paper: where it comes from.
        use: one line on when to use it.
    """

    name: str
    config: type[MethodConfig]
    learner: type[Learner]
    paper: str
    use: str

    def needs(self) -> str:
        """What it needs by default, for a person: ``expert + suboptimal|unlabeled``, and what else.

        A part that any recording serves is left out; ``preferences`` come from labels of different worth, or a file.
        """
        config = self.config()
        parts = ["|".join(labels) for labels in config.sources().values() if set(labels) != set(LABELS)]
        parts += ["preferences"] * config.takes_preferences() + ["environment"] * config.needs_environment()
        return " + ".join(parts)


class Learner(abc.ABC):
    """One method at work on one problem. A subclass states its networks and its losses; the rest is shared.

    ``losses`` returns one loss for each network to be trained, by the network's name in ``modules``. Each network is
    moved by its own loss alone: gradients are taken with respect to that network's parameters only, all of them before
    any network moves, so that one forward pass can serve every loss.

    A step is ``before_step`` and then ``move``. On a GPU ``move`` is captured once and replayed (see ``stepping.py``):
    nothing in it may ask for a tensor's value, copy from the CPU, or depend on a number of Python's that is not part
    of ``capture_key``.

    Attributes:
        config: the method's settings.
        problem: the data.
        generator: the only source of randomness after construction.
        modules: every network, by name; ``policy`` is the one deployed.
        optimisers: one for each network that is trained by gradients.
        steps: taken so far.
        imitated: sources whose held-out rows score the policy.
    """

    drop_falls = False
    """Whether the transitions into a fall are kept out of training."""
    uses_device = True
    """Whether a GPU is of any use; a method that solves at once on the CPU has none."""
    not_captured = ""
    """Why its step cannot be captured for replay on a GPU; empty where it can."""

    def __init__(self, config: MethodConfig, problem: Problem, seed: int) -> None:
        torch.manual_seed(seed)
        self.config = config
        self.problem = problem
        self.device = problem.device
        self.generator = seeded_generator(self.device, seed)
        self.modules: dict[str, nn.Module] = {}
        self.optimisers: dict[str, Adam] = {}
        self.steps = 0
        self.seen: dict[str, Any] = {}
        self.imitated: tuple[str, ...] = tuple(problem.sources)

    def add(self, name: str, module: nn.Module, learning_rate: float, weight_decay: float = 0.0) -> None:
        """Registers a network, moved to the device, with an Adam of its own."""
        self.keep(name, module)
        self.optimisers[name] = Adam(module.parameters(), learning_rate, weight_decay)

    def keep(self, name: str, module: _Network) -> _Network:
        """Registers a network, moved to the device, that no step moves: it is stored and restored with the others."""
        self.modules[name] = module.to(self.device)
        return module

    def prepare(self, report: Report) -> None:  # noqa: B027 (most methods have nothing to prepare)
        """What comes before the first step (pretraining); deterministic from the seed."""

    def step(self) -> dict[str, float]:
        """Draws a batch and moves every network once; returns the losses by network."""
        self.before_step()
        losses = self.move()
        self.steps += 1
        return {name: loss.item() for name, loss in losses.items()}

    def before_step(self) -> None:  # noqa: B027 (most methods have nothing to do)
        """What only some steps need (new rollouts), and what asks for values or changes sizes."""

    def move(self) -> dict[str, Tensor]:
        """Draws a batch and moves every network once; returns the losses by network, before the move."""
        losses = self.losses(self.draw())
        self.update(losses)
        return losses

    def capture_key(self) -> Hashable:
        """What ``move`` depends on besides tensors of unchanging size and place: where it differs, so may ``move``."""
        return ()

    def update(self, losses: Mapping[str, Tensor]) -> None:
        """Moves each named network down its own loss."""
        last = next(reversed(list(losses)), "")  # nobody needs the graph after it
        gradients = {
            name: torch.autograd.grad(loss, self.optimisers[name].parameters, retain_graph=name != last)
            for name, loss in losses.items()
        }
        for name, parts in gradients.items():
            self.optimisers[name].move(parts)

    @abc.abstractmethod
    def draw(self) -> Any:
        """A batch for ``losses``, from ``generator``."""

    @abc.abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """One scalar for each network to be trained, in the paper's order of updates."""

    def monitors(self) -> dict[str, float]:
        """Numbers worth watching, of the last step's batch."""
        return {}

    def row_weights(self, source: Source) -> Tensor | None:
        """Weight that each training row of a source has in the policy's loss, (N,); None where every row counts alike.

        For the report, which asks the finished learner: what did the training see?
        """
        del source
        return None

    @abc.abstractmethod
    def act(self, observations: np.ndarray) -> np.ndarray:
        """Deterministic actions (N, A) in the action's units, for observations (N, S) in SI."""

    @abc.abstractmethod
    def negative_log_likelihood(self, source: Source) -> Tensor:
        """Of each held-out row of the source, (M,), in nats; the action measured in half widths of its range."""

    def held_out(self) -> dict[str, float]:
        """Scores on the held-out episodes; ``score`` is what the best checkpoint minimises."""
        sources = [self.problem.sources[name] for name in self.imitated]
        values = held_out_scores(sources, self.negative_log_likelihood, self.act)
        return {"score": values["nll"], **values} if values else {}

    def evaluated(self, values: Mapping[str, float]) -> None:  # noqa: B027 (most methods do not look back)
        """Told what ``held_out`` gave, after every evaluation."""

    @abc.abstractmethod
    def policy_weights(self) -> PolicyWeights:
        """The policy's deterministic action as plain arrays."""

    def state(self) -> dict[str, Any]:
        """A copy of everything that the next step depends on."""
        state = {
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        }
        return {**copy.deepcopy(state), "generator": self.generator.get_state(), "steps": self.steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes back to what ``state`` returned, bit for bit."""
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        restore_generator(self.generator, state["generator"])
        self.steps = int(state["steps"])


def held_out_scores(
    sources: Sequence[Source],
    negative_log_likelihood: Callable[[Source], Tensor],
    act: Callable[[np.ndarray], np.ndarray],
) -> dict[str, float]:
    """Negative log-likelihood and squared error on held-out rows: mean over episodes, then over sources.

    Neighbouring rows are near-duplicates, so an episode counts once however long it is, and a source once however many
    episodes it has.

    Returns:
        ``nll`` [nats], ``mse`` [squared action units, mean over dimensions], and both for each source when there are
        several; empty without held-out rows.
    """
    each = {}
    for source in sources:
        if len(source.held_out):
            likelihood = negative_log_likelihood(source).cpu().numpy().astype(np.float64)
            error = np.square(act(source.held_out_observations) - source.held_out_actions).mean(axis=1)
            means = (_episode_mean(values, source.held_out_episode) for values in (likelihood, error))
            each[source.name] = dict(zip(("nll", "mse"), means, strict=True))
    if not each:
        return {}
    values = {key: float(np.mean([scores[key] for scores in each.values()])) for key in ("nll", "mse")}
    if len(sources) > 1:
        values |= {f"{key}_{name}": scores[key] for name, scores in each.items() for key in ("nll", "mse")}
    return values


def _episode_mean(values: np.ndarray, episode: np.ndarray) -> float:
    _, index = np.unique(episode, return_inverse=True)
    return float((np.bincount(index, weights=values) / np.bincount(index)).mean())
