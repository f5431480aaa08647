"""Flights of a person in the lock-step twin: the real firmware, loop, guard and link of hands; only the hand is told
what to do."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from firmware_bridge.serial_device import SerialDevice
from robot_il.cli.drive import deployed_guard
from robot_il.cli.hands import Relay
from robot_il.control.controllers import Controller
from robot_il.control.device import State
from robot_il.control.guard import Decision, GuardLimits
from robot_il.control.loop import ControlLoop, LoopReport
from robot_il.control.operator import Hand, HandLink, send_hand
from robot_il.control.teleop import Stick, Teleop
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from robot_il.robot import load_robot
from robot_il.spec import HandDevice
from robot_il.tasks import TASKS
from sim.conditions import nominal
from sim.lockstep import LockstepLink
from sim.twin import Twin

Script = Callable[[float], Hand | None]
"""What the hand does at a time in s since the first STATE; None says nothing."""


def pushed(forward: float = 0.0, turn: float = 0.0, deadman: bool = True) -> Hand:
    return Hand(0, HandDevice.GAMEPAD, deadman, forward, turn, (turn, forward))


def fly(
    path: Path,
    script: Script,
    seconds: float,
    mode: str,
    policy: Controller | None = None,
    assist: str = "velocity",
    task: str = "stand",
) -> LoopReport:
    """Records a flight as ``robot-il record`` does; the hand is sent with every fourth STATE."""
    inbox, outbox = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    relay = Relay()
    stick = Stick(HandLink(inbox), relay)
    teleop = Teleop(load_robot(), stick, relay, mode, policy, assist)
    limits = GuardLimits(max_rescues=1_000_000)
    guard = deployed_guard(teleop, "reference", limits)
    config = {"fallback": guard.fallback.identity, "limits": asdict(limits), "region": guard.region.to_json()}
    session = Session(task, "expert", teleop.identity, config=config)
    ticks = 0

    def on_tick(state: State, decision: Decision) -> None:
        nonlocal ticks
        ticks += 1
        hand = script(ticks / 200)
        if hand is not None and ticks % 4 == 0:
            send_hand(outbox, hand._replace(seq=ticks))

    with contextlib.closing(Twin(load_robot(), nominal(TASKS[task]), 3)) as twin, inbox, outbox:
        link = LockstepLink(twin)
        with contextlib.closing(SerialDevice(link)) as device:
            recorder = Recorder(path, session, link.clock, lossless=True)
            with recorder:
                relay.sink = recorder
                device.open()
                loop = ControlLoop(device, link.clock, guard, recorder, on_tick, teleop)
                loop.observe(10)
                return loop.run(round(seconds * 200))
