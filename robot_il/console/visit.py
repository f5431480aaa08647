"""What one open page knows: the station, its own name, and whether it may do what was pressed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nicegui import ui

from robot_il.errors import RobotIlError

if TYPE_CHECKING:
    from robot_il.console.folders import Folders
    from robot_il.console.model import Station
    from robot_il.console.traces import Feed
    from robot_il.console.wheel import Wheel


@dataclass(frozen=True)
class Visit:
    """One open page.

    Attributes:
        client: its identifier.
        station: shared by all pages.
        folders: of the recordings, data sets, runs and policies.
        wheel: knows who drives.
        feed: of the live traces.
    """

    client: str
    station: Station
    folders: Folders
    wheel: Wheel
    feed: Feed

    @property
    def drives(self) -> bool:
        """Whether this page has the wheel."""
        return self.wheel.drives(self.client)

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Around a request to the station: what it refuses is told to the person in full."""
        try:
            yield
        except RobotIlError as error:
            tell(error)


def tell(error: RobotIlError) -> None:
    """Shows an error on the page, until it is closed."""
    text = f"Expected {error.expected}. Came {error.came}. {error.remedy[:1].upper()}{error.remedy[1:]}."
    ui.notify(text, type="negative", position="top", multi_line=True, timeout=0, close_button="Close")
