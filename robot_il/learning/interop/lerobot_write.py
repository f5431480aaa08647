"""A dataset as a LeRobotDataset v3.0: parquet rows, and JSON and parquet about them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from robot_il.errors import DataError
from robot_il.learning.dataset import Channel, Dataset
from robot_il.learning.interop.card import CARD, card_text
from robot_il.learning.interop.files import new_folder
from robot_il.learning.interop.lerobot_stats import statistics
from robot_il.learning.progress import Progress
from robot_il.spec import LABELS

VERSION = "v3.0"
INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES_PATH = "meta/episodes/chunk-000/file-000.parquet"
FILES_PER_CHUNK = 1000
FILE_MEGABYTES = 100
QUALITY = {"expert": 2, "suboptimal": 1, "undesirable": 0, "unlabeled": -1}
"""The label as an order: larger is better, -1 is not known."""

_TYPES = {"float32": pa.float32(), "int64": pa.int64(), "bool": pa.bool_(), "string": pa.string()}


def write_lerobot(dataset: Dataset, path: Path, progress: Progress) -> list[str]:
    """Writes the folder that ``LeRobotDataset(repo_id, root=path)`` loads.

    Each row's ``timestamp`` is the robot's own time since the first row of its episode where it was measured.

    Returns:
        What a reader of LeRobot misses; importing the folder again loses nothing.

    Raises:
        DataError: ``path`` is there already, or neither times nor a period are known.
    """
    fps, losses = _rate(dataset)
    features, columns = _features(dataset), _columns(dataset)
    files = _files(dataset, columns)
    with new_folder(path) as folder:
        for number, (first, last, start, stop) in enumerate(files):
            part = {name: array[start:stop] for name, array in columns.items()}
            target = folder / DATA_PATH.format(
                chunk_index=number // FILES_PER_CHUNK, file_index=number % FILES_PER_CHUNK
            )
            _write_table(target, part, features)
            progress.show("episodes", last, len(dataset.info.episodes), f"from {first}")
        _write_episodes(folder / EPISODES_PATH, dataset, columns, files, progress)
        _write_parquet(folder / TASKS, _tasks(_task(dataset)))
        _write_json(folder / INFO, _info(dataset, fps, features))
        _write_json(folder / STATS, statistics(columns))
        (folder / "meta" / CARD).write_text(card_text(dataset, losses), encoding="utf-8")
    return losses


def _task(dataset: Dataset) -> str:
    return dataset.info.task or "imported"


def _tasks(text: str) -> pa.Table:
    """The table of the one task, its text the index of pandas: LeRobot looks it up there."""
    index = "__index_level_0__"
    kinds = {"task_index": "int64", index: "object"}
    pandas = {
        "index_columns": [index],
        "column_indexes": [],
        "columns": [
            {
                "name": None if name == index else name,
                "field_name": name,
                "pandas_type": "unicode" if name == index else kind,
                "numpy_type": kind,
                "metadata": None,
            }
            for name, kind in kinds.items()
        ],
        "pandas_version": "2.0.0",
    }
    table = pa.table({"task_index": pa.array([0], pa.int64()), index: pa.array([text], pa.string())})
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def _rate(dataset: Dataset) -> tuple[int, list[str]]:
    """Frames a second as LeRobot wants them, a whole number, and what this and the format lose."""
    period = dataset.info.period_s
    if not period:
        raise DataError("the period of the rows", "a dataset that does not know it", "import it with period_s in a map")
    fps = max(round(1 / period), 1)
    losses = ["splits are ranges of episodes in LeRobot: the held-out ones are told by the feature held_out"]
    if abs(fps * period - 1) > 1e-9:
        losses.append(f"fps is the whole number {fps}, the rows come at {1 / period:.6g} Hz")
    if dataset.time_us is None:
        losses.append("timestamp is step times period: nobody measured it")
    else:
        losses.append("timestamp is float32: the robot's time in whole us is the feature time_us")
    if not _consecutive(dataset):
        losses.append("rows of an episode are not consecutive: delta_timestamps would find the wrong ones")
    return fps, losses


def _consecutive(dataset: Dataset) -> bool:
    inside = np.diff(dataset.episode) == 0
    return bool((np.diff(dataset.step)[inside] == 1).all())


def _vector(channels: Iterable[Channel], **more: Any) -> dict[str, Any]:
    parts = list(channels)
    names, units = [part.name for part in parts], [part.unit for part in parts]
    return {"dtype": "float32", "shape": [len(parts)], "names": names, "units": units, **more}


def _features(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Every column: type, shape, names; LeRobot ignores ``units`` and the like, other readers need not."""
    info = dataset.info
    one = {"shape": [1], "names": None}
    features: dict[str, dict[str, Any]] = {
        "observation.state": _vector(info.observation),
        "action": _vector(
            info.action, low=[part.low for part in info.action], high=[part.high for part in info.action]
        ),
        "next.observation.state": _vector(info.observation),
        "next.terminal": {"dtype": "bool", **one},
        "next.timeout": {"dtype": "bool", **one},
        "next.done": {"dtype": "bool", **one},
        "label": {"dtype": "string", **one},
        "quality": {"dtype": "int64", **one},
        "held_out": {"dtype": "bool", **one},
        "step": {"dtype": "int64", **one},
    }  # fmt: skip
    if dataset.time_us is not None:
        features["time_us"] = {"dtype": "int64", **one, "units": ["us"]}
    features["timestamp"] = {"dtype": "float32", **one, "units": ["s"]}
    for name in ("frame_index", "episode_index", "index", "task_index"):
        features[name] = {"dtype": "int64", **one}
    return features


def _columns(dataset: Dataset) -> dict[str, np.ndarray]:
    """The features' rows; vectors (N, S), everything else (N,)."""
    rows, episode = np.arange(len(dataset)), dataset.episode.astype(np.int64)
    first = np.searchsorted(episode, episode)
    names = np.array(LABELS)
    columns = {
        "observation.state": dataset.observations,
        "action": dataset.actions,
        "next.observation.state": dataset.next_observations,
        "next.terminal": dataset.terminals,
        "next.timeout": dataset.timeouts,
        "next.done": dataset.terminals | dataset.timeouts,
        "label": names[dataset.label],
        "quality": np.array([QUALITY[name] for name in LABELS])[dataset.label],
        "held_out": dataset.held_out,
        "step": dataset.step.astype(np.int64),
    }
    if dataset.time_us is None:
        seconds = (dataset.step - dataset.step[first]) * dataset.info.period_s
    else:
        columns["time_us"] = dataset.time_us
        seconds = (dataset.time_us - dataset.time_us[first]) * 1e-6
    columns |= {"timestamp": seconds.astype(np.float32), "frame_index": rows - first, "episode_index": episode}
    return columns | {"index": rows, "task_index": np.zeros(len(rows), np.int64)}


def _files(dataset: Dataset, columns: dict[str, np.ndarray]) -> list[tuple[int, int, int, int]]:
    """First and last + 1 episode, first and last + 1 row of each data file; an episode is never cut."""
    row_bytes = sum(array.nbytes for array in columns.values()) / len(dataset)
    most = max(int(FILE_MEGABYTES * 1e6 / row_bytes), 1)
    edges = [0, *np.cumsum([record.rows for record in dataset.info.episodes]).tolist()]
    files: list[tuple[int, int, int, int]] = []
    first = 0
    for episode in range(1, len(edges)):
        if episode == len(edges) - 1 or edges[episode + 1] - edges[first] > most:
            files.append((first, episode, edges[first], edges[episode]))
            first = episode
    return files


def _array(values: np.ndarray, kind: str) -> pa.Array:
    if values.ndim == 1 or values.shape[1] == 1:
        # a vector of one is a plain column: LeRobot's loader takes the shape (1,) for that
        return pa.array(values.reshape(len(values)), _TYPES[kind])
    flat = pa.array(np.ascontiguousarray(values).reshape(-1), _TYPES[kind])
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _write_table(path: Path, columns: dict[str, np.ndarray], features: dict[str, dict[str, Any]]) -> None:
    _write_parquet(path, pa.table({name: _array(columns[name], kind["dtype"]) for name, kind in features.items()}))


def _write_parquet(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="snappy")


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=4, allow_nan=False) + "\n", encoding="utf-8")


def _write_episodes(
    path: Path,
    dataset: Dataset,
    columns: dict[str, np.ndarray],
    files: list[tuple[int, int, int, int]],
    progress: Progress,
) -> None:
    """One row an episode: where it is, what it is, and its statistics, which LeRobot adds up when it cuts datasets."""
    rows, start = [], 0
    file_of = np.repeat(np.arange(len(files)), [last - first for first, last, _, _ in files])
    for index, record in enumerate(dataset.info.episodes):
        stop = start + record.rows
        row: dict[str, Any] = {
            "episode_index": index,
            "tasks": [_task(dataset)],
            "length": record.rows,
            "data/chunk_index": int(file_of[index]) // FILES_PER_CHUNK,
            "data/file_index": int(file_of[index]) % FILES_PER_CHUNK,
            "dataset_from_index": start,
            "dataset_to_index": stop,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
            "label": record.label,
            "source": record.source,
            "held_out": record.held_out,
        }
        part = statistics({name: array[start:stop] for name, array in columns.items()})
        row |= {f"stats/{name}/{key}": value for name, values in part.items() for key, value in values.items()}
        rows.append(row)
        start = stop
        progress.show("statistics", index + 1, len(dataset.info.episodes))
    _write_parquet(path, pa.Table.from_pylist(rows))


def _info(dataset: Dataset, fps: int, features: dict[str, dict[str, Any]]) -> dict[str, Any]:
    episodes = len(dataset.info.episodes)
    return {
        "codebase_version": VERSION,
        "robot_type": "wheel_legged" if dataset.info.task else None,
        "total_episodes": episodes,
        "total_frames": len(dataset),
        "total_tasks": 1,
        "chunks_size": FILES_PER_CHUNK,
        "data_files_size_in_mb": FILE_MEGABYTES,
        "video_files_size_in_mb": 200,
        "fps": fps,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_PATH,
        "video_path": None,
        "features": features,
    }
