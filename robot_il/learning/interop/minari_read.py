"""Someone's Minari dataset (HDF5), or an export of ours, read from its folder."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from robot_il.errors import DataError
from robot_il.learning.dataset import Channel
from robot_il.learning.importers import REQUIRED
from robot_il.learning.interop.card import Found, column_map, labels_of, read_card_file
from robot_il.learning.interop.files import Budget
from robot_il.learning.interop.hdf5 import MAX_MEMBERS, member, members, numbers, open_hdf5
from robot_il.learning.interop.minari_write import DATA, MAIN, METADATA
from robot_il.learning.progress import Progress

MAX_METADATA_BYTES = 2**24
REMEDY = "export it again with Minari as hdf5"


def read_minari(path: Path, progress: Progress) -> Found:
    """Every episode; observations that are a dictionary of boxes are laid side by side, keys in alphabetical order.

    Args:
        path: the dataset's folder, or the ``data`` in it.
        progress: told after every episode.

    Raises:
        DataError: no Minari dataset in HDF5, or one whose actions or observations are no real numbers.
    """
    folder = path if (path / METADATA).is_file() else path / DATA
    metadata = _metadata(folder)
    parts: list[dict[str, np.ndarray]] = []
    budget = Budget(folder / MAIN)
    observed: list[str] = []
    with open_hdf5(folder / MAIN) as file:
        names = _episode_names(file)
        for index, name in enumerate(names):
            group = member(file, name)
            if not isinstance(group, h5py.Group):
                raise DataError(f"a group {name} in {folder / MAIN}", "an array", REMEDY)
            part, observed = _episode(group, budget)
            parts.append(part)
            progress.show("episodes", index + 1, len(names))
    if not parts:
        raise DataError(f"episodes in {folder}", "none", "name another dataset")
    card = read_card_file(folder)
    arrays = _joined(parts, own=card is not None)
    columns = None if card else column_map(
        [Channel(name, "1") for name in observed], _action_channels(metadata, arrays["actions"].shape[1]), 0.0
    )  # fmt: skip
    notes = () if card else ("rewards and infos left out",)
    return Found(folder, arrays, _facts(metadata), columns, card, notes)


def _metadata(folder: Path) -> dict[str, Any]:
    path = folder / METADATA
    try:
        with path.open("rb") as file:
            text = file.read(MAX_METADATA_BYTES + 1)
        if len(text) > MAX_METADATA_BYTES:
            raise ValueError(f"more than {MAX_METADATA_BYTES} bytes")
        metadata = json.loads(text)
        if not isinstance(metadata, dict) or "data_format" not in metadata:
            raise ValueError("no data_format, which Minari writes since version 0.5")
    except (OSError, ValueError) as error:
        raise DataError(f"a Minari dataset with {METADATA}", f"{path}: {error}", REMEDY) from error
    if metadata["data_format"] != "hdf5":
        raise DataError(f"a Minari dataset in hdf5 in {folder}", f"{metadata['data_format']!r}", REMEDY)
    return metadata


def _episode_names(file: h5py.File) -> list[str]:
    """The episodes in the order of their numbers."""
    numbered = []
    for name in members(file):
        digits = name.removeprefix("episode_")
        if digits == name or not digits.isascii() or not digits.isdigit() or int(digits) > MAX_MEMBERS:
            raise DataError("groups called episode_0, episode_1, ...", repr(name[:40]), REMEDY)
        numbered.append((int(digits), name))
    return [name for _, name in sorted(numbered)]


def _episode(group: h5py.Group, budget: Budget) -> tuple[dict[str, np.ndarray], list[str]]:
    """Arrays of one episode of R steps, (R, ...) each, and the names of the observation's columns."""
    observed, names = _observations(group, budget)
    actions = numbers(group, "actions", budget)
    if actions is None or actions.dtype.kind != "f" or len(observed) != len(actions) + 1:
        came = "none" if actions is None else f"{len(actions)} of {actions.dtype}"
        raise DataError(f"{len(observed) - 1} real actions in {group.name} of {budget.path}", came, REMEDY)
    rows = len(actions)
    part = {
        "observations": observed[:-1],
        "actions": actions.reshape(rows, -1),
        "next_observations": observed[1:],
        "terminals": _flags(group, "terminations", rows, budget),
        "timeouts": _flags(group, "truncations", rows, budget),
        "step": np.arange(rows),
        "own_episode": np.full(rows, int(group.attrs.get("robot_il_episode", -1))),
        "label": np.full(rows, labels_of([str(group.attrs.get("label", ""))])[0]),
    }
    if not group.attrs.get("robot_il_last", True):
        part["timeouts"] = np.zeros(rows, bool)
    infos = member(group, "infos")
    for name, own in (("step", "own_step"), ("time_s", "own_time_s")):
        array = numbers(infos, name, budget) if isinstance(infos, h5py.Group) else None
        if array is not None and array.shape == (rows + 1,):
            part[own] = array[:-1]
    return part, names


def _observations(group: h5py.Group, budget: Budget) -> tuple[np.ndarray, list[str]]:
    """(R + 1, S) and the S names."""
    found = member(group, "observations")
    if isinstance(found, h5py.Group):
        leaves = _leaves(found, "", budget)
    else:
        array = numbers(group, "observations", budget)
        leaves = [] if array is None else [("obs", array)]
    tables = [(name, array.reshape(len(array), -1)) for name, array in leaves if array.ndim and len(array)]
    if not tables or len({len(table) for _, table in tables}) > 1:
        raise DataError(f"observations of one length in {group.name} of {budget.path}", "others", REMEDY)
    names = [f"{name}{index}" for name, table in tables for index in range(table.shape[1])]
    return np.concatenate([table for _, table in tables], axis=1), names


def _leaves(group: h5py.Group, prefix: str, budget: Budget) -> list[tuple[str, np.ndarray]]:
    result: list[tuple[str, np.ndarray]] = []
    if prefix.count("/") > 8:
        raise DataError("observations nested at most 8 deep", prefix[:80], "flatten them")
    for name in sorted(members(group)):
        below = member(group, name)
        if isinstance(below, h5py.Group):
            result += _leaves(below, f"{prefix}{name}/", budget)
        else:
            array = numbers(group, name, budget)
            result += [] if array is None else [(f"{prefix}{name}", array)]
    return result


def _flags(group: h5py.Group, name: str, rows: int, budget: Budget) -> np.ndarray:
    array = numbers(group, name, budget)
    if array is None or array.shape != (rows,):
        raise DataError(f"{rows} {name} in {group.name} of {budget.path}", "another number", REMEDY)
    return array.astype(bool)


def _joined(parts: list[dict[str, np.ndarray]], own: bool) -> dict[str, np.ndarray]:
    """The episodes behind each other; of an export of ours, with its own episodes, steps, labels and times."""
    widths = {(part["observations"].shape[1], part["actions"].shape[1]) for part in parts}
    if len(widths) > 1:
        raise DataError("episodes with equal columns", f"{len(widths)} kinds", REMEDY)
    names = set.intersection(*(set(part) for part in parts))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in names}
    arrays = {name: joined[name] for name in (*REQUIRED, "next_observations", "terminals", "timeouts", "step")}
    arrays["episode"] = np.repeat(np.arange(len(parts)), [len(part["actions"]) for part in parts])
    if own and "own_step" in joined:
        arrays |= {"episode": joined["own_episode"], "step": joined["own_step"].astype(np.int64)}
        arrays["label"] = joined["label"]
        if "own_time_s" in joined:
            arrays["time_us"] = np.rint(np.nan_to_num(joined["own_time_s"]) * 1e6).astype(np.int64)
    return arrays


def _action_channels(metadata: dict[str, Any], count: int) -> list[Channel]:
    """Names, and the limits of the action space where it is a box with finite ones."""
    low, high = [-math.inf] * count, [math.inf] * count
    with contextlib.suppress(ValueError, KeyError, TypeError):
        space = json.loads(metadata["action_space"])
        bounds = [np.array(space[key], float).reshape(-1) for key in ("low", "high")]
        low, high = (np.broadcast_to(bound, count).tolist() for bound in bounds)
    channels = []
    for index in range(count):
        name = f"act{index}"
        if math.isfinite(low[index]) and math.isfinite(high[index]) and low[index] < high[index]:
            channels.append(Channel(name, "1", low[index], high[index]))
        else:
            channels.append(Channel(name, "1"))
    return channels


def _facts(metadata: dict[str, Any]) -> dict[str, Any]:
    """What is worth keeping of the metadata: where the data come from, and the environment's name."""
    kept = ("dataset_id", "minari_version", "algorithm_name", "author", "code_permalink")
    facts: dict[str, Any] = {key: str(metadata[key]) for key in kept if key in metadata}
    with contextlib.suppress(KeyError, ValueError, TypeError):
        facts["env"] = str(json.loads(metadata["env_spec"])["id"])
    return facts
