"""A Cortex-M4F core with its memory, run by Unicorn until it sleeps: deterministic, faster than real time."""

from __future__ import annotations

import ctypes
import mmap

import unicorn
from unicorn import arm_const

from firmware_bridge.elf import Elf
from robot_il.errors import ConfigError

FLASH, RAM, PERIPHERALS, SYSTEM = 0x08000000, 0x20000000, 0x40000000, 0xE000E000
_PAGE = 0x1000
_SIZES = {FLASH: 256 * _PAGE, RAM: 4 * _PAGE, PERIPHERALS: 4 * _PAGE, SYSTEM: _PAGE}
_WFI = b"\x30\xbf"
_HARD_FAULT = 3
_RETURN = FLASH + _SIZES[FLASH] - 4
"""Where a handler returns to, in place of the code that tells a real core to take its registers off the stack."""
_FRAME_BYTES = 32
_HANDLER_INSTRUCTIONS = 1000
_ARGUMENTS = tuple(getattr(arm_const, f"UC_ARM_REG_R{number}") for number in range(4))
_SP, _LR, _PC = arm_const.UC_ARM_REG_SP, arm_const.UC_ARM_REG_LR, arm_const.UC_ARM_REG_PC


class Processor:
    """The core: it executes until WFI; interrupts are served while it sleeps, which is where this firmware takes them.

    Attributes:
        asleep: the core waits for an interrupt.
        crash: what went wrong when the core last took a fault; empty while none was taken.
    """

    def __init__(self, image: Elf) -> None:
        """Loads an image; the core stands at reset.

        Raises:
            ConfigError: the image does not fit into the memory of this board.
        """
        self._unicorn = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._unicorn.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
        self._memory = {base: self._map(base, size) for base, size in _SIZES.items()}
        for address, data in image.segments:
            self._load(image, address, data)
        self._context = self._unicorn.context_save()
        self.asleep = False
        self.crash = ""
        self.reset()

    def memory(self, base: int) -> mmap.mmap:
        """The bytes of the region that begins there, shared with the core."""
        return self._memory[base]

    def reset(self) -> None:
        """As the reset line does: registers and the system block anew, memory as it was."""
        self._memory[SYSTEM][:] = bytes(_SIZES[SYSTEM])
        self._unicorn.reg_write(arm_const.UC_ARM_REG_PRIMASK, 0)
        self._unicorn.reg_write(_SP, self._vector(0))
        self._pc = self._vector(1)
        self.asleep = False
        self.crash = ""

    def run(self, instructions: int) -> None:
        """Executes until the core sleeps, but no more than so many instructions."""
        if not self.asleep:
            self._execute(instructions)

    def interrupt(self, number: int) -> None:
        """Serves exception ``number`` (15 SysTick, 16 interrupt 0, ...) while the core sleeps, and wakes it."""
        core = self._unicorn
        core.context_update(self._context)
        core.reg_write(_SP, (core.reg_read(_SP) - _FRAME_BYTES) & ~7)
        core.reg_write(_LR, _RETURN | 1)
        try:
            core.emu_start(self._vector(number), _RETURN, count=_HANDLER_INSTRUCTIONS)
        except unicorn.UcError as error:
            self._fault(error)
            return
        core.context_restore(self._context)
        self.asleep = False

    def call(self, address: int, *arguments: int, instructions: int = 1_000_000) -> int:
        """Calls a C function of the image, with at most four integers or pointers, while the core sleeps.

        Args:
            address: of the function.
            arguments: for r0 to r3.
            instructions: what it may take.

        Returns:
            what it left in r0.

        Raises:
            unicorn.UcError: the function faulted.
        """
        core = self._unicorn
        core.context_update(self._context)
        for register, argument in zip(_ARGUMENTS, arguments, strict=False):
            core.reg_write(register, argument)
        core.reg_write(_LR, _RETURN | 1)
        core.emu_start(address | 1, _RETURN, count=instructions)
        result = core.reg_read(_ARGUMENTS[0])
        core.context_restore(self._context)
        return result

    def call_counted(self, address: int, *arguments: int, instructions: int = 1_000_000) -> tuple[int, int]:
        """As ``call``; returns what the function left in r0, and how many instructions it executed.

        One that its condition skips counts: it takes its cycle too.
        """
        counted = 0
        lengths: dict[tuple[int, int], int] = {}

        def count(_core: unicorn.Uc, start: int, size: int, _data: object) -> None:
            nonlocal counted
            if (start, size) not in lengths:
                lengths[start, size] = _instructions_in(self._flash_at(start, size))
            counted += lengths[start, size]

        hook = self._unicorn.hook_add(unicorn.UC_HOOK_BLOCK, count)
        self._unicorn.ctl_flush_tb()  # type: ignore[attr-defined]  # what was translated before calls no hook
        try:
            return self.call(address, *arguments, instructions=instructions), counted
        finally:
            self._unicorn.hook_del(hook)
            self._unicorn.ctl_flush_tb()  # type: ignore[attr-defined]

    def _execute(self, instructions: int) -> None:
        core = self._unicorn
        try:
            core.emu_start(self._pc, 0xFFFFFFFE, count=instructions)
        except unicorn.UcError as error:
            self._fault(error)
            return
        pc = core.reg_read(_PC)
        self._pc = pc | 1
        self.asleep = self._flash_at(pc - 2, 2) == _WFI

    def _fault(self, error: unicorn.UcError) -> None:
        """Enters the handler for faults, which does not return."""
        self.crash = self.crash or f"{error} at 0x{self._unicorn.reg_read(_PC):08x}"
        self._pc = self._vector(_HARD_FAULT)
        self._unicorn.reg_write(_SP, self._vector(0))
        self.asleep = False

    def _vector(self, number: int) -> int:
        return int.from_bytes(self._flash_at(FLASH + 4 * number, 4), "little")

    def _flash_at(self, address: int, size: int) -> bytes:
        return self._memory[FLASH][address - FLASH : address - FLASH + size]

    def _map(self, base: int, size: int) -> mmap.mmap:
        memory = mmap.mmap(-1, size)
        access = unicorn.UC_PROT_READ | (unicorn.UC_PROT_EXEC if base == FLASH else unicorn.UC_PROT_WRITE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        self._unicorn.mem_map_ptr(base, size, access, ctypes.c_void_p(address))
        return memory

    def _load(self, image: Elf, address: int, data: bytes) -> None:
        start = address - FLASH
        if start < 0 or start + len(data) > _SIZES[FLASH]:
            raise ConfigError(
                f"an image within the {_SIZES[FLASH]} bytes of flash at 0x{FLASH:08x}",
                f"{image.path} with {len(data)} bytes at 0x{address:08x}",
                "build it for the virtual board",
            )
        self._memory[FLASH][start : start + len(data)] = data


def _instructions_in(code: bytes) -> int:
    """How many Thumb instructions stand there; one of 32 bits begins with 0b11101 or more (ARM DDI 0403E, A5.1)."""
    position = count = 0
    while position < len(code):
        wide = code[position + 1] >= 0xE8
        position += 4 if wide else 2
        count += 1
    return count
