"""A person's session at the console, played in a real browser before a real twin: the pictures of docs/console.md.

    python tools/console_tour.py [--out docs/images] [--data DIR]

From connecting to a policy of one's own that drives, nothing but the page is used: arm, drive, record and label, build
a data set, train, export, evaluate, drive the policy, take over, replay. Needs Chromium and the parts [console], [dev].
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PORT = 8377
SIZE = {"width": 1280, "height": 800}
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
JOB_MS = 180_000
EPISODE_MS = 16_000
PUSHES = [f"{4 + 3 * number}:{2.5 if number % 2 else -2.0}" for number in range(20)]
"""Somebody nudges the robot, or nobody would learn to catch one."""
WRAPPER = '#!/bin/sh\nexec nice -n 5 taskset -c {core} {chromium} "$@"\n'
"""Drawing in 3D without a graphics card would fill every core, and the twin's serial line would starve."""


@contextlib.contextmanager
def console(data: Path) -> Iterator[str]:
    """A console on ``PORT``; its address."""
    command = [sys.executable, "-m", "robot_il.cli.main", "console", "--port", str(PORT), "--data", str(data)]
    command += [word for push in PUSHES for word in ("--push", push)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        print(process.stdout.readline().strip(), flush=True)
        yield f"http://127.0.0.1:{PORT}/"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


class Tour:
    """The steps, in order.

    Args:
        page: of the browser.
        out: folder of the pictures.
    """

    def __init__(self, page: Page, out: Path) -> None:
        self._page = page
        self._out = out

    def picture(self, name: str) -> None:
        """Keeps what the page shows."""
        self._page.wait_for_timeout(700)
        self._page.screenshot(path=self._out / f"console-{name}.png")
        print(f"console-{name}.png", flush=True)

    def press(self, name: str, nth: int = 0) -> None:
        """Presses a button by its words."""
        self._page.get_by_role("button", name=name, exact=True).nth(nth).click()

    def phase(self, word: str) -> None:
        """Waits for the big word."""
        self._page.locator(".ril-phase", has_text=word).wait_for()

    def tab(self, name: str) -> None:
        """Opens one of the four views."""
        self._page.get_by_role("tab", name=name).click()
        self._page.wait_for_timeout(500)

    def choose(self, field: str, word: str) -> None:
        """Chooses from a field's menu; the first of what begins with the word."""
        self._page.locator(".q-select:visible", has_text=field).first.click()
        self._page.locator(".q-menu .q-item", has_text=word).first.click()
        self._page.wait_for_timeout(400)

    def connect(self) -> None:
        """The twin, its wheels nudged where nobody has met it, and the checklist."""
        self.press("Connect")
        self.phase("IDLE")
        self.press("Check")
        self._page.locator(".lines .line").nth(10).wait_for()
        nudge = self._page.get_by_role("button", name="Nudge the wheels")
        if nudge.count():
            self.picture("first-meeting")
            nudge.click()
            self._page.wait_for_timeout(4000)  # the twin is picked up again
            self.press("Check")
            self._page.get_by_text("Checklist: 16 of 16 passed").wait_for()

    def arm(self) -> None:
        """Arms, again where a busy machine stopped the robot."""
        for _ in range(10):
            self._page.wait_for_function("/IDLE|STOPPED|DRIVING/.test(document.querySelector('.ril-phase').innerText)")
            word = self._page.locator(".ril-phase").inner_text()
            if word == "DRIVING":
                return
            self.press("Clear" if word == "STOPPED" else "Arm")
            self._page.wait_for_timeout(2500)
        self.picture("refused")
        raise SystemExit("the robot could not be armed; is this machine very busy?")

    def drive(self) -> None:
        """To and fro with the joystick."""
        self.arm()
        self.hold(0.8)
        self._page.wait_for_timeout(700)
        self.picture("drive")
        self.hold(-0.8)
        self._page.wait_for_timeout(1200)
        self._page.mouse.up()
        self.stop()
        self._page.wait_for_timeout(2500)

    def record(self, label: str, wild: bool = False) -> None:
        """An episode, hands off while the robot is nudged, or the stick thrown about; then its label."""
        self.arm()
        self.press("Record")
        self._page.get_by_role("button", name="Stop", exact=True).nth(1).wait_for()
        for stroke in range(8 if wild else 0):
            self.hold(1.0 - 2.0 * (stroke % 2))
            self._page.wait_for_timeout(500)
            self._page.mouse.up()
        self._page.wait_for_timeout(1000 if wild else EPISODE_MS)
        self.press("Stop", nth=1)
        self._page.get_by_role("button", name="Record", exact=True).wait_for()
        self._page.get_by_role("button", name=label).first.click()
        self._page.wait_for_timeout(500)

    def hold(self, forward: float) -> None:
        """Takes the joystick and holds it."""
        box = self._page.locator(".ril-stick").bounding_box()
        assert box is not None
        x, y, reach = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, 0.35 * box["width"]
        self._page.mouse.move(x, y)
        self._page.mouse.down()
        self._page.mouse.move(x, y - forward * reach)

    def stop(self) -> None:
        """Brings the robot to rest."""
        self.press("Stop")
        self.phase("IDLE")

    def job(self, button: str) -> None:
        """Starts a job and waits for its end."""
        ended = "document.querySelectorAll('.job .state')].filter(e => /done|failed/.test(e.textContent)).length"
        before = self._page.evaluate(f"[...{ended}")
        self.press(button)
        self._page.wait_for_function(f"before => [...{ended} > before", arg=before, timeout=JOB_MS)

    def learn(self) -> None:
        """Data set, training, export, evaluation."""
        self.tab("Learn")
        for button in ("Build", "Train", "Export", "Evaluate"):
            self.job(button)
        self.picture("learn")

    def share(self) -> None:
        """The policy drives, and the person takes over."""
        self.tab("Drive")
        self.press("Connect")
        self.phase("IDLE")
        self.press("Shared")
        self.choose("Policy", "linear")
        self.arm()
        self._page.wait_for_timeout(2000)
        self.hold(0.8)
        self._page.wait_for_timeout(900)
        self.picture("shared")
        self._page.mouse.up()
        self._page.wait_for_timeout(1500)
        self.stop()
        self.press("Disconnect")
        self._page.wait_for_timeout(2500)


def main() -> None:
    """Plays the session."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--data", type=Path, help="folder of the console (default: a temporary one)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("expected Chromium; found none; install it, e.g. apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch, console(arguments.data or Path(scratch) / "data") as address:
        wrapper = Path(scratch) / "chromium"
        wrapper.write_text(WRAPPER.format(core=min(os.sched_getaffinity(0)), chromium=chromium))
        wrapper.chmod(0o700)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(wrapper), args=FLAGS)
            page = browser.new_page(viewport=SIZE)
            page.set_default_timeout(40_000)
            page.goto(address)
            tour = Tour(page, arguments.out)
            tour.connect()
            tour.drive()
            tour.record("good")
            tour.record("good")
            tour.record("bad", wild=True)
            tour.stop()
            tour.press("Disconnect")
            page.wait_for_timeout(2500)
            tour.tab("Episodes")
            page.wait_for_timeout(2500)
            tour.picture("episodes")
            tour.learn()
            tour.share()
            tour.tab("Replay")
            tour.choose("recording", ".mcap")
            page.wait_for_timeout(3000)
            tour.press("30 s")
            page.locator(".q-slider").click()
            tour.picture("replay")
            browser.close()


if __name__ == "__main__":
    main()
