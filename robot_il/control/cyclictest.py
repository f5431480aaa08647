"""The field's own measure of wake-up lateness, rt-tests' ``cyclictest``, run beside ours where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np

from robot_il.control.realtime import FIFO_PRIORITY
from robot_il.control.wakeup import WakeUps

_BINS_US = 20_000
_MAX_OUTPUT = 1_000_000
_BIN = re.compile(r"^(\d{6}) (\d{6,12})$", re.MULTILINE)
_SUMMARY = re.compile(r"^# (Max Latencies|Histogram Overflows): (\d+)$", re.MULTILINE)


def installed() -> bool:
    """Whether there is a ``cyclictest`` on this machine."""
    return shutil.which("cyclictest") is not None


def measure_cyclictest(rate_hz: int, seconds: float) -> WakeUps | None:
    """Runs it for a while at SCHED_FIFO, as our loop runs.

    Args:
        rate_hz: of its grid.
        seconds: how long, at least 1.

    Returns:
        its wake-ups, with lateness in whole us; None where it gave no figures (it needs the right to SCHED_FIFO).
    """
    period_us, length_s = 1_000_000 // rate_hz, max(1, round(seconds))
    options = ["-q", f"-p{FIFO_PRIORITY}", f"-i{period_us}", f"-D{length_s}", f"-h{_BINS_US}", "-m"]
    done = subprocess.run(["cyclictest", *options], capture_output=True, text=True, check=False)
    return wake_ups_of(done.stdout[:_MAX_OUTPUT], rate_hz, rate_hz * length_s)


def wake_ups_of(text: str, rate_hz: int, ticks: int) -> WakeUps | None:
    """What the histogram in its output says; None without one.

    Args:
        text: of its standard output.
        rate_hz: of its grid.
        ticks: grid points there were.
    """
    bins = np.array([(int(late), int(count)) for late, count in _BIN.findall(text)])
    if not bins.size or not bins[:, 1].any():
        return None
    lateness = np.repeat(bins[:, 0], bins[:, 1])
    summary = {name: int(value) for name, value in _SUMMARY.findall(text)}
    beyond = np.full(summary.get("Histogram Overflows", 0), summary.get("Max Latencies", _BINS_US))
    lateness = np.concatenate([lateness, beyond]).astype(np.float64)
    return WakeUps(rate_hz, ticks, max(0, ticks - len(lateness)), lateness)
