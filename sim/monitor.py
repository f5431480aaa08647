"""What an onlooker beside the twin notes: events with the MCU's time, and from the wire the age of what it acts on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from firmware_bridge.protocol import Decoder
from robot_il.errors import ConfigError
from robot_il.spec import MESSAGES

REMEMBERED = 256
"""STATEs and COMMANDs kept to match answers; at 200 Hz more than a second, twelve times the command timeout."""
_STATE = {field.name: index for index, field in enumerate(MESSAGES["STATE"].fields)}
_COMMAND = {field.name: index for index, field in enumerate(MESSAGES["COMMAND"].fields)}


class EventLog:
    """A file of one JSON object a line, each with ``mcu_time_us`` and ``event``, complete after every line."""

    def __init__(self, path: Path | None) -> None:
        """Makes the file.

        Args:
            path: of a file that does not exist yet; None to log nowhere.

        Raises:
            ConfigError: it exists, or cannot be made.
        """
        try:
            self._file = None if path is None else path.open("x", buffering=1, encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"to make a new log at {path}", error.strerror or str(error), "choose another --log"
            ) from error

    def write(self, event: dict[str, Any]) -> None:
        """Adds an event."""
        if self._file is not None:
            self._file.write(json.dumps(event) + "\n")

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()


class CommandWatch:
    """Follows both directions of the wire to know which STATE the last accepted command answers.

    It does not ask the firmware, whose watchdog it is there to check.

    Attributes:
        answered_us: MCU time of the STATE answered by the last command that the MCU acknowledged; None before one.
        states: number of STATEs seen.
    """

    def __init__(self) -> None:
        self._to_host, self._to_mcu = Decoder(), Decoder()
        self._state_us: dict[int, int] = {}
        self._answers: dict[int, int] = {}
        self._acknowledged = 0
        self.answered_us: int | None = None
        self.states = 0

    def received(self, data: bytes) -> None:
        """Takes bytes from the host."""
        for name, values in self._to_mcu.feed(data):
            if name == "COMMAND":
                command_seq = values[_COMMAND["command_seq"]]
                # Of two with one number the MCU takes the first.
                if command_seq not in self._answers:
                    _remember(self._answers, command_seq, values[_COMMAND["state_seq"]])

    def sent(self, data: bytes) -> None:
        """Takes bytes to the host."""
        for name, values in self._to_host.feed(data):
            if name == "STATE":
                self.states += 1
                _remember(self._state_us, values[_STATE["state_seq"]], values[_STATE["mcu_time_us"]])
                acknowledged = values[_STATE["command_seq"]]
                if acknowledged != self._acknowledged:
                    self._acknowledged = acknowledged
                    self.answered_us = self._state_us.get(self._answers.get(acknowledged, -1), self.answered_us)

    def restart(self) -> None:
        """A new host may begin to count from one again."""
        self._answers.clear()
        self._acknowledged = 0
        self.answered_us = None


def _remember(table: dict[int, int], key: int, value: int) -> None:
    table[key] = value
    if len(table) > REMEMBERED:
        del table[next(iter(table))]
