"""``robot-il collect``: many labelled logs from the lock-step twin, faster than real time."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from robot_il.spec import LABELS, TASKS

if TYPE_CHECKING:
    from robot_il.cli.collecting import Collected


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "collect",
        help="record many episodes in the lock-step twin",
        description="Drives randomised twins (starts, pushes, robots unlike their profile) and writes one log an "
        "episode, in the format that the robot's recordings have. No fallback helps; an episode ends with a fall. "
        "Run it again to go on where it stopped, or with more --episodes to add some: what is there is kept.",
    )
    parser.add_argument(
        "--controller", required=True, metavar="NAME", help="who drives; robot-il collect --controller list"
    )
    parser.add_argument("--label", choices=LABELS, help="quality of the demonstrations")
    parser.add_argument("--task", default="stand", choices=tuple(TASKS))
    parser.add_argument("--episodes", type=int, default=10, help="default 10")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of an episode (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the first episode; the next have the next (default 0)")
    parser.add_argument("--robot", default="reference", help="name or path of the robot profile (default reference)")
    parser.add_argument("--workers", type=int, help="processes (default: one a core); the ticks do not depend on it")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the logs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Collects; returns 0 when every episode is recorded."""
    from robot_il.cli.collecting import Collection, collect
    from robot_il.cli.demonstrators import DEMONSTRATORS
    from robot_il.cli.rollout import Rollout
    from robot_il.errors import ConfigError

    if arguments.controller == "list":
        print("\n".join(DEMONSTRATORS))
        return 0
    if arguments.controller not in DEMONSTRATORS:
        raise ConfigError(f"a --controller out of {', '.join(DEMONSTRATORS)}", arguments.controller, "choose another")
    for name, expected in (("label", f"out of {', '.join(LABELS)}"), ("out", "a folder")):
        if getattr(arguments, name) is None:
            raise ConfigError(f"--{name}, {expected}", "none", f"give one with --{name}")
    if arguments.episodes < 1 or not arguments.seconds > 0 or arguments.seed < 0:
        came = f"--episodes {arguments.episodes} --seconds {arguments.seconds} --seed {arguments.seed}"
        raise ConfigError("at least one episode, of a positive length, and a seed from 0 on", came, "correct them")
    rollout = Rollout(arguments.robot, TASKS[arguments.task], arguments.seconds)
    collection = Collection(rollout, arguments.controller, arguments.label, arguments.out)
    seeds = range(arguments.seed, arguments.seed + arguments.episodes)
    _tell(collect(collection, seeds, arguments.workers), arguments.out)
    return 0


def _tell(collected: list[Collected], folder: Path) -> None:
    new = [one for one in collected if one.seconds is not None]
    fell = sum(one.end != "survived" for one in new)
    driven = sum(one.seconds or 0.0 for one in new)
    kept = len(collected) - len(new)
    print(
        f"recorded {len(new)} episodes, {driven:.1f} s driven, {fell} ended early"
        + (f"; {kept} were there already" if kept else "")
    )
    print(f"logs {folder}")
