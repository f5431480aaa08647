"""Which episodes have hard failures, and what becomes of them in a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from robot_il.errors import DataError
from robot_il.learning.build_request import DROP, KEEP, REFUSE
from robot_il.learning.build_sources import Source
from robot_il.recording.check import check
from robot_il.recording.findings import FAIL, Finding
from robot_il.recording.reader import Log

_NAMED: Final = 10
"""Episodes that a message names; the lines before it name all."""


def sort_out(
    sources: Sequence[Source], failed: str, progress: Callable[[str], None]
) -> tuple[list[Source], dict[str, Any], list[str]]:
    """Checks each episode and keeps those that are to be used.

    An episode is checked from its first driven tick to the last, under the label under which it is used: a fall is no
    failure of one that shows what to avoid.

    Args:
        sources: the episodes.
        failed: one of ``build_request.ON_FAILURE``.
        progress: called with one line for each episode that fails.

    Returns:
        The episodes to be used, what the dataset's ``meta`` says of their quality, and the notes on it.

    Raises:
        DataError: an episode fails and failures are refused, or none is left.
    """
    judged = [(source, _failures(source)) for source in sources]
    failing = [(source, failures) for source, failures in judged if failures]
    for source, failures in failing:
        progress(f"{source.path}: {source.episode.id}: {_in_words(failures)}")
    if failing and failed == REFUSE:
        raise _refusal(failing, len(sources))
    used = [source for source, failures in judged if not failures or failed == KEEP]
    if not used:
        raise DataError("an episode without a hard failure", f"none of {len(sources)}", "see robot-il log check FILE")
    told = [_entry(source, failures) for source, failures in failing]
    quality = {
        "on_failure": failed,
        "checked": len(sources),
        "dropped": told if failed == DROP else [],
        "kept": told if failed == KEEP else [],
    }
    what = "left out" if failed == DROP else "used all the same"
    notes = [f"{source.label}: {source.name}: {what}: {_in_words(failures)}" for source, failures in failing]
    return used, quality, notes


def _failures(source: Source) -> list[Finding]:
    return [finding for finding in check(driven_stretch(source.log)).findings if finding.severity == FAIL]


def driven_stretch(log: Log) -> Log:
    """The log from its first driven tick to the last, all of it where nobody drove.

    Nothing else is ever learned from, and a robot that nobody drives is lifted, dropped and put up again.
    """
    driven = np.flatnonzero(log.ticks["source"] > 0)
    return replace(log, ticks=log.ticks[driven[0] : driven[-1] + 1]) if driven.size else log


def _in_words(failures: Sequence[Finding]) -> str:
    return ", ".join(f"{finding.name} ({finding.text})" for finding in failures)


def _refusal(failing: Sequence[tuple[Source, list[Finding]]], count: int) -> DataError:
    parts = [f"{source.name}: {_in_words(failures)}" for source, failures in failing[:_NAMED]]
    if len(failing) > _NAMED:
        parts.append(f"and {len(failing) - _NAMED} more")
    came = f"{len(failing)} of {count} that fail: {'; '.join(parts)}"
    remedy = "leave them out with --drop-failed, or use them all the same with --keep-failed"
    return DataError("episodes without hard failures", came, remedy)


def _entry(source: Source, failures: Sequence[Finding]) -> dict[str, Any]:
    return {
        "source": source.name,
        "sha256": source.log.sha256,
        "label": source.label,
        "episode": source.provenance(),
        "findings": [{"name": finding.name, "text": finding.text} for finding in failures],
    }
