"""``robot-il replay``: recomputes the torques of a log and says whether they are the same to the bit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robot_il.control.controllers import Controller


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "replay",
        help="recompute the torques of a log",
        description="Feeds the logged states to the present build and compares the torques bit for bit; "
        "exits 0 where all are equal.",
    )
    parser.add_argument("log", type=Path)
    parser.add_argument("--policy", type=Path, help="policy file, where it is no longer where the log says")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Replays one log."""
    from robot_il.control.controllers import LinearController
    from robot_il.control.guard import GuardLimits
    from robot_il.control.replay import recorded_intent, replay
    from robot_il.errors import LogError
    from robot_il.recording.reader import read_log

    log = read_log(arguments.log)
    session = log.session
    try:
        name = session.controller["name"]
        fallback = LinearController.from_identity(session.config["fallback"])
        limits = GuardLimits(**session.config["limits"])
        controller: Controller
        if name == "policy":
            controller = _policy(session.controller, arguments.policy)
        elif name == "operator":
            controller = recorded_intent(log.ticks)
        else:
            controller = LinearController.from_identity(session.controller)
    except (KeyError, TypeError) as error:
        raise LogError(
            "a log that names its controller, fallback and limits",
            f"{arguments.log} without {error}",
            "replay a log made by robot-il record or robot-il run",
        ) from error
    result = replay(log.ticks, controller, fallback, limits)
    print(f"replayed {result.ticks} ticks of {arguments.log} ({log.status}), driven by {name}")
    if result.bit_equal:
        print("all torques are bit-equal")
        return 0
    print(f"{result.differing} ticks differ; largest torque error {result.largest_torque_error_nm:.3g} N m")
    if result.first is not None:
        index, signal, logged, recomputed = result.first
        print(f"the first: tick {index}, {signal}: logged {logged!r}, recomputed {recomputed!r}")
    return 1


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
