"""The fault matrix as one table for people, and as JSON for programs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from robot_il.cli.faults_verdict import Verdict
from robot_il.errors import ConfigError
from robot_il.spec import SPEC_HASH
from sim.faults import FAULTS

BEGIN, END = "<!-- faults: made by robot-il hil --faults all --docs -->\n", "<!-- end of faults -->\n"
COLUMNS = (
    *("fault", "what happens", "promised", "came", "the guard", "the MCU", "first reaction, ms"),
    *("robot", "wheels driven without fresh commands, ms", "log lost, s", "kept"),
)


def row(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """One line of the table: all flights of one fault, in the order of ``COLUMNS``."""
    case = FAULTS[verdicts[0].fault]
    reactions = [verdict.reaction_ms for verdict in verdicts if verdict.reaction_ms is not None]
    broken = _distinct(words for verdict in verdicts for words in verdict.broken)
    return (
        f"`{case.name}`",
        case.meaning,
        " or ".join(case.expected),
        _distinct(verdict.outcome for verdict in verdicts),
        _distinct(_path(verdict.guard) for verdict in verdicts),
        _distinct(_path(verdict.mcu) for verdict in verdicts),
        _range(reactions, len(verdicts)),
        _distinct(verdict.robot for verdict in verdicts),
        f"{max(verdict.driven_ms for verdict in verdicts):.0f}",
        f"{max(verdict.lost_log_s for verdict in verdicts):.2f}",
        f"**no**: {broken}" if broken else "yes",
    )


def table(verdicts: Sequence[Verdict]) -> str:
    """The matrix as a Markdown table, one line a fault."""
    by_fault: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_fault.setdefault(verdict.fault, []).append(verdict)
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(row(flights) for flights in by_fault.values())]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_into(document: Path, text: str) -> None:
    """Puts the text between the markers of a document.

    Raises:
        ConfigError: there is no such document, or it has no markers.
    """
    before = document.read_text(encoding="utf-8") if document.is_file() else ""
    head, begin, rest = before.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ConfigError(
            f"a document {document} with the lines {BEGIN.strip()} and {END.strip()}",
            "none" if not before else "one without",
            "name docs/faults.md of the repository, from its root",
        )
    temporary = document.with_name(document.name + ".partial")
    temporary.write_text(head + begin + text + end + tail, encoding="utf-8")
    temporary.replace(document)


def as_json(verdicts: Sequence[Verdict], settings: dict[str, Any]) -> str:
    """Everything that is known of the flights, as JSON text."""
    flights = [{**asdict(verdict), "log": verdict.log.name} for verdict in verdicts]
    return json.dumps({**settings, "spec_hash": SPEC_HASH, "flights": flights}, indent=1)


def _path(steps: Sequence[str]) -> str:
    """Steps in a row; a round that repeats is told once. Reasons stay where they were first given."""
    told: list[str] = []
    known: set[str] = set()
    for step in steps:
        state, _, reasons = step.rstrip(")").partition(" (")
        fresh = [reason for reason in reasons.split(", ") if reason and reason not in known]
        known.update(fresh)
        words = state.replace("_", " ").lower()
        told.append(f"{words}: {', '.join(fresh).replace('_', ' ').lower()}" if fresh else words)
    short = [step for index, step in enumerate(told) if step not in told[:index]]
    return ", then ".join(short) or "-"


def _distinct(words: Any) -> str:
    return "; or ".join(dict.fromkeys(words))


def _range(reactions: Sequence[float], flights: int) -> str:
    """Median and largest reaction; how many flights had none."""
    if not reactions:
        return "-"
    text = f"{statistics.median(reactions):.0f}"
    if max(reactions) - min(reactions) >= 1.0:
        text += f", at most {max(reactions):.0f}"
    silent = flights - len(reactions)
    return f"{text}; none in {silent} of {flights}" if silent else text
