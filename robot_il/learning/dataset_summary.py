"""A dataset as lines of text: what is in it, what is held out, and what was dropped and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from robot_il.learning.dataset import Channel, Dataset
from robot_il.spec import LABELS

_OF_A_LOG: Final = re.compile(rf"(?P<label>{'|'.join(LABELS)}): [^:]+: (?:(?P<count>\d+) )?(?P<text>.*)")


def summary_lines(dataset: Dataset) -> list[str]:
    """The table that ``robot-il dataset`` prints."""
    info = dataset.info
    period = f"{info.period_s * 1e3:.4g} ms apart" if info.period_s else "of unknown period"
    lines = [
        f"dataset {info.hash[:12]}: {len(dataset)} transitions {period}, task {info.task or '(foreign)'}",
        f"observation  {', '.join(f'{channel.name} [{channel.unit}]' for channel in info.observation)}",
        f"action       {', '.join(map(_limits, info.action))}"
        + (f", as {info.action_source}" if info.action_source else ""),
        "",
        f"{'label':<12}{'episodes':>10}{'held out':>10}{'rows':>10}{'held out':>10}{'falls':>8}{'seconds':>10}",
    ]
    for index, label in enumerate(LABELS):
        chosen = dataset.label == index
        if chosen.any():
            records = [record for record in info.episodes if record.label == label]
            lines.append(
                f"{label:<12}{len(records):>10}{sum(record.held_out for record in records):>10}"
                f"{int(chosen.sum()):>10}{int((chosen & dataset.held_out).sum()):>10}"
                f"{int(dataset.terminals[chosen].sum()):>8}{int(chosen.sum()) * info.period_s:>10.2f}"
            )
    beyond = (dataset.actions < info.action_low) | (dataset.actions > info.action_high)
    if beyond.any():
        lines.append(f"warning: {int(np.any(beyond, axis=1).sum())} actions lie beyond their limits")
    return [*lines, *(f"  {note}" for note in _gathered(info.notes))]


def _gathered(notes: Sequence[str]) -> list[str]:
    """What is said alike of several logs of a label, said once, with its counts summed; the manifest keeps each."""
    groups: dict[str, list[str]] = {}
    for note in notes:
        match = _OF_A_LOG.fullmatch(note)
        groups.setdefault(f"{match['label']}: {match['text']}" if match else note, []).append(note)
    return [_together(alike) if len(set(alike)) > 1 else alike[0] for alike in groups.values()]


def _together(notes: Sequence[str]) -> str:
    matches = [match for note in notes if (match := _OF_A_LOG.fullmatch(note))]
    count = sum(int(match["count"] or 0) for match in matches)
    label, text = matches[0]["label"], matches[0]["text"]
    return f"{label}: in {len(notes)} logs, {f'{count} ' if count else ''}{text}"


def _limits(channel: Channel) -> str:
    return f"{channel.name} [{channel.unit}] in [{channel.low:.6g}, {channel.high:.6g}]"
