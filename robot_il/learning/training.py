"""One run from its first step to its summary: looks at held-out episodes, checkpoints, notices divergence, chooses."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from robot_il.errors import RobotIlError, TrainingError
from robot_il.learning.algorithms.linear import LinearConfig, LinearLearner
from robot_il.learning.early_stopping import EarlyStopping
from robot_il.learning.learner import Learner
from robot_il.learning.progress import Progress
from robot_il.learning.runs import RunFolder, write_json, write_tensors
from robot_il.learning.stepping import Losses, Stepper, stepper_for

LARGEST_LOSS = 1e8
"""A mean loss beyond this, in either direction, is a divergence: no likelihood of O(1) quantities comes near it."""


class _StoppedError(Exception):
    """Asked to stop where there is nothing yet to checkpoint."""


class Training:
    """One run under way.

    Attributes:
        learner: at work.
        summary: when it is complete.
        error: what ended it.
    """

    def __init__(
        self, learner: Learner, run: RunFolder, plan: Mapping[str, Any], progress: Progress, stop: Callable[[], bool]
    ) -> None:
        self.learner, self._run, self._plan = learner, run, plan
        self.summary: dict[str, Any] | None = None
        self.error: RobotIlError | None = None
        self._stopped = False
        self._progress, self._stop = progress, stop
        self._config = learner.config
        self._stopping = EarlyStopping(self._config.patience_steps, self._config.patience_share)
        self._best: dict[str, Any] = {}
        self._sums: dict[str, float] = {}
        self._summed: dict[str, int] = {}
        self._seconds_before = 0.0
        self._began = time.monotonic()

    @property
    def goes_on(self) -> bool:
        """Whether there are steps left to take; writes the summary when it finds that there are none."""
        if self._stopped or self.error is not None or self.summary is not None:
            return False
        exhausted = self._exhausted()
        if self.learner.steps < self._config.steps and not exhausted:
            return True
        self.summary = self._finish("held-out" if exhausted else "steps")
        return False

    def begin(self) -> None:
        """Everything before the first step."""
        try:
            self._begin()
        except _StoppedError:
            self._stopped = True
        except RobotIlError as error:
            self.error = error

    def took_step(self, stepper: Stepper) -> None:
        """Everything after a step."""
        try:
            self._look(stepper)
        except RobotIlError as error:
            self.error = error

    def _look(self, stepper: Stepper) -> None:
        step, config, asked_to_stop = self.learner.steps, self._config, self._stop()
        due = step % config.evaluate_every == 0 or step == config.steps
        if stepper.immediate or due or asked_to_stop:
            self._add(stepper.losses(self.learner))
        if due:
            self._evaluate()
            if step % config.checkpoint_every == 0:
                self._checkpoint()
        if asked_to_stop:
            self._checkpoint()
            self._stopped = True

    def took_steps_otherwise(self, how: str) -> None:
        """Notes that steps were not taken as ``config.json`` says."""
        self._plan = {**self._plan, "stepping": how}
        self._run.amend({"stepping": how})

    def _begin(self) -> None:
        """From the checkpoint, or from pretraining and a look at what it gave."""
        state = self._run.load_checkpoint()
        if state is not None:
            self._restore(state)
            return
        self.learner.prepare(self._pretraining)
        self._note("held_out", self.learner.held_out())
        self._checkpoint()

    def _pretraining(self, what: str, done: int, most: int) -> None:
        self._progress.show(f"pretraining: {what}", done, most)
        if self._stop():
            raise _StoppedError

    def _exhausted(self) -> bool:
        step, every = self.learner.steps, self._config.evaluate_every
        return step > 0 and step % every == 0 and self._stopping.exhausted(step)

    def _add(self, losses: Mapping[str, Losses]) -> None:
        for name, loss in losses.items():
            self._require_sane(f"the loss of {name}", loss.worst)
            self._sums[name] = self._sums.get(name, 0.0) + loss.total
            self._summed[name] = self._summed.get(name, 0) + loss.steps

    def _evaluate(self) -> None:
        learner, step = self.learner, self.learner.steps
        means = {f"loss_{name}": value / self._summed[name] for name, value in self._sums.items()}
        self._sums, self._summed = {}, {}
        self._note("train", means | learner.monitors())
        values = learner.held_out()
        for name, value in values.items():
            self._require_sane(f"the held-out {name}", value)
        self._note("held_out", values)
        learner.evaluated(values)
        if self._config.patience_steps == 0 or self._stopping.improved(step, values["score"]):
            modules = {name: copy.deepcopy(module.state_dict()) for name, module in learner.modules.items()}
            self._best = {"step": step, "modules": modules}
        looks, rest = divmod(step, self._config.evaluate_every)
        if rest == 0 and looks & (looks - 1) == 0:
            self._keep()
        text = f"held-out nll {values['nll']:.3f}, best at {self._best['step']}" if values else ""
        self._progress.show(self._plan["method"], step, self._config.steps, text)

    def _keep(self) -> None:
        if self._config.keep_policies:
            self._run.keep_policy(self.learner.steps, self.learner.policy_weights())

    def _require_sane(self, what: str, value: float) -> None:
        if math.isfinite(value) and abs(value) <= LARGEST_LOSS:
            return
        watched = ", ".join(f"{name} {number:.3g}" for name, number in self.learner.monitors().items())
        checkpoint = self._run.path / "checkpoints" / "last.pt"
        raise TrainingError(
            f"{what} below {LARGEST_LOSS:.0e}",
            f"{value:.3g} at step {self.learner.steps}" + (f" ({watched})" if watched else ""),
            f"try a smaller learning rate, or look for outliers in the data; the last good checkpoint is {checkpoint}",
        )

    def _note(self, split: str, values: Mapping[str, float]) -> None:
        if values:
            seconds = round(self._seconds(), 3)
            self._run.append_metrics({"step": self.learner.steps, "split": split, "seconds": seconds, **values})

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began

    def _checkpoint(self) -> None:
        self._run.save_checkpoint(
            {
                "learner": self.learner.state(),
                "stopping": self._stopping.state(),
                "best": self._best,
                "sums": self._sums,
                "summed": self._summed,
                "seconds": self._seconds(),
            }
        )

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.learner.restore(state["learner"])
        self._stopping.restore(state["stopping"])
        self._best = dict(state["best"])
        self._sums, self._summed = dict(state["sums"]), dict(state["summed"])
        self._seconds_before = float(state["seconds"])

    def _finish(self, reason: str) -> dict[str, Any]:
        """Goes back to the best networks and writes what a reader of the run wants."""
        self._checkpoint()
        self._keep()
        learner, run = self.learner, self._run
        for name, module in learner.modules.items():
            module.load_state_dict(self._best["modules"][name])
        write_tensors(run.path / "checkpoints" / "best.pt", self._best)
        learner.policy_weights().save(run.path / "policy.npz")
        info = asdict(learner.problem.dataset.info)
        episodes = info.pop("episodes")
        summary = {
            "method": self._plan["method"],
            "chosen_step": self._best["step"],
            "steps": learner.steps,
            "stop_reason": reason,
            "held_out": learner.held_out(),
            "baseline": baseline_scores(learner),
            "parameters": {
                name: sum(part.numel() for part in module.parameters()) for name, module in learner.modules.items()
            },
            "seconds": round(self._seconds(), 3),
            "rows": {
                name: {"train": len(source.train), "held_out": len(source.held_out)}
                for name, source in learner.problem.sources.items()
            },
            "dataset": info | {"episodes": len(episodes)},
        }
        write_json(run.path / "summary.json", summary)
        return summary


def run_together(trainings: Sequence[Training]) -> None:
    """Trains until each has its summary, its error, or was stopped.

    Args:
        trainings: one, or several seeds of one method with the same settings, on one device.
    """
    for training in trainings:
        training.begin()
    stepper = stepper_for([training.learner for training in trainings])
    planned = stepper.how
    while active := [training for training in trainings if training.goes_on]:
        stepper.step([training.learner for training in active])
        if stepper.how != planned:
            planned = stepper.how
            for training in trainings:
                training.took_steps_otherwise(planned)
        for training in active:
            training.took_step(stepper)


def baseline_scores(learner: Learner) -> dict[str, float]:
    """Held-out scores of least squares, fitted to the rows that the learner imitates and judged on the same ones."""
    linear = LinearLearner(LinearConfig(), learner.problem, 0)
    linear.imitated = learner.imitated
    linear.step()
    return linear.held_out()
