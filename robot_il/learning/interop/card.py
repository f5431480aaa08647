"""What every export carries of its dataset, so that importing it again gives the very same one, proved by its hash."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from robot_il import __version__
from robot_il.errors import DataError
from robot_il.learning.column_map import Column, ColumnMap
from robot_il.learning.dataset import (
    COLUMNS,
    MAX_MANIFEST_BYTES,
    OPTIONAL_COLUMNS,
    Channel,
    Dataset,
    DatasetInfo,
    content_hash,
    info_of,
    manifest_of,
)
from robot_il.learning.importers import Split, import_arrays
from robot_il.spec import LABELS

CARD = "robot_il.json"
"""Name of the card where it is a file of its own."""
CHANGED = "an export of robot-il that was changed since: read as anyone's data, with its names, units and labels"
ASKED = "an export of robot-il, read as anyone's data because a label or a map was named"


@dataclass(frozen=True, eq=False)
class Found:
    """What a reader took out of a file.

    Attributes:
        path: the file or folder.
        arrays: R rows each, under the names that ``import_arrays`` knows.
        meta: what the source says about itself, as JSON values.
        columns: names, units and limits of the columns; None where the source names none.
        card: the card of an export of ours; None in anyone else's file.
        notes: what was left out, for a person.
    """

    path: Path
    arrays: dict[str, np.ndarray]
    meta: dict[str, Any] = field(default_factory=dict)
    columns: ColumnMap | None = None
    card: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()


def card_text(dataset: Dataset, losses: Sequence[str]) -> str:
    """The card of an export.

    Args:
        dataset: what is exported.
        losses: what the format cannot hold, or needs and was not measured; one sentence each.
    """
    card = {"written_by": f"robot-il {__version__}", "losses": list(losses), "dataset": manifest_of(dataset)}
    return json.dumps(card, sort_keys=True, allow_nan=False)


def read_card(text: bytes, path: Path) -> dict[str, Any]:
    """The card in the bytes of its JSON text.

    Raises:
        DataError: longer than ``MAX_MANIFEST_BYTES``, or no card.
    """
    try:
        if len(text) > MAX_MANIFEST_BYTES:
            raise ValueError(f"more than {MAX_MANIFEST_BYTES} bytes")
        card = json.loads(text)
        if not isinstance(card, dict) or not isinstance(card.get("dataset"), dict):
            raise ValueError("no description of a dataset")
        _check_channels(card["dataset"])
    except ValueError as error:
        raise DataError(f"a card of robot-il in {path}", str(error), f"delete {CARD} to read the rest") from error
    return card


def _check_channels(manifest: dict[str, Any]) -> None:
    """Refuses what could not name the columns of anyone's data either."""
    if not isinstance(manifest.get("meta", {}), dict):
        raise ValueError("meta that is no object")
    period = manifest.get("period_s")
    if not isinstance(period, int | float) or not 0 <= period < math.inf:
        raise ValueError(f"period_s {period!r}"[:80])
    for key in ("observation", "action"):
        channels = manifest.get(key)
        if not isinstance(channels, list) or not channels or not all(isinstance(part, dict) for part in channels):
            raise ValueError(f"no list of {key} signals")
        for part in channels:
            texts = all(isinstance(part.get(name), str) for name in ("name", "unit"))
            limits = all(isinstance(part.get(name), int | float | None) for name in ("low", "high"))
            if not (texts and limits):
                raise ValueError(f"a signal of {key} without name, unit or numbers as limits")


def read_card_file(folder: Path) -> dict[str, Any] | None:
    """The card beside the data of an export; None where there is none.

    Raises:
        DataError: it is there and is no card.
    """
    path = folder / CARD
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return read_card(file.read(MAX_MANIFEST_BYTES + 1), path)


def dataset_of(found: Found, choice: Split, columns: ColumnMap | None, restore: bool) -> Dataset:
    """The dataset in what was read.

    Args:
        found: what was read.
        choice: label and split of anyone else's data.
        columns: the person's own map; takes the place of the source's names.
        restore: an unchanged export of ours becomes the dataset that it was, with its own labels and split.

    Raises:
        DataError: arrays that do not fit together, or hold a NaN.
    """
    if found.card is None:
        notes = [*found.notes, *_rounded(found.arrays)]
        return import_arrays(found.path, found.arrays, found.meta, choice, columns or found.columns, notes)
    original = _restored(found) if restore and columns is None else None
    if original is not None:
        return original
    labels = _known_labels(found.arrays) if restore else {}
    plain = {name: array for name, array in found.arrays.items() if name != "label"}
    own = columns or found.columns or _named_columns(found.card["dataset"])
    notes = [*found.notes, CHANGED if restore and columns is None else ASKED]
    return import_arrays(found.path, {**plain, **labels}, found.meta, choice, own, notes)


def _rounded(arrays: dict[str, np.ndarray]) -> list[str]:
    wide = [name for name in ("observations", "actions") if arrays[name].dtype == np.float64]
    return [f"{' and '.join(wide)} rounded from float64 to float32"] if wide else []


def _restored(found: Found) -> Dataset | None:
    """The dataset that was exported; None where the numbers are no longer those that its hash covers."""
    manifest = (found.card or {})["dataset"]
    try:
        info = info_of(manifest)
        counts = np.array([record.rows for record in info.episodes], dtype=np.int64)
        if (counts < 0).any() or counts.sum() != len(found.arrays["observations"]):
            return None
        columns = {name: found.arrays[name] for name in COLUMNS if name in found.arrays}
        columns |= {name: found.arrays[name] for name in OPTIONAL_COLUMNS if name in manifest["columns"]}
        columns |= _episode_columns(info, counts)
        columns = {name: _as_stored(name, array) for name, array in columns.items()}
        if content_hash(columns, info) != info.hash:
            return None
        return Dataset(**columns, info=info)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _as_stored(name: str, array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype={**COLUMNS, **OPTIONAL_COLUMNS}[name][0])


def _episode_columns(info: DatasetInfo, counts: np.ndarray) -> dict[str, np.ndarray]:
    """The columns that the list of episodes already tells."""
    return {
        "episode": np.repeat(np.arange(len(counts)), counts),
        "label": np.repeat([LABELS.index(record.label) for record in info.episodes], counts),
        "held_out": np.repeat([record.held_out for record in info.episodes], counts),
    }


def _known_labels(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    label = arrays.get("label")
    if label is None or label.dtype.kind not in "iu" or not label.size:
        return {}
    return {"label": label} if np.isin(label, np.arange(len(LABELS))).all() else {}


def _named_columns(manifest: dict[str, Any]) -> ColumnMap | None:
    try:
        info = info_of(manifest)
    except (KeyError, TypeError, AttributeError):
        return None
    return column_map(info.observation, info.action, info.period_s)


def column_map(observation: Sequence[Channel], action: Sequence[Channel], period_s: float) -> ColumnMap:
    """A map that takes the columns of arrays as they stand and names them.

    Args:
        observation: one a column.
        action: one a column, with their limits where they are known.
        period_s: time between rows, in s; 0 where it is not known.
    """
    return ColumnMap(
        observation=tuple(Column(index, channel.name, channel.unit) for index, channel in enumerate(observation)),
        action=tuple(
            Column(index, channel.name, channel.unit, low=channel.low, high=channel.high)
            for index, channel in enumerate(action)
        ),
        period_s=period_s or None,
    )


def labels_of(names: Sequence[str]) -> np.ndarray:
    """(R,) int64 index into ``spec.LABELS`` of each name; -1 for what is no label."""
    known = {name: index for index, name in enumerate(LABELS)}
    return np.array([known.get(name, -1) for name in names], dtype=np.int64)
