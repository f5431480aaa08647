"""``robot-il run``: one policy file drives the robot at 200 Hz, guarded."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from robot_il.cli.arguments import add_drive_arguments, add_hand_arguments, task_name


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "run",
        help="run a policy on the robot",
        description="Arms through a checklist, then a policy drives with the LQR as its fallback. A person may take "
        "over at any time by moving the stick, and gives the robot back by letting go.",
    )
    parser.add_argument("policy", type=Path, help="policy file, as made by robot-il export")
    add_drive_arguments(parser)
    add_hand_arguments(parser, default=None)
    parser.add_argument("--task", type=task_name, metavar="TASK", help="refuse a policy of another task")
    parser.add_argument("--out", type=Path, help="log file (default: the policy's name with the time of day, .mcap)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Deploys one policy."""
    import time

    from robot_il.cli.drive import Drive, drive
    from robot_il.cli.hands import Person
    from robot_il.cli.policies import load_policy_controller
    from robot_il.control.arming import check_self_test
    from robot_il.control.guard import GuardLimits
    from robot_il.control.onnx_policy import OnnxPolicy
    from robot_il.control.policy_metadata import TOLERANCE

    controller, task = load_policy_controller(arguments.policy, arguments.task)
    policy = OnnxPolicy(arguments.policy, task)
    out = arguments.out or Path(f"{arguments.policy.stem}-{time.strftime('%Y%m%d-%H%M%S')}.mcap")
    chosen = arguments.input or ("keyboard" if sys.stdin and sys.stdin.isatty() else None)
    return drive(
        Drive(
            port=arguments.device,
            controller=controller,
            task=task,
            label="unlabeled",
            seconds=arguments.seconds,
            out=out,
            robot=arguments.robot,
            synthetic=False,
            note=arguments.note,
            patience_s=arguments.patience,
            rate_hz=arguments.rate,
            limits=GuardLimits(),
            person=Person(chosen, "shared", arguments.assist, arguments.pad) if chosen else None,
            self_test=check_self_test(len(policy.golden.observations), policy.golden_error, TOLERANCE),
        )
    )
