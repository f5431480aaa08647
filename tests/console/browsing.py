"""A headless Chromium at a console in a process of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, sync_playwright

from tests.cli.processes import PATIENCE_S, robot_il

PATIENCE_MS = 1000 * PATIENCE_S
WIDE, LYING, STANDING = (1280, 800), (1024, 768), (768, 1024)
TOUCH_PX = 44
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
"""The robot in 3D is drawn by the processor; in a container there is no sandbox to be had."""
_SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


def chromium() -> str:
    """Path of an installed Chromium; skips where there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(_NAMES)} is installed: the page was tested without a browser only")
    return found


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser that keeps to one core: drawing in 3D without a graphics card would fill all, and the twin falls."""
    wrapper = folder / "chromium"
    core = min(os.sched_getaffinity(0))
    wrapper.write_text(f'#!/bin/sh\nexec nice -n 5 taskset -c {core} {chromium()} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(wrapper), args=_FLAGS)
        yield launched
        with contextlib.suppress(Error):  # it was crashed on purpose
            launched.close()


@contextlib.contextmanager
def console(folder: Path) -> Iterator[str]:
    """A console on a free port with its data in a folder; its address. Ended as by Ctrl-C, so that its log is whole."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            # by this NiceGUI would take the console for a part of the test
            patch.delenv("PYTEST_CURRENT_TEST", raising=False)
            process = stack.enter_context(robot_il("console", "--port", port, "--data", folder))
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("the console is at "), line
        address = line.split()[-1]
        try:
            _answers(port)
            yield address
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)


def _answers(port: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return
        time.sleep(0.05)
    pytest.fail("the console does not answer")


def keep_screenshot(page: Page, name: str) -> Path:
    """Keeps a picture of the page with the run, in ``ROBOT_IL_SCREENSHOTS`` or build/screenshots."""
    folder = Path(os.environ.get("ROBOT_IL_SCREENSHOTS") or _SCREENSHOTS)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    page.screenshot(path=path)
    return path


class Operator:
    """A person at a page.

    Args:
        page: already at the console.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE_MS)
        self.is_shown("E-STOP")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def press(self, name: str) -> None:
        self.button(name).click()

    def is_shown(self, text: str) -> None:
        self.page.get_by_text(text, exact=True).first.wait_for()

    @property
    def phase(self) -> str:
        return self.page.locator(".ril-phase").inner_text()

    def reaches(self, word: str) -> None:
        self.page.locator(".ril-phase", has_text=word).wait_for()

    def drive(self) -> None:
        """Arms, and arms again where a busy machine stopped the robot, until it drives."""
        for _ in range(10):
            if self.phase == "DRIVING":
                return
            self.page.wait_for_function("/IDLE|STOPPED/.test(document.querySelector('.ril-phase').innerText)")
            name = "Clear" if self.phase == "STOPPED" else "Arm"
            with contextlib.suppress(Error):
                self.button(name).click(timeout=5000)
            with contextlib.suppress(Error):
                self.page.locator(".ril-phase", has_text="DRIVING" if name == "Arm" else "IDLE").wait_for(timeout=8000)
        pytest.fail(f"the robot could not be armed: {self.page.locator('.ril-arm').inner_text()}")

    def hold_stick(self, forward: float, turn: float = 0.0) -> None:
        """Takes the stick with the mouse and holds it there, -1..1."""
        box = self.page.locator(".ril-stick").bounding_box()
        assert box is not None
        x, y, reach = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, 0.3 * box["width"]
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x - turn * reach, y - forward * reach)

    @property
    def speed(self) -> float:
        """In m/s, as the page shows it."""
        text = self.page.locator(".gauge .v").nth(1).inner_text()
        return abs(float(text.replace("−", "-"))) if text != "–" else 0.0

    def drives_by(self, hold: Callable[[], None], release: Callable[[], None] | None = None) -> None:
        """Holds a stick or a key until the robot rolls; again where a busy machine stopped it meanwhile."""
        for _ in range(10):
            self.drive()
            hold()
            for _ in range(25):
                self.page.wait_for_timeout(100)
                if self.speed > 0.15 and self.phase == "DRIVING":
                    if release:
                        release()
                    return
                if self.phase != "DRIVING":
                    break
            (release or self.let_go)()
        pytest.fail(f"the robot does not roll: {self.page.locator('.ril-arm').inner_text()}")

    def let_go(self) -> None:
        self.page.mouse.up()

    def hold_key(self, key: str) -> None:
        """Drives with a key until the robot rolls."""
        self.drives_by(lambda: self.page.keyboard.down(key), lambda: self.page.keyboard.up(key))

    def record(self, label_key: str, label: str, key: str) -> None:
        """One labelled episode, driven with a key."""
        self.press("Record")
        self.button("Stop").nth(1).wait_for()
        self.hold_key(key)
        self.button("Stop").nth(1).click()
        self.button("Record").wait_for()
        self.page.keyboard.press(label_key)
        self.page.locator(".ril-record .now", has_text=label).wait_for()
