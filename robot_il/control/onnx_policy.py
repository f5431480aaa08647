"""Runs a policy file in the control loop: onnxruntime alone, one thread, no allocation, proven before its first use."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.control.policy_metadata import (
    DESCRIPTION_KEY,
    GOLDEN_KEY,
    TOLERANCE,
    GoldenPairs,
    PolicyMetadata,
    content_hash,
)
from robot_il.errors import PolicyError
from robot_il.tasks import Task

MAX_FILE_BYTES = 64 * 2**20
WARM_UP_CALLS = 200
INPUT = "observation"
OUTPUT = "action"


class OnnxPolicy:
    """A policy file, loaded and proven: content hash, metadata, shapes, golden pairs.

    Args:
        path: what the exporter wrote.
        task: the task it must be for; None accepts any, as for foreign data.

    Attributes:
        metadata: what the file says about itself.
        golden: its golden pairs.
        sha256: hash of the file, 64 hex digits.

    Raises:
        PolicyError: missing, too large, not ONNX, changed since its export, of another format, spec, task, observation,
            action or rate, or different in its golden pairs; both sides are named.
    """

    def __init__(self, path: Path, task: Task | None = None) -> None:
        content = _read(path)
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._session = _session(path, content)
        self.metadata, golden_text = _metadata(path, self._session)
        if task is not None:
            self.metadata.check_fits(task)
        sizes = len(self.metadata.observation), len(self.metadata.action)
        _check_shapes(path, self._session, *sizes)
        self.golden = GoldenPairs.from_json(golden_text, *sizes)
        self._bind(*sizes)
        self._check_golden(path)
        for _ in range(WARM_UP_CALLS):
            self.act(self.golden.observations[0])

    def torque(self, observation: tuple[float, ...]) -> float:
        """The first action for one raw observation in SI units; NaN when the observation is not finite."""
        # Clip and Relu may turn a NaN into a number, so it is caught before the graph.
        if not math.isfinite(sum(observation)):
            return math.nan
        self._input[0] = observation
        self._run(self._binding)
        return float(self._output[0, 0])

    def act(self, observation: np.ndarray) -> np.ndarray:
        """The action, (A,) float32, for one raw observation, (S,); NaN when that is not finite."""
        self._input[0] = observation
        if not np.isfinite(self._input).all():
            return np.full(self._output.shape[1], np.nan, dtype=np.float32)
        self._run(self._binding)
        return self._output[0].copy()

    def _bind(self, observation_size: int, action_size: int) -> None:
        """Ties the graph's input and output to two arrays of our own, so that a call neither copies nor allocates."""
        self._input = np.zeros((1, observation_size), dtype=np.float32)
        self._output = np.zeros((1, action_size), dtype=np.float32)
        self._binding = self._session.io_binding()
        self._binding.bind_input(INPUT, "cpu", 0, np.float32, self._input.shape, self._input.ctypes.data)
        self._binding.bind_output(OUTPUT, "cpu", 0, np.float32, self._output.shape, self._output.ctypes.data)
        self._run = self._session.run_with_iobinding

    def _check_golden(self, path: Path) -> None:
        actions = np.stack([self.act(observation) for observation in self.golden.observations])
        self.golden_error = float(np.max(np.abs(actions - self.golden.actions) / self.metadata.action_range))
        """Largest difference of a golden output on this machine, as a share of the action's range."""
        if not self.golden_error <= TOLERANCE:
            raise PolicyError(
                f"the golden outputs of {path} within {TOLERANCE:g} of the action's range",
                f"{self.golden_error:.3g}",
                "export it again, and report this processor if it stays so",
            )


def _read(path: Path) -> bytes:
    """The file's bytes, proven to be what the exporter wrote before anything parses them."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_FILE_BYTES else b""
    except OSError as error:
        raise PolicyError("a policy file", f"{path}: {error.strerror}", "export a run: robot-il export RUN") from error
    if size > MAX_FILE_BYTES:
        raise PolicyError(f"a policy file of at most {MAX_FILE_BYTES} bytes", f"{path} of {size}", "name another file")
    stored, actual = content_hash(content)
    if not stored:
        raise PolicyError("a policy exported by robot-il", f"{path} without its content hash", "export a run")
    if stored != actual:
        raise PolicyError(
            f"content hash {stored[:12]!r} in {path}", actual[:12], "it was changed after its export: export it again"
        )
    return content


def _session(path: Path, content: bytes) -> Any:
    # Imported here so that a program that only describes policies need not load it.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # onnxruntime's own exceptions have no common base but this one
        reason = str(error).splitlines()[0][:200]
        raise PolicyError("an ONNX model", f"{path}: {reason}", "export the run again") from error


def _metadata(path: Path, session: Any) -> tuple[PolicyMetadata, str]:
    """The file's description and the text of its golden pairs."""
    found = session.get_modelmeta().custom_metadata_map
    missing = [key for key in (DESCRIPTION_KEY, GOLDEN_KEY) if key not in found]
    if missing:
        raise PolicyError(f"{', '.join(missing)} in the metadata of {path}", ", ".join(found), "export the run again")
    return PolicyMetadata.from_json(found[DESCRIPTION_KEY]), found[GOLDEN_KEY]


def _check_shapes(path: Path, session: Any, observation_size: int, action_size: int) -> None:
    for kind, values, name, size in (
        ("input", session.get_inputs(), INPUT, observation_size),
        ("output", session.get_outputs(), OUTPUT, action_size),
    ):
        came = [(value.name, value.type, list(value.shape)) for value in values]
        if len(came) != 1 or came[0][:2] != (name, "tensor(float)") or came[0][2][1:] != [size]:
            raise PolicyError(
                f"one {kind} {name} of float32 and shape (N, {size}) in {path}", str(came), "export the run again"
            )
