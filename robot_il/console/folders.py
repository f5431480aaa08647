"""Where the console keeps what people make with it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from robot_il.errors import ConfigError


@dataclass(frozen=True)
class Folders:
    """The folders under one root.

    Attributes:
        root: of all of them.
    """

    root: Path

    @property
    def sessions(self) -> Path:
        """Raw logs, one a connection, and the journals beside them."""
        return self.root / "sessions"

    @property
    def datasets(self) -> Path:
        """A folder a dataset."""
        return self.root / "datasets"

    @property
    def runs(self) -> Path:
        """A folder a training run."""
        return self.root / "runs"

    @property
    def policies(self) -> Path:
        """Exported policies, ``*.onnx``."""
        return self.root / "policies"

    def make(self) -> None:
        """Makes those that are missing.

        Raises:
            ConfigError: one cannot be made.
        """
        for folder in (self.sessions, self.datasets, self.runs, self.policies):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(
                    "a folder that can be written to", f"{folder}: {error.strerror}", "choose another with --data"
                ) from error

    def new_session(self) -> Path:
        """Path of a log that is not there yet, named after the time of day."""
        stem = time.strftime("%Y%m%d-%H%M%S")
        taken = {path.name.split(".")[0] for path in self.sessions.glob(f"{stem}*")}
        number = next(number for number in range(1, 1000) if _numbered(stem, number) not in taken)
        return self.sessions / f"{_numbered(stem, number)}.mcap"

    def policy_files(self) -> list[Path]:
        """The policies, newest first."""
        return sorted(self.policies.glob("*.onnx"), key=lambda path: path.stat().st_mtime, reverse=True)


def _numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem}-{number}"
