"""``robot-il film``: what a robot did, as a film: a recording, or a fresh episode in the twin."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from robot_il.errors import ConfigError, LogError, PolicyError

if TYPE_CHECKING:
    import numpy as np

    from robot_il.control.controllers import Controller
    from robot_il.robot import Robot
    from robot_il.tasks import Task

LONGEST_S = 600.0
AFTER_S = 1.0
"""Of an episode that ends in a fall, to be seen."""
ARROW_S = 0.2
"""A push lasts a twentieth of a second; its arrow is to be seen."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "film",
        help="make a film of a recording, or of an episode in the twin",
        description="Draws a robot as it moves. In a recording it is where the log's own estimates put it: on level "
        "ground, at the distance rolled along the heading (dead reckoning). In an episode of the twin it is where it "
        "really is.",
    )
    parser.add_argument("log", nargs="?", type=Path, metavar="LOG", help="a recording")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="a fresh episode, driven by this policy file")
    parser.add_argument("--controller", choices=("lqr",), help="a fresh episode, driven by the robot's LQR")
    parser.add_argument("--task", help="of the fresh episode (default: the policy's, else stand)")
    parser.add_argument(
        "--draw", type=int, default=0, metavar="N", help="of the fresh episode, as evaluate's (default 0)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILM", help=".mp4 or .gif")
    parser.add_argument("--robot", help="name or path of the robot profile (default: the recording's, else reference)")
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="skip so much of the recording")
    parser.add_argument("--seconds", type=float, help="longest film (default: the recording, 10 of an episode)")
    parser.add_argument("--fps", type=int, help="frames a second (default 50, and 25 for a GIF)")
    parser.add_argument("--size", default="640x480", metavar="WxH", help="in pixels (default 640x480)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Makes the film.

    Raises:
        ConfigError: none or several of recording, policy and controller, or a film that cannot be made.
    """
    from robot_il.learning.progress import terminal_progress
    from sim.film import check_film, write_film

    sources = [source for source in (args.log, args.policy, args.controller) if source is not None]
    if len(sources) != 1:
        raise ConfigError("a LOG, --policy FILE or --controller lqr", f"{len(sources)} of them", "name one")
    fps, size = check_film(args.out, args.fps), _size(args.size)
    seconds = _seconds(args.seconds, 10.0 if args.log is None else LONGEST_S)
    with terminal_progress() as progress:
        total, frames = (_of_episode if args.log is None else _of_log)(args, fps, size, seconds)

        def told() -> Iterator[np.ndarray]:
            for done, frame in enumerate(frames):
                progress.show("film", done, total, args.out.name)
                yield frame

        count = write_film(args.out, told(), fps)
    kilobytes = args.out.stat().st_size / 1000
    print(f"film {args.out.resolve()}: {count} frames, {count / fps:.1f} s, {size[0]} x {size[1]}, {kilobytes:.0f} kB")


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{2,4})x([0-9]{2,4})", text)
    if found is None:
        raise ConfigError("a size such as 640x480", repr(text[:20]), "correct --size")
    return int(found[1]), int(found[2])


def _seconds(asked: float | None, usual: float) -> float:
    seconds = usual if asked is None else asked
    if not 0.0 < seconds <= LONGEST_S:
        raise ConfigError(f"more than 0 and at most {LONGEST_S:g} s of film", f"{seconds:g} s", "correct --seconds")
    return seconds


_Frames = tuple[int, Iterator["np.ndarray"]]
"""How many frames there will be at most, and the frames."""


def _of_log(args: argparse.Namespace, fps: int, size: tuple[int, int], seconds: float) -> _Frames:
    import numpy as np

    from robot_il.recording.reader import read_log
    from robot_il.robot import load_robot
    from robot_il.spec import Mode
    from sim.render import Scene
    from sim.render_pose import dead_reckoning, pose_of_tick

    log = read_log(args.log)
    robot = load_robot(args.robot or str(log.session.config.get("robot", "reference")))
    rate_hz = log.session.rate_hz
    ticks = log.ticks
    first = round(args.start * rate_hz)
    if not 0 <= first < len(ticks):
        raise LogError(
            f"ticks from {args.start:g} s on in {args.log}", f"{len(ticks) / rate_hz:.1f} s of them", "correct --start"
        )
    places = dead_reckoning(ticks["position"], ticks["yaw"], 1.0 / rate_hz)
    rows = first + np.arange(0.0, min(len(ticks) - first, seconds * rate_hz), rate_hz / fps).astype(int)

    modes = {int(mode): mode.name.lower() for mode in Mode}

    def frames() -> Iterator[np.ndarray]:
        scene = Scene(robot, *size)
        try:
            for row in rows.tolist():
                tick = ticks[row]
                text = _caption(row / rate_hz, float(tick["pitch"]), float(tick["velocity"]), _torque(tick))
                mode = modes.get(int(tick["mode"]), "no mode")
                yield scene.frame(pose_of_tick(tick, places[row], robot), f"{text}\n{mode}")
        finally:
            scene.close()

    return len(rows), frames()


def _torque(tick: np.void) -> float:
    return float(tick["applied_left"]) + float(tick["applied_right"])


def _of_episode(args: argparse.Namespace, fps: int, size: tuple[int, int], seconds: float) -> _Frames:
    from robot_il.robot import load_robot
    from robot_il.spec import CONTROL_RATE_HZ
    from sim.conditions import sample_conditions
    from sim.ground import Ground
    from sim.render import Scene
    from sim.render_pose import pose_of
    from sim.ride import Ride

    robot = load_robot(args.robot or "reference")
    controller, task = _driver(args, robot)
    conditions = sample_conditions(task, args.draw, robot)

    def frames() -> Iterator[np.ndarray]:
        scene = Scene(robot, *size, ground=Ground.of(robot, conditions))
        ride = Ride(robot, task, conditions, args.draw)
        controller.reset()
        per_frame, left = CONTROL_RATE_HZ / fps, round(AFTER_S * fps)
        try:
            for number in range(round(seconds * fps)):
                while ride.ticks < (number + 1) * per_frame and not ride.end:
                    ride.drive(_finite(controller.torque(ride.state)))
                if ride.end:
                    left -= 1
                    ride.coast(round(1000 / fps))
                if left < 0:
                    return
                truth = ride.twin.truth
                text = _caption(truth.time_s, truth.pitch, truth.velocity, ride.torque_nm)
                yield scene.frame(
                    pose_of(ride.twin, robot), f"{text}\n{ride.end}".rstrip(), _push(conditions.pushes, truth.time_s)
                )
        finally:
            ride.close()
            scene.close()

    return round(seconds * fps), frames()


def _driver(args: argparse.Namespace, robot: Robot) -> tuple[Controller, Task]:
    from robot_il.cli.policies import load_policy_controller
    from robot_il.control.lqr import lqr_law
    from robot_il.tasks import find_task

    if args.policy is not None:
        return load_policy_controller(args.policy, args.task)
    task = find_task(args.task or "stand")
    return lqr_law(robot, task), task


def _finite(torque_nm: float) -> float:
    if not math.isfinite(torque_nm):
        raise PolicyError("a finite torque", f"{torque_nm} N m", "look at the policy: it diverged")
    return torque_nm


def _push(pushes: tuple[tuple[float, float], ...], time_s: float) -> float:
    """The push whose arrow is shown now, in N s; 0 for none."""
    return next((impulse for start_s, impulse in pushes if 0.0 <= time_s - start_s < ARROW_S), 0.0)


def _caption(time_s: float, pitch: float, velocity: float, torque_nm: float) -> str:
    return f"{time_s:5.2f} s\npitch {pitch:+.3f} rad\nspeed {velocity:+.2f} m/s\ntorque {torque_nm:+.2f} N m"
