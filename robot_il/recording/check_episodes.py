"""Every episode of several recordings: what is wrong with it, and how good it is beside the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from robot_il.errors import LogError
from robot_il.recording.check import CheckReport, check, without_nan
from robot_il.recording.episodes import WHOLE, Episode, part_of, read_with_book
from robot_il.recording.findings import FAIL, Finding
from robot_il.recording.reader import Log
from robot_il.recording.scores import Scores, score

PATTERN: Final = "*.mcap"

Step = Callable[[int, int, str], None]
"""Told how many files of how many are done, and which is next."""


@dataclass(frozen=True, eq=False)
class EpisodeReport:
    """One episode, looked at from all sides.

    Attributes:
        log: the episode's part of its recording.
        episode: what it is.
        report: the findings, which decide.
        scores: which inform.
    """

    log: Log
    episode: Episode
    report: CheckReport
    scores: Scores

    @property
    def name(self) -> str:
        """Of the file, and of the episode where it is not the whole of it."""
        return self.log.path.name + ("" if self.episode.id == WHOLE else f" {self.episode.id}")

    @property
    def failures(self) -> list[Finding]:
        """The hard failures."""
        return [finding for finding in self.report.findings if finding.severity == FAIL]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values; what cannot be told is null."""
        return {
            "episode": without_nan(self.episode.to_json()),
            "task": self.log.session.task,
            **self.report.to_json(),
            "scores": without_nan(self.scores.values()),
            "not_scored": list(self.scores.remarks),
        }


@dataclass(frozen=True)
class Examination:
    """What was found in all files.

    Attributes:
        episodes: in the order of the files and of time.
        unreadable: a file that was found in a folder and is no log, and why.
        remarks: what else is to be told of the files.
    """

    episodes: tuple[EpisodeReport, ...]
    unreadable: tuple[tuple[Path, str], ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """No hard failure in any episode, and no file that cannot be read."""
        return not self.unreadable and all(episode.report.passed for episode in self.episodes)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "passed": self.passed,
            "episodes": [episode.to_json() for episode in self.episodes],
            "unreadable": [{"path": str(path), "why": why} for path, why in self.unreadable],
            "remarks": list(self.remarks),
        }


def examine(places: Sequence[Path], step: Step = lambda done, most, text: None) -> Examination:
    """Checks and scores every episode of every file; coverage is told beside all the others.

    Args:
        places: logs, and folders of ``*.mcap``, searched with all that lies under them.
        step: told before each file.

    Raises:
        LogError: a file that was named cannot be read, or there is none at all.
    """
    files, found = _files(places)
    parts: list[tuple[Episode, Log]] = []
    unreadable: list[tuple[Path, str]] = []
    remarks: list[str] = []
    for number, path in enumerate(files):
        step(number, len(files), path.name)
        try:
            log, book = read_with_book(path)
        except LogError as error:
            if path not in found:
                raise
            unreadable.append((path, str(error)))
            continue
        parts += [(episode, part_of(log, episode)) for episode in book.episodes]
        remarks += [f"{path}: {problem}" for problem in book.problems]
        remarks += [] if book.episodes else [f"{path}: no episode in it"]
    step(len(files), len(files), "scores")
    scores = score([log for _, log in parts])
    reports = [EpisodeReport(log, episode, check(log), its) for (episode, log), its in zip(parts, scores, strict=True)]
    return Examination(tuple(reports), tuple(unreadable), tuple(remarks))


def _files(places: Sequence[Path]) -> tuple[list[Path], set[Path]]:
    """All files, each once, and those of them that were found in a folder."""
    files: dict[Path, None] = {}
    found: set[Path] = set()
    for place in places:
        inside = sorted(place.rglob(PATTERN)) if place.is_dir() else [place]
        if not inside:
            raise LogError(f"logs ({PATTERN}) in {place}", "none", "name another folder")
        files.update(dict.fromkeys(inside))
        found.update(inside if place.is_dir() else [])
    return list(files), found
