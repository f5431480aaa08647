"""The firmware's image in QEMU, in wall-clock time: an MCU whose sensors and drives come over its second serial line.

For demonstration: what it does depends on how busy the machine is. ``emulator.py`` is what tests judge by.
"""

from __future__ import annotations

import contextlib
import ctypes
import shutil
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

from firmware_bridge.cross_build import QEMU_BOARD, build_image
from firmware_bridge.hostlib import AT_REST, Board, CBoard, Outputs, Reporting, Sensors
from robot_il.errors import ConfigError, LinkError

PROGRAM = "qemu-system-arm"
TICK_US = 1000
PATIENCE_S = 10.0
"""For the emulator to start, and for each sign of life of the firmware."""
_READ = 4096
_COUNT = struct.Struct("<I")


class QemuFirmware(Reporting):
    """One microcontroller in QEMU's lm3s6965evb; a twin steps as it says, once for each of its milliseconds.

    ``tick`` hands over the sample in ``sensors``, unless the last is still on its way, and waits for the firmware's
    next millisecond. Where the firmware had to make up for several, so many ticks follow without waiting: twin and MCU
    never drift apart.

    Args:
        board: identity and geometry.
        image: ELF file for this board; None for one built from the sources.

    Attributes:
        sensors: the next tick's sample.
        resets: always 0: nothing here resets it.
        late: milliseconds that the firmware had to make up for.

    Raises:
        ConfigError: no QEMU on this machine, or no image can be built.
        LinkError: QEMU ended, or the firmware gives no sign of life.
    """

    def __init__(self, board: Board, image: Path | None = None) -> None:
        program = shutil.which(PROGRAM)
        if program is None:
            raise ConfigError(f"{PROGRAM} on the PATH", "none", "install it: 'apt-get install qemu-system-arm'")
        image = image or build_image(board=QEMU_BOARD)
        self.sensors = Sensors(**AT_REST)
        self.resets = 0
        self.late = 0
        self._outputs = Outputs()
        self._sent = self._taken = 0
        self._time_us = board.initial_time_us
        with tempfile.TemporaryDirectory(prefix="robot-il-") as folder, contextlib.ExitStack() as stack:
            ends = [_listener(stack, Path(folder) / name) for name in ("host", "plant")]
            machine = [program, "-M", "lm3s6965evb", "-cpu", "cortex-m4", "-kernel", str(image), "-monitor", "none"]
            lines = [part for name in ("host", "plant") for part in ("-serial", f"unix:{folder}/{name}")]
            self._process = subprocess.Popen(
                [*machine, "-display", "none", *lines],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                self._host, self._plant = (self._accepted(end) for end in ends)
            except LinkError:
                self.close()
                raise
        self._host.setblocking(False)
        self._received(1)
        self._plant.sendall(bytes(CBoard.of(board)))

    def tick(self) -> None:
        """Lets 1 ms pass with the sample in ``sensors``.

        Raises:
            LinkError: QEMU ended, or the firmware is silent.
        """
        if self._time_us >= self._outputs.time_us:
            self._exchange()
        self._time_us += TICK_US

    def receive(self, data: bytes) -> None:
        """Hands the firmware bytes from the host."""
        self._host.setblocking(True)
        try:
            self._host.sendall(data)
        except OSError as error:
            raise self._gone(str(error)) from error
        finally:
            self._host.setblocking(False)

    def transmit(self) -> bytes:
        """All bytes waiting to go to the host."""
        try:
            return self._host.recv(_READ)
        except BlockingIOError:
            return b""

    def lost_time(self, ms: float) -> None:
        """Nothing to tell: the firmware has a clock of its own."""

    def close(self) -> None:
        """Ends QEMU."""
        for name in ("_host", "_plant"):
            if hasattr(self, name):
                getattr(self, name).close()
        self._process.kill()
        self._process.wait()

    def _exchange(self) -> None:
        """A sample for the firmware, and its outputs of the next millisecond that it worked off."""
        before = self._outputs.time_us
        if self._sent == self._taken:
            try:
                self._plant.sendall(bytes(self.sensors))
            except OSError as error:
                raise self._gone(str(error)) from error
            self._sent += 1
        data = self._received(ctypes.sizeof(Outputs) + _COUNT.size)
        self._outputs = Outputs.from_buffer_copy(data)
        (self._taken,) = _COUNT.unpack_from(data, ctypes.sizeof(Outputs))
        self.late += max(0, (self._outputs.time_us - before) // TICK_US - 1)

    def _received(self, size: int) -> bytes:
        """So many bytes of what the firmware tells the robot."""
        data = b""
        while len(data) < size:
            try:
                part = self._plant.recv(size - len(data))
            except OSError as error:  # a timeout too
                raise self._gone(str(error)) from error
            if not part:
                raise self._gone("the end of its serial line")
            data += part
        return data

    def _accepted(self, listener: socket.socket) -> socket.socket:
        try:
            end, _ = listener.accept()
        except OSError as error:
            raise self._gone(str(error)) from error
        end.settimeout(PATIENCE_S)
        return end

    def _gone(self, came: str) -> LinkError:
        ended = self._process.poll()
        came = came if ended is None else f"{PROGRAM} ended with {ended}"
        return LinkError("the firmware in QEMU to answer", came, "start it again, on a machine that is less busy")


def _listener(stack: contextlib.ExitStack, path: Path) -> socket.socket:
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(path))
    listener.listen(1)
    listener.settimeout(PATIENCE_S)
    return listener
