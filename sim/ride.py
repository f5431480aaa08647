"""One episode in the lock-step twin, torque by torque: the host's side of the line, for whoever brings no control loop.

The robot is armed, answered and judged as ``robot_il.control.loop`` and an evaluation do it: the same frames reach the
MCU in the same milliseconds, so the same torques asked for at the same STATEs give the same STATEs, bit for bit. What a
loop adds for a robot that must not fall, its fallback and its supervisor, is not there: a policy rides alone.
"""

from __future__ import annotations

import math

from firmware_bridge.serial_device import SerialDevice
from robot_il.control.device import State
from robot_il.control.plausible import implausible_signal
from robot_il.control.posture import course_of
from robot_il.control.shaping import TorqueShaper, limits_for
from robot_il.errors import LinkError
from robot_il.robot import Robot
from robot_il.spec import CONTROL_PERIOD_S, CONTROL_RATE_HZ, LIMITS, Mode
from robot_il.tasks import Task
from sim.conditions import Conditions
from sim.engine import DEFAULT_ENGINE
from sim.lockstep import LockstepLink
from sim.twin import Truth, Twin

OBSERVED_TICKS = 2
"""STATEs that are read before the robot is asked to arm, as an evaluation does."""
REQUEST_TICKS = CONTROL_RATE_HZ // 20
SILENCE_NS = 1_000_000_000
TRAINING_DRAWS = 2**32
"""Added to the seed of every draw for training, so that no policy is trained on a draw that it is evaluated on."""


class Ride:
    """A robot that was armed and waits for its first torque, in a hand that lets go when that comes.

    Args:
        robot: profile.
        task: what is to be done; it says what a fall is, and may turn the heading and move the legs.
        conditions: of the episode.
        seed: of the sensors' errors, and of the heights that the task asks for.
        engine: of the physics, one of ``sim.engine.ENGINES``.

    Attributes:
        twin: the robot.
        state: the STATE that the next torque answers.
        truth: what the robot really did at that STATE.
        torque_nm: sum of both wheels' torques in the last COMMAND.
        ticks: COMMANDs sent.
        end: why it is over: ``fell``, ``ran away``, ``mcu stopped`` or ``observation invalid``; empty while it goes on.

    Raises:
        ConfigError: the twin cannot be built.
        LinkError: the MCU is silent, or does not arm within 1 s.
    """

    def __init__(
        self, robot: Robot, task: Task, conditions: Conditions, seed: int, engine: str = DEFAULT_ENGINE
    ) -> None:
        self.twin = Twin(robot, conditions, seed, engine=engine)
        self._task = task
        self._course = course_of(task, robot, seed)
        self._shaper = TorqueShaper(limits_for(robot))
        self._link = LockstepLink(self.twin)
        self._device = SerialDevice(self._link)
        self.torque_nm = 0.0
        self.ticks = self._judged_ticks = 0
        self.end = ""
        try:
            self._device.open()
            self.state = self._armed()
        except LinkError:
            self.twin.close()
            raise
        self.truth: Truth = self.twin.truth

    def close(self) -> None:
        """Gives the physics client back."""
        self.twin.close()

    @property
    def time_s(self) -> float:
        """How long it was driven."""
        return self.ticks * CONTROL_PERIOD_S

    def drive(self, torque_nm: float) -> None:
        """Answers the STATE with a total torque, limited and split between the wheels as the robot's host does it.

        Args:
            torque_nm: finite; what is beyond the host's limits is cut.

        Raises:
            LinkError: the MCU is silent.
        """
        state = self.state
        self.torque_nm = total = self._shaper.limit(torque_nm)
        self._answer(*self._shaper.split(state.yaw, state.yaw_rate, total, self._course.yaw_rate_rad_s))

    def drive_wheels(self, left_nm: float, right_nm: float) -> None:
        """Answers the STATE with one torque a wheel, cut to what the MCU accepts; nobody holds the heading.

        Raises:
            LinkError: the MCU is silent.
        """
        limit = LIMITS.wheel_torque_nm
        left, right = min(max(left_nm, -limit), limit), min(max(right_nm, -limit), limit)
        self.torque_nm = left + right
        self._answer(left, right)

    def coast(self, ms: int) -> None:
        """Lets time pass without an answer: what becomes of the robot when nobody drives it any more."""
        self._link.pass_time(ms)

    def _answer(self, left_nm: float, right_nm: float) -> None:
        height_m = self._course.height_at(self.ticks * CONTROL_PERIOD_S)
        self._device.write(left_nm, right_nm, None if math.isnan(height_m) else height_m)
        self.ticks += 1
        self.state = self._next()
        self.truth = self.twin.truth
        self.end = self._judged()

    def _judged(self) -> str:
        """Why the episode is over, in an evaluation's words and by its order; empty while it goes on."""
        if self.twin.tipping:
            return ""
        task, state, truth = self._task, self.state, self.truth
        if state.mode != Mode.ARMED:
            return "mcu stopped"
        if implausible_signal(state) is not None:
            return "observation invalid"
        if self.twin.tipping:
            return ""
        self._judged_ticks += 1
        if abs(truth.pitch) > task.fall_tilt_rad:
            return "fell"
        if task.fall_distance_m is not None:
            expected_m = task.target_velocity_m_s * self._judged_ticks * CONTROL_PERIOD_S
            if abs(truth.position - expected_m) > task.fall_distance_m:
                return "ran away"
        return ""

    def _armed(self) -> State:
        """Asks the MCU to arm, as often as the loop does; the first STATE that says it did."""
        for _ in range(OBSERVED_TICKS):
            self._next()
        for tick in range(CONTROL_RATE_HZ):
            state = self._next()
            if state.mode == Mode.ARMED:
                return state
            if tick % REQUEST_TICKS == 0:
                self._device.request("arm")
        raise LinkError("an MCU that arms within 1 s", Mode(state.mode).name, "look at the episode's conditions")

    def _next(self) -> State:
        state = self._device.read(self._link.clock.now_ns() + SILENCE_NS)
        if state is None:
            raise LinkError("a STATE within 1 s", "none", "look at the episode's conditions: the line loses them all")
        return state
