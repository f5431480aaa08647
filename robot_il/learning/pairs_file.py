"""Pairs of segments that a person compared, as JSON lines; see data/formats/preferences.md."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from robot_il.errors import DataError
from robot_il.learning.dataset import Dataset
from robot_il.learning.preferences import CERTAIN, TIE, Pairs, Preferences, rows_ahead
from robot_il.learning.runs import RunFolder

MAX_FILE_BYTES = 64 * 2**20
MAX_LINE_BYTES = 4096
MAX_SEGMENT_ROWS = 2000
"""10 s at 200 Hz; every pair of a batch is brought to the length of its longest."""
MAX_STEP = 2**31 - 1
PAIRS_NAME = "pairs.jsonl"
"""Of the copy that a run keeps."""
REMEDY = "correct that line; data/formats/preferences.md describes it"


@dataclass(frozen=True)
class PairsFile:
    """The bytes of a pairs file, read once, so that what is hashed is what is used.

    Attributes:
        path: where it was read.
        content: all of it.
    """

    path: Path
    content: bytes

    @classmethod
    def read(cls, path: Path) -> PairsFile:
        """Reads the file.

        Raises:
            DataError: it cannot be read, or has more than ``MAX_FILE_BYTES`` bytes.
        """
        try:
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise DataError("a file of pairs", f"{path}: {error}", "name one with --pairs FILE") from error
        if len(content) > MAX_FILE_BYTES:
            raise DataError(f"a file of at most {MAX_FILE_BYTES} bytes", f"more in {path}", "take fewer pairs")
        return cls(path, content)

    @property
    def sha256(self) -> str:
        """Of the content, as 64 hex digits."""
        return hashlib.sha256(self.content).hexdigest()

    def preferences(self, dataset: Dataset) -> Preferences:
        """The pairs as rows of the dataset, split by episode.

        Raises:
            DataError: a line, by its number, that is no pair or names rows that the dataset does not have; or no pair
                of two training episodes.
        """
        reader = _Reader(self.path, dataset)
        found = [
            reader.pair(number, line) for number, line in enumerate(self.content.split(b"\n"), start=1) if line.strip()
        ]
        columns = [np.array(column) for column in zip(*found, strict=True)] or [np.zeros(0)] * 4
        pairs = Pairs(*columns)
        better, worse = dataset.held_out[pairs.better], dataset.held_out[pairs.worse]
        train = ~(better | worse)
        if not train.any():
            raise DataError(
                "at least one pair of two training episodes", f"none of {len(pairs)} in {self.path}",
                "compare segments of other episodes (the dataset's manifest says which are held out)",
            )  # fmt: skip
        return Preferences(_chosen(pairs, train), _chosen(pairs, better & worse), int((better != worse).sum()))


def pairs_of_run(run: RunFolder) -> PairsFile | None:
    """The pairs that a run was begun with; None where labels served.

    Raises:
        DataError: its copy of them is gone or changed.
    """
    entry = run.config().get("pairs")
    if entry is None:
        return None
    pairs = PairsFile.read(run.path / PAIRS_NAME)
    if pairs.sha256 != entry["sha256"]:
        raise DataError(
            f"pairs {entry['sha256'][:12]}, with which the run was begun", f"{pairs.sha256[:12]} in {pairs.path}",
            "put that file back or train again",
        )  # fmt: skip
    return pairs


def _chosen(pairs: Pairs, chosen: np.ndarray) -> Pairs:
    return Pairs(pairs.better[chosen], pairs.worse[chosen], pairs.length[chosen], pairs.weight[chosen])


class _Reader:
    """Turns lines into pairs; every refusal names its line."""

    def __init__(self, path: Path, dataset: Dataset) -> None:
        self._path, self._dataset = path, dataset
        self._ahead = rows_ahead(dataset)
        records = dataset.info.episodes
        self._first_row = np.concatenate([[0], np.cumsum([record.rows for record in records])])
        self._episodes_of: dict[str, list[int]] = {}
        for index, record in enumerate(records):
            self._episodes_of.setdefault(record.source, []).append(index)
        self._number = 0

    def pair(self, number: int, line: bytes) -> tuple[int, int, int, float]:
        """First row of the better and of the worse segment, rows of each, and weight."""
        self._number = number
        if len(line) > MAX_LINE_BYTES:
            self._refuse(f"at most {MAX_LINE_BYTES} bytes", f"{len(line)}")
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._refuse("a JSON object", f"{line[:60].decode(errors='replace')!r} ({error})")
        self._require_keys("a pair", content, {"better", "worse"}, {"weight"})
        weight = content.get("weight", CERTAIN)
        if isinstance(weight, bool) or weight not in (CERTAIN, TIE):
            self._refuse("a weight of 1 (certain) or 0.5 (a tie)", repr(weight)[:80])
        better, worse = (self._segment(name, content[name]) for name in ("better", "worse"))
        if better[1] != worse[1]:
            self._refuse("two segments of one length", f"{better[1]} and {worse[1]} rows")
        return better[0], worse[0], better[1], weight

    def _segment(self, name: str, content: Any) -> tuple[int, int]:
        self._require_keys(name, content, {"source", "start", "length"}, set())
        source, start, length = content["source"], content["start"], content["length"]
        for key, value, least, most in (("start", start, 0, MAX_STEP), ("length", length, 1, MAX_SEGMENT_ROWS)):
            if not _whole(value) or not least <= value <= most:
                self._refuse(f"{key} of {name} as a whole number in {least} to {most}", repr(value)[:80])
        found = [
            (episode, row) for episode in self._episodes(name, source) for row in self._rows_at(episode, start, length)
        ]
        if not found:
            self._refuse(f"steps {start} to {start + length - 1} within one episode of {source!r}", "no such stretch")
        if len(found) > 1:
            indices = ", ".join(str(episode) for episode, _ in found)
            self._refuse(f"the episode's index in place of {source!r}", f"steps that episodes {indices} of it all have")
        return found[0][1], length

    def _episodes(self, name: str, source: Any) -> list[int]:
        count = len(self._dataset.info.episodes)
        if _whole(source) and 0 <= source < count:
            return [source]
        if not isinstance(source, str) or source not in self._episodes_of:
            self._refuse(f"source of {name} as an episode in 0 to {count - 1} or a recording's name", repr(source)[:80])
        return self._episodes_of[source]

    def _rows_at(self, episode: int, start: int, length: int) -> list[int]:
        """The row of that step, where so many rows follow each other."""
        first, end = self._first_row[episode], self._first_row[episode + 1]
        row = int(first + np.searchsorted(self._dataset.step[first:end], start))
        there = row < end and self._dataset.step[row] == start and self._ahead[row] >= length
        return [row] if there else []

    def _require_keys(self, name: str, content: Any, needed: set[str], optional: set[str]) -> None:
        if not isinstance(content, dict) or not needed <= set(content) <= needed | optional:
            came = ", ".join(map(repr, content)) if isinstance(content, dict) else repr(content)
            self._refuse(f"{name} with {', '.join(sorted(needed))}", came[:80])

    def _refuse(self, expected: str, came: str) -> NoReturn:
        raise DataError(f"{expected} in line {self._number} of {self._path}", came, REMEDY)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
