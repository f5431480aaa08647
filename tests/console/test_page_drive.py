"""Connect, check, arm, stop: what may be pressed when, and what is told where something is refused."""

from __future__ import annotations

import math

import pytest

from robot_il.console.arm_panel import EXPLANATIONS, TWIN, policy_choices, serial_ports
from robot_il.console.folders import Folders
from robot_il.console.height import NO_LEGS
from robot_il.control.teleop import MODES
from robot_il.robot import load_robot
from tests.console.conftest import Console, Visitor, until

pytestmark = pytest.mark.asyncio


def choose(visitor: Visitor, marker: str, value: str) -> None:
    (element,) = visitor.user.find(marker=marker).elements
    with visitor.user:
        element.set_value(value)


async def test_the_twin_is_among_the_robots_that_can_be_chosen() -> None:
    assert TWIN in serial_ports()


async def test_the_policies_offered_are_those_of_the_folder_and_the_lqr(tmp_path) -> None:
    folders = Folders(tmp_path)
    folders.make()
    (folders.policies / "walk.onnx").write_bytes(b"")
    (folders.policies / "notes.txt").write_bytes(b"")
    assert list(policy_choices(folders).values()) == ["LQR, no policy", "walk"]


async def test_who_connects_a_robot_takes_the_wheel_where_it_is_free(console: Console) -> None:
    visitor = await console.visit()
    choose(visitor, "device", str(console.twin_port))
    visitor.press("connect")
    await console.reaches("idle")
    assert console.station.driver == visitor.client


@pytest.mark.parametrize("mode", MODES)
async def test_each_mode_is_explained_before_it_is_armed(console: Console, mode: str) -> None:
    visitor = await console.visit()
    choose(visitor, "mode", mode)
    await until(lambda: visitor.text("explanation") == EXPLANATIONS[mode], "the explanation")


async def test_a_page_without_the_wheel_can_press_nothing_that_moves_the_robot(console: Console) -> None:
    await console.connected()
    onlooker = await console.visit()
    await until(lambda: onlooker.text("phase") == "IDLE", "the onlooker's header")
    assert not any(onlooker.enabled(name) for name in ("connect", "check", "arm", "stop", "clear", "record"))


async def test_an_arm_request_of_a_page_without_the_wheel_is_not_sent(console: Console) -> None:
    await console.connected()
    onlooker = await console.visit()
    onlooker.press("arm")
    onlooker.press("check")
    assert console.station.phase == "idle"
    assert console.station.checks == []


async def test_the_checklist_shows_every_line_that_was_checked(console: Console) -> None:
    visitor = await console.connected()
    await until(lambda: visitor.enabled("check"), "the check button")
    visitor.press("check")
    await until(lambda: len(console.station.checks) > 10 and console.station.phase == "idle", "the checklist")
    total = len(console.station.checks)
    await until(lambda: visitor.text("checks-head") == f"Checklist: {total} of {total} passed", "the lines")
    for check in console.station.checks:
        await visitor.user.should_see(check["name"])


async def test_a_policy_that_is_none_is_refused_with_expected_came_and_remedy(console: Console) -> None:
    (console.folders.policies / "torn.onnx").write_bytes(b"not a policy")
    visitor = await console.connected()
    choose(visitor, "mode", "shared")
    await visitor.user.should_see(marker="policy", retries=20)
    (select,) = visitor.user.find(marker="policy").elements
    select.set_options(policy_choices(console.folders))
    choose(visitor, "policy", str(console.folders.policies / "torn.onnx"))
    await until(lambda: visitor.enabled("arm"), "the arm button")
    visitor.press("arm")
    await until(lambda: console.station.refusal is not None, "a refusal")
    await visitor.user.should_see("Refused: arm", retries=20)
    assert console.station.refusal is not None
    await visitor.user.should_see(console.station.refusal["remedy"])


async def test_an_armed_robot_drives_where_the_stick_says_and_comes_to_rest_when_stopped(console: Console) -> None:
    visitor = await console.driving()
    visitor.hold(0.6)
    await until(lambda: console.station.newest["velocity"] > 0.1, "the robot to roll")
    visitor.hold(0.0, deadman=False)
    await until(lambda: visitor.enabled("stop"), "the stop button")
    visitor.press("stop")
    await console.reaches("idle")
    assert console.station.report is not None
    await visitor.user.should_see(content=f"Last run: {console.station.report['outcome']}", retries=20)


async def test_the_body_is_raised_and_lowered_while_the_robot_is_driven_and_not_else(console: Console) -> None:
    visitor = await console.connected()
    onlooker = await console.visit()
    assert not any(page.enabled(f"height-{way}") for page in (visitor, onlooker) for way in ("raise", "lower"))
    visitor.hold(0.0, deadman=False)
    await until(lambda: visitor.enabled("arm"), "the arm button")
    visitor.press("arm")
    await until(lambda: visitor.enabled("height-raise"), "a robot that is driven")
    assert not onlooker.enabled("height-raise")
    before = float(console.station.newest["height"])
    onlooker.press("height-raise")
    visitor.press("height-lower")
    await until(lambda: console.station.newest["height_wanted"] < before - 0.009, "a lower height to be wanted")
    await until(lambda: abs(console.station.newest["height"] - before + 0.01) < 1e-6, "the legs to get there")
    assert console.station.newest["height_wanted"] == pytest.approx(before - 0.01)
    await until(lambda: visitor.text("height") == f"body {before - 0.01:.3f} m up", "the page to say so")


async def test_a_robot_without_legs_has_nothing_to_raise(console: Console) -> None:
    console.station.robot = load_robot("two_wheeled")
    visitor = await console.driving()
    assert visitor.text("height") == NO_LEGS
    assert not visitor.enabled("height-raise")
    visitor.press("height-raise")
    await until(lambda: console.station.newest["tick"] > 0, "ticks")
    assert not any(event["name"] == "height_asked" for event in console.station.events)


async def test_a_robot_at_rest_is_not_raised(console: Console) -> None:
    await console.connected()
    console.station.ask_height(0.3)
    await until(lambda: console.station.refusal is not None, "the refusal")
    assert (console.station.refusal["came"], console.station.refusal["remedy"]) == ("one at rest", "arm it first")


async def test_a_height_that_is_none_is_refused_and_the_robot_driven_on(console: Console) -> None:
    await console.driving()
    for height in (None, "high", math.nan, math.inf, True):
        console.station._request("height", height_m=height)
        await until(lambda: console.station.refusal is not None, "the refusal")
        assert console.station.refusal["expected"] == "a height in m"
        console.station.refusal = None
    assert console.station.phase == "driving"
    assert math.isnan(console.station.newest["height_wanted"])


async def test_a_driver_that_falls_silent_is_stopped_by_the_loop(console: Console) -> None:
    visitor = await console.driving()
    visitor.hold(0.5)
    await until(lambda: console.station.newest["stick_forward"] > 0.4, "the stick to reach the loop")
    visitor.release()
    await console.reaches("idle")
    assert console.station.report is not None
    assert any("operator" in reason for reason in console.station.report["reasons"])


async def test_a_latched_stop_can_be_cleared_by_the_driver(console: Console) -> None:
    visitor = await console.connected()
    visitor.press("estop")
    await console.reaches("fault")
    await until(lambda: visitor.enabled("clear"), "the clear button")
    assert not visitor.enabled("arm")
    visitor.press("clear")
    await console.reaches("idle")
