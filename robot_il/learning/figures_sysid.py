"""The figures of ``robot-il sysid``: measured and simulated traces, what is left over, correlations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from robot_il.learning.figures import COLOURS, WIDTH_IN, line

_MEASURED, _SIMULATED = COLOURS[7], COLOURS[1]


@dataclass(frozen=True, eq=False)
class Overlay:
    """Consecutive segments of a fit, side by side.

    Attributes:
        time_s: (N, S) since the first sample drawn.
        panels: (title with unit, measured (N, S), simulated (N, S)).
    """

    time_s: np.ndarray
    panels: tuple[tuple[str, np.ndarray, np.ndarray], ...]


def traces(overlay: Overlay) -> Figure:
    """Measured and simulated, one panel an output."""
    figure = Figure((WIDTH_IN, 2.3 * len(overlay.panels)), layout="constrained")
    for axes, (title, measured, simulated) in zip(
        figure.subplots(len(overlay.panels), 1, sharex=True), overlay.panels, strict=True
    ):
        line(axes, overlay.time_s.ravel(), measured.ravel(), color=_MEASURED, lw=2.6, alpha=0.5, label="measured")
        for row in range(len(simulated)):
            axes.plot(
                overlay.time_s[row], simulated[row], color=_SIMULATED, lw=0.7, label="simulated" if row == 0 else None
            )
        axes.set_ylabel(title)
        axes.legend(loc="upper right", ncols=2)
    axes.set_xlabel("time, s; gaps between stretches are left out")
    return figure


def leftovers(overlay: Overlay) -> Figure:
    """Simulated minus measured over time, and its histogram."""
    figure = Figure((WIDTH_IN, 2.1 * len(overlay.panels)), layout="constrained")
    panels = figure.subplots(len(overlay.panels), 2, width_ratios=(4, 1), squeeze=False)
    for (over_time, spread), (title, measured, simulated) in zip(panels, overlay.panels, strict=True):
        rest = (simulated - measured).ravel()
        line(over_time, overlay.time_s.ravel(), rest, color=COLOURS[0], lw=0.6)
        over_time.set_ylabel(title)
        spread.hist(rest, bins=60, orientation="horizontal", color=COLOURS[0])
        spread.tick_params(labelbottom=False)
    panels[-1, 0].set_xlabel("time, s")
    return figure


def correlations(names: Sequence[str], correlation: np.ndarray) -> Figure:
    """The correlation matrix (P, P) of the figures, with its numbers."""
    figure = Figure((0.6 * WIDTH_IN, 0.55 * WIDTH_IN), layout="constrained")
    axes = figure.subplots()
    axes.imshow(correlation, cmap="RdBu_r", vmin=-1.0, vmax=1.0)
    axes.grid(False)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    for (row, column), value in np.ndenumerate(correlation):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color="black")
    return figure
