"""Every format by its name: how it is written and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple

from robot_il.errors import DataError
from robot_il.learning.column_map import ColumnMap
from robot_il.learning.dataset import Dataset
from robot_il.learning.importers import Split
from robot_il.learning.interop.card import Found, dataset_of
from robot_il.learning.progress import Progress


class Format(NamedTuple):
    """Where a format's two functions are; imported only when it is used, for some need more than the bare install.

    Attributes:
        writer: module in this package, and its function (dataset, path, progress) -> losses.
        reader: module and function (path, progress) -> ``Found``.
        layout: what it is on the disk, for a person.
    """

    writer: tuple[str, str]
    reader: tuple[str, str]
    layout: str


FORMATS: Final = {
    "csv": Format(("csv_folder", "write_csv"), ("csv_folder", "read_csv_folder"), "folder"),
    "npz": Format(("npz_file", "write_npz"), ("npz_file", "read_npz"), "file"),
    "d4rl": Format(("d4rl_file", "write_d4rl"), ("d4rl_file", "read_d4rl"), "file"),
    "minari": Format(("minari_write", "write_minari"), ("minari_read", "read_minari"), "folder"),
    "lerobot": Format(("lerobot_write", "write_lerobot"), ("lerobot_read", "read_lerobot"), "folder"),
}


def export_dataset(dataset: Dataset, form: str, path: Path, progress: Progress) -> Sequence[str]:
    """Writes a dataset in another format.

    Args:
        dataset: what to write.
        form: key of ``FORMATS``.
        path: new file or folder.
        progress: told while it writes.

    Returns:
        What the format cannot hold, or needs and was not measured; one sentence each. The export carries them too.

    Raises:
        DataError: ``path`` is there already, or the format cannot hold this dataset.
    """
    write: Callable[[Dataset, Path, Progress], list[str]] = _function(form, "writer")
    return write(dataset, path, progress)


def import_dataset(
    path: Path, form: str, choice: Split, progress: Progress, columns: ColumnMap | None = None, restore: bool = True
) -> Dataset:
    """Reads a dataset in another format.

    Args:
        path: file or folder.
        form: key of ``FORMATS``.
        choice: label and split of anyone else's data.
        progress: told while it reads.
        columns: names, units and scales in place of the source's.
        restore: give an unchanged export of robot-il back as it was, with its labels and split.

    Raises:
        DataError: not of that format, or nothing that can be learned from.
    """
    read: Callable[[Path, Progress], Found] = _function(form, "reader")
    return dataset_of(read(path, progress), choice, columns, restore)


def _function(form: str, which: str) -> Callable:
    if form not in FORMATS:
        raise DataError(f"a format out of {', '.join(FORMATS)}", form, "correct --format")
    module, name = getattr(FORMATS[form], which)
    function: Callable = getattr(import_module(f"robot_il.learning.interop.{module}"), name)
    return function
