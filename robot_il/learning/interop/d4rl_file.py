"""A dataset as one flat HDF5 file, as D4RL lays it out (Fu et al. 2020, arXiv:2004.07219)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from robot_il.errors import DataError
from robot_il.learning.dataset import Dataset
from robot_il.learning.importers import REQUIRED
from robot_il.learning.interop.card import Found, card_text, read_card
from robot_il.learning.interop.files import Budget, new_file
from robot_il.learning.interop.hdf5 import member, numbers, open_hdf5
from robot_il.learning.progress import Progress

CARD_PATH = "metadata/robot_il"
PLAIN = ("observations", "actions", "next_observations", "terminals", "timeouts")
INFOS = ("episode", "step", "label", "held_out", "time_us")
"""Columns of ours that D4RL has no place for but ``infos``."""
NO_REWARDS = "rewards are NaN: none were recorded"


def write_d4rl(dataset: Dataset, path: Path, progress: Progress) -> list[str]:
    """Writes the arrays, ``infos/*`` for the rest, names and units as attributes, and the card.

    Returns:
        What a reader of D4RL misses; importing the file again loses nothing.

    Raises:
        DataError: ``path`` is there already.
    """
    del progress  # a few large arrays, as fast as the disk
    columns, losses = dataset.columns(), [NO_REWARDS]
    card = np.frombuffer(card_text(dataset, losses).encode(), np.uint8)
    with new_file(path) as temporary, h5py.File(temporary, "w") as file:
        for name in PLAIN:
            file.create_dataset(name, data=columns[name])
        file.create_dataset("rewards", data=np.full(len(dataset), np.nan, np.float32))
        for name in INFOS:
            if name in columns:
                file.create_dataset(f"infos/{name}", data=columns[name])
        file.create_dataset(CARD_PATH, data=card)
        for name, channels in (("observations", dataset.info.observation), ("actions", dataset.info.action)):
            file[name].attrs["names"] = [channel.name for channel in channels]
            file[name].attrs["units"] = [channel.unit for channel in channels]
    return losses


def read_d4rl(path: Path, progress: Progress) -> Found:
    """The flat arrays of a D4RL file; of anyone else's, ``rewards`` and ``infos`` are left out.

    Raises:
        DataError: not such a file.
    """
    del progress
    budget = Budget(path)
    with open_hdf5(path) as file:
        arrays = {name: array for name in PLAIN if (array := numbers(file, name, budget)) is not None}
        if not set(REQUIRED) <= set(arrays):
            raise DataError(
                f"arrays {', '.join(REQUIRED)} in {path}",
                ", ".join(list(file)[:20]) or "none",
                "name a D4RL file; a Minari dataset is imported with --format minari",
            )
        card = _card(file, path, budget)
        infos = member(file, "infos")
        if card and isinstance(infos, h5py.Group):
            arrays |= {name: array for name in INFOS if (array := numbers(infos, name, budget)) is not None}
    notes = () if card else ("rewards and infos left out",)
    return Found(path, arrays, {"source": path.name}, card=card, notes=notes)


def _card(file: h5py.File, path: Path, budget: Budget) -> dict[str, Any] | None:
    metadata = member(file, "metadata")
    text = numbers(metadata, "robot_il", budget) if isinstance(metadata, h5py.Group) else None
    return None if text is None else read_card(text.astype(np.uint8).tobytes(), path)
