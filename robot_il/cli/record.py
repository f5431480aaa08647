"""``robot-il record``: a controller or an operator drives while every tick is logged."""

from __future__ import annotations

import argparse
from pathlib import Path

from robot_il.cli.arguments import add_drive_arguments
from robot_il.spec import LABELS, TASKS

UNLIMITED = 1_000_000
"""A demonstrator gets the robot back after every rescue; the rescue is marked, and is no demonstration."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "record", help="record a demonstration", description="Drives the robot or its twin and logs every tick."
    )
    add_drive_arguments(parser)
    parser.add_argument(
        "--controller",
        required=True,
        choices=("lqr", "operator"),
        help="lqr, or operator: a synthetic one (delayed, intermittent, noisy), named as synthetic in the log",
    )
    parser.add_argument("--task", default="stand", choices=tuple(TASKS))
    parser.add_argument("--label", required=True, choices=LABELS, help="quality of the demonstration")
    parser.add_argument("--seed", type=int, default=0, help="fixes the synthetic operator's behaviour (default 0)")
    parser.add_argument("--out", required=True, type=Path, help="log file to write, e.g. lqr.mcap")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Records one demonstration."""
    from robot_il.cli.drive import Drive, drive
    from robot_il.control.controllers import Controller, LinearController, SyntheticOperator
    from robot_il.control.guard import GuardLimits
    from robot_il.control.lqr import lqr_gain
    from robot_il.robot import load_robot

    task = TASKS[arguments.task]
    gain = lqr_gain(load_robot(arguments.robot), task)
    controller: Controller = LinearController(gain, task)
    if arguments.controller == "operator":
        controller = SyntheticOperator(gain, task, arguments.seed, rate_hz=arguments.rate)
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
        )
    )
