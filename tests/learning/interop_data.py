"""Datasets with everything that an export could lose, for the tests of the formats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from robot_il.learning.dataset import Dataset
from robot_il.learning.importers import Split, import_npz
from tests.learning.recordings import episode, made_dataset


def timed(part, seed=0):
    """The episode with the times of a clock that jitters."""
    steps = 5000 + np.random.default_rng(seed).integers(-40, 40, len(part))
    return replace(part, time_us=np.cumsum(steps) - steps[0])


def whole_dataset(with_time: bool = True) -> Dataset:
    """Three labels, falls, both sides of the split, episodes cut into blocks, and numbers that are hard to write."""
    parts = [episode(25 + i, "expert", i, terminated=i % 2 == 0) for i in range(5)]
    parts += [episode(120, "undesirable", 7, terminated=True), episode(22, "unlabeled", 8)]
    hard = np.array([-0.0, 1e-45, np.finfo(np.float32).max, 1 / 3], np.float32)
    parts[0].observations[3] = parts[0].next_observations[2] = hard
    parts[1].actions[4] = np.float32(0.1)
    if with_time:
        parts = [timed(part, index) for index, part in enumerate(parts)]
    return made_dataset(*parts)


def drawn_dataset(folder) -> Dataset:
    """Rows drawn at random from episodes, as benchmarks have them: almost none follows another."""
    random = np.random.default_rng(3)
    states = random.normal(size=(4, 31, 3)).astype(np.float32)
    chosen = np.sort(random.permutation(120)[:70])
    content = {
        "observations": states[:, :-1].reshape(-1, 3),
        "actions": random.uniform(-2, 2, (120, 2)).astype(np.float32),
        "next_observations": states[:, 1:].reshape(-1, 3),
        "episode": np.repeat(np.arange(4), 30),
        "step": np.tile(np.arange(30), 4),
        "meta": np.array('{"dt": 0.02}'),
    }
    content |= {name: array[chosen] for name, array in content.items() if name != "meta"}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "drawn.npz", **content)
    return import_npz(folder / "drawn.npz", Split())
