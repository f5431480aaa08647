"""Connects, arms, drives and logs: what ``record`` and ``run`` share."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from firmware_bridge.link import SerialLink
from firmware_bridge.serial_device import SerialDevice
from robot_il.cli.episode_keys import EpisodeKeys
from robot_il.cli.hands import KEYBOARD_HELP, OpenHands, Person, Relay, check_heard, open_hands
from robot_il.cli.keyboard import Keyboard
from robot_il.cli.known_robots import known_since
from robot_il.cli.live import LiveLine
from robot_il.cli.operator_keys import HELP, OperatorKeys
from robot_il.cli.readiness import look_whether_ready
from robot_il.cli.wiggle import meet, show
from robot_il.control.arming import OBSERVED_S, Check, require
from robot_il.control.clock import Clock
from robot_il.control.controllers import Controller
from robot_il.control.device import Identity, State
from robot_il.control.fallback import lqr_fallback
from robot_il.control.guard import Decision, Guard, GuardLimits, limits_for
from robot_il.control.loop import ControlLoop, LoopReport
from robot_il.control.posture import course_of
from robot_il.control.realtime import realtime
from robot_il.control.region_file import load_region
from robot_il.control.supervisor import SupervisorState
from robot_il.control.teleop import Stick, Teleop
from robot_il.errors import ConfigError, LogError
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_RATE_HZ
from robot_il.tasks import Task


@dataclass(frozen=True)
class Drive:
    """One run to be driven and logged.

    Attributes:
        port: serial port of the robot or of a twin.
        controller: who drives; None where a person does all the time.
        task: what is to be done.
        label: quality of the demonstration.
        seconds: how long it is driven, in s.
        out: where the log goes.
        robot: name or path of the robot profile.
        synthetic: whether a synthetic operator drives.
        note: free text for the log.
        patience_s: how long to wait for the arming checklist to pass, in s.
        rate_hz: of the loop.
        limits: the host's limits.
        self_test: how the policy fared in its own, for the checklist; None where no policy drives.
        person: who drives, or may take over from the controller; None where nobody does.
        seed: of the heights that the task asks for.
    """

    port: str
    controller: Controller | None
    task: Task
    label: str
    seconds: float
    out: Path
    robot: str
    synthetic: bool
    note: str
    patience_s: float
    rate_hz: int
    limits: GuardLimits
    self_test: Check | None = None
    person: Person | None = None
    seed: int = 0


def deployed_guard(
    controller: Controller, robot_name: str, limits: GuardLimits | None = None, rate_hz: int = CONTROL_RATE_HZ
) -> Guard:
    """The guard under which a robot is driven: the LQR as its fallback, and the region that belongs to it.

    Both are those of the control rate; at a higher one every answer comes sooner than they allow for.

    Raises:
        ConfigError: no such robot, or its region is missing or was computed for something else.
    """
    robot = load_robot(robot_name)
    limits = limits_for(robot, limits)
    return Guard(controller, lqr_fallback(robot), limits, region=load_region(robot, limits).region, rate_hz=rate_hz)


def drive(plan: Drive) -> int:
    """Arms through the checklist, drives, logs, comes to a safe stop and prints what it was like.

    Returns:
        exit code: 0 where the run ended when asked, with the controller still trusted; 1 otherwise.

    Raises:
        ConfigError: the time is not positive, the log exists, or the robot's region is missing or not of this robot.
        LinkError, ProtocolError: the robot does not answer as it should, or there is no pad.
        ArmingError: the checklist did not pass.
    """
    if not plan.seconds > 0:
        raise ConfigError("a positive --seconds", f"{plan.seconds}", "give the time to drive, e.g. --seconds 30")
    with Keyboard() as keyboard, contextlib.ExitStack() as stack:
        hands = stack.enter_context(open_hands(plan.person, keyboard)) if plan.person else None
        return _drive(plan, keyboard, hands)


def _drive(plan: Drive, keyboard: Keyboard, hands: OpenHands | None) -> int:
    ticks = max(1, round(plan.seconds * plan.rate_hz))
    relay = Relay()
    stick = Stick(hands, relay) if hands else None
    controller, teleop = _driver(plan, stick, relay)
    guard = deployed_guard(controller, plan.robot, plan.limits, plan.rate_hz)
    link = SerialLink(plan.port)
    device = SerialDevice(link)
    with contextlib.closing(device):
        identity = device.open(plan.rate_hz)
        print(
            f"connected to {plan.port}: firmware {identity.firmware_version}, robot {identity.robot_id:#x}, "
            f"round trip {identity.round_trip_s * 1e3:.2f} ms",
            flush=True,
        )
        _meet_stranger(device, link, identity, plan)
        session = _session(plan, guard, identity, hands)
        with LiveLine(plan.rate_hz) as live, Recorder(plan.out, session) as recorder, realtime() as granted:
            relay.sink = recorder
            recorder.event("realtime", granted=granted.granted, refused=granted.refused)

            def on_tick(state: State, decision: Decision) -> None:
                live(state, decision)
                keys.look()
                stop_without_log(loop, recorder, state)

            course = course_of(plan.task, load_robot(plan.robot), plan.seed)
            loop = ControlLoop(device, link.clock, guard, recorder, on_tick, teleop, plan.rate_hz, course)
            mode = teleop.mode if teleop else str(controller.identity["name"])
            episodes = EpisodeKeys(recorder, link.clock, plan.task.name, mode, plan.label, live.say)
            keys = OperatorKeys(keyboard, loop, device, recorder, episodes, live.say, hands, stick)
            _pass_checklist(loop, device, identity, plan, recorder, link.clock)
            if keyboard.there:
                print(HELP, flush=True)
            if hands:
                print(_explain(plan, hands), flush=True)
            with _stopping_on_signals(loop):
                report = loop.run(ticks)
            episodes.finish()
            if hands and hands.spoiled:
                recorder.event("hands_spoiled", count=hands.spoiled)
    print(f"real time {granted}")
    _print_report(report, ticks, plan.rate_hz)
    if recorder.failure:
        raise LogError("a log of the whole run", recorder.failure, "see to that; robot-il log recover keeps the rest")
    print(f"log {plan.out}")
    return 0 if report.outcome is SupervisorState.DISARMED and report.as_asked else 1


def _driver(plan: Drive, stick: Stick | None, relay: Relay) -> tuple[Controller, Teleop | None]:
    """Who drives, and who must be heard while they do.

    Raises:
        ConfigError: nobody drives.
    """
    if stick is not None and plan.person is not None:
        person = plan.person
        robot = load_robot(plan.robot)
        teleop = Teleop(robot, stick, relay, person.mode, plan.controller, person.assist, plan.rate_hz)
        return teleop, teleop
    if plan.controller is None:
        raise ConfigError("a controller or a person who drives", "neither", "name one")
    return plan.controller, None


def _explain(plan: Drive, hands: OpenHands) -> str:
    """How to drive, for the person who is about to."""
    pad = hands.identity.get("pad")
    who = f"{pad['name']} drives, read by the map {pad['origin']}" if pad else KEYBOARD_HELP
    return f"{who}; letting go gives the robot back" if plan.person and plan.person.mode == "shared" else who


def stop_without_log(loop: ControlLoop, recorder: Recorder, state: State) -> None:
    """Asks for a safe stop where the recorder has failed; called with every tick, looks about once a second."""
    if state.state_seq % CONTROL_RATE_HZ == 0 and recorder.failure:
        loop.request_stop()


def _session(plan: Drive, guard: Guard, identity: Identity, hands: OpenHands | None) -> Session:
    return Session(
        task=plan.task.name,
        label=plan.label,
        controller=guard.controller.identity,
        device={"port": plan.port, **asdict(identity)},
        config={
            "robot": plan.robot,
            "seconds": plan.seconds,
            "seed": plan.seed,
            "fallback": guard.fallback.identity,
            "limits": asdict(guard.limits),
            "region": guard.region and guard.region.to_json(),
            **({"hands": hands.identity} if hands else {}),
        },
        synthetic=plan.synthetic,
        note=plan.note,
    )


def _meet_stranger(device: SerialDevice, link: SerialLink, identity: Identity, plan: Drive) -> None:
    """Nudges the wheels of a robot that is driven for the first time under this profile.

    Raises:
        ArmingError: a wheel did not turn as it should.
    """
    robot = load_robot(plan.robot)
    if known_since(identity.robot_id, robot) is None:
        print("this robot was never driven under this profile before: are its motors where they should be?", flush=True)
        checks = meet(device, link.clock, identity.robot_id, robot)
        show(checks)
        require(checks)


def _pass_checklist(
    loop: ControlLoop, device: SerialDevice, identity: Identity, plan: Drive, recorder: Recorder, clock: Clock
) -> None:
    """Waits until every check passes, saying once what it waits for.

    Raises:
        ArmingError: some still fail when the patience is over.
    """
    device.request("disarm")  # clears a stop that an earlier run left latched
    robot = load_robot(plan.robot)
    waited = 0.0
    announced: list[str] = []
    while True:
        controller = loop.guard.controller
        checks = look_whether_ready(loop, identity, robot, controller, recorder, plan.out.parent, plan.self_test)
        if loop.operator is not None:
            checks.append(check_heard(loop.operator, clock.now_ns()))
        waiting_for = [check.name for check in checks if not check.passed]
        waited += OBSERVED_S
        if not waiting_for or waited >= plan.patience_s:
            break
        if waiting_for != announced:
            print(f"not ready yet: {', '.join(waiting_for)}", flush=True)
            announced = waiting_for
        device.request("disarm")
    show(checks)
    require(checks)


@contextlib.contextmanager
def _stopping_on_signals(loop: ControlLoop) -> Iterator[None]:
    """Turns Ctrl-C, SIGTERM and a terminal that closes into a safe stop."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # with nohup the run is to go on
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, lambda *_: loop.request_stop()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _print_report(report: LoopReport, ticks: int, rate_hz: int) -> None:
    driven = report.controlled + report.rescued
    print(
        f"drove {driven / rate_hz:.2f} s of {ticks / rate_hz:.2f} s: {report.controlled} ticks by the "
        f"controller, {report.rescued} by the fallback; then {report.settled} to come to rest"
    )
    print(f"ended {report.outcome.name.lower().replace('_', ' ')}: {', '.join(report.reasons) or 'no reason'}")
    print(f"{'':26s}{'p50':>9s}{'p99':>9s}{'p99.9':>9s}{'max':>9s}")
    for name, values in (("lateness, us", report.lateness_us), ("sensor to command, us", report.latency_us)):
        if values:
            row = np.percentile(np.asarray(values), (50, 99, 99.9, 100))
            print(f"{name:26s}" + "".join(f"{value:9.0f}" for value in row))
    print(f"skipped periods {report.skipped}, slow answers {report.misses}")
