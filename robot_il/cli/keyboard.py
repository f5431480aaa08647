"""Keys of the terminal, read without ever waiting."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from types import TracebackType
from typing import Any, Self

ARROWS = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[C": "right",
    "\x1b[D": "left",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
}
"""Keys that send more than a character, by what a terminal sends for them (ECMA-48, as xterm has it)."""
_MOST = 64


class Keyboard:
    """The keys pressed since the last look; none where the input is no terminal. Use as a context manager.

    Args:
        descriptor: of the terminal; by default standard input.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = _standard_input() if descriptor is None else descriptor
        self._before: list[Any] | None = None
        self._gone = False

    def __enter__(self) -> Self:
        if self._descriptor is not None and os.isatty(self._descriptor):
            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None and self._before is not None:
            with contextlib.suppress(termios.error):  # a terminal that is gone
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    @property
    def there(self) -> bool:
        """Whether somebody could press a key."""
        return self._before is not None and not self._gone

    def pressed(self) -> list[str]:
        """Characters, and the arrows and page keys by name, in the order in which they came."""
        if self._descriptor is None or not self.there or not select.select([self._descriptor], (), (), 0.0)[0]:
            return []
        try:
            data = os.read(self._descriptor, _MOST)
        except OSError:  # its other end is closed
            data = b""
        self._gone = not data
        text = data.decode(errors="ignore")
        for sequence, name in ARROWS.items():
            text = text.replace(sequence, f"\0{name}\0")
        return [key for part in text.split("\0") for key in ([part] if part in ARROWS.values() else part)]


def _standard_input() -> int | None:
    """Its descriptor; None for a process that was started without one."""
    try:
        return sys.stdin.fileno()
    except (AttributeError, ValueError):  # no stdin at all, or one that is no file
        return None
