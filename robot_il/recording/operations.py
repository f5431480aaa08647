"""The vocabulary in which episodes are made and edited: one JSON object an operation.

The same objects are the detail of a log's ``episode`` events and the lines of the journal beside it, as described in
data/formats/log.md. Here is what makes one well formed; whether it fits the episodes that there are, the book decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from robot_il.errors import LogError
from robot_il.spec import LABELS
from robot_il.tasks import TASKS, is_task

EPISODE_EVENT: Final = "episode"
"""Name of the events of a log that carry an operation."""
LABEL_WORDS: Final = {"expert": "good", "suboptimal": "ok", "undesirable": "bad", "unlabeled": "no label"}
"""What the labels of ``spec.LABELS`` are called where a person drives: on the page and by the keys of a terminal."""
MAX_OPERATION_BYTES: Final = 3500
"""Bound on one operation as JSON; with its event around it, it fits into a record of the ring."""
MAX_NOTE: Final = 500
MAX_WORD: Final = 64
"""Characters of an identifier or of the name of a mode."""
MAX_REASONS: Final = 16
MAX_REASON: Final = 200
MAX_PARTS: Final = 100
"""Episodes that one merge may name."""

_WORD: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._+-]{{0,{MAX_WORD - 1}}}")
_REMEDY: Final = "see data/formats/log.md for the operations on episodes"


def _refuse(expected: str, value: object) -> NoReturn:
    raise LogError(f"{expected} in an operation on episodes", repr(value)[:80], _REMEDY)


def _time(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        _refuse("a time in whole ns", value)
    return value


def _word(value: object) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        _refuse(f"a word of at most {MAX_WORD} letters, digits and ._+-", value)
    return value


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= MAX_PARTS:
        _refuse(f"a list of 2 to {MAX_PARTS} episodes", value)
    words = tuple(_word(entry) for entry in value)
    if len(set(words)) < len(words):
        _refuse("each episode once", list(words))
    return words


def _pair(value: object) -> tuple[str, ...]:
    words = _words(value)
    if len(words) != 2:
        _refuse("two episodes to split into", list(words))
    return words


def _text(value: object, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        _refuse(f"a text of at most {most} characters", value)
    return value


def _note(value: object) -> str:
    return _text(value, MAX_NOTE)


def _reasons(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_REASONS:
        _refuse(f"a list of at most {MAX_REASONS} reasons", value)
    return tuple(_text(entry, MAX_REASON) for entry in value)


def _label(value: object) -> str:
    if not isinstance(value, str) or value not in LABELS:
        _refuse(f"a label of {', '.join(LABELS)}", value)
    return value


def _task(value: object) -> str:
    if not isinstance(value, str) or not is_task(value):
        _refuse(f"a task of {', '.join(TASKS)}", value)
    return value


_Fields = dict[str, Callable[[object], Any]]

OPERATIONS: Final[dict[str, _Fields]] = {
    "start": {"id": _word, "start_ns": _time, "task": _task, "mode": _word},
    "stop": {"id": _word, "stop_ns": _time},
    "add": {"id": _word, "start_ns": _time, "stop_ns": _time, "task": _task, "mode": _word},
    "label": {"id": _word, "label": _label},
    "note": {"id": _word, "note": _note},
    "propose": {"id": _word, "label": _label, "reasons": _reasons},
    "trim": {"id": _word, "start_ns": _time, "stop_ns": _time},
    "split": {"id": _word, "at_ns": _time, "into": _pair},
    "merge": {"ids": _words, "into": _word},
    "delete": {"id": _word},
    "restore": {"id": _word},
}
"""The fields of each operation, and what makes each of them right."""
_OPTIONAL: Final[_Fields] = {"unix_ns": _time, "by": _word}
"""When it was made by the wall clock, and who said so; any operation may have them."""


def well_formed(operation: object) -> dict[str, Any]:
    """The operation with the fields that it needs and no others.

    Args:
        operation: JSON values, from anywhere.

    Raises:
        LogError: no such operation, a field missing or of another type, or more text than is allowed.
    """
    if not isinstance(operation, dict):
        _refuse("a JSON object", operation)
    name = operation.get("op")
    fields = OPERATIONS.get(name) if isinstance(name, str) else None
    if fields is None:
        _refuse(f"one of {', '.join(OPERATIONS)}", name)
    missing = [key for key in fields if key not in operation]
    if missing:
        _refuse(f"{', '.join(missing)} of {name}", sorted(map(str, operation)))
    known = {**fields, **{key: kind for key, kind in _OPTIONAL.items() if key in operation}}
    checked = {"op": name, **{key: kind(operation[key]) for key, kind in known.items()}}
    size = len(json.dumps(checked))
    if size > MAX_OPERATION_BYTES:
        _refuse(f"at most {MAX_OPERATION_BYTES} bytes", f"{size} bytes of {name}")
    return checked
