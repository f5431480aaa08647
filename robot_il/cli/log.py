"""``robot-il log``: look at, check, recover, label and export recordings."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot_il.cli import log_check, log_edit, log_episodes, log_plot, log_stream
from robot_il.errors import ConfigError

if TYPE_CHECKING:
    from robot_il.recording.reader import Log
    from robot_il.recording.timing import Spread, Timing


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds ``log`` with its commands."""
    parser = commands.add_parser("log", help="look at, check, recover, label and export recordings")
    parts = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(parts, "info", info, "what a recording is, and how it kept its time", as_json=True)
    log_check.add_parser(parts)
    log_plot.add_parser(parts)
    log_stream.add_parser(parts)
    recover_parser = _add(
        parts, "recover", recover, "make clean logs from a cut, damaged or left-over one, or from all in a folder"
    )
    recover_parser.add_argument("--out", type=Path, help="the log to make; by default named after FILE")
    log_episodes.add_parsers(parts)
    log_edit.add_parsers(parts)
    export_parser = _add(parts, "export", export, "write every tick and signal as a table for other tools")
    export_parser.add_argument("--format", choices=("csv", "npz", "hdf5", "parquet"), required=True)
    export_parser.add_argument("--out", type=Path, required=True, help="file to write, a folder for csv; must be new")


def _add(
    parts: argparse._SubParsersAction,
    name: str,
    run: Callable[[argparse.Namespace], int | None],
    text: str,
    as_json: bool = False,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = parts.add_parser(name, help=text, description=text)
    parser.add_argument("file", type=Path, metavar="FILE")
    if as_json:
        parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)
    return parser


def info(args: argparse.Namespace) -> None:
    """Prints what a recording is; raises LogError for what is none."""
    from robot_il.recording.reader import read_log
    from robot_il.recording.timing import histogram_lines, measure

    log = read_log(args.file)
    timing = measure(log)
    if args.json:
        print(json.dumps(_info_values(log, timing), indent=2))
        return
    print("\n".join([*_info_lines(log, timing), "lateness against the host's grid, ticks:", *histogram_lines(timing)]))


def _info_values(log: Log, timing: Timing) -> dict[str, Any]:
    from robot_il.recording.check import without_nan
    from robot_il.recording.timing import LATENESS_EDGES_US

    return {
        "path": str(log.path),
        "status": log.status,
        "format_version": log.layout.format_version,
        "spec_hash": log.layout.spec_hash,
        "missing_signals": list(log.layout.missing),
        "problems": list(log.problems),
        "lost_ticks": log.lost_ticks,
        "sha256": log.sha256,
        "label": log.label,
        "session": log.session.to_json(),
        "written_by": log.written_by,
        "ended": log.ended,
        "events": log.events,
        "timing": {**without_nan(asdict(timing)), "lateness_edges_us": list(LATENESS_EDGES_US)},
    }


def _info_lines(log: Log, timing: Timing) -> list[str]:
    session, written = log.session, log.written_by
    started = datetime.fromtimestamp(written.get("started_unix_ns", 0) / 1e9, UTC)
    relabelled = f" (recorded as {session.label})" if log.label != session.label else ""
    ended = log.ended or {"reason": "unknown, the end is missing", "dropped": "unknown"}
    rows = {
        "status": "; ".join([log.status, *log.problems]),
        "format": _format(log),
        "task": session.task,
        "label": log.label + relabelled,
        "driven by": _describe(session.controller) + (" (synthetic)" if session.synthetic else ""),
        "device": _describe(session.device),
        "started": f"{started:%Y-%m-%d %H:%M:%S} UTC, robot-il {written.get('version', '?')}",
        "ended": f"{ended['reason']}; dropped {ended['dropped']}",
        "note": session.note,
        "ticks": f"{timing.ticks} in {timing.duration_s:.2f} s, {timing.rate_hz:.2f} Hz by the robot's clock",
        "lateness": _spread(timing.lateness_us),
        "latency": _spread(timing.latency_us) + ", STATE complete to COMMAND written",
        "lost time": f"{timing.skipped} periods skipped, {timing.link_errors} link errors, "
        f"{timing.slipped_ms:.4g} ms slipped in simulation",
        "events": str(len(log.events)),
        "sha256": log.sha256,
    }
    return [str(log.path), *(f"  {name:<10} {text}" for name, text in rows.items() if text)]


def _format(log: Log) -> str:
    missing = log.layout.missing
    without = f"; it has no {', '.join(missing)}, which reads as NaN" if missing else ""
    return f"{log.layout.format_version}, spec {log.layout.spec_hash[:12]}{without}"


def _describe(settings: dict[str, Any]) -> str:
    rest = ", ".join(f"{key} {_short(value)}" for key, value in settings.items() if key != "name")
    return ": ".join(part for part in (str(settings.get("name", "")), rest) if part)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_short(part) for part in value) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _spread(spread: Spread) -> str:
    return (
        f"p50 {spread.p50:.0f}, p99 {spread.p99:.0f}, p99.9 {spread.p999:.0f}, "
        f"largest {spread.largest:.0f} us"
    )  # fmt: skip


def recover(args: argparse.Namespace) -> int:
    """Writes clean logs from what is left of one, or of all in a folder, and says what was lost."""
    from robot_il.recording.rewrite import recover as make

    if args.file.is_dir():
        return _recover_folder(args.file, args.out)
    done = make(args.file, args.out)
    print(f"{done.source} was {done.status}: {'; '.join(done.problems) or 'nothing missing'}")
    print(f"recovered {done.ticks} ticks and {done.events} events to {done.path}")
    if done.lost_ticks:
        print(f"lost {done.lost_ticks} ticks within it")
    return 0


def _recover_folder(folder: Path, out: Path | None) -> int:
    """All that a crash left unfinished in a folder; 1 where something of it could not be recovered."""
    from robot_il.recording.recovery import recover_folder

    if out:
        raise ConfigError("no --out for a folder", f"{out}", "leave it out: each log gets its own name")
    recoveries = recover_folder(folder)
    print("\n".join(recovery.line for recovery in recoveries) or f"{folder}: nothing to recover")
    return int(any(recovery.error for recovery in recoveries))


def export(args: argparse.Namespace) -> None:
    """Writes a recording as a table."""
    from robot_il.learning.interop.files import refuse_existing
    from robot_il.learning.interop.log_tables import columns_of, export_log
    from robot_il.learning.progress import terminal_progress
    from robot_il.recording.reader import read_log

    refuse_existing(args.out)
    log = read_log(args.file)
    with terminal_progress() as progress:
        export_log(log, args.format, args.out, progress)
    ticks, signals, events = len(log.ticks), len(columns_of(log)), len(log.events)
    print(f"{ticks} ticks of {signals} signals and {events} events written to {args.out}")
    for problem in log.problems:
        print(f"  the recording is {log.status}: {problem}")
