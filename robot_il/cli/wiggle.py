"""``robot-il wiggle``: is each motor where we think, does it turn the way we think, do the sensors agree?"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firmware_bridge.serial_device import SerialDevice
    from robot_il.control.arming import Check
    from robot_il.control.clock import Clock
    from robot_il.robot import Robot

TIP_PATIENCE_S = 20.0


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "wiggle",
        help="test the signs and axes of a robot",
        description="Nudges each wheel and asks you to tip the robot forward by hand; says which motor, encoder or "
        "sensor has the wrong place, axis or sign. Wheels off the ground. record and run nudge the wheels by "
        "themselves when they meet a robot, or its changed profile, for the first time.",
    )
    parser.add_argument("--device", required=True, metavar="PORT", help="serial port of the robot or of a twin")
    parser.add_argument("--robot", default="reference", help="name or path of the robot profile (default reference)")
    parser.add_argument("--no-tip", action="store_true", help="leave the gyro out: nobody is there to tip the robot")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Tests; 0 where all is as it should be."""
    import contextlib

    from firmware_bridge.link import SerialLink
    from firmware_bridge.serial_device import SerialDevice
    from robot_il.control.wiggle import judge_tip, watch_tip
    from robot_il.robot import load_robot

    link = SerialLink(arguments.device)
    with contextlib.closing(SerialDevice(link)) as device:
        identity = device.open()
        checks = meet(device, link.clock, identity.robot_id, load_robot(arguments.robot))
        show(checks)
        if not arguments.no_tip:
            print(f"now tip the robot forward by a hand's breadth and hold it still; {TIP_PATIENCE_S:g} s", flush=True)
            checks.append(judge_tip(watch_tip(device, link.clock, TIP_PATIENCE_S)))
            show(checks[-1:])
    wrong = [check for check in checks if not check.passed]
    for check in wrong:
        print(f"{check.name}: {check.remedy}")
    return 1 if wrong else 0


def meet(device: SerialDevice, clock: Clock, robot_id: int, robot: Robot) -> list[Check]:
    """Says what is about to happen, then ``nudge_wheels``."""
    print("each wheel will be nudged forward: hold the robot, wheels off the ground", flush=True)
    return nudge_wheels(device, clock, robot_id, robot)


def nudge_wheels(
    device: SerialDevice, clock: Clock, robot_id: int, robot: Robot, watch: Callable[[], None] = lambda: None
) -> list[Check]:
    """Nudges the wheels and judges what came of it; remembers the robot where all was well.

    Args:
        device: opened.
        clock: of its deadlines.
        robot_id: that it answered with.
        robot: its profile.
        watch: see ``control.wiggle.nudge``.

    Raises:
        LinkError: the robot fell silent, or did not arm.
    """
    from robot_il.cli.known_robots import remember
    from robot_il.control.wiggle import judge, nudge, nudge_nm

    device.request("disarm")  # clears a stop that an earlier run left latched
    torque_nm = nudge_nm(robot)
    checks = judge(nudge(device, clock, torque_nm, watch), torque_nm)
    if all(check.passed for check in checks):
        remember(robot_id, robot)
    return checks


def show(checks: list[Check]) -> None:
    """A line for each check."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        print(f"  {'ok' if check.passed else 'NO':2s}  {check.name:{width}s}  {check.found}", flush=True)
