"""Throws anything at the firmware and holds what must always be true; run as a script, under sanitizers.

python -m tests.firmware_bridge.abuse SECONDS_OF_MCU_TIME SEED [COMPILER_FLAGS...]
"""

from __future__ import annotations

import math
import random
import sys

from firmware_bridge.hostlib import Board, Firmware, Sensors, load
from firmware_bridge.protocol import encode
from robot_il.spec import LIMITS, MESSAGES, Mode, Param
from tests.firmware_bridge.damage import damaged, random_values

NASTY = (math.nan, math.inf, -math.inf, 3.4e38, -3.4e38, 1e-45, -0.0, 0.0, 1.0, 25.0)
FLOAT_SENSORS = tuple(name for name, _ in Sensors._fields_ if name != "fresh")
HOST_MESSAGES = tuple(message for message in MESSAGES.values() if message.sender == "host")
WIDEST = (
    (Param.WHEEL_TORQUE_NM, LIMITS.wheel_torque_nm),
    (Param.WHEEL_TORQUE_SLEW_NM_S, LIMITS.wheel_torque_slew_nm_s),
    (Param.TILT_RAD, 0.69),
    (Param.WHEEL_SPEED_RAD_S, LIMITS.wheel_speed_rad_s),
    (Param.BATTERY_LOW_V, 19.3),
    (Param.COMMAND_TIMEOUT_MS, float(LIMITS.command_timeout_ms)),
)
SLEW_A_TICK = LIMITS.wheel_torque_slew_nm_s * 1e-3
HEIGHT_A_TICK = LIMITS.height_rate_m_s * 1e-3 * 1.001
LOW_M, HIGH_M = 0.25, 0.375
LEGGED = Board(boot_id=1, robot_id=1, wheel_radius_m=0.05, height_low_m=LOW_M, height_high_m=HIGH_M, height_m=0.3125)


class Abuser:
    """A hostile host and board around one firmware."""

    def __init__(self, firmware: Firmware, rng: random.Random) -> None:
        self.firmware = firmware
        self.rng = rng
        self.armed_ticks = 0
        self.raised_m = 0.0
        self._ticks = 0
        self._command_seq = 0

    def tick(self) -> None:
        self._sense()
        self.firmware.receive(self._bytes())
        before = (self.firmware.torque_left, self.firmware.torque_right)
        height = self.firmware.height
        self.firmware.tick()
        self._ticks += 1
        self._check(before)
        self._check_height(height)
        if self.rng.random() < 0.9:  # now and then nobody takes the bytes
            self.firmware.transmit()

    def _sense(self) -> None:
        sensors = self.firmware.sensors
        if self.rng.random() < 0.002:
            setattr(sensors, self.rng.choice(FLOAT_SENSORS), self.rng.choice(NASTY))
        elif self.rng.random() < 0.02:
            for name in FLOAT_SENSORS:
                setattr(sensors, name, 0.0)
            sensors.accel_z, sensors.battery = 9.81, 24.0
        sensors.gyro_yaw += self.rng.choice((-1e-3, 1e-3))  # samples that never change are those of a sensor that hangs
        sensors.fresh = self.rng.random() < 0.95
        sensors.wheel_left += self.rng.uniform(-0.06, 0.06)

    def _bytes(self) -> bytes:
        """Usually what a good host sends, often something else."""
        dice = self.rng.random()
        newest = self._ticks // 5
        if dice < 0.5:
            self._command_seq += 1
            torques = (self.rng.uniform(-4, 4), self.rng.uniform(-4, 4))
            return encode("COMMAND", self._command_seq, newest, *torques, self.rng.uniform(LOW_M - 0.01, HIGH_M + 0.01))
        if dice < 0.6:
            return self._mode_request(newest)
        if dice < 0.7:
            return encode("COMMAND", self._command_seq + 1, newest, *self.rng.choices(NASTY, k=3))
        if dice < 0.705:
            return encode("PARAM_SET", self.rng.randrange(9), self.rng.choice(NASTY))
        if dice < 0.72:
            return b"".join(encode("PARAM_SET", *widest) for widest in WIDEST)
        if dice < 0.85:
            message = self.rng.choice([message for message in HOST_MESSAGES if message.fields])
            frame = encode(message.name, *random_values(self.rng, message))
            return b"".join(damaged(self.rng, [frame], 0.5)[0])
        return self.rng.randbytes(self.rng.randrange(200)) if dice < 0.9 else b""

    def _mode_request(self, newest: int) -> bytes:
        """Towards ARMED, with a rare stop."""
        if self.rng.random() < 0.01:
            return encode(self.rng.choice(("DISARM", "ESTOP")))
        stopped = self.firmware.mode in (Mode.STOPPED, Mode.ESTOPPED)
        return encode("DISARM") if stopped else encode("ARM", 1, newest)

    def _check(self, before: tuple[float, float]) -> None:
        after = (self.firmware.torque_left, self.firmware.torque_right)
        armed = self.firmware.mode == Mode.ARMED
        self.armed_ticks += armed
        for old, new in zip(before, after, strict=True):
            if not armed:
                assert new == 0.0
            assert abs(new) <= LIMITS.wheel_torque_nm
            assert abs(new) <= abs(old) + SLEW_A_TICK * 1.0001

    def _check_height(self, before: float) -> None:
        after = self.firmware.height
        assert LOW_M <= after <= HIGH_M
        assert abs(after - before) <= HEIGHT_A_TICK if self.firmware.mode == Mode.ARMED else after == before
        self.raised_m += abs(after - before)


def abuse(firmware: Firmware, seconds: float, seed: int) -> Abuser:
    """Runs the abuse for some seconds of MCU time."""
    abuser = Abuser(firmware, random.Random(seed))
    for _ in range(int(seconds * 1000)):
        abuser.tick()
    return abuser


def main() -> None:
    seconds, seed, *flags = sys.argv[1:]
    abuser = abuse(Firmware(LEGGED, load(*flags)), float(seconds), int(seed))
    print(f"armed {abuser.armed_ticks} ticks, undecodable {abuser.firmware.undecodable}")


if __name__ == "__main__":
    main()
