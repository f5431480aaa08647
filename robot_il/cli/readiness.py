"""The whole arming checklist of a connected robot, as it stands over the next moments."""

from __future__ import annotations

from pathlib import Path

from robot_il.cli.known_robots import known_since
from robot_il.control.arming import OBSERVED_S, Check, check_log, check_timing, checklist
from robot_il.control.controllers import Controller
from robot_il.control.device import Identity
from robot_il.control.loop import ControlLoop
from robot_il.recording.recorder import Recorder
from robot_il.robot import Robot


def look_whether_ready(
    loop: ControlLoop,
    identity: Identity,
    robot: Robot,
    controller: Controller,
    recorder: Recorder,
    log_folder: Path,
    self_test: Check | None = None,
) -> list[Check]:
    """Every check, from the STATEs of the next ``OBSERVED_S``.

    Args:
        loop: not running.
        identity: of the robot, from ``Device.open``.
        robot: its profile.
        controller: that is to drive.
        recorder: of the log.
        log_folder: where the log goes.
        self_test: how the policy fared in its own; None where no policy drives.

    Raises:
        LinkError: the link is gone.
    """
    arrivals = loop.observe(round(OBSERVED_S * identity.rate_hz))
    lateness_us = loop.report.lateness_us[-len(arrivals) :] if arrivals else ()
    since = known_since(identity.robot_id, robot)
    return [
        *checklist(identity, arrivals, log_folder, loop.guard.region),
        Check(
            "signs and axes",
            since is not None,
            f"wheels nudged on {since}" if since else "never driven under this profile",
            "nudge the wheels, with robot-il wiggle or on the page",
        ),
        check_log(recorder.failure),
        *([self_test] if self_test else []),
        check_timing(arrivals, lateness_us, controller, identity.rate_hz),
    ]
