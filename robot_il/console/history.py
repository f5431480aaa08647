"""The last minutes of ticks, as the console has read them off the ring."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from robot_il.spec import CONTROL_RATE_HZ, TICK_DTYPE

KEPT_S = 600


class History:
    """Ticks in the order in which they came, the oldest forgotten; memory is taken once.

    Args:
        rate_hz: of the ticks.
        seconds: how much is kept.
    """

    def __init__(self, rate_hz: int = CONTROL_RATE_HZ, seconds: int = KEPT_S) -> None:
        self._rate_hz = rate_hz
        self._kept = rate_hz * seconds
        self._ticks = np.zeros(2 * self._kept, TICK_DTYPE)
        self._end = 0
        self._dropped = 0

    def __len__(self) -> int:
        """Ticks that are kept."""
        return min(self._end, self._kept)

    def add(self, rows: Sequence[bytes]) -> None:
        """Appends packed rows of ``TICK_DTYPE``."""
        ticks = np.frombuffer(b"".join(rows), TICK_DTYPE)[-self._kept :]
        if self._end + len(ticks) > len(self._ticks):
            keep = self._kept
            self._ticks[:keep] = self._ticks[self._end - keep : self._end]
            self._dropped += self._end - keep
            self._end = keep
        self._ticks[self._end : self._end + len(ticks)] = ticks
        self._end += len(ticks)

    @property
    def newest(self) -> np.void | None:
        """The newest tick; None before the first."""
        return self._ticks[self._end - 1].copy() if self._end else None

    def window(self, seconds: float, points: int) -> np.ndarray:
        """The last seconds at about so many points, (P,) of ``TICK_DTYPE``; the same ticks from one look to the next.

        Args:
            seconds: how far back.
            points: about how many ticks, at least 1.
        """
        wanted = round(seconds * self._rate_hz)
        step = max(1, wanted // max(1, points))
        start = max(self._end - min(wanted, len(self)), 0)
        first = start + -(start + self._dropped) % step  # on a fixed grid, or the curves would shimmer
        return self._ticks[first : self._end : step].copy()

    def between(self, start_ns: int, stop_ns: int) -> np.ndarray:
        """The kept ticks received in [start_ns, stop_ns), (T,) of ``TICK_DTYPE``."""
        kept = self._ticks[self._end - len(self) : self._end]
        received = kept["host_receive_ns"]
        return kept[np.searchsorted(received, start_ns) : np.searchsorted(received, stop_ns)].copy()
