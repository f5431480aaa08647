"""The plots of the report: each function draws one figure from plain arrays and gives it back."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robot_il.errors import ConfigError
from robot_il.recording.reader import Log
from robot_il.recording.timing import LATENESS_EDGES_US
from robot_il.spec import LABELS, LIMITS, TORQUE_LIMIT_NM

WIDTH_IN: Final = 9.6
DPI: Final = 110
ZOOM_S: Final = 1.0
LOGS_PER_LABEL: Final = 12
"""More lines than this in one panel hide each other."""
MAX_POINTS: Final = 3000
FORMATS: Final = (".png", ".svg", ".pdf")

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f")
"""Okabe and Ito's palette, which people with colour-blindness can tell apart, without its black and yellow."""
LABEL_COLOURS: Final = dict(zip(LABELS, ("#009e73", "#0072b2", "#d55e00", "#7f7f7f"), strict=True))


@dataclass(frozen=True)
class Theme:
    """Colours of the paper and the ink."""

    paper: str
    ink: str
    grid: str


LIGHT: Final = Theme("#ffffff", "#1c2026", "#d9dde3")
DARK: Final = Theme("#14171c", "#d8dde4", "#343a43")


def png(draw: Callable[[], Figure], theme: Theme) -> str:
    """Draws a figure in one theme; returns it as a ``data:`` URL of a PNG."""
    return "data:image/png;base64," + base64.b64encode(_drawn(draw, theme)).decode()


def save(draw: Callable[[], Figure], path: Path) -> None:
    """Draws a figure into a file, under a temporary name first.

    Args:
        draw: makes the figure.
        path: its name ends in one of ``FORMATS``.

    Raises:
        ConfigError: it ends in something else, or cannot be written.
    """
    check_format(path)
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_bytes(_drawn(draw, LIGHT, path.suffix.removeprefix(".")))
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ConfigError(f"to write {path}", error.strerror or str(error), "choose another place") from error


def check_format(path: Path) -> None:
    """Refuses a figure's name that does not end in one of ``FORMATS``.

    Raises:
        ConfigError: it does not.
    """
    if path.suffix not in FORMATS:
        came = path.suffix or "no ending"
        raise ConfigError(f"a figure whose name ends in {', '.join(FORMATS)}", f"{came} in {path}", "correct --out")


def _drawn(draw: Callable[[], Figure], theme: Theme, form: str = "png") -> bytes:
    settings: Any = {
        "figure.facecolor": theme.paper,
        "axes.facecolor": theme.paper,
        "axes.edgecolor": theme.grid,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": theme.grid,
        "grid.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "font.size": 9,
        "axes.titlesize": 10,
        "lines.linewidth": 1.0,
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), theme.ink),
    }
    buffer = io.BytesIO()
    with mpl.rc_context(settings):
        # no pyplot: a figure of one's own needs no display and no global state
        draw().savefig(buffer, format=form, dpi=DPI)
    return buffer.getvalue()


def seconds(ticks: np.ndarray) -> np.ndarray:
    """Time of each tick since the first, by the robot's clock, in s."""
    times = ticks["mcu_time_us"].astype(np.int64)
    return (times - times[:1]) / 1e6


def total(ticks: np.ndarray, name: str) -> np.ndarray:
    """Sum over both wheels of ``sent`` or ``applied`` torque, in N m."""
    return ticks[f"{name}_left"] + ticks[f"{name}_right"]


def line(axes: Axes, x: np.ndarray, y: np.ndarray, **style: Any) -> None:
    """Draws a line; where it has too many points, its extremes in each stretch, so that no peak is lost."""
    stretch = -(-2 * len(x) // MAX_POINTS)
    if stretch > 2:
        x, y = (np.pad(values, (0, -len(values) % stretch), mode="edge") for values in (x, y))
        parts = y.reshape(-1, stretch)
        x = np.repeat(x[::stretch], 2)
        y = np.stack([parts.min(axis=1), parts.max(axis=1)], axis=1).ravel()
    axes.plot(x, y, **style)


def demonstrations(logs: Sequence[Log]) -> Figure:
    """Pitch, velocity and torque over time, a column a label."""
    labels = [label for label in LABELS if any(log.label == label for log in logs)]
    rows = (("pitch", "pitch, rad"), ("velocity", "velocity, m/s"), ("limited_torque", "torque, N m"))
    figure = Figure((WIDTH_IN, 5.6), layout="constrained")
    panels = figure.subplots(len(rows), len(labels), sharex="col", sharey="row", squeeze=False)
    for column, label in enumerate(labels):
        chosen = [log for log in logs if log.label == label]
        shown = chosen[:LOGS_PER_LABEL]
        count = f"{len(shown)} of {len(chosen)}" if len(shown) < len(chosen) else f"{len(chosen)}"
        panels[0, column].set_title(f"{label} ({count} recording{'s' if len(chosen) > 1 else ''})")
        for row, (name, text) in enumerate(rows):
            for log in shown:
                driven = log.ticks[log.ticks["source"] > 0]
                line(panels[row, column], seconds(driven), driven[name], color=LABEL_COLOURS[label], alpha=0.75, lw=0.7)
            panels[row, 0].set_ylabel(text)
        panels[-1, column].set_xlabel("time, s")
    return figure


def survival(policies: Sequence[Mapping[str, Any]]) -> Figure:
    """Share of episodes survived with its interval, a bar a policy."""
    figure = Figure((WIDTH_IN, 0.5 + 0.36 * len(policies)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(policies))[::-1]
    shares = np.array([policy["survival"] for policy in policies], float)
    low, high = np.array([policy["survival_interval"] for policy in policies], float).T
    axes.barh(places, shares, color=COLOURS[0], alpha=0.8, height=0.6)
    reach = np.clip([shares - low, high - shares], 0, None)
    axes.errorbar(shares, places, xerr=reach, fmt="none", ecolor=COLOURS[1], capsize=3, lw=1.3)
    axes.set_yticks(places, [policy["name"] for policy in policies])
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("share of episodes survived, with its 95 % interval")
    axes.grid(False, axis="y")
    return figure


def tilt(ticks: np.ndarray) -> Figure:
    """Pitch, velocity and who was in charge over a whole run."""
    figure = Figure((WIDTH_IN, 4.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    time = seconds(ticks)
    line(top, time, ticks["pitch"], color=COLOURS[0])
    top.set_ylabel("pitch, rad")
    span = max(0.05, 1.15 * float(np.abs(ticks["pitch"]).max()))
    top.set_ylim(-span, span)
    if span > LIMITS.tilt_rad:
        for limit in (-LIMITS.tilt_rad, LIMITS.tilt_rad):
            top.axhline(limit, color=COLOURS[1], lw=1, ls="--")
    line(bottom, time, ticks["velocity"], color=COLOURS[2])
    bottom.set_ylabel("velocity, m/s")
    bottom.set_xlabel("time, s")
    for axes in (top, bottom):
        for source, colour, text in ((0, COLOURS[7], "nobody drives"), (2, COLOURS[4], "fallback drives")):
            where = ticks["source"] == source
            if where.any():
                across = axes.get_xaxis_transform()
                axes.fill_between(time, 0, 1, where=where, transform=across, color=colour, alpha=0.2, lw=0, label=text)
    if top.get_legend_handles_labels()[0]:
        top.legend(loc="upper right")
    return figure


def torque_chain(ticks: np.ndarray) -> Figure:
    """Asked, limited, sent and applied torque: the whole run, and the second around its largest torque."""
    chain = {
        "asked by the controller": (ticks["controller_torque"], COLOURS[7], 2.2),
        "after the limits": (ticks["limited_torque"], COLOURS[4], 1.4),
        "sent": (total(ticks, "sent"), COLOURS[0], 1.0),
        "applied by the robot": (total(ticks, "applied"), COLOURS[1], 1.0),
    }
    time = seconds(ticks)
    figure = Figure((WIDTH_IN, 5.2), layout="constrained")
    whole, near = figure.subplots(2, 1)
    peak = time[int(np.argmax(np.nan_to_num(np.abs(ticks["limited_torque"]))))]
    start = float(np.clip(peak - ZOOM_S / 2, 0, max(0.0, time[-1] - ZOOM_S)))
    window = (time >= start) & (time <= start + ZOOM_S)
    for text, (values, colour, width) in chain.items():
        line(whole, time, values, color=colour, lw=0.8)
        near.step(time[window], values[window], where="post", color=colour, lw=width, label=text)
    if np.nanmax(np.abs(ticks["controller_torque"])) > 0.8 * TORQUE_LIMIT_NM:
        for limit in (-TORQUE_LIMIT_NM, TORQUE_LIMIT_NM):
            whole.axhline(limit, color=COLOURS[3], lw=1, ls="--")
    near.set_title("the second around the largest torque", loc="left")
    near.legend(loc="upper right", ncols=4)
    near.margins(y=0.25)
    for axes in (whole, near):
        axes.set_ylabel("torque, N m")
    near.set_xlabel("time, s")
    return figure


def lateness(histogram: Sequence[int]) -> Figure:
    """Exact histogram of the lateness against the grid, on a logarithmic scale: one tick is visible."""
    names = [f"≤ {_duration(edge)}" for edge in LATENESS_EDGES_US] + [f"> {_duration(LATENESS_EDGES_US[-1])}"]
    figure = Figure((WIDTH_IN, 2.8), layout="constrained")
    axes = figure.subplots()
    bars = axes.bar(names, histogram, color=COLOURS[0], width=0.8)
    axes.bar_label(bars, [str(count) if count else "" for count in histogram], fontsize=8, padding=2)
    axes.set_yscale("log")
    axes.set_ylim(0.7, 3 * max(1, *histogram))
    axes.set_ylabel("ticks")
    axes.set_xlabel("lateness of the robot's STATE on the host's grid, whose period is 5 ms")
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(False, axis="x")
    return figure


def _duration(microseconds: int) -> str:
    return f"{microseconds / 1000:g} ms" if microseconds >= 1000 else f"{microseconds} us"
