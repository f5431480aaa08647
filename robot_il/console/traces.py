"""Live traces: what the loop measured in the last minute, as an envelope over short bins of time.

Each page draws its own canvas (``web/traces.js``). The station's ticks are reduced once, whoever looks: a bin of 50 ms
keeps the smallest and the largest value of each channel, so a spike of one tick is seen at every zoom, and a page gets
the same small message at 200 Hz as at 1 kHz.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from nicegui.element import Element

from robot_il.robot import Robot
from robot_il.spec import LIMITS, SIGNALS, TORQUE_LIMIT_NM

if TYPE_CHECKING:
    from robot_il.console.model import Station

BIN_NS = 50_000_000
KEPT_BINS = 1200
"""60 s, the longest window that is shown."""
WINDOWS_S = (10, 30, 60)
LATE_US = 5000.0
"""Upper end of the loop's axis while all is well, and where its limit is drawn: one period at 200 Hz."""


@dataclass(frozen=True)
class Channel:
    """One curve.

    Attributes:
        label: in the legend.
        unit: beside its figure.
        digits: after the decimal point of its figure.
        of: from ticks (N,) of ``TICK_DTYPE`` to its values (N,); NaN where there is none.
    """

    label: str
    unit: str
    digits: int
    of: Callable[[np.ndarray], np.ndarray]


def _signal(name: str) -> Callable[[np.ndarray], np.ndarray]:
    return lambda ticks: ticks[name].astype(np.float64)


def _both(name: str) -> Callable[[np.ndarray], np.ndarray]:
    return lambda ticks: ticks[f"{name}_left"].astype(np.float64) + ticks[f"{name}_right"]


def _latency_us(ticks: np.ndarray) -> np.ndarray:
    """From the STATE's arrival to the COMMAND's departure in us; NaN where none was sent."""
    took_us = (ticks["host_send_ns"] - ticks["host_receive_ns"]) / 1e3
    return np.where(ticks["host_send_ns"] > 0, took_us, np.nan)


CHANNELS = {
    "pitch": Channel("tilt", SIGNALS["pitch"].unit, 3, _signal("pitch")),
    "pitch_rate": Channel("rate", SIGNALS["pitch_rate"].unit, 2, _signal("pitch_rate")),
    "velocity": Channel("velocity", SIGNALS["velocity"].unit, 2, _signal("velocity")),
    "position": Channel("position", SIGNALS["position"].unit, 2, _signal("position")),
    "intent": Channel("intent", "N m", 2, _signal("intent")),
    "controller": Channel("control", "N m", 2, _signal("controller_torque")),
    "limited": Channel("limited", "N m", 2, _signal("limited_torque")),
    "sent": Channel("sent", "N m", 2, _both("sent")),
    "applied": Channel("applied", "N m", 2, _both("applied")),
    "lateness": Channel("lateness", "us", 0, _signal("lateness_us")),
    "latency": Channel("latency", "us", 0, _latency_us),
    "battery": Channel("battery", SIGNALS["battery"].unit, 2, _signal("battery")),
}
"""Every channel that is kept, in the order of a row's values."""


def _axis(low: float, high: float, *limits: float) -> dict[str, Any]:
    return {"range": [low, high], "limits": list(limits)}


def _plot(title: str, weight: float, channels: dict[str, str], nested: bool = False, **axes: Any) -> dict[str, Any]:
    """One strip; ``channels`` maps a channel's key to the side of its axis. Nested curves show no figures."""
    colours = [f"--s{1 + index % 5}" for index in range(len(channels))]
    described = [
        {
            "label": CHANNELS[key].label,
            "unit": CHANNELS[key].unit,
            "digits": CHANNELS[key].digits,
            "side": side,
            "colour": colour,
            # Of curves that lie on each other, each one shows beside those drawn after it.
            "width": 1.8 + 1.0 * (len(channels) - 1 - index if nested else 0),
        }
        for index, ((key, side), colour) in enumerate(zip(channels.items(), colours, strict=True))
    ]
    return {"title": title, "weight": weight, "channels": described, "values": not nested, **axes}


def plots(robot: Robot) -> list[dict[str, Any]]:
    """What ``web/traces.js`` draws, from top to bottom; an axis grows beyond its range where the values do.

    Args:
        robot: whose battery sets the voltage axis.
    """
    full_v, low_v, tilt = robot.battery.open_circuit_v, LIMITS.battery_low_v, LIMITS.tilt_rad
    return [
        _plot(
            "TILT",
            1.0,
            {"pitch": "left", "pitch_rate": "right"},
            left=_axis(-0.3, 0.3, -tilt, tilt),
            right=_axis(-3.0, 3.0),
        ),
        _plot("MOTION", 1.0, {"velocity": "left", "position": "right"}, left=_axis(-0.6, 0.6), right=_axis(-0.5, 0.5)),
        _plot(
            "TORQUE N m",
            1.3,
            {"intent": "left", "controller": "left", "limited": "left", "sent": "left", "applied": "left"},
            nested=True,
            left=_axis(-2.5, 2.5, -TORQUE_LIMIT_NM, TORQUE_LIMIT_NM),
        ),
        _plot("LOOP", 0.85, {"lateness": "left", "latency": "left"}, left=_axis(0.0, 1000.0, LATE_US)),
        _plot("POWER", 0.7, {"battery": "left"}, left=_axis(low_v - 0.4, full_v + 0.4, low_v)),
    ]


def envelope(ticks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest value of every channel in each bin of ``BIN_NS`` on the host's clock.

    Args:
        ticks: (N,) of ``TICK_DTYPE``, in order of time.

    Returns:
        Bin numbers (B,) and values (B, 2 * channels): low and high of each channel in turn; NaN where a channel has
        no finite value in the bin.
    """
    if not len(ticks):
        return np.empty(0, np.int64), np.empty((0, 2 * len(CHANNELS)))
    bins = ticks["host_receive_ns"] // BIN_NS
    starts = np.concatenate(([0], np.nonzero(np.diff(bins))[0] + 1))
    values = np.empty((len(starts), 2 * len(CHANNELS)))
    for index, channel in enumerate(CHANNELS.values()):
        column = channel.of(ticks)
        column = np.where(np.isfinite(column), column, np.nan)
        values[:, 2 * index] = np.fmin.reduceat(column, starts)
        values[:, 2 * index + 1] = np.fmax.reduceat(column, starts)
    return bins[starts], values


def message_rows(bins: np.ndarray, values: np.ndarray) -> list[list[float | int | None]]:
    """Rows as they go to a page: bin, then low and high of each channel to 4 digits; None for a missing value."""
    return [
        [int(number), *(None if math.isnan(value) else round(value, 4) for value in row)]
        for number, row in zip(bins, values.tolist(), strict=True)
    ]


class Feed:
    """The envelope of the last minute, brought up to date by whichever page asks first.

    Args:
        station: whose ticks are shown.
    """

    def __init__(self, station: Station) -> None:
        self._station = station
        self._bins = np.empty(0, np.int64)
        self._values = np.empty((0, 2 * len(CHANNELS)))

    def refresh(self) -> None:
        """Takes in the ticks since the last bin that is complete."""
        newest = self._station.newest
        if newest is None:
            return
        now_ns = int(newest["host_receive_ns"])
        complete = now_ns // BIN_NS
        known = int(self._bins[-1]) if len(self._bins) else 0
        if complete <= known + 1:
            return
        first = max(known + 1, complete - KEPT_BINS)
        bins, values = envelope(self._station.between(first * BIN_NS, complete * BIN_NS))
        self._bins = np.concatenate((self._bins, bins))[-KEPT_BINS:]
        self._values = np.concatenate((self._values, values))[-KEPT_BINS:]

    def since(self, bin_number: int) -> list[list[float | int | None]]:
        """Rows after a bin, oldest first."""
        start = int(np.searchsorted(self._bins, bin_number, side="right"))
        return message_rows(self._bins[start:], self._values[start:])


class Traces(Element, component="web/traces.js"):
    """The canvas of one page.

    Args:
        feed: shared by all pages.
        robot: whose limits are drawn.
    """

    def __init__(self, feed: Feed, robot: Robot) -> None:
        super().__init__()
        self._feed = feed
        self._sent = -1
        self._mounted = False
        self._props["plots"] = plots(robot)
        self._props["bin-seconds"] = BIN_NS / 1e9
        self.on("ready", self._begin)

    def _begin(self) -> None:
        """The canvas is new and empty, at first or after a reconnect: it gets the whole minute again."""
        self._mounted, self._sent = True, -1
        self.update_traces()

    def update_traces(self) -> None:
        """Sends what is new since the last call."""
        if not self._mounted:
            return
        self._feed.refresh()
        rows = self._feed.since(self._sent)
        if rows:
            self._sent = int(rows[-1][0] or 0)
            self.run_method("push", rows)

    def show(self, seconds: int) -> None:
        """Shows the last ``seconds``, one of ``WINDOWS_S``."""
        self.run_method("show", seconds)
