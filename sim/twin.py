"""The twin of a robot with its MCU: bytes in, bytes out, one millisecond a step."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from firmware_bridge.hostlib import Board, Firmware
from firmware_bridge.microcontroller import Microcontroller
from firmware_bridge.protocol import Decoder
from robot_il.robot import Robot
from robot_il.spec import FIRMWARE_RATE_HZ, STATE_SIGNALS, Fault, Mode
from sim.actuators import WheelDrives
from sim.attitude import pitch_of, roll_of, yaw_of
from sim.conditions import Conditions
from sim.drivetrain import make_drives
from sim.engine import DEFAULT_ENGINE, STEP_S, make_plant
from sim.figures import with_figures
from sim.hand import Grip, Hand
from sim.imperfect_sensors import make_sensors
from sim.sensors import READING, Reading, Sensors

PUSH_MS = 50
STEP_US = 1_000_000 // FIRMWARE_RATE_HZ
_COMMAND_SEQ = [signal.name for signal in STATE_SIGNALS].index("command_seq")
_SENSORS = struct.Struct("<2d9fB")


class Truth(NamedTuple):
    """What the robot really does, for scoring; no sensor sees it.

    Attributes:
        time_s: since the hand last let go; 0 while it holds.
        pitch: as the signal of the same name, like the next five.
        pitch_rate: rad/s.
        position: of the middle of the axle ahead of where the hand let go, along the heading it had then, in m.
        velocity: of the middle of the axle along the present heading, in m/s.
        yaw: rad.
        yaw_rate: rad/s.
        roll_rad: lean to the right.
        lateral_m: of the middle of the axle to the left of the line on which it started.
        height: of the base link's origin above the axle, as the legs are told to hold it, in m.
    """

    time_s: float
    pitch: float
    pitch_rate: float
    position: float
    velocity: float
    yaw: float
    yaw_rate: float
    roll_rad: float
    lateral_m: float
    height: float


class Twin:
    """A simulated robot whose MCU is the compiled firmware.

    A hand holds the robot at its start pose until the MCU is armed and acknowledges a command, then lets go. The same
    robot, conditions, seed and bytes received at the same steps give the same bytes back, bit for bit.

    Attributes:
        firmware: the MCU.
        plant: the robot's body.
        sensors: what the MCU sees of it.
        drives: what moves it.
        link: what the line to the host takes.
        seed: of the sensors' errors, and of the line's jitter.
        heights_m: lowest and highest that the legs hold, of the base above the axle.
        world_us: time that has passed in the world; the MCU's own begins anew when it is reset.
        mode: of the MCU, after the last step.
        fallen: the lean or the distance that the conditions call a fall was passed since the hand last let go.
        events: what happened, each ``{"mcu_time_us": ..., "event": ..., ...}``; whoever reads may clear it.
    """

    def __init__(
        self,
        robot: Robot,
        conditions: Conditions,
        seed: int,
        *,
        boot_id: int | None = None,
        picked_up: bool = False,
        firmware: Callable[[Board], Microcontroller] = Firmware,
        engine: str = DEFAULT_ENGINE,
    ) -> None:
        """Builds world and MCU.

        Args:
            robot: profile.
            conditions: of the episode.
            seed: of the sensors' errors, and of the boot id where none is given.
            boot_id: of the MCU, 32 bits.
            picked_up: after a stop or a fall the hand sets the robot upright again.
            firmware: makes the MCU; by default the compiled library.
            engine: of the physics, one of ``sim.engine.ENGINES``.

        Raises:
            ConfigError: a robot that the engine cannot load, an engine that is not there, or no C compiler.
        """
        random = np.random.default_rng(seed)
        drawn = int(random.integers(1, 2**32))
        self._conditions = conditions
        self._picked_up = picked_up
        robot = with_figures(robot, conditions.figures)
        self.link, self.seed = robot.link, seed
        self.plant = make_plant(engine, robot, conditions)
        self.drives: WheelDrives = make_drives(robot, conditions, self.plant, STEP_S)
        self.sensors: Sensors = make_sensors(robot, self.plant, self.drives, conditions, random)
        self._hand = Hand(self.plant, self.sensors, conditions.initial_pitch_rad)
        self.heights_m = low_m, high_m = robot.heights_m
        self.firmware = firmware(
            Board(
                boot_id=drawn if boot_id is None else boot_id,
                robot_id=robot.robot_id,
                wheel_radius_m=robot.pendulum.wheel_radius_m,
                height_low_m=low_m,
                height_high_m=high_m,
                height_m=robot.height_m,
            )
        )
        self._legs_move = low_m < high_m
        self._height_m = self.firmware.height
        self._sample = _sample_buffer(self.firmware)
        self._decoder = Decoder()
        self._push_n = _push_schedule(conditions)
        self._steepness = 1.0 + abs(math.tan(conditions.slope_rad))
        self._upright_cos = math.cos(conditions.fall_tilt_rad)
        self.mode = self.firmware.mode
        self.world_us = 0
        self._off_ms = 0
        self._resets = self.firmware.resets
        self._command_seq: int | None = None
        self._free_ms = 0
        self._start, self._start_yaw = self.plant.axle()[0], 0.0
        self.fallen = False
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        """Gives the physics client back."""
        self.plant.close()

    def receive(self, data: bytes) -> None:
        """Bytes from the host reach the MCU."""
        if not self._off_ms:
            self.firmware.receive(data)

    def transmit(self) -> bytes:
        """Bytes that the MCU has for the host."""
        if self._off_ms:
            return b""
        data = self.firmware.transmit()
        if data and self._hand.grip is Grip.HOLDING and self.mode == Mode.ARMED:
            self._let_go_at_first_command(data)
        return data

    def step(self) -> None:
        """One millisecond of world and MCU."""
        self.world_us += STEP_US
        reading = self._step_free() if self._hand.grip is Grip.OFF else self._step_held()
        if self._off_ms:
            self._off_ms -= 1
        else:
            _SENSORS.pack_into(self._sample, 0, *reading, self.sensors.fresh)
            self.firmware.tick()
        if self._legs_move and self.firmware.height != self._height_m:
            self._height_m = self.firmware.height
            self.plant.set_height(self._height_m)
        if self.firmware.resets != self._resets:
            self._resets = self.firmware.resets
            self._note("reset")
        if self.firmware.mode != self.mode:
            self._change_mode()

    def power_off(self, ms: int) -> None:
        """Takes the MCU's supply away: the wheels are off and all it knew is lost, and so are bytes sent to it.

        It boots anew, with the next boot id, when the supply is back.

        Args:
            ms: until then; 0 is a pull at the reset line.
        """
        self._off_ms = ms
        self.firmware.reset()

    @property
    def time_us(self) -> int:
        """Time of the MCU; begins anew when it is reset."""
        return self.firmware.time_us

    @property
    def held(self) -> bool:
        """The hand has the robot."""
        return self._hand.grip is not Grip.OFF

    @property
    def tipping(self) -> bool:
        """The hand tips an armed robot to the lean from which it is to start: nothing is judged yet."""
        return self._hand.grip is Grip.TIPPING

    @property
    def truth(self) -> Truth:
        """What the robot really does now."""
        plant = self.plant
        yaw = yaw_of(plant.quaternion)
        place, velocity = plant.axle()
        rate_x, rate_y, rate_z = plant.angular_velocity_rad_s
        moved_x, moved_y, _ = place - self._start
        ahead, aside = math.cos(self._start_yaw), math.sin(self._start_yaw)
        return Truth(
            time_s=self._free_ms * STEP_S,
            pitch=pitch_of(plant.quaternion),
            pitch_rate=rate_y * math.cos(yaw) - rate_x * math.sin(yaw),
            position=float(moved_x * ahead + moved_y * aside),
            velocity=float(velocity[0] * math.cos(yaw) + velocity[1] * math.sin(yaw)),
            yaw=yaw,
            yaw_rate=rate_z,
            roll_rad=roll_of(plant.quaternion),
            lateral_m=float(moved_y * ahead - moved_x * aside),
            height=self._height_m,
        )

    def _step_held(self) -> Reading:
        tipping = self.tipping
        reading, done = self._hand.sample(self.drives.battery_v)
        if tipping:
            self.drives.reset()
        if done and tipping:
            self._let_go()
        elif done:
            self._note("set_upright", by="hand")
        return reading

    def _step_free(self) -> Reading:
        plant, drives, firmware = self.plant, self.drives, self.firmware
        joints = plant.joints
        drives.step(firmware.torque_left, firmware.torque_right, joints[0][1], joints[1][1])
        force = self._push_n.get(self._free_ms)
        if force is not None:
            plant.push(*force)
        plant.step(drives.left_nm, drives.right_nm)
        self._free_ms += 1
        if not self.fallen and self._has_fallen():
            self.fallen = True
            self._note("fallen", pitch_rad=pitch_of(plant.quaternion))
        if self._picked_up and self._hand.watch(self.mode == Mode.ARMED):
            drives.reset()
            self._note("picked_up", by="hand")
        return self.sensors.sample_free(drives.battery_v)

    def _has_fallen(self) -> bool:
        x, y, _, _ = self.plant.quaternion
        if 1.0 - 2.0 * (x * x + y * y) < self._upright_cos:
            return True
        limit = self._conditions.fall_distance_m
        if limit is None:
            return False
        px, py, height = self.plant.com_position_m
        away = math.hypot(px - self._start[0], py - self._start[1])
        # The axle is no farther from the centre of mass than that is above ground; look closely only where it matters.
        if away * self._steepness + height < limit:
            return False
        return float(np.linalg.norm((self.plant.axle()[0] - self._start)[:2])) > limit

    def _let_go_at_first_command(self, data: bytes) -> None:
        """Looks for the STATE that acknowledges another command than the first STATE since arming did.

        That first one is older than any command it could acknowledge: the MCU takes no answer to an earlier STATE.
        """
        for name, values in self._decoder.feed(data):
            if name == "STATE":
                acknowledged = values[_COMMAND_SEQ]
                if self._command_seq is None:
                    self._command_seq = acknowledged
                elif acknowledged != self._command_seq:
                    self._release()
                    return

    def _release(self) -> None:
        """Lets go, or begins to tip the robot to where it is let go."""
        tipped_rad = self._conditions.tipped_rad
        if tipped_rad is None:
            self._let_go()
        else:
            self._hand.tip(tipped_rad)
            self._note("tipped", pitch_rad=tipped_rad, by="hand")

    def _let_go(self) -> None:
        conditions = self._conditions
        self._hand.let_go(conditions.initial_pitch_rate_rad_s, conditions.initial_velocity_m_s)
        self.drives.reset()
        self._start, self._start_yaw = self.plant.axle()[0], yaw_of(self.plant.quaternion)
        self._free_ms = 0
        self.fallen = False
        self._note("released")

    def _change_mode(self) -> None:
        was, self.mode = self.mode, self.firmware.mode
        if self.tipping and self.mode != Mode.ARMED:
            self._hand.take_back()
        self._command_seq = None
        self._note(self.mode.name.lower(), was=was.name.lower(), faults=_fault_names(self.firmware.faults))

    def _note(self, event: str, **detail: Any) -> None:
        self.events.append({"mcu_time_us": self.firmware.time_us, "event": event, **detail})


def _sample_buffer(firmware: Microcontroller) -> memoryview:
    """The firmware's sensor struct as bytes: one packing is faster than twelve assignments."""
    fields = [name for name, *_ in firmware.sensors._fields_]
    if fields != [*READING, "fresh"]:
        raise AssertionError(f"the firmware's sensor struct has become {fields}")
    return memoryview(firmware.sensors).cast("B")


def _fault_names(faults: int) -> list[str]:
    return [fault.name.lower() for fault in Fault if fault in Fault(faults) and fault.name]


def _push_schedule(conditions: Conditions) -> dict[int, tuple[float, float]]:
    """Millisecond since release to the forces in N during it, forwards and to the left."""
    schedule: dict[int, tuple[float, float]] = {}
    for way, pushes in enumerate((conditions.pushes, conditions.side_pushes)):
        for time_s, impulse_ns in pushes:
            start = round(time_s / STEP_S)
            for ms in range(start, start + PUSH_MS):
                forces = list(schedule.get(ms, (0.0, 0.0)))
                forces[way] += impulse_ns / (PUSH_MS * STEP_S)
                schedule[ms] = forces[0], forces[1]
    return schedule
