"""How well a recording kept its time: the host's lateness, its answers, and both ends' counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from robot_il.recording.reader import Log

LATENESS_EDGES_US: Final = (20, 50, 100, 200, 300, 500, 750, 1000, 1500, 2500, 5000, 10000, 20000, 50000)
"""Upper edges of the lateness histogram's bins in us, each included in its bin; the last bin has none."""
SLIP_EVENT: Final = "mcu_time_slipped"


@dataclass(frozen=True)
class Spread:
    """Percentiles of one quantity; all NaN where there was no sample."""

    p50: float
    p99: float
    p999: float
    largest: float

    @classmethod
    def of(cls, samples: np.ndarray) -> Spread:
        """The spread of ``samples`` of shape (N,), each percentile one of the samples."""
        if not len(samples):
            return cls(np.nan, np.nan, np.nan, np.nan)
        levels = np.quantile(samples.astype(np.float64), (0.5, 0.99, 0.999, 1.0), method="inverted_cdf")
        return cls(*(float(level) for level in levels))


@dataclass(frozen=True)
class Timing:
    """The time side of a recording.

    Attributes:
        ticks: recorded ticks.
        duration_s: from the first to the last tick by the MCU's clock.
        rate_hz: ticks per second by the MCU's clock; NaN for fewer than two ticks.
        lateness_us: arrival of STATEs against the host's grid, in us.
        latency_us: from STATE complete to COMMAND written, in us, where one was sent.
        lateness_histogram: count of ticks in each bin of ``LATENESS_EDGES_US`` and beyond its last; sums to ``ticks``.
        skipped: grid periods without a tick, over the whole run.
        link_errors: undecodable frames and STATEs lost on the link.
        slipped_ms: time that the robot's own clock lost, which only a simulated one does.
    """

    ticks: int
    duration_s: float
    rate_hz: float
    lateness_us: Spread
    latency_us: Spread
    lateness_histogram: tuple[int, ...]
    skipped: int
    link_errors: int
    slipped_ms: float


def measure(log: Log) -> Timing:
    """The timing of a log, exact over all its ticks."""
    ticks = log.ticks
    seconds = np.diff(ticks["mcu_time_us"][[0, -1]].astype(np.int64))[0] / 1e6 if len(ticks) else 0.0
    answered = ticks["host_send_ns"] > 0
    latency_us = (ticks["host_send_ns"] - ticks["host_receive_ns"])[answered] / 1000.0
    bins = np.searchsorted(LATENESS_EDGES_US, ticks["lateness_us"], side="left")
    return Timing(
        ticks=len(ticks),
        duration_s=float(seconds),
        rate_hz=(len(ticks) - 1) / seconds if seconds > 0 else np.nan,
        lateness_us=Spread.of(ticks["lateness_us"]),
        latency_us=Spread.of(latency_us),
        lateness_histogram=tuple(int(count) for count in np.bincount(bins, minlength=len(LATENESS_EDGES_US) + 1)),
        skipped=_rise(ticks["skipped"]),
        link_errors=_rise(ticks["link_errors"]),
        slipped_ms=slipped_ms(log),
    )


def slipped_ms(log: Log) -> float:
    """Sum of the time that the MCU reported lost, in ms."""
    values = (event.get("detail", {}).get("value") for event in log.events if event.get("name") == SLIP_EVENT)
    return float(sum(value for value in values if isinstance(value, int | float)))


def histogram_lines(timing: Timing, width: int = 40) -> list[str]:
    """The lateness histogram as lines of text, empty bins at the far end left out; a period is 5000 us."""
    counts = timing.lateness_histogram
    last = max((index for index, count in enumerate(counts) if count), default=-1)
    names = [f"<= {edge:>5}" for edge in LATENESS_EDGES_US] + [f" > {LATENESS_EDGES_US[-1]:>5}"]
    scale = width / max(1, *counts)
    return [f"  {names[i]} us {counts[i]:>8}  {'#' * round(counts[i] * scale)}" for i in range(last + 1)]


def _rise(counter: np.ndarray) -> int:
    """How far a counter went up over the recording."""
    return int(counter.max()) - int(counter[0]) if len(counter) else 0
