"""A disk that is really full: a small file system of the host process's own, or a limit that the kernel sets."""

from __future__ import annotations

import ctypes
import errno
import resource
import shutil
from contextlib import suppress
from pathlib import Path

from robot_il.recording.recorder import recording_name

DISK_BYTES = 1 << 20
_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000


class FullDisk:
    """A folder for one log, which can be filled.

    Where the system permits it (as root), a memory file system of 1 MiB is mounted there, in a mount namespace of this
    process's own: nobody else sees it, and it ends with the process. Filled, it refuses the recorder's writer with
    ENOSPC. Elsewhere the writer's files are limited to their present size, and it is refused with EFBIG.

    Args:
        folder: an empty one.
        own: to have a file system of its own, where that is permitted.

    Attributes:
        error: the errno with which the writer is refused.
    """

    def __init__(self, folder: Path, own: bool = True) -> None:
        self._folder = folder
        self._full = False
        self.error = errno.ENOSPC if own and _mounted(folder) else errno.EFBIG

    def fill(self, recording: Path, writer_pid: int) -> None:
        """Leaves no room from here on.

        Args:
            recording: the log that is being written.
            writer_pid: the process that writes it.
        """
        if self._full:
            return
        self._full = True
        if self.error == errno.ENOSPC:
            with (self._folder / "filler").open("wb", buffering=0) as filler, suppress(OSError):
                while filler.write(bytes(4096)):
                    pass
        else:
            size = recording.stat().st_size
            resource.prlimit(writer_pid, resource.RLIMIT_FSIZE, (size, size))

    def rescue(self, path: Path, to: Path) -> None:
        """Copies what became of a log off the disk.

        Args:
            path: where the log was to be.
            to: the folder.
        """
        for kept in (path, recording_name(path)):
            if kept.exists():
                shutil.copy(kept, to / kept.name)


def _mounted(folder: Path) -> bool:
    """Mounts a small file system there that only this process and its children see; False where that is forbidden."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        return False
    if libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None) != 0:
        return False
    return libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, f"size={DISK_BYTES}".encode()) == 0
