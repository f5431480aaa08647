"""Pairs of segments of which one is preferred, drawn from the labels of recordings.

A segment is a stretch of consecutive rows of one episode. Labels order segments: those of a better recording are
preferred to those of a worse one, and the order of two that carry the same label is not known (a tie). Pairs are split
by episode like rows: both segments of a training pair are of training episodes, both of a held-out pair of held-out
ones. Pairs that a person named come from ``pairs_file.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from robot_il.errors import DataError
from robot_il.learning.dataset import Dataset
from robot_il.spec import LABELS

ORDER = ("expert", "suboptimal", "undesirable")
"""Labels from best to worst; an unlabeled recording has no place among them."""
MIN_SEGMENT = 10
"""A label whose longest stretch is shorter than this many rows gives no segments: what it shows is a moment."""
CERTAIN, TIE = 1.0, 0.5
HELD_OUT_SHARE = 5
"""One held-out pair is drawn for this many training pairs."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """P pairs of segments, both of one pair equally long.

    Attributes:
        better: (P,) int64, the preferred segments' first rows in the dataset.
        worse: (P,) int64, the others'.
        length: (P,) int64, rows of each of the two.
        weight: (P,) float32, the probability that ``better`` is better: 1, or 0.5 for a tie.

    Raises:
        DataError: arrays of different lengths, an empty segment, or another weight.
    """

    better: np.ndarray
    worse: np.ndarray
    length: np.ndarray
    weight: np.ndarray

    def __post_init__(self) -> None:
        for name, dtype in (("better", "i8"), ("worse", "i8"), ("length", "i8"), ("weight", "f4")):
            array = np.ascontiguousarray(getattr(self, name), dtype=dtype).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        shapes = {self.better.shape, self.worse.shape, self.length.shape, self.weight.shape}
        if len(shapes) != 1 or self.better.ndim != 1:
            raise DataError("one better, worse, length and weight a pair", str(shapes), "give as many of each")
        if (self.length < 1).any() or not np.isin(self.weight, (CERTAIN, TIE)).all():
            raise DataError("segments of a row or more and weights of 0.5 or 1", "others", "correct the pairs")

    def __len__(self) -> int:
        """P."""
        return len(self.better)

    @property
    def certain(self) -> np.ndarray:
        """(P,) bool: whether the order is known."""
        return self.weight == CERTAIN


@dataclass(frozen=True, eq=False)
class Preferences:
    """Everything that is known about what is better than what.

    Attributes:
        train: pairs of training episodes.
        held_out: pairs of held-out episodes; may be empty.
        across: pairs of one training and one held-out episode that were left out.
    """

    train: Pairs
    held_out: Pairs
    across: int = 0


def rows_ahead(dataset: Dataset) -> np.ndarray:
    """(N,) int64: the longest segment that starts at each row, in rows; 1 at the last row of a stretch."""
    breaks = np.diff(dataset.episode) != 0
    breaks |= np.diff(dataset.step) != 1
    ends = np.append(np.flatnonzero(breaks), len(dataset) - 1)
    rows = np.arange(len(dataset))
    return ends[np.searchsorted(ends, rows)] - rows + 1


def segment_length(dataset: Dataset, longest: int) -> int:
    """Rows of the segments to draw: ``longest``, or what the shortest-lived label can fill on either side of the split.

    Raises:
        DataError: fewer than two ordered labels have training episodes of ``MIN_SEGMENT`` rows.
    """
    ahead = rows_ahead(dataset)
    reach = {side: _reach(dataset, ahead, held_out=side) for side in (False, True)}
    if len(reach[False]) < 2:
        present = ", ".join(label for label in LABELS if len(dataset.select(label, held_out=False)))
        raise DataError(
            f"training stretches of {MIN_SEGMENT} rows of two labels out of {' > '.join(ORDER)}",
            f"{' and '.join(reach[False]) or 'none'} (labels present: {present})",
            "record some of another label, or name the pairs in a file: --pairs FILE",
        )
    return min(longest, *(rows for side in reach.values() for rows in side.values()))


def _reach(dataset: Dataset, ahead: np.ndarray, *, held_out: bool) -> dict[str, int]:
    """Longest segment of each ordered label that has one of ``MIN_SEGMENT`` rows on that side."""
    longest = {label: ahead[dataset.select(label, held_out=held_out)].max(initial=0) for label in ORDER}
    return {label: int(rows) for label, rows in longest.items() if rows >= MIN_SEGMENT}


def preferences_from_labels(
    dataset: Dataset, seed: int, *, count: int, longest: int, tie_share: float = 0.0
) -> Preferences:
    """Draws pairs: the labels uniformly among those that can be compared, then a segment of each uniformly.

    Args:
        dataset: the recordings.
        seed: the same gives the same pairs.
        count: training pairs; a fifth as many held-out ones are drawn where two labels have held-out episodes.
        longest: rows of a segment; see ``segment_length``.
        tie_share: share of the pairs whose segments carry the same label, in [0, 1).

    Raises:
        DataError: there are no two labels to compare.
    """
    length = segment_length(dataset, longest)
    ahead = rows_ahead(dataset)
    drawn = {}
    for held_out, pairs in ((False, count), (True, max(count // HELD_OUT_SHARE, 1))):
        starts = {}
        for label in _reach(dataset, ahead, held_out=held_out):
            rows = dataset.select(label, held_out=held_out)
            starts[label] = rows[ahead[rows] >= length]
        random = np.random.default_rng([seed, held_out])
        drawn[held_out] = _draw(random, starts, pairs if len(starts) > 1 else 0, length, tie_share)
    return Preferences(drawn[False], drawn[True])


def _draw(
    random: np.random.Generator, starts: dict[str, np.ndarray], count: int, length: int, tie_share: float
) -> Pairs:
    ordered = list(combinations(starts, 2))
    tied = random.random(count) < tie_share
    kind = random.integers(len(ordered) or 1, size=count)
    same = random.integers(len(starts) or 1, size=count)
    better, worse = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for chosen, labels in [
        *((~tied & (kind == index), labels) for index, labels in enumerate(ordered)),
        *((tied & (same == index), (label, label)) for index, label in enumerate(starts)),
    ]:
        for side, label in zip((better, worse), labels, strict=True):
            side[chosen] = random.choice(starts[label], size=int(chosen.sum()))
    return Pairs(better, worse, np.full(count, length), np.where(tied, TIE, CERTAIN))
