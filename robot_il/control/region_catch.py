"""Simulates the fallback from many states and on many robots at once, by the pendulum's full equations.

The simulation holds what the real loop has: torque and slew limit of the host, wheel torque, slew and speed limit of
the MCU, what an empty battery can still drive, sample and hold, the delays of sensors, estimator and line, the drive's
lag, and the grip of the wheels on the floor. Friction in the drives is left out, as in the LQR.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from robot_il.control.fallback import cost_from_anywhere, place_to_rest
from robot_il.control.guard import GuardLimits
from robot_il.control.lqr import GRAVITY_M_S2, solve_lqr
from robot_il.robot import Robot
from robot_il.spec import CONTROL_PERIOD_S, FIRMWARE_RATE_HZ, LIMITS, TICKS_PER_STATE
from robot_il.tasks import TASKS

STEP_S = 1.0 / FIRMWARE_RATE_HZ
SETTLE_S = 3.0
CAUGHT = 0.05
"""Share of its first V that a trajectory must have come down to after ``SETTLE_S``, without a limit of lean passed."""
LINE_MS = 1
"""Each way, as ``sim.lockstep`` and a 1 Mbit/s line have it."""
ESTIMATOR_MS = 1
"""The MCU estimates in the tick after the sensors' sample."""
ROUNDING_M_S = 1e-9
"""A wheel that slips less than this rolls."""


def line_ms(robot: Robot) -> tuple[int, int]:
    """What the line takes to the host and to the MCU, its jitter at its mean, in whole milliseconds."""
    to_host, to_mcu = (
        LINE_MS + round(1000 * (late_s + robot.link.jitter_s)) for late_s in (robot.link.to_host_s, robot.link.to_mcu_s)
    )
    return to_host, to_mcu


def loop_delay_s(robot: Robot) -> float:
    """From a motion to the torque that answers it, besides sample and hold and the drive's lag: as in the twin."""
    return robot.sensors.delay_s + robot.imu.delay_s + STEP_S * (ESTIMATOR_MS + sum(line_ms(robot)))


@dataclass(frozen=True)
class Variation:
    """How far a robot is from the one on paper; the scales are those of an episode's conditions in the twin."""

    mass: float = 1.0
    com_height: float = 1.0
    strength: float = 1.0
    delay: float = 1.0


ROBOTS = (
    Variation(),
    *(Variation(*scales, 2.0) for scales in itertools.product((0.9, 1.1), (0.92, 1.08), (0.85, 1.15))),
)
"""The robot on paper, and the corners of the range from which an evaluation draws."""


class Catch:
    """The fallback on V robots, each from the same N states: its arrays end in (V, N).

    Args:
        robot: on paper.
        limits: the guard's.
        robots: how the V robots differ from paper.
        height_m: that the legs hold all along; None for the nominal one.
    """

    def __init__(
        self, robot: Robot, limits: GuardLimits, robots: Sequence[Variation] = ROBOTS, height_m: float | None = None
    ) -> None:
        gain, P = solve_lqr(robot, TASKS["stand"], height_m)
        self._robot = robot
        self._limits = limits
        self._gain = gain
        self._rest = place_to_rest(P)
        self._cost = cost_from_anywhere(P)
        self._robots = len(robots)
        mass, com_height, strength, delay = np.array([astuple(each) for each in robots]).T[:, :, None]
        self._strength = strength * robot.drive.strength_1
        late_s = robot.sensors.delay_s + robot.imu.delay_s
        self._sensing_ms = np.rint(1000 * late_s * delay[:, 0]).astype(int) + ESTIMATOR_MS + line_ms(robot)[0]
        self._line_ms = line_ms(robot)[1]
        pendulum = robot.pendulum if height_m is None else robot.pendulum_at(height_m)
        self._radius_m = pendulum.wheel_radius_m
        self._height_m = pendulum.body_height_m * com_height
        self._mass_kg = pendulum.body_mass_kg * mass
        self._total_kg = self._mass_kg + pendulum.wheel_mass_kg * mass
        self._wheel_inertia = pendulum.wheel_inertia_kg_m2 * mass
        self._rotor = pendulum.rotor_inertia_kg_m2
        self._rolling_kg = self._total_kg + (self._wheel_inertia + self._rotor) / self._radius_m**2
        self._rotor_share = self._rotor / (self._wheel_inertia + self._rotor)
        self._friction_1 = robot.contact.friction_1
        self._inertia = pendulum.body_inertia_kg_m2 * mass + self._mass_kg * self._height_m**2
        self._tilt_rad = min(limits.tilt_rad, LIMITS.tilt_rad)

    def catches(self, starts: np.ndarray, seconds: float = SETTLE_S) -> np.ndarray:
        """Whether each start is brought to rest with every robot.

        Args:
            starts: (N, 3) over pitch, pitch_rate, velocity, the wheels without torque.
            seconds: time given.

        Returns:
            (N,) of bool.
        """
        caught: np.ndarray = np.all(self._caught(starts, seconds, to_the_first_fall=False), axis=0)
        return caught

    def catches_all(self, starts: np.ndarray, seconds: float = SETTLE_S) -> bool:
        """Whether ``catches`` holds for every start; where one falls, the others are followed no further."""
        return bool(self._caught(starts, seconds, to_the_first_fall=True).all())

    def _caught(self, starts: np.ndarray, seconds: float, to_the_first_fall: bool) -> np.ndarray:
        """(V, N): which robots come to rest from which starts; those that were followed no further count as if so."""
        pitch, rate, velocity = starts.T
        begin = np.array([pitch, rate, starts @ self._rest, velocity, velocity / self._radius_m])
        state = np.repeat(begin[:, None], self._robots, axis=1)
        memory = int(self._sensing_ms.max()) + 1
        seen = np.repeat(state[None], memory, axis=0)
        each = np.arange(self._robots)
        asked = demanded = delivered = np.zeros(state.shape[1:])
        on_the_line = [asked] * (self._line_ms + 1)
        upright = np.ones(state.shape[1:], dtype=bool)
        keep = math.exp(-STEP_S / self._robot.drive.time_constant_s)
        take = (1.0 - keep) * self._strength
        for step in range(round(seconds / STEP_S)):
            seen[step % memory] = state
            if step % TICKS_PER_STATE == 0:
                sampled = seen[(step - self._sensing_ms) % memory, :, each]  # (V, 5, N), as long ago as each needs
                asked = self._answer(sampled.swapaxes(0, 1), asked)
            on_the_line = [*on_the_line[1:], asked]
            demanded = self._mcu(state, on_the_line[0], demanded)
            delivered = keep * delivered + take * demanded
            state = self._move(state, delivered)
            stands = np.abs(state[0]) <= self._tilt_rad
            if not stands.all():
                upright &= stands
                if to_the_first_fall:
                    return upright
            state[:2] = np.where(upright, state[:2], 0.0)  # those that fell need not be followed into infinity
        final = state[[0, 1, 3]]
        left = np.einsum("ivn,ij,jvn->vn", final, self._cost, final)
        caught: np.ndarray = left <= CAUGHT * np.einsum("ni,ij,nj->n", starts, self._cost, starts)
        return upright & caught

    def _answer(self, seen: np.ndarray, last: np.ndarray) -> np.ndarray:
        """The guard's total torque for the STATE that has arrived."""
        step = self._limits.torque_slew_nm_s * CONTROL_PERIOD_S
        pitch, rate, position, _, wheel = seen
        to_pitch, to_rate, to_position, to_velocity = self._gain
        velocity = self._radius_m * wheel  # the encoders know of no slip
        wanted = -(to_pitch * pitch + to_rate * rate + to_position * position + to_velocity * velocity)
        wanted = np.clip(wanted, -self._limits.torque_nm, self._limits.torque_nm)
        return np.clip(wanted, last - step, last + step)

    def _mcu(self, state: np.ndarray, commanded: np.ndarray, last: np.ndarray) -> np.ndarray:
        """What the MCU demands of both drives together, and the drives can draw from a battery about to stop it."""
        drive = self._robot.drive
        step = 2.0 * LIMITS.wheel_torque_slew_nm_s * STEP_S
        each = min(drive.torque_limit_nm, drive.torque_constant_nm_a * drive.current_limit_a)
        most = 2.0 * each
        demanded = np.clip(np.clip(commanded, last - step, last + step), -most, most)
        wheel = state[4] - state[1]
        ahead = wheel * demanded > 0.0
        spare_v = np.maximum(0.0, LIMITS.battery_low_v - drive.torque_constant_nm_a * np.abs(wheel))
        room = np.minimum(each, drive.torque_constant_nm_a / drive.winding_resistance_ohm * spare_v)
        room = np.where(np.abs(wheel) > LIMITS.wheel_speed_rad_s, 0.0, 2.0 * room)
        limited = np.clip(demanded, -room, room)
        return np.where(ahead, limited, demanded)

    def _move(self, state: np.ndarray, torque: np.ndarray) -> np.ndarray:
        """One step, semi-implicit, of the equations in ``lqr.linear_dynamics`` before they were made linear.

        With wheels of inertia J that turn by w and rotors of inertia G between them and the body they read

            (m + M) x'' + m l cos(q) q'' - m l sin(q) q'^2 = F
            m l cos(q) x'' + (I + m l^2) q'' - G (w' - q'') - m g l sin(q) = -u
            J w' + G (w' - q'') = u - r F

        for the ground's force F: what lets x'' be r w' or, where the wheels slip, a given one. Wheels that would need
        more grip than friction times load slip: the ground's force is then that product, and the wheels turn by
        themselves. A body that swings over at 5 rad/s leaves them hardly any load.
        """
        pitch, rate, position, velocity, wheel = state
        lever = self._mass_kg * self._height_m
        leaning = np.sin(pitch)
        coupling, swing = lever * np.sqrt(1.0 - leaning * leaning), lever * leaning  # nobody leans as far as pi / 2
        spin = swing * (rate * rate)
        topple = swing * GRAVITY_M_S2 - torque
        swung, driven = self._accelerations(
            (self._rolling_kg, self._inertia + self._rotor, coupling - self._rotor / self._radius_m),
            torque / self._radius_m + spin,
            topple,
        )
        load = np.maximum(0.0, self._total_kg * GRAVITY_M_S2 - swing * swung - coupling * (rate * rate))
        force = self._total_kg * driven + coupling * swung - spin
        grip = self._friction_1 * load
        slip = self._radius_m * wheel - velocity
        sliding = np.abs(slip) > ROUNDING_M_S
        slips = sliding | (np.abs(force) > grip)
        if slips.any():
            slip = np.where(sliding, slip, 0.0)
            force = np.where(slips, grip * np.sign(np.where(sliding, slip, force)), force)
            turned = (torque - self._radius_m * force) / (self._wheel_inertia + self._rotor)
            slid_swung, slid_driven = self._accelerations(
                (self._total_kg, self._inertia + self._rotor * (1.0 - self._rotor_share), coupling),
                force + spin,
                topple + self._rotor * turned,
            )
            swung, driven = np.where(slips, slid_swung, swung), np.where(slips, slid_driven, driven)
        rate = rate + STEP_S * swung
        velocity = velocity + STEP_S * driven
        if slips.any():
            spun = wheel + STEP_S * (turned + self._rotor_share * swung)
            left = self._radius_m * spun - velocity
            wheel = np.where(~slips | (slip * left < 0.0), velocity / self._radius_m, spun)
        else:
            wheel = velocity / self._radius_m
        return np.array([pitch + STEP_S * rate, rate, position + STEP_S * self._radius_m * wheel, velocity, wheel])

    def _accelerations(
        self, masses: tuple[np.ndarray, np.ndarray, np.ndarray], push: np.ndarray, topple: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of pitch and axle.

        Args:
            masses: of the axle, of the body's pitch, and what couples the two.
            push: on the axle.
            topple: on the pitch.
        """
        total, inertia, coupling = masses
        determinant = total * inertia - coupling**2
        return (total * topple - coupling * push) / determinant, (inertia * push - coupling * topple) / determinant
