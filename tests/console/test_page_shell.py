"""What is on every tab: who the robot is, how it does, and the way to stop it."""

from __future__ import annotations

import pytest
from nicegui import ui

from robot_il.console.theme import PHASES, figure, phase_look
from robot_il.spec import Mode
from tests.console.conftest import Console, until

pytestmark = pytest.mark.asyncio


async def test_a_page_without_a_robot_says_so(console: Console) -> None:
    visitor = await console.visit()
    assert visitor.text("robot") == "reference"
    assert visitor.text("phase") == PHASES["absent"].word


async def test_there_are_four_tabs(console: Console) -> None:
    visitor = await console.visit()
    with visitor.user:
        names = [tab.props["name"] for tab in visitor.user.find(ui.tab).elements]
    assert sorted(names) == ["Drive", "Episodes", "Learn", "Replay"]


async def test_the_emergency_stop_is_on_no_tab_and_so_on_all(console: Console) -> None:
    visitor = await console.visit()
    (estop,) = visitor.user.find(marker="estop").elements
    ancestors = list(estop.ancestors())
    assert ancestors
    assert not any(isinstance(element, ui.tab_panel) for element in ancestors)


async def test_the_header_shows_the_link_the_battery_and_the_log_of_a_connected_robot(console: Console) -> None:
    visitor = await console.connected()
    await until(lambda: visitor.text("stat log") == "running", "the header")
    for stat, unit in (("round trip", " ms"), ("battery", " V"), ("late, p99", " us")):
        await until(lambda stat=stat, unit=unit: visitor.text(f"stat {stat}").endswith(unit), stat)


async def test_an_emergency_stop_by_a_page_that_does_not_drive_latches(console: Console) -> None:
    await console.driving()
    onlooker = await console.visit()
    onlooker.press("estop")
    await console.reaches("fault")
    newest = console.station.newest
    assert newest is not None
    assert newest["mode"] == Mode.ESTOPPED
    await until(lambda: onlooker.text("phase") == PHASES["fault"].word, "the header")


async def test_one_page_drives_at_a_time(console: Console) -> None:
    first, second = await console.visit(), await console.visit()
    first.press("wheel")
    second.press("wheel")
    assert console.station.driver == first.client
    await until(lambda: second.text("driver") == "page 1 drives", "the second page to see who drives")
    assert not second.enabled("wheel")


async def test_the_wheel_is_free_once_its_driver_lets_go(console: Console) -> None:
    first, second = await console.visit(), await console.visit()
    first.press("wheel")
    await until(lambda: not second.enabled("wheel"), "the second page to see who drives")
    first.press("wheel")
    await until(lambda: second.enabled("wheel"), "the wheel to be free")
    second.press("wheel")
    assert console.station.driver == second.client


async def test_the_wheel_is_free_once_its_driver_is_gone(console: Console) -> None:
    first = await console.visit()
    first.press("wheel")
    assert first.user.client is not None
    first.user.client.delete()
    assert console.station.driver is None


async def test_figures_have_a_true_minus_no_negative_zero_and_a_dash_for_nothing() -> None:
    assert figure(-1.25, 1, "V") == "−1.2 V"
    assert figure(-0.001, 2) == "0.00"
    assert figure(None, 2, "V") == figure(float("nan"), 2, "V") == "–"


async def test_a_phase_that_the_page_does_not_know_is_shown_as_a_warning() -> None:
    assert phase_look("melting") == phase_look("melting")
    assert (phase_look("melting").word, phase_look("melting").tone) == ("MELTING", "warn")
