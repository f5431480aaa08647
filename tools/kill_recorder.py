"""Kills recordings at random moments, reads each back, and prints what was lost.

    python tools/kill_recorder.py [--kills 100] [--rate 200] [--side-by-side 4] [--seed 0]

A process records ticks and an operator's hands in wall-clock time and counts what it published in a memory-mapped file,
which outlives it. In turns the recording process, its writer process, or both at once get SIGKILL. What is read back
must be an unbroken beginning of what was published, bit for bit, and what is missing less than half a second; where the
recording process alone is killed its writer finishes the file and nothing may be missing. Exit code 1 if not.

What a kill cannot show is a power cut: the kernel keeps what was written. For that there are fdatasync five times a
second and the tests that cut a log at every byte (tests/recording/test_cut_and_damaged.py).
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_il.control.operator import Hand, pack_hand
from robot_il.learning.progress import terminal_progress
from robot_il.recording.reader import COMPLETE, Log, read_log
from robot_il.recording.recorder import Recorder, recording_name
from robot_il.recording.session import Session
from robot_il.spec import TICK_DTYPE, HandDevice

WHO = ("the recording process", "its writer process", "both")
MOST_LOST_S = 0.5
HAND_EVERY_S = 0.05
EARLIEST_S, LATEST_S = 0.3, 2.5
PATIENCE_S = 60.0
_COUNT = struct.Struct("<Q")


@dataclass(frozen=True)
class Kill:
    """One recording that was killed.

    Attributes:
        who: was killed, one of ``WHO``.
        published: ticks at that moment.
        read: ticks that were read back.
        status: of the log.
        lost_s: what is missing.
        wrong: what is not as it should be, empty where all is.
    """

    who: str
    published: int
    read: int
    status: str
    lost_s: float
    wrong: str


def row(index: int) -> bytes:
    """Tick number ``index``, different from every other."""
    tick = np.zeros((), TICK_DTYPE)
    tick["tick"] = tick["state_seq"] = index
    tick["host_receive_ns"] = 10**12 + 1_000_000 * index
    tick["pitch"], tick["velocity"] = np.sin(index / 50), np.cos(index / 70)
    return tick.tobytes()


def produce(path: Path, counter: Path, rate_hz: int) -> None:
    """Records until it is killed."""
    with counter.open("r+b") as file:
        count = mmap.mmap(file.fileno(), _COUNT.size)
    session = Session("stand", "unlabeled", {"name": "session"}, {"rate_hz": rate_hz})
    with Recorder(path, session) as recorder:
        print(recorder.writer_pid, flush=True)
        began, index, hands = time.monotonic(), 0, 0
        while True:
            recorder.tick(row(index))
            index += 1
            _COUNT.pack_into(count, 0, index)
            if index >= hands * HAND_EVERY_S * rate_hz:
                hands += 1
                recorder.hand(pack_hand(Hand(hands, HandDevice.JOYSTICK, True, 0.5, 0.0), 10**12 + 1_000_000 * index))
            time.sleep(max(0.0, began + index / rate_hz - time.monotonic()))


def kill_one(number: int, seed: int, rate_hz: int) -> Kill:
    """Starts a recording, kills it at a random moment, and looks at what is left."""
    choose = random.Random(f"{seed}/{number}")
    who = WHO[number % len(WHO)]
    with tempfile.TemporaryDirectory() as folder:
        path, counter = Path(folder) / "run.mcap", Path(folder) / "counter"
        counter.write_bytes(bytes(_COUNT.size))
        command = [sys.executable, __file__, "--produce", str(path), str(counter), str(rate_hz)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            writer = int(process.stdout.readline())
            time.sleep(choose.uniform(EARLIEST_S, LATEST_S))
            if who != WHO[0]:
                os.kill(writer, signal.SIGKILL)
            if who != WHO[1]:
                process.kill()
            published = _COUNT.unpack(counter.read_bytes())[0]
            process.kill()
        log = read_log(wait_for(path) if who == WHO[0] else recording_name(path))
    # a tick may have been published between the kill and the look at the counter, and be in the file
    lost_s = max(0, published - len(log.ticks)) / rate_hz
    return Kill(who, published, len(log.ticks), log.status, lost_s, judge(log, who, lost_s))


def wait_for(path: Path) -> Path:
    """The finished log, once the writer has given it its name."""
    end = time.monotonic() + PATIENCE_S
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return path


def judge(log: Log, who: str, lost_s: float) -> str:
    """What is wrong with a log that was read back."""
    if log.ticks.tobytes() != b"".join(map(row, range(len(log.ticks)))):
        return "not what was published"
    if not np.array_equal(log.hands["hand_seq"], np.arange(1, len(log.hands) + 1)):
        return "hands are missing in between"
    if who == WHO[0] and (log.status != COMPLETE or lost_s):
        return "not complete though its writer lived"
    return f"{lost_s:.3f} s lost" if lost_s > MOST_LOST_S else ""


def table(kills: Iterable[Kill], rate_hz: int) -> list[str]:
    """A line for each of ``WHO``: how much was lost, and in how many of the kills."""
    lines = [f"{'killed':<24}{'kills':>6}{'wrong':>7}{'status':>11}   lost, ms: {'p50':>6}{'p90':>7}{'most':>7}"]
    for who in WHO:
        chosen = [kill for kill in kills if kill.who == who]
        if chosen:
            p50, p90, most = np.quantile([1e3 * kill.lost_s for kill in chosen], (0.5, 0.9, 1.0))
            status = "/".join(sorted({kill.status for kill in chosen}))
            wrong = sum(bool(kill.wrong) for kill in chosen)
            lines.append(f"{who:<24}{len(chosen):>6}{wrong:>7}{status:>11}   {'':10}{p50:>6.0f}{p90:>7.0f}{most:>7.0f}")
    ticks = sorted(kill.published for kill in kills)
    return [*lines, f"killed {ticks[0] / rate_hz:.2f} to {ticks[-1] / rate_hz:.2f} s after the first tick"]


def main() -> int:
    """Kills, and prints the table; 1 where a log was not as it should be."""
    if sys.argv[1:2] == ["--produce"]:
        produce(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rate", type=int, default=200, help="ticks a second (default 200)")
    parser.add_argument("--side-by-side", type=int, default=4, help="recordings at once (default 4)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    kills: list[Kill] = []
    with ThreadPoolExecutor(arguments.side_by_side) as pool, terminal_progress() as progress:
        for kill in pool.map(
            lambda number: kill_one(number, arguments.seed, arguments.rate), range(arguments.kills)
        ):  # fmt: skip
            kills.append(kill)
            progress.show("killing", len(kills), arguments.kills, kill.wrong)
    print("\n".join(table(kills, arguments.rate)))
    wrong = [kill for kill in kills if kill.wrong]
    for kill in wrong:
        print(f"  {kill}")
    print(f"{len(kills) - len(wrong)} of {len(kills)} as promised: at most {MOST_LOST_S} s lost, nothing else changed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
