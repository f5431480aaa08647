"""``robot-il sysid``: what a robot's figures are, from recordings of it, as a profile with intervals."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from robot_il.cli.arguments import check_place
from robot_il.errors import ConfigError

if TYPE_CHECKING:
    from robot_il.cli.sysid_data import Recordings
    from robot_il.robot import Robot
    from sim.identification.identify import Identified


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "sysid",
        help="identify a robot from recordings of it",
        description="Fits the equations of the wheeled pendulum to recordings of a robot and writes a profile with "
        "what was found, each figure with its 95 %% interval, and says which figures the recordings do not tell. With "
        "--device it first drives the robot, or its twin: an LQR balances, and a small torque of many frequencies is "
        "added that steps back where the robot leans far; the guard watches as ever.",
    )
    parser.add_argument("logs", type=Path, nargs="*", metavar="LOG", help="recordings of the robot, all at one rate")
    parser.add_argument("--robot", default="reference", help="profile to begin with (default reference)")
    parser.add_argument("--out", type=Path, metavar="TOML", help="write the identified profile, and its URDF beside it")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write a page with measured and simulated traces")
    parser.add_argument("--device", metavar="PORT", help="drive this robot or twin first")
    parser.add_argument("--log", type=Path, metavar="NEW", help="with --device: the recording to make")
    parser.add_argument("--seconds", type=float, default=40.0, help="with --device: how long (default 40)")
    parser.add_argument(
        "--amplitude", type=float, default=None, metavar="NM",
        help="with --device: largest added torque, in N m (default: a fifth of the robot's weight at its wheels' "
        "radius, 2 at most)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="with --device: where the excitation begins (default 0)")
    parser.add_argument(
        "--patience", type=float, default=5.0, help="with --device: seconds to wait for the checklist (default 5)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Records where that is asked for, fits, prints, and writes what is asked for."""
    from robot_il.robot import load_robot

    _check(arguments)
    robot = load_robot(arguments.robot)
    logs = list(arguments.logs)
    if arguments.device:
        from robot_il.cli.sysid_excite import excite

        code = excite(arguments, robot)
        if code:
            return code
        logs.append(arguments.log)
    recordings, found = _identify(logs, robot)
    from robot_il.cli.sysid_report import lines, write_page

    print("\n".join(lines(robot, recordings, found)))
    if arguments.html:
        write_page(arguments.html, robot, recordings, found)
        print(f"page {arguments.html.resolve()}")
    if arguments.out:
        from robot_il.cli.sysid_profile import write

        new = write(robot, arguments.out, recordings, found)
        print(f"profile {new.path.resolve()}, URDF {new.urdf_path.resolve()}")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.logs and not arguments.device:
        raise ConfigError("recordings, or --device to make one", "neither", "name a log, or a robot to drive")
    if bool(arguments.device) != bool(arguments.log):
        raise ConfigError("--device and --log together", "one of them", "name the robot and the recording to make")
    if not arguments.seconds > 0.0:
        raise ConfigError("a positive --seconds", f"{arguments.seconds:g}", "give the time to drive, e.g. 40")
    if arguments.out:
        check_place(arguments.out, make_folder=True)
    if arguments.html:
        check_place(arguments.html)


def _identify(logs: list[Path], robot: Robot) -> tuple[Recordings, Identified]:
    from robot_il.cli.sysid_data import load
    from robot_il.learning.progress import terminal_progress
    from sim.identification.identify import identify

    with terminal_progress() as progress:
        progress.show("reading", 0, 1)
        recordings = load(logs, robot)
        return recordings, identify(robot, recordings.stretches, progress.show)
