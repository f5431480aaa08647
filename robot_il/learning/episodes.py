"""From recorded episodes to a dataset: which are held out, which rows fall away, and the columns themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from robot_il.errors import DataError
from robot_il.learning.dataset import Channel, Dataset, DatasetInfo, EpisodeRecord, content_hash
from robot_il.spec import LABELS

MIN_EPISODES = 5
"""With fewer episodes of a label than this, contiguous blocks of them are held out instead of whole ones."""
BLOCK_S = 2.0
MIN_BLOCK_ROWS = 20


@dataclass(frozen=True, eq=False)
class Episode:
    """One run of transitions, before the split.

    Attributes:
        label: one of ``spec.LABELS``.
        source: name of the file it came from.
        source_sha256: that file's hash.
        observations: (R, S) float32.
        actions: (R, A) float32.
        next_observations: (R, S) float32.
        terminated: the last row ends in a fall.
        step: (R,) int32, rising.
        side: whether this was decided to be held out; None before the split.
        time_us: (R,) int64, rising, in us since step 0; None where nobody measured it.
    """

    label: str
    source: str
    source_sha256: str
    observations: np.ndarray
    actions: np.ndarray
    next_observations: np.ndarray
    terminated: bool
    step: np.ndarray
    side: bool | None = None
    time_us: np.ndarray | None = None

    def __len__(self) -> int:
        """R, the number of transitions."""
        return len(self.observations)

    def rows(self, start: int, stop: int, side: bool | None = None) -> Episode:
        """The part from row ``start`` to before ``stop``; a part without the last row does not end in the fall."""
        return replace(
            self,
            observations=self.observations[start:stop],
            actions=self.actions[start:stop],
            next_observations=self.next_observations[start:stop],
            terminated=self.terminated and stop >= len(self),
            step=self.step[start:stop],
            side=side,
            time_us=None if self.time_us is None else self.time_us[start:stop],
        )


def first_transitions(episodes: Sequence[Episode], count: int | None) -> list[Episode]:
    """The first ``count`` transitions, cutting the episode that goes beyond; all of them for None."""
    if count is None:
        return list(episodes)
    kept: list[Episode] = []
    for episode in episodes:
        if count <= 0:
            break
        kept.append(episode.rows(0, min(count, len(episode))))
        count -= len(episode)
    return kept


def split(episodes: Sequence[Episode], fraction: float, seed: int, period_s: float) -> tuple[list[Episode], list[str]]:
    """Decides for each label which episodes are held out, and says how.

    A label with ``MIN_EPISODES`` or more is split by whole episodes. With fewer, its recordings are cut into blocks of
    about ``BLOCK_S`` and blocks are held out; where the side changes, the transition across is dropped, so that no
    sample is on both sides (neighbours across such a cut are still alike: whole episodes are the better test).

    Args:
        episodes: of any labels.
        fraction: share of a label's episodes or blocks to hold out, in [0, 1); 0 holds out nothing.
        seed: of the choice.
        period_s: time between rows, in s; 0 when it is not known.

    Returns:
        The episodes with ``side`` decided, in the given order of labels and time, and one note a label.
    """
    result: list[Episode] = []
    notes: list[str] = []
    for index, label in enumerate(LABELS):
        of_label = [episode for episode in episodes if episode.label == label]
        if not of_label:
            continue
        random = np.random.default_rng([seed, index])
        if fraction == 0 or len(of_label) >= MIN_EPISODES:
            held_out = _choose(len(of_label), fraction, random)
            result += [replace(episode, side=bool(side)) for episode, side in zip(of_label, held_out, strict=True)]
            notes.append(f"{label}: {held_out.sum()} of {len(of_label)} whole episodes held out")
        else:
            parts, note = _split_blocks(of_label, fraction, random, period_s)
            result += parts
            notes.append(f"{label}: {note}")
    return result, notes


def _choose(count: int, fraction: float, random: np.random.Generator) -> np.ndarray:
    """(count,) bool with the held-out ones True: at least one, never all, none where there is only one."""
    chosen = np.zeros(count, dtype=bool)
    if fraction > 0 and count > 1:
        chosen[random.permutation(count)[: min(max(1, round(fraction * count)), count - 1)]] = True
    return chosen


def _split_blocks(
    episodes: Sequence[Episode], fraction: float, random: np.random.Generator, period_s: float
) -> tuple[list[Episode], str]:
    total = sum(len(episode) for episode in episodes)
    longest = round(BLOCK_S / period_s) if period_s > 0 else total
    size = max(min(total // MIN_EPISODES, longest), MIN_BLOCK_ROWS)
    counts = [max(len(episode) // size, 1) for episode in episodes]
    held_out = _choose(sum(counts), fraction, random)
    parts: list[Episode] = []
    dropped = 0
    for episode, sides in zip(episodes, np.split(held_out, np.cumsum(counts)[:-1]), strict=True):
        edges = np.linspace(0, len(episode), len(sides) + 1).astype(int)
        changes = [0, *(np.flatnonzero(np.diff(sides)) + 1), len(sides)]
        for first, last in pairwise(changes):
            across = last < len(sides)
            parts.append(episode.rows(edges[first], edges[last] - across, bool(sides[first])))
            dropped += across
    if sum(counts) == 1:
        return parts, f"one recording of {total} rows is too short to hold out a part of it"
    note = (
        f"{len(episodes)} episodes, fewer than {MIN_EPISODES}: {held_out.sum()} of {len(held_out)} contiguous blocks"
        f" of about {size} rows held out, {dropped} transitions across a cut dropped"
    )
    return parts, note


def assemble(
    episodes: Sequence[Episode],
    *,
    task: str,
    observation: Sequence[Channel],
    action: Sequence[Channel],
    period_s: float,
    seed: int,
    action_source: str = "",
    spec_hash: str = "",
    notes: Sequence[str] = (),
    meta: dict[str, Any] | None = None,
) -> Dataset:
    """Puts split episodes behind each other; arguments as the fields of ``DatasetInfo``.

    Raises:
        DataError: fewer than two episodes, or values that ``Dataset`` refuses.
    """
    if len(episodes) < 2:
        raise DataError(
            "at least two episodes, or one long enough to be cut into blocks", f"{len(episodes)}",
            "record more, or lower what is dropped",
        )  # fmt: skip
    records = tuple(
        EpisodeRecord(part.label, part.source, part.source_sha256, len(part), bool(part.side), int(part.step[0]))
        for part in episodes
    )
    columns = _columns(episodes)
    info = DatasetInfo(
        task=task,
        observation=tuple(observation),
        action=tuple(action),
        action_source=action_source,
        period_s=period_s,
        spec_hash=spec_hash,
        seed=seed,
        episodes=records,
        notes=tuple(notes),
        meta=meta or {},
    )
    return Dataset(**columns, info=replace(info, hash=content_hash(columns, info)))


def _columns(episodes: Sequence[Episode]) -> dict[str, np.ndarray]:
    lengths = [len(part) for part in episodes]
    ends = np.cumsum(lengths) - 1
    terminals = np.zeros(sum(lengths), dtype=bool)
    timeouts = np.zeros(sum(lengths), dtype=bool)
    fell = np.array([part.terminated for part in episodes])
    terminals[ends] = fell
    timeouts[ends] = ~fell
    times = [part.time_us for part in episodes if part.time_us is not None]
    timed = {"time_us": np.concatenate(times).astype("<i8")} if len(times) == len(episodes) else {}
    return {
        "observations": np.concatenate([part.observations for part in episodes]).astype("<f4"),
        "actions": np.concatenate([part.actions for part in episodes]).astype("<f4"),
        "next_observations": np.concatenate([part.next_observations for part in episodes]).astype("<f4"),
        "terminals": terminals,
        "timeouts": timeouts,
        "episode": np.repeat(np.arange(len(episodes), dtype="<i4"), lengths),
        "step": np.concatenate([part.step for part in episodes]).astype("<i4"),
        "label": np.repeat(np.array([LABELS.index(part.label) for part in episodes], dtype="u1"), lengths),
        "held_out": np.repeat(np.array([bool(part.side) for part in episodes]), lengths),
        **timed,
    }
