"""``robot-il collect``: many labelled logs from the lock-step twin, faster than real time."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from robot_il.cli.arguments import add_engine, add_randomise, task_name
from robot_il.spec import LABELS
from robot_il.tasks import find_task

MOST_EPISODES = 1_000_000
"""As many as the names of the logs can count."""

if TYPE_CHECKING:
    from robot_il.cli.collecting import Collected


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "collect",
        help="record many episodes in the lock-step twin",
        description="Drives randomised twins (starts, pushes, robots unlike their profile) and writes one log an "
        "episode, in the format that the robot's recordings have. No fallback helps; an episode ends with a fall. "
        "Run it again to go on where it stopped, or with more --episodes to add some: what is there is kept. For a "
        "mixture: --controller lqr-onboard:600 --controller operator:300 --controller crashing:100.",
    )
    parser.add_argument(
        "--controller",
        required=True,
        action="append",
        metavar="NAME[:EPISODES]",
        help="who drives, may be given several times; robot-il collect --controller list tells who there is",
    )
    parser.add_argument(
        "--label", choices=LABELS, help="quality of the demonstrations (default: what each naturally is)"
    )
    parser.add_argument("--task", default="stand", type=task_name, metavar="TASK")
    parser.add_argument("--episodes", type=int, default=10, help="of each who drives (default 10)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of an episode (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the first episode; the next have the next (default 0)")
    parser.add_argument("--robot", default="reference", help="name or path of the robot profile (default reference)")
    add_randomise(parser)
    add_engine(parser)
    parser.add_argument("--workers", type=int, help="processes (default: one a core); the ticks do not depend on it")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the logs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Collects; returns 0 when every episode is recorded."""
    from robot_il.cli.collecting import Collection, collect_all
    from robot_il.cli.demonstrators import DEMONSTRATORS, listed
    from robot_il.cli.rollout import Rollout
    from robot_il.errors import ConfigError

    if arguments.controller == ["list"]:
        print(listed())
        return 0
    counts = _counts(arguments)
    if arguments.out is None:
        raise ConfigError("--out, a folder", "none", "give one with --out")
    if not arguments.seconds > 0 or arguments.seed < 0:
        came = f"--seconds {arguments.seconds} --seed {arguments.seed}"
        raise ConfigError("episodes of a positive length, and a seed from 0 on", came, "correct them")
    rollout = Rollout(
        arguments.robot,
        find_task(arguments.task),
        arguments.seconds,
        width=arguments.randomise,
        engine=arguments.engine,
    )
    episodes = [
        (Collection(rollout, name, arguments.label or DEMONSTRATORS[name].label, arguments.out), arguments.seed + index)
        for name, count in counts.items()
        for index in range(count)
    ]
    _tell(collect_all(episodes, arguments.workers), arguments.out)
    return 0


def _counts(arguments: argparse.Namespace) -> dict[str, int]:
    """Episodes of each demonstrator that was named.

    Raises:
        ConfigError: nobody of that name, one who is named twice, or no number of episodes.
    """
    from robot_il.cli.demonstrators import DEMONSTRATORS
    from robot_il.errors import ConfigError

    counts: dict[str, int] = {}
    for said in arguments.controller:
        name, _, number = said.partition(":")
        if name not in DEMONSTRATORS:
            raise ConfigError(f"a --controller out of {', '.join(DEMONSTRATORS)}", name, "choose another")
        if name in counts:
            raise ConfigError("each --controller once", f"{name} again", "say how many episodes: NAME:EPISODES")
        count = arguments.episodes if not number else int(number) if number.isascii() and number.isdigit() else 0
        if not 1 <= count <= MOST_EPISODES:
            came = f"--controller {said} --episodes {arguments.episodes}"
            raise ConfigError(f"at least one episode, and at most {MOST_EPISODES}", came, "correct it")
        counts[name] = count
    return counts


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
