"""``robot-il hil --faults``: tries every fault on a flying robot and says what came of it."""

from __future__ import annotations

import argparse
import functools
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from robot_il.errors import ConfigError
from robot_il.tasks import find_task

if TYPE_CHECKING:
    from firmware_bridge.hostlib import Board
    from firmware_bridge.microcontroller import Microcontroller
    from robot_il.cli.faults_verdict import Verdict
    from robot_il.control.controllers import Controller
    from robot_il.tasks import Task
    from sim.faults import Case

SEEDS = 3
MAX_SEEDS = 1000


def add_fault_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what ``--faults`` needs beside the arguments of a flight."""
    group = parser.add_argument_group("faults")
    group.add_argument(
        "--faults",
        metavar="all|list|NAME,...",
        help="try faults instead, each on a flight of its own, on the host library unless --firmware names an image; "
        "exits with 1 when a promise is broken. --seconds then counts from the fault",
    )
    group.add_argument("--seeds", type=int, default=SEEDS, help=f"flights for each fault (default {SEEDS})")
    group.add_argument("--out", type=Path, default=Path("faults"), help="new folder for the logs (default ./faults)")
    group.add_argument(
        "--docs",
        type=Path,
        nargs="?",
        const=Path("docs/faults.md"),
        metavar="FILE",
        help="write the table between its markers in this document (docs/faults.md)",
    )


def run_faults(arguments: argparse.Namespace) -> int:
    """Flies the matrix.

    Returns:
        exit code: 0 where every promise was kept.

    Raises:
        ConfigError: an unknown fault, no flights, or a folder that is not new.
    """
    from sim.faults import CASES

    if arguments.faults == "list":
        for case in CASES:
            print(f"{case.name:22s}  {case.meaning}; promised: {' or '.join(case.expected)}")
        return 0
    cases = _named(arguments.faults, CASES)
    _check(arguments)
    arguments.out.mkdir(parents=True)
    verdicts = list(_fly_all(cases, arguments))
    _report(verdicts, arguments)
    broken = [verdict for verdict in verdicts if verdict.broken]
    print(f"{len(cases)} faults, {len(verdicts)} flights, {len(broken)} with a broken promise; logs in {arguments.out}")
    return 1 if broken else 0


def _named(names: str, cases: Sequence[Case]) -> list[Case]:
    if names == "all":
        return list(cases)
    known = {case.name: case for case in cases}
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise ConfigError("names of faults, all or list", ", ".join(unknown), "see robot-il hil --faults list")
    return [known[name] for name in names.split(",")]


def _check(arguments: argparse.Namespace) -> None:
    if not 1 <= arguments.seeds <= MAX_SEEDS:
        raise ConfigError(f"--seeds from 1 to {MAX_SEEDS}", f"{arguments.seeds}", "choose another number")
    if not arguments.seconds > 0.0:
        raise ConfigError("--seconds above 0", f"{arguments.seconds:g}", "give a longer time")
    if arguments.out.exists():
        raise ConfigError(f"a new folder {arguments.out}", "one that exists", "choose another --out")
    if arguments.docs is not None and not arguments.docs.is_file():
        raise ConfigError(f"a document {arguments.docs}", "none", "call this from the repository's root")


def _fly_all(cases: Sequence[Case], arguments: argparse.Namespace) -> Iterator[Verdict]:
    """Every flight, told line by line; with the time that is left, for it takes minutes."""
    from robot_il.cli.faults_flight import fly
    from robot_il.cli.faults_host import Plan
    from robot_il.cli.faults_verdict import judge

    firmware, (policy, task) = _firmware(arguments.firmware), _policy(arguments)
    first = arguments.seed or 0
    flights = [(case, seed) for case in cases for seed in range(first, first + arguments.seeds)]
    start = time.monotonic()
    for done, (case, seed) in enumerate(flights):
        log = arguments.out / f"{case.name}-{seed}.mcap"
        plan = Plan(case, seed, arguments.robot, task, policy, arguments.seconds, log)
        verdict = judge(plan, fly(plan, firmware))
        left_s = (time.monotonic() - start) / (done + 1) * (len(flights) - done - 1)
        words = "; ".join(verdict.broken) or "kept"
        print(f"{case.name:22s} {seed:3d}  {verdict.outcome:13s}  {verdict.robot:24s}  {words}", flush=True)
        if sys.stderr.isatty():
            print(f"{done + 1} of {len(flights)}, {left_s:.0f} s left", end="\r", file=sys.stderr, flush=True)
        yield verdict


def _firmware(image: Path | None) -> Callable[[Board], Microcontroller]:
    if image is None:
        from firmware_bridge.hostlib import Firmware

        return Firmware
    from firmware_bridge.emulator import EmulatedFirmware

    return functools.partial(EmulatedFirmware, image=image)


def _policy(arguments: argparse.Namespace) -> tuple[Callable[[], Controller] | None, Task]:
    """What makes the controller, None for the LQR; and the task."""
    if arguments.controller == "lqr":
        return None, find_task(arguments.task or "stand")
    from robot_il.cli.policies import load_policy_controller

    path = Path(arguments.controller)
    _, task = load_policy_controller(path, arguments.task)
    return lambda: load_policy_controller(path, arguments.task)[0], task


def _report(verdicts: Sequence[Verdict], arguments: argparse.Namespace) -> None:
    """Table and JSON into the folder of the logs, and the table into the document."""
    from robot_il.cli.faults_table import as_json, table, write_into
    from robot_il.learning.evaluation import write_text

    command = ["robot-il", "hil", "--faults", arguments.faults, "--seeds", str(arguments.seeds)]
    command += ["--seed", str(arguments.seed or 0), "--seconds", f"{arguments.seconds:g}"]
    command += ["--controller", arguments.controller, "--robot", arguments.robot]
    if arguments.firmware is not None:
        command += ["--firmware", arguments.firmware.name]
    line = shlex.join(command)
    text = f"\n`{line}`\n\n{table(verdicts)}\n"
    write_text(arguments.out / "faults.json", as_json(verdicts, {"command": line}))
    write_text(arguments.out / "faults.md", text)
    if arguments.docs is not None:
        write_into(arguments.docs, text)
