"""Small datasets of a linearised wheeled pendulum at 200 Hz, driven by a noise-free or a sloppy state feedback."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from robot_il.learning.dataset import Channel, Dataset, save_dataset
from robot_il.learning.environment import Actor, Environment, Experience
from robot_il.learning.episodes import Episode, assemble
from robot_il.spec import SPEC_HASH, WHEEL_TORQUE
from robot_il.tasks import TASKS

PERIOD_S = 0.005
GAIN = np.array([[40.0, 8.0, 4.0, 8.0]])
"""Feedback in N m per (rad, rad/s, m, m/s); with ``DYNAMICS`` its closed loop is stable."""
DYNAMICS = np.eye(4) + PERIOD_S * np.array(
    [[0.0, 1.0, 0.0, 0.0], [30.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [-3.0, 0.0, 0.0, 0.0]]
)
INPUT = PERIOD_S * np.array([[0.0], [-4.0], [0.0], [1.0]])
UNITS = ("rad", "rad/s", "m", "m/s")
FALL_RAD = 0.5
EPISODES = {"expert": 5, "suboptimal": 5}


def drive(random: np.random.Generator, rows: int, sloppiness: float) -> tuple[np.ndarray, np.ndarray]:
    """States (rows + 1, 4) and torques (rows, 1) from a random start; ``sloppiness`` 0 is the exact feedback."""
    state = random.normal(size=4) * [0.03, 0.1, 0.05, 0.1]
    states, torques, seen, wander = [state], [], [state] * 6, 0.0
    for _ in range(rows):
        wander += sloppiness * (-0.02 * wander + 0.1 * random.normal())
        acted_on = seen[-6] if sloppiness else state
        torque = np.clip((0.8 if sloppiness else 1.0) * (GAIN @ acted_on) + wander, -8, 8)
        state = DYNAMICS @ state + INPUT @ torque + sloppiness * 1e-3 * random.normal(size=4)
        states.append(state)
        seen.append(state)
        torques.append(torque)
    return np.array(states), np.array(torques)


def pendulum_dataset(
    episodes: Mapping[str, int] = EPISODES, rows: int = 60, seed: int = 0, task: str = "stand"
) -> Dataset:
    """So many episodes of so many rows for each label; the last one of each label is held out."""
    random = np.random.default_rng(seed)
    driven = []
    for label, count in episodes.items():
        for index in range(count):
            states, torques = drive(random, rows, 0.0 if label == "expert" else 1.0)
            driven.append(
                Episode(
                    label=label,
                    source=f"{label}-{index}.mcap",
                    source_sha256="0" * 64,
                    observations=states[:-1].astype(np.float32),
                    actions=torques.astype(np.float32),
                    next_observations=states[1:].astype(np.float32),
                    terminated=False,
                    step=np.arange(rows, dtype=np.int32),
                    side=index > 0 and index == count - 1,
                )
            )
    names = TASKS[task].observation
    return assemble(
        driven,
        task=task,
        observation=[Channel(name, unit) for name, unit in zip(names, UNITS, strict=True)],
        action=[Channel(WHEEL_TORQUE.name, WHEEL_TORQUE.unit, WHEEL_TORQUE.low, WHEEL_TORQUE.high)],
        period_s=PERIOD_S,
        seed=seed,
        action_source="sent",
        spec_hash=SPEC_HASH,
    )


def pendulum_environment(dataset: Dataset) -> Environment:
    """The pendulum to drive in, with a fall at 0.5 rad and the noise-free feedback as the oracle."""
    del dataset
    return Environment("linear pendulum", feedback, drive_pendulum)


def feedback(observations: np.ndarray) -> np.ndarray:
    """The oracle."""
    return np.clip(observations @ GAIN.T, -8, 8).astype(np.float32)


def drive_pendulum(actor: Actor, episodes: int, seed: int, steps: int) -> Experience:
    """See ``Collect``."""
    random = np.random.default_rng(seed)
    parts = []
    for _ in range(episodes):
        state = random.normal(size=4) * [0.03, 0.1, 0.05, 0.1]
        states, torques = [state], []
        while len(torques) < steps and abs(states[-1][0]) <= FALL_RAD:
            torques.append(np.clip(actor(states[-1].astype(np.float32)), -8, 8))
            states.append(DYNAMICS @ states[-1] + INPUT @ torques[-1] + 1e-3 * random.normal(size=4))
        seen, fell = np.array(states, dtype=np.float32), np.zeros(len(torques), dtype=bool)
        fell[-1] = abs(states[-1][0]) > FALL_RAD
        acted = np.array(torques, dtype=np.float32)
        parts.append(Experience(seen[:-1], acted, seen[1:], fell, np.zeros(len(acted), dtype=np.int32)))
    return Experience.join(*parts)


def saved(folder: Path, **arguments) -> Path:
    """The folder of such a dataset."""
    save_dataset(folder, pendulum_dataset(**arguments))
    return folder
