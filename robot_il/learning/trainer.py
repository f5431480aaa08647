"""Trains any registered method: steps, looks at held-out episodes, checkpoints, resumes, notices divergence."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from robot_il.errors import ConfigError, TrainingError
from robot_il.learning.algorithms.linear import LinearConfig, LinearLearner
from robot_il.learning.config import MethodConfig
from robot_il.learning.dataset import load_dataset
from robot_il.learning.early_stopping import EarlyStopping
from robot_il.learning.environment import (
    EXPERT_ACTIONS,
    Environment,
    MakeEnvironment,
    expert_actions_file,
)
from robot_il.learning.learner import Learner
from robot_il.learning.numerics import fastest_accurate_precision, keep_freed_memory, reproducible_torch
from robot_il.learning.pairs_file import PAIRS_NAME, PairsFile, pairs_of_run
from robot_il.learning.problem import Problem
from robot_il.learning.progress import Progress
from robot_il.learning.registry import find_method
from robot_il.learning.runs import RunFolder, code_identity, refuse_existing, write_json, write_tensors

LARGEST_LOSS = 1e8
"""A mean loss beyond this, in either direction, is a divergence: no likelihood of O(1) quantities comes near it."""


@dataclass(frozen=True)
class Job:
    """What a person asked for.

    Attributes:
        method: name in the registry.
        dataset: its folder.
        out: the run's folder.
        seed: of everything random; None is 0 for a new run and the run's own on resuming.
        settings: words that differ from the defaults.
        resume: go on with ``out`` instead of starting anew.
        pairs: a file of preference pairs, for a method that takes them; the run keeps a copy and resumes from that.
    """

    method: str
    dataset: Path
    out: Path
    seed: int | None = None
    settings: Mapping[str, str] | None = None
    resume: bool = False
    pairs: Path | None = None


def train(
    job: Job,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
    make_environment: MakeEnvironment | None = None,
) -> dict[str, Any] | None:
    """Trains, or goes on training.

    Args:
        job: what to do.
        progress: where to show how it goes.
        stop: asked after every step; True leaves a checkpoint and ends.
        make_environment: asked for an environment that fits the dataset, for a method that needs one.

    Returns:
        The run's summary, or None when stopped before the end: then ``resume`` goes on where it stopped.

    Raises:
        ConfigError: a setting, or a folder that is there already or is no such run.
        DataError: a dataset without the rows that the method needs.
        TrainingError: the training diverged; the last good checkpoint stays.
    """
    method = find_method(job.method)
    config = method.config.parse(job.settings or {})
    if job.seed is not None and not 0 <= job.seed < 2**32:
        raise ConfigError("a seed in 0 to 2^32 - 1", str(job.seed), "choose another with --seed")
    if not job.resume:
        refuse_existing(job.out)
    dataset = load_dataset(job.dataset)
    pairs = _named_pairs(job, config)
    plan = _plan(job, config, dataset.info.hash, pairs)
    run = RunFolder.open(job.out) if job.resume else None
    if run is not None:
        config, plan = _continued(run, job, plan)
        pairs = pairs_of_run(run)
        finished = run.summary()
        if finished is not None and (finished["stop_reason"] != "steps" or finished["steps"] >= config.steps):
            return finished
    environment = make_environment(dataset) if make_environment and config.needs_environment() else None
    plan = _with_environment(plan, environment)
    problem = Problem.build(
        dataset,
        config.sources(),
        drop_falls=method.learner.drop_falls,
        environment=environment,
        preferences=pairs.preferences(dataset) if pairs else None,
    )
    keep_freed_memory()
    with reproducible_torch(plan["matmul_precision"]):
        learner = method.learner(config, problem, plan["seed"])
        if config.patience_steps:
            problem.require_held_out(learner.imitated)
        files = {PAIRS_NAME: pairs.content} if pairs else {}
        if environment is not None:
            files[EXPERT_ACTIONS] = expert_actions_file(environment, dataset)
        run = run or RunFolder.create(job.out, plan, files)
        return _Training(learner, run, plan, progress or Progress(), stop).run()


def _named_pairs(job: Job, config: MethodConfig) -> PairsFile | None:
    """What ``job.pairs`` names.

    Raises:
        ConfigError: the method takes none.
        DataError: the file cannot be read.
    """
    if job.pairs is None:
        return None
    if not config.takes_preferences():
        raise ConfigError(
            "a method that needs preferences", f"{job.method} with --pairs", "leave --pairs out, or see --list"
        )
    return PairsFile.read(job.pairs)


def _plan(job: Job, config: MethodConfig, dataset_hash: str, pairs: PairsFile | None) -> dict[str, Any]:
    """Content of ``config.json``."""
    named = {"pairs": {"path": str(pairs.path), "sha256": pairs.sha256}} if pairs else {}
    return named | {
        "method": job.method,
        "settings": config.as_dict(),
        "seed": job.seed or 0,
        "dataset": {"path": str(job.dataset), "hash": dataset_hash},
        "code": code_identity(),
        "torch": torch.__version__,
        "matmul_precision": fastest_accurate_precision(),
    }


def _continued(run: RunFolder, job: Job, plan: Mapping[str, Any]) -> tuple[MethodConfig, dict[str, Any]]:
    """The config and plan of a run to go on with, after checking that it is the one meant.

    Raises:
        ConfigError: method, seed, settings, dataset or pairs are others than the run's.
    """
    stored = run.config()
    given = {key: plan["settings"][key] for key in job.settings or {} if key != "steps"}
    sides = [("method", stored["method"], job.method), ("dataset", stored["dataset"]["hash"], plan["dataset"]["hash"])]
    sides += [(key, stored["settings"].get(key), value) for key, value in given.items()]
    if job.seed is not None:
        sides.append(("seed", stored["seed"], job.seed))
    if job.pairs is not None:
        sides.append(("pairs", stored.get("pairs", {}).get("sha256"), plan["pairs"]["sha256"]))
    for name, before, now in sides:
        if before != now:
            raise ConfigError(
                f"{name} {before}, as {run.path} was begun", str(now), "start a new run, or leave that option out"
            )
    config = find_method(job.method).config.from_dict(stored["settings"])
    if "steps" in (job.settings or {}):
        config = replace(config, steps=plan["settings"]["steps"])
    return config, stored


def _with_environment(plan: dict[str, Any], environment: Environment | None) -> dict[str, Any]:
    """The plan with the environment's name.

    Raises:
        ConfigError: the run was begun in another.
    """
    if environment is None:
        return plan
    begun = plan.get("environment", environment.name)
    if begun != environment.name:
        raise ConfigError(f"the environment {begun!r}, as the run was begun", repr(environment.name), "give that robot")
    return plan | {"environment": environment.name}


class _StoppedError(Exception):
    """Asked to stop where there is nothing yet to checkpoint."""


class _Training:
    """One run under way."""

    def __init__(
        self, learner: Learner, run: RunFolder, plan: Mapping[str, Any], progress: Progress, stop: Callable[[], bool]
    ) -> None:
        self._learner, self._run, self._plan = learner, run, plan
        self._progress, self._stop = progress, stop
        self._config = learner.config
        self._stopping = EarlyStopping(self._config.patience_steps, self._config.patience_share)
        self._best: dict[str, Any] = {}
        self._sums: dict[str, float] = {}
        self._summed: dict[str, int] = {}
        self._seconds_before = 0.0
        self._began = time.monotonic()

    def run(self) -> dict[str, Any] | None:
        """Until the end or a stop; see ``train``."""
        try:
            self._begin()
        except _StoppedError:
            return None
        learner, config = self._learner, self._config
        while learner.steps < config.steps and not self._exhausted():
            self._add(learner.step())
            if learner.steps % config.evaluate_every == 0 or learner.steps == config.steps:
                self._evaluate()
                if learner.steps % config.checkpoint_every == 0:
                    self._checkpoint()
            if self._stop():
                self._checkpoint()
                return None
        return self._finish("held-out" if self._exhausted() else "steps")

    def _begin(self) -> None:
        """From the checkpoint, or from pretraining and a look at what it gave."""
        state = self._run.load_checkpoint()
        if state is not None:
            self._restore(state)
            return
        self._learner.prepare(self._pretraining)
        self._note("held_out", self._learner.held_out())
        self._checkpoint()

    def _pretraining(self, what: str, done: int, most: int) -> None:
        self._progress.show(f"pretraining: {what}", done, most)
        if self._stop():
            raise _StoppedError

    def _exhausted(self) -> bool:
        step, every = self._learner.steps, self._config.evaluate_every
        return step > 0 and step % every == 0 and self._stopping.exhausted(step)

    def _add(self, losses: Mapping[str, float]) -> None:
        for name, value in losses.items():
            self._require_sane(f"the loss of {name}", value)
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._summed[name] = self._summed.get(name, 0) + 1

    def _evaluate(self) -> None:
        learner, step = self._learner, self._learner.steps
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
            self._run.keep_policy(self._learner.steps, self._learner.policy_weights())

    def _require_sane(self, what: str, value: float) -> None:
        if math.isfinite(value) and abs(value) <= LARGEST_LOSS:
            return
        watched = ", ".join(f"{name} {number:.3g}" for name, number in self._learner.monitors().items())
        checkpoint = self._run.path / "checkpoints" / "last.pt"
        raise TrainingError(
            f"{what} below {LARGEST_LOSS:.0e}",
            f"{value:.3g} at step {self._learner.steps}" + (f" ({watched})" if watched else ""),
            f"try a smaller learning rate, or look for outliers in the data; the last good checkpoint is {checkpoint}",
        )

    def _note(self, split: str, values: Mapping[str, float]) -> None:
        if values:
            seconds = round(self._seconds(), 3)
            self._run.append_metrics({"step": self._learner.steps, "split": split, "seconds": seconds, **values})

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began

    def _checkpoint(self) -> None:
        self._run.save_checkpoint(
            {
                "learner": self._learner.state(),
                "stopping": self._stopping.state(),
                "best": self._best,
                "sums": self._sums,
                "summed": self._summed,
                "seconds": self._seconds(),
            }
        )

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._learner.restore(state["learner"])
        self._stopping.restore(state["stopping"])
        self._best = dict(state["best"])
        self._sums, self._summed = dict(state["sums"]), dict(state["summed"])
        self._seconds_before = float(state["seconds"])

    def _finish(self, reason: str) -> dict[str, Any]:
        """Goes back to the best networks and writes what a reader of the run wants."""
        self._checkpoint()
        self._keep()
        learner, run = self._learner, self._run
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


def baseline_scores(learner: Learner) -> dict[str, float]:
    """Held-out scores of least squares, fitted to the rows that the learner imitates and judged on the same ones."""
    linear = LinearLearner(LinearConfig(), learner.problem, 0)
    linear.imitated = learner.imitated
    linear.step()
    return linear.held_out()
