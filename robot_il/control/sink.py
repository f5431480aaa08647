"""Where what the loop sees and does goes: the recorder, or nowhere."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """Where ticks and events go: the recorder, or nowhere."""

    def tick(self, row: bytes) -> None:
        """Takes one packed row of ``spec.TICK_DTYPE``; must not block."""

    def event(self, name: str, **detail: object) -> None:
        """Takes one named event with its details."""

    def hand(self, row: bytes) -> None:
        """Takes one packed row of ``spec.HAND_DTYPE``; must not block."""


class NullSink:
    """Keeps nothing."""

    def tick(self, row: bytes) -> None:
        """Drops the row."""

    def event(self, name: str, **detail: object) -> None:
        """Drops the event."""

    def hand(self, row: bytes) -> None:
        """Drops the row."""
