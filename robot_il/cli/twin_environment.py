"""The lock-step twin as the environment of a training run: the robot's own firmware, protocol, loop and guard.

Never the robot itself: what drives here is a policy that has not been proven yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robot_il.control.controllers import LinearController, target
from robot_il.control.device import State
from robot_il.control.lqr import lqr_gain
from robot_il.errors import ConfigError, TrainingError
from robot_il.learning.build import ACTION_SOURCES, CONTROLLER, REPORTED_NEXT
from robot_il.learning.dataset import Dataset
from robot_il.learning.environment import Actor, Environment, Experience
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_PERIOD_S, TICK_DTYPE, TORQUE_LIMIT_NM, WHEEL_TORQUE
from robot_il.tasks import TASKS, Task, find_task, is_task
from sim.ride import TRAINING_DRAWS


def twin_environment(dataset: Dataset, robot: str = "reference") -> Environment:
    """The twin that fits a dataset, with the robot's LQR as the oracle.

    Args:
        dataset: of one of the robot's tasks.
        robot: name or path of the robot profile.

    Raises:
        ConfigError: the data are not this robot's, or there is no such profile.
    """
    info = dataset.info
    if not is_task(info.task):
        raise ConfigError(
            f"a dataset of a task of the robot ({', '.join(TASKS)}), which the twin can drive and the LQR can label",
            f"a dataset of {info.task or 'imported data'!r}",
            "choose a method that needs no environment (robot-il train --list), or rollouts=model where it has that",
        )
    task = find_task(info.task)
    seen, done = tuple(channel.name for channel in info.observation), tuple(channel.name for channel in info.action)
    if seen != task.observation or done != (WHEEL_TORQUE.name,):
        raise ConfigError(
            f"columns {', '.join(task.observation)} and {WHEEL_TORQUE.name}",
            f"{', '.join(seen)} and {', '.join(done)}",
            "build the dataset from logs with robot-il dataset build",
        )
    profile = load_robot(robot)
    action = info.action_source or "sent"
    oracle = LqrOracle(lqr_gain(profile, task), task)
    collector = TwinCollector(robot, task, action)
    return Environment(f"twin of {profile.name}, {task.name}", oracle, collector, collector.at)


@dataclass(frozen=True, eq=False)
class LqrOracle:
    """The LQR's torque at every observation, within the limits.

    Attributes:
        gain: shape (S,).
        task: names the target.
    """

    gain: np.ndarray
    task: Task

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """Torques (N, 1) in N m for observations (N, S)."""
        torque = -(observations.astype(np.float64) - target(self.task)) @ self.gain
        return torque.clip(-TORQUE_LIMIT_NM, TORQUE_LIMIT_NM).astype(np.float32)[:, None]


@dataclass(frozen=True)
class TwinCollector:
    """Drives in the lock-step twin, as ``robot-il evaluate`` does, from draws of its own.

    Attributes:
        robot: name or path of the robot profile.
        task: what is to be done; its limits end an episode.
        action: key of ``ACTION_SOURCES``: which link of the action chain is recorded.
        difficulty: of the episodes, see ``sim.curriculum``; 1 draws them as an evaluation does.
    """

    robot: str
    task: Task
    action: str
    difficulty: float = 1.0

    def at(self, progress: float) -> TwinCollector:
        """The same, as hard as a curriculum has it after this share of the training, 0 to 1."""
        from sim.curriculum import difficulty_at

        return replace(self, difficulty=difficulty_at(progress))

    def __call__(self, actor: Actor, episodes: int, seed: int, steps: int) -> Experience:
        """See ``Collect``."""
        draws = np.random.default_rng([seed]).integers(TRAINING_DRAWS, size=episodes)
        return Experience.join(*(self._episode(actor, TRAINING_DRAWS + int(draw), steps) for draw in draws))

    def _episode(self, actor: Actor, draw: int, steps: int) -> Experience:
        from robot_il.cli.rollout import Rollout
        from sim.curriculum import eased

        rollout = Rollout(self.robot, self.task, steps * CONTROL_PERIOD_S)
        fallback = LinearController(lqr_gain(rollout.robot, self.task), self.task)
        driver, sink = _Driver(actor, self.task), _Ticks()
        conditions = eased(rollout.conditions(draw), self.difficulty, rollout.robot)
        result = rollout.run(driver, fallback, conditions, draw, sink)
        if driver.failure:
            raise TrainingError(
                "a finite action within the action's range", driver.failure, "look at the run's metrics: it diverged"
            )
        return self._experience(sink.ticks(), fell=not result.survived)

    def _experience(self, ticks: np.ndarray, *, fell: bool) -> Experience:
        """The transitions of the ticks that the actor drove; the tick after the last one is where it led."""
        driven = np.flatnonzero((ticks["source"] == CONTROLLER) & (ticks["sent_seq"] > 0))
        driven = driven[driven + 1 < len(ticks)]
        seen = np.stack([ticks[name] for name in self.task.observation], axis=1)
        total = np.sum([ticks[name].astype(np.float64) for name in ACTION_SOURCES[self.action]], axis=0)
        terminated = np.zeros(len(driven), dtype=bool)
        terminated[-1:] = fell
        return Experience(
            observations=seen[driven],
            actions=total[driven + int(self.action in REPORTED_NEXT), None].astype(np.float32),
            next_observations=seen[driven + 1],
            terminated=terminated,
            episode=np.zeros(len(driven), dtype=np.int32),
        )


class _Driver:
    """An actor as a controller; what it does wrong is kept for the error."""

    def __init__(self, actor: Actor, task: Task) -> None:
        self.identity: dict[str, Any] = {"name": "policy in training", "task": task.name}
        self.intent = math.nan
        self.failure = ""
        self._actor = actor
        self._task = task

    def reset(self) -> None:
        """Nothing to forget."""

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        observation = np.array([getattr(state, name) for name in self._task.observation], dtype=np.float32)
        try:
            torque = float(self._actor(observation)[0])
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
            raise
        if not math.isfinite(torque):
            self.failure = f"{torque} N m for {dict(zip(self._task.observation, observation.tolist(), strict=True))}"
        return torque


class _Ticks:
    """A sink that keeps the rows."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []

    def tick(self, row: bytes) -> None:
        """Keeps the row."""
        self._rows.append(row)

    def event(self, name: str, **detail: object) -> None:
        """Drops the event."""

    def hand(self, row: bytes) -> None:
        """Drops the row."""

    def ticks(self) -> np.ndarray:
        """(T,) TICK_DTYPE."""
        return np.frombuffer(b"".join(self._rows), dtype=TICK_DTYPE)
