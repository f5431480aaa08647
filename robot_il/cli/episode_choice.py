"""Which episodes of a recording a command line means, and which instants of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from robot_il.errors import ConfigError

if TYPE_CHECKING:
    from robot_il.recording.episode_book import Episode, EpisodeBook
    from robot_il.recording.reader import Log

MAX_SECONDS = 365 * 86400.0
_SHOWN = 20
"""Names in a message."""


def add_naming(parser: argparse.ArgumentParser, several: bool = False, everything: bool = False) -> None:
    """Adds ``--episode``, and ``--all`` where ``everything`` may be meant."""
    parser.add_argument(
        "--episode",
        nargs="+" if several else 1,
        action="extend",
        default=[],
        metavar="ID",
        help="name or number, as robot-il log episodes shows them",
    )
    if everything:
        parser.add_argument("--all", action="store_true", help="all episodes")


def add_seconds(parser: argparse.ArgumentParser, flag: str, dest: str, text: str, required: bool = False) -> None:
    """Adds an argument for an instant of the recording."""
    parser.add_argument(flag, dest=dest, type=float, metavar="S", required=required, help=f"{text}, in s of the log")


def chosen(path: Path, book: EpisodeBook, names: list[str], everything: bool) -> list[Episode]:
    """The episodes of these names or numbers, each once; without names, and with ``everything``, all that are there.

    Raises:
        ConfigError: nothing is named, or what is named is not there.
    """
    if names:
        return list({found.id: found for found in (named(path, book, name) for name in names)}.values())
    if everything and book.episodes:
        return book.episodes
    raise ConfigError("--episode, or --all where that is meant", f"none ({_known(book)})", "name those that are meant")


def one(path: Path, book: EpisodeBook, names: list[str]) -> Episode:
    """The one episode that is meant; it need not be named where there is only one.

    Raises:
        ConfigError: there is none or more than one, and none is named.
    """
    if not names and len(book.episodes) != 1:
        raise ConfigError("the --episode that is meant", f"none ({_known(book)})", "name it")
    return named(path, book, names[-1]) if names else book.episodes[0]


def named(path: Path, book: EpisodeBook, name: str) -> Episode:
    """The episode of this name, else of this number in the order of time.

    Raises:
        ConfigError: there is none.
    """
    episodes = book.episodes
    by_number = {str(number): episode for number, episode in enumerate(episodes, 1)}
    found = {**by_number, **{episode.id: episode for episode in episodes}}.get(name)
    if found:
        return found
    raise ConfigError(f"an episode of {path} out of {_known(book)}", name, f"see robot-il log episodes {path}")


def _known(book: EpisodeBook) -> str:
    names = [episode.id for episode in book.episodes]
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join([*names[:_SHOWN], *more]) or "no episode"


def first_ns(log: Log) -> int:
    """Host time of a recording's first tick; 0 where it has none."""
    return int(log.ticks["host_receive_ns"][0]) if len(log.ticks) else 0


def instant(log: Log, seconds: float) -> int:
    """Host time in ns of an instant, given in s from the recording's first tick.

    Raises:
        ConfigError: no number, or farther away than a year.
    """
    if not abs(seconds) < MAX_SECONDS:
        raise ConfigError("seconds of the recording", f"{seconds}", "count from its first tick")
    return max(0, first_ns(log) + round(seconds * 1e9))


def span(log: Log, episode: Episode) -> str:
    """An episode in words: where it lies in the recording, and its label."""
    start_s = round((episode.start_ns - first_ns(log)) / 1e9, 2) + 0.0  # never a minus before 0.00
    length_s = episode.seconds or 0.0
    return f"{episode.id}: {start_s:.2f} to {start_s + length_s:.2f} s, {length_s:.2f} s, {episode.label}"
