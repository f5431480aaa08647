"""A dataset as a CSV anyone can open, with the map that ``dataset import`` reads beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from robot_il.errors import DataError
from robot_il.learning.column_map import ColumnMap
from robot_il.learning.dataset import Dataset
from robot_il.learning.import_csv import read_table
from robot_il.learning.interop.card import CARD, Found, card_text, labels_of, read_card_file
from robot_il.learning.interop.files import new_folder
from robot_il.learning.progress import Progress
from robot_il.spec import LABELS

ROWS = "rows.csv"
MAP = "map.toml"
BLOCK_ROWS = 20_000
LONG_BYTES = 5 * 10**6
"""A larger file takes more than a moment to read."""
FORMATS = {"f4": "%.9g", "f8": "%.17g"}
"""Digits that give back the same float; all else is a whole number."""


def write_csv(dataset: Dataset, path: Path, progress: Progress) -> list[str]:
    """Writes ``rows.csv``, ``map.toml`` and the card into a new folder; returns what is lost, which is nothing.

    Raises:
        DataError: ``path`` is there already, or a signal's name does not make a column.
    """
    columns, units = _columns(dataset)
    with new_folder(path) as folder:
        write_rows(folder / ROWS, columns, units, progress)
        (folder / MAP).write_text(_map(dataset), encoding="utf-8")
        (folder / CARD).write_text(card_text(dataset, []), encoding="utf-8")
    return []


def _columns(dataset: Dataset) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Columns of the CSV by name, and their units."""
    info, columns = dataset.info, dataset.columns()
    table: list[tuple[str, str, np.ndarray]] = [
        (name, "us" if name == "time_us" else "1", columns[name])
        for name in ("episode", "step", "time_us")
        if name in columns
    ]
    named = (("observations", "", info.observation), ("actions", "action_", info.action),
             ("next_observations", "next_", info.observation))  # fmt: skip
    for name, prefix, channels in named:
        table += [(prefix + part.name, part.unit, columns[name][:, index]) for index, part in enumerate(channels)]
    table += [(name, "1", columns[name].astype(np.uint8)) for name in ("terminals", "timeouts", "held_out")]
    table.append(("label", "-", np.array(LABELS)[columns["label"]]))
    names = [name for name, _, _ in table]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DataError("columns of different names", ", ".join(doubled), "rename that signal")
    return {name: array for name, _, array in table}, {name: unit for name, unit, _ in table}


def write_rows(path: Path, columns: Mapping[str, np.ndarray], units: Mapping[str, str], progress: Progress) -> None:
    """A CSV whose numbers read back bit for bit: header, units as a comment, then the rows.

    Args:
        path: the file, written as it stands: the caller renames.
        columns: 1-d arrays of one length.
        units: of each column.
        progress: told after every block.

    Raises:
        DataError: a name that no field can hold.
    """
    rows = len(next(iter(columns.values())))
    for name in columns:
        if any(sign in name for sign in ',"\n\r\t;') or name.startswith(("#", "%")) or name != name.strip():
            raise DataError("column names without separators", repr(name), "rename that signal")
    forms = ",".join(FORMATS.get(array.dtype.str[1:], "%s") for array in columns.values()) + "\n"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(columns) + "\n# units: " + ",".join(units[name] for name in columns) + "\n")
        for start in range(0, rows, BLOCK_ROWS):
            block = [array[start : start + BLOCK_ROWS].tolist() for array in columns.values()]
            file.writelines(forms % row for row in zip(*block, strict=True))
            progress.show("rows", min(start + BLOCK_ROWS, rows), rows)


def map_text(
    observation: Sequence[tuple[str, str, str]],
    action: Sequence[tuple[str, str, str, float | None, float | None]],
    top: Sequence[str],
) -> str:
    """A column map as TOML.

    Args:
        observation: column, name and unit of each observed signal.
        action: column, name, unit and limits of each dimension.
        top: lines in front.
    """
    lines = [*top]
    for column, name, unit in observation:
        lines += ["", "[[observation]]", f"column = {_text(column)}", f"name = {_text(name)}"]
        lines += [f"unit = {_text(unit)}"]
    for column, name, unit, low, high in action:
        lines += ["", "[[action]]", f"column = {_text(column)}", f"name = {_text(name)}"]
        lines += [f"unit = {_text(unit)}"]
        lines += [] if low is None or high is None else [f"low = {float(low)!r}", f"high = {float(high)!r}"]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """A TOML string; JSON escapes alike."""
    return json.dumps(value, ensure_ascii=False)


def _map(dataset: Dataset) -> str:
    info, timed = dataset.info, dataset.time_us is not None
    top = ["# for robot-il dataset import, where robot_il.json is missing"]
    top += [f"period_s = {info.period_s!r}"] if info.period_s else []
    top += ["", "[csv]", 'delimiter = ","', "", "[episode]", 'column = "episode"']
    top += ["", "[terminal]", 'column = "terminals"']
    top += ["", "[time]", 'column = "time_us"', "scale = 1e-6"] if timed else []
    return map_text(
        [(channel.name, channel.name, channel.unit) for channel in info.observation],
        [
            ("action_" + channel.name, channel.name, channel.unit, channel.low, channel.high)
            for channel in info.action
        ],
        top,
    )  # fmt: skip


def read_csv_folder(path: Path, progress: Progress) -> Found:
    """Reads what ``write_csv`` wrote.

    Raises:
        DataError: no such folder, or a table that is none.
    """
    card = read_card_file(path)
    if card is None:
        raise DataError(f"{CARD} in {path}", "none", f"import {path / ROWS} with --columns {path / MAP}")
    if (path / ROWS).is_file() and (path / ROWS).stat().st_size > LONG_BYTES:
        progress.note(f"reading {path / ROWS}")
    table = read_table(path / ROWS, ColumnMap((), (), delimiter=","))
    names = {key: [channel["name"] for channel in card["dataset"][key]] for key in ("observation", "action")}
    arrays = {
        "observations": _stack(table.numbers, names["observation"], ""),
        "actions": _stack(table.numbers, names["action"], "action_"),
        "next_observations": _stack(table.numbers, names["observation"], "next_"),
    }
    for name in ("episode", "step", "time_us", "terminals", "timeouts", "held_out"):
        if name in table.header:
            arrays[name] = table.numbers(name).astype(np.int64)
    if table.header.count("label") == 1:
        index = table.header.index("label")
        arrays["label"] = labels_of([row[index] for row in table.rows])
    return Found(path, arrays, dict(card["dataset"].get("meta", {})), card=card)


def _stack(numbers: Callable[[str | int], np.ndarray], names: Sequence[str], prefix: str) -> np.ndarray:
    """(R, names) float32."""
    return np.stack([numbers(prefix + name).astype(np.float32) for name in names], axis=1)
