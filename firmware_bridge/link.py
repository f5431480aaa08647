"""Bytes to and from a microcontroller: the interface, and the serial port that implements it."""

from __future__ import annotations

import contextlib
import errno
import os
import select
from pathlib import Path
from typing import NoReturn, Protocol

import serial

from robot_il.control.clock import Clock, MonotonicClock
from robot_il.errors import LinkError

BAUD = 921_600
"""A STATE of 97 bytes takes 1.1 ms of the 5 ms period."""
_READ_SIZE = 65_536
_TTY_BUFFER = 4_095
"""What a terminal's line discipline hands over at most in one read: after that much, there may be more."""
_WRITE_TIMEOUT_S = 0.05


class Link(Protocol):
    """A duplex byte stream with the clock in which its deadlines are given."""

    clock: Clock

    def read(self, deadline_ns: int) -> bytes:
        """Waits for bytes, at most until ``deadline_ns`` on ``clock``; empty when none came by then.

        Raises:
            LinkError: the other end is gone.
        """

    def write(self, data: bytes) -> None:
        """Sends all of ``data``.

        Raises:
            LinkError: the other end is gone or takes nothing.
        """

    def close(self) -> None:
        """Lets go of the stream; a second call does nothing."""


class SerialLink:
    """A serial port or pseudo-terminal, held exclusively.

    Args:
        port: path of the device, for instance ``/dev/ttyACM0``.
        baud: bits per second; means nothing to USB and pseudo-terminals.

    Raises:
        LinkError: the port is missing, busy, forbidden or no serial port.
    """

    def __init__(self, port: str, baud: int = BAUD) -> None:
        self.clock: Clock = MonotonicClock()
        self._port = port
        try:
            self._serial = serial.Serial(port, baud, timeout=0, write_timeout=0, exclusive=True)
        except (OSError, ValueError) as error:  # SerialException is an OSError
            _refuse(port, error)
        # USB adapters hold bytes back for up to 16 ms otherwise; pseudo-terminals have no such mode.
        with contextlib.suppress(OSError, ValueError, NotImplementedError):
            self._serial.set_low_latency_mode(True)
        self._fd: int = self._serial.fileno()

    def read(self, deadline_ns: int) -> bytes:
        """Waits for bytes until ``deadline_ns`` (CLOCK_MONOTONIC) and returns all that are there.

        pyserial's own ``read`` is passed by: with its bookkeeping it costs twice as much as the two calls below.

        Raises:
            LinkError: the port is gone.
        """
        try:
            remaining_s = max(0, deadline_ns - self.clock.now_ns()) * 1e-9
            if not select.select((self._fd,), (), (), remaining_s)[0]:
                return b""
            data = chunk = os.read(self._fd, _READ_SIZE)
            while len(chunk) >= _TTY_BUFFER and len(data) < _READ_SIZE and select.select((self._fd,), (), (), 0)[0]:
                chunk = os.read(self._fd, _READ_SIZE)
                data += chunk
        except BlockingIOError:
            return b""
        except (OSError, ValueError) as error:  # ValueError: the descriptor is closed
            raise self._gone(error) from error
        if not data:
            raise self._gone("end of file")
        return data

    def write(self, data: bytes) -> None:
        """Sends all of ``data``; waits at most 50 ms for room.

        Raises:
            LinkError: the port is gone or has taken nothing for 50 ms.
        """
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                if not select.select((), (self._fd,), (), _WRITE_TIMEOUT_S)[1]:
                    raise LinkError(
                        f"'{self._port}' to take {len(data)} bytes within {_WRITE_TIMEOUT_S * 1e3:.0f} ms",
                        "a full buffer that nobody empties",
                        "restart the robot's firmware or its twin",
                    ) from None
            except OSError as error:
                raise self._gone(error) from error

    def close(self) -> None:
        """Lets go of the port."""
        self._fd = -1
        self._serial.close()

    def _gone(self, cause: object) -> LinkError:
        return LinkError(
            f"bytes on '{self._port}'",
            f"a port that is gone ({cause})",
            "check the cable and the robot's power, or start the twin again, and reconnect",
        )


def _refuse(port: str, error: Exception) -> NoReturn:
    """Raises the LinkError that says what is wrong with a port which did not open."""
    number = getattr(error, "errno", None)
    if number == errno.ENOENT or not Path(port).exists():
        raise LinkError(
            f"a serial port at '{port}'", f"no such device; {_ports_found()}", "name one that exists"
        ) from None
    if number in (errno.EAGAIN, errno.EBUSY):
        raise LinkError(
            f"'{port}' to be free",
            f"a port that {_holder(port)} holds",
            "stop that program first; two writers would mix their commands",
        ) from None
    if number == errno.EACCES:
        raise LinkError(
            f"permission to open '{port}'",
            f"'{error}'",
            "add yourself to the group that owns it, e.g. 'sudo usermod -aG dialout $USER', and log in again",
        ) from None
    raise LinkError(f"a serial port at '{port}'", f"'{error}'", f"name a serial device; {_ports_found()}") from None


def _ports_found() -> str:
    """The machine's serial ports, in words."""
    from serial.tools import list_ports

    found = sorted(port.device for port in list_ports.comports())
    return f"found {', '.join(found)}" if found else "found no serial port on this machine"


def _holder(port: str) -> str:
    """Which process has the port open, in words; another user's process cannot be seen."""
    target = Path(port).resolve()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            process = descriptor.parts[2]
            if descriptor.readlink() == target and int(process) != os.getpid():
                name = (Path("/proc") / process / "comm").read_text().strip()
                return f"process {process} ({name})"
    return "another program"
