"""``robot-il record``: a controller or a person drives while every tick is logged."""

from __future__ import annotations

import argparse
from pathlib import Path

from robot_il.cli.arguments import add_drive_arguments, add_hand_arguments, task_name
from robot_il.spec import LABELS
from robot_il.tasks import find_task

UNLIMITED = 1_000_000
"""A demonstrator gets the robot back after every rescue; the rescue is marked, and is no demonstration."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "record",
        help="record a demonstration",
        description="Drives the robot or its twin and logs every tick. Enter starts and stops an episode; a recording "
        "in which nobody presses it is one whole episode.",
    )
    add_drive_arguments(parser)
    parser.add_argument(
        "--controller",
        required=True,
        choices=("lqr", "operator", "person"),
        help="lqr; operator: a synthetic one (delayed, intermittent, noisy), named as synthetic in the log; or person: "
        "whoever holds the pad or presses the keys",
    )
    add_hand_arguments(parser, default="keyboard")
    parser.add_argument(
        "--mode", choices=("assisted", "direct"),
        help="of a person: an LQR balances and the stick moves the robot, or the stick is wheel torque "
        "(default assisted)",
    )  # fmt: skip
    parser.add_argument("--task", default="stand", type=task_name, metavar="TASK")
    parser.add_argument("--label", required=True, choices=LABELS, help="quality of the demonstration")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="fixes the synthetic operator and the heights that the task asks for",
    )
    parser.add_argument("--out", required=True, type=Path, help="log file to write, e.g. lqr.mcap")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Records one demonstration."""
    from robot_il.cli.drive import Drive, drive
    from robot_il.cli.hands import Person
    from robot_il.control.controllers import TREMOR_1, Controller, SyntheticOperator
    from robot_il.control.guard import GuardLimits
    from robot_il.control.lqr import lqr_gain, lqr_law, tolerated_torque_nm
    from robot_il.errors import ConfigError
    from robot_il.robot import load_robot

    task = find_task(arguments.task)
    robot = load_robot(arguments.robot)
    controller: Controller | None = None
    person: Person | None = None
    if arguments.mode and arguments.controller != "person":
        came = f"--controller {arguments.controller} --mode {arguments.mode}"
        raise ConfigError("--mode with --controller person alone", came, "leave --mode out")
    if arguments.controller == "person":
        person = Person(arguments.input, arguments.mode or "assisted", arguments.assist, arguments.pad)
    elif arguments.controller == "operator":
        tremor_nm = TREMOR_1 * tolerated_torque_nm(robot)
        controller = SyntheticOperator(
            lqr_gain(robot, task), task, arguments.seed, tremor_nm=tremor_nm, rate_hz=arguments.rate
        )
    else:
        controller = lqr_law(robot, task)
    return drive(
        Drive(
            port=arguments.device,
            controller=controller,
            task=task,
            label=arguments.label,
            seconds=arguments.seconds,
            out=arguments.out,
            robot=arguments.robot,
            synthetic=arguments.controller == "operator",
            note=arguments.note,
            patience_s=arguments.patience,
            rate_hz=arguments.rate,
            limits=GuardLimits(max_rescues=UNLIMITED),
            person=person,
            seed=arguments.seed,
        )
    )
