"""HDF5 read with suspicion: only plain numbers that lie in the file itself, and only so many of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from robot_il.errors import DataError
from robot_il.learning.interop.files import Budget

MAX_MEMBERS = 1_000_000
"""Most entries of a group that are looked at."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Opens a file for reading; what the library raises inside the block becomes a DataError too.

    Raises:
        DataError: no HDF5 file, or one that is damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError("an HDF5 file of plain numbers", f"{path}: {text}", "name such a file") from error


def member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """A group or dataset that lies in this file; None where there is none.

    Raises:
        DataError: a link to elsewhere, which may be any file of this machine.
    """
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise DataError(f"{name} in the file itself", "a link to elsewhere", "copy the data into one file")
    found = group[name]
    return found if isinstance(found, (h5py.Group, h5py.Dataset)) else None


def members(group: h5py.Group) -> list[str]:
    """Names in a group.

    Raises:
        DataError: more than ``MAX_MEMBERS``.
    """
    if len(group) > MAX_MEMBERS:
        raise DataError(f"at most {MAX_MEMBERS} entries in {group.name}", f"{len(group)}", "import a part of it")
    return list(group)


def numbers(group: h5py.Group, name: str, budget: Budget) -> np.ndarray | None:
    """The array of that name; None where there is none.

    Raises:
        DataError: a group, anything but integers, floats and booleans, values kept in another file, or too many.
    """
    found = member(group, name)
    if found is None:
        return None
    where = f"{name} in {budget.path}"
    if not isinstance(found, h5py.Dataset):
        raise DataError(f"an array {where}", "a group", "name its parts, or export flat arrays")
    if found.dtype.kind not in "fiub" or found.dtype.hasobject:
        raise DataError(f"numbers {where}", f"{found.dtype}", "leave it out; objects are never unpacked")
    if found.external or found.is_virtual:
        raise DataError(f"the numbers of {where} themselves", "a reference to other files", "copy them into one file")
    budget.take(found.nbytes)
    return np.asarray(found[()])
