"""A policy in C on the emulated Cortex-M4F, one call at a time: its actions, and how many instructions they took."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from firmware_bridge.cross_build import build_image
from firmware_bridge.elf import read_elf
from firmware_bridge.processor import RAM, Processor
from robot_il.errors import PolicyError

INSTRUCTIONS_MAX = 50_000_000
"""Bound on one call."""


class PolicyOnCore:
    """The image that carries a policy, booted and asleep; it is called as the library is.

    Args:
        folder: of the policy in C; one of the robot's tasks.
        observations: inputs of the policy.
        actions: outputs of the policy.
        counting: whether instructions are counted, which takes much longer.

    Attributes:
        instructions: what each call took so far; empty where they are not counted.

    Raises:
        PolicyError: no such policy, or the image has no room for its arguments.
        ConfigError: no image can be built here.
    """

    def __init__(self, folder: Path, observations: int, actions: int, counting: bool = False) -> None:
        elf = read_elf(build_image(policy=folder))
        self._core = Processor(elf)
        self._symbols = elf.symbols
        self._sizes = observations, actions
        self._counting = counting
        memory = self._core.memory(RAM)
        self._input = len(memory) - 4 * (observations + actions)
        if RAM + self._input < elf.symbols["ril_bss_end"]:
            free = RAM + len(memory) - elf.symbols["ril_bss_end"]
            raise PolicyError("4 bytes of free RAM for each input and output", f"{free} bytes", "use a smaller policy")
        self._core.run(INSTRUCTIONS_MAX)
        self.instructions: list[int] = []

    def act(self, observation: np.ndarray) -> np.ndarray:
        """The action, (A,) float32, for one raw observation, (S,)."""
        inputs, outputs = self._sizes
        memory, end = self._core.memory(RAM), self._input + 4 * inputs
        memory[self._input : end] = np.asarray(observation, "<f4").tobytes()
        call = self._symbols["ril_policy_act"], RAM + self._input, RAM + end
        if self._counting:
            self.instructions.append(self._core.call_counted(*call, instructions=INSTRUCTIONS_MAX)[1])
        else:
            self._core.call(*call, instructions=INSTRUCTIONS_MAX)
        return np.frombuffer(memory[end : end + 4 * outputs], "<f4").copy()

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """The actions, (N, A) float32, for raw observations, (N, S)."""
        return np.stack([self.act(observation) for observation in observations])

    def torque(self, observation: tuple[float, ...]) -> float:
        """The first action for one raw observation."""
        return float(self.act(np.asarray(observation, np.float32))[0])
