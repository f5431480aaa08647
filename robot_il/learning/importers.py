"""Foreign arrays (a D4RL-style npz, or read from another format) to a dataset."""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.errors import DataError
from robot_il.learning.column_map import Column, ColumnMap, action_channels
from robot_il.learning.dataset import Channel, Dataset
from robot_il.learning.episodes import Episode, assemble, split
from robot_il.spec import LABELS

MAX_FILE_BYTES = 8 * 2**30
MAX_META_CHARACTERS = 2**20
REQUIRED = ("observations", "actions")


@dataclass(frozen=True)
class Split:
    """How a foreign recording is labelled and split; as ``learning.build.Request``.

    Attributes:
        label: of all its episodes.
        held_out_fraction: share to keep from training, in [0, 1).
        seed: of the split.
    """

    label: str = "expert"
    held_out_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.held_out_fraction < 1:
            raise DataError("a held-out fraction in [0, 1)", f"{self.held_out_fraction}", "correct --held-out-fraction")


def import_npz(path: Path, choice: Split, columns: ColumnMap | None = None) -> Dataset:
    """Reads ``observations``, ``actions`` and, where there, ``next_observations terminals timeouts episode step meta``.

    Rows need not be consecutive when ``next_observations`` are given: each row is a transition of its own, and the
    episodes only decide the split. Without ``next_observations`` they are the next row's observation, and the last row
    of each episode, whose next observation is unknown, is dropped. Without ``episode``, an episode ends with a
    terminal or a timeout.

    Args:
        path: the archive, read without pickle.
        choice: label and split.
        columns: names, units and scales of the columns; ``obs0``, ``act0``, ... of unit 1 without.

    Raises:
        DataError: not such an archive, arrays that do not fit, or a NaN, named by array and row.
    """
    arrays = read_archive(path)
    return import_arrays(path, arrays, archive_meta(arrays), choice, columns)


def import_arrays(
    path: Path,
    arrays: dict[str, np.ndarray],
    meta: dict[str, Any],
    choice: Split,
    columns: ColumnMap | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """A dataset of the arrays that ``import_npz`` names, wherever they were read.

    Beside those, ``label`` (index into ``spec.LABELS``) sets the label of each episode in place of the choice's, and
    ``time_us`` is kept.

    Args:
        path: the file they came from.
        arrays: of R rows each.
        meta: what the source says about itself, as JSON values.
        choice: label and split.
        columns: see ``import_npz``.
        notes: for a person, put in front of those of the split.

    Raises:
        DataError: arrays that do not fit, or a NaN, named by array and row.
    """
    check_arrays(path, arrays)
    rows = len(arrays["observations"])
    order, episode, step = _order(arrays, rows)
    columns = columns or _plain_columns(arrays)
    data = {"terminals": _flag(arrays, "terminals", rows)[order]}
    data.update({name: arrays[name].reshape(rows)[order] for name in ("label", "time_us") if name in arrays})
    for name in ("observations", "actions", "next_observations"):
        if name in arrays:
            of_array = columns.action if name == "actions" else columns.observation
            data[name] = _numbers(arrays[name], of_array, f"{name} in {path}")[order]
    episodes, remarks = _episodes(data, episode, step, choice.label, path)
    period_s = columns.period_s or float(meta.get("dt", 0.0))
    parts, split_notes = split(episodes, choice.held_out_fraction, choice.seed, period_s)
    return assemble(
        parts,
        task="",
        observation=[Channel(column.name, column.unit) for column in columns.observation],
        action=action_channels(columns.action, episodes, unit_box=bool({"env", "d4rl_min"} & set(meta))),
        period_s=period_s,
        seed=choice.seed,
        notes=[*notes, *remarks, *split_notes],
        meta=meta,
    )


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes, or of the names and hashes of all files in a folder, as 64 hex digits."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listing = "".join(f"{sha256_of_file(file)} {file.relative_to(path).as_posix()}\n" for file in files)
        return hashlib.sha256(listing.encode()).hexdigest()
    return sha256_of_file(path)


def sha256_of_file(path: Path) -> str:
    """Hash of a file's bytes, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_archive(path: Path, extra: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of an npz that are of use, read without pickle.

    Args:
        path: the archive.
        extra: names to read beside those that ``import_npz`` knows.

    Raises:
        DataError: not such an archive, or without observations or actions.
    """
    wanted = (*REQUIRED, "next_observations", "terminals", "timeouts", "episode", "step", "meta", *extra)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_FILE_BYTES:
            raise ValueError(f"{size} bytes unpacked, more than {MAX_FILE_BYTES}")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            found = list(archive.files)
            arrays = {name: archive[name] for name in wanted if name in found}
    except (OSError, ValueError, EOFError, KeyError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError("an npz archive of plain arrays", f"{path}: {error}", "name such a file") from error
    if not set(REQUIRED) <= set(arrays):
        raise DataError(f"arrays {', '.join(REQUIRED)} in {path}", ", ".join(found) or "none", "rename its arrays so")
    return arrays


def check_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Refuses arrays of different numbers of rows, or of anything but numbers.

    Args:
        path: the file they came from.
        arrays: by name; ``meta`` is left aside.

    Raises:
        DataError: naming the array.
    """
    rows = arrays["observations"].shape[0] if arrays["observations"].ndim else 0
    for name, array in arrays.items():
        if name != "meta" and (array.ndim == 0 or array.shape[0] != rows or array.dtype.kind not in "fiub"):
            raise DataError(f"{rows} rows of numbers in {name}", f"{array.dtype} {array.shape}", f"correct {path}")
    if not rows:
        raise DataError(f"transitions in {path}", "none", "name another file")


def archive_meta(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """What the archive says about itself in a JSON string called ``meta``; empty where it says nothing readable."""
    text = arrays.get("meta")
    if text is None or text.dtype.kind != "U" or text.size != 1 or text.dtype.itemsize > 4 * MAX_META_CHARACTERS:
        return {}
    try:
        meta = json.loads(str(text.item()))
        json.dumps(meta, allow_nan=False)
    except ValueError:
        return {}
    if not isinstance(meta, dict):
        return {}
    period = meta.get("dt", 0.0)
    if not isinstance(period, (int, float)) or not 0 <= period < math.inf:
        meta.pop("dt")
    return meta


def _order(arrays: dict[str, np.ndarray], rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row order by episode (as they first appear) and step, and the episode and step of each ordered row."""
    if "episode" in arrays:
        _, first, inverse = np.unique(arrays["episode"], return_index=True, return_inverse=True)
        episode = np.argsort(np.argsort(first))[inverse.reshape(-1)]
    else:
        ends = _flag(arrays, "terminals", rows) | _flag(arrays, "timeouts", rows)
        episode = np.concatenate([[0], np.cumsum(ends)[:-1]])
    if "step" in arrays:
        step = arrays["step"].reshape(-1).astype(np.int64)
        order = np.lexsort((step, episode))
    else:
        order = np.argsort(episode, kind="stable")
        starts = np.flatnonzero(np.diff(episode[order], prepend=-1))
        step = np.empty(rows, dtype=np.int64)
        step[order] = np.arange(rows) - np.repeat(starts, np.diff([*starts, rows]))
    return order, episode[order], step[order]


def _flag(arrays: dict[str, np.ndarray], name: str, rows: int) -> np.ndarray:
    return arrays[name].reshape(rows).astype(bool) if name in arrays else np.zeros(rows, dtype=bool)


def _plain_columns(arrays: dict[str, np.ndarray]) -> ColumnMap:
    sizes = {name: arrays[name].reshape(len(arrays[name]), -1).shape[1] for name in REQUIRED}
    return ColumnMap(
        observation=tuple(Column(index, f"obs{index}") for index in range(sizes["observations"])),
        action=tuple(Column(index, f"act{index}") for index in range(sizes["actions"])),
    )


def _numbers(array: np.ndarray, columns: Sequence[Column], where: str) -> np.ndarray:
    """(R, columns) float32, scaled to the columns' units; refuses a NaN."""
    table = array.reshape(len(array), -1)
    for column in columns:
        if not isinstance(column.column, int) or not 0 <= column.column < table.shape[1]:
            raise DataError(f"columns 0 to {table.shape[1] - 1} of {where}", repr(column.column), "correct the map")
    with np.errstate(over="ignore"):
        scaled = [column.of(table[:, int(column.column)]).astype(np.float32) for column in columns]
    numbers = np.stack(scaled, axis=1)
    bad = np.argwhere(~np.isfinite(numbers))
    if bad.size:
        row, index = bad[0]
        came = f"{numbers[row, index]} for {columns[index].name} in row {row}"
        raise DataError(f"finite {where}", came, "leave that row out")
    return numbers


def _episodes(
    data: dict[str, np.ndarray], episode: np.ndarray, step: np.ndarray, label: str, path: Path
) -> tuple[list[Episode], list[str]]:
    known = "next_observations" in data
    digest = sha256_of(path)
    edges = [*np.flatnonzero(np.diff(episode, prepend=-1)), len(episode)]
    result = []
    for start, stop in pairwise(edges):
        if "label" in data and (data["label"][start:stop] != data["label"][start]).any():
            raise DataError(f"one label an episode in {path}", f"several in episode {episode[start]}", "split it there")
        steps = step[start:stop]
        if (np.diff(steps) <= 0).any() or (not known and (np.diff(steps) != 1).any()):
            raise DataError(
                f"next_observations in {path}, or consecutive steps", "neither", "add one of them, or drop doubled rows"
            )
        next_observations = data["next_observations"][start:stop] if known else data["observations"][start + 1 : stop]
        rows = len(next_observations)
        falls = np.flatnonzero(data["terminals"][start : start + rows])
        if falls.size and falls[0] != rows - 1:
            raise DataError(f"no row after a terminal in {path}", f"one in episode {episode[start]}", "split it there")
        if rows:
            rows_of = slice(start, start + rows)
            result.append(
                Episode(
                    label=LABELS[int(data["label"][start])] if "label" in data else label,
                    source=path.name,
                    source_sha256=digest,
                    observations=data["observations"][rows_of],
                    actions=data["actions"][rows_of],
                    next_observations=next_observations,
                    terminated=bool(falls.size),
                    step=(steps[:rows] - (0 if known else steps[0])).astype(np.int32),
                    time_us=data["time_us"][rows_of] if "time_us" in data else None,
                )
            )
    notes = [] if known else [f"{label}: {path.name}: the last row of each episode dropped: its next one is unknown"]
    return result, notes
