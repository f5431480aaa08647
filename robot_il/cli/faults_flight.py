"""One faulty flight: the world in this process, the host in another, and what was seen of both."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from firmware_bridge.hostlib import Board
from firmware_bridge.microcontroller import Microcontroller
from robot_il.cli.faults_host import Counter, Plan, start
from robot_il.cli.faults_link import World
from robot_il.errors import LogError
from robot_il.recording.reader import Log, read_log
from robot_il.recording.recorder import recording_name
from robot_il.robot import load_robot
from robot_il.spec import Mode
from sim.conditions import Conditions, sample_conditions
from sim.fault_scene import Scene
from sim.fault_watch import lean
from sim.twin import Twin

MOMENT_MS = (1000, 2000)
"""The fault comes so long after the hand has let go."""
LOG_PATIENCE_S = 20.0


@dataclass(frozen=True)
class Sight:
    """What was seen of a flight, in the world and in the log.

    Attributes:
        begun_us: when the fault began, on the world's clock; 0 where the robot never flew.
        clock_offset_ns: how far the host's clock was ahead of the world's after that.
        armed: the MCU drove the wheels at the flight's end.
        largest_lean_rad: since the fault, up to the flight's end.
        moved_m: from where the robot was at the fault to where it was at the flight's end.
        driven_ms: longest time after the STATE that the newest fresh command answers at which a wheel was driven.
        driven_down_ms: how long, all in all, a wheel was driven beyond the MCU's tilt limit.
        mcu: the MCU's own events after the fault up to the flight's end, with ms since the fault.
        firmware_crash: what an emulated core said of its own; empty for none.
        host_crash: what is to be held against the host's process; empty for nothing.
        host_end: how its loop says that it ended before the flight did; empty where it did not.
        log: what was recorded.
        given_ticks: ticks that the recorder was given; where the disk is full, up to that moment.
    """

    begun_us: int
    clock_offset_ns: int
    armed: bool
    largest_lean_rad: float
    moved_m: float
    driven_ms: float
    driven_down_ms: float
    mcu: list[tuple[float, dict[str, Any]]]
    firmware_crash: str
    host_crash: str
    host_end: str
    log: Log
    given_ticks: int


def fly(plan: Plan, firmware: Callable[[Board], Microcontroller]) -> Sight:
    """Flies once, in the world's own time.

    Args:
        plan: of the flight; its log must not exist.
        firmware: makes the MCU.

    Raises:
        LogError: nothing is left of the log.
    """
    counter = Counter()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = start(plan, theirs, ours, counter)
    status: int | None = None
    try:
        with contextlib.closing(ours), contextlib.closing(_twin(plan, firmware)) as twin:
            chance = random.Random(f"{plan.case.name} {plan.seed}")  # noqa: S311
            scene = Scene(twin, plan.case.fault, chance, chance.randrange(*MOMENT_MS))
            end = _End(scene)
            world = World(scene, ours, plan.seconds, plan.case.fault.fills_disk, end)
            world.serve()
            if scene.host_lost == "killed":
                _kill(process)
            world.outlast()
            end()
            if scene.host_lost or world.timed_out:
                _kill(process)
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    finally:
        if status is None:
            _kill(process)
            os.waitpid(process, 0)
    watch = scene.watch
    return Sight(
        begun_us=scene.begun_us,
        clock_offset_ns=scene.clock.offset_ns,
        armed=end.armed,
        largest_lean_rad=end.largest_lean_rad,
        moved_m=end.moved_m,
        driven_ms=watch.driven_us * 1e-3,
        driven_down_ms=watch.driven_down_us * 1e-3,
        mcu=end.mcu,
        firmware_crash=twin.firmware.crash,
        host_crash=_host_crash(world, scene, status),
        host_end=world.host_end,
        log=_log(plan.log),
        given_ticks=counter.value,
    )


class _End:
    """Follows the robot from the fault on and, when called, writes down how the flight has ended."""

    def __init__(self, scene: Scene) -> None:
        self.armed = False
        self.largest_lean_rad = 0.0
        self.moved_m = 0.0
        self.mcu: list[tuple[float, dict[str, Any]]] = []
        self._scene = scene
        self._over = False
        self._start_m: float | None = None
        scene.watch.on_look = self._look

    def _look(self) -> None:
        if self._scene.failing and not self._over:
            if self._start_m is None:
                self._start_m = self._scene.twin.truth.position
            self.largest_lean_rad = max(self.largest_lean_rad, lean(self._scene.twin))

    def __call__(self) -> None:
        if self._over:
            return
        self._over = True
        scene, twin = self._scene, self._scene.twin
        self.armed = twin.mode == Mode.ARMED
        self.moved_m = abs(twin.truth.position - (self._start_m or 0.0))
        since = scene.begun_us or twin.world_us
        self.mcu = [((us - since) * 1e-3, event) for us, event in scene.watch.events if us >= since]


def _twin(plan: Plan, firmware: Callable[[Board], Microcontroller]) -> Twin:
    return Twin(load_robot(plan.robot), conditions(plan), plan.seed, firmware=firmware)


def conditions(plan: Plan) -> Conditions:
    """Start and robot as an evaluation draws them, without its pushes: the fault is what is tried."""
    return replace(sample_conditions(plan.task, plan.seed, load_robot(plan.robot)), pushes=())


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _host_crash(world: World, scene: Scene, status: int) -> str:
    """What is to be held against the host: all that was not done to it."""
    if world.host_failure:
        return world.host_failure
    if world.timed_out:
        return "did not end after it was asked to stop"
    if scene.host_lost:
        return "" if status == -signal.SIGKILL else f"ended with status {status}"
    return "" if status == 0 else f"ended with status {status}"


def _log(path: Path) -> Log:
    """The log, once the recorder's own process has finished it; where its disk was full, what is left of it."""
    end = time.monotonic() + LOG_PATIENCE_S
    while not path.exists() and time.monotonic() < end:
        if (left := recording_name(path)).exists() and not _written(left):
            return read_log(left)
        time.sleep(0.01)
    if not path.exists():
        raise LogError(f"the log {path} of the flight", "none", "look at the recorder's side process")
    return read_log(path)


def _written(path: Path) -> bool:
    """Whether a process still holds the lock of a recording."""
    import fcntl

    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
