"""Recordings and datasets made of known numbers, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robot_il.learning.dataset import Channel, Dataset
from robot_il.learning.episodes import Episode, assemble, split
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from robot_il.spec import CONTROL_PERIOD_S, SPEC_HASH, TICK_DTYPE, Mode


def driven_ticks(count: int, seed: int = 0, first_seq: int = 100) -> np.ndarray:
    """``count`` ticks of an armed, upright robot under its controller: every number differs, and no check fails."""
    random = np.random.default_rng(seed)
    ticks = np.zeros(count, dtype=TICK_DTYPE)
    for name in ("pitch", "pitch_rate", "yaw_rate", "position", "velocity", "controller_torque"):
        ticks[name] = random.uniform(-0.2, 0.2, count)
    ticks["limited_torque"] = ticks["controller_torque"] / 2
    ticks["sent_left"] = random.uniform(-0.2, 0.2, count)
    ticks["sent_right"] = ticks["limited_torque"] - ticks["sent_left"]
    for side in ("left", "right"):
        ticks[f"applied_{side}"][1:] = ticks[f"sent_{side}"][:-1]
    for name in ("intent", "stick_forward", "stick_turn", "height_wanted"):
        ticks[name] = np.nan
    ticks["accel_x"] = random.normal(0, 0.05, count)
    ticks["accel_z"] = random.normal(9.81, 0.05, count)
    ticks["battery"] = 24.0
    ticks["mode"] = Mode.ARMED
    ticks["source"] = 1
    ticks["tick"] = np.arange(count)
    ticks["state_seq"] = first_seq + np.arange(count)
    ticks["sent_seq"] = 1 + np.arange(count)
    ticks["command_seq"] = np.arange(count)
    ticks["mcu_time_us"] = 5000 * (first_seq + np.arange(count))
    ticks["host_receive_ns"] = 10**12 + 5_000_000 * np.arange(count)
    ticks["host_send_ns"] = ticks["host_receive_ns"] + 150_000
    return ticks


def record(path: Path, ticks: np.ndarray, label: str = "expert", task: str = "stand", synthetic: bool = False) -> Path:
    """Writes ticks as the recorder does."""
    session = Session(task=task, label=label, controller={"name": "lqr"}, synthetic=synthetic)
    with Recorder(path, session, lossless=True) as recorder:
        for tick in ticks:
            recorder.tick(tick.tobytes())
    return path


def episode(rows: int, label: str = "expert", seed: int = 0, observed: int = 4, terminated: bool = False) -> Episode:
    """One episode of random numbers whose observations follow each other."""
    random = np.random.default_rng([seed, rows])
    states = random.normal(size=(rows + 1, observed)).astype(np.float32)
    actions = random.uniform(-1, 1, (rows, 1)).astype(np.float32)
    return Episode(label, "made.mcap", "0" * 64, states[:-1], actions, states[1:], terminated, np.arange(rows))


def made_dataset(*episodes: Episode, fraction: float = 0.2, seed: int = 0, task: str = "stand") -> Dataset:
    """A split dataset of these episodes, for the task ``stand`` unless told."""
    parts, notes = split(episodes, fraction, seed, CONTROL_PERIOD_S)
    units = (("pitch", "rad"), ("pitch_rate", "rad/s"), ("position", "m"), ("velocity", "m/s"))
    return assemble(
        parts,
        task=task,
        observation=[Channel(name, unit) for name, unit in units],
        action=[Channel("wheel_torque", "N m", -8.0, 8.0)],
        action_source="sent",
        period_s=CONTROL_PERIOD_S,
        spec_hash=SPEC_HASH,
        seed=seed,
        notes=notes,
    )
