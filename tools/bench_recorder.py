"""What recording costs: a tick in the loop, and reading a log back. All variants run interleaved, in one process.

    python tools/bench_recorder.py [--ticks 20000] [--rounds 5]
    python tools/bench_recorder.py --minutes 10 [--rate 1000]

The second form records in wall-clock time on an absolute grid, as the loop does, and holds the log to every tick that
was given to the recorder. On each tick an empty call is timed beside it, and the wake-ups are compared with those of a
loop that does nothing else, for a tenth of the time, before and after.

Otherwise ticks are paced, as a loop that runs hot would flatter all of them; the pause is busy, so that the clock
frequency is the same for all. Printed are percentiles over all rounds, and the lowest and highest of the medians of the
rounds.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import struct
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from mcap.reader import make_reader
from mcap.writer import Writer

from robot_il.control.realtime import realtime
from robot_il.control.wakeup import WakeUps, measure_wake_ups
from robot_il.learning.progress import terminal_progress
from robot_il.recording import schema
from robot_il.recording.reader import read_log
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from robot_il.spec import TICK_DTYPE

Take = Callable[[bytes], object]
_INDEX = struct.Struct("<q")
"""A tick's index and its time are both of 8 bytes."""


def rows(count: int) -> list[bytes]:
    """Packed ticks of noise."""
    random = np.random.default_rng(0)
    ticks = np.zeros(count, TICK_DTYPE)
    for name in TICK_DTYPE.names or ():
        if ticks[name].dtype.kind == "f":
            ticks[name] = random.normal(size=count)
    ticks["host_receive_ns"] = 10**12 + 5_000_000 * np.arange(count)
    return [row.tobytes() for row in ticks]


@contextmanager
def direct_mcap(path: Path) -> Iterator[Take]:
    """What a loop would do without a recorder: MCAP's own writer, in its default settings, in the loop."""
    with path.open("wb") as stream:
        writer = Writer(stream)
        writer.start()
        kind = writer.register_schema(schema.TICK_SCHEMA_NAME, "ros2msg", schema.tick_schema().encode())
        channel = writer.register_channel(schema.TICK_TOPIC, "cdr", kind)
        yield lambda row: writer.add_message(channel, 0, schema.CDR_HEADER + row, 0)
        writer.finish()


def pace(take: Take, ticks: list[bytes], period_ns: int) -> np.ndarray:
    """Calls ``take`` once a period; returns the duration of each call in us."""
    took = np.zeros(len(ticks))
    clock = time.perf_counter_ns
    due = clock() + period_ns
    for index, row in enumerate(ticks):
        while clock() < due:
            pass
        start = clock()
        take(row)
        took[index] = clock() - start
        due = max(due + period_ns, clock())
    return took / 1000


def report(name: str, rounds: list[np.ndarray]) -> None:
    """One line: percentiles over all rounds, spread of the medians."""
    everything = np.concatenate(rounds)
    medians = [float(np.median(part)) for part in rounds]
    spread = f"{min(medians):.2f}..{max(medians):.2f}"
    print(f"{name:<28} {percentiles(everything)}   {spread}")


def bench_ticks(folder: Path, ticks: list[bytes], rounds: int, period_us: float) -> None:
    """An empty call, the recorder, and a direct MCAP writer."""
    results: dict[str, list[np.ndarray]] = {"empty call": [], "Recorder.tick": [], "mcap.Writer in the loop": []}
    period_ns = int(period_us * 1000)
    dropped = 0
    for number in range(rounds):
        gc.collect()
        results["empty call"].append(pace(lambda row: None, ticks, period_ns))
        with Recorder(folder / f"ring{number}.mcap", Session("stand", "unlabeled")) as recorder:
            results["Recorder.tick"].append(pace(recorder.tick, ticks, period_ns))
        dropped += recorder.dropped
        with direct_mcap(folder / f"direct{number}.mcap") as take:
            results["mcap.Writer in the loop"].append(pace(take, ticks, period_ns))
    print(
        f"\none tick, us ({rounds} rounds of {len(ticks)}, one every {period_us:g} us; dropped by the ring: {dropped})"
    )
    print(f"{'':<28} {'p50':>8} {'p99':>8} {'p99.9':>8} {'max':>9}   medians")
    for name, parts in results.items():
        report(name, parts)


def read_with_mcap(path: Path) -> np.ndarray:
    """The same array through MCAP's own reader."""
    with path.open("rb") as stream:
        reader = make_reader(stream)
        messages = reader.iter_messages(topics=[schema.TICK_TOPIC], log_time_order=False)
        return np.frombuffer(b"".join(message.data[4:] for _, _, message in messages), TICK_DTYPE)


def bench_reading(folder: Path, rounds: int) -> None:
    """Our reader, which checks every checksum, beside MCAP's, which does not by default."""
    path = folder / "ring0.mcap"
    assert read_log(path).ticks.tobytes() == read_with_mcap(path).tobytes()
    readers: dict[str, Callable[[], np.ndarray]] = {
        "read_log": lambda: read_log(path).ticks,
        "mcap.make_reader": lambda: read_with_mcap(path),
    }
    times: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(rounds):
        for name, read in readers.items():
            start = time.perf_counter()
            count = len(read())
            times[name].append((time.perf_counter() - start) / count * 1e6)
    print("\nreading, us a tick: median (lowest..highest)")
    for name, values in times.items():
        print(f"{name:<28} {np.median(values):>8.3f} ({min(values):.3f}..{max(values):.3f})")
    ratio = np.median(times["mcap.make_reader"]) / np.median(times["read_log"])
    print(f"ratio {ratio:.1f}; file {path.stat().st_size / (count * TICK_DTYPE.itemsize):.2f} x the raw rows")


def endure(folder: Path, minutes: float, rate_hz: int) -> bool:
    """Records for a long time on the loop's grid; whether every tick that was given to the recorder is in the log."""
    path, sample = folder / "long.mcap", rows(1)[0]
    template, index_at, time_at = (
        bytearray(sample),
        *(TICK_DTYPE.fields[name][1] for name in ("tick", "host_receive_ns")),
    )
    empty, took = array("q"), array("q")
    clock = time.perf_counter_ns
    before = alone(minutes / 10, rate_hz)
    session = Session("stand", "unlabeled", device={"rate_hz": rate_hz})
    with Recorder(path, session) as recorder, realtime() as granted, terminal_progress() as progress:
        ticks = round(minutes * 60 * rate_hz)

        def tick() -> None:
            number = len(took)
            _INDEX.pack_into(template, index_at, number)
            _INDEX.pack_into(template, time_at, time.monotonic_ns())
            row = bytes(template)
            first = clock()
            nothing(row)
            second = clock()
            recorder.tick(row)
            took.append(clock() - second)
            empty.append(second - first)
            if number % rate_hz == 0:
                progress.show("recording", number, ticks)

        with_recorder = measure_wake_ups(rate_hz, minutes * 60, on_tick=tick)
        summary = recorder.close()
    after = alone(minutes / 10, rate_hz)
    log = read_log(path)
    whole = np.array_equal(log.ticks["tick"], np.arange(len(took))) and not summary.dropped
    print(f"\n{minutes:g} min at {rate_hz} Hz, real time {granted}")
    print(f"{'in the loop, us':<28} {'p50':>8} {'p99':>8} {'p99.9':>8} {'max':>9}")
    for name, values in (("empty call", empty), ("Recorder.tick", took)):
        print(f"{name:<28} " + percentiles(np.array(values) / 1000))
    print(f"{'wake-up behind the grid, us':<28} {'p50':>8} {'p99':>8} {'p99.9':>8} {'max':>9}   skipped")
    for name, waking in (
        ("empty loop, before", before),
        ("with the recorder", with_recorder),
        ("empty loop, after", after),
    ):
        print(f"{name:<28} {percentiles(waking.lateness_us)}   {waking.skipped} of {waking.ticks}")
    print(
        f"{len(took)} ticks given to the recorder, {len(log.ticks)} in the log, {summary.dropped} dropped, log "
        f"{log.status}: {'no tick lost' if whole else 'TICKS ARE LOST'}; {path.stat().st_size / 2**20:.1f} MiB"
    )
    return whole


def nothing(row: bytes) -> None:
    """What a recorder at no cost would do."""


def alone(minutes: float, rate_hz: int) -> WakeUps:
    """The wake-ups of a loop that does nothing."""
    with realtime():
        return measure_wake_ups(rate_hz, minutes * 60)


def percentiles(values: np.ndarray) -> str:
    """p50, p99, p99.9 and the largest, for a table."""
    p50, p99, p999 = np.quantile(values, (0.5, 0.99, 0.999))
    return f"{p50:>8.2f} {p99:>8.2f} {p999:>8.2f} {values.max():>9.1f}"


def main() -> int:
    """Runs what was asked for; 1 where a tick was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ticks", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--period", type=float, default=200.0, help="us between ticks; 5000 is the real one")
    parser.add_argument("--minutes", type=float, help="record for so long in wall-clock time instead")
    parser.add_argument("--rate", type=int, default=1000, help="Hz of that recording (default 1000)")
    arguments = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    )
    print(f"load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        if arguments.minutes:
            return 0 if endure(Path(folder), arguments.minutes, arguments.rate) else 1
        bench_ticks(Path(folder), rows(arguments.ticks), arguments.rounds, arguments.period)
        bench_reading(Path(folder), arguments.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
