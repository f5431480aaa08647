"""The folder of one training run.

    config.json       method, settings, seed, dataset, code, device and numerics; written first
    metrics.jsonl     one object a line: step, split, seconds and values
    checkpoints/      last.pt (everything, to resume from), best.pt (networks of the chosen step),
                      policy-STEP.npz (policies of steps that double, and of the last)
    policy.npz        the chosen policy as PolicyWeights
    pairs.jsonl       the preference pairs, where a file named them
    summary.json      what came out; written last, so that its presence means the run is complete

Every file but the metrics is written under a temporary name and renamed; the metrics are cut back to the checkpoint on
resuming.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from robot_il.errors import ConfigError, TrainingError
from robot_il.learning.policy_weights import PolicyWeights

FORMAT_VERSION = 1
MAX_JSON_BYTES = 16 * 2**20
MAX_CHECKPOINT_BYTES = 4 * 2**30


@dataclass(frozen=True)
class RunFolder:
    """Where a run lives."""

    path: Path

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any], files: Mapping[str, bytes] | None = None) -> RunFolder:
        """A new folder with its ``config.json`` and, by name, what else the run has to keep.

        Raises:
            ConfigError: something is there already.
        """
        refuse_existing(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".part")
        shutil.rmtree(temporary, ignore_errors=True)
        (temporary / "checkpoints").mkdir(parents=True)
        write_json(temporary / "config.json", {"format": FORMAT_VERSION, **config})
        (temporary / "metrics.jsonl").touch()
        for name, content in (files or {}).items():
            (temporary / name).write_bytes(content)
        temporary.replace(path)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run.

        Raises:
            ConfigError: ``path`` is none, or one of another format.
        """
        run = cls(path)
        if run.config().get("format") != FORMAT_VERSION:
            raise ConfigError(
                f"a run of format {FORMAT_VERSION}", f"{run.config().get('format')} in {path}", "train it again"
            )
        return run

    def config(self) -> dict[str, Any]:
        """What ``config.json`` holds.

        Raises:
            ConfigError: there is none.
        """
        return read_json(self.path / "config.json", "a run folder with config.json")

    def amend(self, values: Mapping[str, Any]) -> None:
        """Replaces some of what ``config.json`` holds."""
        write_json(self.path / "config.json", {**self.config(), **values})

    def summary(self) -> dict[str, Any] | None:
        """What ``summary.json`` holds; None where the run is not complete."""
        path = self.path / "summary.json"
        return read_json(path, "a run's summary.json") if path.exists() else None

    def policy(self) -> PolicyWeights:
        """The chosen policy.

        Raises:
            PolicyError: there is none yet, or it is damaged.
        """
        return PolicyWeights.load(self.path / "policy.npz")

    def keep_policy(self, step: int, policy: PolicyWeights) -> None:
        """Keeps the policy of a step beside the chosen one."""
        policy.save(self.path / "checkpoints" / f"policy-{step:08d}.npz")

    def kept_policies(self) -> dict[int, PolicyWeights]:
        """Those, by step.

        Raises:
            PolicyError: one is damaged.
        """
        paths = sorted((self.path / "checkpoints").glob("policy-*.npz"))
        return {int(path.stem.removeprefix("policy-")): PolicyWeights.load(path) for path in paths}

    @property
    def metrics_path(self) -> Path:
        """Of ``metrics.jsonl``."""
        return self.path / "metrics.jsonl"

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """Adds one line; a value that is not finite becomes null, which JSON can hold."""
        line = json.dumps({key: _finite(value) for key, value in record.items()}, allow_nan=False)
        with self.metrics_path.open("a") as file:
            file.write(line + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """Every line; a last one that was cut by a crash is left out."""
        lines = self.metrics_path.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replaces ``last.pt``; the state remembers how long the metrics are."""
        content = {**state, "metrics_bytes": self.metrics_path.stat().st_size}
        write_tensors(self.path / "checkpoints" / "last.pt", content)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last checkpoint, with the metrics cut back to it; None (and empty metrics) before the first.

        Raises:
            TrainingError: it is damaged.
        """
        path = self.path / "checkpoints" / "last.pt"
        state = read_tensors(path) if path.exists() else None
        os.truncate(self.metrics_path, 0 if state is None else state["metrics_bytes"])
        return state


def refuse_existing(path: Path) -> None:
    """Checks that a new run may be written there.

    Raises:
        ConfigError: something is there already.
    """
    if path.exists():
        raise ConfigError("a new run folder", f"{path}, which is there already", "name another, or add --resume")


def code_identity() -> dict[str, str]:
    """The installed version, and a hash of every source file that training depends on."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*package.rglob("*.py"), package.parent / "spec.py", package.parent / "tasks.py"]):
        digest.update(path.relative_to(package.parent).as_posix().encode() + b"\0" + path.read_bytes())
    return {"version": importlib.metadata.version("robot-il"), "hash": digest.hexdigest()}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file as a whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    temporary.replace(path)


def read_json(path: Path, expected: str) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        ConfigError: missing, too large, or not one.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ValueError(f"more than {MAX_JSON_BYTES} bytes")
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError) as error:
        raise ConfigError(expected, f"{path}: {error}", "name a run folder") from error
    return content


def write_tensors(path: Path, content: Mapping[str, Any]) -> None:
    """Writes tensors and plain values as a whole or not at all, and makes sure they reached the disk."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        torch.save(dict(content), file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_tensors(path: Path) -> dict[str, Any]:
    """Reads what ``write_tensors`` wrote; nothing in the file is executed.

    Raises:
        TrainingError: too large, damaged, or not such a file.
    """
    try:
        if path.stat().st_size > MAX_CHECKPOINT_BYTES:
            raise ValueError(f"more than {MAX_CHECKPOINT_BYTES} bytes")
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch.load raises whatever the damaged byte led it to
        detail = str(error).strip().splitlines()
        raise TrainingError(
            "a checkpoint as training writes it", f"{path}: {detail[0] if detail else error!r}", "train again"
        ) from error


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not abs(value) < float("inf") else value
