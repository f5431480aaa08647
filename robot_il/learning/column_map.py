"""The column map: which columns of a foreign recording are observation, action, time and episode, and their units."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.errors import DataError
from robot_il.learning.dataset import Channel
from robot_il.learning.episodes import Episode
from robot_il.spec import LABELS

MAX_MAP_BYTES = 2**20
_TOP = {"label", "period_s", "csv", "time", "episode", "terminal", "observation", "action"}


@dataclass(frozen=True)
class Column:
    """One column of the source and what becomes of it: ``value = scale * number + offset``, in ``unit``.

    Attributes:
        column: its header, or its number from 0 (in an array or a file without header).
        name: the signal's name in the dataset.
        unit: the unit after scaling.
        scale: factor to that unit.
        offset: added after scaling, in that unit.
        low: smallest action, in that unit; None to take it from the data.
        high: largest action.
    """

    column: str | int
    name: str
    unit: str = "1"
    scale: float = 1.0
    offset: float = 0.0
    low: float | None = None
    high: float | None = None

    def of(self, numbers: np.ndarray) -> np.ndarray:
        """The numbers in ``unit``, float64."""
        return self.scale * np.asarray(numbers, dtype=np.float64) + self.offset


@dataclass(frozen=True)
class ColumnMap:
    """What a map file says.

    Attributes:
        observation: the observed signals, in the dataset's order.
        action: the dimensions of the action.
        time: the time column, scaled to s; None when rows are ``period_s`` apart.
        episode: header or number of the column that tells episodes apart; None for one episode a file.
        terminal: header or number of the column that is not 0 where the robot fell; None when none did.
        period_s: time between rows, in s; None to take it from the time column.
        label: one of ``spec.LABELS``; None to leave it to the command line.
        delimiter: between the fields of a CSV; None to find it out.
        header: whether a CSV names its columns.
        skip_lines: lines before that.
    """

    observation: tuple[Column, ...]
    action: tuple[Column, ...]
    time: Column | None = None
    episode: str | int | None = None
    terminal: str | int | None = None
    period_s: float | None = None
    label: str | None = None
    delimiter: str | None = None
    header: bool = True
    skip_lines: int = 0


def load_column_map(path: Path) -> ColumnMap:
    """Reads a map; see data/formats/dataset.md for its keys.

    Raises:
        DataError: not TOML, a key that is unknown or missing, or a value of the wrong kind.
    """
    try:
        if path.stat().st_size > MAX_MAP_BYTES:
            raise ValueError(f"more than {MAX_MAP_BYTES} bytes")
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError("a column map in TOML", f"{path}: {error}", "see data/formats/dataset.md") from error
    try:
        return _column_map(content)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise DataError(
            "observation and action columns in the map", f"{path}: {error}", "see data/formats/dataset.md"
        ) from error


def _column_map(content: dict[str, Any]) -> ColumnMap:
    _refuse_unknown(content, _TOP)
    layout = content.get("csv", {})
    _refuse_unknown(layout, {"delimiter", "header", "skip_lines"})
    label = content.get("label")
    if label is not None and label not in LABELS:
        raise ValueError(f"the label {label!r} is none of {', '.join(LABELS)}")
    period = content.get("period_s")
    if period is not None and not 0 < float(period) < math.inf:
        raise ValueError(f"period_s = {period} is not a time")
    delimiter = layout.get("delimiter")
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1):
        raise ValueError(f"the delimiter {delimiter!r} is not one character")
    return ColumnMap(
        observation=_columns(content["observation"], limits=False),
        action=_columns(content["action"], limits=True),
        time=_column({"name": "time", "unit": "s", **content["time"]}, 0) if "time" in content else None,
        episode=content["episode"]["column"] if "episode" in content else None,
        terminal=content["terminal"]["column"] if "terminal" in content else None,
        period_s=None if period is None else float(period),
        label=label,
        delimiter=delimiter,
        header=bool(layout.get("header", True)),
        skip_lines=int(layout.get("skip_lines", 0)),
    )


def _columns(tables: list[dict[str, Any]], *, limits: bool) -> tuple[Column, ...]:
    columns = tuple(_column(table, index) for index, table in enumerate(tables))
    names = [column.name for column in columns]
    if not columns or len(set(names)) != len(names):
        raise ValueError(f"columns need different names: {', '.join(names) or 'none given'}")
    for column in columns:
        if not limits and (column.low is not None or column.high is not None):
            raise ValueError(f"{column.name}: only an action has limits")
    return columns


def _column(table: dict[str, Any], index: int) -> Column:
    _refuse_unknown(table, {"column", "name", "unit", "scale", "offset", "low", "high"})
    source = table.get("column", index)
    low, high = (None if table.get(key) is None else float(table[key]) for key in ("low", "high"))
    if (low is None) != (high is None) or (low is not None and high is not None and not low < high):
        raise ValueError(f"column {source}: limits need low < high")
    scale, offset = float(table.get("scale", 1.0)), float(table.get("offset", 0.0))
    if not (math.isfinite(scale) and math.isfinite(offset)) or scale == 0:
        raise ValueError(f"column {source}: scale {scale} and offset {offset} make no number")
    return Column(source, str(table.get("name", source)), str(table.get("unit", "1")), scale, offset, low, high)


def _refuse_unknown(table: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise ValueError(f"unknown keys {', '.join(unknown)}; known are {', '.join(sorted(known))}")


def action_channels(columns: Sequence[Column], episodes: Sequence[Episode], unit_box: bool) -> tuple[Channel, ...]:
    """The action's channels; limits that the map leaves open are found in the data.

    Args:
        columns: one a dimension.
        episodes: all of them.
        unit_box: the source is known to act in [-1, 1]; otherwise symmetric limits at the largest action are taken.
    """
    channels = []
    for index, column in enumerate(columns):
        largest = max(float(np.abs(episode.actions[:, index]).max()) for episode in episodes)
        found = 1.0 if (unit_box and largest <= 1) or largest == 0 else largest
        low, high = (-found, found) if column.low is None else (column.low, column.high)
        channels.append(Channel(column.name, column.unit, low, high))
    return tuple(channels)
