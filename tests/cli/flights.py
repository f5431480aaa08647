"""Short faulty flights for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from firmware_bridge.hostlib import Board, Firmware
from firmware_bridge.microcontroller import Microcontroller
from robot_il.cli.faults_flight import Sight, fly
from robot_il.cli.faults_host import Plan
from robot_il.cli.faults_verdict import Verdict, judge
from robot_il.tasks import TASKS
from sim.fault_scene import Fault
from sim.faults import OUTCOMES, Case

SECONDS = 1.3
DISK_SECONDS = 2.5
"""The host asks about its recorder once a second, and then comes to rest."""


def plan(case: Case, folder: Path, seed: int = 0) -> Plan:
    seconds = DISK_SECONDS if case.fault.fills_disk else SECONDS
    return Plan(case, seed, "reference", TASKS["stand"], None, seconds, folder / f"{case.name}-{seed}.mcap")


def flown(
    case: Case, folder: Path, firmware: Callable[[Board], Microcontroller] = Firmware, seed: int = 0
) -> tuple[Sight, Verdict]:
    planned = plan(case, folder, seed)
    sight = fly(planned, firmware)
    return sight, judge(planned, sight)


def unpromised(fault: Fault, name: str = "made-up") -> Case:
    """A fault of one's own, of which any outcome will do but the one that never does."""
    return Case(name, "made up", fault, tuple(OUTCOMES)[:-1])
