"""Trains any registered method on any dataset, or goes on with a run: what is asked for is checked and set up here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from robot_il.errors import ConfigError, DataError, RobotIlError
from robot_il.learning.config import MethodConfig
from robot_il.learning.dataset import Dataset, load_dataset
from robot_il.learning.devices import CPU, choose_device
from robot_il.learning.environment import (
    EXPERT_ACTIONS,
    Environment,
    MakeEnvironment,
    expert_actions_file,
)
from robot_il.learning.learner import Method
from robot_il.learning.numerics import fastest_accurate_precision, keep_freed_memory, reproducible_torch
from robot_il.learning.pairs_file import PAIRS_NAME, PairsFile, pairs_of_run
from robot_il.learning.problem import Problem
from robot_il.learning.progress import Progress
from robot_il.learning.registry import find_method
from robot_il.learning.runs import RunFolder, code_identity, refuse_existing
from robot_il.learning.stepping import planned_stepping
from robot_il.learning.training import Training, run_together
from robot_il.spec import SPEC_HASH


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
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one. A run that is resumed stays on its kind of
            device under ``auto``, where that is there; on another it goes on with other random numbers.
        precision: torch's matmul precision, for measuring what it does; None takes the fastest that is accurate.
    """

    method: str
    dataset: Path
    out: Path
    seed: int | None = None
    settings: Mapping[str, str] | None = None
    resume: bool = False
    pairs: Path | None = None
    device: str = "cpu"
    precision: str | None = None


class Result(NamedTuple):
    """What became of a job.

    Attributes:
        summary: of a complete run; None where it was stopped before its end.
        error: what ended it.
    """

    summary: dict[str, Any] | None = None
    error: RobotIlError | None = None


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
    (result,) = train_together([job], progress, stop, make_environment)
    if result.error is not None:
        raise result.error
    return result.summary


def train_together(
    jobs: Sequence[Job],
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
    make_environment: MakeEnvironment | None = None,
) -> list[Result]:
    """Several seeds of one method, a step of each at a time; on a GPU as parallel branches of one recorded step.

    What one comes to is what it would alone, and what becomes of one does not concern the others.

    Args:
        jobs: which differ in seed and folder alone.
        progress: see ``train``.
        stop: likewise; asked after every step of every seed.
        make_environment: likewise.
    """
    results: dict[int, Result] = {}
    trainings: dict[int, Training] = {}
    keep_freed_memory()
    with ExitStack() as numerics:
        for position, job in enumerate(jobs):
            try:
                setup = _Setup.of(job, make_environment)
                if setup.finished is not None:
                    results[position] = Result(setup.finished)
                    continue
                if not trainings:
                    numerics.enter_context(reproducible_torch(setup.plan["matmul_precision"]))
                trainings[position] = setup.training(progress or Progress(), stop)
            except RobotIlError as error:
                results[position] = Result(error=error)
        if trainings:
            run_together(list(trainings.values()))
    ended = {position: Result(training.summary, training.error) for position, training in trainings.items()}
    return [(results | ended)[position] for position in range(len(jobs))]


@dataclass(frozen=True, eq=False)
class _Setup:
    """A job, checked against its data and, on resuming, against what its run was begun as."""

    job: Job
    method: Method
    config: MethodConfig
    plan: dict[str, Any]
    dataset: Dataset
    run: RunFolder | None
    pairs: PairsFile | None
    device: torch.device
    environment: Environment | None = None
    finished: dict[str, Any] | None = None

    @classmethod
    def of(cls, job: Job, make_environment: MakeEnvironment | None) -> _Setup:
        method = find_method(job.method)
        config = method.config.parse(job.settings or {})
        if job.seed is not None and not 0 <= job.seed < 2**32:
            raise ConfigError("a seed in 0 to 2^32 - 1", str(job.seed), "choose another with --seed")
        device = choose_device(job.device) if method.learner.uses_device else CPU
        if not job.resume:
            refuse_existing(job.out)
        dataset = load_dataset(job.dataset)
        _require_this_spec(dataset, job)
        pairs = _named_pairs(job, config)
        plan = _plan(job, config, dataset.info.hash, pairs, device)
        run = RunFolder.open(job.out) if job.resume else None
        if run is not None:
            config, plan = _continued(run, job, plan)
            pairs = pairs_of_run(run)
            device = _device_again(job, plan, device)
            if device.type != plan.get("device", "cpu"):
                plan = plan | {"matmul_precision": fastest_accurate_precision(device)}
            finished = run.summary()
            if finished is not None and (finished["stop_reason"] != "steps" or finished["steps"] >= config.steps):
                return cls(job, method, config, plan, dataset, run, pairs, device, finished=finished)
        environment = make_environment(dataset) if make_environment and config.needs_environment() else None
        plan = _with_environment(plan, environment)
        return cls(job, method, config, plan, dataset, run, pairs, device, environment)

    def training(self, progress: Progress, stop: Callable[[], bool]) -> Training:
        """Ready to begin, with its folder made."""
        config, environment, pairs = self.config, self.environment, self.pairs
        problem = Problem.build(
            self.dataset,
            config.sources(),
            drop_falls=self.method.learner.drop_falls,
            environment=environment,
            preferences=pairs.preferences(self.dataset) if pairs else None,
            device=self.device,
        )
        learner = self.method.learner(config, problem, self.plan["seed"])
        if config.patience_steps:
            problem.require_held_out(learner.imitated)
        files = {PAIRS_NAME: pairs.content} if pairs else {}
        if environment is not None:
            files[EXPERT_ACTIONS] = expert_actions_file(environment, self.dataset)
        run = self.run or RunFolder.create(self.job.out, self.plan, files)
        return Training(learner, run, self.plan, progress, stop)


def _require_this_spec(dataset: Dataset, job: Job) -> None:
    """Refuses what would end in a policy that no robot of this spec takes; foreign data has no spec.

    Raises:
        DataError: recordings of another spec.
    """
    theirs = dataset.info.spec_hash
    if theirs and theirs != SPEC_HASH:
        came = f"{job.dataset} of spec {theirs[:12]}"
        raise DataError(f"a dataset of spec {SPEC_HASH[:12]}", came, "build it again from its logs with this version")


def _device_again(job: Job, plan: Mapping[str, Any], chosen: torch.device) -> torch.device:
    """On resuming: the run's own kind of device, unless another is asked for or it is not there."""
    return CPU if job.device == "auto" and plan.get("device", "cpu") == "cpu" else chosen


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


def _plan(
    job: Job, config: MethodConfig, dataset_hash: str, pairs: PairsFile | None, device: torch.device
) -> dict[str, Any]:
    """Content of ``config.json``."""
    named = {"pairs": {"path": str(pairs.path), "sha256": pairs.sha256}} if pairs else {}
    return named | {
        "method": job.method,
        "settings": config.as_dict(),
        "seed": job.seed or 0,
        "dataset": {"path": str(job.dataset), "hash": dataset_hash},
        "code": code_identity(),
        "torch": torch.__version__,
        "device": device.type,
        "stepping": planned_stepping(find_method(job.method).learner, device),
        "matmul_precision": job.precision or fastest_accurate_precision(device),
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
