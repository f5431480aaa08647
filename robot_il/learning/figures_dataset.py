"""The figure of a dataset: where its states and actions lie, label by label, and how it is split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from robot_il.learning.dataset import Channel, Dataset
from robot_il.learning.figures import LABEL_COLOURS, WIDTH_IN
from robot_il.spec import LABELS

BINS: Final = 60
MOST_CHANNELS: Final = 8
"""Observed signals with a histogram of their own; of a foreign dataset the rest is left out, and the title says so."""
MOST_EPISODES: Final = 400
"""Bars of episodes; of more only so many are drawn, evenly drawn from those sorted by length."""
LAG_S: Final = 1.0


def dataset(data: Dataset) -> Figure:
    """Draws phase portraits, histograms, episodes with the split, and how long an action stays like itself.

    Args:
        data: what to draw.
    """
    labels = [label for index, label in enumerate(LABELS) if (data.label == index).any()]
    channels = data.info.observation[:MOST_CHANNELS]
    rows = -(-(len(channels) + len(data.info.action[:2])) // 3)
    heights = (2.9, 1.9 * rows, 2.6)
    figure = Figure((WIDTH_IN, sum(heights) + 0.4), layout="constrained")
    figure.suptitle(_title(data), x=0.01, ha="left", fontsize=10)
    parts: Any = figure.subfigures(3, 1, height_ratios=heights)
    top, middle, bottom = parts
    _portraits(top, data, labels)
    _histograms(middle, data, labels, channels, rows)
    left, centre, right = bottom.subplots(1, 3)
    _rows_of_labels(left, data, labels)
    _lengths(centre, data, labels)
    _correlation(right, data, labels)
    return figure


def _title(data: Dataset) -> str:
    info = data.info
    left_out = len(info.observation) - MOST_CHANNELS
    more = f"; {left_out} further signals are not drawn" if left_out > 0 else ""
    return f"{len(data)} transitions, {len(info.episodes)} episodes, task {info.task or '(foreign)'}{more}"


def _portraits(figure: SubFigure, data: Dataset, labels: Sequence[str]) -> None:
    """The first two columns against each other, a panel a label; colour is the number of transitions in a cell."""
    panels = figure.subplots(1, len(labels), sharex=True, sharey=True, squeeze=False)[0]
    columns = np.concatenate([data.observations, data.actions], axis=1)
    names = (*data.info.observation, *data.info.action)
    x, y = columns[:, 0], columns[:, 1]
    bounds = [_range(x), _range(y)]
    for axes, label in zip(panels, labels, strict=True):
        chosen = data.label == LABELS.index(label)
        counts, x_edges, y_edges = np.histogram2d(x[chosen], y[chosen], BINS, bounds)
        shown = axes.pcolormesh(
            x_edges, y_edges, np.ma.masked_equal(counts.T, 0.0), cmap="viridis", norm="log", rasterized=True
        )
        share = 100 * float((counts > 0).mean())
        axes.set_title(f"{label}: {share:.0f} % of the cells", loc="left")
        axes.set_xlabel(_named(names[0]))
        figure.colorbar(shown, ax=axes, pad=0.01, label="transitions" if label == labels[-1] else "")
    panels[0].set_ylabel(_named(names[1]))


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.02 * (high - low) or 1.0
    return low - room, high + room


def _named(channel: Channel) -> str:
    return channel.name.replace("_", " ") + (f", {channel.unit}" if channel.unit else "")


def _histograms(
    figure: SubFigure, data: Dataset, labels: Sequence[str], channels: Sequence[Channel], rows: int
) -> None:
    panels = figure.subplots(rows, 3, squeeze=False).ravel()
    columns: list[tuple[Channel, np.ndarray]] = [
        *((channel, data.observations[:, index]) for index, channel in enumerate(channels)),
        *((channel, data.actions[:, index]) for index, channel in enumerate(data.info.action[:2])),
    ]
    for axes, (channel, values) in zip(panels, columns, strict=False):
        edges = np.linspace(*_range(values), BINS + 1)
        for label in labels:
            chosen = values[data.label == LABELS.index(label)]
            share = 100 * np.histogram(chosen, edges)[0] / len(chosen)
            axes.stairs(share, edges, color=LABEL_COLOURS[label], lw=1.2, label=label)
        for limit in (channel.low, channel.high):
            if limit is not None and edges[0] <= limit <= edges[-1]:
                axes.axvline(limit, color="#7f7f7f", ls="--", lw=0.9)
        axes.set_yscale("log")
        axes.set_xlabel(_named(channel) + (" (action)" if channel.low is not None else ""))
    for axes in panels[len(columns) :]:
        axes.set_axis_off()
    for axes in panels[::3]:
        axes.set_ylabel("transitions, %")
    spare = panels[len(columns)] if len(columns) < len(panels) else panels[0]
    spare.legend(*panels[0].get_legend_handles_labels(), loc="upper left" if spare is not panels[0] else "best")


def _rows_of_labels(axes: Axes, data: Dataset, labels: Sequence[str]) -> None:
    """Transitions of each label, those kept from training hatched."""
    for place, label in enumerate(labels):
        train, held_out = (len(data.select(label, held_out=kept)) for kept in (False, True))
        style: dict[str, Any] = {"color": LABEL_COLOURS[label], "height": 0.6}
        axes.barh(place, train, alpha=0.85, **style)
        axes.barh(place, held_out, left=train, alpha=0.4, hatch="///", **style)
        axes.text(train + held_out, place, f" {train} + {held_out}", va="center", fontsize=8)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.margins(x=0.4)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel("transitions: for training + held out")
    axes.grid(False, axis="y")


def _lengths(axes: Axes, data: Dataset, labels: Sequence[str]) -> None:
    """Every episode as a bar, the longest first; a fall ends in a mark."""
    period = data.info.period_s
    fallen = set(data.episode[data.terminals].tolist())
    order = sorted(
        range(len(data.info.episodes)),
        key=lambda number: (labels.index(data.info.episodes[number].label), -data.info.episodes[number].rows),
    )
    shown = [order[index] for index in np.unique(np.linspace(0, len(order) - 1, MOST_EPISODES).astype(int))]
    lengths = np.array([data.info.episodes[number].rows * (period or 1.0) for number in shown])
    colours = [LABEL_COLOURS[data.info.episodes[number].label] for number in shown]
    bars = axes.bar(range(len(shown)), lengths, width=0.9, color=colours)
    for bar, number in zip(bars, shown, strict=True):
        bar.set_alpha(0.4 if data.info.episodes[number].held_out else 0.85)
    falls = [index for index, number in enumerate(shown) if number in fallen]
    if falls:
        axes.plot(falls, lengths[falls], "v", color="#7f7f7f", mec="#1c2026", ms=4.5, lw=0, label="fell")
        axes.legend(loc="upper right")
    axes.margins(y=0.15)
    axes.set_xticks([])
    axes.set_xlabel(f"{len(shown)} episodes; pale: held out")
    axes.set_ylabel("length, s" if period else "length, steps")
    axes.grid(False, axis="x")


def _correlation(axes: Axes, data: Dataset, labels: Sequence[str]) -> None:
    """Autocorrelation of the first action within episodes: a hand that holds still decays slowly, noise at once."""
    period = data.info.period_s
    lags = np.arange(max(2, round(LAG_S / period)) + 1) if period else np.arange(101)
    for label in labels:
        chosen = data.select(label)
        values = data.actions[chosen, 0] - data.actions[chosen, 0].mean()
        correlation = _autocorrelation(values, data.episode[chosen], len(lags))
        axes.plot(lags * (period or 1.0), correlation, color=LABEL_COLOURS[label], lw=1.2)
    axes.axhline(0.0, color="#7f7f7f", lw=0.8)
    axes.set_ylim(-1.05, 1.05)
    axes.set_xlabel("lag, s" if period else "lag, steps")
    axes.set_ylabel(f"autocorrelation of\n{data.info.action[0].name.replace('_', ' ')}")


def _autocorrelation(values: np.ndarray, episode: np.ndarray, lags: int) -> np.ndarray:
    """(lags,) mean product of values so many rows apart in one episode, over the mean square; NaN where there is none.

    Args:
        values: (N,) of mean 0.
        episode: (N,) number of each row's.
        lags: how many, from 0 on.
    """
    found = np.full(lags, np.nan)
    power = float(np.mean(np.square(values, dtype=np.float64)))
    for lag in range(min(lags, len(values))):
        inside = episode[lag:] == episode[: len(episode) - lag]
        if inside.any() and power > 0.0:
            products = values[lag:].astype(np.float64) * values[: len(values) - lag]
            found[lag] = products[inside].mean() / power
    return found
