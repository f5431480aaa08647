"""How steps are taken: one after the other on the CPU; captured once and replayed, several seeds at a time, on a GPU.

A step of these networks is a few hundred small operations. A GPU does each in a few microseconds, and Python takes
longer than that to ask for it; so the step is recorded as a CUDA graph, and every further step is one request. One seed
leaves most of a GPU idle, for the networks are small: several learners of one method are recorded as parallel branches
of one graph. Each has its own networks, its own batches and its own random numbers, and what it computes is what it
would compute alone. Losses are summed where they arise and read when somebody looks.
"""

from __future__ import annotations

import abc
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robot_il.learning.learner import Learner
from robot_il.learning.replayed import Replayed

PLAIN, CAPTURED = "plain", "captured"
KEPT_GRAPHS = 8
"""The recording that was used least recently gives way: each holds the memory of its intermediate results."""


class Losses(NamedTuple):
    """What one network's loss was since somebody last asked.

    Attributes:
        total: sum over the steps in which the network moved.
        steps: how many these are.
        worst: the loss of largest size, its sign lost where it was found on a GPU; not finite where any was not.
    """

    total: float
    steps: int
    worst: float


class Stepper(abc.ABC):
    """Takes steps with learners that are on one device.

    Attributes:
        how: for a person, how steps are taken.
        immediate: whether losses can be read after every step at no cost.
    """

    how: str
    immediate: bool

    def step(self, learners: Sequence[Learner]) -> None:
        """One step with each."""
        for learner in learners:
            learner.before_step()
        self._move(learners)
        for learner in learners:
            learner.steps += 1

    @abc.abstractmethod
    def _move(self, learners: Sequence[Learner]) -> None: ...

    @abc.abstractmethod
    def losses(self, learner: Learner) -> dict[str, Losses]:
        """Of a learner, by network, since this was last asked."""


class PlainStepper(Stepper):
    """One learner after the other, and every loss at once."""

    how = PLAIN
    immediate = True

    def __init__(self) -> None:
        self._last: dict[int, dict[str, Losses]] = {}

    def _move(self, learners: Sequence[Learner]) -> None:
        for learner in learners:
            values = {name: loss.item() for name, loss in learner.move().items()}
            self._last[id(learner)] = {name: Losses(value, 1, value) for name, value in values.items()}

    def losses(self, learner: Learner) -> dict[str, Losses]:
        """See ``Stepper``."""
        return self._last.pop(id(learner), {})


class _Tally:
    """Losses of one learner that arise together, summed where they are."""

    def __init__(self, names: tuple[str, ...], device: torch.device) -> None:
        self.names = names
        self._total = torch.zeros(len(names), dtype=torch.float64, device=device)
        self._worst = torch.zeros(len(names), device=device)
        self.count = 0

    def add(self, losses: Sequence[Tensor]) -> None:
        values = torch.stack([loss.detach() for loss in losses])
        self._total += values
        torch.maximum(self._worst, values.abs(), out=self._worst)  # which hands on what is no number

    def read(self) -> dict[str, Losses]:
        sums = zip(self.names, self._total.tolist(), self._worst.tolist(), strict=True)
        found = {name: Losses(total, self.count, worst) for name, total, worst in sums}
        self._total.zero_()
        self._worst.zero_()
        self.count = 0
        return found


class _Recording:
    """A step of certain learners, as long as what decides about it does not change."""

    def __init__(self, learners: Sequence[Learner], branches: Sequence[Any], tallies: dict[Hashable, _Tally]) -> None:
        self._learners, self._branches, self._tallies = learners, branches, tallies
        generators = [learner.generator for learner in learners]
        self.replayed = Replayed(self._move_all, learners[0].device, generators)
        self._used: list[_Tally] = []
        self._seen: list[dict[str, Any]] = []

    def __call__(self) -> None:
        self.replayed()
        for learner, seen in zip(self._learners, self._seen, strict=True):
            learner.seen = seen
        for tally in self._used:
            tally.count += 1

    def _move_all(self) -> None:
        """All learners beside each other: the branches leave the present stream here and join it again at the end."""
        self._used, self._seen = [], []
        if not self._branches:
            for learner in self._learners:
                self._move_one(learner)
            return
        present, branches = torch.cuda.current_stream(), self._branches[: len(self._learners)]
        for learner, branch in zip(self._learners, branches, strict=True):
            branch.wait_stream(present)
            with torch.cuda.stream(branch):
                self._move_one(learner)
        for branch in branches:
            present.wait_stream(branch)

    def _move_one(self, learner: Learner) -> None:
        losses = learner.move()
        key = (id(learner), *losses)
        if key not in self._tallies:
            self._tallies[key] = _Tally(tuple(losses), learner.device)
        self._tallies[key].add(list(losses.values()))
        self._used.append(self._tallies[key])
        self._seen.append(learner.seen)


class BranchingStepper(Stepper):
    """All learners as branches of one recorded step; where a method's step cannot be recorded, as it is.

    Args:
        learners: of one method, all that will ever take steps here.
    """

    immediate = False

    def __init__(self, learners: Sequence[Learner]) -> None:
        first = learners[0]
        self.how = planned_stepping(type(first), first.device)
        streams = len(learners) if first.device.type == "cuda" and len(learners) > 1 else 0
        self._branches = [torch.cuda.Stream() for _ in range(streams)]
        self._tallies: dict[Hashable, _Tally] = {}
        self._recordings: OrderedDict[Hashable, _Recording] = OrderedDict()

    def _move(self, learners: Sequence[Learner]) -> None:
        key = tuple((id(learner), learner.capture_key()) for learner in learners)
        if key not in self._recordings:
            recording = _Recording(list(learners), self._branches, self._tallies)
            if self.how != CAPTURED:
                recording.replayed.forbid()
            self._recordings[key] = recording
            while len(self._recordings) > KEPT_GRAPHS:
                self._recordings.popitem(last=False)
        self._recordings.move_to_end(key)
        self._recordings[key]()
        if self._recordings[key].replayed.refused:
            self.how = f"eager: {self._recordings[key].replayed.refused}"

    def losses(self, learner: Learner) -> dict[str, Losses]:
        """See ``Stepper``."""
        found: dict[str, Losses] = {}
        for key, tally in self._tallies.items():
            if key[0] != id(learner) or not tally.count:  # type: ignore[index]
                continue
            for name, more in tally.read().items():
                one = found.get(name, Losses(0.0, 0, 0.0))
                worst = more.worst if not more.worst <= one.worst else one.worst
                found[name] = Losses(one.total + more.total, one.steps + more.steps, worst)
        return found


def planned_stepping(learner: type[Learner], device: torch.device) -> str:
    """How steps of such a learner will be taken there, for a person."""
    if device.type != "cuda":
        return PLAIN
    return f"eager: {learner.not_captured}" if learner.not_captured else CAPTURED


def stepper_for(learners: Sequence[Learner]) -> Stepper:
    """What suits their device."""
    return BranchingStepper(learners) if learners[0].device.type == "cuda" else PlainStepper()
