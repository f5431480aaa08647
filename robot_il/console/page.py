"""The operator's page: header, tabs, and the emergency stop that is on all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui import Client, app, ui

from robot_il.console.access import Access, AccessMiddleware
from robot_il.console.drive_socket import DriveDesk, serve_drive
from robot_il.console.drive_view import STEADY_PERIOD_S, DriveView
from robot_il.console.header import Header
from robot_il.console.records import build_records
from robot_il.console.stick import DriveLink
from robot_il.console.theme import dress_page, serve_assets, set_tone
from robot_il.console.traces import Feed
from robot_il.console.visit import Visit
from robot_il.console.wheel import Wheel

if TYPE_CHECKING:
    from robot_il.console.folders import Folders
    from robot_il.console.model import Station

TITLE = "robot-il console"


def build_page(station: Station, folders: Folders, access: Access) -> DriveDesk:
    """Serves the console at ``/`` of NiceGUI's application; call it once, before ``ui.run``.

    Args:
        station: what is shown and commanded.
        folders: of the recordings, data sets, runs and policies.
        access: who may speak to it.

    Returns:
        The desk at which the pages' hands arrive, with its counts.
    """
    wheel = Wheel(station)
    feed = Feed(station)
    desk = DriveDesk(station, wheel, lambda client: client in Client.instances)
    app.add_middleware(AccessMiddleware, access=access)
    serve_assets()
    serve_drive(app, desk)

    @ui.page("/", title=TITLE, dark=None)
    def page(client: Client) -> None:
        wheel.meet(client.id)
        shell = Shell(Visit(client.id, station, folders, wheel, feed))

        def press(action: str) -> None:
            with client:
                shell.press(action)

        def gone() -> None:
            wheel.gone(client.id)
            desk.listen(client.id, None)

        desk.listen(client.id, press)
        client.on_delete(gone)

    return desk


class Shell:
    """One open page."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        dress_page()
        DriveLink(visit.client)
        self._header = Header(visit)
        with ui.element("nav").classes("ril-tabs"):
            with ui.tabs().props("no-caps inline-label indicator-color=transparent dense=false") as tabs:
                for name in ("Drive", "Episodes", "Learn", "Replay"):
                    ui.tab(name)
            with ui.element("div").classes("ril-wheel"):
                self._who = ui.label().classes("who").mark("driver")
                self._wheel = ui.button("Take the wheel", color=None, on_click=self._on_wheel)
                self._wheel.props("unelevated no-caps").classes("btn").mark("wheel")
        with ui.tab_panels(tabs, value="Drive", animated=False) as self._panels, ui.tab_panel("Drive"):
            self._drive = DriveView(visit)
        self._tabs = tabs
        self._records_built = False
        tabs.on_value_change(lambda event: self._show_tab(str(event.value)))
        ui.timer(STEADY_PERIOD_S, self._update)
        self._update()

    def press(self, action: str) -> None:
        """Does what a button of the driver's pad stands for."""
        self._drive.press(action)

    def _show_tab(self, name: str) -> None:
        """Builds the views of recordings when first one of them is wanted: they read files, Drive must not wait."""
        self._drive.set_active(name == "Drive")
        if name != "Drive" and not self._records_built:
            self._records_built = True
            with self._panels:
                build_records(self._visit.station, self._visit.folders, self._tabs)

    def _on_wheel(self) -> None:
        visit = self._visit
        if visit.drives:
            visit.wheel.let_go(visit.client)
        elif not visit.wheel.take(visit.client):
            ui.notify(f"{visit.wheel.driver_name} drives; it has to let go first", type="warning", position="top")
        self._update()

    def _update(self) -> None:
        self._header.update()
        wheel, drives = self._visit.wheel, self._visit.drives
        name = wheel.driver_name
        self._who.set_text("You drive" if drives else f"{name} drives" if name else "Nobody drives")
        set_tone(self._who, "live" if drives else "warn" if name else "")
        self._wheel.set_text("Let go of the wheel" if drives else "Take the wheel")
        self._wheel.set_enabled(drives or not name)
        set_tone(self._wheel, "" if drives else "calm")
