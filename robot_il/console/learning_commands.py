"""From recordings to a policy: what is in the folders, and the command line of each step.

Every path in a command is made here, of a folder of the console and a checked name; nothing that a page sends can name
another file or be taken for an option.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from robot_il.console.jobs import Job, checked_name
from robot_il.errors import ConfigError
from robot_il.recording.episode_journal import RECORDING_SUFFIX
from robot_il.spec import LABELS

if TYPE_CHECKING:
    from robot_il.console.folders import Folders

FIRST_METHODS: Final = ("linear", "bc", "dmil", "d2mil")
"""Shown before the others: what to try first, in that order."""
ON_FAILURE: Final[dict[str, tuple[str, ...]]] = {
    "leave out": ("--drop-failed",),
    "build nothing": (),
    "use all the same": ("--keep-failed",),
}
"""What to do with an episode that has hard failures: words for a person, and the option."""
DATASET_FILE: Final = "dataset.json"
SUMMARY_FILE: Final = "summary.json"
"""Written last into the folder of a run, so that it is complete."""
MAX_JSON_BYTES: Final = 16 * 2**20
MAX_EPISODES: Final = 1000
MAX_STEPS: Final = 10_000_000
MAX_SUFFIX: Final = 1000
_STEP: Final = re.compile(r"\b(\d+) of (?:at most )?(\d+)\b")


@dataclass(frozen=True)
class Method:
    """A way to train, in the words of ``robot-il train --list``."""

    name: str
    needs: str
    use: str
    source: str


@dataclass(frozen=True)
class Command:
    """One step.

    Attributes:
        kind: what it does, in a word.
        title: for a person.
        words: arguments of ``robot-il``.
        made: what is there afterwards.
    """

    kind: str
    title: str
    words: tuple[str, ...]
    made: Path | None = None


@dataclass(frozen=True)
class DataSet:
    """A data set in its folder: name, task, rows of each label, and length."""

    name: str
    task: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def words(self) -> str:
        """What is in it, in a line."""
        rows = ", ".join(f"{count} rows {label}" for label, count in self.rows.items())
        return f"{self.task}, {self.seconds:.0f} s: {rows}" if rows else "not readable"


def methods_of(table: Iterable[str]) -> list[Method]:
    """The methods in the output of ``robot-il train --list``, those first that are to be tried first."""
    lines = list(table)
    header = next((index for index, line in enumerate(lines) if line.startswith("method ")), None)
    if header is None:
        return []
    starts = [match.start() for match in re.finditer(r"(?:^|(?<=  ))\S", lines[header])]
    edges = [*starts, None]
    rows = ([line[a:b].strip() for a, b in itertools.pairwise(edges)] for line in lines[header + 1 :])
    found = [Method(*row) for row in rows if len(row) == 4 and row[0]]
    order = {name: place for place, name in enumerate(FIRST_METHODS)}
    return sorted(found, key=lambda method: order.get(method.name, len(order)))


def progress_of(job: Job) -> float | None:
    """How much of a job's steps is done, 0 to 1, by its newest line that says so; None where none does."""
    for line in reversed(job.lines):
        match = _STEP.search(line)
        if match:
            done, most = int(match[1]), int(match[2])
            return min(1.0, done / most) if most else None
    return None


def datasets(folders: Folders) -> list[DataSet]:
    """The data sets, the newest first."""
    return [_dataset(path) for path in _newest(folders.datasets, DATASET_FILE)]


def runs(folders: Folders) -> list[str]:
    """The names of the training runs that are complete, the newest first."""
    return [path.name for path in _newest(folders.runs, SUMMARY_FILE)]


def policies(folders: Folders) -> list[str]:
    """The names of the policies, the newest first."""
    return [path.stem for path in folders.policy_files()]


def free_name(folder: Path, wanted: str, suffix: str = "") -> str:
    """``wanted``, or that with the first number behind it that nothing in ``folder`` has yet."""
    names = (wanted, *(f"{wanted}-{number}" for number in range(2, MAX_SUFFIX)))
    return next((name for name in names if not (folder / f"{name}{suffix}").exists()), wanted)


def build(folders: Folders, logs: Sequence[Path], labels: Sequence[str], name: str, failing: str) -> Command:
    """Makes a data set of the episodes with some labels in some recordings.

    Args:
        folders: of the console.
        logs: finished recordings of ``folders.sessions``.
        labels: of ``spec.LABELS``.
        name: of the data set.
        failing: what to do with an episode that has hard failures; a key of ``ON_FAILURE``.

    Raises:
        ConfigError: nothing chosen, another recording, label or choice, a name that is none or that is taken.
    """
    if not logs or not labels:
        raise ConfigError("recordings and labels to learn from", "none", "choose some")
    if not set(labels) <= set(LABELS):
        raise ConfigError(f"labels of {', '.join(LABELS)}", ", ".join(labels), "choose others")
    for log in logs:
        if log.parent != folders.sessions or log.name.endswith(RECORDING_SUFFIX) or not log.is_file():
            raise ConfigError("a finished recording", log.name, "choose another, or disconnect the robot first")
    if failing not in ON_FAILURE:
        raise ConfigError(f"one of {', '.join(ON_FAILURE)}", repr(failing)[:80], "choose one of them")
    made = _new(folders.datasets, name)
    words = ("dataset", "build", *(str(log.resolve()) for log in logs), "--labels", *labels)
    words += (*ON_FAILURE[failing], "--out", str(made))
    return Command("build", f"Build data set {name}", words, made)


def train(folders: Folders, dataset: str, method: str, known: Iterable[str], name: str, steps: int | None) -> Command:
    """Trains one method on one data set.

    Args:
        folders: of the console.
        dataset: name of a data set.
        method: name of a method.
        known: the methods that there are.
        name: of the run.
        steps: most steps; None for what the method thinks right.

    Raises:
        ConfigError: no such data set or method, a name that is none or that is taken, or no number of steps.
    """
    data = _there(folders.datasets / checked_name(dataset), DATASET_FILE, "a data set")
    if method not in set(known):
        raise ConfigError("a method of robot-il train --list", repr(method)[:80], "choose one of the list")
    if steps is not None and not 1 <= steps <= MAX_STEPS:
        raise ConfigError(f"1 to {MAX_STEPS} steps", str(steps), "choose another number, or none")
    made = _new(folders.runs, name)
    limit = () if steps is None else ("--steps", str(steps))
    words = ("train", method, "--data", str(data), "--out", str(made), "--device", "cpu", *limit)
    return Command("train", f"Train {method} on {dataset}", words, made)


def export(folders: Folders, run: str, name: str) -> Command:
    """Makes a policy of a run.

    Raises:
        ConfigError: no such run, or a name that is none or that is taken.
    """
    source = _there(folders.runs / checked_name(run), SUMMARY_FILE, "a complete training run")
    made = _new(folders.policies, name, ".onnx")
    return Command("export", f"Export policy {name}", ("export", str(source), "--out", str(made)), made)


def evaluate(folders: Folders, policy: str, episodes: int) -> Command:
    """Scores a policy in the twin beside the LQR and least squares; the scores are kept beside the policy.

    Raises:
        ConfigError: no such policy, or another number of episodes.
    """
    path = (folders.policies / f"{checked_name(policy)}.onnx").resolve()
    if not path.is_file():
        raise ConfigError("a policy of the console", policy, "export one first")
    if not 1 <= episodes <= MAX_EPISODES:
        raise ConfigError(f"1 to {MAX_EPISODES} episodes", str(episodes), "choose another number")
    made = path.with_suffix(".scores.json")
    count = ("--episodes", str(episodes), "--workers", "1")
    return Command("evaluate", f"Evaluate {policy}", ("evaluate", str(path), *count, "--json", str(made)), made)


def replay(folders: Folders, log: Path) -> Command:
    """Recomputes the torques of a recording.

    Raises:
        ConfigError: no such recording.
    """
    if log.parent != folders.sessions or not log.is_file():
        raise ConfigError("a recording of the console", log.name, "choose another")
    return Command("replay", f"Recompute {log.name}", ("replay", str(log.resolve())))


def _newest(folder: Path, file: str) -> list[Path]:
    """The folders in ``folder`` that have ``file``, the newest first."""
    found = [path for path in folder.glob("*/") if (path / file).is_file()]
    return sorted(found, key=lambda path: (path / file).stat().st_mtime, reverse=True)


def _new(folder: Path, name: str, suffix: str = "") -> Path:
    path = folder.resolve() / (checked_name(name) + suffix)
    if path.exists():
        raise ConfigError("a new name", f"{name}, which is taken", "choose another name")
    return path


def _there(path: Path, file: str, what: str) -> Path:
    if not (path / file).is_file():
        raise ConfigError(what, path.name, "choose one of the list")
    return path.resolve()


def _dataset(path: Path) -> DataSet:
    """What the folder says of itself; only its name where it says nothing of sense."""
    try:
        info: dict[str, Any] = json.loads(_text(path / DATASET_FILE))
        rows = dict.fromkeys(LABELS, 0)
        for episode in info["episodes"]:
            rows[episode["label"]] += int(episode["rows"])
        seconds = sum(rows.values()) * float(info["period_s"])
        return DataSet(path.name, str(info["task"]), {label: count for label, count in rows.items() if count}, seconds)
    except (OSError, ValueError, KeyError, TypeError):
        return DataSet(path.name)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_JSON_BYTES).decode()
