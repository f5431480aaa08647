"""``robot-il log check``: which episodes of which recordings are fit to learn from, and how good they are."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robot_il.recording.check_episodes import EpisodeReport, Examination

COLUMNS = (
    "seconds",
    "upright_s",
    "fell",
    "mean_margin",
    "coverage",
    "shared_coverage",
    "torque_rate_nm_s",
    "torque_arc",
    "velocity_arc",
    "lqr_distance_nm",
)
"""Scores in the table of several episodes; JSON and the page have all of them."""


def add_parser(parts: argparse._SubParsersAction) -> None:
    """Adds the command."""
    text = "which recordings are fit to learn from, episode by episode; exit code 1 if any is not"
    parser = parts.add_parser("check", help=text, description=text)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="logs, or folders of them")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write one self-contained page with plots")
    parser.add_argument("--all", action="store_true", help="of several episodes, print every finding of each")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the findings and scores; 1 where an episode is not fit to learn from or a file cannot be read."""
    from robot_il.learning.progress import terminal_progress
    from robot_il.recording.check_episodes import examine

    with terminal_progress() as progress:
        found = examine(args.files, lambda done, most, text: progress.show("checking", done, most, text))
        if args.html:
            from robot_il.learning.check_page import write_page

            write_page(args.html, found, lambda done, most, text: progress.show("drawing", done, most, text))
    if args.json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        print("\n".join(_lines(found, args.all)))
        if args.html:
            print(f"page {args.html.resolve()}")
    return 0 if found.passed else 1


def _lines(found: Examination, everything: bool) -> list[str]:
    whole = len(found.episodes) == 1
    detailed = [entry for entry in found.episodes if whole or everything or not entry.report.passed]
    lines = [line for entry in detailed for line in (*_detail(entry, whole or everything), "")]
    if not whole:
        lines += [*_table(found), ""]
    unfit = sum(not entry.report.passed for entry in found.episodes)
    lines += [*found.remarks, *(f"{path} cannot be read: {why}" for path, why in found.unreadable)]
    if not whole:
        lines.append(f"{len(found.episodes)} episodes, {unfit} NOT fit to learn from")
    return lines if lines[-1] else lines[:-1]


def _detail(entry: EpisodeReport, everything: bool) -> list[str]:
    """One episode: its findings, those that are not ok where not everything is asked for, and its scores."""
    from robot_il.recording.findings import OK
    from robot_il.recording.scores import ABOUT, shown

    head, *rows = entry.report.lines()
    if not everything:
        rows = [row for row in rows if not row.startswith(f"{OK} ")]
    values = entry.scores.values()
    scores = [
        f"  {about.title:<16} {shown(name, values[name]):>12}  {about.good:<12} {about.meaning}"
        for name, about in ABOUT.items()
    ]
    title = head if entry.name == entry.log.path.name else f"{head}, episode {entry.episode.id}"
    remarks = [f"  not scored: {remark}" for remark in entry.scores.remarks]
    return [title, *rows, *(["scores, and what is good:", *scores, *remarks] if everything else [])]


def _table(found: Examination) -> list[str]:
    """A line an episode."""
    from robot_il.recording.scores import ABOUT, shown

    rows = [["recording", "episode", "label", "fit", *(ABOUT[name].title for name in COLUMNS)]]
    for entry in found.episodes:
        values = entry.scores.values()
        fit = "yes" if entry.report.passed else "NO"
        names = [entry.log.path.name, entry.episode.id, entry.log.label, fit]
        rows.append([*names, *(shown(name, values[name]) for name in COLUMNS)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) if column < 4 else cell.rjust(width)
                      for column, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
            for row in rows]  # fmt: skip
