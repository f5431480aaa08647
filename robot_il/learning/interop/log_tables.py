"""A log as a plain table, every signal of every tick, for tools that do not read MCAP."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from robot_il import __version__
from robot_il.errors import DataError
from robot_il.learning.interop.csv_folder import MAP, map_text, write_rows
from robot_il.learning.interop.files import new_file, new_folder
from robot_il.learning.progress import Progress
from robot_il.recording.reader import Log
from robot_il.spec import LIMITS, SIGNALS, TICK_SIGNALS
from robot_il.tasks import find_task

TICKS = "ticks.csv"
ABOUT = "log.json"


def export_log(log: Log, form: str, path: Path, progress: Progress) -> None:
    """Writes all ticks, and the session, the events, units and meanings.

    Args:
        log: what to write.
        form: ``csv`` (a folder with a column map), ``npz``, ``hdf5`` or ``parquet`` (a file).
        path: new file or folder.
        progress: told while it writes.

    Raises:
        DataError: ``path`` is there already, an unknown format, or a log without ticks.
    """
    if form not in WRITERS:
        raise DataError(f"a format out of {', '.join(WRITERS)}", form, "correct --format")
    if not len(log.ticks):
        raise DataError(f"ticks in {log.path}", "none", "name another log")
    WRITERS[form](log, path, progress)


def columns_of(log: Log) -> dict[str, np.ndarray]:
    """Each signal that the file has, (T,) in the type and unit of the spec."""
    return {signal.name: log.ticks[signal.name] for signal in TICK_SIGNALS if signal.name not in log.layout.missing}


def about(log: Log) -> dict[str, Any]:
    """Everything else in the log, as JSON values."""
    return {
        "written_by": f"robot-il {__version__}",
        "source": log.path.name,
        "source_sha256": log.sha256,
        "status": log.status,
        "problems": list(log.problems),
        "lost_ticks": log.lost_ticks,
        "label": log.label,
        "format_version": log.layout.format_version,
        "spec_hash": log.layout.spec_hash,
        "missing_signals": list(log.layout.missing),
        "session": log.session.to_json(),
        "recorded_by": log.written_by,
        "ended": log.ended,
        "events": log.events,
        "signals": {
            name: {"unit": SIGNALS[name].unit, "meaning": SIGNALS[name].meaning} for name in columns_of(log)
        },
    }  # fmt: skip


def _write_csv(log: Log, path: Path, progress: Progress) -> None:
    columns = columns_of(log)
    with new_folder(path) as folder:
        write_rows(folder / TICKS, columns, {name: SIGNALS[name].unit for name in columns}, progress)
        (folder / MAP).write_text(_map(log), encoding="utf-8")
        (folder / ABOUT).write_text(json.dumps(about(log), indent=1) + "\n", encoding="utf-8")


def _map(log: Log) -> str:
    """The task's observation and both torques that were sent. It takes every row, driven or not."""
    limit = LIMITS.wheel_torque_nm
    return map_text(
        [(name, name, SIGNALS[name].unit) for name in find_task(log.session.task).observation],
        [(name, name, SIGNALS[name].unit, -limit, limit) for name in ("sent_left", "sent_right")],
        [
            "# takes every tick, armed or not; robot-il dataset build knows which ones are a demonstration",
            f'label = "{log.label}"',
            "",
            "[csv]",
            'delimiter = ","',
            "",
            "[time]",
            'column = "mcu_time_us"',
            "scale = 1e-6",
        ],
    )


def _write_npz(log: Log, path: Path, progress: Progress) -> None:
    del progress  # numpy writes it in one go
    arrays: dict[str, Any] = {**columns_of(log), "about": np.array(json.dumps(about(log)))}
    with new_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def _write_hdf5(log: Log, path: Path, progress: Progress) -> None:
    import h5py

    columns = columns_of(log)
    with new_file(path) as temporary, h5py.File(temporary, "w") as file:
        for index, (name, array) in enumerate(columns.items()):
            file.create_dataset(name, data=array).attrs.update(
                {"unit": SIGNALS[name].unit, "meaning": SIGNALS[name].meaning}
            )
            progress.show("signals", index + 1, len(columns))
        file.create_dataset("about", data=np.frombuffer(json.dumps(about(log)).encode(), np.uint8))


def _write_parquet(log: Log, path: Path, progress: Progress) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    del progress  # one table, as fast as the disk
    columns = columns_of(log)
    fields = [
        pa.field(name, pa.from_numpy_dtype(array.dtype), metadata={"unit": SIGNALS[name].unit})
        for name, array in columns.items()
    ]
    schema = pa.schema(fields, metadata={"robot_il": json.dumps(about(log))})
    arrays = [pa.array(np.ascontiguousarray(array)) for array in columns.values()]
    with new_file(path) as temporary:
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), temporary)


WRITERS: Final[dict[str, Callable[[Log, Path, Progress], None]]] = {
    "csv": _write_csv,
    "npz": _write_npz,
    "hdf5": _write_hdf5,
    "parquet": _write_parquet,
}
