"""Makes the golden log, and what must be read from it: ``log_ticks.npy`` and ``log_hands.npy`` beside it.

Run it after a change of the spec or of the log format, look at the difference, and commit both. A log of an earlier
format that must stay readable keeps its own name.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robot_il.control.operator import Hand, pack_hand
from robot_il.recording import schema
from robot_il.recording.log_writer import LogFile, LogWriter
from robot_il.recording.session import Session
from robot_il.spec import HAND_AXES, HAND_DTYPE, SPEC_HASH, TICK_DTYPE, TICK_SIGNALS, HandDevice

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
TICKS = 120
SESSION = Session(
    task="stand",
    label="suboptimal",
    controller={"name": "operator"},
    device={"robot_id": 7},
    config={"seed": 3},
    synthetic=True,
    note="golden: every number in it is made up",
)


def golden_ticks() -> np.ndarray:
    """Ticks in which every value of every signal differs from its neighbours in time and in the row."""
    ticks = np.zeros(TICKS, TICK_DTYPE)
    step = np.arange(TICKS)
    for column, signal in enumerate(TICK_SIGNALS):
        if signal.dtype == "f4":
            ticks[signal.name] = np.float32(column) + step.astype(np.float32) / 128
        else:
            ticks[signal.name] = (column * 1000 + step * 3) % (1 << min(62, 8 * int(signal.dtype[1])))
    ticks["intent"] = np.nan
    ticks["host_receive_ns"] = 10**15 + 5_000_000 * step
    return ticks


def golden_hand(number: int) -> bytes:
    """One message of the operator's hand, every value of it its own."""
    axes = tuple(number + axis / 16 for axis in range(HAND_AXES))
    hand = Hand(number, HandDevice.JOYSTICK, bool(number % 2), number / 16, -number / 32, axes, 1 << number)
    return pack_hand(hand, 10**15 + 50_000_000 * number)


def main() -> None:
    """Writes the three files."""
    path = GOLDEN / "log.mcap"
    path.unlink(missing_ok=True)
    ticks = golden_ticks()
    file = LogFile(path)
    written_by = {
        "format_version": schema.FORMAT_VERSION,
        "spec_hash": SPEC_HASH,
        "version": "0.1.0",
        "started_unix_ns": 1_700_000_000_000_000_000,
    }
    writer = LogWriter(file, SESSION.to_json(), written_by, 10**15)
    for index, row in enumerate(ticks):
        if index == TICKS // 2:
            writer.event(b'{"host_ns":1000000300000000,"name":"mcu_armed","detail":{"mcu_time_us":5,"value":0.5}}')
        if index % 10 == 0:
            writer.hand(golden_hand(index // 10))
        writer.tick(row.tobytes())
    writer.label(b'{"host_ns":1000000600000000,"label":"undesirable"}')
    writer.finish("closed", dropped=2)
    file.close()
    np.save(GOLDEN / "log_ticks.npy", ticks, allow_pickle=False)
    hands = np.frombuffer(b"".join(golden_hand(number) for number in range(TICKS // 10)), HAND_DTYPE)
    np.save(GOLDEN / "log_hands.npy", hands, allow_pickle=False)
    print(f"{path}: {file.size} bytes, spec {SPEC_HASH[:12]}")


if __name__ == "__main__":
    main()
