"""Foreign CSV recordings to a dataset, through a column map."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from robot_il.errors import DataError
from robot_il.learning.column_map import Column, ColumnMap, action_channels
from robot_il.learning.dataset import Channel, Dataset
from robot_il.learning.episodes import Episode, assemble, split
from robot_il.learning.importers import Split, sha256_of_file

MAX_FILE_BYTES = 2**30
DELIMITERS = ("\t", ";", ",")
"""Tried in this order, because a comma may be a decimal one; without any of them, blanks separate."""
GAP_PERIODS = 1.5
"""A step in time longer than this many periods, or not forward, ends the episode."""
MIN_ROWS = 20


@dataclass(frozen=True)
class Table:
    """The fields of one file as text.

    Attributes:
        path: the file.
        header: its column names; "0", "1", ... where it names none.
        rows: one list of fields a line.
        lines: line number of each row in the file, from 1.
        cut: whether an incomplete last line was left out.
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    cut: bool

    def numbers(self, column: str | int) -> np.ndarray:
        """One column, (R,) float64.

        Raises:
            DataError: no such column, or a field that is no finite number.
        """
        index = self._index(column)
        try:
            values = np.array([row[index] for row in self.rows], dtype=np.float64)
        except ValueError:
            values = np.array([_number(row[index]) for row in self.rows])
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            row = int(bad[0])
            came = f"{self.rows[row][index]!r} in line {self.lines[row]}"
            raise DataError(f"finite {self.header[index]} in {self.path}", came, "correct or leave out that line")
        return values

    def _index(self, column: str | int) -> int:
        if isinstance(column, int) and 0 <= column < len(self.header):
            return column
        if isinstance(column, str) and self.header.count(column) == 1:
            return self.header.index(column)
        raise DataError(
            f"one column {column!r} in {self.path}", f"the columns {', '.join(self.header)}", "correct the map"
        )


def read_table(path: Path, columns: ColumnMap) -> Table:
    """Splits a CSV into fields; accepts a byte-order mark, quotes, ``#`` comments, empty lines and any line ending.

    Raises:
        DataError: not text, empty, or a line with another number of fields.
    """
    text = _text(path)
    numbered = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)][columns.skip_lines :]
    numbered = [(number, line) for number, line in numbered if line and not line.startswith(("#", "%"))]
    if len(numbered) <= columns.header:
        raise DataError(f"rows in {path}", "none", "name another file")
    delimiter = columns.delimiter or next((sign for sign in DELIMITERS if sign in numbered[0][1]), " ")
    try:
        fields = [_fields(line, delimiter) for _, line in numbered]
    except csv.Error as error:
        raise DataError("a CSV file", f"{path}: {error}", "name such a file") from error
    header = fields.pop(0) if columns.header else [str(index) for index in range(len(fields[0]))]
    lines = [number for number, _ in numbered][len(numbered) - len(fields) :]
    cut = len(fields) > 1 and len(fields[-1]) < len(header) and not text.endswith("\n")
    if cut:
        fields.pop()
        lines.pop()
    for row, line in zip(fields, lines, strict=True):
        if len(row) != len(header):
            raise DataError(f"{len(header)} fields in {path}", f"{len(row)} in line {line}", "correct that line")
    return Table(path, header, fields, lines, cut)


def import_csv(paths: Sequence[Path], choice: Split, columns: ColumnMap) -> Dataset:
    """Reads one file or several; an action answers the observation of its own row.

    An episode ends with its file, where the episode column changes, at a gap in time, or at a terminal row. Its last
    row, whose next observation is unknown, only serves as the next observation of the row before.

    Args:
        paths: the files.
        choice: label and split.
        columns: which columns are what.

    Raises:
        DataError: a file that is no such CSV, a column that is not there, a NaN, or too little to learn from.
    """
    tables = [read_table(path, columns) for path in paths]
    period_s = columns.period_s or _period(tables, columns.time)
    episodes: list[Episode] = []
    notes: list[str] = []
    for table in tables:
        found, remarks = _episodes(table, columns, period_s, choice.label)
        episodes += found
        notes += [f"{choice.label}: {table.path.name}: {remark}" for remark in remarks]
    if not episodes:
        raise DataError(f"a stretch of {MIN_ROWS} rows", "none in any file", "check the time and episode columns")
    parts, split_notes = split(episodes, choice.held_out_fraction, choice.seed, period_s)
    return assemble(
        parts,
        task="",
        observation=[Channel(column.name, column.unit) for column in columns.observation],
        action=action_channels(columns.action, episodes, unit_box=False),
        period_s=period_s,
        seed=choice.seed,
        notes=[*notes, *split_notes],
        meta={"sources": [table.path.name for table in tables]},
    )


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"more than {MAX_FILE_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
        if "\0" in text:
            raise ValueError("zero bytes, so it is no text")
    except (OSError, ValueError) as error:
        raise DataError("a CSV file in UTF-8", f"{path}: {error}", "name such a file") from error
    return text


def _fields(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    return [field.strip() for field in next(csv.reader(io.StringIO(line), delimiter=delimiter))]


def _number(field: str) -> float:
    """A number written with a point or a decimal comma; NaN for anything else."""
    try:
        return float(field.replace(",", "."))
    except ValueError:
        return float("nan")


def _period(tables: Sequence[Table], time: Column | None) -> float:
    """Median step of the time column over all files, in s."""
    if time is None:
        raise DataError("period_s or a time column in the map", "neither", "add one of them")
    steps = np.concatenate([np.diff(time.of(table.numbers(time.column))) for table in tables])
    forward = steps[steps > 0]
    if not forward.size:
        raise DataError("a time column that rises", f"{time.column!r}, which does not", "correct the map")
    return float(np.median(forward))


def _episodes(table: Table, columns: ColumnMap, period_s: float, label: str) -> tuple[list[Episode], list[str]]:
    observations = _stack(table, columns.observation)
    actions = _stack(table, columns.action)
    rows = len(observations)
    terminal = np.zeros(rows, dtype=bool) if columns.terminal is None else table.numbers(columns.terminal) != 0
    follows, gaps = _follows(table, columns, period_s, terminal)
    edges = [0, *(np.flatnonzero(~follows) + 1), rows]
    digest = sha256_of_file(table.path)
    episodes: list[Episode] = []
    remarks = ["an incomplete last line left out"] if table.cut else []
    remarks += [f"{gaps} cuts where time does not go on by {period_s:.4g} s"] if gaps else []
    for start, stop in pairwise(edges):
        if stop - start < MIN_ROWS:
            remarks.append(f"a fragment of {stop - start} rows at line {table.lines[start]} dropped")
            continue
        episodes.append(
            Episode(
                label=label,
                source=table.path.name,
                source_sha256=digest,
                observations=observations[start : stop - 1],
                actions=actions[start : stop - 1],
                next_observations=observations[start + 1 : stop],
                terminated=bool(terminal[stop - 1]),
                step=np.arange(stop - start - 1, dtype=np.int32),
            )
        )
    return episodes, remarks


def _follows(table: Table, columns: ColumnMap, period_s: float, terminal: np.ndarray) -> tuple[np.ndarray, int]:
    """(R - 1,) bool: row i + 1 belongs to row i's episode, one period later; and the number of gaps in time."""
    follows = ~terminal[:-1]
    if columns.episode is not None:
        follows &= np.diff(table.numbers(columns.episode)) == 0
    if columns.time is None:
        return follows, 0
    step = np.diff(columns.time.of(table.numbers(columns.time.column)))
    in_time = (step > 0) & (step <= GAP_PERIODS * period_s)
    return follows & in_time, int((follows & ~in_time).sum())


def _stack(table: Table, columns: Sequence[Column]) -> np.ndarray:
    """(R, columns) float32."""
    with np.errstate(over="ignore"):
        values = [column.of(table.numbers(column.column)).astype(np.float32) for column in columns]
    return np.stack(values, axis=1)
