"""What a recording says about itself before its first tick."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from robot_il.errors import ConfigError, LogError
from robot_il.spec import CONTROL_RATE_HZ, LABELS, LOOP_RATES_HZ
from robot_il.tasks import find_task

MAX_SESSION_BYTES = 256 * 1024
"""Bound on the JSON text of a session, writing and reading."""


@dataclass(frozen=True)
class Session:
    """Who recorded what, with which settings.

    Attributes:
        task: a name that ``tasks.find_task`` knows.
        label: one of ``spec.LABELS``; a later label message in the log overrides it.
        controller: what drove: at least ``name``; further settings as it likes.
        device: the robot or twin: identity, port.
        config: every other setting of the run.
        synthetic: True where a synthetic operator or a simulated robot made the data.
        note: free text.
    """

    task: str
    label: str
    controller: dict[str, Any] = field(default_factory=dict)
    device: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    synthetic: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        find_task(self.task)
        check_label(self.label)

    @property
    def rate_hz(self) -> int:
        """Ticks a second that were asked for; recordings that do not say were made at the control rate.

        Raises:
            LogError: a rate that no loop runs at.
        """
        rate_hz = self.device.get("rate_hz", CONTROL_RATE_HZ)
        if rate_hz not in LOOP_RATES_HZ:
            raise LogError(f"a rate of {', '.join(map(str, LOOP_RATES_HZ))} Hz", f"{rate_hz!r}", "record again")
        return int(rate_hz)

    def to_json(self) -> dict[str, Any]:
        """The session as JSON values.

        Raises:
            ConfigError: a setting that JSON cannot hold, or more than ``MAX_SESSION_BYTES`` of them.
        """
        try:
            text = json.dumps(asdict(self), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError("a session of JSON values", str(error), "convert that setting") from error
        if len(text) > MAX_SESSION_BYTES:
            raise ConfigError(f"at most {MAX_SESSION_BYTES} bytes of session", f"{len(text)}", "shorten the settings")
        return json.loads(text)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Session:
        """The session in a log's session message; fields of the writer's own are left aside.

        Raises:
            LogError: fields are missing or of another type.
        """
        try:
            session = cls(**{entry.name: values[entry.name] for entry in fields(cls)})
        except (KeyError, TypeError, ConfigError) as error:
            raise LogError("a complete session message", str(error), "record with this version") from error
        if not all(isinstance(part, dict) for part in (session.controller, session.device, session.config)):
            raise LogError("controller, device and config as objects", "other types", "record with this version")
        return session


def check_label(label: str) -> None:
    """Refuses what is not one of ``spec.LABELS``.

    Raises:
        ConfigError: another label.
    """
    if label not in LABELS:
        raise ConfigError(f"a label of {', '.join(LABELS)}", repr(label), "name one of them")
