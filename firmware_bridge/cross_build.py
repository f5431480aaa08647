"""The firmware's image for a Cortex-M4F: the C of the host library with start-up code and the virtual board's port."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from importlib import resources
from pathlib import Path

from firmware_bridge.compiling import WARNINGS, compiled
from firmware_bridge.policy_library import IN_FIRMWARE, policy_sources
from robot_il.errors import ConfigError

_FREESTANDING = (
    *("-ffreestanding", "-fno-builtin", "-ffunction-sections", "-fdata-sections"),
    *("-Wl,--gc-sections", "-Wl,--entry=ril_reset"),
)
_GCC = (
    *("-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-nostartfiles", "-nolibc"),
    "-fno-tree-loop-distribute-patterns",  # else memcpy's loop becomes a call of memcpy
)
_ZIG = ("--target=thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp")


VIRTUAL_BOARD = "virtual_board"
QEMU_BOARD = "qemu_board"
_BOARD_FLAGS = {VIRTUAL_BOARD: (), QEMU_BOARD: ("-DRIL_UART_INTERRUPT=20", "-DRIL_UARTS=2")}


def build_image(*extra_flags: str, policy: Path | None = None, board: str = VIRTUAL_BOARD) -> Path:
    """Compiles and links the image unless that very build exists, and returns the ELF file's path.

    The compiler is the environment's ``CROSS_CC`` where set, else ``arm-none-eabi-gcc`` where present, else the one
    that the Python package ``ziglang`` brings. No C library is linked; ``docs/porting.md`` says what is in the image.

    Args:
        extra_flags: further compiler flags.
        policy: folder of a policy in C (``robot-il export --c``) that the image is to carry.
        board: ``VIRTUAL_BOARD``, which ``emulator.py`` models, or ``QEMU_BOARD``.

    Raises:
        ConfigError: there is no compiler for the Cortex-M, or it refuses the sources.
        PolicyError: no policy in that folder.
    """
    compiler, flags = cross_compiler()
    with resources.as_file(resources.files("firmware_bridge") / "firmware") as folder:
        common = folder / "board"
        inputs = [path for path in sorted(folder.glob("*.[ch]")) if path.stem != "host"]
        inputs += [path for path in sorted(common.glob("*.[ch]")) if not path.name.startswith("virtual_")]
        inputs += sorted(common.glob("include/*.h"))
        own = sorted(common.glob("virtual_*")) if board == VIRTUAL_BOARD else sorted((folder / "board_qemu").iterdir())
        script = next(path for path in own if path.suffix == ".ld")
        inputs += own
        places = ["-isystem", str(common / "include"), f"-I{folder}", f"-I{common}", "-T", str(script)]
        places += _BOARD_FLAGS[board]
        if policy is not None:
            inputs += policy_sources(policy)
            places += [f"-I{policy.resolve()}", f"-D{IN_FIRMWARE}=1", "-Wl,-u,ril_policy_act"]
        every = [*WARNINGS, *_FREESTANDING, *places, *flags, *extra_flags]
        return compiled(compiler, every, inputs, "ril-{key}.elf")


def cross_compiler() -> tuple[list[str], list[str]]:
    """The compiler for the Cortex-M on this machine, and the flags that name the processor to it.

    Raises:
        ConfigError: there is none.
    """
    chosen = shlex.split(os.environ.get("CROSS_CC", "")) or ["arm-none-eabi-gcc"]
    if "CROSS_CC" in os.environ or shutil.which(chosen[0]):
        return chosen, list(_GCC)
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"], list(_ZIG)
    raise ConfigError(
        "a C compiler for the Cortex-M4F, to build the firmware's image",
        "neither arm-none-eabi-gcc nor ziglang",
        "install one: 'apt-get install gcc-arm-none-eabi' or \"pip install '.[firmware]'\"",
    )
