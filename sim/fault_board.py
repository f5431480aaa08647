"""What can fail at the MCU's end: the MCU itself, its sensors, the drives, the battery."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass

from robot_il.robot import WHEEL_JOINTS
from sim.fault_scene import Fault, Scene
from sim.sensors import READING, Reading

IMU = tuple(READING.index(name) for name in ("gyro_pitch", "gyro_yaw", "accel_x", "accel_z"))
GYRO_PITCH, _, ACCEL_X, _ = IMU
WHEEL_LEFT = READING.index("wheel_left")


@dataclass(frozen=True)
class PowerLost(Fault):
    """The MCU loses its supply, or its reset line is pulled.

    Attributes:
        ms: how long until it boots.
    """

    ms: int = 0

    def begin(self, scene: Scene) -> None:
        """Takes the supply away."""
        scene.twin.power_off(self.ms)


@dataclass(frozen=True)
class Hung(Fault):
    """The firmware stops executing, with its drives as they are."""

    def begin(self, scene: Scene) -> None:
        """Until the board's watchdog resets it."""
        scene.twin.firmware.hang()


@dataclass(frozen=True)
class ClockSlip(Fault):
    """The MCU and the world stand still while the host's clock goes on; the MCU says so, as a busy simulation does.

    Attributes:
        ms: how long.
    """

    ms: int

    def begin(self, scene: Scene) -> None:
        """Once."""
        scene.clock.offset_ns += self.ms * 1_000_000
        scene.twin.firmware.lost_time(self.ms)


@dataclass(frozen=True)
class SensorFault(Fault, abc.ABC):
    """A sensor gives something else than it should."""

    def begin(self, scene: Scene) -> None:
        """Puts itself between the plant and the MCU's sample."""
        first: list[Reading] = []

        def distort(reading: Reading) -> Reading:
            if not first:
                first.append(reading)
            return tuple(self.distorted(scene, list(reading), first[0]))

        scene.twin.sensors.distort = distort

    @abc.abstractmethod
    def distorted(self, scene: Scene, reading: list[float], first: Reading) -> list[float]:
        """The sample that the MCU gets for a true one, given the first true one since the fault began."""


@dataclass(frozen=True)
class ImuStuck(SensorFault):
    """The inertial sensor repeats its last sample."""

    def distorted(self, scene: Scene, reading: list[float], first: Reading) -> list[float]:
        """The first one for ever."""
        for index in IMU:
            reading[index] = first[index]
        return reading


@dataclass(frozen=True)
class ImuBiased(SensorFault):
    """The inertial sensor is off by a constant.

    Attributes:
        gyro_rad_s: in the rate of pitch.
        accel_m_s2: in the acceleration forwards.
    """

    gyro_rad_s: float
    accel_m_s2: float

    def distorted(self, scene: Scene, reading: list[float], first: Reading) -> list[float]:
        """With the constant."""
        reading[GYRO_PITCH] += self.gyro_rad_s
        reading[ACCEL_X] += self.accel_m_s2
        return reading


@dataclass(frozen=True)
class ImuNoisy(SensorFault):
    """The inertial sensor is noisy.

    Attributes:
        gyro_rad_s: standard deviation of both rates.
        accel_m_s2: of both accelerations.
    """

    gyro_rad_s: float
    accel_m_s2: float

    def distorted(self, scene: Scene, reading: list[float], first: Reading) -> list[float]:
        """With white noise."""
        for index, deviation in zip(IMU, (self.gyro_rad_s,) * 2 + (self.accel_m_s2,) * 2, strict=True):
            reading[index] += scene.random.gauss(0.0, deviation)
        return reading


@dataclass(frozen=True)
class ImuNan(SensorFault):
    """The inertial sensor's driver gives no number."""

    def distorted(self, scene: Scene, reading: list[float], first: Reading) -> list[float]:
        """NaN in one channel."""
        reading[ACCEL_X] = math.nan
        return reading


@dataclass(frozen=True)
class SignFlipped(SensorFault):
    """Channels of the inertial sensor have the wrong sign.

    Attributes:
        channels: which, as indices of a reading.
    """

    channels: tuple[int, ...]

    def distorted(self, scene: Scene, reading: list[float], first: Reading) -> list[float]:
        """The other way round."""
        for index in self.channels:
            reading[index] = -reading[index]
        return reading


@dataclass(frozen=True)
class EncoderSlip(SensorFault):
    """The left wheel's encoder follows only part of the wheel's motion; nothing of it is a dead encoder.

    Attributes:
        follows: which share.
    """

    follows: float

    def distorted(self, scene: Scene, reading: list[float], first: Reading) -> list[float]:
        """From where it was."""
        reading[WHEEL_LEFT] = first[WHEEL_LEFT] + self.follows * (reading[WHEEL_LEFT] - first[WHEEL_LEFT])
        return reading


@dataclass(frozen=True)
class SensorsSilent(Fault):
    """No fresh sample reaches the MCU."""

    def begin(self, scene: Scene) -> None:
        """The bus is dead."""
        scene.twin.sensors.fresh = False


@dataclass(frozen=True)
class WheelBlocked(Fault):
    """The left wheel jams."""

    def begin(self, scene: Scene) -> None:
        """For good."""
        scene.twin.plant.jam(WHEEL_JOINTS[0])


@dataclass(frozen=True)
class TorqueSaturated(Fault):
    """Both drives give less than they should, as hot ones do.

    Attributes:
        limit_nm: at most so much a wheel.
    """

    limit_nm: float

    def begin(self, scene: Scene) -> None:
        """From here on."""
        scene.twin.drives.limit_nm = self.limit_nm


@dataclass(frozen=True)
class BatterySag(Fault):
    """The battery's voltage falls.

    Attributes:
        volts: what it falls to, without load.
        ms: how long it takes.
    """

    volts: float
    ms: int = 500

    def begin(self, scene: Scene) -> None:
        """Nothing yet."""

    def step(self, scene: Scene) -> None:
        """By equal steps."""
        if scene.since_ms <= self.ms:
            drives = scene.twin.drives
            drives.open_circuit_v += (self.volts - drives.open_circuit_v) / (self.ms - scene.since_ms + 1)
