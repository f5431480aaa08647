"""From logs to a dataset: which ticks are a demonstration, which number is the action, where an episode ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from robot_il.errors import DataError
from robot_il.learning.build_quality import sort_out
from robot_il.learning.build_request import ACTION_SOURCES, Request, check_request
from robot_il.learning.build_sources import Source, find_sources
from robot_il.learning.dataset import Channel, Dataset
from robot_il.learning.episodes import Episode, assemble, first_transitions, split
from robot_il.recording.chain import ON_BOARD, made_on_board
from robot_il.recording.evidence import stretches
from robot_il.recording.reader import Log
from robot_il.spec import CONTROL_PERIOD_S, LABELS, SIGNALS, SPEC_HASH, WHEEL_TORQUE, Fault, Mode
from robot_il.tasks import TASKS, Task, find_task, is_task

__all__ = ["ACTION_SOURCES", "Request", "build_dataset", "episodes_of_log"]

MIN_TICKS = 20
"""A shorter run of ticks is no demonstration of anything."""
CONTROLLER = 1
"""Value of the ``source`` signal while the controller, not the fallback, is in charge."""

REPORTED_NEXT = ("applied",)
"""A STATE reports these over the period before it, so they are taken from the tick after the one they answer."""


def build_dataset(request: Request, progress: Callable[[str], None] = lambda line: None) -> Dataset:
    """Reads the recordings, takes their episodes, cuts these into runs of transitions and splits them.

    Args:
        request: what to build.
        progress: called with one line for each recording, and for each episode that fails.

    Raises:
        LogError: a recording that cannot be read.
        DataError: an unknown task or action, a recording given twice, an episode with hard failures where these are
            refused, a NaN, or nothing to learn from.
    """
    check_request(request)
    found = find_sources(request, progress)
    sources, quality, quality_notes = sort_out(found.found, request.failed, progress)
    _refuse_empty_links(request.action, sources)
    task = _common_task(request.task, sources)
    notes = [*found.notes, *quality_notes, *(note for source in sources for note in _remarks(source, task))]
    episodes: list[Episode] = []
    for label in LABELS:
        of_label: list[Episode] = []
        for source in (source for source in sources if source.label == label):
            parts, dropped = episodes_of_log(
                source.log, task, request.action, label, source.name, takeovers=request.takeovers
            )
            of_label += parts
            notes += [f"{label}: {source.name}: {line}" for line in dropped]
        cap = (request.first or {}).get(label)
        kept = first_transitions(of_label, cap)
        notes += _cap_note(label, cap, sum(map(len, of_label)), sum(map(len, kept)))
        episodes += kept
    parts, split_notes = split(episodes, request.held_out_fraction, request.seed, CONTROL_PERIOD_S)
    unreadable = [{"source": name, "why": why} for name, why in found.unreadable]
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
        meta={
            "sources": [_described(source, request.takeovers) for source in sources],
            "quality": {**quality, "unreadable": unreadable},
        },
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
    for start, stop in stretches(valid):
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


def _refuse_empty_links(action: str, sources: Sequence[Source]) -> None:
    """Where the MCU itself drove, all links of the chain but the last hold no torque of the demonstrator."""
    for source in sources:
        if action != ON_BOARD and made_on_board(source.log.session.controller):
            came = f"{action!r} for {source.name}, whose torques were made on the MCU"
            raise DataError(f"the action {ON_BOARD!r}", came, f"build it with --action {ON_BOARD}")


def _common_task(asked: str | None, sources: Sequence[Source]) -> Task:
    names = {asked} if asked else {source.episode.task for source in sources}
    if len(names) > 1 or not all(map(is_task, names)):
        raise DataError("logs of one task", ", ".join(sorted(map(str, names))), f"name it: --task {'|'.join(TASKS)}")
    return find_task(str(names.pop()))


def _remarks(source: Source, task: Task) -> list[str]:
    log, own = source.log, source.episode
    remarks = []
    if own.label != source.label:
        remarks.append(f"its own label is {own.label}, overridden")
    if own.task != task.name:
        remarks.append(f"was recorded for the task {own.task}, used for {task.name}")
    if log.status != "complete":
        remarks.append(f"the recording is {log.status}; its readable part was used")
    if log.session.synthetic:
        remarks.append("the demonstrator is synthetic")
    return [f"{source.label}: {source.name}: {remark}" for remark in remarks]


def _cap_note(label: str, cap: int | None, found: int, kept: int) -> list[str]:
    if cap is None:
        return []
    if found < cap:
        return [f"{label}: {found} transitions, fewer than the {cap} asked for"]
    return [f"{label}: the first {kept} of {found} transitions"]


def _described(source: Source, takeovers: bool) -> dict[str, Any]:
    """What the dataset says of a source; ``operator`` is whether a person did everything that was used of it."""
    log = source.log
    session, share = log.session, operator_share(log.ticks)
    return {
        "file": source.path.name,
        "source": source.name,
        "sha256": log.sha256,
        "label": source.label,
        "own_label": source.episode.label,
        "episode": source.provenance(),
        "status": log.status,
        "controller": session.controller,
        "device": session.device,
        "synthetic": session.synthetic,
        "operator": share == 1 or (takeovers and share > 0),
    }
