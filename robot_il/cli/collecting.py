"""Records episodes of the lock-step twin side by side in processes: one log each, the same for any number of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robot_il.cli.arguments import check_place
from robot_il.cli.demonstrators import DEMONSTRATORS
from robot_il.cli.episode_log import EpisodeLog, remove_unfinished
from robot_il.cli.rollout import Rollout
from robot_il.cli.side_by_side import side_by_side
from robot_il.control.controllers import Controller
from robot_il.control.lqr import lqr_law
from robot_il.errors import ConfigError, LogError
from robot_il.recording.reader import read_log
from robot_il.recording.session import Session
from sim.conditions import Conditions
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
        ConfigError: the robot profile cannot be used, or the folder cannot be written to.
        LogError: a log cannot be written.
    """
    return collect_all([(collection, seed) for seed in seeds], workers)


def collect_all(episodes: Sequence[tuple[Collection, int]], workers: int | None) -> list[Collected]:
    """Records those episodes, each a collection and a seed of it, whose logs are not there yet; as ``collect``."""
    for path in {collection.folder: collection.path(seed) for collection, seed in episodes}.values():
        check_place(path, make_folder=True)
    return list(side_by_side(_record, episodes, workers, "recorded", chunk=1))


def _record(episode: tuple[Collection, int]) -> Collected:
    return record_seed(*episode)


def record_seed(collection: Collection, seed: int) -> Collected:
    """Records the episode of one seed, under conditions drawn from it.

    Raises:
        ConfigError: its log is there, but of another robot, engine or length.
        LogError: it cannot be written.
    """
    path, rollout = collection.path(seed), collection.rollout
    if path.exists():
        return _kept(path, rollout)
    who = DEMONSTRATORS[collection.demonstrator]
    if who.firmware is not None:
        rollout = dataclasses.replace(rollout, firmware=who.firmware(rollout.robot, rollout.task))
    controller = who.controller(rollout.robot, rollout.task, seed)
    try:
        return record_episode(rollout, controller, collection.label, rollout.conditions(seed), seed, path)
    except LogError:
        if path.exists():  # a process that outlived a killed command was at the same episode, and first
            return _kept(path, rollout)
        raise


def _kept(path: Path, rollout: Rollout) -> Collected:
    """An episode that is there already, where it is one of the same kind.

    Raises:
        ConfigError: it is of another robot, engine or length.
    """
    kept = read_log(path).session.config
    for name, wanted in (("robot", rollout.robot_name), ("engine", rollout.engine), ("seconds", rollout.seconds)):
        if kept.get(name, wanted) != wanted:
            came = f"{path} with {name} {kept[name]}"
            raise ConfigError(f"episodes with {name} {wanted} in that folder", came, "choose another --out")
    return Collected(path)


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
        path: the log; what a killed process left of it is removed.

    Raises:
        LogError: it exists, or cannot be written.
    """
    fallback = lqr_law(rollout.robot, rollout.task)
    session = Session(
        task=rollout.task.name,
        label=label,
        controller=controller.identity,
        device={"port": "lock-step twin"},
        config={
            "robot": rollout.robot_name,
            "engine": rollout.engine,
            "seconds": rollout.seconds,
            "seed": seed,
            "conditions": dataclasses.asdict(conditions),
            "fallback": fallback.identity,
            "limits": {name: min(value, UNLIMITED) for name, value in dataclasses.asdict(rollout.limits).items()},
        },
        synthetic=bool(controller.identity.get("synthetic", False)),
    )
    remove_unfinished(path)
    log = EpisodeLog(path, session)

    def line(twin: Twin) -> LockstepLink:
        link = LockstepLink(twin)
        log.follow(link.clock)  # events and ticks are on one clock, the simulated one
        return link

    try:
        episode = rollout.run(controller, fallback, conditions, seed, log, line)
        log.finish()
    except OSError as error:
        log.discard()
        raise LogError(
            f"to write {path}", error.strerror or str(error), "make room on the disk, run it again"
        ) from error
    except BaseException:
        log.discard()
        raise
    return Collected(path, episode.seconds, episode.end)
