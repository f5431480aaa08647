"""The firmware with a policy on board: as a library in this process, or as an image in the emulator."""

from __future__ import annotations

import ctypes
import os
import shlex
from functools import cache
from importlib import resources
from pathlib import Path

from firmware_bridge.compiling import WARNINGS, compiled
from firmware_bridge.cross_build import build_image
from firmware_bridge.emulator import EmulatedFirmware
from firmware_bridge.hostlib import Board, Firmware, opened
from firmware_bridge.policy_library import IN_FIRMWARE, policy_sources
from robot_il.errors import PolicyError
from robot_il.spec import FIRMWARE_RATE_HZ

BOOT_MS = 1000
"""Longest self test at boot that is waited for, in ms of the MCU's time."""


def ticks_of_rate(rate_hz: int) -> int:
    """Ticks of the firmware between two calls of a policy.

    Raises:
        PolicyError: a rate that does not divide the firmware's.
    """
    if rate_hz < 1 or FIRMWARE_RATE_HZ % rate_hz:
        raise PolicyError(f"a rate that divides {FIRMWARE_RATE_HZ} Hz", f"{rate_hz} Hz", "choose 200, 250, 500 or 1000")
    return FIRMWARE_RATE_HZ // rate_hz


class OnboardLibrary(Firmware):
    """The compiled library with a policy that is asked from the start; the self test is the caller's to run.

    Args:
        board: identity and geometry.
        policy: folder of the policy in C.
        every_ticks: how often it is asked; 0 for not at all.
    """

    def __init__(self, board: Board, policy: Path, every_ticks: int) -> None:
        library = _library(policy.resolve())
        super().__init__(board, library)
        self.every_ticks = every_ticks
        self._carry()

    def reset(self) -> None:
        """As the reset line does; what the board asks for stays."""
        super().reset()
        self._carry()

    def _carry(self) -> None:
        self._library.ril_mcu_carry(
            self._mcu, ctypes.addressof(ctypes.c_char.in_dll(self._library, "ril_policy_of_image"))
        )
        self._library.ril_mcu_policy_every(self._mcu, self.every_ticks)


@cache
def _library(policy: Path) -> ctypes.CDLL:
    compiler = shlex.split(os.environ.get("CC", "cc"))
    with resources.as_file(resources.files("firmware_bridge") / "firmware") as folder:
        flags = [*WARNINGS, "-fPIC", "-shared", f"-I{folder}", f"-D{IN_FIRMWARE}=1"]
        inputs = [*sorted(folder.glob("*.[ch]")), *policy_sources(policy)]
        library = opened(compiled(compiler, flags, inputs, "libril-policy-{key}.so"))
    library.ril_mcu_carry.restype, library.ril_mcu_carry.argtypes = None, (ctypes.c_void_p, ctypes.c_void_p)
    library.ril_mcu_policy_every.restype = None
    library.ril_mcu_policy_every.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    return library


class OnboardImage(EmulatedFirmware):
    """The emulated image with a policy that has passed its self test at boot and is asked from the start.

    Args:
        board: identity and geometry.
        policy: folder of the policy in C.
        every_ticks: how often it is asked; 0 for not at all.

    Raises:
        PolicyError: the self test fails on the core, or does not end.
    """

    def __init__(self, board: Board, policy: Path, every_ticks: int) -> None:
        super().__init__(board, build_image(policy=policy))
        boot_ms = 0
        while self.policy_passed is None and boot_ms < BOOT_MS:
            self.go_on()
            boot_ms += 1
        if not self.policy_passed:
            came = "a failure" if self.policy_passed is False else f"none within {BOOT_MS} ms"
            raise PolicyError("a self test passed by the policy on the Cortex-M", came, "export the policy again")
        self.policy_every = every_ticks
