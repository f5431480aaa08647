"""``robot-il select``: which of the policies that training left behind to deploy, if any.

The rule by which a policy beats least squares is stated at the top of ``robot_il/learning/selection.py`` and printed
with every verdict. Nothing is written but, with ``--out``, the chosen policy's file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robot_il.cli.candidates import Candidate
    from robot_il.cli.rollout import Rollout
    from robot_il.learning.evaluation import Episode
    from robot_il.learning.selection import Checkpoint, Duel

SCREENING_SHARE = 5
"""The first round takes one in so many draws."""
FINALISTS = 5
EXIT_NONE = 1


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "select",
        help="say which policy of these runs to deploy, or that none beats least squares",
        description="Scores the policies that each run kept (the chosen one, those of doubling steps, the last) on the "
        "same draws in the twin, then the best of them on fresh draws against least squares on the same rows. Where no "
        "twin fits the data, held-out episodes take the place of draws. Exit code 1 if none is deployable.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="complete training runs")
    parser.add_argument("--episodes", type=int, default=50, help="draws, and as many fresh ones (default 50)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of an episode (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the first draw (default 0)")
    parser.add_argument("--robot", default="reference", help="name or path of the robot profile (default reference)")
    parser.add_argument("--workers", type=int, help="processes (default: one a core); the result does not depend on it")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.add_argument("--out", type=Path, metavar="POLICY.onnx", help="write the chosen policy, if one is deployable")
    parser.set_defaults(run=run)


@dataclass(frozen=True)
class Verdict:
    """What came out.

    Attributes:
        deploy: name of the policy to deploy; None where none is deployable.
        checkpoint: that policy.
        reason: why, or why none.
        rule: by which it was judged.
        table: for a person.
        numbers: the same for a program.
    """

    deploy: str | None
    checkpoint: Checkpoint | None
    reason: str
    rule: str
    table: str
    numbers: dict[str, Any]


def run(arguments: argparse.Namespace) -> int:
    """Judges, prints, and writes the chosen policy where that is asked."""
    from robot_il.errors import ConfigError
    from robot_il.learning.export import dataset_of, export_policy
    from robot_il.learning.runs import RunFolder
    from robot_il.learning.selection import checkpoints_of
    from robot_il.tasks import find_task, is_task

    if arguments.episodes < SCREENING_SHARE:
        raise ConfigError(f"at least {SCREENING_SHARE} episodes", f"--episodes {arguments.episodes}", "ask for more")
    paths = list(dict.fromkeys(path.resolve() for path in arguments.runs))
    configs = {path: RunFolder.open(path).config() for path in paths}
    if len({config["dataset"]["hash"] for config in configs.values()}) > 1:
        raise ConfigError("runs of one dataset", "runs of several", "select among those that share their data")
    if all(config["method"] == "linear" for config in configs.values()):
        raise ConfigError(
            "a run of another method than linear", "least squares alone", "it is what the others must beat"
        )
    dataset = dataset_of(configs[paths[0]], paths[0])
    unique = len({path.name for path in paths}) == len(paths)
    learned = [path for path in paths if configs[path]["method"] != "linear"]
    found = [each for path in learned for each in checkpoints_of(path, path.name if unique else str(path))]
    if is_task(dataset.info.task):
        verdict = _in_twin(arguments, find_task(dataset.info.task).name, found)
    else:
        verdict = _offline(dataset, found)
    _show(verdict, as_json=arguments.json)
    if verdict.checkpoint is None:
        return EXIT_NONE
    if arguments.out:
        chosen = verdict.checkpoint
        export_policy(chosen.run, arguments.out, None if chosen.chosen else chosen.step)
        print(f"policy {arguments.out}", file=sys.stderr)
    return 0


def _show(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        fields = {"deploy": verdict.deploy, "reason": verdict.reason, "rule": verdict.rule}
        print(json.dumps(fields | verdict.numbers, indent=1))
        return
    print(verdict.table)
    print(f"\nrule: {verdict.rule}")
    print(f"deploy {verdict.deploy}: {verdict.reason}" if verdict.deploy else f"deploy none of them: {verdict.reason}")


def _in_twin(arguments: argparse.Namespace, task: str, found: Sequence[Checkpoint]) -> Verdict:
    from robot_il.cli.candidates import candidates_for
    from robot_il.cli.rollout import Rollout
    from robot_il.learning.export import export_policy
    from robot_il.tasks import find_task

    with TemporaryDirectory() as folder:
        files = {Path(folder) / f"{number}.onnx": each for number, each in enumerate(found)}
        for path, each in files.items():
            export_policy(each.run, path, None if each.chosen else each.step)
        candidates, _ = candidates_for(list(files), task, [each.name for each in found])
        baselines = [_named_after_run(each, files) for each in candidates if each.path is None or each.baseline]
        others = {each: files[each.path] for each in candidates if each.path is not None and not each.baseline}
        race = _Race(arguments, Rollout(arguments.robot, find_task(task), arguments.seconds))
        return race.judge(baselines, others)


def _named_after_run(baseline: Candidate, files: dict[Path, Checkpoint]) -> Candidate:
    return replace(baseline, name=f"linear ({files[baseline.path].title})") if baseline.path else baseline


class _Race:
    """The rounds in the twin."""

    def __init__(self, arguments: argparse.Namespace, rollout: Rollout) -> None:
        self._rollout, self._workers = rollout, arguments.workers
        self._first, self._count = arguments.seed, arguments.episodes

    def judge(self, baselines: Sequence[Candidate], others: dict[Candidate, Checkpoint]) -> Verdict:
        """Screening, the finals, and the duel on fresh draws."""
        from robot_il.learning.selection import RULE, duel, rank

        screened = self._count // SCREENING_SHARE
        driven = self._drive([*baselines, *others], range(screened))
        finalists = sorted(others, key=lambda each: rank(driven[each]))[:FINALISTS]
        more = self._drive([*baselines, *finalists], range(screened, self._count))
        driven |= {each: driven[each] + episodes for each, episodes in more.items()}
        best = min(finalists, key=lambda each: rank(driven[each]))
        linear = min((each for each in baselines if each.baseline), key=lambda each: rank(driven[each]))
        lqr = baselines[0]
        fresh = self._drive([lqr, linear, best], range(self._count, 2 * self._count))
        outcome = duel(fresh[best], fresh[linear])
        reason = _reason(outcome, fresh[best], fresh[linear], linear.name)
        chosen = others[best] if outcome.won else None
        named = {"lqr": lqr, linear.name: linear, best.name: best}
        table = self._table({each.name: driven[each] for each in [*baselines, *others]}, "draws", "first") + "\n\n"
        table += self._table({name: fresh[each] for name, each in named.items()}, "fresh draws", "second")
        numbers = {
            "screened_draws": screened,
            "draws": _json({each.name: driven[each] for each in driven}),
            "fresh_draws": _json({name: fresh[each] for name, each in named.items()}),
            "best": best.name,
            "baseline": linear.name,
            "duel": outcome.to_json(),
        }
        return Verdict(best.name if outcome.won else None, chosen, reason, RULE, table, numbers)

    def _drive(self, candidates: Sequence[Candidate], draws: range) -> dict[Candidate, list[Episode]]:
        from robot_il.cli.candidates import evaluate_candidates

        seeds = range(self._first + draws.start, self._first + draws.stop)
        return dict(zip(candidates, evaluate_candidates(self._rollout, candidates, seeds, self._workers), strict=True))

    def _table(self, driven: dict[str, list[Episode]], draws: str, title: str) -> str:
        from robot_il.learning.evaluation import format_table, score

        most = max(len(episodes) for episodes in driven.values())
        about = f"{title} round: up to {most} {draws} of {self._rollout.seconds:g} s in the lock-step twin, no fallback"
        lqr = driven["lqr"]
        scores = [
            score(name, episodes, None if name == "lqr" else lqr[: len(episodes)]) for name, episodes in driven.items()
        ]
        return f"{about}\n{format_table(scores)}"


def _json(driven: dict[str, list[Episode]]) -> list[dict[str, Any]]:
    from robot_il.learning.evaluation import score

    return [asdict(score(name, episodes)) for name, episodes in driven.items()]


def _reason(outcome: Duel, best: Sequence[Episode], linear: Sequence[Episode], baseline: str) -> str:
    survived = [sum(episode.survived for episode in episodes) for episodes in (best, linear)]
    text = (
        f"on {len(best)} fresh draws it survived {survived[0]} and {baseline} {survived[1]} "
        f"({outcome.more} draws to {outcome.fewer}, p {outcome.p_survival:.3g}); where both survived it leaned less on "
        f"{outcome.better} and more on {outcome.worse} (p {outcome.p_measure:.3g})"
    )
    return text if outcome.won else f"the best does not beat least squares, which robot-il train linear gives; {text}"


def _offline(dataset: Any, found: Sequence[Checkpoint]) -> Verdict:
    """By the squared error on held-out episodes: every other one to choose by, the others to judge by."""
    import numpy as np

    from robot_il.learning.comparison import Spread
    from robot_il.learning.selection import (
        FEWEST_EPISODES,
        OFFLINE_RULE,
        error_duel,
        held_out_errors,
        judged_rows,
        linear_policies,
    )

    errors = {each: held_out_errors(each.weights, dataset) for each in found}
    baselines = {name: held_out_errors(law, dataset) for name, law in linear_policies(dataset, found).items()}
    count = len(next(iter(errors.values())))
    named = {**baselines, **{each.name: values for each, values in errors.items()}}
    spreads = {name: Spread.of(list(values)) for name, values in named.items()}
    width = max(map(len, named))
    lines = [f"no twin fits the data: mean squared error on {count} held-out {judged_rows(dataset)[1]} episodes"]
    lines += [f"{name:{width}s}  {spread.text(6) if spread else '-'}" for name, spread in spreads.items()]
    numbers = {
        "held_out_episodes": count,
        "mse": {name: float(np.mean(values)) for name, values in named.items() if count},
    }
    if count < FEWEST_EPISODES:
        reason = f"{count} held-out episodes cannot tell; it takes {FEWEST_EPISODES}, or a twin"
        return Verdict(None, None, reason, OFFLINE_RULE, "\n".join(lines), numbers)
    best = min(errors, key=lambda each: errors[each][::2].mean())
    linear = min(baselines, key=lambda name: baselines[name][::2].mean())
    outcome = error_duel(errors[best][1::2], baselines[linear][1::2])
    reason = (
        f"{best.name} errs less than {linear} on {outcome.better} and more on {outcome.worse} of the episodes that did "
        f"not choose it (p {outcome.p_measure:.3g})"
    )
    numbers |= {"best": best.name, "baseline": linear, "duel": outcome.to_json()}
    chosen = best if outcome.won else None
    return Verdict(best.name if chosen else None, chosen, reason, OFFLINE_RULE, "\n".join(lines), numbers)
