"""The figures of ``robot-il twin engines``: the same trial in two physics engines, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robot_il.learning.figures import COLOURS, WIDTH_IN, line

SHOWN = 3
"""Draws whose traces are shown; more hide each other."""
LEAST_SHARE = 1e-5
"""Differences below this share of the largest are not told apart from none."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One signal of one trial.

    Attributes:
        title: its name and unit.
        first: (N, T) in the first engine, a draw each; NaN once it is over.
        second: (N, T) in the second.
    """

    title: str
    first: np.ndarray
    second: np.ndarray


def trial(times_s: np.ndarray, panels: Sequence[Panel], engines: tuple[str, str]) -> Figure:
    """Above, the signals of some draws in both engines; below, the size of the difference over all draws.

    Args:
        times_s: (T,).
        panels: a column each.
        engines: names of the first and the second.
    """
    figure = Figure((WIDTH_IN, 4.2), layout="constrained")
    rows = figure.subplots(2, len(panels), sharex=True, squeeze=False)
    for column, panel in enumerate(panels):
        above, below = rows[:, column]
        for draw in range(min(SHOWN, len(panel.first))):
            named = column == draw == 0
            above.plot(times_s, panel.first[draw], color=COLOURS[0], lw=2.4, alpha=0.4, label=engines[0] * named)
            above.plot(times_s, panel.second[draw], color=COLOURS[1], lw=0.8, label=engines[1] * named)
        above.set_title(panel.title)
        _apart(below, times_s, np.abs(panel.second - panel.first), named=column == 0)
        below.set_xlabel("time, s")
    rows[0, 0].legend(loc="best")
    rows[1, 0].legend(loc="lower right")
    rows[1, 0].set_ylabel("apart by")
    return figure


def _apart(axes: Axes, times_s: np.ndarray, sizes: np.ndarray, *, named: bool) -> None:
    """Median and largest of (N, T) sizes over the draws that still go on."""
    going_on = np.isfinite(sizes).any(axis=0)
    times, sizes = times_s[going_on], sizes[:, going_on]
    least = LEAST_SHARE * float(np.nanmax(sizes))
    for values, colour, name in (
        (np.nanmax(sizes, axis=0), COLOURS[4], "largest of the draws"),
        (np.nanmedian(sizes, axis=0), COLOURS[2], "median"),
    ):
        line(axes, times, np.maximum(values, least), color=colour, label=name if named else None)
    axes.set_yscale("log" if least > 0.0 else "linear")
