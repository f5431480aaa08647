"""``robot-il twin engines``: the same robot, draws and torques in each physics engine, and how far they come apart."""

from __future__ import annotations

import argparse
import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot_il.cli.arguments import check_place
from robot_il.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from robot_il.robot import Robot
    from sim.engines_report import Compared, Timing

PAGE_SIGNALS = ("pitch", "velocity", "yaw_rate", "height")
MOST_DRAWS = 1000
MOST_S = 60.0


def add_parser(parts: argparse._SubParsersAction) -> None:
    """Adds the command below ``robot-il twin``."""
    parser = parts.add_parser(
        "engines",
        help="put one robot through the same trials in PyBullet and in MuJoCo, and say where they differ",
        description="Lets the robot fall, drives, pushes, rolls and turns it without feedback, moves its legs, and has "
        "the LQR balance it through an evaluation's draws, in each physics engine alike; tells, signal by signal and "
        "horizon by horizon, how far the engines come apart, beside how far the robot moved, and what a step costs.",
    )
    parser.add_argument("--robot", default="reference", help="name or path of the robot profile (default reference)")
    parser.add_argument("--draws", type=int, default=10, help="of each trial (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the first draw (default 0)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the closed loop (default 10)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compares the engines."""
    from robot_il.learning.progress import terminal_progress
    from robot_il.robot import load_robot
    from sim.engines_report import compare_engines, time_steps, versions

    good = 1 <= arguments.draws <= MOST_DRAWS and 0.5 <= arguments.seconds <= MOST_S and arguments.seed >= 0
    if not good:
        raise ConfigError(
            f"1 to {MOST_DRAWS} draws, 0.5 to {MOST_S:g} s, and a seed from 0 on",
            f"--draws {arguments.draws} --seconds {arguments.seconds:g} --seed {arguments.seed}",
            "correct them",
        )
    for place in filter(None, (arguments.html, arguments.json)):
        check_place(place)
    robot = load_robot(arguments.robot)
    seeds = range(arguments.seed, arguments.seed + arguments.draws)
    with terminal_progress() as progress:
        told = functools.partial(progress.show, "trials")
        compared = compare_engines(robot, seeds, arguments.seconds, told)
    timing, named = time_steps(robot), versions()
    print("\n".join(_lines(robot, compared, timing, named)))
    if arguments.json:
        _write_json(arguments.json, robot, seeds, compared, timing, named)
    if arguments.html:
        _write_page(arguments.html, robot, compared, timing, named)
    return 0


def _lines(robot: Robot, compared: Sequence[Compared], timing: Timing, named: dict[str, str]) -> list[str]:
    lines = [_about(robot, compared, named)]
    for one in compared:
        lines.append(f"{one.name}: {one.about}{_survived(one)}")
        head = ("signal", "unit", "after s", "apart, rms", "95 %", "largest", "moved, rms")
        lines.append("  " + "  ".join(f"{cell:>10s}" for cell in head))
        lines += ["  " + "  ".join(f"{cell:>10s}" for cell in cells) for cells in _cells(one)]
    return [*lines, _cost(timing)]


def _cells(one: Compared) -> list[tuple[str, ...]]:
    """The table of a trial as text, without the signals that hardly moved."""
    from sim.engines_report import hardly_moved

    return [
        (
            row["signal"], row["unit"], f"{row['horizon_s']:g}",
            *(f"{row[key]:.2g}" for key in ("rms", "quantile_95", "largest", "moved_rms")),
        )
        for row in one.table()
        if not hardly_moved(row)
    ]  # fmt: skip


def _about(robot: Robot, compared: Sequence[Compared], named: dict[str, str]) -> str:
    engines = " and ".join(f"{engine} {version}" for engine, version in named.items())
    draws = len(next(iter(compared[0].values.values())))
    return f"robot {robot.name}, {draws} draws of each trial, in {engines}"


def _survived(one: Compared) -> str:
    from sim.engines_report import CLOSED

    if one.name != CLOSED:
        return ""
    return "; to the end got " + ", ".join(
        f"{one.upright(engine)} of {len(values)} in {engine}" for engine, values in one.values.items()
    )


def _cost(timing: Timing) -> str:
    (first, first_us), (second, second_us) = timing.step_us.items()
    median, least, most = timing.ratio
    return (
        f"a step costs {first_us:.1f} us in {first} and {second_us:.1f} us in {second}, here and now: "
        f"{median:.2f} times as much in {first} ({least:.2f} to {most:.2f} over {timing.rounds} rounds that took turns)"
    )


def _write_json(
    out: Path, robot: Robot, seeds: range, compared: Sequence[Compared], timing: Timing, named: dict[str, str]
) -> None:
    from robot_il.learning.evaluation import write_text

    values: dict[str, Any] = {
        "robot": robot.name,
        "engines": named,
        "seeds": [seeds.start, seeds.stop],
        "trials": [
            {
                "name": one.name,
                "about": one.about,
                "to_the_end": {engine: one.upright(engine) for engine in one.values},
                "apart": one.table(),
            }
            for one in compared
        ],
        "step_us": timing.step_us,
        "step_ratio": dict(zip(("median", "least", "most"), timing.ratio, strict=True)),
    }
    try:
        write_text(out, json.dumps(values, indent=1))
    except OSError as error:
        raise ConfigError(f"to write {out}", error.strerror or str(error), "choose another place") from error


def _write_page(out: Path, robot: Robot, compared: Sequence[Compared], timing: Timing, named: dict[str, str]) -> None:
    """Writes the page as a whole, under a temporary name first.

    Raises:
        ConfigError: it cannot be written.
    """
    from robot_il.learning import figures_engines
    from robot_il.learning.report_html import Text, figure, heading, note, save_page, table
    from sim.engines_trials import SIGNALS, UNITS

    first, second = named
    sections = [note(_about(robot, compared, named)), note(_cost(timing))]
    head = ("signal", "unit", "after s", "apart, rms", "apart, 95 %", "apart, largest", "moved, rms")
    for one in compared:
        panels = [
            figures_engines.Panel(f"{signal}, {unit}", one.values[first][:, :, place], one.values[second][:, :, place])
            for place, (signal, unit) in enumerate(zip(SIGNALS, UNITS, strict=True))
            if signal in PAGE_SIGNALS
        ]
        draw = functools.partial(figures_engines.trial, one.times_s, panels, (first, second))
        sections += [
            heading(one.name),
            note(f"{one.about}{_survived(one)}"),
            figure(draw, "Above: three draws. Below: how far the engines are apart, over all draws."),
            table(head, [(Text(cells[0]), Text(cells[1]), *cells[2:]) for cells in _cells(one)]),
        ]
    save_page(out, sections, f"robot-il twin engines: {robot.name}")
