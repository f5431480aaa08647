"""Asks the operating system for punctuality, and says plainly what it granted."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FIFO_PRIORITY = 80
_MCL_CURRENT, _MCL_FUTURE = 1, 2
_PR_SET_TIMERSLACK = 29
_DMA_LATENCY = Path("/dev/cpu_dma_latency")


@dataclass
class RealtimeReport:
    """What was asked for, by outcome.

    Attributes:
        granted: in words.
        refused: in words, each with the system's reason.
    """

    granted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        refused = f"; refused: {', '.join(self.refused)}" if self.refused else ""
        return f"granted: {', '.join(self.granted) or 'nothing'}{refused}"

    @contextlib.contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """Files ``what`` under granted, or under refused where the body raises OSError."""
        try:
            yield
        except OSError as error:
            self.refused.append(f"{what} ({error.strerror or error})")
        else:
            self.granted.append(what)


@contextlib.contextmanager
def realtime(priority: int = FIFO_PRIORITY) -> Iterator[RealtimeReport]:
    """Runs its body with SCHED_FIFO, locked memory, no deep idle, tight timers and a frozen garbage collector.

    Each is used where the system permits it; what it refuses is reported and not an error. Scheduling, idle states and
    the collector are restored at the end; locked memory and timer slack stay until the process ends.

    Args:
        priority: SCHED_FIFO priority, 1 to 99.
    """
    report = RealtimeReport()
    libc = ctypes.CDLL(None, use_errno=True)
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    dma_latency: int | None = None
    with report.trying("memory locked"):
        _check(libc.mlockall(_MCL_CURRENT | _MCL_FUTURE))
    with report.trying("timer slack 1 ns"):
        _check(libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0))
    with report.trying("no deep idle"):
        dma_latency = os.open(_DMA_LATENCY, os.O_WRONLY)
        os.write(dma_latency, struct.pack("i", 0))  # holds for as long as the file stays open
    with report.trying(f"SCHED_FIFO {priority}"):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield report
    finally:
        gc.enable()
        gc.unfreeze()
        if dma_latency is not None:
            os.close(dma_latency)
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, policy, parameter)


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
