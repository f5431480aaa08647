"""What a policy file says about itself; see data/formats/policy.md."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from robot_il.errors import PolicyError
from robot_il.spec import CONTROL_PERIOD_S, SIGNALS, SPEC_HASH, WHEEL_TORQUE
from robot_il.tasks import Task

POLICY_FORMAT = 1
DESCRIPTION_KEY = "robot_il.description"
GOLDEN_KEY = "robot_il.golden"
HASH_KEY = "robot_il.content_sha256"
NO_HASH = "0" * 64
"""Stands in the hash's place while the file is hashed."""
_HASH_MARKER = HASH_KEY.encode() + b"\x12\x40"
MAX_METADATA_CHARACTERS = 2**20
TOLERANCE = 1e-5
"""Largest difference between two evaluations of a policy, as a share of the action's range."""


@dataclass(frozen=True)
class PolicySignal:
    """One input or output of a policy.

    Attributes:
        name: the signal.
        unit: its unit.
        low: smallest action; None for an observation.
        high: largest action.
    """

    name: str
    unit: str
    low: float | None = None
    high: float | None = None

    @property
    def named(self) -> tuple[str, str]:
        """Name and unit."""
        return self.name, self.unit


@dataclass(frozen=True)
class LinearBaseline:
    """The least-squares policy of the same training rows: ``weights @ observation + bias``, clipped to the limits.

    Attributes:
        weights: A rows of S numbers, action's unit per observation's unit.
        bias: A numbers, in the action's unit.
    """

    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]


@dataclass(frozen=True)
class PolicyMetadata:
    """Where a policy comes from and where it belongs.

    Attributes:
        task: a name that ``tasks.find_task`` knows, "" for one trained on foreign data.
        spec_hash: of the spec its data were recorded under, "" for foreign data.
        observation: the inputs, in order.
        action: the outputs with their limits.
        action_source: which link of the action chain was learned.
        period_s: time between two calls, in s; 0 where the data did not say.
        method: name of the training method.
        dataset_hash: of the dataset.
        config_hash: SHA-256 of the run's config.json.
        code_version: of the code that trained it.
        training: what the run's summary said (chosen step, held-out error, ...).
        dataset_meta: what the dataset said about its source (an environment's name, reference returns, ...).
        baseline: what this policy has to beat, None where it was not fitted.
    """

    task: str
    spec_hash: str
    observation: tuple[PolicySignal, ...]
    action: tuple[PolicySignal, ...]
    action_source: str
    period_s: float
    method: str
    dataset_hash: str
    config_hash: str
    code_version: str
    training: dict[str, Any] = field(default_factory=dict)
    dataset_meta: dict[str, Any] = field(default_factory=dict)
    baseline: LinearBaseline | None = None

    @property
    def action_range(self) -> np.ndarray:
        """Width of each action's limits, shape (A,)."""
        return np.array([float(signal.high or 0) - float(signal.low or 0) for signal in self.action])

    def to_json(self) -> str:
        """The metadata as the file's description."""
        return json.dumps({"format": POLICY_FORMAT, **asdict(self)}, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> PolicyMetadata:
        """Reads a description.

        Raises:
            PolicyError: of another format, or not a description at all.
        """
        content = load_json(text, DESCRIPTION_KEY)
        version = content.pop("format", None) if isinstance(content, dict) else None
        if version != POLICY_FORMAT:
            raise PolicyError(f"policy format {POLICY_FORMAT}", f"{version}", "export it again with this version")
        try:
            content["observation"] = tuple(PolicySignal(**signal) for signal in content["observation"])
            content["action"] = tuple(PolicySignal(**signal) for signal in content["action"])
            content["baseline"] = _baseline(content.get("baseline"))
            metadata = cls(**content)
            metadata._check_types()
        except (KeyError, TypeError, ValueError) as error:
            raise PolicyError("a complete policy description", f"{error}", "export it again") from error
        return metadata

    def _check_types(self) -> None:
        """Raises ValueError for a field that JSON brought as something else."""
        texts = [self.task, self.spec_hash, self.action_source, self.method, self.dataset_hash, self.config_hash]
        texts += [self.code_version, *(text for signal in (*self.observation, *self.action) for text in signal.named)]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a name, unit or hash that is no text")
        if not isinstance(self.period_s, (int, float)) or not 0 <= self.period_s < math.inf:
            raise ValueError(f"period_s {self.period_s!r}")
        if not isinstance(self.training, dict) or not isinstance(self.dataset_meta, dict):
            raise ValueError("training or dataset_meta that is no object")
        for signal in self.action:
            limits = [limit for limit in (signal.low, signal.high) if isinstance(limit, (int, float))]
            if len(limits) != 2 or not -math.inf < limits[0] < limits[1] < math.inf:
                raise ValueError(f"limits {signal.low!r} and {signal.high!r} of {signal.name}")
        if self.baseline is not None:
            sizes = [len(self.observation)] * len(self.action), len(self.action)
            if ([len(row) for row in self.baseline.weights], len(self.baseline.bias)) != sizes:
                raise ValueError("a baseline of other sizes")

    def check_fits(self, task: Task) -> None:
        """Refuses a policy that was not made for ``task`` on this robot.

        Raises:
            PolicyError: another spec, task, observation, action or rate, with both sides named.
        """
        remedy = "export a policy that was trained for this task and spec"
        if self.spec_hash != SPEC_HASH:
            raise PolicyError(f"a policy of spec {SPEC_HASH[:12]}", self.spec_hash[:12] or "none", remedy)
        if self.task != task.name:
            raise PolicyError(f"a policy for task {task.name}", self.task or "none", remedy)
        wanted = [(name, SIGNALS[name].unit) for name in task.observation]
        has = [signal.named for signal in self.observation]
        if has != wanted:
            raise PolicyError(f"observation {_named(wanted)}", _named(has), remedy)
        acts = [signal.named for signal in self.action]
        if acts != [(WHEEL_TORQUE.name, WHEEL_TORQUE.unit)]:
            raise PolicyError(f"action {_named([(WHEEL_TORQUE.name, WHEEL_TORQUE.unit)])}", _named(acts), remedy)
        low, high = self.action[0].low, self.action[0].high
        if low is None or high is None or low < float(WHEEL_TORQUE.low or 0) or high > float(WHEEL_TORQUE.high or 0):
            raise PolicyError(
                f"torque within {WHEEL_TORQUE.low} to {WHEEL_TORQUE.high} N m", f"{low} to {high}", remedy
            )
        if not abs(self.period_s - CONTROL_PERIOD_S) <= 1e-9:
            raise PolicyError(f"a period of {CONTROL_PERIOD_S} s", f"{self.period_s} s", remedy)


@dataclass(frozen=True)
class GoldenPairs:
    """Inputs and the outputs that every evaluation of the policy must give.

    Attributes:
        observations: (G, S) float32.
        actions: (G, A) float32.
    """

    observations: np.ndarray
    actions: np.ndarray

    def to_json(self) -> str:
        """Both as nested lists; float32 survives decimal text unchanged."""
        return json.dumps({"observations": self.observations.tolist(), "actions": self.actions.tolist()})

    @classmethod
    def from_json(cls, text: str, observation_size: int, action_size: int) -> GoldenPairs:
        """Reads at least one pair of these sizes.

        Raises:
            PolicyError: none, of other sizes, or not finite.
        """
        content = load_json(text, GOLDEN_KEY)
        try:
            pairs = cls(*(np.array(content[name], dtype=np.float32) for name in ("observations", "actions")))
            count = len(pairs.observations)
            shapes = (pairs.observations.shape, pairs.actions.shape)
            if not count or shapes != ((count, observation_size), (count, action_size)):
                raise ValueError(f"shapes {shapes}")
            if not (np.isfinite(pairs.observations).all() and np.isfinite(pairs.actions).all()):
                raise ValueError("a value that is not finite")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            expected = f"golden pairs of sizes {observation_size} and {action_size}"
            raise PolicyError(expected, f"{error}", "export it again") from error
        return pairs


def content_hash(file_bytes: bytes) -> tuple[str, str]:
    """(the hash a policy file carries, the hash it should carry): 64 hex digits each, the first "" where it has none.

    The second is the SHA-256 of the file with zeros in the place of the first. The place is found without parsing the
    file, so that nothing is parsed that is not known to be whole: in an ONNX model a metadata value follows its key as
    the bytes 12 (field 2, counted) and 40 (64 of them).
    """
    before, marker, rest = file_bytes.partition(_HASH_MARKER)
    if not marker or _HASH_MARKER in rest or len(rest) < len(NO_HASH):
        return "", ""
    stored = rest[: len(NO_HASH)].decode("ascii", "replace")
    return stored, hashlib.sha256(before + marker + NO_HASH.encode() + rest[len(NO_HASH) :]).hexdigest()


def with_content_hash(file_bytes: bytes) -> bytes:
    """The file with its content hash in the place that ``NO_HASH`` kept for it."""
    before, marker, rest = file_bytes.partition(_HASH_MARKER)
    return before + marker + content_hash(file_bytes)[1].encode() + rest[len(NO_HASH) :]


def load_json(text: str, key: str) -> Any:
    """Parses bounded JSON.

    Raises:
        PolicyError: too long, or not JSON.
    """
    if len(text) > MAX_METADATA_CHARACTERS:
        raise PolicyError(f"{key} of at most {MAX_METADATA_CHARACTERS} characters", f"{len(text)}", "export it again")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{key} in JSON", f"{error}", "export it again") from error


def _baseline(content: Any) -> LinearBaseline | None:
    if content is None:
        return None
    baseline = LinearBaseline(
        tuple(tuple(float(value) for value in row) for row in content["weights"]),
        tuple(float(value) for value in content["bias"]),
    )
    if not all(math.isfinite(value) for row in (*baseline.weights, baseline.bias) for value in row):
        raise ValueError("a baseline that is not finite")
    return baseline


def _named(signals: list[tuple[str, str]]) -> str:
    return "(" + ", ".join(f"{name} [{unit}]" for name, unit in signals) + ")"
