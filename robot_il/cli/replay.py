"""``robot-il replay``: recomputes the torques of a log; those of this build must be the same to the bit."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from robot_il.control.controllers import Controller
    from robot_il.control.replay import ReplayResult
    from robot_il.recording.reader import Log


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "replay",
        help="recompute the torques of a log",
        description="Feeds the logged states to the present build and compares what it decides. A log that this very "
        "build recorded must come out bit-equal; of another build (version, processor, library) the same decisions and "
        "torques within a stated bound are demanded. Exits 0 where what was demanded holds.",
    )
    parser.add_argument("log", type=Path)
    parser.add_argument("--policy", type=Path, help="policy file, where it is no longer where the log says")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Replays one log."""
    from robot_il.control.replay import joined
    from robot_il.errors import LogError
    from robot_il.recording.reader import read_log

    log = read_log(arguments.log)
    if not len(log.ticks):
        raise LogError(f"ticks to replay in {arguments.log}", "none", "record again")
    _require_whole_states(log)
    try:
        results = [(flight.driver, _replay(log, flight, arguments.policy)) for flight in _flights(log)]
    except (KeyError, TypeError, ValueError) as error:
        raise LogError(
            "a log that names its controller, fallback and limits",
            f"{arguments.log} without {error}",
            "replay a log made by robot-il record, run or console",
        ) from error
    result = joined([result for _, result in results])
    drivers = ", ".join(driver for driver, _ in results)
    print(f"replayed {result.ticks} ticks of {arguments.log} ({log.status}), driven by {drivers}")
    return _judge(log, result)


@dataclass(frozen=True)
class Flight:
    """Ticks of a log that one guard decided on.

    Attributes:
        ticks: (T,) of ``spec.TICK_DTYPE``.
        controller: identity of who drove; None where nobody was to drive.
        limits: of the guard.
    """

    ticks: np.ndarray
    controller: dict[str, Any] | None
    limits: dict[str, Any]

    @property
    def driver(self) -> str:
        """Who drove, in a word or two."""
        if self.controller is None:
            return "nobody"
        operator = self.controller.get("operator")
        return str(self.controller["name"]) + (" and a person" if operator else "")


def _flights(log: Log) -> list[Flight]:
    """A recording of one run is one; a session has one to each of its runs, and one before the first."""
    session = log.session
    if session.controller["name"] != "session":
        return [Flight(log.ticks, session.controller, session.config["limits"])]
    runs = [event for event in log.events if event["name"] == "run_started"]
    starts = np.searchsorted(log.ticks["host_receive_ns"], [run["host_ns"] for run in runs])
    before, *driven = np.split(log.ticks, starts)
    flights = [Flight(before, None, {})]
    for run, ticks in zip(runs, driven, strict=True):
        flights.append(Flight(ticks, run["detail"]["controller"], run["detail"]["limits"]))
    return [flight for flight in flights if len(flight.ticks)]


def _replay(log: Log, flight: Flight, policy: Path | None) -> ReplayResult:
    """One flight through a fresh guard.

    Raises:
        KeyError, TypeError, ValueError: the log says too little of it.
    """
    from robot_il.control.fallback import fallback_from_identity
    from robot_il.control.guard import GuardLimits
    from robot_il.control.region_heights import Regions
    from robot_il.control.replay import replay

    config = log.session.config
    fallback = fallback_from_identity(config["fallback"])
    kept = config.get("region")  # logs of earlier releases have none
    region = Regions.from_json(kept) if kept else None
    controller = fallback if flight.controller is None else _controller(flight, policy)
    return replay(flight.ticks, controller, fallback, GuardLimits(**flight.limits), region, log.session.rate_hz)


def _controller(flight: Flight, policy: Path | None) -> Controller:
    from robot_il.control import crashing, mpc
    from robot_il.control.controllers import LinearController
    from robot_il.control.replay import recorded_intent
    from robot_il.control.takeover import RecordedTakeOver

    identity = flight.controller or {}
    name = identity["name"]
    if name in ("operator", "person"):
        return recorded_intent(flight.ticks)
    makers = {
        "policy": lambda: _policy(identity, policy),
        mpc.NAME: lambda: mpc.PredictiveController.from_identity(identity),
        crashing.NAME: lambda: crashing.CrashingDriver.from_identity(identity),
    }
    controller: Controller = makers.get(name, lambda: LinearController.from_identity(identity))()
    if "excitation" in identity:
        from sim.excitation import ExcitedController

        controller = ExcitedController.from_identity(controller, identity)
    if "operator" in identity:
        return RecordedTakeOver(controller, recorded_intent(flight.ticks))
    return controller


def _require_whole_states(log: Log) -> None:
    """Refuses a format in which the MCU did not tell yet what the guard judges today.

    The height is not judged: as long as it was not told, no leg moved.
    """
    from robot_il.errors import LogError
    from robot_il.spec import STATE_SIGNALS

    lacking = [signal.name for signal in STATE_SIGNALS if signal.name in log.layout.missing and signal.name != "height"]
    if lacking:
        raise LogError(
            f"whole STATEs in {log.path}",
            f"log format {log.layout.format_version}, which has no {', '.join(lacking)}",
            "replay it with the version of robot-il that recorded it; it can still be learned from",
        )


def _judge(log: Log, result: ReplayResult) -> int:
    """Says what was demanded and what came; 0 where it holds."""
    from robot_il.control.build import build_identity
    from robot_il.control.replay import BOUND_NM

    recorded_by, ours = str(log.written_by.get("build", "")), build_identity()
    same = recorded_by == ours
    if same:
        print(f"judged: bit-equal, for this build {ours[:12]} recorded it")
    else:
        who = f"build {recorded_by[:12]}" if recorded_by else "a build without a name"
        print(f"judged: within {BOUND_NM:.1e} N m, for {who} recorded it, and this is {ours[:12]}")
    if result.bit_equal:
        print("all torques are bit-equal")
        return 0
    print(
        f"{result.differing} ticks differ, {result.undecided} of them in who was in charge; "
        f"largest torque error {result.largest_torque_error_nm:.3g} N m"
    )
    if result.first is not None:
        index, signal, logged, recomputed = result.first
        print(f"the first: tick {index}, {signal}: logged {logged!r}, recomputed {recomputed!r}")
    return 0 if not same and result.bounded else 1


def _policy(identity: dict[str, str], given: Path | None) -> Controller:
    from robot_il.cli.policies import load_policy_controller
    from robot_il.errors import PolicyError

    path = given or Path(identity["path"])
    controller, _ = load_policy_controller(path, identity["task"])
    if controller.identity["sha256"] != identity["sha256"]:
        raise PolicyError(
            f"the policy that drove, sha256 {identity['sha256'][:12]}",
            f"{path} with sha256 {controller.identity['sha256'][:12]}",
            "name the right file with --policy",
        )
    return controller
