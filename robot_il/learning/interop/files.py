"""New files and folders that appear under their name only once they are whole, and a bound on what is read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robot_il.errors import DataError
from robot_il.learning.importers import MAX_FILE_BYTES


class Budget:
    """How many bytes a reader may still unpack; one for a whole file.

    Args:
        path: the file, for messages.
        most: of bytes; compression can make far more of a small file.
    """

    def __init__(self, path: Path, most: int = MAX_FILE_BYTES) -> None:
        self.path = path
        self._left = most

    def take(self, size: int) -> None:
        """Counts ``size`` bytes.

        Raises:
            DataError: they are too many.
        """
        self._left -= size
        if self._left < 0:
            raise DataError(f"at most {MAX_FILE_BYTES} bytes unpacked of {self.path}", "more", "import a part of it")


def refuse_existing(path: Path) -> None:
    """Refuses a name that is taken.

    Raises:
        DataError: it is there already.
    """
    if path.exists():
        raise DataError("a new name", f"{path}, which is there already", "name another or move it away")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A temporary name that becomes ``path`` when the block ends well, and is gone when it does not.

    Raises:
        DataError: ``path`` is there already.
    """
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # the suffix stays the last one: some libraries choose the format by it, or append it
    temporary = path.with_name(f".part-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """The same for a folder; it is made.

    Raises:
        DataError: ``path`` is there already.
    """
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".part-{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
