"""A policy in C (``robot-il export --c``), built for this machine and called through ctypes."""

from __future__ import annotations

import ctypes
import os
import shlex
from pathlib import Path

import numpy as np

from firmware_bridge.compiling import WARNINGS, compiled
from robot_il.errors import PolicyError

NAMES = ("policy.h", "policy.c")
IN_FIRMWARE = "RIL_POLICY_IN_FIRMWARE"
"""What tells the C of policy and firmware that they are to be one."""
MAX_BYTES = 64 * 2**20


class PolicyLibrary:
    """A pair ``policy.h`` and ``policy.c``, compiled with every warning as an error.

    Args:
        folder: of the pair.
        observations: inputs of the policy.
        actions: outputs of the policy.
        extra_flags: further compiler flags, for instance ``-fsanitize=undefined``.

    Attributes:
        path: of the library.

    Raises:
        PolicyError: no such pair.
        ConfigError: there is no C compiler, or it refuses the pair.
    """

    def __init__(self, folder: Path, observations: int, actions: int, *extra_flags: str) -> None:
        compiler = shlex.split(os.environ.get("CC", "cc"))
        flags = [*WARNINGS, "-fPIC", "-shared", *extra_flags]
        self.path = compiled(compiler, flags, policy_sources(folder), "libpolicy-{key}.so")
        library = ctypes.CDLL(str(self.path))
        self._act = library.ril_policy_act
        self._act.restype, self._act.argtypes = None, (ctypes.c_void_p, ctypes.c_void_p)
        self._self_test = library.ril_policy_self_test
        self._self_test.restype, self._self_test.argtypes = ctypes.c_bool, ()
        self._input = np.zeros(observations, np.float32)
        self._output = np.zeros(actions, np.float32)

    def act(self, observation: np.ndarray) -> np.ndarray:
        """The action, (A,) float32, for one raw observation, (S,)."""
        self._input[:] = observation
        self._act(self._input.ctypes.data, self._output.ctypes.data)
        return self._output.copy()

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """The actions, (N, A) float32, for raw observations, (N, S)."""
        return np.stack([self.act(observation) for observation in observations])

    def torque(self, observation: tuple[float, ...]) -> float:
        """The first action for one raw observation."""
        return float(self.act(np.asarray(observation, np.float32))[0])

    def self_test(self) -> bool:
        """Whether the policy's own golden pairs come out."""
        return bool(self._self_test())


def policy_sources(folder: Path) -> list[Path]:
    """Header and source of an exported pair.

    Raises:
        PolicyError: one of them is missing or too large.
    """
    paths = [folder / name for name in NAMES]
    for path in paths:
        try:
            size = path.stat().st_size
        except OSError as error:
            raise PolicyError(
                f"{path.name} in {folder}", error.strerror or str(error), f"make it: robot-il export RUN --c {folder}"
            ) from error
        if size > MAX_BYTES:
            raise PolicyError(f"{path} of at most {MAX_BYTES} bytes", f"{size}", "export a smaller policy")
    return paths
