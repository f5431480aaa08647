"""The figure of one recording: what the robot did, who drove, each link of the torque chain, how time was kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robot_il.learning.figures import COLOURS, LABEL_COLOURS, WIDTH_IN, line, total
from robot_il.learning.figures_log_marks import Mark, Stretch, drivers, marks
from robot_il.recording.episodes import Episode
from robot_il.recording.evidence import steps
from robot_il.recording.reader import Log
from robot_il.spec import LIMITS, TORQUE_LIMIT_NM
from robot_il.tasks import Task, find_task

_BLUE, _RED, _GREEN, _PINK, _ORANGE, _SKY, _BROWN, _GREY = COLOURS
_LETTERS: Final = 0.0082
"""Width of a letter of the small print, as a share of the panel's."""
_ROWS: Final = 3
"""Rows in which marks are named; what finds no room in them stays a line without a name."""
MOST_PEAKS: Final = 600
_HEIGHTS: Final = {"strip": 0.9, "panel": 1.25, "torque": 1.9}


def recording(log: Log, episodes: Sequence[Episode] = ()) -> Figure:
    """Draws one recording, or one episode of it, over one time axis.

    Args:
        log: with at least one tick.
        episodes: drawn as bars over it.
    """
    ticks, task = log.ticks, find_task(log.session.task)
    panels = _panels(log, task)
    heights = [_HEIGHTS["strip"], *(_HEIGHTS["torque" if draw is _torque else "panel"] for draw in panels)]
    figure = Figure((WIDTH_IN, sum(heights) + 0.6), layout="constrained")
    strip, *rest = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    time = _seconds(ticks, ticks["host_receive_ns"])
    stretches = drivers(ticks)
    _strip(strip, log, episodes, stretches, time)
    for axes, draw in zip(rest, panels, strict=True):
        _shade(axes, stretches, time)
        for mark in marks(log):
            axes.axvline(_seconds(ticks, mark.host_ns), color=_colour(mark), lw=0.6, ls=":", zorder=0)
        draw(axes, ticks, time, task)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), borderaxespad=0.0, handlelength=1.2)
    rest[-1].set_xlabel("time since the first tick, s")
    rest[-1].set_xlim(0, max(float(time[-1]), 1e-3))
    figure.align_ylabels([strip, *rest])
    return figure


def _panels(log: Log, task: Task) -> list[Callable[[Axes, np.ndarray, np.ndarray, Task], None]]:
    """What there is to draw; a panel of which the recording knows nothing is left out."""
    ticks = log.ticks
    stick = np.isfinite(ticks["stick_forward"]).any() or np.isfinite(ticks["stick_turn"]).any()
    margin = np.isfinite(ticks["margin"]).any()
    chosen = [_pitch, _pitch_rate, _velocity, _position, *([_turning] if _turns(ticks) else [])]
    chosen += [_height] if np.isfinite(ticks["height_wanted"]).any() or np.ptp(ticks["height"]) > 0.0 else []
    return [*chosen, *([_stick] if stick else []), _torque, _links, *([_margin] if margin else []), _time, _battery]


def _seconds(ticks: np.ndarray, host_ns: Any) -> Any:
    """Host time or times in ns as s since the first tick."""
    return (host_ns - np.int64(ticks["host_receive_ns"][0])) / 1e9


def _strip(axes: Axes, log: Log, episodes: Sequence[Episode], stretches: Sequence[Stretch], time: np.ndarray) -> None:
    """Who was in charge, the episodes, and the names of the marks, as far as there is room for them."""
    axes.set_ylim(0, 2 + _ROWS)
    axes.set_yticks([0.5, 1.5], ["driven by", "episodes"])
    axes.tick_params(length=0)
    axes.grid(False)
    axes.set_title(_title(log), loc="left")
    for text, colour in dict.fromkeys((stretch.text, stretch.colour) for stretch in stretches):
        spans = [_span(stretch, time) for stretch in stretches if stretch.text == text]
        axes.broken_barh(spans, (0.15, 0.7), color=colour, lw=0, label=text)
    whole = max(float(time[-1]), 1e-3)
    for episode in episodes:
        left = max(0.0, _seconds(log.ticks, episode.start_ns))
        right = min(whole, _seconds(log.ticks, episode.stop_ns) if episode.stop_ns else whole)
        axes.broken_barh([(left, right - left)], (1.15, 0.7), color=LABEL_COLOURS[episode.label], alpha=0.45, lw=0)
        name = f"{episode.id}: {episode.label}"
        if len(name) * _LETTERS < (right - left) / whole:
            axes.text((left + right) / 2, 1.5, name, fontsize=7, ha="center", va="center")
    _name_marks(axes, log, whole)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), borderaxespad=0.0, handlelength=1.2)


def _name_marks(axes: Axes, log: Log, whole: float) -> None:
    """Names each mark in the first row where it meets no other."""
    taken = [0.0] * _ROWS
    for mark in marks(log):
        at = _seconds(log.ticks, mark.host_ns) / whole
        width = (len(mark.text) + 1) * _LETTERS
        start = min(at, max(0.0, 1.0 - width))
        row = next((row for row in range(_ROWS) if taken[row] <= start), None)
        axes.axvline(at * whole, color=_colour(mark), lw=0.6, ls=":", zorder=0)
        if row is not None:
            taken[row] = start + width
            axes.text(start * whole, 2.5 + row, mark.text, fontsize=7, color=_colour(mark), va="center")


def _title(log: Log) -> str:
    name = log.session.controller.get("name", "unknown")
    driver = f", recorded with {name}" if name != "session" else ""
    return f"{log.path.name}: {log.session.task}, {log.label}{driver}, {log.session.rate_hz} Hz"


def _span(stretch: Stretch, time: np.ndarray) -> tuple[float, float]:
    left, right = float(time[stretch.start]), float(time[min(stretch.stop, len(time) - 1)])
    return left, right - left


def _shade(axes: Axes, stretches: Sequence[Stretch], time: np.ndarray) -> None:
    for stretch in stretches:
        left, width = _span(stretch, time)
        axes.axvspan(left, left + width, color=stretch.colour, alpha=stretch.shade, lw=0, zorder=-1)


def _colour(mark: Mark) -> str:
    return _RED if mark.bad else _GREY


def _bounds(axes: Axes, bound: float, text: str, values: np.ndarray) -> None:
    """Two lines at +-bound, where the values come near them; otherwise they would only press the values flat."""
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    if largest > 0.5 * bound:
        axes.axhline(bound, color=_RED, lw=0.9, ls="--", label=text)
        axes.axhline(-bound, color=_RED, lw=0.9, ls="--")
        span = 1.08 * max(bound, largest)
        axes.set_ylim(-span, span)


def _pitch(axes: Axes, ticks: np.ndarray, time: np.ndarray, task: Task) -> None:
    line(axes, time, ticks["pitch"], color=_BLUE)
    _bounds(axes, task.fall_tilt_rad, "fallen", ticks["pitch"])
    axes.set_ylabel("pitch, rad")


def _pitch_rate(axes: Axes, ticks: np.ndarray, time: np.ndarray, task: Task) -> None:
    line(axes, time, ticks["pitch_rate"], color=_BLUE)
    axes.set_ylabel("pitch rate,\nrad/s")


def _velocity(axes: Axes, ticks: np.ndarray, time: np.ndarray, task: Task) -> None:
    line(axes, time, ticks["velocity"], color=_GREEN, label="measured")
    axes.axhline(task.target_velocity_m_s, color=_BROWN, lw=0.9, ls="--", label="target")
    axes.set_ylabel("velocity, m/s")


def _position(axes: Axes, ticks: np.ndarray, time: np.ndarray, task: Task) -> None:
    line(axes, time, ticks["position"], color=_GREEN)
    if task.fall_distance_m is not None:
        axes.axhline(0.0, color=_BROWN, lw=0.9, ls="--", label="target")
        _bounds(axes, task.fall_distance_m, "ran away", ticks["position"])
    axes.set_ylabel("position, m")


def _turns(ticks: np.ndarray) -> bool:
    """Whether the robot turned, or was asked to, by more than noise."""
    return bool((np.abs(ticks["yaw_rate"]) > 0.1).any() or (np.abs(ticks["yaw_rate_wanted"]) > 0.0).any())


def _turning(axes: Axes, ticks: np.ndarray, time: np.ndarray, task: Task) -> None:
    line(axes, time, ticks["yaw_rate"], color=_PINK, label="measured")
    if np.isfinite(ticks["yaw_rate_wanted"]).any():
        line(axes, time, ticks["yaw_rate_wanted"], color=_BROWN, lw=0.9, label="wanted")
    axes.set_ylabel("yaw rate,\nrad/s")


def _height(axes: Axes, ticks: np.ndarray, time: np.ndarray, task: Task) -> None:
    line(axes, time, ticks["height"], color=_GREEN, label="told")
    if np.isfinite(ticks["height_wanted"]).any():
        line(axes, time, ticks["height_wanted"], color=_BROWN, lw=0.9, label="wanted")
    axes.set_ylabel("height, m")


def _stick(axes: Axes, ticks: np.ndarray, time: np.ndarray, task: Task) -> None:
    line(axes, time, ticks["stick_forward"], color=_BLUE, label="forward")
    line(axes, time, ticks["stick_turn"], color=_PINK, label="turn")
    axes.set_ylim(-1.1, 1.1)
    axes.set_ylabel("stick, 1")


def _torque(axes: Axes, ticks: np.ndarray, time: np.ndarray, task: Task) -> None:
    driven = ticks["source"] > 0
    chain = (
        ("intent", ticks["intent"], _PINK, 3.0),
        ("controller", ticks["controller_torque"], _GREY, 2.2),
        ("limited", ticks["limited_torque"], _ORANGE, 1.5),
        ("sent", total(ticks, "sent"), _BLUE, 0.9),
        ("applied", total(ticks, "applied"), _RED, 0.6),
    )
    for text, values, colour, width in chain:
        known = np.where(driven | (text == "applied"), values, np.nan)
        if np.isfinite(known).any():
            line(axes, time, known, color=colour, lw=width, label=text)
    _bounds(axes, TORQUE_LIMIT_NM, "limit", ticks["limited_torque"][driven])
    axes.set_ylabel("torque of both\nwheels, N m")


def _links(axes: Axes, ticks: np.ndarray, time: np.ndarray, task: Task) -> None:
    """What each link of the chain takes away or adds; a robot that obeys a period later shows as sent less applied."""
    driven = ticks["source"] > 0
    applied_next = np.append(total(ticks, "applied")[1:], np.float32(np.nan))
    links = (
        ("intent - controller", ticks["intent"] - ticks["controller_torque"], _PINK),
        ("controller - limited", ticks["controller_torque"] - ticks["limited_torque"], _ORANGE),
        ("limited - sent", ticks["limited_torque"] - total(ticks, "sent"), _BLUE),
        ("sent - applied next", total(ticks, "sent") - applied_next, _RED),
    )
    for text, values, colour in links:
        known = np.where(driven, values, np.nan)
        if np.isfinite(known).any():
            line(axes, time, known, color=colour, lw=0.8, label=text)
    axes.set_ylabel("difference,\nN m")


def _margin(axes: Axes, ticks: np.ndarray, time: np.ndarray, task: Task) -> None:
    line(axes, time, ticks["margin"], color=_GREEN)
    axes.axhline(0.0, color=_RED, lw=0.9, ls="--", label="edge")
    axes.set_ylim(min(-0.1, float(np.nanmin(ticks["margin"])) - 0.05), 1.05)
    axes.set_ylabel("margin, 1")


def _time(axes: Axes, ticks: np.ndarray, time: np.ndarray, task: Task) -> None:
    """The largest lateness and latency of each stretch on a logarithmic scale, and where STATEs are missing."""
    _peaks(axes, time, ticks["lateness_us"], color=_BLUE, label="lateness")
    answered = ticks["host_send_ns"] > 0
    latency = np.where(answered, (ticks["host_send_ns"] - ticks["host_receive_ns"]) / 1e3, np.nan)
    if answered.any():
        _peaks(axes, time, latency, color=_ORANGE, label="latency")
    missing = np.flatnonzero(steps(ticks, "state_seq") > 1)
    if len(missing):
        axes.plot(time[missing], np.full(len(missing), 1.5), "^", color=_RED, ms=4, lw=0, label="gap")
    axes.set_yscale("log")
    axes.set_ylabel("largest time, µs")


def _peaks(axes: Axes, time: np.ndarray, values: np.ndarray, **style: Any) -> None:
    """The largest value of each stretch, so many stretches that a line through them can be read; 1 at least."""
    stretch = -(-len(values) // MOST_PEAKS)
    parts = np.pad(values.astype(np.float64), (0, -len(values) % stretch), constant_values=np.nan).reshape(-1, stretch)
    peaks = np.fmax.reduce(parts, axis=1)
    axes.plot(time[::stretch], np.fmax(peaks, np.where(np.isnan(peaks), np.nan, 1.0)), lw=0.8, **style)


def _battery(axes: Axes, ticks: np.ndarray, time: np.ndarray, task: Task) -> None:
    line(axes, time, ticks["battery"], color=_BROWN)
    low, high = float(np.nanmin(ticks["battery"])), float(np.nanmax(ticks["battery"]))
    if low < LIMITS.battery_low_v + 1.0:
        axes.axhline(LIMITS.battery_low_v, color=_RED, lw=0.9, ls="--", label="stops")
    axes.set_ylim(low - 0.25, high + 0.25)
    axes.set_ylabel("battery, V")
