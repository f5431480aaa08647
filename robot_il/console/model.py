"""The one station as all pages see it: its state, folded from what the station tells and what is read off its ring.

Every method only asks; what came of it shows in the state. What was recorded counts: the episodes here are those that
the log's own events make.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.console.folders import Folders
from robot_il.console.history import History
from robot_il.console.station_link import StationLink
from robot_il.control.operator import Hand
from robot_il.errors import LinkError, LogError, RobotIlError
from robot_il.recording.episodes import Episode, EpisodeBook, new_id, propose
from robot_il.recording.operations import EPISODE_EVENT
from robot_il.recording.ring import KIND_EVENT, KIND_TICK
from robot_il.robot import Robot, load_robot
from robot_il.spec import CONTROL_RATE_HZ, Mode

REFRESH_S = 0.02
SILENT_S = 1.5
"""Without a tick for so long the page says so."""
EVENTS_KEPT = 200

Starter = Callable[[str | None, Path], Awaitable[StationLink]]
"""Starts a station on a device (None: on a twin of its own) with a log of that path."""


class Station:
    """What the pages show and ask for.

    Args:
        starter: starts the processes.
        folders: where logs go.
        robot_name: name or path of the profile.

    Attributes:
        phase: ``absent``, ``connecting``, ``idle``, ``checking``, ``driving``, ``stopping`` or ``fault``.
        detail: one line for a person.
        device: port of the robot; None for a twin, and before the first connection.
        identity: what the robot answered at connect; None before.
        robot: its profile.
        rate_hz: of the ticks.
        log: the raw log that is being written, or was written last.
        log_failure: why nothing is recorded any more; empty while all is well.
        realtime: what the operating system granted the loop, in words.
        checks: the newest checklist, each with ``name``, ``passed``, ``found``, ``remedy``.
        refusal: what was refused last: ``do``, ``expected``, ``came``, ``remedy``; None once something else went well.
        run: the run that goes on: ``run``, ``mode``, ``task``, ``controller``; None between runs.
        report: how the last run ended.
        events: the newest events of the log.
        taken: whether a person drives a robot that a policy drives otherwise.
        book: the episodes of the present log.
        driver: the client that may drive; None while nobody does.
    """

    def __init__(self, starter: Starter, folders: Folders, robot_name: str) -> None:
        self._starter = starter
        self._link: StationLink | None = None
        self._task: asyncio.Task[None] | None = None
        self.folders = folders
        self.robot_name = robot_name
        self.robot: Robot = load_robot(robot_name)
        self.rate_hz = CONTROL_RATE_HZ
        self.device: str | None = None
        self.driver: str | None = None
        self.phase = "absent"
        self.detail = "no robot is connected"
        self._forget()

    def _forget(self) -> None:
        """Of an earlier connection."""
        self.identity: dict[str, Any] | None = None
        self.log: Path | None = None
        self.log_failure = ""
        self.realtime = ""
        self.checks: list[dict[str, Any]] = []
        self.refusal: dict[str, Any] | None = None
        self.run: dict[str, Any] | None = None
        self.report: dict[str, Any] | None = None
        self.events: list[dict[str, Any]] = []
        self.taken = False
        self.book = EpisodeBook()
        self._history = History(self.rate_hz)
        self._heard_s = time.monotonic()

    # what is shown

    @property
    def newest(self) -> np.void | None:
        """The newest tick, a record of ``TICK_DTYPE``; None before the first."""
        return self._history.newest

    @property
    def connected(self) -> bool:
        """Whether there is a station."""
        return self._link is not None

    @property
    def open_episode(self) -> Episode | None:
        """The episode that is being recorded."""
        return self.book.open_episode

    @property
    def newest_episode(self) -> Episode | None:
        """The episode that ended last, and is not deleted."""
        ended = [episode for episode in self.book.episodes if episode.stop_ns is not None]
        return ended[-1] if ended else None

    def window(self, seconds: float, points: int) -> np.ndarray:
        """The last seconds of ticks, see ``History.window``."""
        return self._history.window(seconds, points)

    def between(self, start_ns: int, stop_ns: int) -> np.ndarray:
        """The ticks of a stretch of time, see ``History.between``."""
        return self._history.between(start_ns, stop_ns)

    # connecting

    async def connect(self, device: str | None) -> None:
        """Starts a station; None for one on a twin of its own. A failure is told in ``refusal``."""
        await self.disconnect()
        self._forget()
        self.device = device
        self.phase, self.detail = "connecting", f"connecting to {device or 'a twin'}"
        try:
            self.log = self.folders.new_session()
            self._link = await self._starter(device, self.log)
        except RobotIlError as error:
            self._lose(error.expected, error.came, error.remedy)
            return
        if self._task is None:
            self._task = asyncio.create_task(self._refresh())

    async def disconnect(self) -> None:
        """Lets the station come to rest, finish its log and end."""
        link, self._link = self._link, None
        if link is None:
            return
        with suppress(LinkError):
            link.request("quit")
        for _ in range(500):
            if link.closed:
                break
            await asyncio.sleep(REFRESH_S)
            list(link.messages())
        link.close()
        self.phase, self.detail, self.run = "absent", "disconnected", None

    async def _refresh(self) -> None:
        while True:
            with suppress(LinkError):
                self.refresh()
            await asyncio.sleep(REFRESH_S)

    def refresh(self) -> None:
        """Takes what the station told and logged since the last look."""
        link = self._link
        if link is None:
            return
        for message in link.messages():
            self._take_message(message)
        ticks = []
        for kind, payload in link.records():
            if kind == KIND_TICK:
                ticks.append(payload)
            elif kind == KIND_EVENT:
                self._take_event(json.loads(payload))
        if ticks:
            self._history.add(ticks)
            self._heard_s = time.monotonic()
        self._judge_phase()
        if link.closed:
            self._link = None
            link.close()
            if self.phase != "absent":
                self._lose("a station that runs", "one that ended", "connect again; the log is kept")

    def _judge_phase(self) -> None:
        newest = self.newest
        if newest is None or self.phase not in ("idle", "fault"):
            return
        if time.monotonic() - self._heard_s > SILENT_S:
            self.detail = "nothing is heard from the robot"
            return
        latched = newest["mode"] in (Mode.STOPPED, Mode.ESTOPPED)
        self.phase = "fault" if latched else "idle"
        mode = Mode(int(newest["mode"])).name.lower()
        self.detail = f"{mode}: clear it, then check and arm again" if latched else "ready to be checked and armed"

    def _take_message(self, message: dict[str, Any]) -> None:
        kind = message.get("kind")
        if kind == "phase":
            self.phase, self.run = message["phase"], message.get("run")
            self.detail = {"driving": "armed and driving", "checking": "the checklist runs"}.get(self.phase, self.phase)
            if self.phase == "driving":
                self.refusal, self.taken = None, False
        elif kind == "hello":
            self.identity, self.realtime = message["identity"], message["realtime"]
            if self.identity["rate_hz"] != self.rate_hz:
                self.rate_hz = self.identity["rate_hz"]
                self._history = History(self.rate_hz)
        elif kind == "checks":
            self.checks = message["checks"]
        elif kind == "report":
            self.report = message["report"]
        elif kind == "log":
            self.log_failure = message["failure"]
        elif kind == "refused":
            self.refusal = message
        elif kind == "lost":
            self._lose(message["expected"], message["came"], message["remedy"])

    def _lose(self, expected: str, came: str, remedy: str) -> None:
        self.phase, self.detail, self.run = "absent", f"expected {expected}; came {came}", None
        self.refusal = {"do": "connect", "expected": expected, "came": came, "remedy": remedy}

    def _take_event(self, event: dict[str, Any]) -> None:
        self.events = [*self.events[1 - EVENTS_KEPT :], event]
        name, detail = event["name"], event["detail"]
        if name == EPISODE_EVENT:
            try:
                self.book.apply(detail)
            except LogError as error:
                self.refusal = {"do": "episode", "expected": error.expected, "came": error.came, "remedy": error.remedy}
        elif name in ("take_over", "give_back"):
            self.taken = name == "take_over"

    # driving

    def check(
        self, mode: str = "assisted", policy: Path | None = None, assist: str = "velocity", task: str = "stand"
    ) -> None:
        """Runs the checklist without arming."""
        self._request("check", mode=mode, policy=str(policy or ""), assist=assist, task=task)

    def arm(self, mode: str, policy: Path | None = None, assist: str = "velocity", task: str = "stand") -> None:
        """Runs the checklist and, where it passes, arms and drives.

        Args:
            mode: one of ``teleop.MODES``.
            policy: drives in ``shared``; None for the LQR in its place.
            assist: one of ``teleop.ASSISTS``.
            task: of the episodes, and of the LQR; a policy has its own.
        """
        self._request("arm", mode=mode, policy=str(policy or ""), assist=assist, task=task)

    def wiggle(self) -> None:
        """Nudges each wheel of a robot that is held, to learn that its motors are where they should be."""
        self._request("wiggle")

    def stop(self) -> None:
        """Brings the robot to rest and disarms it."""
        self._request("stop")

    def estop(self) -> None:
        """Stops the wheels at once."""
        self._request("estop")

    def ask_height(self, height_m: float) -> None:
        """Raises or lowers the body of a robot that is driven.

        Args:
            height_m: of the body's origin above the axle; the station cuts it to what the legs hold.
        """
        self._request("height", height_m=height_m)

    @property
    def height_m(self) -> float:
        """Where the body was last asked to be in this run, else where it is; NaN before the first tick."""
        tick = self.newest
        if tick is None:
            return math.nan
        wanted = float(tick["height_wanted"])
        return wanted if self.phase == "driving" and math.isfinite(wanted) else float(tick["height"])

    def clear(self) -> None:
        """Clears a latched stop."""
        self._request("clear")

    def hand(self, hand: Hand) -> bool:
        """Passes on what the driver's hand does; False where it did not go.

        Raises:
            DataError: see ``operator.pack_hand``.
        """
        return self._link is not None and self._link.send_hand(hand)

    def _request(self, do: str, **arguments: object) -> None:
        if self._link is None:
            self.refusal = {"do": do, "expected": "a robot", "came": "none", "remedy": "connect one, or the twin"}
            return
        if do != "episode":
            self.refusal = None
        try:
            self._link.request(do, **arguments)
        except LinkError as error:
            self.refusal = {"do": do, "expected": error.expected, "came": error.came, "remedy": error.remedy}

    # episodes

    def episode_operation(self, operation: dict[str, Any]) -> None:
        """Makes or changes an episode of the present log, see data/formats/log.md.

        Raises:
            LogError: it does not fit the episodes that there are.
        """
        EpisodeBook(self.book.all).apply(operation)
        self._request("episode", operation={**operation, "unix_ns": time.time_ns()})

    def start_episode(self) -> None:
        """An episode begins now.

        Raises:
            LogError: one is being recorded already.
        """
        task, mode = (self.run or {}).get("task", "stand"), (self.run or {}).get("mode", "assisted")
        now_ns = time.monotonic_ns()
        self.episode_operation({"op": "start", "id": new_id(self.book), "start_ns": now_ns, "task": task, "mode": mode})

    def stop_episode(self) -> None:
        """The episode that is being recorded ends now; a label may be proposed for it.

        Raises:
            LogError: none is being recorded.
        """
        episode = self.open_episode
        if episode is None:
            raise LogError("an episode that is being recorded", "none", "start one first")
        self.episode_operation({"op": "stop", "id": episode.id, "stop_ns": time.monotonic_ns()})
        self._propose(episode.id, episode.start_ns, time.monotonic_ns(), episode.task)

    def save_last(self, seconds: float) -> None:
        """Makes an episode of the last seconds, as far as no other holds them.

        Raises:
            LogError: other episodes hold all of them.
        """
        now_ns = time.monotonic_ns()
        start_ns = now_ns - round(seconds * 1e9)
        kept = self._history.between(start_ns, now_ns)
        if not len(kept):
            raise LogError("ticks to save", "none", "connect a robot first")
        task, mode = (self.run or {}).get("task", "stand"), (self.run or {}).get("mode", "assisted")
        name, start_ns = new_id(self.book), int(kept["host_receive_ns"][0])
        operation = {"op": "add", "id": name, "start_ns": start_ns, "stop_ns": now_ns, "task": task, "mode": mode}
        self.episode_operation(operation)
        self._propose(name, start_ns, now_ns, task)

    def redo(self) -> None:
        """Deletes the newest episode, or the one being recorded, and begins another.

        Raises:
            LogError: there is nothing to do again.
        """
        episode = self.open_episode or self.newest_episode
        if episode is None:
            raise LogError("an episode to do again", "none", "record one first")
        now_ns = time.monotonic_ns()
        operations: list[dict[str, Any]] = []
        if episode.stop_ns is None:
            operations.append({"op": "stop", "id": episode.id, "stop_ns": now_ns})
        operations.append({"op": "delete", "id": episode.id})
        start = {"op": "start", "id": new_id(self.book), "start_ns": now_ns, "task": episode.task, "mode": episode.mode}
        for operation in (*operations, start):
            self._request("episode", operation={**operation, "unix_ns": time.time_ns()})

    def _propose(self, name: str, start_ns: int, stop_ns: int, task: str) -> None:
        events = [event for event in self.events if start_ns <= event["host_ns"] < stop_ns]
        label, reasons = propose(self._history.between(start_ns, stop_ns), events, task)
        if reasons:
            shown = [reason[:200] for reason in reasons[:16]]
            operation = {"op": "propose", "id": name, "label": label, "reasons": shown, "unix_ns": time.time_ns()}
            self._request("episode", operation=operation)
