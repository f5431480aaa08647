"""Who must pass the conformance suites. A new device or controller adds one line here and no test code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import numpy as np

from firmware_bridge.serial_device import SerialDevice
from robot_il.control.clock import Clock
from robot_il.control.controllers import (
    Controller,
    LinearController,
    PolicyController,
    RecordedIntent,
    SyntheticOperator,
)
from robot_il.control.crashing import CrashingDriver
from robot_il.control.device import Device
from robot_il.control.lqr import lqr_gain, lqr_law
from robot_il.control.mpc import predictive
from robot_il.robot import load_robot
from robot_il.tasks import TASKS
from sim.conditions import nominal
from sim.lockstep import LockstepLink
from sim.twin import Twin
from tests.scripted_robot import ScriptedRobot

ROBOT = load_robot()


@contextlib.contextmanager
def lockstep_twin() -> Iterator[tuple[Device, Clock]]:
    with contextlib.closing(Twin(ROBOT, nominal(TASKS["stand"]), seed=1)) as twin:
        link = LockstepLink(twin)
        yield SerialDevice(link), link.clock


@contextlib.contextmanager
def scripted_robot() -> Iterator[tuple[Device, Clock]]:
    robot = ScriptedRobot()
    yield robot, robot.clock


def _linear(observation: tuple[float, ...]) -> float:
    return float(np.dot((10.0, 2.0, 1.0, 1.0, 0.5)[: len(observation)], observation))


DEVICES: dict[str, Callable[[], AbstractContextManager[tuple[Device, Clock]]]] = {
    "lock-step twin": lockstep_twin,
    "scripted robot": scripted_robot,
}
CONTROLLERS: dict[str, Callable[[], Controller]] = {
    **{
        f"lqr {task.name}": (lambda task=task: LinearController(lqr_gain(ROBOT, task), task)) for task in TASKS.values()
    },
    **{
        f"operator {task.name}": (lambda task=task: SyntheticOperator(lqr_gain(ROBOT, task), task, seed=5))
        for task in TASKS.values()
    },
    **{
        f"policy {task.name}": (lambda task=task: PolicyController(_linear, task, {"path": "p", "sha256": "0"}))
        for task in TASKS.values()
    },
    **{f"mpc {task.name}": (lambda task=task: predictive(ROBOT, task)) for task in TASKS.values()},
    "crashing": lambda: CrashingDriver(lqr_law(ROBOT, TASKS["stand"]).identity, 8.0, seed=1),
    "recorded intent": lambda: RecordedIntent((seq, 0.01 * seq) for seq in range(2000)),
}
