"""``robot-il log episodes`` and ``log label``: which episodes recordings have, and how good each is."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot_il.cli.episode_choice import add_naming, chosen, first_ns
from robot_il.errors import ConfigError
from robot_il.spec import LABELS

if TYPE_CHECKING:
    from robot_il.recording.episode_book import Episode, EpisodeBook
    from robot_il.recording.reader import Log


def add_parsers(parts: argparse._SubParsersAction) -> None:
    """Adds both commands to those of ``robot-il log``."""
    text = "the episodes of recordings, with their labels and what is proposed"
    shown = parts.add_parser("episodes", help=text, description=text)
    shown.add_argument("files", type=Path, nargs="+", metavar="FILE")
    shown.add_argument("--json", action="store_true", help="print JSON")
    shown.add_argument("--deleted", action="store_true", help="also those that were deleted")
    shown.set_defaults(run=show)
    text = "change the label of recordings, or of episodes in them"
    labelled = parts.add_parser("label", help=text, description=text)
    labelled.add_argument("words", nargs="+", metavar="FILE... LABEL", help=f"LABEL: {', '.join(LABELS)}")
    text = "instead of a LABEL: give unlabeled episodes what is proposed for them"
    labelled.add_argument("--accept-proposals", action="store_true", help=text)
    add_naming(labelled, several=True, everything=True)
    labelled.set_defaults(run=label)


def show(args: argparse.Namespace) -> None:
    """Prints the episodes of each recording."""
    from robot_il.recording.episodes import read_with_book

    values = []
    for path in args.files:
        log, book = read_with_book(path)
        rows = [_row(log, book, episode) for episode in (book.all if args.deleted else book.episodes)]
        values.append({"path": str(path), "sha256": log.sha256, "episodes": rows, "problems": book.problems})
        if not args.json:
            print("\n".join(_table(path, rows, book.problems)))
    if args.json:
        print(json.dumps(values, indent=2))


def _row(log: Log, book: EpisodeBook, episode: Episode) -> dict[str, Any]:
    """One episode, its times in s of the log, with the proposal made now where none was recorded."""
    from robot_il.recording.episodes import part_of, propose

    proposal, reasons = episode.proposal, list(episode.reasons)
    if not proposal:
        part = part_of(log, episode)
        proposal, reasons = propose(part.ticks, part.events, episode.task)
    numbers = {present.id: number for number, present in enumerate(book.episodes, 1)}
    return {
        **episode.to_json(),
        "number": numbers.get(episode.id),
        "start_s": (episode.start_ns - first_ns(log)) / 1e9,
        "proposal": proposal,
        "reasons": reasons,
    }


def _table(path: Path, rows: list[dict[str, Any]], problems: list[str]) -> list[str]:
    head = ("no", "id", "start s", "length s", "task", "mode", "label", "proposed", "note")
    cells = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    lines = [str(path)]
    for index, line in enumerate(cells):
        lines.append("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if index:
            lines += [f"      {reason}" for reason in rows[index - 1]["reasons"]]
    if not rows:
        lines.append("  no episodes; make one with robot-il log add")
    return [*lines, *(f"  {problem}" for problem in problems)]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    state = " (deleted)" if row["deleted"] else " (cut)" if row["cut"] else ""
    proposal = "" if row["proposal"] == "unlabeled" else row["proposal"]
    return (
        str(row["number"] or "-"),
        row["id"] + state,
        f"{round(row['start_s'], 2) + 0.0:.2f}",
        f"{row['seconds']:.2f}",
        row["task"],
        row["mode"],
        row["label"],
        proposal,
        row["note"].replace("\n", " "),
    )


def label(args: argparse.Namespace) -> None:
    """Labels episodes; a recording that is no more than one episode is relabelled itself."""
    if args.accept_proposals:
        for path in map(Path, args.words):
            _accept(path, args.episode)
        return
    *files, name = args.words
    if name not in LABELS or not files:
        came = name if files else f"{name} alone"
        raise ConfigError(f"FILE and then a label of {', '.join(LABELS)}", came, "name the label last")
    if args.episode and len(files) > 1:
        raise ConfigError("one recording with --episode", f"{len(files)}", "label them one by one")
    for path in map(Path, files):
        _label(path, name, args)


def _label(path: Path, name: str, args: argparse.Namespace) -> None:
    from robot_il.recording.episodes import edit, has_own_episodes, journal_of, read_with_book
    from robot_il.recording.rewrite import relabel

    log, book = read_with_book(path)
    if not args.episode and not has_own_episodes(log) and not journal_of(path).exists():
        print(f"{path}: {relabel(path, name)} -> {name}")
        return
    episodes = chosen(path, book, args.episode, args.all)
    edit(log, [{"op": "label", "id": episode.id, "label": name} for episode in episodes])
    for episode in episodes:
        print(f"{path}: {episode.id}: {episode.label} -> {name}")


def _accept(path: Path, names: list[str]) -> None:
    """Takes over what is proposed for episodes that nobody has labelled."""
    from robot_il.recording.episode_book import BY_PROPOSAL, UNLABELED
    from robot_il.recording.episodes import edit, read_with_book

    log, book = read_with_book(path)
    among = chosen(path, book, names, everything=True)
    rows = [_row(log, book, episode) for episode in among if episode.label == UNLABELED]
    rows = [row for row in rows if row["proposal"] != UNLABELED]
    operations: list[dict[str, Any]] = []
    for row in rows:
        proposed = {"op": "propose", "id": row["id"], "label": row["proposal"], "reasons": row["reasons"]}
        operations += [proposed, {"op": "label", "id": row["id"], "label": row["proposal"], "by": BY_PROPOSAL}]
    if operations:
        edit(log, operations)
    for row in rows:
        print(f"{path}: {row['id']}: {UNLABELED} -> {row['proposal']}: {'; '.join(row['reasons'])}")
    if not rows:
        print(f"{path}: nothing is proposed for an unlabeled episode")
