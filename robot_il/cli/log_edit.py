"""The commands of ``robot-il log`` that edit episodes; the recording itself is never changed by them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from robot_il.cli.arguments import task_name
from robot_il.cli.episode_choice import add_naming, add_seconds, chosen, first_ns, instant, named, one, span
from robot_il.errors import ConfigError

if TYPE_CHECKING:
    from robot_il.recording.episode_book import Episode
    from robot_il.recording.reader import Log


def add_parsers(parts: argparse._SubParsersAction) -> None:
    """Adds the commands to those of ``robot-il log``."""
    noted = _add(parts, "note", note, "write a note on an episode")
    noted.add_argument("text", metavar="TEXT", help="replaces the note that is there; an empty one takes it away")
    add_naming(noted)
    trimmed = _add(parts, "trim", trim, "move the ends of an episode within what was recorded")
    add_seconds(trimmed, "--from", "start", "where it shall begin (default: where it does)")
    add_seconds(trimmed, "--to", "stop", "where it shall end (default: where it does)")
    add_naming(trimmed)
    parted = _add(parts, "split", split, "make two episodes of one")
    add_seconds(parted, "--at", "at", "where to cut", required=True)
    add_naming(parted)
    add_naming(_add(parts, "merge", merge, "make one episode of neighbouring ones"), several=True)
    add_naming(_add(parts, "delete", delete, "leave episodes out; they can be restored"), several=True, everything=True)
    taken = _add(parts, "restore", restore, "take deleted episodes back")
    text = "names, as robot-il log episodes --deleted shows them"
    taken.add_argument("--episode", nargs="+", action="extend", required=True, metavar="ID", help=text)
    added = _add(parts, "add", add, "make an episode of a stretch that none holds")
    add_seconds(added, "--from", "start", "where it begins", required=True)
    add_seconds(added, "--to", "stop", "where it ends", required=True)
    added.add_argument("--task", type=task_name, metavar="TASK", help="default: the recording's")
    added.add_argument("--mode", help="who drove (default: what the recording says)")


def _add(
    parts: argparse._SubParsersAction, name: str, run: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = parts.add_parser(name, help=text, description=text)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.set_defaults(run=run)
    return parser


def note(args: argparse.Namespace) -> None:
    """Writes a note on an episode."""
    from robot_il.recording.episodes import edit, read_with_book

    log, book = read_with_book(args.file)
    episode = one(args.file, book, args.episode)
    edit(log, [{"op": "note", "id": episode.id, "note": args.text}])
    print(f"{args.file}: {episode.id}: noted")


def trim(args: argparse.Namespace) -> None:
    """Moves the ends of an episode."""
    from robot_il.recording.episodes import edit, read_with_book

    if args.start is None and args.stop is None:
        raise ConfigError("--from or --to", "neither", "say where it shall begin or end")
    log, book = read_with_book(args.file)
    episode = one(args.file, book, args.episode)
    start_ns = episode.start_ns if args.start is None else instant(log, args.start)
    stop_ns = episode.stop_ns if args.stop is None else instant(log, args.stop)
    _check_recorded(log, episode, start_ns, stop_ns)
    book = edit(log, [{"op": "trim", "id": episode.id, "start_ns": start_ns, "stop_ns": stop_ns}])
    print(f"{args.file}: {span(log, book.get(episode.id))}")


def _check_recorded(log: Log, episode: Episode, start_ns: int, stop_ns: int | None) -> None:
    """Holds a stretch to what was recorded of an episode, and speaks of it in seconds of the log, as its user does."""
    if episode.recorded_ns is None or stop_ns is None:
        return  # it is being recorded, which the edit itself refuses
    low_ns, high_ns = episode.recorded_ns
    if not low_ns <= start_ns < stop_ns <= high_ns:
        low_s, high_s, start_s, stop_s = ((at - first_ns(log)) / 1e9 for at in (low_ns, high_ns, start_ns, stop_ns))
        raise ConfigError(
            f"a stretch of {episode.id} as it was recorded, from {low_s:.3f} to {high_s:.3f} s of the log",
            f"{start_s:.3f} to {stop_s:.3f} s",
            "choose --from and --to within it",
        )


def split(args: argparse.Namespace) -> None:
    """Makes two episodes of one; without a name, of the one that holds that time."""
    from robot_il.recording.episodes import edit, read_with_book

    log, book = read_with_book(args.file)
    at_ns = instant(log, args.at)
    inside = [episode for episode in book.episodes if episode.start_ns < at_ns < episode.end_ns]
    if not args.episode and not inside:
        raise ConfigError("a time within an episode", f"{args.at:g} s", f"see robot-il log episodes {args.file}")
    episode = named(args.file, book, args.episode[-1]) if args.episode else inside[0]
    taken = {present.id for present in book.all}
    names = [_free(f"{episode.id}{letter}", taken) for letter in "ab"]
    book = edit(log, [{"op": "split", "id": episode.id, "at_ns": at_ns, "into": names}])
    for name in names:
        print(f"{args.file}: {span(log, book.get(name))}")


def merge(args: argparse.Namespace) -> None:
    """Makes one episode of several neighbours, with what lies between them."""
    from robot_il.recording.episodes import edit, new_id, read_with_book

    log, book = read_with_book(args.file)
    episodes = chosen(args.file, book, args.episode, everything=False)
    if len(episodes) < 2:
        raise ConfigError("two or more neighbouring episodes", episodes[0].id, "name them: --episode 1 2")
    name = new_id(book)
    book = edit(log, [{"op": "merge", "ids": [episode.id for episode in episodes], "into": name}])
    print(f"{args.file}: {span(log, book.get(name))}")


def delete(args: argparse.Namespace) -> None:
    """Leaves episodes out."""
    from robot_il.recording.episodes import read_with_book

    log, book = read_with_book(args.file)
    _each(args, log, "delete", chosen(args.file, book, args.episode, args.all))


def restore(args: argparse.Namespace) -> None:
    """Takes deleted episodes back."""
    from robot_il.recording.episodes import read_with_book

    log, book = read_with_book(args.file)
    _each(args, log, "restore", [book.get(name) for name in args.episode])


def add(args: argparse.Namespace) -> None:
    """Makes an episode of a stretch of the recording."""
    from robot_il.recording.episodes import edit, new_id, read_with_book

    log, book = read_with_book(args.file)
    name = new_id(book)
    times = {"start_ns": instant(log, args.start), "stop_ns": instant(log, args.stop)}
    mode = args.mode or str(log.session.controller.get("name") or "unknown")
    book = edit(log, [{"op": "add", "id": name, **times, "task": args.task or log.session.task, "mode": mode}])
    print(f"{args.file}: {span(log, book.get(name))}")


def _each(args: argparse.Namespace, log: Log, op: str, episodes: list[Episode]) -> None:
    from robot_il.recording.episodes import edit

    edit(log, [{"op": op, "id": episode.id} for episode in episodes])
    print(f"{args.file}: {op}d {', '.join(episode.id for episode in episodes)}")


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += name[-1]
    return name
