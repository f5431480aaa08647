"""Transitions for training, as a folder of columns and one ``dataset.json``; see data/formats/dataset.md."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.errors import DataError
from robot_il.spec import LABELS

FORMAT_VERSION = 1
TIMED_FORMAT_VERSION = 2
"""With the column ``time_us``, which format 1 has not."""
MANIFEST = "dataset.json"
MAX_MANIFEST_BYTES = 64 * 2**20
COLUMNS = {
    "observations": ("<f4", 2),
    "actions": ("<f4", 2),
    "next_observations": ("<f4", 2),
    "terminals": ("|b1", 1),
    "timeouts": ("|b1", 1),
    "episode": ("<i4", 1),
    "step": ("<i4", 1),
    "label": ("|u1", 1),
    "held_out": ("|b1", 1),
}
"""Name of each column's file: its dtype on disk and its number of dimensions."""
OPTIONAL_COLUMNS = {"time_us": ("<i8", 1)}
"""Columns that a dataset has only where its source measured them."""


@dataclass(frozen=True)
class Channel:
    """One observed signal or one dimension of the action.

    Attributes:
        name: the signal's name, in ``spec.py`` where it is one of ours.
        unit: its unit.
        low: smallest action, in that unit; None for an observation.
        high: largest action.
    """

    name: str
    unit: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class EpisodeRecord:
    """Where one episode came from.

    Attributes:
        label: one of ``spec.LABELS``.
        source: name of the file it was read from.
        source_sha256: that file's hash.
        rows: its number of transitions.
        held_out: whether it is kept from training.
        first_step: step of its first transition in the recording; not 0 where a recording was cut into blocks.
    """

    label: str
    source: str
    source_sha256: str
    rows: int
    held_out: bool
    first_step: int = 0


@dataclass(frozen=True)
class DatasetInfo:
    """Everything about a dataset but its rows.

    Attributes:
        task: a name that ``tasks.find_task`` knows, or "" for foreign data.
        observation: the S observed signals, in column order.
        action: the A dimensions of the action with their limits.
        action_source: which link of the action chain the action is (``sent``, ``applied``, ...), "" for foreign data.
        period_s: time between consecutive steps, in s.
        spec_hash: the spec's that the recordings were made under, "" for foreign data.
        seed: of the split.
        episodes: one record an episode, in the order of the ``episode`` column.
        notes: what was dropped, split or overridden, for a person.
        meta: anything else the source said about itself (an environment's name, reference returns, ...).
        hash: SHA-256 of all of the above and of every column.
    """

    task: str
    observation: tuple[Channel, ...]
    action: tuple[Channel, ...]
    action_source: str
    period_s: float
    spec_hash: str
    seed: int
    episodes: tuple[EpisodeRecord, ...]
    notes: tuple[str, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)
    hash: str = ""

    @property
    def action_low(self) -> np.ndarray:
        """Smallest actions, shape (A,), in the action's units."""
        return np.array([channel.low for channel in self.action], dtype=np.float32)

    @property
    def action_high(self) -> np.ndarray:
        """Largest actions, shape (A,)."""
        return np.array([channel.high for channel in self.action], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Dataset:
    """N transitions of S observed signals and A actions; every array is read-only.

    A transition never crosses an episode's end. ``terminals`` marks the fall (the state after it is absorbing),
    ``timeouts`` the last row of an episode whose recording merely ended there.

    Attributes:
        observations: (N, S) float32, SI.
        actions: (N, A) float32, in the action's units.
        next_observations: (N, S) float32, one period later.
        terminals: (N,) bool.
        timeouts: (N,) bool.
        episode: (N,) int32, index into ``info.episodes``, rising.
        step: (N,) int32, rising inside an episode; not by 1 where rows were drawn at random.
        label: (N,) uint8, index into ``spec.LABELS``, the same for a whole episode.
        held_out: (N,) bool, the same for a whole episode.
        info: the rest.
        time_us: (N,) int64, when each observation was sampled, in us by the robot's clock since step 0,
            rising inside an episode; None where nobody measured it.

    Raises:
        DataError: an array breaks any of the above, or holds a NaN or infinity.
    """

    observations: np.ndarray
    actions: np.ndarray
    next_observations: np.ndarray
    terminals: np.ndarray
    timeouts: np.ndarray
    episode: np.ndarray
    step: np.ndarray
    label: np.ndarray
    held_out: np.ndarray
    info: DatasetInfo
    time_us: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, (dtype, _) in {**COLUMNS, **OPTIONAL_COLUMNS}.items():
            if getattr(self, name) is None:
                continue
            array = np.ascontiguousarray(getattr(self, name), dtype=dtype).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        _check_shapes(self)
        _check_finite(self)
        _check_episodes(self)

    def __len__(self) -> int:
        """N, the number of transitions."""
        return len(self.observations)

    def select(self, label_names: str | Iterable[str], held_out: bool | None = None) -> np.ndarray:
        """Row indices of the named labels, int64, rising.

        Args:
            label_names: one of ``spec.LABELS``, or several.
            held_out: only held-out rows (True), only training rows (False), or both (None).

        Raises:
            DataError: a name that is no label.
        """
        names = (label_names,) if isinstance(label_names, str) else tuple(label_names)
        unknown = [name for name in names if name not in LABELS]
        if unknown:
            raise DataError(f"labels out of {', '.join(LABELS)}", ", ".join(unknown), "correct the label")
        chosen = np.isin(self.label, [LABELS.index(name) for name in names])
        if held_out is not None:
            chosen &= self.held_out == held_out
        return np.flatnonzero(chosen)

    def columns(self) -> dict[str, np.ndarray]:
        """The arrays by name, in the order of ``COLUMNS``, then the optional ones that are there."""
        arrays = {name: getattr(self, name) for name in (*COLUMNS, *OPTIONAL_COLUMNS)}
        return {name: array for name, array in arrays.items() if array is not None}


def _check_shapes(data: Dataset) -> None:
    rows, sizes = len(data.observations), {"actions": len(data.info.action)}
    for name, array in data.columns().items():
        dimensions = {**COLUMNS, **OPTIONAL_COLUMNS}[name][1]
        expected = (rows,) if dimensions == 1 else (rows, sizes.get(name, len(data.info.observation)))
        if array.shape != expected:
            raise DataError(f"{name} of shape {expected}", str(array.shape), "make the arrays fit the named columns")
    if not rows:
        raise DataError("at least one transition", "none", "record more, or see what was dropped and why")
    for channel in data.info.action:
        if channel.low is None or channel.high is None or not channel.low < channel.high:
            raise DataError(
                f"limits low < high of the action {channel.name}", f"{channel.low}, {channel.high}", "give its limits"
            )


def _check_finite(data: Dataset) -> None:
    named = (("observations", data.info.observation), ("actions", data.info.action),
             ("next_observations", data.info.observation))  # fmt: skip
    for name, channels in named:
        array = getattr(data, name)
        if not np.isfinite(array).all():
            row, column = np.argwhere(~np.isfinite(array))[0]
            source = data.info.episodes[data.episode[row]].source if data.info.episodes else "the dataset"
            raise DataError(
                f"finite {name}", f"{array[row, column]} for {channels[column].name} in row {row} ({source})",
                "cut that part out of the recording",
            )  # fmt: skip


def _check_episodes(data: Dataset) -> None:
    records = data.info.episodes
    if data.episode[0] < 0 or data.episode[-1] >= len(records) or (np.diff(data.episode) < 0).any():
        raise DataError(f"episodes 0 to {len(records) - 1}, rising", "others", "number the episodes as info lists them")
    rows = np.bincount(data.episode, minlength=len(records))
    for index, record in enumerate(records):
        if rows[index] != record.rows or record.rows == 0:
            raise DataError(f"{record.rows} rows in episode {index}", str(rows[index]), "list what the episode holds")
    labels = np.array([LABELS.index(record.label) for record in records])
    held_out = np.array([record.held_out for record in records])
    if (labels[data.episode] != data.label).any() or (held_out[data.episode] != data.held_out).any():
        raise DataError("one label and one side of the split for an episode", "mixed ones", "split by episode")
    inside = np.diff(data.episode) == 0
    if (np.diff(data.step)[inside] <= 0).any():
        raise DataError("steps that rise inside an episode", "repeated or falling ones", "sort the rows by time")
    if data.time_us is not None and (np.diff(data.time_us)[inside] <= 0).any():
        row = int(np.flatnonzero(inside & (np.diff(data.time_us) <= 0))[0])
        source = records[data.episode[row]].source
        raise DataError("time that rises inside an episode", f"a step back after row {row} ({source})", "cut it there")
    if (data.terminals[:-1] & inside).any() or (data.terminals & data.timeouts).any():
        raise DataError("a fall only in an episode's last row", "one before", "cut the episode at the fall")


def content_hash(columns: dict[str, np.ndarray], info: DatasetInfo) -> str:
    """SHA-256 over the manifest (without its hash) and every column's hash, as 64 hex digits."""
    return _manifest(info, {name: _sha256(array) for name, array in columns.items()})["hash"]


def manifest_of(dataset: Dataset) -> dict[str, Any]:
    """What ``dataset.json`` says of a dataset, as JSON values."""
    return _manifest(dataset.info, {name: _sha256(array) for name, array in dataset.columns().items()})


def info_of(manifest: dict[str, Any]) -> DatasetInfo:
    """The description in a manifest.

    Raises:
        KeyError: a field is missing.
        TypeError: a field is of another type, or one too many.
    """
    return DatasetInfo(
        task=manifest["task"],
        observation=tuple(Channel(**channel) for channel in manifest["observation"]),
        action=tuple(Channel(**channel) for channel in manifest["action"]),
        action_source=manifest["action_source"],
        period_s=manifest["period_s"],
        spec_hash=manifest["spec_hash"],
        seed=manifest["seed"],
        episodes=tuple(EpisodeRecord(**record) for record in manifest["episodes"]),
        notes=tuple(manifest["notes"]),
        meta=manifest["meta"],
        hash=manifest["hash"],
    )


def _manifest(info: DatasetInfo, column_hashes: dict[str, str]) -> dict[str, Any]:
    version = TIMED_FORMAT_VERSION if "time_us" in column_hashes else FORMAT_VERSION
    content = {"format": version, **asdict(replace(info, hash="")), "columns": column_hashes}
    content["hash"] = hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
    return content


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def save_dataset(folder: Path, dataset: Dataset) -> str:
    """Writes the dataset under a temporary name, then renames it to ``folder``; returns its hash.

    Raises:
        DataError: ``folder`` is there already.
    """
    if folder.exists():
        raise DataError("a new folder", f"{folder}, which is there already", "name another or move it away")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(folder.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        hashes = {}
        for name, array in dataset.columns().items():
            np.save(temporary / f"{name}.npy", array, allow_pickle=False)
            hashes[name] = _sha256(array)
        manifest = _manifest(dataset.info, hashes)
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return str(manifest["hash"])


def load_dataset(folder: Path, *, verify: bool = True) -> Dataset:
    """Reads and checks a dataset.

    Args:
        folder: what ``save_dataset`` wrote.
        verify: also compare each column with its hash; takes about as long as reading it.

    Raises:
        DataError: not a dataset, of another format, or changed since it was written.
    """
    manifest = _read_manifest(folder)
    try:
        info = info_of(manifest)
        names = [*COLUMNS, *(name for name in OPTIONAL_COLUMNS if name in manifest["columns"])]
        columns = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in names}
        hashes = {name: _sha256(array) for name, array in columns.items()} if verify else manifest["columns"]
        if _manifest(info, hashes)["hash"] != info.hash:
            raise ValueError("its content is not what its hash says")
    except (OSError, KeyError, TypeError, ValueError, EOFError, MemoryError) as error:
        raise DataError(f"an unchanged dataset in {folder}", f"{error}", "build or import it again") from error
    return Dataset(**columns, info=info)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ValueError(f"a {MANIFEST} of more than {MAX_MANIFEST_BYTES} bytes")
        manifest = json.loads(path.read_text())
        if not isinstance(manifest, dict) or "format" not in manifest:
            raise ValueError(f"a {MANIFEST} without a format")
    except (OSError, ValueError) as error:
        raise DataError(f"a dataset folder with {MANIFEST}", f"{folder}: {error}", "name a dataset folder") from error
    if manifest["format"] not in (FORMAT_VERSION, TIMED_FORMAT_VERSION):
        raise DataError(
            f"dataset format {FORMAT_VERSION} or {TIMED_FORMAT_VERSION}",
            f"{manifest['format']} in {folder}",
            "build it again with this version",
        )
    return manifest
