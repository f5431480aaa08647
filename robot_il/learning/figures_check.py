"""The figures of ``robot-il log check``: episodes beside each other, by score and in the state space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robot_il.learning.figures import COLOURS, LABEL_COLOURS, WIDTH_IN
from robot_il.recording.check_episodes import EpisodeReport
from robot_il.recording.coverage import PLANE_CELLS, WORKING_RANGE
from robot_il.recording.scores import ABOUT
from robot_il.spec import LABELS, SIGNALS
from robot_il.tasks import find_task

SHOWN: Final = (
    "upright_s",
    "mean_margin",
    "coverage",
    "torque_rate_nm_s",
    "torque_arc",
    "velocity_arc",
    "lqr_distance_nm",
    "lqr_distance",
)
PLANES: Final = (("pitch", "pitch_rate"), ("velocity", "pitch"), ("position", "velocity"))


def scores(episodes: Sequence[EpisodeReport]) -> Figure:
    """Every episode as a point, a panel a score, a row a label.

    Args:
        episodes: at least one.
    """
    columns = 4
    figure = Figure((WIDTH_IN, 1.9 * math.ceil(len(SHOWN) / columns) + 0.3), layout="constrained")
    panels = figure.subplots(math.ceil(len(SHOWN) / columns), columns, sharey=True, squeeze=False)
    labels = [label for label in LABELS if any(entry.log.label == label for entry in episodes)]
    for axes, name in zip(panels.ravel(), SHOWN, strict=True):
        _points(axes, episodes, labels, name)
    panels[0, 0].set_yticks(range(len(labels)), labels)
    panels[0, 0].set_ylim(len(labels) - 0.4, -0.6)
    return figure


def _points(axes: Axes, episodes: Sequence[EpisodeReport], labels: Sequence[str], name: str) -> None:
    about = ABOUT[name]
    scale = 100.0 if about.unit == "%" else 1.0
    for row, label in enumerate(labels):
        chosen = [entry for entry in episodes if entry.log.label == label]
        values = np.array([entry.scores.values()[name] for entry in chosen], float) * scale
        # side by side in the row, so that equal values stay apart
        places = row + np.linspace(-0.25, 0.25, len(chosen)) if len(chosen) > 1 else np.array([float(row)])
        fit = np.array([entry.report.passed for entry in chosen])
        axes.plot(values[fit], places[fit], "o", ms=4, color=LABEL_COLOURS[label], alpha=0.75)
        axes.plot(values[~fit], places[~fit], "x", ms=6, mew=1.8, color=COLOURS[1])
    axes.set_title(about.title, loc="left")
    axes.set_xlabel(f"{about.unit}, {about.good}" if about.good else about.unit)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.15)
    if not any(np.isfinite(line.get_xdata()).any() for line in axes.lines):
        axes.set_xticks([])
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", va="center", fontsize=8)


def coverage(episodes: Sequence[EpisodeReport]) -> Figure:
    """Where in the planes of two signals the episodes have been, within the working range.

    Args:
        episodes: at least one.
    """
    observed = {name for entry in episodes for name in find_task(entry.log.session.task).observation}
    planes = [plane for plane in PLANES if set(plane) <= observed]
    figure = Figure((WIDTH_IN, 3.3), layout="constrained")
    panels = figure.subplots(1, len(planes), squeeze=False)[0]
    for axes, (across, up) in zip(panels, planes, strict=True):
        _plane(axes, episodes, across, up)
    return figure


def _plane(axes: Axes, episodes: Sequence[EpisodeReport], across: str, up: str) -> None:
    bounds = [[-WORKING_RANGE[name], WORKING_RANGE[name]] for name in (across, up)]
    driven = [entry.log.ticks[entry.log.ticks["source"] > 0] for entry in episodes]
    x, y = (np.concatenate([ticks[name] for ticks in driven]) for name in (across, up))
    known = np.isfinite(x) & np.isfinite(y)
    counts, x_edges, y_edges = np.histogram2d(x[known], y[known], PLANE_CELLS, bounds)
    seconds = counts.T / episodes[0].log.session.rate_hz
    shown = axes.pcolormesh(
        x_edges, y_edges, np.ma.masked_equal(seconds, 0.0), cmap="viridis", norm="log", rasterized=True
    )
    axes.set_xlabel(f"{across.replace('_', ' ')}, {SIGNALS[across].unit}")
    axes.set_ylabel(f"{up.replace('_', ' ')}, {SIGNALS[up].unit}")
    visited = int((counts > 0).sum())
    axes.set_title(f"{visited} of {counts.size} cells", loc="left")
    if visited:
        axes.figure.colorbar(shown, ax=axes, label="s", pad=0.01)
