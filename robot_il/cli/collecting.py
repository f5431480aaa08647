"""Records episodes of the lock-step twin side by side in processes: one log each, the same for any number of them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robot_il.cli.demonstrators import DEMONSTRATORS
from robot_il.cli.rollout import Rollout
from robot_il.cli.side_by_side import side_by_side
from robot_il.control.controllers import Controller, LinearController
from robot_il.control.lqr import lqr_gain
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from sim.conditions import Conditions, sample_conditions
from sim.lockstep import LockstepLink
from sim.twin import Twin

UNLIMITED = 1e9
"""Stands in the log for a limit that is off; JSON knows no infinity."""


@dataclass(frozen=True)
class Collection:
    """What is to be recorded; small and picklable.

    Attributes:
        rollout: robot, task and length.
        demonstrator: name of who drives, see ``demonstrators.py``.
        label: quality of the demonstrations.
        folder: of the logs.
    """

    rollout: Rollout
    demonstrator: str
    label: str
    folder: Path

    def path(self, seed: int) -> Path:
        """Log of one episode; there once the episode is complete, and not before."""
        return self.folder / f"{self.rollout.task.name}-{self.demonstrator}-{seed:06d}.mcap"


@dataclass(frozen=True)
class Collected:
    """One episode.

    Attributes:
        path: its log.
        seconds: how long it was driven; None where the log was there already.
        end: ``survived``, or why it ended early.
    """

    path: Path
    seconds: float | None = None
    end: str = ""


def collect(collection: Collection, seeds: Sequence[int], workers: int | None) -> list[Collected]:
    """Records an episode for every seed whose log is not there yet.

    Args:
        collection: what.
        seeds: of the demonstrator, the conditions and the twin's noise.
        workers: processes; None for one a core.

    Raises:
        ConfigError: the robot profile cannot be used.
        LogError: a log cannot be written.
    """
    collection.folder.mkdir(parents=True, exist_ok=True)
    record = functools.partial(record_seed, collection)
    return list(side_by_side(record, seeds, workers, "recorded", chunk=1))


def record_seed(collection: Collection, seed: int) -> Collected:
    """Records the episode of one seed, under conditions drawn from it."""
    path, rollout = collection.path(seed), collection.rollout
    if path.exists():
        return Collected(path)
    controller = DEMONSTRATORS[collection.demonstrator](lqr_gain(rollout.robot, rollout.task), rollout.task, seed)
    conditions = sample_conditions(rollout.task, seed, rollout.robot.mass_kg)
    return record_episode(rollout, controller, collection.label, conditions, seed, path)


def record_episode(
    rollout: Rollout, controller: Controller, label: str, conditions: Conditions, seed: int, path: Path
) -> Collected:
    """Records one episode; nothing helps the one who drives.

    Args:
        rollout: robot, task and length.
        controller: drives.
        label: quality of the demonstration.
        conditions: of the episode.
        seed: of the twin's noise.
        path: the log.
    """
    fallback = LinearController(lqr_gain(rollout.robot, rollout.task), rollout.task)
    session = Session(
        task=rollout.task.name,
        label=label,
        controller=controller.identity,
        device={"port": "lock-step twin"},
        config={
            "robot": rollout.robot_name,
            "seconds": rollout.seconds,
            "seed": seed,
            "conditions": dataclasses.asdict(conditions),
            "fallback": fallback.identity,
            "limits": {name: min(value, UNLIMITED) for name, value in dataclasses.asdict(rollout.limits).items()},
        },
        synthetic=bool(controller.identity.get("synthetic", False)),
    )
    _begin_anew(path)
    with Recorder(path, session, lossless=True) as recorder:

        def line(twin: Twin) -> LockstepLink:
            link = LockstepLink(twin)
            recorder.follow(link.clock)  # events and ticks are on one clock, the simulated one
            return link

        episode = rollout.run(controller, fallback, conditions, seed, recorder, line)
    return Collected(path, episode.seconds, episode.end)


def _begin_anew(path: Path) -> None:
    """Removes what a killed process left of this very episode; it is recorded again, bit for bit."""
    for leftover in path.parent.glob(f"{path.name}.*"):
        leftover.unlink()
