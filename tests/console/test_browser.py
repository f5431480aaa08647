"""A person's session in a real browser, before the real station and the twin; judged by the log that it left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Error, Request

from robot_il.cli.known_robots import remember
from robot_il.recording.episodes import book_of
from robot_il.recording.operations import LABEL_WORDS
from robot_il.recording.reader import Log, read_log
from robot_il.robot import load_robot
from robot_il.spec import HandDevice
from tests.console.browsing import (
    LYING,
    STANDING,
    TOUCH_PX,
    WIDE,
    Operator,
    browser,
    console,
    keep_screenshot,
)

pytestmark = pytest.mark.wallclock

NEUTRAL_NS = 200_000_000
"""From the last hand that was held to wheels that no longer obey it."""
SIZES = {"wide": WIDE, "lying": LYING, "standing": STANDING}


@dataclass
class Evidence:
    """What the session left."""

    log: Log | None = None
    requests: list[str] = field(default_factory=list)
    address: str = ""
    typed: dict[str, str] = field(default_factory=dict)
    scrolls: dict[str, list[str]] = field(default_factory=dict)
    small: dict[str, list[str]] = field(default_factory=dict)
    overlaps: dict[str, list[str]] = field(default_factory=dict)
    dark_after_reload: bool = False
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """Arm the twin, drive by joystick and keyboard, record, stop, close the tab with the stick held, crash."""
    folder = tmp_path_factory.mktemp("browser")
    robot = load_robot()
    remember(robot.robot_id, robot)
    evidence = Evidence()
    with browser(folder) as chromium, console(folder / "data") as address:
        evidence.address = address
        context = chromium.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
        operator = _enter(context, evidence)
        keep_screenshot(operator.page, "drive-no-robot")
        operator.press("Connect")
        operator.reaches("IDLE")
        operator.press("Check")
        operator.page.locator(".lines .line").nth(15).wait_for()
        operator.drive()
        _drive_by_hand(operator)
        _look_around(operator, evidence)
        operator.drive()
        operator.record("1", LABEL_WORDS["expert"], "ArrowUp")
        operator.record("3", LABEL_WORDS["undesirable"], "KeyS")
        onlooker = _enter(context, evidence)
        evidence.dark_after_reload = "body--dark" in (onlooker.page.locator("body").get_attribute("class") or "")
        _stop_from_a_text_field(onlooker, operator, evidence)
        operator.drives_by(lambda: operator.hold_stick(1.0))
        operator.page.close()
        onlooker.reaches("IDLE")
        _crash_with_the_stick_held(onlooker, context)
    (path,) = (folder / "data" / "sessions").glob("*.mcap")
    evidence.log = read_log(path)
    yield evidence


def _enter(context: BrowserContext, evidence: Evidence) -> Operator:
    page = context.new_page()

    def note(request: Request) -> None:
        evidence.requests.append(request.url)

    page.on("request", note)
    page.on("websocket", lambda opened: evidence.requests.append(opened.url))
    page.on("pageerror", lambda error: evidence.complaints.append(str(error)))
    page.on("console", lambda line: evidence.complaints.append(line.text) if line.type == "error" else None)
    page.goto(evidence.address)
    operator = Operator(page)
    page.locator("body:not(.ril-offline)").wait_for()
    return operator


def _drive_by_hand(operator: Operator) -> None:
    operator.drives_by(lambda: operator.hold_stick(1.0, 0.2))
    operator.page.wait_for_timeout(400)
    keep_screenshot(operator.page, "drive-light")
    operator.let_go()
    operator.hold_key("ArrowDown")


def _look_around(operator: Operator, evidence: Evidence) -> None:
    page = operator.page
    page.locator("button.look").click()
    for name, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(600)
        keep_screenshot(page, f"drive-dark-{name}")
        evidence.scrolls[name] = page.evaluate(_SCROLLING)
        evidence.small[name] = page.evaluate(_SMALL, TOUCH_PX)
        evidence.overlaps[name] = page.evaluate(_OVERLAPPING)
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})


_SCROLLING = """() => [...document.querySelectorAll('html, body, .ril-content, .q-tab-panel, .ril-drive, .ril-drive *')]
  .filter(e => (e.scrollHeight > e.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(e).overflowY))
            || (e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(e).overflowX)))
  .map(e => e.className || e.tagName)"""
_SMALL = """least => [...document.querySelectorAll('button, .q-tab, .q-field__control, .ril-stick')]
  .map(e => [e.innerText || e.className, e.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.width < least || box.height < least))
  .map(([name, box]) => `${name} ${box.width}x${box.height}`)"""
_OVERLAPPING = """() => {
  const pressed = [...document.querySelectorAll('button, .q-tab, .ril-stick, .gauge .v, .ril-stat, .ril-phase')]
    .filter(e => e.getBoundingClientRect().width);
  const found = [];
  pressed.forEach((a, i) => pressed.slice(i + 1).forEach(b => {
    if (a.contains(b) || b.contains(a)) return;
    const p = a.getBoundingClientRect(), q = b.getBoundingClientRect();
    if (p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 1 && q.top < p.bottom - 1)
      found.push(`${a.innerText || a.className} / ${b.innerText || b.className}`);
  }));
  const wide = document.documentElement.clientWidth, high = document.documentElement.clientHeight;
  pressed.forEach(e => {
    const p = e.getBoundingClientRect();
    if (p.right > wide + 1 || p.bottom > high + 1 || p.left < -1 || p.top < -1)
      found.push(`outside: ${e.innerText || e.className}`);
  });
  return found;
}"""


def _stop_from_a_text_field(onlooker: Operator, operator: Operator, evidence: Evidence) -> None:
    """Space stops a robot that is driven, and types a space before one that is not."""
    page = onlooker.page
    page.get_by_role("tab", name="Episodes").click()
    page.evaluate("document.body.append(Object.assign(document.createElement('input'), { id: 'typed' }))")
    field_ = page.locator("#typed")
    operator.drive()
    onlooker.reaches("DRIVING")
    field_.press("Space")
    onlooker.reaches("STOPPED")
    operator.reaches("STOPPED")
    keep_screenshot(operator.page, "drive-stopped")
    evidence.typed["driven"] = field_.input_value()
    operator.press("Clear")
    onlooker.reaches("IDLE")
    page.wait_for_timeout(200)
    field_.press("Space")
    evidence.typed["idle"] = field_.input_value()


def _crash_with_the_stick_held(onlooker: Operator, context: BrowserContext) -> None:
    onlooker.page.get_by_role("tab", name="Drive").click()
    onlooker.press("Take the wheel")
    onlooker.drives_by(lambda: onlooker.hold_stick(1.0))
    assert context.browser is not None
    with contextlib.suppress(Error):  # a crashed browser answers nothing
        context.browser.new_browser_cdp_session().send("Browser.crash")


def runs(log: Log) -> list[tuple[int, int]]:
    """Start and end of each run, on the loop's clock."""
    starts = [event["host_ns"] for event in log.events if event["name"] == "run_started"]
    ends = [event["host_ns"] for event in log.events if event["name"] == "run_ended"]
    return list(zip(starts, ends, strict=True))


def held(log: Log, device: HandDevice) -> np.ndarray:
    return log.hands[(log.hands["device"] == device) & (log.hands["deadman"] == 1)]


def test_the_session_is_one_whole_log(session: Evidence) -> None:
    assert session.log is not None
    assert session.log.status == "complete"
    assert session.log.session.controller["name"] == "session"


@pytest.mark.parametrize("device", [HandDevice.JOYSTICK, HandDevice.KEYBOARD])
def test_the_robot_was_driven_by_each_hand(session: Evidence, device: HandDevice) -> None:
    assert session.log is not None
    ticks = session.log.ticks
    hands = held(session.log, device)
    after = np.searchsorted(ticks["host_receive_ns"], hands["host_ns"] + 5_000_000).clip(max=len(ticks) - 1)
    during = ticks[after]
    assert np.any((np.abs(during["stick_forward"]) > 0.7) & (np.abs(during["velocity"]) > 0.1))


def test_the_joystick_s_way_forward_and_left_is_the_robot_s(session: Evidence) -> None:
    assert session.log is not None
    ticks = session.log.ticks
    assert ticks["velocity"][ticks["stick_forward"] > 0.7].max() > 0.1
    assert ticks["yaw_rate"][ticks["stick_turn"] > 0.1].max() > 0.05
    hands = held(session.log, HandDevice.JOYSTICK)
    assert np.any((hands["forward"] > 0.9) & (hands["turn"] > 0.1))
    assert hands["forward"].min() >= 0.0


def test_two_labelled_episodes_are_in_the_log(session: Evidence) -> None:
    assert session.log is not None
    labels = [episode.label for episode in book_of(session.log).episodes]
    assert labels == ["expert", "undesirable"]


def test_the_space_bar_stopped_the_robot_from_a_text_field_of_a_page_that_does_not_drive(session: Evidence) -> None:
    assert session.log is not None
    assert any(event["name"] == "estop" for event in session.log.events)
    assert session.typed["driven"] == ""


def test_the_space_bar_types_a_space_before_a_robot_at_rest(session: Evidence) -> None:
    assert session.typed["idle"] == " "


@pytest.mark.parametrize(("what", "from_the_end"), [("tab", 2), ("browser", 1)])
def test_the_wheels_were_neutral_within_200_ms_of_the_last_hand(
    session: Evidence, what: str, from_the_end: int
) -> None:
    """The tab was closed, and then the browser crashed, with the stick held; the loop's own stamps tell."""
    assert session.log is not None
    start_ns, end_ns = runs(session.log)[-from_the_end]
    hands = held(session.log, HandDevice.JOYSTICK)
    last_ns = hands["host_ns"][(hands["host_ns"] >= start_ns) & (hands["host_ns"] < end_ns)][-1]
    ticks = session.log.ticks
    before = ticks[(ticks["host_receive_ns"] > last_ns - 40_000_000) & (ticks["host_receive_ns"] <= last_ns)]
    assert before["stick_forward"].max() > 0.7
    after = ticks[ticks["host_receive_ns"] > last_ns]
    neutral_ns = after["host_receive_ns"][after["stick_forward"] == 0.0][0] - last_ns
    assert neutral_ns <= NEUTRAL_NS
    still = after[(after["host_receive_ns"] > last_ns + NEUTRAL_NS) & (after["host_receive_ns"] < end_ns)]
    assert not still["stick_forward"].any()


def test_nothing_is_asked_of_another_host(session: Evidence) -> None:
    host = session.address.split("/")[2]
    outside = [url for url in session.requests if url.split(":")[0] not in ("data", "blob") and host not in url[:40]]
    assert len(session.requests) > 20
    assert outside == []


def test_the_browser_had_nothing_to_complain_of(session: Evidence) -> None:
    assert session.complaints == []


def test_the_dark_look_is_remembered(session: Evidence) -> None:
    assert session.dark_after_reload


@pytest.mark.parametrize("size", SIZES)
def test_nothing_scrolls_on_the_drive_view(session: Evidence, size: str) -> None:
    assert session.scrolls[size] == []


@pytest.mark.parametrize("size", SIZES)
def test_everything_that_can_be_pressed_is_large_enough_for_a_thumb(session: Evidence, size: str) -> None:
    assert session.small[size] == []


@pytest.mark.parametrize("size", SIZES)
def test_nothing_lies_on_something_else_or_outside(session: Evidence, size: str) -> None:
    assert session.overlaps[size] == []
