"""A deterministic policy as plain arrays: what training hands to the exporter, readable without torch."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.errors import PolicyError

ACTIVATIONS = ("relu", "tanh")
SQUASHES = ("tanh", "clip")
MAX_FILE_BYTES = 256 * 2**20
MAX_LAYERS = 32


@dataclass(frozen=True)
class PolicyWeights:
    """``action = offset + scale * squash(MLP(clip((observation - mean) / obs_scale, -c, c)))``, all in float32.

    Attributes:
        observation_mean: subtracted first, shape (S,), in the observation's units.
        observation_scale: divided by next, shape (S,), positive.
        observation_clip: bound c of the normalised observation; ``inf`` for none.
        layers: (weights of shape (inputs, outputs), bias of shape (outputs,)) each; the activation sits between them.
        activation: ``relu`` or ``tanh``, between layers.
        squash: ``tanh``, or ``clip`` to [-1, 1].
        action_scale: half the action's range, shape (A,), positive, in the action's units.
        action_offset: middle of the action's range, shape (A,).

    Raises:
        PolicyError: shapes that do not fit each other, or a number that is not finite.
    """

    observation_mean: np.ndarray
    observation_scale: np.ndarray
    observation_clip: float
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    action_scale: np.ndarray
    action_offset: np.ndarray
    activation: str = "relu"
    squash: str = "tanh"

    def __post_init__(self) -> None:
        for name in ("observation_mean", "observation_scale", "action_scale", "action_offset"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        object.__setattr__(self, "layers", tuple((_frozen(weight), _frozen(bias)) for weight, bias in self.layers))
        object.__setattr__(self, "observation_clip", float(self.observation_clip))
        self._check_words()
        self._check_shapes()
        self._check_numbers()

    @property
    def observation_size(self) -> int:
        """S, the number of observed signals."""
        return self.observation_mean.size

    @property
    def action_size(self) -> int:
        """A, the number of action dimensions."""
        return self.action_offset.size

    @property
    def action_range(self) -> np.ndarray:
        """Widths of the reachable action interval, shape (A,), in the action's units."""
        return 2 * self.action_scale

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Actions of shape (N, A) or (A,) in the action's units, for raw observations of shape (N, S) or (S,)."""
        hidden = (np.asarray(observation, dtype=np.float32) - self.observation_mean) / self.observation_scale
        hidden = np.clip(hidden, -self.observation_clip, self.observation_clip)
        for weight, bias in self.layers[:-1]:
            hidden = hidden @ weight + bias
            hidden = np.maximum(hidden, 0) if self.activation == "relu" else np.tanh(hidden)
        weight, bias = self.layers[-1]
        output = hidden @ weight + bias
        output = np.tanh(output) if self.squash == "tanh" else np.clip(output, -1, 1)
        return self.action_offset + self.action_scale * output

    def save(self, path: Path) -> None:
        """Writes an npz of plain arrays, under a temporary name first."""
        arrays: dict[str, Any] = {
            "observation_mean": self.observation_mean,
            "observation_scale": self.observation_scale,
            "observation_clip": np.float64(self.observation_clip),
            "action_scale": self.action_scale,
            "action_offset": self.action_offset,
            "activation": np.str_(self.activation),
            "squash": np.str_(self.squash),
        }
        for index, (weight, bias) in enumerate(self.layers):
            arrays[f"weight{index}"] = weight
            arrays[f"bias{index}"] = bias
        temporary = path.with_name(path.name + ".part")
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> PolicyWeights:
        """Reads what ``save`` wrote.

        Raises:
            PolicyError: missing, too large, not such an npz, or inconsistent inside.
        """
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise PolicyError(f"at most {MAX_FILE_BYTES} bytes", f"{path} of {path.stat().st_size}", "name another")
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            count = min(sum(name.startswith("weight") for name in arrays), MAX_LAYERS + 1)
            return cls(
                observation_mean=arrays["observation_mean"],
                observation_scale=arrays["observation_scale"],
                observation_clip=float(arrays["observation_clip"]),
                layers=tuple((arrays[f"weight{index}"], arrays[f"bias{index}"]) for index in range(count)),
                action_scale=arrays["action_scale"],
                action_offset=arrays["action_offset"],
                activation=str(arrays["activation"]),
                squash=str(arrays["squash"]),
            )
        except (OSError, KeyError, ValueError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
            raise PolicyError(
                "policy weights as training writes them (policy.npz)",
                f"{path}: {error}",
                "train again or name another run",
            ) from error

    def _check_words(self) -> None:
        for name, allowed in (("activation", ACTIVATIONS), ("squash", SQUASHES)):
            if getattr(self, name) not in allowed:
                raise PolicyError(
                    f"{name} out of {', '.join(allowed)}", repr(getattr(self, name)), "choose one of these"
                )
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise PolicyError(f"1 to {MAX_LAYERS} layers", str(len(self.layers)), "build the policy from fewer layers")

    def _check_shapes(self) -> None:
        inputs = self.observation_mean.size
        expected: list[tuple[str, np.ndarray, tuple[int, ...]]]
        expected = [("observation_scale", self.observation_scale, (inputs,))]
        for index, (weight, bias) in enumerate(self.layers):
            outputs = bias.size
            expected += [(f"weight{index}", weight, (inputs, outputs)), (f"bias{index}", bias, (outputs,))]
            inputs = outputs
        expected += [("action_scale", self.action_scale, (inputs,)), ("action_offset", self.action_offset, (inputs,))]
        for name, array, shape in expected:
            if array.shape != shape or 0 in shape:
                raise PolicyError(f"{name} of shape {shape}", str(array.shape), "make the layers fit each other")

    def _check_numbers(self) -> None:
        arrays = [self.observation_mean, self.observation_scale, self.action_scale, self.action_offset]
        arrays += [array for layer in self.layers for array in layer]
        if not all(np.isfinite(array).all() for array in arrays):
            raise PolicyError("finite policy weights", "NaN or infinity", "the training diverged: train again")
        if (self.observation_scale <= 0).any() or (self.action_scale <= 0).any():
            raise PolicyError("positive scales", "zero or less", "check the normaliser and the action limits")
        if math.isnan(self.observation_clip) or self.observation_clip <= 0:
            raise PolicyError("a positive observation clip", str(self.observation_clip), "use inf for no clipping")


def _frozen(array: np.ndarray) -> np.ndarray:
    """A read-only float32 copy."""
    copy = np.array(array, dtype=np.float32)
    copy.flags.writeable = False
    return copy
