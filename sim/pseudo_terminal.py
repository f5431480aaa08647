"""The twin's end of a pseudo-terminal: never blocks, and outlives hosts that come and go."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import termios
import tty
from pathlib import Path

from robot_il.errors import ConfigError

READ_SIZE = 65_536
BACKLOG = 2_000
"""Unread bytes to the host beyond which they are dropped: 100 ms of STATEs."""


class PseudoTerminal:
    """A serial port made of software.

    Attributes:
        port: path of the end that a host opens.
        dropped_bytes: bytes to the host that nobody fetched in time.
    """

    def __init__(self, link: Path | None = None) -> None:
        """Opens it.

        Args:
            link: symbolic link to make to ``port``; replaced where it is one already, removed at the end.

        Raises:
            ConfigError: something that is no symbolic link lies at ``link``, or none can be made there.
        """
        self._master, self._slave = os.openpty()
        # Our own hold on the host's end keeps the pair alive while no host is there.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self.dropped_bytes = 0
        self._link = link
        try:
            if link is not None:
                _make_link(link, self.port)
        except ConfigError:
            self._link = None
            self.close()
            raise

    def read(self) -> bytes:
        """What the host wrote; empty where there is nothing."""
        try:
            return os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        """Sends bytes to the host. Where too many lie unread those go, for the newest matter most."""
        # A terminal buffers up to 64 KiB, three seconds of STATEs, that a host would have to read first.
        unread = self._unread()
        if unread > BACKLOG:
            termios.tcflush(self._slave, termios.TCIFLUSH)
            self.dropped_bytes += unread
        try:
            written = os.write(self._master, data)
        except BlockingIOError:
            written = 0
        self.dropped_bytes += len(data) - written

    def close(self) -> None:
        """Closes both ends and removes the link if it is still ours."""
        if self._link is not None and self._link.is_symlink() and str(self._link.readlink()) == self.port:
            self._link.unlink()
        for descriptor in (self._master, self._slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _unread(self) -> int:
        count = array.array("i", [0])
        fcntl.ioctl(self._slave, termios.FIONREAD, count)
        return count[0]


def _make_link(link: Path, target: str) -> None:
    """Makes a symbolic link under a temporary name and renames it, so that it is there at once or not at all."""
    if os.path.lexists(link) and not link.is_symlink():
        raise ConfigError(f"a free path or an old link at {link}", "another file", "choose another --link")
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    try:
        temporary.symlink_to(target)
        temporary.replace(link)
    except OSError as error:
        raise ConfigError(f"to make a link at {link}", f"{error}", "choose another --link") from error
