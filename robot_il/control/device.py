"""What the control loop knows of a robot: five methods, the same for hardware, twin and test double."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from robot_il.spec import CONTROL_RATE_HZ, Event


class State(NamedTuple):
    """One decoded STATE: the fields of ``spec.STATE_SIGNALS``, in that order and in those units."""

    mcu_time_us: int
    state_seq: int
    command_seq: int
    pitch: float
    pitch_rate: float
    yaw: float
    yaw_rate: float
    accel_x: float
    accel_z: float
    position: float
    velocity: float
    wheel_position_left: float
    wheel_position_right: float
    wheel_velocity_left: float
    wheel_velocity_right: float
    hip_left: float
    knee_left: float
    hip_right: float
    knee_right: float
    height: float
    applied_left: float
    applied_right: float
    battery: float
    rejected: int
    faults: int
    mode: int


@dataclass(frozen=True)
class Identity:
    """Who answered on the link.

    Attributes:
        boot_id: changes at every boot of the MCU.
        firmware_version: as ``major.minor.patch``.
        robot_id: which robot this is.
        round_trip_s: median round trip of the link at connect, in s.
        clock_offset_ns: host monotonic time minus MCU time at connect, in ns.
        rate_hz: at which it reports its state.
    """

    boot_id: int
    firmware_version: str
    robot_id: int
    round_trip_s: float
    clock_offset_ns: int
    rate_hz: int = CONTROL_RATE_HZ


@dataclass(frozen=True)
class DeviceEvent:
    """Something the MCU reported besides its state: see ``spec.Event`` for argument and value."""

    mcu_time_us: int
    event: Event
    argument: int
    value: float


@dataclass
class LinkStatistics:
    """Running counts of the link, since connect."""

    frames: int = 0
    undecodable: int = 0
    """Frames with a bad checksum, length or type."""
    missing_states: int = 0
    """Gaps in ``state_seq``."""


class Device(Protocol):
    """A robot that reports its state at a fixed rate and takes wheel torques in answer.

    Besides the five methods it shows ``statistics`` (a ``LinkStatistics``) and ``events`` (a list to which it appends
    each ``DeviceEvent``; the loop drains it).
    """

    statistics: LinkStatistics
    events: list[DeviceEvent]

    def open(self, rate_hz: int = CONTROL_RATE_HZ) -> Identity:
        """Connects and agrees on protocol, spec and rate; leaves the robot disarmed.

        Args:
            rate_hz: of the STATEs, one of ``spec.LOOP_RATES_HZ``.

        Raises:
            LinkError: nothing answers.
            ProtocolError: something else, or another version or spec, answers; or the rate is not to be had.
        """

    def read(self, deadline_ns: int) -> State | None:
        """Waits for the next STATE, at most until ``deadline_ns`` on the device's clock; None when none came.

        When several are waiting, returns the newest: an old one is no basis for a command.

        Raises:
            LinkError: the link is gone.
        """

    def write(self, torque_left_nm: float, torque_right_nm: float, height_m: float | None = None) -> int:
        """Answers the STATE last read with wheel torques in N m; returns the command's sequence number.

        Args:
            torque_left_nm: demanded torque of the left wheel.
            torque_right_nm: the same of the right one.
            height_m: of the body's origin above the axle, where the legs are to go; None for the height of the STATE,
                which leaves them where they are.

        Raises:
            LinkError: the link is gone.
        """

    def request(self, request: str) -> None:
        """Sends ``arm``, ``disarm`` or ``estop``; the outcome shows in the mode of a later STATE.

        Raises:
            LinkError: the link is gone.
        """

    def close(self) -> None:
        """Disarms where the link still permits it, and lets go of the port."""
