"""One episode in the lock-step twin: the same firmware, protocol, loop and guard as on the robot, in virtual time."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from firmware_bridge.hostlib import Board, Firmware
from firmware_bridge.microcontroller import Microcontroller
from firmware_bridge.serial_device import SerialDevice
from robot_il.cli.judging import judge_of
from robot_il.control.controllers import Controller
from robot_il.control.device import State
from robot_il.control.guard import Decision, Guard, GuardLimits, limits_for
from robot_il.control.loop import ControlLoop, LoopReport
from robot_il.control.posture import course_of
from robot_il.control.sink import NullSink, Sink
from robot_il.control.supervisor import Reason
from robot_il.learning.evaluation import Episode
from robot_il.recording.chain import made_on_board
from robot_il.robot import Robot, load_robot
from robot_il.spec import CONTROL_RATE_HZ
from robot_il.tasks import Task
from sim.conditions import Conditions, sample_conditions
from sim.engine import DEFAULT_ENGINE
from sim.lockstep import LockstepLink
from sim.randomisation import WIDTHS
from sim.twin import Twin

JUDGING = GuardLimits(switch_tilt_rad=math.inf, tilt_rad=math.inf, settle_s=0.0)
"""Limits under which a policy is judged alone: nothing helps it; only the MCU's own limits stay."""

_profile = functools.lru_cache(load_robot)


@dataclass(frozen=True)
class Rollout:
    """How one episode is set up, the same for every policy that is compared; picklable.

    Attributes:
        robot_name: name or path of the robot profile.
        task: what is to be done.
        seconds: length, in s.
        firmware: makes the MCU; by default the compiled library.
        rate_hz: of the loop.
        engine: of the physics, one of ``sim.engine.ENGINES``.
        width: how far the twins are from the profile, one of ``sim.randomisation.WIDTHS``.
    """

    robot_name: str
    task: Task
    seconds: float
    firmware: Callable[[Board], Microcontroller] = Firmware
    rate_hz: int = CONTROL_RATE_HZ
    engine: str = DEFAULT_ENGINE
    width: str = WIDTHS[0]

    def conditions(self, seed: int) -> Conditions:
        """Those of one draw: the same for every policy."""
        return sample_conditions(self.task, seed, self.robot, self.width)

    @property
    def robot(self) -> Robot:
        """The robot's profile."""
        return _profile(self.robot_name)

    @property
    def limits(self) -> GuardLimits:
        """Of the guard: none that could help a policy."""
        return limits_for(self.robot, JUDGING)

    def run(
        self,
        controller: Controller,
        fallback: Controller,
        conditions: Conditions,
        seed: int,
        sink: Sink | None = None,
        line: Callable[[Twin], LockstepLink] = LockstepLink,
    ) -> Episode:
        """Drives one episode and judges it by the twin's truth, not by what the sensors said.

        Args:
            controller: the policy to be judged.
            fallback: takes over where it raises or gives a torque that is not finite, which counts as a fall.
            conditions: start, pushes and parameters of the twin.
            seed: of the twin's noise, and of the heights that the task asks for.
            sink: takes the ticks, where they are wanted.
            line: makes the serial line to the twin.
        """
        twin = Twin(self.robot, conditions, seed, firmware=self.firmware, engine=self.engine)
        watch = _Watch(twin, self.task, 1.0 / self.rate_hz, made_on_board(controller.identity))
        link = line(twin)
        device = SerialDevice(link)
        device.open(self.rate_hz)
        guard = Guard(controller, fallback, self.limits, rate_hz=self.rate_hz)
        course = course_of(self.task, self.robot, seed)
        loop = ControlLoop(device, link.clock, guard, sink or NullSink(), watch, rate_hz=self.rate_hz, course=course)
        watch.loop = loop
        loop.observe(2)
        report = loop.run(round(self.seconds * self.rate_hz))
        device.close()
        twin.close()
        return watch.episode(seed, report, guard)


class _Watch:
    """Follows the truth of an episode and ends it at a fall.

    Args:
        twin: whose truth.
        task: to be done.
        period_s: of the ticks.
        on_board: whether the MCU itself drives, so that the torque is what it applied.
    """

    def __init__(self, twin: Twin, task: Task, period_s: float, on_board: bool) -> None:
        self.loop: ControlLoop | None = None
        self._twin = twin
        self._task = task
        self._period_s = period_s
        self._on_board = on_board
        self._judge = judge_of(task, period_s)
        self._pitch: list[float] = []
        self._torque: list[float] = []
        self._drift_m = self._rolled_m = 0.0
        self._end = ""

    def __call__(self, state: State, decision: Decision) -> None:
        if not decision.source or self._end or self._twin.tipping:
            return
        truth = self._twin.truth
        expected = self._task.target_velocity_m_s * len(self._pitch) * self._period_s
        self._rolled_m += truth.velocity * self._period_s
        drift = abs((self._rolled_m if self._task.target_yaw_rate_rad_s else truth.position) - expected)
        self._pitch.append(truth.pitch)
        self._judge.see(truth)
        self._torque.append(state.applied_left + state.applied_right if self._on_board else decision.limited_torque)
        self._drift_m = max(self._drift_m, drift)
        if abs(truth.pitch) > self._task.fall_tilt_rad:
            self._end = "fell"
        elif self._task.fall_distance_m is not None and drift > self._task.fall_distance_m:
            self._end = "ran away"
        if self._end and self.loop is not None:
            self.loop.request_stop()

    def episode(self, seed: int, report: LoopReport, guard: Guard) -> Episode:
        failed = bool(guard.supervisor.reasons & (Reason.CONTROLLER_FAILED | Reason.CONTROLLER_SLOW))
        others = [reason for reason in report.reasons if reason != "stop requested"]
        end = self._end or ", ".join(others)
        succeeded = self._judge.succeeded
        return Episode(
            seed=seed,
            seconds=len(self._pitch) * self._period_s,
            survived=not end,
            end=end or "survived",
            drift_m=self._drift_m,
            tilt_rms_rad=float(np.sqrt(np.mean(np.square(self._pitch)))) if self._pitch else math.nan,
            effort_nm=float(np.sqrt(np.mean(np.square(self._torque)))) if self._torque else math.nan,
            saved_by_fallback=failed,
            succeeded=None if succeeded is None else succeeded and not end,
            task_error=self._judge.error,
        )
