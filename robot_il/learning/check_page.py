"""The page of ``robot-il log check --html``: one self-contained file: findings, scores, plots."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from robot_il.errors import ConfigError
from robot_il.learning import figures_check
from robot_il.learning.figures_log import recording
from robot_il.learning.report_html import Text, figure, heading, note, save_page, table
from robot_il.recording.check_episodes import EpisodeReport, Examination, Step
from robot_il.recording.findings import FAIL, OK
from robot_il.recording.scores import ABOUT, shown

MOST_DRAWN: Final = 60
"""Episodes with a plot of their own: each takes a second and half a megabyte. Those that are unfit come first."""


def write_page(out: Path, found: Examination, step: Step = lambda done, most, text: None) -> None:
    """Writes the page as a whole, under a temporary name first.

    Args:
        out: the HTML file; replaced.
        found: what there is to show.
        step: told before each episode is drawn.

    Raises:
        ConfigError: it cannot be written.
    """
    if not out.parent.is_dir():
        raise ConfigError(f"to write {out}", f"no folder {out.parent}", "make it, or choose another place")
    drawn = _drawn(found)
    sections = [*_summary(found), *_beside(found)]
    for number, entry in enumerate(found.episodes):
        step(number, len(found.episodes), entry.name)
        sections += _episode(entry, drawn=number in drawn)
    step(len(found.episodes), len(found.episodes), "writing")
    save_page(out, sections, "robot-il log check")


def _drawn(found: Examination) -> set[int]:
    """The numbers of the episodes that get a plot: the unfit first, then the others in their order."""
    order = sorted(range(len(found.episodes)), key=lambda number: found.episodes[number].report.passed)
    return {number for number in order[:MOST_DRAWN] if len(found.episodes[number].log.ticks)}


def _summary(found: Examination) -> list[str]:
    unfit = [entry for entry in found.episodes if not entry.report.passed]
    head = ("episode", "label", "fit to learn from", *(_titled(name) for name in ABOUT))
    texts = [
        *(f"{path} cannot be read: {why}" for path, why in found.unreadable),
        *found.remarks,
        *(["Only some episodes are drawn: the page would be too large."] if len(found.episodes) > MOST_DRAWN else []),
    ]
    return [
        note(f"{len(found.episodes)} episodes, {len(unfit)} not fit to learn from. Failures decide; scores inform."),
        *map(note, texts),
        table(head, map(_row, found.episodes)),
        *_legend(),
    ]


def _titled(name: str) -> str:
    about = ABOUT[name]
    return about.title if about.unit in ("1", "%") else f"{about.title} {about.unit}"


def _row(entry: EpisodeReport) -> list[str | Text]:
    names = ", ".join(finding.name for finding in entry.failures)
    fit = Text(f"no: {names}" if names else "yes", bad=bool(names))
    values = entry.scores.values()
    cells = (shown(name, values[name]).removesuffix(f" {ABOUT[name].unit}") for name in ABOUT)
    return [Text(entry.name), Text(entry.log.label), fit, *cells]


def _legend() -> list[str]:
    rows = [[Text(about.title), Text(about.unit), Text(about.good), Text(about.meaning)] for about in ABOUT.values()]
    return [table(("score", "unit", "good", "meaning"), rows)]


def _beside(found: Examination) -> list[str]:
    driven = [entry for entry in found.episodes if (entry.log.ticks["source"] > 0).any()]
    if not driven:
        return []
    draw: list[tuple[Callable, str]] = [
        (figures_check.scores, "Scores of every episode, by label; a cross is one that is not fit to learn from."),
        (figures_check.coverage, "Time spent in each part of the working range, all episodes together."),
    ]
    return [heading("Beside each other"), *(figure(partial(make, driven), caption) for make, caption in draw)]


def _episode(entry: EpisodeReport, drawn: bool) -> list[str]:
    report = entry.report
    remarks = [
        [Text(finding.severity, finding.severity == FAIL), Text(finding.name), Text(finding.text)]
        for finding in report.findings
        if finding.severity != OK
    ]
    looked_at = f"{len(report.findings)} things were looked at; {len(remarks)} to remark. {report.verdict}."
    verdict = "fit to learn from" if report.passed else "NOT fit to learn from"
    return [
        heading(f"{entry.name}: {entry.log.label}, {verdict}"),
        note(looked_at + (f" Note: {entry.episode.note}" if entry.episode.note else "")),
        *([table(("remark", "of", "finding"), remarks)] if remarks else []),
        *([figure(partial(recording, entry.log, [entry.episode]), entry.name)] if drawn else []),
    ]
