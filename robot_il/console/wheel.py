"""Who may drive: one page at a time, the first that asks, until it lets go or is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robot_il.console.model import Station


class Wheel:
    """Holds ``Station.driver``; nothing else assigns it.

    Args:
        station: whose driver is chosen.
    """

    def __init__(self, station: Station) -> None:
        self._station = station
        self._names: dict[str, str] = {}
        self._met = 0

    def meet(self, client: str) -> str:
        """Name of a page for people, given at its first call."""
        if client not in self._names:
            self._met += 1
            self._names[client] = f"page {self._met}"
        return self._names[client]

    def drives(self, client: str) -> bool:
        """Whether this page drives."""
        return self._station.driver == client

    @property
    def driver_name(self) -> str:
        """Who drives, for people; empty where nobody does."""
        return "" if self._station.driver is None else self._names.get(self._station.driver, "another page")

    def take(self, client: str) -> bool:
        """Makes a page the driver where nobody drives; whether it drives now."""
        if self._station.driver is None:
            self._station.driver = client
        return self.drives(client)

    def let_go(self, client: str) -> None:
        """Gives the wheel back, if this page had it."""
        if self.drives(client):
            self._station.driver = None

    def gone(self, client: str) -> None:
        """Forgets a page that was closed or lost; without its hands the loop stops the robot by itself."""
        self.let_go(client)
        self._names.pop(client, None)
