"""The firmware's C in this process: built on first use with the machine's C compiler, called through ctypes.

The same sources build for the microcontroller; what the twin and the tests run is what flies.
"""

from __future__ import annotations

import ctypes
import os
import shlex
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

from firmware_bridge.compiling import WARNINGS, compiled
from robot_il.spec import Fault, Mode

_CHUNK = 4096
"""Bytes taken from the transmit ring in one call; the ring holds less."""
WATCHDOG_MS = 20
"""How long a board lets its firmware hang before the hardware watchdog resets it (``RIL_WATCHDOG_MS``)."""


@dataclass(frozen=True)
class Board:
    """What the board tells the firmware about itself at boot.

    Attributes:
        boot_id: changes at every boot, 32 bits.
        robot_id: which robot this is, 32 bits.
        wheel_radius_m: turns wheel angles into distance.
        height_low_m: lowest height of the body's origin above the axle that the legs can hold.
        height_high_m: highest one; equal where no leg moves.
        height_m: the one at which they are at boot.
        initial_time_us: MCU time at boot.
        initial_state_seq: the first STATE carries the next number.
    """

    boot_id: int
    robot_id: int
    wheel_radius_m: float
    height_low_m: float = 0.0
    height_high_m: float = 0.0
    height_m: float = 0.0
    initial_time_us: int = 0
    initial_state_seq: int = 0


class CBoard(ctypes.Structure):
    """``struct ril_board`` of ``mcu.h``: a ``Board`` as the firmware sees it."""

    _fields_ = (
        ("initial_time_us", ctypes.c_uint64),
        ("boot_id", ctypes.c_uint32),
        ("robot_id", ctypes.c_uint32),
        ("initial_state_seq", ctypes.c_uint32),
        ("wheel_radius_m", ctypes.c_float),
        ("height_low_m", ctypes.c_float),
        ("height_high_m", ctypes.c_float),
        ("height_m", ctypes.c_float),
    )

    @classmethod
    def of(cls, board: Board) -> CBoard:
        """The struct of a board."""
        return cls(**{name: getattr(board, name) for name, _ in cls._fields_})


class Sensors(ctypes.Structure):
    """One sample of the board's sensors (``sensors.h``): SI units, body frame, x forward, z up.

    Attributes:
        wheel_left, wheel_right: wheel angles against the shank in rad, unwrapped, forward positive.
        gyro_pitch: rate about y in rad/s, positive tips forward.
        gyro_yaw: rate about z in rad/s, positive turns left.
        accel_x, accel_z: specific force in m/s^2; (0, 9.81) at rest upright.
        hip_left, knee_left, hip_right, knee_right: joint angles in rad.
        battery: voltage in V.
        fresh: 0 when nothing was sampled for this tick and the values are older.
    """

    _fields_ = (
        ("wheel_left", ctypes.c_double),
        ("wheel_right", ctypes.c_double),
        ("gyro_pitch", ctypes.c_float),
        ("gyro_yaw", ctypes.c_float),
        ("accel_x", ctypes.c_float),
        ("accel_z", ctypes.c_float),
        ("hip_left", ctypes.c_float),
        ("knee_left", ctypes.c_float),
        ("hip_right", ctypes.c_float),
        ("knee_right", ctypes.c_float),
        ("battery", ctypes.c_float),
        ("fresh", ctypes.c_uint8),
    )


AT_REST = {"accel_z": 9.81, "battery": 24.0, "fresh": 1}
"""Sensors of a robot that stands upright on a full battery; the others read 0."""


class Outputs(ctypes.Structure):
    """``struct ril_outputs`` of ``mcu.h``, at the beginning of ``struct ril_mcu``."""

    _fields_ = (
        ("time_us", ctypes.c_uint64),
        ("torque_left", ctypes.c_float),
        ("torque_right", ctypes.c_float),
        ("height_m", ctypes.c_float),
        ("undecodable", ctypes.c_uint32),
        ("dropped", ctypes.c_uint32),
        ("faults", ctypes.c_uint16),
        ("mode", ctypes.c_uint8),
    )


class Reporting:
    """What a firmware says of itself, read from where its outputs lie; the base of all that stand for it."""

    _outputs: Outputs

    @property
    def torque_left(self) -> float:
        """Torque demanded of the left drive now, in N m."""
        return self._outputs.torque_left

    @property
    def torque_right(self) -> float:
        """Torque demanded of the right drive now, in N m."""
        return self._outputs.torque_right

    @property
    def height(self) -> float:
        """Height of the body's origin above the axle that the legs have to hold now, in m."""
        return self._outputs.height_m

    @property
    def mode(self) -> Mode:
        """What the firmware is doing."""
        return Mode(self._outputs.mode)

    @property
    def faults(self) -> Fault:
        """Faults latched or present."""
        return Fault(self._outputs.faults)

    @property
    def time_us(self) -> int:
        """MCU time of the last tick in us."""
        return self._outputs.time_us

    @property
    def undecodable(self) -> int:
        """Frames from the host that had a bad checksum, length or type."""
        return self._outputs.undecodable

    @property
    def dropped(self) -> int:
        """Frames to the host that were lost because nobody took them in time."""
        return self._outputs.dropped


class Firmware(Reporting):
    """One microcontroller: fill ``sensors``, call ``tick`` once a millisecond, apply the torques.

    Args:
        board: identity and geometry.
        library: the compiled firmware; None for the ordinary build.

    Attributes:
        sensors: the next tick's sample, upright at rest on a full battery until changed.
        resets: how often the watchdog or ``reset`` has reset the MCU.

    Raises:
        ConfigError: the firmware cannot be built here.
    """

    def __init__(self, board: Board, library: ctypes.CDLL | None = None) -> None:
        self._board = board
        self._library = library if library is not None else load()
        self._memory = ctypes.create_string_buffer(self._library.ril_host_mcu_size())
        self._mcu = ctypes.cast(self._memory, ctypes.c_void_p)
        self._outputs = Outputs.from_buffer(self._memory)
        self._frames = ctypes.create_string_buffer(_CHUNK)
        self.sensors = Sensors(**AT_REST)
        self._sensors = ctypes.byref(self.sensors)
        self.resets = 0
        self._unfed_ms: int | None = None
        self._library.ril_mcu_init(self._mcu, ctypes.byref(CBoard.of(board)))

    def receive(self, data: bytes) -> None:
        """Hands the firmware bytes from the host; it acts on whole frames at once."""
        if self._unfed_ms is None:
            self._library.ril_mcu_receive(self._mcu, data, len(data))

    def tick(self) -> None:
        """Lets 1 ms pass with the sample in ``sensors``."""
        if self._unfed_ms is None:
            self._library.ril_mcu_tick(self._mcu, self._sensors)
        else:
            self._unfed_ms += 1
            if self._unfed_ms >= WATCHDOG_MS:
                self.reset()

    def transmit(self) -> bytes:
        """All bytes waiting to go to the host."""
        if self._unfed_ms is not None:
            return b""
        size = self._library.ril_mcu_transmit(self._mcu, self._frames, _CHUNK)
        return ctypes.string_at(self._frames, size)

    def lost_time(self, ms: float) -> None:
        """Tells the firmware that its clock stood still while ``ms`` milliseconds of the world's time went by."""
        self._library.ril_mcu_lost_time(self._mcu, ms)

    def reset(self) -> None:
        """Pulls the reset line: the firmware boots anew with nothing remembered, and with the next boot id.

        The legs stay where they are, and the board finds them there.
        """
        self.resets += 1
        self._unfed_ms = None
        self._board = replace(self._board, boot_id=(self._board.boot_id + 1) % 2**32, height_m=self.height)
        self._library.ril_mcu_init(self._mcu, ctypes.byref(CBoard.of(self._board)))

    def hang(self) -> None:
        """Stops the firmware where it is, drives as they are, until the board's watchdog resets it."""
        self._unfed_ms = 0

    @property
    def crash(self) -> str:
        """Empty: a fault in a library ends the process that uses it."""
        return ""


@cache
def load(*extra_flags: str) -> ctypes.CDLL:
    """The compiled firmware, built when its sources, the compiler or the flags are new.

    Args:
        extra_flags: further compiler flags, for instance ``-fsanitize=undefined``.

    Raises:
        ConfigError: there is no C compiler, or it refuses the sources.
    """
    return opened(build(*extra_flags))


def opened(path: Path) -> ctypes.CDLL:
    """A built library with the signatures of its functions."""
    library = ctypes.CDLL(str(path))
    void, size = ctypes.c_void_p, ctypes.c_size_t
    signatures: dict[str, tuple] = {
        "ril_host_mcu_size": (size,),
        "ril_host_encode": (size, ctypes.c_uint8, void, void),
        "ril_host_decode": (size, ctypes.c_char_p, size, void, size),
        "ril_mcu_init": (None, void, void),
        "ril_mcu_receive": (None, void, ctypes.c_char_p, size),
        "ril_mcu_tick": (None, void, void),
        "ril_mcu_transmit": (size, void, void, size),
        "ril_mcu_lost_time": (None, void, ctypes.c_float),
    }
    for name, (result, *arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def build(*extra_flags: str) -> Path:
    """Compiles the firmware unless that very build exists, and returns the shared library's path.

    Raises:
        ConfigError: there is no C compiler, or it refuses the sources.
    """
    compiler = shlex.split(os.environ.get("CC", "cc"))
    with resources.as_file(resources.files("firmware_bridge") / "firmware") as folder:
        flags = [*WARNINGS, "-fPIC", "-shared", *extra_flags]
        return compiled(compiler, flags, sorted(folder.glob("*.[ch]")), "libril-{key}.so")
