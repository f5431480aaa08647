"""The firmware's image in this process: the very bytes for the Cortex-M4F, in lock-step on the virtual board.

It takes the place of ``hostlib.Firmware``, so that the twin and the tests fly either.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

from firmware_bridge.cross_build import build_image
from firmware_bridge.elf import read_elf
from firmware_bridge.hostlib import AT_REST, Board, CBoard, Outputs, Reporting, Sensors
from firmware_bridge.processor import PERIPHERALS, RAM, SYSTEM, Processor
from robot_il.errors import ConfigError

CLOCK_HZ = 168_000_000
INSTRUCTIONS_PER_MS = 100_000
"""What the core gets done in 1 ms at least: 168,000 cycles, at most 1.68 of them an instruction on the average."""
_BUFFER = 4096
_PIECE = 64
"""Bytes that reach the core between two sleeps: less than a line of 921,600 baud brings in 1 ms."""
_SYSTICK, _UART = 15, 16
_SYSTICK_RUNS = 3
_OUTPUTS = "ril_mcu_of_board"


class _SysTick(ctypes.Structure):
    _fields_ = (("control", ctypes.c_uint32), ("reload", ctypes.c_uint32), ("current", ctypes.c_uint32))


class _Registers(ctypes.Structure):
    """``struct ril_virtual_registers`` of ``virtual_registers.h``."""

    _fields_ = (
        ("identity", CBoard),
        ("sample", Sensors),
        ("samples", ctypes.c_uint32),
        ("slipped_ms", ctypes.c_float),
        ("torque_left", ctypes.c_float),
        ("torque_right", ctypes.c_float),
        ("height_m", ctypes.c_float),
        ("drives_enabled", ctypes.c_uint32),
        ("watchdog_ms", ctypes.c_uint32),
        ("watchdog_feed", ctypes.c_uint32),
        ("received", ctypes.c_uint32),
        ("sent", ctypes.c_uint32),
        ("room", ctypes.c_uint32),
        ("awaits_room", ctypes.c_uint32),
        ("policy_every", ctypes.c_uint32),
        ("policy_tested", ctypes.c_uint32),
        ("from_line", ctypes.c_uint8 * _BUFFER),
        ("to_line", ctypes.c_uint8 * _BUFFER),
    )


class EmulatedFirmware(Reporting):
    """One microcontroller that executes an image; used as ``hostlib.Firmware`` is.

    Bytes and milliseconds reach the core while it sleeps. A core that does not come to sleep within a millisecond goes
    on in the next, with its SysTicks waiting; the hardware watchdog resets it if it does not feed in time, and the
    reset MCU has the next boot id.

    Args:
        board: identity and geometry, in the board's registers.
        image: ELF file for the virtual board; None for one built from the sources.
        instructions_per_ms: how fast the core is.

    Attributes:
        sensors: the next tick's sample, upright at rest on a full battery until changed.
        resets: how often the watchdog or ``reset`` has reset the MCU.

    Raises:
        ConfigError: no image of this board, or none can be built here.
    """

    def __init__(
        self, board: Board, image: Path | None = None, *, instructions_per_ms: int = INSTRUCTIONS_PER_MS
    ) -> None:
        elf = read_elf(image or build_image())
        self._core = Processor(elf)
        outputs = elf.symbols.get(_OUTPUTS, 0) - RAM
        if not 0 <= outputs <= len(self._core.memory(RAM)) - ctypes.sizeof(Outputs):
            raise ConfigError(f"an image with {_OUTPUTS} in its RAM", f"{elf.path} without", "build it unstripped")
        self._registers = _Registers.from_buffer(self._core.memory(PERIPHERALS))
        self._systick = _SysTick.from_buffer(self._core.memory(SYSTEM), 0x10)
        self._outputs = Outputs.from_buffer(self._core.memory(RAM), outputs)
        self._registers.identity = CBoard.of(board)
        self._registers.height_m = board.height_m
        self._registers.sample = Sensors(**AT_REST)
        self.sensors = self._registers.sample
        self.resets = 0
        self._instructions = instructions_per_ms
        self._taken = 0
        self._hung = False
        self._cycles = 0
        self._pending = 0
        self._unfed_ms = 0
        self._power_up()

    def receive(self, data: bytes) -> None:
        """Hands the firmware bytes from the host; it acts on whole frames at once."""
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            self._put(piece)
            self._registers.received += len(piece)
            self._wake()

    def tick(self) -> None:
        """Lets 1 ms pass with the sample in ``sensors``."""
        self._registers.samples += 1
        if self._systick.control & _SYSTICK_RUNS == _SYSTICK_RUNS:
            elapsed, self._cycles = divmod(self._cycles + CLOCK_HZ // 1000, self._systick.reload + 1)
            self._pending += elapsed
        if not self._hung:
            self._serve_systick()
        self._watch()

    def transmit(self) -> bytes:
        """All bytes waiting to go to the host."""
        registers = self._registers
        if registers.awaits_room:
            registers.awaits_room = 0
            registers.room = _BUFFER
            self._wake()
            registers.room = 0
        return self._take()

    def go_on(self) -> None:
        """Lets a core that is busy, at boot for instance, go on for 1 ms that does not count as the MCU's time."""
        if not self._hung:
            self._core.run(self._instructions)

    def lost_time(self, ms: float) -> None:
        """Tells the firmware that its clock stood still while ``ms`` milliseconds of the world's time went by."""
        self._registers.slipped_ms = ms
        self._wake()

    def reset(self) -> None:
        """Pulls the reset line: the firmware boots anew, with the next boot id; the legs stay where they are."""
        self.resets += 1
        self._registers.identity.height_m = self.height
        self._registers.identity.boot_id = (self._registers.identity.boot_id + 1) % 2**32
        self._core.reset()
        self._power_up()

    def hang(self) -> None:
        """Stops the core where it is, as a firmware that hangs does; only a reset ends it."""
        self._hung = True

    @property
    def policy_every(self) -> int:
        """How often the host asks for the image's own policy, in ticks; 0 for not at all. A reset leaves it."""
        return self._registers.policy_every

    @policy_every.setter
    def policy_every(self, ticks: int) -> None:
        self._registers.policy_every = ticks

    @property
    def policy_passed(self) -> bool | None:
        """How the policy's self test at boot came out; None for an image without a policy, or still at it."""
        return {1: True, 2: False}.get(self._registers.policy_tested)

    @property
    def crash(self) -> str:
        """The fault that the core took since the last reset; empty for none."""
        return self._core.crash

    @property
    def torque_left(self) -> float:
        """Torque demanded of the left drive now, in N m."""
        return self._registers.torque_left if self._registers.drives_enabled else 0.0

    @property
    def torque_right(self) -> float:
        """Torque demanded of the right drive now, in N m."""
        return self._registers.torque_right if self._registers.drives_enabled else 0.0

    @property
    def height(self) -> float:
        """Height of the body's origin above the axle that the legs have to hold now, in m."""
        return self._registers.height_m

    def _power_up(self) -> None:
        registers = self._registers
        registers.torque_left = registers.torque_right = 0.0
        registers.drives_enabled = registers.watchdog_ms = registers.watchdog_feed = 0
        registers.room = registers.awaits_room = registers.policy_tested = 0
        registers.slipped_ms = 0.0
        self._hung = False
        self._cycles = self._pending = self._unfed_ms = 0
        self._core.run(self._instructions)

    def _serve_systick(self) -> None:
        """A core that is still busy with the last millisecond gets this one's time to finish, and its SysTick later."""
        if self._core.asleep:
            for _ in range(self._pending):
                self._core.interrupt(_SYSTICK)
            self._pending = 0
        self._core.run(self._instructions)

    def _wake(self) -> None:
        """The serial line's interrupt; a core that is busy looks at the line by itself."""
        if self._core.asleep and not self._hung:
            self._core.interrupt(_UART)
            self._core.run(self._instructions)

    def _watch(self) -> None:
        """The hardware watchdog, once a millisecond; once started it cannot be stopped but by a reset."""
        registers = self._registers
        self._unfed_ms = 0 if registers.watchdog_feed else self._unfed_ms + 1
        registers.watchdog_feed = 0
        if registers.watchdog_ms and self._unfed_ms >= registers.watchdog_ms:
            self.reset()

    def _put(self, data: bytes) -> None:
        """Bytes into the circular buffer from the line."""
        start = self._registers.received % _BUFFER
        head = data[: _BUFFER - start]
        memory, origin = self._core.memory(PERIPHERALS), _Registers.from_line.offset
        memory[origin + start : origin + start + len(head)] = head
        memory[origin : origin + len(data) - len(head)] = data[len(head) :]

    def _take(self) -> bytes:
        """Bytes out of the circular buffer to the line."""
        sent = self._registers.sent
        size, start = (sent - self._taken) % 2**32, self._taken % _BUFFER
        self._taken = sent
        memory, origin = self._core.memory(PERIPHERALS), _Registers.to_line.offset
        data = memory[origin + start : origin + min(start + size, _BUFFER)]
        return data + memory[origin : origin + size - len(data)]
