"""How punctual is the loop? Ours, a C loop of nothing but clock_nanosleep, and cyclictest, in turns, idle and loaded.

    python tools/bench_loop.py [--seconds 20] [--rounds 3] [--rates 200 1000] [--json FILE]
    python tools/bench_loop.py --drift-minutes 10

Three things are measured, each for every rate, on an idle machine and beside one busy process a core:

    wake-up              lateness against an absolute grid: the C loop, cyclictest where installed, robot_il's timer
    state arrival        lateness of STATEs at the whole loop, which drives a twin behind a pseudo-terminal in another
                         process and logs: the twin's own lateness and the line's are in it
    sensor to command    from STATE complete to COMMAND written, in the same loop

All ask for SCHED_FIFO, locked memory and tight timers. The blocks take turns, so that a noisy quarter of an hour
strikes all alike; ratios within one run are what counts. A shared machine's hypervisor adds stalls of many milliseconds
that no program on it can avoid: compare p50, p99 and skips, and read the largest with that in mind.

``--drift-minutes`` runs our timer at 200 Hz for so long, then for one minute a loop that sleeps a period after each
round, and says by how much either left the grid.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.control.cyclictest import installed, measure_cyclictest
from robot_il.control.realtime import realtime
from robot_il.control.wakeup import WakeUps, measure_wake_ups

SOURCE = Path(__file__).with_name("clock_nanosleep_loop.c")
SHARES = (50.0, 99.0, 99.9, 100.0)
ROBOT_IL = [sys.executable, "-m", "robot_il.cli.main"]


def c_loop(rate_hz: int, seconds: float, folder: Path) -> WakeUps:
    """The yardstick's wake-ups."""
    binary = folder / "clock_nanosleep_loop"
    if not binary.exists():
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-std=gnu11", "-O2", "-Wall", str(SOURCE), "-o", str(binary)], check=True)
    ticks = round(rate_hz * seconds)
    words = [str(binary), str(1_000_000_000 // rate_hz), str(ticks)]
    lateness = np.frombuffer(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout, np.int64)
    return WakeUps(rate_hz, ticks, ticks - len(lateness), lateness / 1000.0)


def our_timer(rate_hz: int, seconds: float) -> WakeUps:
    """Ours, in a process of its own, so that nobody inherits its priority."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_in_realtime, (rate_hz, seconds))


def _in_realtime(rate_hz: int, seconds: float) -> WakeUps:
    with realtime():
        return measure_wake_ups(rate_hz, seconds)


def whole_loop(rate_hz: int, seconds: float, folder: Path) -> dict[str, WakeUps]:
    """Drives a twin behind its serial port with the LQR, logging, and reads the log."""
    from robot_il.recording.reader import read_log

    port, log = folder / "port", folder / "loop.mcap"
    log.unlink(missing_ok=True)
    twin = subprocess.Popen([*ROBOT_IL, "twin", "--link", str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert twin.stdout is not None
        twin.stdout.readline()
        words = ["record", "--device", str(port), "--controller", "lqr", "--label", "unlabeled", "--out", str(log)]
        options = ["--rate", str(rate_hz), "--seconds", str(seconds), "--patience", "30"]
        done = subprocess.run([*ROBOT_IL, *words, *options], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"the loop's run ended early: {done.stdout.splitlines()[-6:]}", file=sys.stderr)
    finally:
        twin.send_signal(signal.SIGINT)
        twin.wait()
    ticks = read_log(log).ticks
    answered = ticks[ticks["host_send_ns"] > 0]
    latency_us = (answered["host_send_ns"] - answered["host_receive_ns"]) / 1000.0
    skipped = int(ticks["skipped"][-1])
    return {
        "state arrival": WakeUps(rate_hz, len(ticks) + skipped, skipped, ticks["lateness_us"].astype(float)),
        "sensor to command": WakeUps(rate_hz, len(answered), 0, latency_us),
    }


def block(rate_hz: int, seconds: float, folder: Path) -> dict[str, WakeUps]:
    """Every way once."""
    found = {"wake-up, C clock_nanosleep": c_loop(rate_hz, seconds, folder)}
    theirs = measure_cyclictest(rate_hz, seconds) if installed() else None
    if theirs is not None:
        found["wake-up, cyclictest"] = theirs
    found["wake-up, robot_il"] = our_timer(rate_hz, seconds)
    return found | whole_loop(rate_hz, seconds, folder)


@contextlib.contextmanager
def loaded(busy: bool) -> Iterator[None]:
    """Keeps every core busy with an ordinary process meanwhile."""
    words = [sys.executable, "-c", "while True: sum(range(1000))"]
    processes = [subprocess.Popen(words) for _ in os.sched_getaffinity(0)] if busy else []
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure(arguments: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """All rows, each with its blocks put together."""
    gathered: dict[tuple[str, int, str], list[WakeUps]] = {}
    for number in range(arguments.rounds):
        for load in ("idle", "loaded"):
            for rate_hz in arguments.rates:
                print(f"round {number + 1} of {arguments.rounds}: {load}, {rate_hz} Hz", file=sys.stderr, flush=True)
                with loaded(load == "loaded"):
                    for name, found in block(rate_hz, arguments.seconds, folder).items():
                        gathered.setdefault((load, rate_hz, name), []).append(found)
    return [row(*key, blocks) for key, blocks in gathered.items()]


def row(load: str, rate_hz: int, name: str, blocks: list[WakeUps]) -> dict[str, Any]:
    """Percentiles over all blocks, and the spread of the p50 and p99 over blocks."""
    together = np.concatenate([one.lateness_us for one in blocks])
    spread = [[one.percentile(share) for one in blocks] for share in SHARES[:2]]
    return {
        "load": load,
        "rate_hz": rate_hz,
        "name": name,
        "us": [float(value) for value in np.percentile(together, SHARES)],
        "p50_p99_by_block": spread,
        "skipped": sum(one.skipped for one in blocks),
        "ticks": sum(one.ticks for one in blocks),
    }


def show(rows: list[dict[str, Any]]) -> None:
    """The table, with wake-ups as multiples of the C loop's."""
    print(
        f"{'':10s}{'Hz':>5s}  {'us':28s}{'p50':>8s}{'p99':>8s}{'p99.9':>8s}{'max':>8s}  skipped          p50, p99 of C"
    )
    for one in sorted(rows, key=lambda one: (one["rate_hz"], one["load"] != "idle")):
        yardstick = next(
            other["us"]
            for other in rows
            if (other["load"], other["rate_hz"]) == (one["load"], one["rate_hz"]) and "clock_nanosleep" in other["name"]
        )
        cells = "".join(f"{value:8.0f}" for value in one["us"])
        skips = f"{one['skipped']} of {one['ticks']}"
        ratio = [f"{ours / max(theirs, 1.0):.2f}" for ours, theirs in zip(one["us"][:2], yardstick[:2], strict=True)]
        told = ", ".join(ratio) if one["name"].startswith("wake-up") else ""
        print(f"{one['load']:10s}{one['rate_hz']:5d}  {one['name']:28s}{cells}  {skips:16s} {told}")


def drift(minutes: float) -> int:
    """0 where no grid point is unaccounted for and lateness has no trend beyond its own spread."""
    rate_hz, seconds = 200, 60.0 * minutes
    with realtime() as granted:
        print(f"real time {granted}; {minutes:g} minutes at {rate_hz} Hz", flush=True)
        start_ns = time.monotonic_ns()
        found = measure_wake_ups(rate_hz, seconds)
        took_s = (time.monotonic_ns() - start_ns) * 1e-9
        naive_s = _relative_sleeps(rate_hz, 60)
    parts = [np.median(part) for part in np.array_split(found.lateness_us, max(2, round(minutes)))]
    drifted_us = float(parts[-1] - parts[0])
    accounted = len(found.lateness_us) + found.skipped == found.ticks
    print(f"{found.ticks} grid points: {len(found.lateness_us)} woken up for, {found.skipped} skipped")
    print(f"took {took_s:.4f} s, {1e3 * (took_s - seconds):+.2f} ms against the grid's last point")
    print(f"median lateness by part: {', '.join(f'{part:.0f}' for part in parts)} us; drift {drifted_us:+.0f} us")
    print(f"a loop that sleeps {1e3 / rate_hz:g} ms after each round was {1e3 * (naive_s - 60):+.0f} ms off in 60 s")
    kept = accounted and abs(drifted_us) < 1000.0
    print("the grid was kept" if kept else "the grid was not kept")
    return 0 if kept else 1


def _relative_sleeps(rate_hz: int, seconds: int) -> float:
    """Time in s that as many rounds take as belong into ``seconds``, each begun by sleeping for a period."""
    start_ns = time.monotonic_ns()
    for _ in range(rate_hz * seconds):
        time.sleep(1.0 / rate_hz)
    return (time.monotonic_ns() - start_ns) * 1e-9


def main() -> int:
    """Prints the table, or judges the drift."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each block (default 20)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rates", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--drift-minutes", type=float, metavar="M")
    arguments = parser.parse_args()
    if arguments.drift_minutes:
        return drift(arguments.drift_minutes)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(arguments, Path(folder))
    show(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
