"""From logs to a dataset: which ticks are a demonstration, which number is the action, where an episode ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.errors import DataError
from robot_il.learning.dataset import Channel, Dataset
from robot_il.learning.episodes import Episode, assemble, first_transitions, split
from robot_il.recording.reader import Log, read_log
from robot_il.spec import (
    CONTROL_PERIOD_S,
    CONTROL_RATE_HZ,
    LABELS,
    SIGNALS,
    SPEC_HASH,
    TASKS,
    WHEEL_TORQUE,
    Fault,
    Mode,
    Task,
)

MIN_TICKS = 20
"""A shorter run of ticks is no demonstration of anything."""
CONTROLLER = 1
"""Value of the ``source`` signal while the controller, not the fallback, is in charge."""

ACTION_SOURCES = {
    "intent": ("intent",),
    "controller": ("controller_torque",),
    "limited": ("limited_torque",),
    "sent": ("sent_left", "sent_right"),
    "applied": ("applied_left", "applied_right"),
}
"""The links of the action chain that can be learned, and the signals that are summed for each."""
REPORTED_NEXT = ("applied",)
"""A STATE reports these over the period before it, so they are taken from the tick after the one they answer."""


@dataclass(frozen=True)
class Request:
    """What to build.

    Attributes:
        logs: the files of each label, in order.
        task: name in ``spec.TASKS``; None for the one that all logs name.
        action: key of ``ACTION_SOURCES``.
        held_out_fraction: share of each label to keep from training, in [0, 1).
        seed: of the split.
        first: at most so many transitions of a label, the first ones; a label that is not named is not capped.
        takeovers: of a recording in which a person drove for a part of the time, use that part alone.
    """

    logs: Mapping[str, Sequence[Path]]
    task: str | None = None
    action: str = "sent"
    held_out_fraction: float = 0.2
    seed: int = 0
    first: Mapping[str, int | None] | None = None
    takeovers: bool = False


def build_dataset(request: Request, progress: Callable[[str], None] = lambda line: None) -> Dataset:
    """Reads the logs, cuts them into episodes and splits these.

    Args:
        request: what to build.
        progress: called with one line for each log.

    Raises:
        LogError: a log that cannot be read.
        DataError: an unknown task or action, a log given twice, a NaN, or nothing to learn from.
    """
    _check(request)
    logs = _read(request.logs, progress)
    task = _common_task(request.task, [log for _, _, log in logs])
    notes = [note for label, path, log in logs for note in _remarks(label, path, log, task)]
    episodes: list[Episode] = []
    for label in LABELS:
        found: list[Episode] = []
        for path, log in ((path, log) for of_label, path, log in logs if of_label == label):
            parts, dropped = episodes_of_log(log, task, request.action, label, path.name, takeovers=request.takeovers)
            found += parts
            notes += [f"{label}: {path.name}: {line}" for line in dropped]
        cap = (request.first or {}).get(label)
        kept = first_transitions(found, cap)
        notes += _cap_note(label, cap, sum(map(len, found)), sum(map(len, kept)))
        episodes += kept
    parts, split_notes = split(episodes, request.held_out_fraction, request.seed, CONTROL_PERIOD_S)
    return assemble(
        parts,
        task=task.name,
        observation=[Channel(name, SIGNALS[name].unit) for name in task.observation],
        action=[Channel(WHEEL_TORQUE.name, WHEEL_TORQUE.unit, WHEEL_TORQUE.low, WHEEL_TORQUE.high)],
        period_s=CONTROL_PERIOD_S,
        seed=request.seed,
        action_source=request.action,
        spec_hash=SPEC_HASH,
        notes=[*notes, *split_notes],
        meta={"sources": [_source(label, path, log, request.takeovers) for label, path, log in logs]},
    )


def episodes_of_log(
    log: Log, task: Task, action: str, label: str, source: str, *, takeovers: bool = False
) -> tuple[list[Episode], list[str]]:
    """Cuts a log into runs of ticks in which the demonstrator drove an armed, upright robot without a gap.

    A run goes on while the MCU is armed, the controller is in charge and its command was sent, and ``state_seq`` rises
    by 1. It ends in a fall (``terminated``) when the next tick shows a pitch beyond ``task.fall_tilt_rad`` or the
    fault TILT; that tick is then the last transition's next observation.

    Args:
        log: a recording.
        task: whose signals are observed.
        action: key of ``ACTION_SOURCES``.
        label: for all its episodes.
        source: name of the file, for messages.
        takeovers: see ``Request``.

    Returns:
        The episodes, and what was dropped, one line a reason.

    Raises:
        DataError: a NaN in a tick that would be used, named by file, signal and row.
    """
    ticks = log.ticks
    fallen = np.abs(ticks["pitch"]) > task.fall_tilt_rad
    driven = _driven(ticks)
    if takeovers and operator_share(ticks) > 0:
        driven &= np.isfinite(ticks["intent"])
    usable = driven & ~fallen
    fell = fallen | (ticks["faults"] & Fault.TILT).astype(bool)
    follows = np.diff(ticks["state_seq"]) == 1
    valid = usable[:-1] & follows & (usable[1:] | fell[1:])
    observations = np.stack([ticks[name] for name in task.observation], axis=1)
    actions, action_row = _actions(ticks, action)
    episodes: list[Episode] = []
    dropped = _unused(ticks, driven, fallen, int((~follows & usable[:-1] & usable[1:]).sum()))
    for start, stop in _runs(valid):
        if stop - start + 1 < MIN_TICKS:
            dropped.append(f"a fragment of {stop - start + 1} ticks at row {start} (fewer than {MIN_TICKS})")
            continue
        _check_numbers(ticks, task.observation, start, stop + 1, source)
        _check_numbers(ticks, ACTION_SOURCES[action], start + action_row, stop + action_row, source)
        episodes.append(
            Episode(
                label=label,
                source=source,
                source_sha256=log.sha256,
                observations=observations[start:stop],
                actions=actions[start + action_row : stop + action_row, None],
                next_observations=observations[start + 1 : stop + 1],
                terminated=bool(fell[stop]),
                step=np.arange(stop - start, dtype=np.int32),
                time_us=(ticks["mcu_time_us"][start:stop] - ticks["mcu_time_us"][start]).astype(np.int64),
            )
        )
    return episodes, dropped


def _driven(ticks: np.ndarray) -> np.ndarray:
    """(T,) bool: the ticks that the controller, whoever it is, answered with a command."""
    return (ticks["mode"] == Mode.ARMED) & (ticks["source"] == CONTROLLER) & (ticks["sent_seq"] > 0)


def operator_share(ticks: np.ndarray) -> float:
    """Share of the driven ticks on which an operator had the stick, which is where there is an ``intent``."""
    driven = _driven(ticks)
    return float(np.isfinite(ticks["intent"][driven]).mean()) if driven.any() else 0.0


def _actions(ticks: np.ndarray, action: str) -> tuple[np.ndarray, int]:
    """(T,) float32 total torque in N m of each tick, and how many ticks later than its observation it is reported."""
    total = np.sum([ticks[name].astype(np.float64) for name in ACTION_SOURCES[action]], axis=0)
    return total.astype(np.float32), int(action in REPORTED_NEXT)


def _runs(valid: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], valid, [False]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _unused(ticks: np.ndarray, driven: np.ndarray, fallen: np.ndarray, gaps: int) -> list[str]:
    armed = ticks["mode"] == Mode.ARMED
    reasons = Counter(
        {
            "ticks while not armed": int((~armed).sum()),
            "ticks without the demonstrator in charge": int((armed & ~driven).sum()),
            "ticks after a fall": int((driven & fallen).sum()),
            "gaps in state_seq cut": gaps,
        }
    )
    return [f"{count} {reason}" for reason, count in reasons.items() if count]


def _check_numbers(ticks: np.ndarray, names: Sequence[str], start: int, stop: int, source: str) -> None:
    for name in names:
        bad = np.flatnonzero(~np.isfinite(ticks[name][start:stop]))
        if bad.size:
            row = start + int(bad[0])
            hint = "choose another --action" if name == "intent" else "leave that recording out or cut that part away"
            raise DataError(f"finite {name} in {source}", f"{ticks[name][row]} in row {row}", hint)


def _check(request: Request) -> None:
    if request.action not in ACTION_SOURCES:
        raise DataError(f"an action out of {', '.join(ACTION_SOURCES)}", request.action, "correct --action")
    if request.task is not None and request.task not in TASKS:
        raise DataError(f"a task out of {', '.join(TASKS)}", request.task, "correct --task")
    if not 0 <= request.held_out_fraction < 1:
        raise DataError("a held-out fraction in [0, 1)", f"{request.held_out_fraction}", "correct --held-out-fraction")
    unknown = [label for label in request.logs if label not in LABELS]
    if unknown or not any(request.logs.values()):
        came = ", ".join(unknown) or "no log"
        raise DataError(f"logs of the labels {', '.join(LABELS)}", came, "name at least one log, as --expert FILE")
    for label, cap in (request.first or {}).items():
        if cap is not None and cap < 1:
            raise DataError(f"at least 1 transition of {label}", f"{cap}", "correct or leave out the cap")


def _read(logs: Mapping[str, Sequence[Path]], progress: Callable[[str], None]) -> list[tuple[str, Path, Log]]:
    result: list[tuple[str, Path, Log]] = []
    seen: dict[str, Path] = {}
    for label in LABELS:
        for path in logs.get(label, ()):
            log = read_log(path)
            if log.sha256 in seen:
                raise DataError("each recording once", f"{path}, the same as {seen[log.sha256]}", "name it once")
            seen[log.sha256] = path
            if log.session.rate_hz != CONTROL_RATE_HZ:
                remedy = f"record at {CONTROL_RATE_HZ} Hz what is to be learned from"
                raise DataError(f"recordings at {CONTROL_RATE_HZ} Hz", f"{path} at {log.session.rate_hz} Hz", remedy)
            progress(f"{path}: {len(log.ticks)} ticks, {log.session.task}, {log.label}, {log.status}")
            result.append((label, path, log))
    return result


def _common_task(asked: str | None, logs: Sequence[Log]) -> Task:
    names = {asked} if asked else {log.session.task for log in logs}
    if len(names) > 1 or not names <= set(TASKS):
        raise DataError("logs of one task", ", ".join(sorted(map(str, names))), f"name it: --task {'|'.join(TASKS)}")
    return TASKS[str(names.pop())]


def _remarks(label: str, path: Path, log: Log, task: Task) -> list[str]:
    remarks = []
    if log.label != label:
        remarks.append(f"{label}: {path.name}: its own label is {log.label}, overridden")
    if log.session.task != task.name:
        remarks.append(f"{label}: {path.name}: was recorded for the task {log.session.task}, used for {task.name}")
    if log.status != "complete":
        remarks.append(f"{label}: {path.name}: the recording is {log.status}; its readable part was used")
    if log.session.synthetic:
        remarks.append(f"{label}: {path.name}: the demonstrator is synthetic")
    return remarks


def _cap_note(label: str, cap: int | None, found: int, kept: int) -> list[str]:
    if cap is None:
        return []
    if found < cap:
        return [f"{label}: {found} transitions, fewer than the {cap} asked for"]
    return [f"{label}: the first {kept} of {found} transitions"]


def _source(label: str, path: Path, log: Log, takeovers: bool) -> dict[str, Any]:
    """What the dataset says of a recording; ``operator`` is whether a person did everything that was used of it."""
    session, share = log.session, operator_share(log.ticks)
    return {
        "file": path.name,
        "sha256": log.sha256,
        "label": label,
        "own_label": log.label,
        "status": log.status,
        "controller": session.controller,
        "device": session.device,
        "synthetic": session.synthetic,
        "operator": share == 1 or (takeovers and share > 0),
    }
