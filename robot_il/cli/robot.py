"""``robot-il robot``: a profile for a robot of one's own, whether it can be right, and what it looks like."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its parts."""
    parser = commands.add_parser(
        "robot",
        help="make, check and draw a robot's profile",
        description="A robot is a URDF and a TOML of what a URDF cannot say. These commands write the TOML for a URDF, "
        "look for what cannot be right in the two, and draw what the twin and the LQR make of them.",
    )
    parts = parser.add_subparsers(required=True, metavar="PART")
    new = parts.add_parser("new", help="write the profile of a URDF", description=_NEW)
    new.add_argument("urdf", type=Path, metavar="URDF")
    new.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the profile")
    new.add_argument("--name", help="of the robot (default: the URDF's own)")
    new.set_defaults(run=_new)
    check = parts.add_parser("check", help="look for what cannot be right in a profile", description=_CHECK)
    check.add_argument("robot", metavar="NAME|TOML")
    check.set_defaults(run=_check)
    show = parts.add_parser("show", help="draw a robot and print its figures", description=_SHOW)
    show.add_argument("robot", metavar="NAME|TOML")
    show.add_argument("--out", type=Path, metavar="FIG", help="draw it from the side and the front: .png, .svg or .pdf")
    show.set_defaults(run=_show)


_NEW = (
    "Finds wheels, legs, base, mass and inertia in a URDF and writes DIR/NAME.toml for it. What a URDF "
    "cannot tell gets a default that is marked as one: measure it."
)
_CHECK = "Prints a line for each thing looked at: ok, warn or fail, with the remedy. Exits with 1 where one fails."
_SHOW = "Prints the figures of a robot in our conventions and, with --out, draws it in its nominal posture."


def _new(arguments: argparse.Namespace) -> int:
    from robot_il.cli.robot_new import write_profile

    written = write_profile(arguments.urdf, arguments.out, arguments.name)
    for line in written.found:
        print(f"found    {line}")
    for line in written.to_measure:
        print(f"measure  {line}")
    print(f"profile {written.path}")
    print(f"next: robot-il robot check {written.path}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from robot_il.cli.robot_check import FAIL, OK, check_robot
    from robot_il.errors import ConfigError
    from robot_il.robot import load_robot

    try:
        robot = load_robot(arguments.robot)
    except ConfigError as error:
        print(f"{FAIL:<4}  profile  expected {error.expected}; came {error.came}; {error.remedy}")
        return 1
    lines = check_robot(robot)
    width = max(len(line.name) for line in lines)
    for line in lines:
        remedy = "" if line.verdict == OK else f"; {line.remedy}"
        print(f"{line.verdict:<4}  {line.name:<{width}}  {line.text}{remedy}")
    failed = sum(line.verdict == FAIL for line in lines)
    print(f"robot {robot.name}: {failed} of {len(lines)} failed" if failed else f"robot {robot.name}: fit to be flown")
    return 1 if failed else 0


def _show(arguments: argparse.Namespace) -> int:
    from robot_il.cli.robot_show import table
    from robot_il.robot import load_robot

    robot = load_robot(arguments.robot)
    rows = table(robot)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name:<{width}}  {text}")
    if arguments.out is not None:
        from robot_il.cli.robot_drawing import draw_robot

        draw_robot(robot, arguments.out)
        print(f"{'drawing':<{width}}  {arguments.out}")
    return 0
