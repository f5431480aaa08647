"""``robot-il twin compare``: how far ahead the twin knows what a recorded robot did; a gate before deployment."""

from __future__ import annotations

import argparse
import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot_il.errors import ConfigError, DataError

if TYPE_CHECKING:
    import numpy as np

    from robot_il.robot import Robot
    from sim.identification.data import Stretch
    from sim.identification.horizons import Errors

HORIZONS_S = (0.05, 0.1, 0.25, 0.5, 1.0)
FIRST_SHARE = 0.4
"""Of a recording, to which the linear model is fitted; predictions are judged on the rest."""
_LIMIT = re.compile(r"(?P<signal>[a-z_]+)=(?P<most>[0-9.eE+-]+)@(?P<horizon>[0-9.eE+-]+)")


@dataclass(frozen=True)
class Limit:
    """Largest root mean square error of a signal that passes, at one horizon."""

    signal: str
    most: float
    horizon_s: float


def add_parser(parts: argparse._SubParsersAction) -> None:
    """Adds the command below ``robot-il twin``."""
    parser = parts.add_parser(
        "compare",
        help="play recordings through the twin and say how far ahead it knows the robot",
        description="Starts the twin, every tenth of a second of a recording, in the state that the half second "
        "before tells, applies the recorded torques, and compares what it does with what the robot did: root mean "
        "square error by signal and horizon, beside a linear model fitted to the recording's first part and beside "
        "persistence (nothing changes). Exits 1 where a --limit is exceeded.",
    )
    parser.add_argument("logs", type=Path, nargs="+", metavar="LOG", help="recordings of the robot")
    parser.add_argument("--robot", default="reference", help="profile of the twin (default reference)")
    parser.add_argument(
        "--limit", action="append", default=[], metavar="SIGNAL=ERROR@SECONDS",
        help="largest error that passes, e.g. pitch=0.05@0.25; repeatable",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the errors as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compares; 1 where a limit is exceeded."""
    from robot_il.cli.sysid_data import driven
    from robot_il.recording.reader import read_log
    from robot_il.robot import load_robot

    limits = [_limit(text) for text in arguments.limit]
    horizons = tuple(sorted({*HORIZONS_S, *(limit.horizon_s for limit in limits)}))
    robot = load_robot(arguments.robot)
    stretches = [stretch for path in arguments.logs for stretch in driven(read_log(path), robot)]
    errors = _compare(robot, stretches, horizons)
    print("\n".join(_lines(errors)))
    broken = _broken(errors, limits)
    if arguments.json:
        _write(arguments.json, errors, broken)
    for line in broken:
        print(line)
    if limits and not broken:
        print(f"all {len(limits)} limits hold")
    return 1 if broken else 0


def _limit(text: str) -> Limit:
    from sim.identification.horizons import SIGNALS

    found = _LIMIT.fullmatch(text)
    try:
        if found is None or found["signal"] not in SIGNALS:
            raise ValueError(text)
        limit = Limit(found["signal"], float(found["most"]), float(found["horizon"]))
        if not (limit.most > 0.0 and 0.0 < limit.horizon_s <= 5.0):
            raise ValueError(text)
    except ValueError:
        raise ConfigError(
            f"--limit SIGNAL=ERROR@SECONDS with one of {', '.join(SIGNALS)}, an error above 0 and at most 5 s",
            repr(text),
            "correct it, e.g. --limit pitch=0.05@0.25",
        ) from None
    return limit


def _compare(robot: Robot, stretches: list[Stretch], horizons_s: tuple[float, ...]) -> Errors:
    """All stretches as one.

    Raises:
        DataError: none is long enough.
    """
    import numpy as np

    from robot_il.learning.progress import terminal_progress
    from sim.identification.horizons import METHODS, Errors, compare

    found = []
    with terminal_progress() as progress:
        for number, stretch in enumerate(stretches, start=1):
            told = functools.partial(progress.show, f"stretch {number} of {len(stretches)}")
            errors = compare(robot, stretch, horizons_s, FIRST_SHARE, told)
            found += [errors] if errors is not None else []
    if not found:
        raise DataError("a driven stretch of at least 4 s", f"{len(stretches)} shorter ones", "record longer")
    return Errors(horizons_s, {name: np.concatenate([errors.missed[name] for errors in found]) for name in METHODS})


def _lines(errors: Errors) -> list[str]:
    from sim.identification.horizons import METHODS, SIGNALS, UNITS

    sizes = {name: errors.rms(name) for name in METHODS}
    count = len(errors.missed["twin"])
    lines = [f"{count} predictions; root mean square error; the smallest of each row is marked"]
    for column, (signal, unit) in enumerate(zip(SIGNALS, UNITS, strict=True)):
        lines.append(f"{signal}, {unit}".ljust(22) + "".join(name.rjust(14) for name in METHODS))
        for row, horizon in enumerate(errors.horizons_s):
            values = [float(sizes[name][row, column]) for name in METHODS]
            cells = [f"{value:.4g}{'*' if value == min(values) else ' '}".rjust(14) for value in values]
            lines.append(f"  {horizon:g} s".ljust(22) + "".join(cells))
    return lines


def _broken(errors: Errors, limits: list[Limit]) -> list[str]:
    from sim.identification.horizons import SIGNALS

    sizes: np.ndarray = errors.rms("twin")
    lines = []
    for limit in limits:
        size = float(sizes[errors.horizons_s.index(limit.horizon_s), SIGNALS.index(limit.signal)])
        if not size <= limit.most:
            lines.append(f"LIMIT EXCEEDED: {limit.signal} {size:.4g} at {limit.horizon_s:g} s, at most {limit.most:g}")
    return lines


def _write(out: Path, errors: Errors, broken: list[str]) -> None:
    from sim.identification.horizons import METHODS, SIGNALS

    values: dict[str, Any] = {
        "horizons_s": list(errors.horizons_s),
        "predictions": len(errors.missed["twin"]),
        "rms": {
            name: {signal: errors.rms(name)[:, column].tolist() for column, signal in enumerate(SIGNALS)}
            for name in METHODS
        },
        "broken": broken,
    }
    temporary = out.with_name(out.name + ".part")
    try:
        temporary.write_text(json.dumps(values, indent=1), encoding="utf-8")
        temporary.replace(out)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ConfigError(f"to write {out}", error.strerror or str(error), "choose another place") from error
