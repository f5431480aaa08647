"""``robot-il hil``: flies the firmware's image, instruction by instruction, in lock-step with the twin."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from robot_il.cli.arguments import task_name
from robot_il.cli.faults import add_fault_arguments, run_faults
from robot_il.tasks import Task, find_task

if TYPE_CHECKING:
    from robot_il.control.controllers import Controller
    from sim.conditions import Conditions


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "hil",
        help="fly the firmware's image for the Cortex-M in an emulator",
        description="Executes the firmware's image for the Cortex-M4F in an emulator, in lock-step with the twin and "
        "driven over the serial protocol as a robot is. The same draw gives the same bytes every time. Exits with 1 "
        "when the robot fell.",
    )
    parser.add_argument("--firmware", type=Path, metavar="IMAGE", help="ELF file (default: built from the sources)")
    parser.add_argument("--task", type=task_name, metavar="TASK", help="default: the policy's, or stand")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the flight (default 10)")
    parser.add_argument("--controller", default="lqr", metavar="lqr|POLICY", help="lqr, or a policy file")
    parser.add_argument("--robot", default="reference", help="name or path of the robot profile (default reference)")
    parser.add_argument(
        "--seed", type=int, help="draw start, pushes and robot as an evaluation does (default: nominal)"
    )
    parser.add_argument(
        "--policy-on-board",
        type=Path,
        metavar="RUN|POLICY",
        help="compile this policy into the image and let it fly there by itself, at 200 Hz and at 1 kHz",
    )
    parser.add_argument(
        "--qemu", action="store_true", help="fly it in qemu-system-arm at the pace of the clock, for demonstration"
    )
    add_fault_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Flies the image once, the host library beside it, and says what came of it; or tries faults."""
    if arguments.faults is not None:
        return run_faults(arguments)
    from firmware_bridge.cross_build import build_image
    from robot_il.cli.hil_rig import fly
    from robot_il.cli.rollout import Rollout
    from robot_il.control.controllers import LinearController
    from robot_il.control.lqr import lqr_gain
    from robot_il.errors import ConfigError

    if not arguments.seconds > 0.0:
        raise ConfigError("--seconds above 0", f"{arguments.seconds:g}", "give a longer time")
    if arguments.policy_on_board is not None:
        from robot_il.cli.hil_onboard import demonstrate

        return demonstrate(arguments.policy_on_board, arguments.robot, arguments.seconds, arguments.seed)
    if arguments.qemu:
        from robot_il.cli import hil_qemu

        task = find_task(arguments.task or "stand")
        conditions = _conditions(arguments, task)
        return hil_qemu.demonstrate(arguments.robot, task, arguments.seconds, conditions, arguments.seed or 0)
    image = arguments.firmware or build_image()
    controller, task = _controller(arguments.controller, arguments.task)
    rollout = Rollout(arguments.robot, task, arguments.seconds)
    fallback = LinearController(lqr_gain(rollout.robot, task), task)
    conditions = _conditions(arguments, task)
    print(f"image {image}", flush=True)
    flight = fly(rollout, image, controller or fallback, fallback, conditions, arguments.seed or 0)
    reference = fly(rollout, None, controller or fallback, fallback, conditions, arguments.seed or 0)
    episode = flight.episode
    print(
        f"{episode.end} after {episode.seconds:.2f} s: tilt {episode.tilt_rms_rad:.4f} rad rms, "
        f"drift {episode.drift_m:.3f} m at most, effort {episode.effort_nm:.2f} N m rms"
    )
    speed = flight.mcu_s / flight.wall_s
    print(f"{flight.mcu_s:.2f} s of the MCU's time in {flight.wall_s:.2f} s: {speed:.1f} times real time")
    print(f"{flight.states} STATEs, sha256 {flight.sha256}")
    same = flight.sha256 == reference.sha256
    print(f"the host library's STATEs are {'the same, bit for bit' if same else f'others, {reference.sha256}'}")
    return 0 if episode.survived else 1


def _conditions(arguments: argparse.Namespace, task: Task) -> Conditions:
    from robot_il.robot import load_robot
    from sim.conditions import nominal, sample_conditions

    seed = arguments.seed
    return nominal(task) if seed is None else sample_conditions(task, seed, load_robot(arguments.robot))


def _controller(name: str, task_name: str | None) -> tuple[Controller | None, Task]:
    """The policy, or None for the LQR, and the task."""
    if name == "lqr":
        return None, find_task(task_name or "stand")
    from robot_il.cli.policies import load_policy_controller

    return load_policy_controller(Path(name), task_name)
