"""The process that holds the robot for a page: connects, logs without a pause, arms, drives, and does as it is asked.

It is started by ``robot-il console`` with one end of a socket, over which hands and requests come in and messages go
out. The loop reads that socket without ever waiting, so that nothing the page does can hold it up; where the socket
falls silent the loop brings the robot to rest by itself. One station is one connection and one raw log.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firmware_bridge.link import SerialLink
from firmware_bridge.serial_device import SerialDevice
from robot_il.cli.drive import deployed_guard, stop_without_log
from robot_il.cli.readiness import look_whether_ready
from robot_il.cli.wiggle import nudge_wheels
from robot_il.console.station_link import tell
from robot_il.control.arming import OBSERVED_S, Check, check_self_test, require
from robot_il.control.controllers import Controller
from robot_il.control.device import Identity, State
from robot_il.control.fallback import lqr_fallback
from robot_il.control.guard import Decision, GuardLimits
from robot_il.control.loop import ControlLoop, LoopReport
from robot_il.control.lqr import lqr_law
from robot_il.control.operator import MOST_BYTES, HandLink
from robot_il.control.posture import course_of
from robot_il.control.realtime import realtime
from robot_il.control.region_file import load_region
from robot_il.control.teleop import Stick, Teleop, read_request
from robot_il.errors import ArmingError, ConfigError, LinkError, LogError, RobotIlError
from robot_il.finite import is_finite_number
from robot_il.recording.operations import EPISODE_EVENT, well_formed
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_RATE_HZ
from robot_il.tasks import TASKS, find_task

LQR = "lqr"
"""What stands for a policy where the LQR is to drive in one's place."""
PATIENCE_S = 2.0
"""Given to a checklist to pass, for a robot that is just being picked up."""
ENDLESS = 10**9
"""Ticks: until a stop is asked for."""
UNLIMITED_RESCUES = 1_000_000
"""A person gets the robot back after every rescue; the rescue is marked, and is no demonstration."""
STAND = TASKS["stand"]
_INTERRUPTS = ("estop", "stop", "quit")
"""What is obeyed while the checklist runs or the wheels are nudged; all else waits for the end of it."""


@dataclass(frozen=True)
class Plan:
    """What a station is to hold.

    Attributes:
        device: serial port.
        robot: name or path of the profile.
        log: path of the raw log.
        rate_hz: of the loop.
    """

    device: str
    robot: str
    log: str
    rate_hz: int = CONTROL_RATE_HZ


class Station:
    """One connected robot and its log.

    Args:
        connection: to the console; the station's end.
        plan: that was carried out to connect.
        link: to the robot.
        device: on that link, opened.
        identity: that it answered with.
        recorder: of the log.
    """

    def __init__(
        self,
        connection: socket.socket,
        plan: Plan,
        link: SerialLink,
        device: SerialDevice,
        identity: Identity,
        recorder: Recorder,
    ) -> None:
        self._connection = connection
        self._plan = plan
        self._clock = link.clock
        self._device = device
        self._identity = identity
        self._recorder = recorder
        self._robot = load_robot(plan.robot)
        self._hands = HandLink(connection)
        self._stick = Stick(self._hands, recorder)
        guard = deployed_guard(lqr_law(self._robot, STAND), plan.robot, None, plan.rate_hz)
        self._loop = ControlLoop(device, link.clock, guard, recorder, self._on_tick, self._stick, plan.rate_hz)
        self._driving = False
        self._quitting = False
        self._log_lost = False
        self._runs = 0
        self._run: dict[str, Any] | None = None

    def serve(self) -> None:
        """Logs and obeys until told to quit.

        Raises:
            LinkError: the robot is gone.
        """
        self._tell_phase("idle")
        while not self._quitting and not self._hands.closed:
            if not self._loop.observe(1):
                raise LinkError(f"{self._identity.rate_hz} STATEs a second", "none for 1 s", "check power and cable")
            self._obey()

    def _obey(self) -> None:
        """Does what was asked since the last look; a refusal is told and ends nothing."""
        while self._stick.requests:
            request = read_request(self._stick.requests.popleft())
            try:
                self._do(request)
            except LinkError:
                raise
            except RobotIlError as error:
                self._tell_refusal(str(request.get("do")), error)
                if not self._driving:
                    self._tell_phase("idle")

    def _do(self, request: dict[str, Any]) -> None:
        do = request.get("do")
        if do == "estop":
            self._recorder.event("estop", by="page")
            self._device.request("estop")
        elif do == "stop":
            self._loop.request_stop()
            if self._driving:
                self._tell_phase("stopping", self._run)
        elif do == "episode":
            self._recorder.event(EPISODE_EVENT, **well_formed(request.get("operation")))
        elif do == "height":
            self._ask_height(request.get("height_m"))
        elif do == "quit":
            self._quitting = True
            self._loop.request_stop()
        elif do not in ("arm", "check", "clear", "wiggle"):
            raise ConfigError("a request that this station knows", repr(do)[:40], "reload the page")
        elif self._driving:
            raise ConfigError(f"a robot at rest for {do!r}", "one that is driven", "stop it first")
        elif do == "clear":
            self._device.request("disarm")
        elif do == "wiggle":
            self._wiggle()
        else:
            self._check_and_arm(request, arm=do == "arm")

    def _ask_height(self, height_m: object) -> None:
        if not self._driving:
            raise ConfigError("a robot that is driven, to raise or lower it", "one at rest", "arm it first")
        if not is_finite_number(height_m):
            raise ConfigError("a height in m", repr(height_m)[:40], "reload the page")
        self._loop.ask_height(float(height_m))

    def _check_and_arm(self, request: dict[str, Any], arm: bool) -> None:
        self._tell_phase("checking")
        teleop, self_test = self._teleop(request)
        checks = self._checklist(teleop, self_test)
        if arm:
            require(checks)
            self._drive(teleop, str(teleop.identity.get("task") or request.get("task", STAND.name)))
        self._tell_phase("idle")

    def _teleop(self, request: dict[str, Any]) -> tuple[Teleop, Check | None]:
        """Who is to drive, as the request says.

        Raises:
            ConfigError, PolicyError: there is no such mode, or the policy cannot be used.
        """
        mode, assist = str(request.get("mode", "assisted")), str(request.get("assist", "velocity"))
        find_task(str(request.get("task", STAND.name)))  # a name that means nothing is refused in every mode
        policy, self_test = self._policy(request) if mode == "shared" else (None, None)
        rate_hz = self._identity.rate_hz
        return Teleop(self._robot, self._stick, self._recorder, mode, policy, assist, rate_hz), self_test

    def _policy(self, request: dict[str, Any]) -> tuple[Controller, Check | None]:
        name, task = str(request.get("policy") or LQR), find_task(str(request.get("task", STAND.name)))
        if name == LQR:
            return lqr_law(self._robot, task), None
        from robot_il.cli.policies import load_policy_controller
        from robot_il.control.onnx_policy import OnnxPolicy
        from robot_il.control.policy_metadata import TOLERANCE

        controller, task = load_policy_controller(Path(name), None)
        policy = OnnxPolicy(Path(name), task)
        return controller, check_self_test(len(policy.golden.observations), policy.golden_error, TOLERANCE)

    def _checklist(self, controller: Teleop, self_test: Check | None) -> list[Check]:
        """The checklist, looked at again for a while where it does not pass at once; told to the page."""
        folder = Path(self._plan.log).parent
        for _ in range(round(PATIENCE_S / OBSERVED_S)):
            checks = look_whether_ready(
                self._loop, self._identity, self._robot, controller, self._recorder, folder, self_test
            )
            tell(self._connection, kind="checks", checks=[asdict(check) for check in checks])
            self._heed("the checklist to its end", "check or arm again")
            if all(check.passed for check in checks):
                break
        return checks

    def _heed(self, doing: str, remedy: str) -> None:
        """Ends what is being done before the wheels may turn, where a stop waits to be obeyed or the page is gone.

        Raises:
            ArmingError: naming what was asked for, which is obeyed next.
        """
        asked = [read_request(text).get("do") for text in self._stick.requests]
        interrupt = next((str(do) for do in asked if do in _INTERRUPTS), "")
        if interrupt or self._hands.closed:
            raise ArmingError(doing, interrupt or "no page any more", remedy)

    def _wiggle(self) -> None:
        self._tell_phase("checking")

        def watch() -> None:
            self._stick.look(self._clock.now_ns())
            self._heed("wheels nudged to the end", "nudge them again")

        checks = nudge_wheels(self._device, self._clock, self._identity.robot_id, self._robot, watch)
        self._recorder.event("wheels_nudged", found=[check.found for check in checks])
        tell(self._connection, kind="checks", checks=[asdict(check) for check in checks])
        self._tell_phase("idle")

    def _drive(self, teleop: Teleop, task: str) -> None:
        """Arms and drives until asked to stop, or until the guard stops it."""
        self._runs += 1
        limits = GuardLimits() if teleop.mode == "shared" else GuardLimits(max_rescues=UNLIMITED_RESCUES)
        guard = deployed_guard(teleop, self._plan.robot, limits, self._plan.rate_hz)
        self._loop.renew(guard, teleop, course_of(find_task(task), self._robot, self._runs))
        self._run = {"run": self._runs, "mode": teleop.mode, "task": task, "controller": teleop.identity}
        self._recorder.event("run_started", **self._run, limits=asdict(guard.limits))
        self._tell_phase("driving", self._run)
        self._driving = True
        try:
            report = self._loop.run(ENDLESS)
        finally:
            self._driving = False
        outcome = report.outcome.name.lower()
        self._recorder.event("run_ended", run=self._runs, outcome=outcome, reasons=report.reasons)
        tell(self._connection, kind="report", report=_report(report, self._identity.rate_hz))
        self._loop.renew(guard, self._stick)

    def _on_tick(self, state: State, decision: Decision) -> None:
        """Called by the loop after every tick."""
        del decision
        if self._driving:
            self._obey()
        stop_without_log(self._loop, self._recorder, state)
        if not self._log_lost and state.state_seq % self._plan.rate_hz == 0 and self._recorder.failure:
            self._log_lost = True
            tell(self._connection, kind="log", failure=self._recorder.failure)

    def _tell_phase(self, phase: str, run: dict[str, Any] | None = None) -> None:
        tell(self._connection, kind="phase", phase=phase, run=run)

    def _tell_refusal(self, do: str, error: RobotIlError) -> None:
        tell(self._connection, kind="refused", do=do, expected=error.expected, came=error.came, remedy=error.remedy)


def _report(report: LoopReport, rate_hz: int) -> dict[str, Any]:
    """How a run went, as JSON values."""
    spreads = {
        name: dict(zip(("p50", "p99", "largest"), np.percentile(values, (50, 99, 100)).tolist(), strict=True))
        for name, values in (("lateness_us", report.lateness_us), ("latency_us", report.latency_us))
        if values
    }
    return {
        "outcome": report.outcome.name.lower().replace("_", " "),
        "reasons": report.reasons,
        "as_asked": report.as_asked,
        "seconds": (report.controlled + report.rescued) / rate_hz,
        "rescued_s": report.rescued / rate_hz,
        "skipped": report.skipped,
        "slow": report.misses,
        **spreads,
    }


def _connect(connection: socket.socket, plan: Plan) -> None:
    """Opens the robot and its log, and serves until told to quit.

    Raises:
        RobotIlError: there is no such robot, port or profile; the robot went away; or the log cannot be written.
    """
    tell(connection, kind="phase", phase="connecting", device=plan.device)
    link = SerialLink(plan.device)
    with contextlib.closing(SerialDevice(link)) as device:
        identity = device.open(plan.rate_hz)
        with Recorder(Path(plan.log), _session(plan, identity), clock=link.clock) as recorder, realtime() as granted:
            recorder.event("realtime", granted=granted.granted, refused=granted.refused)
            station = Station(connection, plan, link, device, identity, recorder)
            descriptor = recorder.ring_descriptor
            tell(connection, descriptor, kind="hello", identity=asdict(identity), realtime=str(granted))
            station.serve()
    if recorder.failure:
        raise LogError("a log of the whole session", recorder.failure, "see to that, then connect again")


def _session(plan: Plan, identity: Identity) -> Session:
    """What the log says of itself; who drives when is told by its events."""
    robot = load_robot(plan.robot)
    return Session(
        task=STAND.name,
        label="unlabeled",
        controller={"name": "session"},
        device={"port": plan.device, **asdict(identity)},
        config={
            "robot": plan.robot,
            "fallback": lqr_fallback(robot).identity,
            "region": load_region(robot, None).region.to_json(),
        },
    )


def main() -> int:
    """Entry point: the socket's descriptor is the only argument; the first packet is the plan."""
    for number in (signal.SIGINT, signal.SIGHUP):  # meant for the console, which will say what to do
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        plan = Plan(**json.loads(connection.recv(MOST_BYTES)))
        try:
            _connect(connection, plan)
        except RobotIlError as error:
            tell(connection, kind="lost", expected=error.expected, came=error.came, remedy=error.remedy)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
