"""Drives a robot so that a recording of it tells what it is made of."""

from __future__ import annotations

import argparse

from robot_il.cli.drive import Drive, drive
from robot_il.control.controllers import LinearController
from robot_il.control.guard import GuardLimits
from robot_il.control.lqr import GRAVITY_M_S2, lqr_gain
from robot_il.robot import Robot
from robot_il.spec import CONTROL_RATE_HZ
from robot_il.tasks import TASKS
from sim.excitation import LARGEST_NM, Excitation, ExcitedController

SHARE = 0.2
"""Of the torque that would lift the robot's weight at its wheels' radius; the reference robot is excited with 2 N m."""


def amplitude_nm(robot: Robot) -> float:
    """Largest added torque for a robot of this weight, in N m."""
    return min(LARGEST_NM, SHARE * robot.mass_kg * GRAVITY_M_S2 * robot.pendulum.wheel_radius_m)


def excite(arguments: argparse.Namespace, robot: Robot) -> int:
    """Arms, drives and logs as ``robot-il record`` does.

    Returns:
        the exit code of the drive: 0 where the controller was trusted to the end.

    Raises:
        ConfigError, LinkError, ArmingError: as ``drive``.
    """
    task = TASKS["stand"]
    amplitude = arguments.amplitude if arguments.amplitude is not None else amplitude_nm(robot)
    excitation = Excitation(amplitude_nm=amplitude, seed=arguments.seed)
    print(f"an LQR will balance, with up to {amplitude:.2f} N m added, for {arguments.seconds:g} s", flush=True)
    return drive(
        Drive(
            port=arguments.device,
            controller=ExcitedController(LinearController(lqr_gain(robot, task), task), excitation, CONTROL_RATE_HZ),
            task=task,
            label="unlabeled",
            seconds=arguments.seconds,
            out=arguments.log,
            robot=arguments.robot,
            synthetic=False,
            note="excited for identification",
            patience_s=arguments.patience,
            rate_hz=CONTROL_RATE_HZ,
            limits=GuardLimits(),
        )
    )
