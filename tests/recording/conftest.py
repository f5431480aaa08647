"""Recordings to test with: ticks of a plausible run, and small logs written without a side process."""

from pathlib import Path

import numpy as np
import pytest

from robot_il.recording.log_writer import LogFile, LogWriter
from robot_il.recording.session import Session
from robot_il.spec import SPEC_HASH, TICK_DTYPE, Mode

SESSION = Session("stand", "expert", {"name": "lqr"}, {"port": "none"}, {"seed": 1}, synthetic=True, note="a test")
WRITTEN_BY = {"version": "test", "spec_hash": SPEC_HASH, "started_unix_ns": 0}


def plausible_ticks(count: int, seed: int = 0) -> np.ndarray:
    """An armed robot that balances with sensor noise, obeys each command one period later, and loses no time."""
    noise = np.random.default_rng(seed)
    ticks = np.zeros(count, TICK_DTYPE)
    index = np.arange(count)
    ticks["tick"] = index
    ticks["state_seq"] = 500 + index
    ticks["mcu_time_us"] = 2_500_000 + 5000 * index
    ticks["lateness_us"] = noise.exponential(80, count)
    ticks["host_receive_ns"] = 10**12 + 5_000_000 * index + (ticks["lateness_us"] * 1000).astype(np.int64)
    ticks["host_send_ns"] = ticks["host_receive_ns"] + 150_000
    ticks["sent_seq"] = 1 + index
    ticks["command_seq"] = index
    for name, scale in (("pitch", 0.02), ("pitch_rate", 0.1), ("yaw_rate", 0.05), ("velocity", 0.1)):
        ticks[name] = noise.normal(0, scale, count)
    for side in ("left", "right"):
        ticks[f"wheel_velocity_{side}"] = noise.normal(0, 1, count)
        ticks[f"sent_{side}"] = noise.normal(0, 0.3, count)
        ticks[f"applied_{side}"][1:] = ticks[f"sent_{side}"][:-1]
    ticks["controller_torque"] = ticks["limited_torque"] = ticks["sent_left"] + ticks["sent_right"]
    ticks["intent"] = ticks["height_wanted"] = np.nan
    ticks["accel_x"] = noise.normal(0, 0.05, count)
    ticks["accel_z"] = noise.normal(9.81, 0.05, count)
    ticks["battery"] = 25.0
    ticks["mode"] = Mode.ARMED
    ticks["source"] = 1
    return ticks


def write_log(path: Path, ticks: np.ndarray, *, finish: bool = True, events: int = 0) -> Path:
    """Writes ``ticks`` in this process, ``events`` events spread over them; unfinished it ends in an open chunk."""
    file = LogFile(path)
    writer = LogWriter(file, SESSION.to_json(), WRITTEN_BY, 10**12)
    every = len(ticks) // events if events else len(ticks) + 1
    for index, row in enumerate(ticks):
        writer.tick(row.tobytes())
        if index % every == every - 1:
            writer.event(b'{"host_ns": %d, "name": "mark", "detail": {"tick": %d}}' % (10**12, index))
    if finish:
        writer.finish("closed", 0)
    file.close()
    return path


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def ticks() -> np.ndarray:
    return plausible_ticks(400)


@pytest.fixture
def log_path(tmp_path: Path, ticks: np.ndarray) -> Path:
    return write_log(tmp_path / "run.mcap", ticks, events=2)
