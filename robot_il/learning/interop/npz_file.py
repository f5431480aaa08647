"""A dataset as one npz archive of D4RL-style arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.learning.dataset import Dataset
from robot_il.learning.importers import archive_meta, read_archive
from robot_il.learning.interop.card import Found, card_text, read_card
from robot_il.learning.interop.files import new_file
from robot_il.learning.progress import Progress

CARD_ARRAY = "robot_il"
"""The card's JSON text as bytes: an array of characters would take four times the room."""


def write_npz(dataset: Dataset, path: Path, progress: Progress) -> list[str]:
    """Writes every column, ``meta`` with the period, and the card; returns what is lost, which is nothing.

    Raises:
        DataError: ``path`` is there already.
    """
    del progress  # numpy writes it in one go
    meta = {**dataset.info.meta, **({"dt": dataset.info.period_s} if dataset.info.period_s else {})}
    card = np.frombuffer(card_text(dataset, []).encode(), np.uint8)
    arrays: dict[str, Any] = {**dataset.columns(), "meta": np.array(json.dumps(meta)), CARD_ARRAY: card}
    with new_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    return []


def read_npz(path: Path, progress: Progress) -> Found:
    """The arrays of an archive.

    Raises:
        DataError: no archive of plain arrays, or without ``observations`` and ``actions``.
    """
    del progress
    arrays = read_archive(path, extra=("label", "time_us", CARD_ARRAY))
    meta = archive_meta(arrays)
    text = arrays.pop(CARD_ARRAY, None)
    card = None if text is None or text.dtype != np.uint8 else read_card(text.tobytes(), path)
    if card is None:
        # in anyone else's archive these names may mean anything
        arrays.pop("label", None)
        arrays.pop("time_us", None)
    return Found(path, arrays, meta, card=card)
