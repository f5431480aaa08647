"""The page without a browser, before a real station with a real twin."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from nicegui import core, ui
from nicegui.functions.download import download
from nicegui.functions.navigate import Navigate
from nicegui.functions.notify import notify
from nicegui.storage import Storage
from nicegui.testing import User
from nicegui.testing.general import nicegui_reset_globals, prepare_simulation

from robot_il.cli.known_robots import remember
from robot_il.cli.stations import Stations
from robot_il.console.access import access_for
from robot_il.console.drive_socket import Connection, DriveDesk, stamp_ms
from robot_il.console.folders import Folders
from robot_il.console.model import Station
from robot_il.console.page import build_page
from robot_il.robot import load_robot
from tests.cli.processes import PATIENCE_S, robot_il

PORT = 8200
URL = f"http://localhost:{PORT}"


@pytest.fixture(scope="session")
def twin_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A twin in wall-clock time, met before, for all tests of this folder."""
    robot = load_robot()
    remember(robot.robot_id, robot)
    port = tmp_path_factory.mktemp("twin") / "robot"
    with robot_il("twin", "--link", port) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("twin ready")
        gc.freeze()  # NiceGUI's tests collect before and after each: not all that was imported every time
        yield port
        gc.unfreeze()


async def until(condition: Callable[[], object], what: str) -> None:
    """Waits for anything to happen; only a hang reaches the end."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {PATIENCE_S:.0f} s for {what}")
        await asyncio.sleep(0.02)


@dataclass
class Visitor:
    """Somebody at a page of their own."""

    user: User
    desk: DriveDesk
    _holding: asyncio.Task[None] | None = field(default=None)

    @property
    def client(self) -> str:
        assert self.user.client is not None
        return self.user.client.id

    def press(self, marker: str) -> None:
        self.user.find(marker=marker).click()

    def text(self, marker: str) -> str:
        (element,) = self.user.find(marker=marker).elements
        return element.text

    def enabled(self, marker: str) -> bool:
        (element,) = self.user.find(marker=marker).elements
        return element.enabled

    def hold(self, forward: float, turn: float = 0.0, deadman: bool = True) -> None:
        """From now on says every 50 ms where the stick is, as the page's own script does."""
        self.release()
        self._holding = asyncio.create_task(self._hold({"forward": forward, "turn": turn, "deadman": deadman}))

    def release(self) -> None:
        """Falls silent."""
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None

    async def _hold(self, where: dict[str, object]) -> None:
        connection = Connection(self.desk, self.client)
        for seq in range(1_000_000):
            now_ns = time.monotonic_ns()
            hand = {"device": 4, "seq": seq, "stamp": stamp_ms(now_ns), **where}
            connection.hear(json.dumps({"hand": hand}), now_ns)
            await asyncio.sleep(0.05)


@dataclass
class Console:
    """The served page and what stands behind it."""

    station: Station
    folders: Folders
    desk: DriveDesk
    twin_port: Path
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def visit(self) -> Visitor:
        """Opens one more page."""
        client = httpx.AsyncClient(transport=httpx.ASGITransport(core.app), base_url=URL)
        self.clients.append(client)
        visitor = Visitor(User(client), self.desk)
        await visitor.user.open("/")
        return visitor

    async def connected(self) -> Visitor:
        """A page that drives, connected to the twin."""
        visitor = await self.visit()
        visitor.press("wheel")
        await self.station.connect(str(self.twin_port))
        await self.reaches("idle")
        return visitor

    async def driving(self) -> Visitor:
        """A page that drives a robot that balances, the stick let go."""
        visitor = await self.connected()
        visitor.hold(0.0, deadman=False)
        await until(lambda: visitor.enabled("arm"), "the arm button")
        visitor.press("arm")
        await self.reaches("driving")
        return visitor

    async def reaches(self, phase: str) -> None:
        await until(lambda: self.station.phase == phase, f"phase {phase}")


@contextlib.contextmanager
def _untouched_modules() -> Iterator[None]:
    """NiceGUI's tests forget the modules that serve pages; ours are those of all other tests too."""
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "robot_il"}
    try:
        yield
    finally:
        sys.modules.update(ours)


@pytest_asyncio.fixture
async def console(tmp_path: Path, twin_port: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Console]:
    monkeypatch.setattr(Storage, "path", tmp_path / "storage")
    folders = Folders(tmp_path / "data")
    folders.make()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_untouched_modules())
        stack.enter_context(nicegui_reset_globals())
        monkeypatch.setenv("NICEGUI_USER_SIMULATION", "true")
        stack.callback(_give_back_functions)
        stations = stack.enter_context(Stations("reference", 200))
        station = Station(stations.start, folders, "reference")
        prepare_simulation()
        desk = build_page(station, folders, access_for("127.0.0.1", PORT))
        ui.run(storage_secret="of a test")
        await stack.enter_async_context(core.app.router.lifespan_context(core.app))
        served = Console(station, folders, desk, twin_port)
        yield served
        await station.disconnect()
        for client in served.clients:
            await client.aclose()
        await asyncio.sleep(0.15)  # a page that is about to be told something would miss that it is to end


def _give_back_functions() -> None:
    """A simulated user puts its own in their place."""
    ui.navigate, ui.notify, ui.download = Navigate(), notify, download
