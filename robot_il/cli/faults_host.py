"""The host of a faulty flight: the very parts that drive a robot, in a process of their own."""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import socket
import struct
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from firmware_bridge.serial_device import SerialDevice
from robot_il.cli.drive import deployed_guard, stop_without_log
from robot_il.cli.faults_disk import FullDisk
from robot_il.cli.faults_link import RemoteLink, Request
from robot_il.control.controllers import TREMOR_1, Controller, LinearController, SyntheticOperator
from robot_il.control.device import Identity, State
from robot_il.control.guard import Decision, Guard
from robot_il.control.loop import ControlLoop
from robot_il.control.lqr import lqr_gain, tolerated_torque_nm
from robot_il.control.posture import course_of
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from robot_il.robot import load_robot
from robot_il.tasks import Task
from sim.faults import Case

OBSERVED = 2
ENDLESS = 1_000_000
_COUNT = struct.Struct("<Q")


@dataclass(frozen=True)
class Plan:
    """One flight.

    Attributes:
        case: the fault.
        seed: of everything that is drawn.
        robot: name or path of the profile.
        task: what is to be done.
        policy: makes the controller; None for the LQR.
        seconds: how long it goes on after the fault.
        log: where the log goes.
    """

    case: Case
    seed: int
    robot: str
    task: Task
    policy: Callable[[], Controller] | None
    seconds: float
    log: Path


class Counter:
    """Counts ticks in memory that outlives the process that counts."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _COUNT.size)

    @property
    def value(self) -> int:
        """How many so far."""
        return _COUNT.unpack_from(self._memory)[0]

    def add(self) -> None:
        """One more."""
        _COUNT.pack_into(self._memory, 0, self.value + 1)


class CountingRecorder:
    """The recorder, with a count of the ticks that it was given.

    Attributes:
        counting: False once no tick can be kept any more.
    """

    def __init__(self, recorder: Recorder, counter: Counter) -> None:
        self.counting = True
        self.event = recorder.event
        self.hand = recorder.hand
        self._recorder = recorder
        self._counter = counter

    def tick(self, row: bytes) -> None:
        """Takes one tick."""
        self._recorder.tick(row)
        if self.counting:
            self._counter.add()


class Pad:
    """An operator's pad: at rest, and heard with every tick, until it is lost.

    Attributes:
        heard_ns: when it was last heard, on the host's clock.
    """

    stick_forward = stick_turn = yaw_rate_wanted = 0.0
    taken = False

    def __init__(self, link: RemoteLink) -> None:
        self.heard_ns = link.clock.now_ns()
        self._link = link

    def look(self, now_ns: int) -> None:
        """Called with every tick."""
        if not self._link.failing:
            self.heard_ns = now_ns


def start(plan: Plan, connection: socket.socket, others: socket.socket, counter: Counter) -> int:
    """Starts the host's process.

    Args:
        plan: of the flight.
        connection: to the world; the child's.
        others: the world's end, which the child must not hold open.
        counter: of ticks.

    Returns:
        its process id.
    """
    process = os.fork()
    if process:
        connection.close()
        return process
    status = 1
    try:
        others.close()
        link = RemoteLink(connection)
        try:
            _fly(plan, link, counter)
            status = 0
        except BaseException:
            link.tell(Request.FAILED, traceback.format_exc())
    finally:
        os._exit(status)


def _fly(plan: Plan, link: RemoteLink, counter: Counter) -> None:
    """Connects, arms, drives until told to stop, logs."""
    fault = plan.case.fault
    controller = fault.controller(_controller(plan), link)
    guard = deployed_guard(controller, plan.robot)
    path, disk = plan.log, None
    if fault.fills_disk:
        folder = plan.log.parent / f"{plan.log.stem}.disk"
        folder.mkdir()
        path, disk = folder / plan.log.name, FullDisk(folder)
    device = SerialDevice(link)
    with contextlib.closing(device):
        identity = device.open()
        with Recorder(path, _session(plan, guard, identity), clock=link.clock, lossless=True) as recorder:
            sink = CountingRecorder(recorder, counter)

            def on_tick(state: State, decision: Decision) -> None:
                stop_without_log(loop, recorder, state)
                if fault.asks_height_m is not None and link.failing and loop.height_m != fault.asks_height_m:
                    loop.ask_height(fault.asks_height_m)
                if link.stopping:
                    loop.request_stop()
                if disk is not None and link.failing:
                    sink.counting = False
                    disk.fill(path.with_name(path.name + ".recording"), recorder.writer_pid)

            pad = Pad(link) if fault.operated else None
            course = course_of(plan.task, load_robot(plan.robot), plan.seed)
            if fault.asks_height_m is not None:
                course = replace(course, low_m=-math.inf, high_m=math.inf)
            loop = ControlLoop(device, link.clock, guard, sink, on_tick, pad, course=course)
            loop.observe(OBSERVED)
            report = loop.run(ENDLESS)
            link.tell(Request.ENDED, f"{report.outcome.name} ({', '.join(report.reasons)})")
    if disk is not None:
        disk.rescue(path, plan.log.parent)


def _controller(plan: Plan) -> Controller:
    gain = lqr_gain(load_robot(plan.robot), plan.task)
    if plan.case.fault.operated:
        tremor_nm = TREMOR_1 * tolerated_torque_nm(load_robot(plan.robot))
        return SyntheticOperator(gain, plan.task, plan.seed, tremor_nm=tremor_nm)
    return plan.policy() if plan.policy is not None else LinearController(gain, plan.task)


def _session(plan: Plan, guard: Guard, identity: Identity) -> Session:
    return Session(
        task=plan.task.name,
        label="undesirable",
        controller=guard.controller.identity,
        device={"port": "lock-step twin", **asdict(identity)},
        config={
            "robot": plan.robot,
            "fallback": guard.fallback.identity,
            "region": guard.region and guard.region.to_json(),
            "limits": asdict(guard.limits),
            "fault": plan.case.name,
            "fault_seed": plan.seed,
        },
        synthetic=True,
        note=f"fault matrix: {plan.case.meaning}",
    )
