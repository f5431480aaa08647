"""A live line on the terminal that can never hold up the control loop.

A child process owns the terminal; the loop's side writes to a non-blocking pipe and drops what does not fit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from robot_il.control.device import State
from robot_il.control.guard import Decision

_STAYS = "\0"
"""Marks a line on the pipe that the next one must not overwrite."""
_SOURCES = ("nobody", "controller", "FALLBACK")


class LiveLine:
    """Shows one line of state, 5 times a second on a terminal, every 5 s elsewhere. Use as a context manager."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._every = rate_hz // 5 if sys.stdout.isatty() else 5 * rate_hz
        self._count = 0
        sys.stdout.flush()
        reader, self._writer = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(self._writer)
            _show(reader)
        os.close(reader)
        os.set_blocking(self._writer, False)

    def __enter__(self) -> LiveLine:
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._writer)
        os.waitpid(self._child, 0)

    def __call__(self, state: State, decision: Decision) -> None:
        """Takes one tick; shows every so many."""
        self._count += 1
        if self._count % self._every:
            return
        line = (
            f"{self._count / self._rate_hz:7.1f} s  {_SOURCES[decision.source]:10s}"
            f"  pitch {state.pitch:+.3f} rad  position {state.position:+.2f} m  velocity {state.velocity:+.2f} m/s"
            f"  torque {decision.limited_torque:+.2f} N m  battery {state.battery:.1f} V"
        )
        self._write(line)

    def say(self, text: str) -> None:
        """Shows a line that stays."""
        self._write(_STAYS + text)

    def _write(self, line: str) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._writer, line.encode() + b"\n")


def _show(reader: int) -> None:
    """Body of the child: prints lines until the other end closes, then leaves without touching its parent's state."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminal = os.isatty(1)
    with contextlib.suppress(OSError), os.fdopen(reader, "rb") as lines:
        for line in lines:
            stays = line.startswith(_STAYS.encode())
            text = line.removeprefix(_STAYS.encode())
            os.write(1, b"\r\x1b[2K" + (text if stays else text.rstrip()) if terminal else text)
        if terminal:
            os.write(1, b"\n")
    os._exit(0)
