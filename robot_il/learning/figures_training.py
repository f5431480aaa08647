"""The plots of trainings: curves with their seeds, discriminators, the embedding of rollouts, and the comparison."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robot_il.learning.figures import COLOURS, WIDTH_IN

if TYPE_CHECKING:
    from robot_il.learning.comparison import Row, Spread
    from robot_il.learning.inspection import Stage

VERDICT: Final = re.compile(r"d_([a-z]_)?[a-z]+")
"""Names under which methods report the mean output of their discriminators on a kind of row."""

Curve = tuple[np.ndarray, np.ndarray]
"""Steps (K,) and values (runs, K), NaN where a run has no value at that step."""


def by_method(runs: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Runs of one method together: they differ by their seeds."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        groups.setdefault(str(run["summary"].get("method") or run["name"]), []).append(run)
    return groups


def series(metrics: Sequence[Mapping[str, Any]], split: str) -> dict[str, tuple[list[float], list[float]]]:
    """Each quantity of a split: its steps and values, without what is missing."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for record in metrics:
        if record.get("split") != split:
            continue
        for name, value in record.items():
            if name not in ("step", "split", "seconds") and isinstance(value, int | float):
                steps, values = found.setdefault(name, ([], []))
                steps.append(record["step"])
                values.append(value)
    return found


def curves(runs: Sequence[Mapping[str, Any]], split: str) -> dict[str, Curve]:
    """Each quantity of a split over the steps of all the runs."""
    single = [series(run["metrics"], split) for run in runs]
    found = {}
    for name in dict.fromkeys(name for each in single for name in each):
        steps = np.unique(np.concatenate([each[name][0] for each in single if name in each]))
        values = np.full((len(runs), len(steps)), np.nan)
        for row, each in zip(values, single, strict=True):
            if name in each:
                row[np.searchsorted(steps, each[name][0])] = each[name][1]
        found[name] = steps, values
    return found


def learning_curves(runs: Sequence[Mapping[str, Any]]) -> Figure:
    """Held-out likelihood and training losses over the steps, a row a method; over several runs their mean and range.

    Args:
        runs: each with ``name``, ``metrics`` (a list of records as in ``metrics.jsonl``) and ``summary``.
    """
    groups = by_method(runs)
    figure = Figure((WIDTH_IN, 2.3 * len(groups) + 0.3), layout="constrained")
    panels = figure.subplots(len(groups), 2, squeeze=False)
    for (left, right), (method, group) in zip(panels, groups.items(), strict=True):
        _held_out(left, method, group)
        _training(right, group)
        for axes in (left, right):
            _chosen_steps(axes, group)
            axes.set_xlabel("step")
        left.legend(loc="best")
        # the training panel has a line a network: no corner of it is sure to be free
        right.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _band(axes: Axes, curve: Curve, colour: str, label: str) -> None:
    """The mean over runs and the band from the lowest to the highest, at the steps that at least one run reached."""
    steps, values = curve
    axes.plot(steps, np.nanmean(values, axis=0), color=colour, marker=".", ms=3, label=label)
    if len(values) > 1:
        axes.fill_between(steps, np.nanmin(values, axis=0), np.nanmax(values, axis=0), color=colour, alpha=0.2, lw=0)


def _held_out(axes: Axes, method: str, runs: Sequence[Mapping[str, Any]]) -> None:
    found = curves(runs, "held_out")
    if "nll" in found:
        _band(axes, found["nll"], COLOURS[0], "held-out likelihood")
    baselines = [(run["summary"].get("baseline") or {}).get("nll") for run in runs]
    for value in {value for value in baselines if value is not None}:
        axes.axhline(value, color=COLOURS[7], lw=1, ls=":", label="least squares")
    axes.set_title(runs[0]["name"] if len(runs) == 1 else f"{method}, {len(runs)} runs", loc="left")
    axes.set_ylabel("negative log likelihood")


def _training(axes: Axes, runs: Sequence[Mapping[str, Any]]) -> None:
    losses = {name: curve for name, curve in curves(runs, "train").items() if name.startswith("loss_")}
    for number, (name, curve) in enumerate(sorted(losses.items())):
        _band(axes, curve, COLOURS[(number + 2) % len(COLOURS)], name.removeprefix("loss_"))
    axes.set_ylabel("training loss")
    # losses of several networks differ by orders of magnitude, and a likelihood goes below zero
    axes.set_yscale("symlog" if len(losses) > 1 else "linear")


def _chosen_steps(axes: Axes, runs: Sequence[Mapping[str, Any]]) -> None:
    steps = [run["summary"]["chosen_step"] for run in runs if run["summary"].get("chosen_step") is not None]
    for number, step in enumerate(steps):
        label = f"chosen step {', '.join(map(str, steps))}" if number == 0 else None
        axes.axvline(step, color=COLOURS[1], lw=1.2, ls="--", label=label)


def verdicts(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Curve]]:
    """For each method the mean outputs of its discriminators over the steps, where it reports any."""
    found = {
        method: {name: curve for name, curve in curves(group, "train").items() if VERDICT.fullmatch(name)}
        for method, group in by_method(runs).items()
    }
    return {method: named for method, named in found.items() if named}


def discriminators(found: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """What ``verdicts`` found, a panel a method: 1 is real (or good), 0 imagined (or not)."""
    figure = Figure((WIDTH_IN, 2.2 * len(found) + 0.3), layout="constrained")
    for axes, (method, named) in zip(figure.subplots(len(found), 1, squeeze=False)[:, 0], found.items(), strict=True):
        for number, (name, curve) in enumerate(named.items()):
            _band(axes, curve, COLOURS[number % len(COLOURS)], name)
        axes.set_ylim(0, 1)
        axes.set_title(method, loc="left")
        axes.set_ylabel("mean output")
        axes.set_xlabel("step")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def embedding(stages: Sequence[Stage]) -> Figure:
    """Demonstrations and model rollouts in the plane of their two largest principal components, a panel a stage.

    After figures 9 and 10 of Zhang et al. 2022, which take t-SNE for the plane: principal components keep distances,
    and are the same for every stage.
    """
    figure = Figure((WIDTH_IN, 3.6), layout="constrained")
    panels = figure.subplots(1, len(stages), squeeze=False, sharex=True, sharey=True)[0]
    for axes, stage in zip(panels, stages, strict=True):
        axes.scatter(*stage.real.T, s=4, color=COLOURS[7], lw=0, label="demonstrations")
        points = axes.scatter(*stage.imagined.T, s=4, c=stage.verdict, vmin=0, vmax=1, cmap="viridis", lw=0)
        axes.set_title(stage.title, loc="left")
        axes.set_xlabel(f"first component ({100 * stage.explained[0]:.0f} %)")
    panels[0].set_ylabel(f"second component ({100 * stages[0].explained[1]:.0f} %)")
    panels[0].legend(loc="upper right")
    figure.colorbar(points, ax=list(panels), label="discriminator's output on rollouts")
    return figure


def comparison(rows: Sequence[Row]) -> Figure:
    """Survival, tilt and held-out error of methods, with their intervals and a dot a seed; panels with data only."""
    measures: list[tuple[str, Callable[[Axes, float, Row], None]]] = [
        ("share of episodes survived", _draw_survival),
        ("tilt rms, rad", lambda axes, place, row: _draw_spread(axes, place, row.tilt_rms_rad)),
        ("held-out rms error", lambda axes, place, row: _draw_spread(axes, place, row.held_out_rms)),
    ]
    if all(row.survived is None for row in rows):
        measures = measures[2:]
    figure = Figure((WIDTH_IN, 0.9 + 0.32 * len(rows)), layout="constrained")
    panels = figure.subplots(1, len(measures), squeeze=False, sharey=True)[0]
    places = np.arange(len(rows), dtype=float)[::-1]
    for axes, (title, draw) in zip(panels, measures, strict=True):
        for place, row in zip(places, rows, strict=True):
            draw(axes, float(place), row)
        axes.set_xlabel(title)
        axes.margins(y=0.05)
        axes.set_xlim(left=0)  # an interval of few seeds may reach below what can be
        axes.locator_params(axis="x", nbins=5)
    panels[0].set_yticks(places, [row.name for row in rows])
    if len(measures) > 1:
        panels[0].set_xlim(-0.02, 1.02)
    return figure


def _draw_survival(axes: Axes, place: float, row: Row) -> None:
    if row.survived is None or row.survival_interval is None:
        return
    share = row.survived / row.trials
    low, high = row.survival_interval
    axes.errorbar([share], [place], xerr=[[share - low], [high - share]], fmt="s", ms=4, color=COLOURS[0], capsize=3)
    axes.plot(row.survival, np.full(len(row.survival), place - 0.22), ".", ms=4, color=COLOURS[1])


def _draw_spread(axes: Axes, place: float, spread: Spread | None) -> None:
    if spread is None:
        return
    axes.errorbar([spread.mean], [place], xerr=[spread.half or 0.0], fmt="s", ms=4, color=COLOURS[0], capsize=3)
    axes.plot(spread.each, np.full(len(spread.each), place - 0.22), ".", ms=4, color=COLOURS[1])
