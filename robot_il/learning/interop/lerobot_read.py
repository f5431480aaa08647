"""Someone's LeRobotDataset v3, or an export of ours, read from its folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from robot_il.errors import DataError
from robot_il.learning.dataset import Channel
from robot_il.learning.interop.card import Found, column_map, labels_of, read_card_file
from robot_il.learning.interop.files import Budget
from robot_il.learning.interop.lerobot_write import INFO
from robot_il.learning.progress import Progress

MAX_INFO_BYTES = 2**24
MAX_FILES = 100_000
MAX_WIDTH = 100_000
OWN = {"next.terminal": "terminals", "next.timeout": "timeouts", "step": "step", "time_us": "time_us"}
"""Features of ours and the columns that they are."""
CONVERTER = "convert_dataset_v21_to_v30.py"


def read_lerobot(path: Path, progress: Progress) -> Found:
    """All frames: the state features side by side as observation, ``action`` as action; cameras are left out.

    Args:
        path: the dataset's folder.
        progress: told after every file.

    Raises:
        DataError: no LeRobotDataset, one of version 2, or one without real-numbered state and action.
    """
    info = _info(path)
    features = info["features"]
    state = [name for name, kind in sorted(features.items()) if name.startswith("observation.") and _is_vector(kind)]
    if not state or not _is_vector(features.get("action", {})):
        raise DataError(f"float features observation.* and action in {path}", ", ".join(features)[:200], "name another")
    card = read_card_file(path / "meta")
    wanted = {*state, "action", "episode_index", "frame_index", "index"}
    wanted |= {name for name in (*OWN, "label", "next.observation.state") if card and name in features}
    frames = _frames(path, sorted(wanted), progress)
    frames = _in_order(frames, path)
    arrays = {
        "observations": np.concatenate([frames[name] for name in state], axis=1),
        "actions": frames["action"],
        "episode": frames["episode_index"].reshape(-1),
        "step": frames["frame_index"].reshape(-1),
    }
    if card:
        arrays |= {ours: frames[name].reshape(-1) for name, ours in OWN.items() if name in frames}
        if "next.observation.state" in frames:
            arrays["next_observations"] = frames["next.observation.state"]
        if "label" in frames:
            arrays["label"] = labels_of(frames["label"].reshape(-1).tolist())
    channels = [part for name in state for part in _channels(features[name], name.removeprefix("observation."))]
    columns = None if card else column_map(channels, _channels(features["action"], "act"), 1 / info["fps"])
    return Found(path, arrays, _facts(info), columns, card, () if card else _notes(features, {*state, "action"}))


def _info(path: Path) -> dict[str, Any]:
    try:
        with (path / INFO).open("rb") as file:
            text = file.read(MAX_INFO_BYTES + 1)
        if len(text) > MAX_INFO_BYTES:
            raise ValueError(f"more than {MAX_INFO_BYTES} bytes")
        info = json.loads(text)
        version = str(info["codebase_version"])
        fps, features = info["fps"], info["features"]
        if not isinstance(fps, (int, float)) or not 0 < fps < 1e6:
            raise ValueError(f"fps {fps!r}")
        if not isinstance(features, dict) or not all(isinstance(kind, dict) for kind in features.values()):
            raise ValueError("features that are no objects")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"a LeRobotDataset with {INFO}", f"{path}: {error}", "name its folder") from error
    if not re.fullmatch(r"v?3(\.\d+)*", version):
        older = re.match(r"v?[12]\b", version) is not None
        remedy = f"convert it with LeRobot's own {CONVERTER}" if older else "update robot-il"
        raise DataError(f"a LeRobotDataset of version 3 in {path}", f"version {version[:20]}", remedy)
    return info


def _is_vector(kind: dict[str, Any]) -> bool:
    shape = kind.get("shape")
    return (
        kind.get("dtype") in ("float32", "float64")
        and isinstance(shape, list)
        and len(shape) == 1
        and isinstance(shape[0], int)
        and 0 < shape[0] <= MAX_WIDTH
    )


def _frames(path: Path, wanted: list[str], progress: Progress) -> dict[str, np.ndarray]:
    """Columns of all data files, (R, width) each."""
    files = sorted((path / "data").glob("chunk-*/file-*.parquet"))
    if not files or len(files) > MAX_FILES:
        raise DataError(f"data/chunk-*/file-*.parquet in {path}", f"{len(files)} of them", "name another folder")
    budget = Budget(path)
    parts: list[dict[str, np.ndarray]] = []
    for index, file in enumerate(files):
        parts.append(_read_file(file, wanted, budget))
        progress.show("files", index + 1, len(files))
    try:
        return {name: np.concatenate([part[name] for part in parts]) for name in wanted}
    except ValueError as error:
        raise DataError(f"columns of one width in {path}", str(error), "name another dataset") from error


def _read_file(file: Path, wanted: list[str], budget: Budget) -> dict[str, np.ndarray]:
    try:
        with pq.ParquetFile(file) as parquet:
            missing = [name for name in wanted if name not in parquet.schema_arrow.names]
            if missing:
                raise ValueError(f"no column {', '.join(missing)}")
            for name in wanted:
                _check_type(name, parquet.schema_arrow.field(name).type)
            metadata = parquet.metadata
            budget.take(sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)))
            # a column of one repeated value is a few bytes in parquet, and eight a row here
            budget.take(8 * metadata.num_rows * len(wanted))
            table = parquet.read(columns=wanted)
        return {name: _numbers(table.column(name)) for name in wanted}
    except (OSError, ValueError, KeyError, MemoryError, pa.ArrowException) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError("a parquet file of frames", f"{file}: {text}", "name another dataset") from error


def _check_type(name: str, kind: pa.DataType) -> None:
    """Refuses what is neither a number, a list of numbers nor text; extension types may run foreign code."""
    inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) else kind
    plain = pa.types.is_floating(inner) or pa.types.is_integer(inner) or pa.types.is_boolean(inner)
    if not (plain or (name == "label" and pa.types.is_string(inner))):
        raise ValueError(f"a column {name} of {kind}, not of numbers")


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """(R, width): a column of numbers, or of lists of one length."""
    if column.null_count:
        raise ValueError("missing values")
    rows = len(column)
    if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
        flat = np.concatenate([chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks] or [[]])
        if rows == 0 or len(flat) % rows or not _even(column, len(flat) // rows):
            raise ValueError("lists of several lengths")
        return flat.reshape(rows, -1)
    return column.to_numpy().reshape(rows, 1)


def _even(column: pa.ChunkedArray, width: int) -> bool:
    if pa.types.is_fixed_size_list(column.type):
        return bool(column.type.list_size == width)
    return all((np.diff(chunk.offsets.to_numpy()) == width).all() for chunk in column.chunks)


def _in_order(frames: dict[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """The frames by their ``index``, which must be 0, 1, 2, ..."""
    order = np.argsort(frames["index"].reshape(-1), kind="stable")
    if (frames["index"].reshape(-1)[order] != np.arange(len(order))).any():
        raise DataError(f"frames 0 to {len(order) - 1} in {path}", "doubled or missing ones", "name a whole dataset")
    return {name: values[order] for name, values in frames.items()}


def _channels(kind: dict[str, Any], prefix: str) -> list[Channel]:
    """Names and units of a feature's dimensions; LeRobot keeps names as a list, or as one list in an object."""
    count, names, units = kind["shape"][0], kind.get("names"), kind.get("units")
    if isinstance(names, dict):
        names = next(iter(names.values()), None)
    if not isinstance(names, list) or not len(names) == count == len({str(name) for name in names}):
        names = [f"{prefix}{index}" for index in range(count)]
    if not isinstance(units, list) or len(units) != count:
        units = ["1"] * count
    return [Channel(str(name), str(unit)) for name, unit in zip(names, units, strict=True)]


def _facts(info: dict[str, Any]) -> dict[str, Any]:
    kept = {key: info[key] for key in ("robot_type", "codebase_version") if isinstance(info.get(key), str)}
    return {**kept, "fps": info["fps"]}


def _notes(features: dict[str, dict[str, Any]], used: set[str]) -> tuple[str, ...]:
    """What of a foreign dataset is left out, and what its silence means."""
    structural = {"timestamp", "frame_index", "episode_index", "index", "task_index"}
    rest = sorted(set(features) - used - structural)
    notes = [f"features left out: {', '.join(rest)}"] if rest else []
    return (*notes, "no episode counts as a fall: LeRobot does not tell one from any other end")
