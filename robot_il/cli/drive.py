"""Connects, arms, drives and logs: what ``record`` and ``run`` share."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from firmware_bridge.link import SerialLink
from firmware_bridge.serial_device import SerialDevice
from robot_il.cli.live import LiveLine
from robot_il.control.arming import OBSERVED_TICKS, Check, checklist, require
from robot_il.control.controllers import Controller, LinearController
from robot_il.control.device import Identity, State
from robot_il.control.guard import Decision, Guard, GuardLimits
from robot_il.control.loop import ControlLoop, LoopReport
from robot_il.control.lqr import lqr_gain
from robot_il.control.realtime import realtime
from robot_il.control.supervisor import SupervisorState
from robot_il.errors import ConfigError, LogError
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_RATE_HZ, Task


@dataclass(frozen=True)
class Drive:
    """One run to be driven and logged.

    Attributes:
        port: serial port of the robot or of a twin.
        controller: who drives.
        task: what is to be done.
        label: quality of the demonstration.
        seconds: how long it is driven, in s.
        out: where the log goes.
        robot: name or path of the robot profile.
        synthetic: whether a synthetic operator drives.
        note: free text for the log.
        patience_s: how long to wait for the arming checklist to pass, in s.
        limits: the host's limits.
    """

    port: str
    controller: Controller
    task: Task
    label: str
    seconds: float
    out: Path
    robot: str
    synthetic: bool
    note: str
    patience_s: float
    limits: GuardLimits


def fallback_controller(robot: str, task: Task) -> LinearController:
    """The LQR that catches the robot and brings it to rest, whatever velocity the task asks for."""
    return LinearController(lqr_gain(load_robot(robot), task), dataclasses.replace(task, target_velocity_m_s=0.0))


def drive(plan: Drive) -> int:
    """Arms through the checklist, drives, logs, comes to a safe stop and prints what it was like.

    Returns:
        exit code: 0 where the run ended when asked, with the controller still trusted; 1 otherwise.

    Raises:
        ConfigError: the time is not positive, or the log exists.
        LinkError, ProtocolError: the robot does not answer as it should.
        ArmingError: the checklist did not pass.
    """
    if not plan.seconds > 0:
        raise ConfigError("a positive --seconds", f"{plan.seconds}", "give the time to drive, e.g. --seconds 30")
    ticks = max(1, round(plan.seconds * CONTROL_RATE_HZ))
    fallback = fallback_controller(plan.robot, plan.task)
    guard = Guard(plan.controller, fallback, plan.limits)
    link = SerialLink(plan.port)
    device = SerialDevice(link)
    with contextlib.closing(device):
        identity = device.open()
        print(
            f"connected to {plan.port}: firmware {identity.firmware_version}, robot {identity.robot_id:#x}, "
            f"round trip {identity.round_trip_s * 1e3:.2f} ms",
            flush=True,
        )
        with LiveLine() as live, Recorder(plan.out, _session(plan, guard, identity)) as recorder, realtime() as granted:
            recorder.event("realtime", granted=granted.granted, refused=granted.refused)

            def on_tick(state: State, decision: Decision) -> None:
                live(state, decision)
                if state.state_seq % CONTROL_RATE_HZ == 0 and recorder.failure:
                    loop.request_stop()

            loop = ControlLoop(device, link.clock, guard, recorder, on_tick)
            _pass_checklist(loop, device, identity, plan)
            with _stopping_on_signals(loop):
                report = loop.run(ticks)
    print(f"real time {granted}")
    _print_report(report, ticks)
    if recorder.failure:
        raise LogError("a log of the whole run", recorder.failure, "see to that; robot-il log recover keeps the rest")
    print(f"log {plan.out}")
    return 0 if report.outcome is SupervisorState.DISARMED and report.as_asked else 1


def _session(plan: Drive, guard: Guard, identity: Identity) -> Session:
    return Session(
        task=plan.task.name,
        label=plan.label,
        controller=plan.controller.identity,
        device={"port": plan.port, **asdict(identity)},
        config={
            "robot": plan.robot,
            "seconds": plan.seconds,
            "fallback": guard.fallback.identity,
            "limits": asdict(guard.limits),
        },
        synthetic=plan.synthetic,
        note=plan.note,
    )


def _pass_checklist(loop: ControlLoop, device: SerialDevice, identity: Identity, plan: Drive) -> None:
    """Waits until every check passes, saying once what it waits for.

    Raises:
        ArmingError: some still fail when the patience is over.
    """
    device.request("disarm")  # clears a stop that an earlier run left latched
    waited = 0.0
    announced: list[str] = []
    while True:
        states = loop.observe(OBSERVED_TICKS)
        checks = checklist(identity, states, plan.out.parent)
        waiting_for = [check.name for check in checks if not check.passed]
        waited += OBSERVED_TICKS / CONTROL_RATE_HZ
        if not waiting_for or waited >= plan.patience_s:
            break
        if waiting_for != announced:
            print(f"not ready yet: {', '.join(waiting_for)}", flush=True)
            announced = waiting_for
        device.request("disarm")
    _print_checklist(checks)
    require(checks)


def _print_checklist(checks: Sequence[Check]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        print(f"  {'ok' if check.passed else 'NO':2s}  {check.name:{width}s}  {check.found}", flush=True)


@contextlib.contextmanager
def _stopping_on_signals(loop: ControlLoop) -> Iterator[None]:
    """Turns Ctrl-C and SIGTERM into a safe stop."""
    previous = {
        number: signal.signal(number, lambda *_: loop.request_stop()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _print_report(report: LoopReport, ticks: int) -> None:
    driven = report.controlled + report.rescued
    print(
        f"drove {driven / CONTROL_RATE_HZ:.2f} s of {ticks / CONTROL_RATE_HZ:.2f} s: {report.controlled} ticks by the "
        f"controller, {report.rescued} by the fallback; then {report.settled} to come to rest"
    )
    print(f"ended {report.outcome.name.lower().replace('_', ' ')}: {', '.join(report.reasons) or 'no reason'}")
    print(f"{'':26s}{'p50':>9s}{'p99':>9s}{'p99.9':>9s}{'max':>9s}")
    for name, values in (("lateness, us", report.lateness_us), ("sensor to command, us", report.latency_us)):
        if values:
            row = np.percentile(np.asarray(values), (50, 99, 99.9, 100))
            print(f"{name:26s}" + "".join(f"{value:9.0f}" for value in row))
    print(f"skipped periods {report.skipped}, slow answers {report.misses}")
