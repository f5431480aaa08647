"""The report's part on trainings: curves, what each training saw, discriminators, and the embedding of rollouts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from robot_il.errors import RobotIlError
from robot_il.learning import figures_training
from robot_il.learning.inspection import Contribution, Inspection, first_of_each_method, inspect
from robot_il.learning.report_html import Text, figure, heading, note, number, read_json, read_text, table

MOST_EPISODES: Final = 40
"""More rows than this nobody reads; then a row is a recording."""


def training_sections(paths: Sequence[Path]) -> list[str]:
    """Everything about these runs.

    Raises:
        ConfigError: one is missing or makes no sense.
    """
    runs = [read_run(path) for path in paths]
    inspected, remarks = {}, []
    for run in first_of_each_method(runs):
        try:
            inspected[run["name"]] = inspect(run["path"])
        except RobotIlError as error:
            remarks.append(note(f"{run['name']} could not be looked into: {error}"))
    return [*_curves(runs), *_contributions(inspected), *_discriminators(runs), *_embeddings(inspected), *remarks]


def read_run(path: Path) -> dict[str, Any]:
    """Name, path, metrics and summary of a run; one that was never finished has an empty summary.

    Raises:
        ConfigError: it is none.
    """
    config = read_json(path / "config.json", "a run folder with config.json")
    summary = path / "summary.json"
    lines = read_text(path / "metrics.jsonl", "a run folder with metrics.jsonl").splitlines()
    metrics = []
    for line in lines:
        try:
            metrics.append(json.loads(line))
        except ValueError:
            break  # a crash cut the last line
    values = read_json(summary, "a run's summary.json") if summary.exists() else {}
    method = {"method": config.get("method", "")}
    return {"name": path.name, "path": path, "metrics": metrics, "summary": {**method, **values}}


def _curves(runs: Sequence[dict[str, Any]]) -> list[str]:
    head = ("run", "method", "steps", "chosen step", "stopped", "held-out nll", "least squares nll", "seconds")
    drawable = [run for run in runs if len(run["metrics"]) > 2]
    caption = (
        "Left: likelihood of the held-out episodes, lower is better; right: training losses. "
        "Training stops once the held-out likelihood no longer improves, and goes back to the chosen step. "
        "Several runs of one method are shown by their mean and the band from the lowest to the highest."
    )
    return [
        heading("Training"),
        table(head, [_run_row(run) for run in runs]),
        *([figure(partial(figures_training.learning_curves, drawable), caption)] if drawable else []),
    ]


def _run_row(run: dict[str, Any]) -> list[str | Text]:
    summary = run["summary"]
    return [
        Text(run["name"]),
        Text(str(summary.get("method", ""))),
        str(summary.get("steps", "")),
        str(summary.get("chosen_step", "")),
        Text(str(summary.get("stop_reason", "not finished"))),
        number((summary.get("held_out") or {}).get("nll"), 3),
        number((summary.get("baseline") or {}).get("nll"), 3),
        number(summary.get("seconds"), 1),
    ]


def _contributions(inspected: dict[str, Inspection]) -> list[str]:
    """One table for each dataset, though as a rule there is one."""
    groups: dict[tuple, dict[str, Sequence[Contribution]]] = {}
    for name, inspection in inspected.items():
        key = tuple((each.label, each.source, each.train, each.held_out) for each in inspection.contributions)
        groups.setdefault(key, {})[name] = inspection.contributions
    if not groups:
        return []
    about = (
        "Mean weight of an episode's training rows in the policy's loss, by the networks of the chosen step; "
        "1 where a method counts all its rows alike, a dash where it does not imitate them. Weights of different "
        "methods are on different scales: compare down a column, not across."
    )
    return [heading("What did training see?"), note(about), *(_contribution_table(group) for group in groups.values())]


def _contribution_table(group: dict[str, Sequence[Contribution]]) -> str:
    episodes = next(iter(group.values()))
    if len(episodes) > MOST_EPISODES:
        group = {name: _by_recording(each) for name, each in group.items()}
    first = next(iter(group.values()))
    head = ("episode", "label", "recording", "rows trained on", "rows held out", *group)
    rows: list[list[str | Text]] = [
        [
            str(each.episode),
            Text(each.label),
            Text(each.source),
            str(each.train),
            str(each.held_out),
            *(number(of_run[index].weight, 3) for of_run in group.values()),
        ]
        for index, each in enumerate(first)
    ]
    return table(head, rows)


def _by_recording(episodes: Sequence[Contribution]) -> list[Contribution]:
    """Sums over the episodes of one recording and label; ``episode`` is then the first of them."""
    groups: dict[tuple[str, str], list[Contribution]] = {}
    for each in episodes:
        groups.setdefault((each.label, each.source), []).append(each)
    merged = []
    for (label, source), group in groups.items():
        weighed = [(each.weight, each.train) for each in group if each.weight is not None and each.train]
        rows = sum(count for _, count in weighed)
        weight = sum(mean * count for mean, count in weighed) / rows if rows else None
        train, held_out = sum(each.train for each in group), sum(each.held_out for each in group)
        merged.append(Contribution(group[0].episode, label, source, train, held_out, weight))
    return merged


def _discriminators(runs: Sequence[dict[str, Any]]) -> list[str]:
    found = figures_training.verdicts(runs)
    if not found:
        return []
    caption = (
        "Mean output of each discriminator on each kind of row of the training batches: near 1 it takes them for real "
        "(d_o: for as good as the expert's), near 0 for imagined. 0.5 on both sides means that it cannot tell."
    )
    return [heading("Discriminators"), figure(partial(figures_training.discriminators, found), caption)]


def _embeddings(inspected: dict[str, Inspection]) -> list[str]:
    drawn = []
    for name, inspection in inspected.items():
        if inspection.stages:
            caption = f"{name}: states and actions of demonstrations, and of fresh model rollouts coloured by verdict."
            drawn.append(figure(partial(figures_training.embedding, inspection.stages), caption))
    return [heading("Demonstrations and rollouts"), *drawn] if drawn else []
