"""``robot-il evaluate``: scores policies in the lock-step twin, beside the LQR and least squares on the same draws."""

from __future__ import annotations

import argparse
from pathlib import Path

from robot_il.cli.arguments import add_engine, add_randomise, task_name


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "evaluate",
        help="score policies in the twin",
        description="Runs each policy alone (no fallback) through the same randomised starts, pushes and robots in the "
        "lock-step twin, beside the LQR and the least-squares policy of the same data.",
    )
    parser.add_argument("policies", nargs="+", type=Path, metavar="POLICY", help="policy files made by robot-il export")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of an episode (default 10)")
    parser.add_argument("--task", type=task_name, metavar="TASK", help="default: the first policy's task")
    parser.add_argument("--robot", default="reference", help="name or path of the robot profile (default reference)")
    parser.add_argument("--seed", type=int, default=0, help="of the first episode's draw (default 0)")
    add_randomise(parser)
    add_engine(parser)
    parser.add_argument("--workers", type=int, help="processes (default: one a core); the result does not depend on it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores as JSON too")
    parser.add_argument("--env", help="evaluate in this Gymnasium environment instead: Hopper-v4, robot_il/Stand-v0")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluates the policies and prints the table."""
    from robot_il.errors import ConfigError

    if arguments.episodes < 1:
        raise ConfigError("at least one episode", f"--episodes {arguments.episodes}", "ask for more")
    if arguments.env:
        return _run_gym(arguments)
    return _run_twin(arguments)


def _run_twin(arguments: argparse.Namespace) -> int:
    from robot_il.cli.candidates import candidates_for, evaluate_candidates
    from robot_il.cli.rollout import Rollout
    from robot_il.learning.evaluation import format_table, score, to_json, write_text

    candidates, task = candidates_for(arguments.policies, arguments.task)
    rollout = Rollout(arguments.robot, task, arguments.seconds, width=arguments.randomise, engine=arguments.engine)
    seeds = range(arguments.seed, arguments.seed + arguments.episodes)
    results = evaluate_candidates(rollout, candidates, seeds, arguments.workers)
    first = results[0]
    scores = [
        score(candidate.name, episodes, first if episodes is not first else None)
        for candidate, episodes in zip(candidates, results, strict=True)
    ]
    print(
        f"task {task.name}, {arguments.episodes} episodes of {arguments.seconds:g} s in the lock-step twin "
        f"({rollout.robot.name}, {rollout.engine}), draws {seeds.start} to {seeds.stop - 1}, no fallback"
    )
    print(format_table(scores, task.name))
    if arguments.json:
        write_text(arguments.json, to_json(task.name, arguments.seconds, arguments.seed, scores, rollout.engine))
        print(f"scores {arguments.json}")
    return 0


def _run_gym(arguments: argparse.Namespace) -> int:
    import json

    from robot_il.learning.evaluation import write_text
    from robot_il.learning.gym_evaluation import evaluate_in_gym, format_gym_table

    settings = _settings(arguments)
    results = [
        evaluate_in_gym(path, arguments.env, arguments.episodes, arguments.seed, settings=settings)
        for path in arguments.policies
    ]
    print(format_gym_table(results))
    if arguments.json:
        write_text(arguments.json, json.dumps([result.to_json() for result in results], indent=1))
    return 0


def _settings(arguments: argparse.Namespace) -> dict[str, object]:
    """What an environment of ours is made with, once it is known to Gymnasium; nothing for those of others."""
    from sim.gym import NAMESPACE  # the import registers them

    if not arguments.env.startswith(f"{NAMESPACE}/"):
        return {}
    task = {} if arguments.task is None else {"task": arguments.task}
    names = ("robot", "seconds", "randomise", "engine")
    return {**{name: getattr(arguments, name) for name in names}, **task}
