"""Who can drive an episode that is recorded in the twin: good, poor and bad on purpose, each with its natural label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from firmware_bridge.hostlib import Board
from firmware_bridge.microcontroller import Microcontroller
from robot_il.cli import onboard_law
from robot_il.control.controllers import Controller, LinearController, SyntheticOperator
from robot_il.control.crashing import CrashingDriver
from robot_il.control.lqr import STATE, lqr_gain, lqr_law, tolerated_torque_nm
from robot_il.control.mpc import predictive
from robot_il.robot import Robot
from robot_il.spec import TORQUE_LIMIT_NM
from robot_il.tasks import Task

Make = Callable[[Robot, Task, int], Controller]
MakeFirmware = Callable[[Robot, Task], Callable[[Board], Microcontroller]]

_SWINGING = (1.0, 1.0, 3.5, 0.75)
_OVERSPEEDING = (1.0, 1.0, 1.0, 0.3)
"""Factors on the LQR's gains of pitch, pitch rate, position and velocity; the first loop is badly damped, the second
lets the robot run before it brakes."""
_OVERSPEED = 3.0
"""How many times the speed that a travelling task asks for the second drives at."""


@dataclass(frozen=True)
class Demonstrator:
    """One who drives.

    Attributes:
        label: one of ``spec.LABELS`` that what it does naturally gets.
        about: who it is, in one line.
        controller: made for a robot, a task and the seed of an episode.
        firmware: makes what stands in the MCU's place; None for the firmware as it is.
    """

    label: str
    about: str
    controller: Make
    firmware: MakeFirmware | None = None


def _scaled(name: str, factors: tuple[float, ...], speed: float = 1.0) -> Make:
    """An LQR of spoilt gains, which drives at ``speed`` times what the task asks for."""

    def make(robot: Robot, task: Task, seed: int) -> Controller:
        del seed
        factor = dict(zip(STATE, factors, strict=True))
        chosen = [factor.get(signal, 1.0) for signal in task.observation]
        driven = replace(task, target_velocity_m_s=speed * task.target_velocity_m_s)
        return LinearController(lqr_gain(robot, task) * np.array(chosen), driven, name)

    return make


def _operator(skill: float, delay_s: float, attention_s: float, tremor_1: float) -> Make:
    """A synthetic operator whose tremor is a share of the torque that the robot's LQR tolerates."""

    def make(robot: Robot, task: Task, seed: int) -> Controller:
        tremor_nm = tremor_1 * tolerated_torque_nm(robot)
        return SyntheticOperator(lqr_gain(robot, task), task, seed, skill, delay_s, attention_s, tremor_nm)

    return make


def _crashing(robot: Robot, task: Task, seed: int) -> Controller:
    law = LinearController(lqr_gain(robot, task), task)
    return CrashingDriver(law.identity, min(TORQUE_LIMIT_NM, 2.0 * robot.drive.torque_limit_nm), seed)


DEMONSTRATORS: dict[str, Demonstrator] = {
    "lqr": Demonstrator(
        "expert",
        "the LQR, its gain scheduled over the height; answers each STATE at 200 Hz",
        lambda robot, task, seed: lqr_law(robot, task),
    ),
    onboard_law.NAME: Demonstrator(
        "expert",
        "the same law on the MCU, on its own estimate at 1 kHz; learn it with --action applied",
        lambda robot, task, seed: onboard_law.keep_alive(robot, task),
        onboard_law.firmware,
    ),
    "mpc": Demonstrator(
        "expert",
        "plans 0.7 s ahead with the nonlinear pendulum and its limits; catches what the LQR does not",
        lambda robot, task, seed: predictive(robot, task),
    ),
    "skilled-operator": Demonstrator(
        "suboptimal", "a synthetic operator with a quick eye and a steady hand", _operator(0.9, 0.01, 0.015, 0.12)
    ),
    "operator": Demonstrator(
        "suboptimal", "a synthetic operator: late, intermittent, a little unsteady", _operator(0.7, 0.02, 0.015, 0.2)
    ),
    "novice-operator": Demonstrator(
        "suboptimal",
        "a synthetic operator who looks too seldom and grips too weakly",
        _operator(0.55, 0.025, 0.03, 0.4),
    ),
    "trembling-operator": Demonstrator(
        "undesirable", "a synthetic operator whose hand shakes badly", _operator(0.7, 0.02, 0.015, 1.0)
    ),
    "swinging": Demonstrator(
        "undesirable", "wobbles: an LQR of too much position and too little damping", _scaled("swinging", _SWINGING)
    ),
    "overspeeding": Demonstrator(
        "undesirable",
        "lets the robot run before it brakes, and travels at three times the speed asked for",
        _scaled("overspeeding", _OVERSPEEDING, _OVERSPEED),
    ),
    "crashing": Demonstrator("undesirable", "balances for up to 5 s, then drives the robot into a fall", _crashing),
}
"""By name, the good ones first."""


def listed() -> str:
    """Name, natural label and a line about each, as text."""
    width = max(map(len, DEMONSTRATORS))
    return "\n".join(f"{name:{width}}  {each.label:11}  {each.about}" for name, each in DEMONSTRATORS.items())
