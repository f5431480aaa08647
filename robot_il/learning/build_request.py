"""What a dataset is to be built of, and what of it makes no sense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from robot_il.errors import DataError
from robot_il.spec import LABELS
from robot_il.tasks import TASKS, is_task

ACTION_SOURCES: Final = {
    "intent": ("intent",),
    "controller": ("controller_torque",),
    "limited": ("limited_torque",),
    "sent": ("sent_left", "sent_right"),
    "applied": ("applied_left", "applied_right"),
}
"""The links of the action chain that can be learned, and the signals that are summed for each."""

REFUSE: Final = "refuse"
DROP: Final = "drop"
KEEP: Final = "keep"
ON_FAILURE: Final = (REFUSE, DROP, KEEP)
"""What to do with an episode that has hard failures: build nothing, leave it out, or use it all the same."""


@dataclass(frozen=True)
class Request:
    """What to build.

    Attributes:
        logs: the files of each label, in order; the label holds whatever the episodes in them carry.
        task: a name that ``tasks.find_task`` knows; None for the one that all episodes name.
        action: key of ``ACTION_SOURCES``.
        held_out_fraction: share of each label to keep from training, in [0, 1).
        seed: of the split.
        first: at most so many transitions of a label, the first ones; a label that is not named is not capped.
        takeovers: of a recording in which a person drove for a part of the time, use that part alone.
        recordings: files, and folders of files, whose episodes keep the labels that they carry.
        failed: one of ``ON_FAILURE``.
        labels: episodes of other labels are left out.
    """

    logs: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    task: str | None = None
    action: str = "sent"
    held_out_fraction: float = 0.2
    seed: int = 0
    first: Mapping[str, int | None] | None = None
    takeovers: bool = False
    recordings: Sequence[Path] = ()
    failed: str = REFUSE
    labels: Sequence[str] = LABELS


def check_request(request: Request) -> None:
    """Refuses what cannot be built.

    Raises:
        DataError: an unknown task, action, label or choice, a number out of range, or no recording at all.
    """
    if request.action not in ACTION_SOURCES:
        raise DataError(f"an action out of {', '.join(ACTION_SOURCES)}", request.action, "correct --action")
    if request.task is not None and not is_task(request.task):
        raise DataError(f"a task out of {', '.join(TASKS)}", request.task, "correct --task")
    if request.failed not in ON_FAILURE:
        raise DataError(f"a choice out of {', '.join(ON_FAILURE)}", request.failed, "correct it")
    if not 0 <= request.held_out_fraction < 1:
        raise DataError("a held-out fraction in [0, 1)", f"{request.held_out_fraction}", "correct --held-out-fraction")
    unknown = [label for label in (*request.logs, *request.labels) if label not in LABELS]
    if unknown:
        raise DataError(f"logs of the labels {', '.join(LABELS)}", ", ".join(unknown), "correct the label")
    if not request.recordings and not any(request.logs.values()):
        raise DataError("at least one log", "no log", "name logs or folders of them, or logs of a label: --expert FILE")
    for label, cap in (request.first or {}).items():
        if cap is not None and cap < 1:
            raise DataError(f"at least 1 transition of {label}", f"{cap}", "correct or leave out the cap")
