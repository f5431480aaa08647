"""``robot-il twin``: the simulated robot behind a serial port of its own, in wall-clock time."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import secrets
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot_il.cli import twin_compare, twin_engines
from robot_il.cli.arguments import add_engine, add_randomise, task_name
from robot_il.errors import ConfigError
from robot_il.spec import SPEC_HASH
from robot_il.tasks import find_task

if TYPE_CHECKING:
    from robot_il.robot import Robot
    from sim.conditions import Conditions

PRIORITY = 70
"""SCHED_FIFO priority of the world, below that of the control loop: the controller under test comes first."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "twin",
        help="start the simulated robot behind a serial port",
        description="Runs the simulated robot with the compiled firmware in wall-clock time and prints its port. A "
        "hand holds it until it is armed and commanded, and picks it up again one second after a stop. Ctrl-C ends it.",
    )
    parser.add_argument("--robot", default="reference", help="name or path of the robot profile (default reference)")
    parser.add_argument("--seed", type=int, default=0, help="of the sensors' errors and of --random (default 0)")
    parser.add_argument("--link", type=Path, metavar="PATH", help="make a symbolic link to the port here")
    parser.add_argument("--seconds", type=float, help="end after this long (default: run until stopped)")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write events as JSON lines to this new file")
    parser.add_argument("--random", type=task_name, metavar="TASK", help="draw the conditions as an evaluation does")
    parser.add_argument(
        "--push",
        action="append",
        default=[],
        metavar="TIME:IMPULSE[:LEFT]",
        help="push in N s, TIME s after release, forwards and perhaps to the left; repeatable",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="settings",
        help="a condition or a figure of the profile, e.g. mass_scale=1.1 or drive.backlash_rad=0.02",
    )
    add_randomise(parser)
    add_engine(parser)
    parser.set_defaults(run=run)
    parts = parser.add_subparsers(metavar="[compare | engines]")
    twin_compare.add_parser(parts)
    twin_engines.add_parser(parts)


def run(arguments: argparse.Namespace) -> int:
    """Serves the twin until it is stopped."""
    if arguments.seconds is not None and not arguments.seconds > 0.0:
        raise ConfigError("--seconds above 0", f"{arguments.seconds:g}", "give a longer time, or none")
    if arguments.seed < 0:
        raise ConfigError("a --seed from 0", f"{arguments.seed}", "choose another")
    from robot_il.control.realtime import realtime
    from robot_il.robot import load_robot
    from sim.monitor import EventLog
    from sim.pseudo_terminal import PseudoTerminal
    from sim.server import Server
    from sim.twin import Twin

    robot = load_robot(arguments.robot)
    conditions = _conditions(arguments, robot)
    boot_id = secrets.randbelow(2**32 - 1) + 1
    with contextlib.ExitStack() as stack:
        twin = Twin(robot, conditions, arguments.seed, boot_id=boot_id, picked_up=True, engine=arguments.engine)
        stack.callback(twin.close)
        terminal = PseudoTerminal(arguments.link)
        stack.callback(terminal.close)
        log = EventLog(arguments.log)
        stack.callback(log.close)
        stopping: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda signum, _frame: stopping.append(signum))
            stack.callback(signal.signal, number, before)
        report = stack.enter_context(realtime(PRIORITY))
        log.write(_header(arguments, conditions, boot_id, terminal.port, str(report)))
        print(f"twin ready on {terminal.port}", flush=True)
        statistics = Server(twin, terminal, log).run(lambda: bool(stopping), arguments.seconds)
    print(f"twin finished: {statistics}; {report}", flush=True)
    return 0


def _conditions(arguments: argparse.Namespace, robot: Robot) -> Conditions:
    from sim.conditions import Conditions, sample_conditions
    from sim.figures import check_figure

    base = Conditions()
    if arguments.random:
        task = find_task(arguments.random)
        base = sample_conditions(task, arguments.seed, robot, arguments.randomise)
    changes: dict[str, Any] = {}
    if arguments.push:
        pushes = [_push(text) for text in arguments.push]
        changes["pushes"] = tuple((time_s, forward) for time_s, forward, _ in pushes)
        changes["side_pushes"] = tuple((time_s, left) for time_s, _, left in pushes if left)
    listed = ("pushes", "side_pushes", "figures")
    known = [field.name for field in dataclasses.fields(Conditions) if field.name not in listed]
    for setting in arguments.settings:
        name, _, text = setting.partition("=")
        value = _number(text, f"--set {name}=")
        if "." in name:
            check_figure(robot, name, value)
            changes["figures"] = (*changes.get("figures", base.figures), (name, value))
        elif name in known:
            changes[name] = value
        else:
            raise ConfigError(
                f"--set with one of {', '.join(known)}, or a figure of the profile, such as drive.backlash_rad",
                repr(name),
                "correct the name",
            )
    return dataclasses.replace(base, **changes)


def _push(text: str) -> tuple[float, float, float]:
    """Time, impulse forwards, impulse to the left."""
    time_s, _, impulses = text.partition(":")
    forward, _, left = impulses.partition(":")
    return (
        _number(time_s, "the time of --push"),
        _number(forward, "the impulse of --push"),
        _number(left or "0", "the impulse to the left of --push"),
    )


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"a number for {where}", repr(text), "correct it") from None


def _header(
    arguments: argparse.Namespace, conditions: Conditions, boot_id: int, port: str, realtime_report: str
) -> dict[str, Any]:
    return {
        "mcu_time_us": 0,
        "event": "started",
        "robot": arguments.robot,
        "engine": arguments.engine,
        "seed": arguments.seed,
        "boot_id": boot_id,
        "spec_hash": SPEC_HASH,
        "port": port,
        "realtime": realtime_report,
        "conditions": dataclasses.asdict(conditions),
    }
