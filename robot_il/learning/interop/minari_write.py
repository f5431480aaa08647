"""A dataset as Minari's folder: HDF5, one group an episode (Farama Minari, dataset standards of version 0.5)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from robot_il.errors import DataError
from robot_il.learning.dataset import Channel, Dataset
from robot_il.learning.interop.card import CARD, card_text
from robot_il.learning.interop.d4rl_file import NO_REWARDS
from robot_il.learning.interop.files import new_folder
from robot_il.learning.interop.runs import Run, runs_of, with_last
from robot_il.learning.progress import Progress

MINARI_VERSION = "0.5.0"
"""Whose layout is written; every later 0.5 reads it."""
DATA = "data"
MAIN = "main_data.hdf5"
METADATA = "metadata.json"
IDENTIFIER = re.compile(r"[-_\w]+-v\d+", re.ASCII)


def write_minari(dataset: Dataset, path: Path, progress: Progress) -> list[str]:
    """Writes the folder of the dataset called ``path.name``; in ``$MINARI_DATASETS_PATH`` it loads by that name.

    Args:
        dataset: what to write.
        path: the new folder; its name is the dataset's, and ends in a version: ``stand-v0``.
        progress: told after every episode.

    Returns:
        What a reader of Minari misses; importing the folder again loses nothing.

    Raises:
        DataError: ``path`` is there already, or its name is none that Minari allows.
    """
    if not IDENTIFIER.fullmatch(path.name):
        raise DataError("a name with a version, as stand-v0", repr(path.name), f"--out {path}-v0")
    runs = runs_of(dataset)
    losses = [NO_REWARDS, *_split_losses(dataset, runs)]
    if dataset.time_us is not None:
        losses.append("infos/time_s is NaN for each episode's last observation: no row begins there")
    with new_folder(path) as folder:
        data = folder / DATA
        data.mkdir()
        with h5py.File(data / MAIN, "w", track_order=True) as file:
            for index, run in enumerate(runs):
                _write_episode(file.create_group(f"episode_{index}"), index, dataset, run)
                progress.show("episodes", index + 1, len(runs))
        (data / CARD).write_text(card_text(dataset, losses), encoding="utf-8")
        metadata = _metadata(dataset, path.name, len(runs))
        metadata["dataset_size"] = round(sum(entry.stat().st_size for entry in data.iterdir()) / 1e6, 1)
        (data / METADATA).write_text(json.dumps(metadata), encoding="utf-8")
    return losses


def _split_losses(dataset: Dataset, runs: Sequence[Run]) -> list[str]:
    count = len(dataset.info.episodes)
    if len(runs) == count:
        return []
    return [f"{count} episodes appear as {len(runs)}, for their rows do not all follow each other"]


def _write_episode(group: h5py.Group, index: int, dataset: Dataset, run: Run) -> None:
    rows, count = slice(run.start, run.stop), run.stop - run.start
    record = dataset.info.episodes[run.episode]
    fell = dataset.terminals[rows]
    arrays = {
        "observations": with_last(dataset, run),
        "actions": dataset.actions[rows],
        "rewards": np.full(count, np.nan),
        "terminations": fell,
        "truncations": (np.arange(count) == count - 1) & ~fell,
        "infos/step": np.append(dataset.step[rows], dataset.step[run.stop - 1] + 1),
    }
    if dataset.time_us is not None:
        arrays["infos/time_s"] = np.append(dataset.time_us[rows] * 1e-6, np.nan)
    for name, array in arrays.items():
        group.create_dataset(name, data=array)
    group.attrs.update(
        {
            "id": index,
            "total_steps": count,
            "label": record.label,
            "held_out": record.held_out,
            "source": record.source,
            "robot_il_episode": run.episode,
            "robot_il_last": run.last,
        }
    )


def _metadata(dataset: Dataset, identifier: str, episodes: int) -> dict[str, Any]:
    info = dataset.info
    return {
        "total_episodes": episodes,
        "total_steps": len(dataset),
        "data_format": "hdf5",
        "observation_space": _box(info.observation),
        "action_space": _box(info.action),
        "dataset_id": identifier,
        "minari_version": MINARI_VERSION,
        "algorithm_name": info.task or "imported",
        "description": _description(info.observation, info.action, info.period_s),
        "author": ["robot-il"],
    }


def _description(observation: Sequence[Channel], action: Sequence[Channel], period_s: float) -> str:
    observed, acted = (", ".join(f"{part.name} [{part.unit}]" for part in parts) for parts in (observation, action))
    rate = f", {1 / period_s:.6g} Hz" if period_s else ""
    return f"Observations: {observed}. Actions: {acted}{rate}. Nobody recorded a reward: rewards are NaN."


def _box(channels: Sequence[Channel]) -> str:
    """A Gymnasium box, as Minari serialises it; without limits where there are none."""
    bounds = [
        [-np.inf if channel.low is None else channel.low for channel in channels],
        [np.inf if channel.high is None else channel.high for channel in channels],
    ]
    low, high = (np.array(bound, np.float32).astype(float).tolist() for bound in bounds)
    return json.dumps({"type": "Box", "dtype": "float32", "shape": [len(channels)], "low": low, "high": high})
