"""The one source of truth for what passes between the rooms: signals, units, limits, wire messages.

What the robot can be asked to do is in ``tasks.py``, under the same hash.

Conventions: SI units; right-handed frames, x forward, y left, z up; angles in rad, positive pitch leans forward,
positive yaw turns left; positive wheel torque and velocity drive the robot forward. Everything on the wire and in a
log is little-endian.

The C header ``firmware_bridge/firmware/ril_spec.h`` is generated from this file (``tools/make_spec_header.py``), the
log schema, the dataset columns and the policy file carry its ``SPEC_HASH``, and a mismatch is refused.
"""

from __future__ import annotations

import enum
import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np

from robot_il.tasks import TASKS

PROTOCOL_VERSION = 2
CONTROL_RATE_HZ = 200
CONTROL_PERIOD_S = 1.0 / CONTROL_RATE_HZ
FIRMWARE_RATE_HZ = 1000
TICKS_PER_STATE = FIRMWARE_RATE_HZ // CONTROL_RATE_HZ
LOOP_RATES_HZ = (200, 500, 1000)
"""Rates at which the MCU can report its state, and so the loop run; recordings for training are made at the first."""


@dataclass(frozen=True)
class Signal:
    """One named quantity.

    Attributes:
        name: identifier, the same on the wire, in the log and in a dataset.
        unit: SI unit, ``1`` for a dimensionless number, ``-`` for a code or bit field.
        dtype: numpy type code of one sample, little-endian (``f4``, ``u4``, ...).
        meaning: one line for a person.
        low: smallest plausible value; outside it a sensor or a link is at fault.
        high: largest plausible value.
    """

    name: str
    unit: str
    dtype: str
    meaning: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Limits:
    """The bounds that the MCU enforces whatever the host says."""

    wheel_torque_nm: float = 4.0
    """Largest torque of one wheel; a command beyond it is rejected, not clipped."""
    wheel_torque_slew_nm_s: float = 800.0
    """Fastest change of the applied torque of one wheel."""
    tilt_rad: float = 0.7
    """Beyond this pitch the robot has fallen: wheels off, latched."""
    wheel_speed_rad_s: float = 40.0
    """Beyond this speed only braking torque is applied."""
    battery_low_v: float = 19.2
    """Below this for ``battery_low_ms``: wheels off, latched (24 V pack, 6 cells)."""
    battery_low_ms: int = 500
    command_timeout_ms: int = 100
    """Age of the newest answered STATE at which the wheels stop and the stop latches."""
    arm_tilt_rad: float = 0.35
    """Arming is refused beyond this pitch: the fallback could not catch the robot."""
    arm_torque_nm: float = 0.0
    """Torque applied between arming and the first accepted command."""
    height_rate_m_s: float = 0.1
    """Speed at which the MCU moves the height that the legs hold; slow beside balancing, so that the LQR keeps up."""


LIMITS = Limits()
TORQUE_LIMIT_NM = 2 * LIMITS.wheel_torque_nm
"""Limit of the learned action, the sum over both wheels."""


class Mode(enum.IntEnum):
    """What the MCU is doing; the only mode in which a wheel is driven is ARMED."""

    DISARMED = 0
    ARMED = 1
    STOPPED = 2
    """A fault stopped the wheels and is latched; DISARM clears it once its cause is gone."""
    ESTOPPED = 3
    """An emergency stop is latched; DISARM clears it."""


class Fault(enum.IntFlag):
    """Why the MCU stopped, or would refuse to arm; bits of the ``faults`` signal."""

    COMMAND_TIMEOUT = 1 << 0
    TILT = 1 << 1
    BATTERY_LOW = 1 << 2
    SENSOR_NOT_FINITE = 1 << 3
    ESTOP = 1 << 4
    SENSOR_STALE = 1 << 5
    """The board reported no fresh sensor sample for too long, or its inertial samples never change."""


class HandDevice(enum.IntEnum):
    """What the operator's hand was on."""

    GAMEPAD = 1
    """Plugged into the machine that drives."""
    BROWSER_PAD = 2
    """Plugged into the machine that shows the page."""
    KEYBOARD = 3
    JOYSTICK = 4
    """Drawn on the page."""


class Reject(enum.IntEnum):
    """Why the MCU rejected a COMMAND or an ARM; the argument of the REJECTED event."""

    NOT_ARMED = 1
    NOT_FINITE = 2
    OUT_OF_RANGE = 3
    REPEATED = 4
    """It answers a STATE that was answered already, or its own sequence number did not rise."""
    STALE = 5
    """It answers a STATE older than the command timeout."""
    FUTURE = 6
    """It answers a STATE that was never sent."""
    FAULT_ACTIVE = 7
    """ARM while a fault is active or a stop is latched."""
    TILTED = 8
    """ARM beyond ``arm_tilt_rad``."""
    WRONG_BOOT = 9
    """ARM meant for an earlier boot of the MCU."""


class Event(enum.IntEnum):
    """Codes of the EVENT message."""

    BOOTED = 1
    ARMED = 2
    DISARMED = 3
    STOPPED = 4
    """argument: the fault bits."""
    ESTOPPED = 5
    REJECTED = 6
    """argument: a ``Reject`` code; rate-limited, the counters in STATE are exact."""
    TIME_SLIPPED = 7
    """The MCU's own clock lost time (a busy simulation host); value: the milliseconds lost."""


class Param(enum.IntEnum):
    """Identifiers of the PARAM message. A limit can be tightened below ``LIMITS``, never widened."""

    WHEEL_TORQUE_NM = 1
    WHEEL_TORQUE_SLEW_NM_S = 2
    TILT_RAD = 3
    WHEEL_SPEED_RAD_S = 4
    BATTERY_LOW_V = 5
    """Can only be raised."""
    COMMAND_TIMEOUT_MS = 6
    STATE_PERIOD_MS = 7
    """Time from one STATE to the next: 1, 2 or 5, and changed only while DISARMED; no limit, but what the loop asks."""


STATE_SIGNALS = (
    Signal("mcu_time_us", "us", "u8", "MCU time at which the sensors were sampled"),
    Signal("state_seq", "1", "u4", "sequence number of the STATE, +1 per control period"),
    Signal("command_seq", "1", "u4", "sequence number of the last accepted COMMAND, 0 before the first"),
    Signal("pitch", "rad", "f4", "lean of the body against gravity, forward positive", -3.2, 3.2),
    Signal("pitch_rate", "rad/s", "f4", "rate of pitch", -35.0, 35.0),
    Signal("yaw", "rad", "f4", "heading since boot, left positive, unwrapped", -1e4, 1e4),
    Signal("yaw_rate", "rad/s", "f4", "rate of yaw", -35.0, 35.0),
    Signal("accel_x", "m/s^2", "f4", "specific force forward, in the body's frame; 0 at rest upright", -400.0, 400.0),
    Signal("accel_z", "m/s^2", "f4", "specific force upward, in the body's frame; 9.81 at rest upright", -400.0, 400.0),
    Signal("position", "m", "f4", "distance rolled by the axle since arming, forward positive", -1e4, 1e4),
    Signal("velocity", "m/s", "f4", "rate of position", -10.0, 10.0),
    Signal("wheel_position_left", "rad", "f4", "angle of the left wheel against the shank", -1e6, 1e6),
    Signal("wheel_position_right", "rad", "f4", "angle of the right wheel against the shank", -1e6, 1e6),
    Signal("wheel_velocity_left", "rad/s", "f4", "rate of wheel_position_left", -200.0, 200.0),
    Signal("wheel_velocity_right", "rad/s", "f4", "rate of wheel_position_right", -200.0, 200.0),
    Signal("hip_left", "rad", "f4", "angle of the left hip", -3.2, 3.2),
    Signal("knee_left", "rad", "f4", "angle of the left knee", -3.2, 3.2),
    Signal("hip_right", "rad", "f4", "angle of the right hip", -3.2, 3.2),
    Signal("knee_right", "rad", "f4", "angle of the right knee", -3.2, 3.2),
    Signal("height", "m", "f4", "height of the body's origin above the axle that the legs are told to hold", -1.0, 3.0),
    Signal("applied_left", "N m", "f4", "torque demanded of the left drive in the past period", -4.0, 4.0),
    Signal("applied_right", "N m", "f4", "torque demanded of the right drive in the past period", -4.0, 4.0),
    Signal("battery", "V", "f4", "battery voltage", 0.0, 60.0),
    Signal("rejected", "1", "u2", "commands rejected since boot, wraps"),
    Signal("faults", "-", "u2", "bits of Fault"),
    Signal("mode", "-", "u1", "Mode"),
)
"""Payload of the STATE message, in wire order."""

HOST_SIGNALS = (
    Signal("tick", "1", "u8", "index on the host's absolute 200 Hz grid"),
    Signal("host_receive_ns", "ns", "i8", "host monotonic time at which the STATE was complete"),
    Signal("host_send_ns", "ns", "i8", "host monotonic time after the COMMAND was written; 0 if none was sent"),
    Signal("sent_seq", "1", "u4", "sequence number of the COMMAND that answers this STATE; 0 if none was sent"),
    Signal("link_errors", "1", "u4", "frames the host could not decode, and gaps in state_seq, since connect"),
    Signal("skipped", "1", "u4", "grid periods without a STATE since the loop started"),
    Signal("inputs", "-", "u4", "bits of what the loop told the supervisor with this STATE"),
    Signal("reasons", "-", "u4", "bits of the supervisor's reasons for not running the controller"),
    Signal("lateness_us", "us", "f4", "how late this STATE arrived on the host's grid; 0 is punctual"),
    Signal("margin", "1", "f4", "how far inside what the fallback can catch: 1 at rest, 0 at the edge; NaN unknown"),
    Signal("stick_forward", "1", "f4", "operator's stick as used, -1..1, forward positive; NaN without a stick"),
    Signal("stick_turn", "1", "f4", "operator's stick as used, -1..1, left positive; NaN without a stick"),
    Signal("yaw_rate_wanted", "rad/s", "f4", "turning asked of the heading hold, left positive; 0 holds the heading"),
    Signal("height_wanted", "m", "f4", "height asked for by a person or the task; NaN: nobody asks"),
    Signal("intent", "N m", "f4", "what the operator asked for; NaN where no operator drives"),
    Signal("controller_torque", "N m", "f4", "total torque the controller in charge asked for"),
    Signal("limited_torque", "N m", "f4", "total torque after the host's limits"),
    Signal("sent_left", "N m", "f4", "left wheel torque in the COMMAND, yaw hold included; 0 if none was sent"),
    Signal("sent_right", "N m", "f4", "right wheel torque in the COMMAND, yaw hold included; 0 if none was sent"),
    Signal("sent_height", "m", "f4", "height in the COMMAND; NaN if none was sent"),
    Signal("supervisor", "-", "u1", "state of the host's supervisor"),
    Signal("source", "-", "u1", "who was in charge: 0 none, 1 controller, 2 fallback"),
)
"""What the host's loop adds to a STATE to make one tick of the log."""

_SIZE_ORDER = {"8": 0, "4": 1, "2": 2, "1": 3}
TICK_SIGNALS = tuple(sorted(STATE_SIGNALS + HOST_SIGNALS, key=lambda signal: _SIZE_ORDER[signal.dtype[1]]))
"""All signals of one tick, widest type first, so that no layout (C, CDR, numpy) inserts padding."""

TICK_DTYPE = np.dtype([(signal.name, "<" + signal.dtype) for signal in TICK_SIGNALS])
SIGNALS = {signal.name: signal for signal in TICK_SIGNALS}

HAND_AXES = 8
HAND_SIGNALS = (
    Signal("host_ns", "ns", "i8", "host monotonic time at which the loop took it"),
    *(
        Signal(f"axis_{index}", "1", "f4", f"axis {index} of the pad, raw; 0 where it has none")
        for index in range(HAND_AXES)
    ),
    Signal("forward", "1", "f4", "stick after mapping, dead zone and curve, forward positive", -1.0, 1.0),
    Signal("turn", "1", "f4", "stick after mapping, dead zone and curve, left positive", -1.0, 1.0),
    Signal("hand_seq", "1", "u4", "rises with every message of one source"),
    Signal("buttons", "-", "u4", "a bit for each pressed button of the pad, raw"),
    Signal("device", "-", "u1", "HandDevice"),
    Signal("deadman", "1", "u1", "1 while the dead-man button, or what stands for it, is held"),
)
"""What the operator's hand does, as it reaches the loop and as it is logged, widest type first."""
HAND_DTYPE = np.dtype([(signal.name, "<" + signal.dtype) for signal in HAND_SIGNALS])

WHEEL_TORQUE = Signal(
    "wheel_torque", "N m", "f4", "sum of both wheel torques, half to each", -TORQUE_LIMIT_NM, TORQUE_LIMIT_NM
)


LABELS = ("expert", "suboptimal", "undesirable", "unlabeled")


@dataclass(frozen=True)
class Message:
    """One kind of frame: its type byte, who sends it, and its payload fields in wire order."""

    name: str
    type: int
    sender: str
    fields: tuple[Signal, ...]

    @property
    def dtype(self) -> np.dtype:
        """Packed little-endian layout of the payload."""
        return np.dtype([(field.name, "<" + field.dtype) for field in self.fields])


def _message(name: str, type_byte: int, sender: str, *fields: Signal) -> Message:
    return Message(name, type_byte, sender, fields)


MESSAGES = {
    message.name: message
    for message in (
        _message(
            "HELLO",
            0x01,
            "host",
            Signal("protocol_version", "1", "u2", "PROTOCOL_VERSION of the sender"),
            Signal("spec_hash", "-", "u8", "first 8 bytes of SPEC_HASH, big-endian number"),
        ),
        _message(
            "IDENTITY",
            0x02,
            "mcu",
            Signal("protocol_version", "1", "u2", "PROTOCOL_VERSION of the firmware"),
            Signal("spec_hash", "-", "u8", "first 8 bytes of SPEC_HASH, big-endian number"),
            Signal("boot_id", "-", "u4", "changes at every boot"),
            Signal("firmware_version", "-", "u4", "major << 16 | minor << 8 | patch"),
            Signal("robot_id", "-", "u4", "which robot this is, set by the board"),
        ),
        _message(
            "TIME_REQUEST",
            0x03,
            "host",
            Signal("host_ns", "ns", "i8", "host monotonic time at sending"),
        ),
        _message(
            "TIME_REPLY",
            0x04,
            "mcu",
            Signal("host_ns", "ns", "i8", "copied from the request"),
            Signal("mcu_time_us", "us", "u8", "MCU time at answering"),
        ),
        _message("STATE", 0x10, "mcu", *STATE_SIGNALS),
        _message(
            "COMMAND",
            0x11,
            "host",
            Signal("command_seq", "1", "u4", "rises with every command; the first is at least 1"),
            Signal("state_seq", "1", "u4", "the STATE this command answers"),
            Signal("torque_left", "N m", "f4", "demanded torque of the left wheel"),
            Signal("torque_right", "N m", "f4", "demanded torque of the right wheel"),
            Signal("height", "m", "f4", "where the legs are to go; that of the STATE leaves them where they are"),
        ),
        _message(
            "ARM",
            0x20,
            "host",
            Signal("boot_id", "-", "u4", "boot_id of the IDENTITY, so that a replayed ARM does nothing"),
            Signal("state_seq", "1", "u4", "a STATE younger than the command timeout"),
        ),
        _message("DISARM", 0x21, "host"),
        _message("ESTOP", 0x22, "host"),
        _message(
            "PARAM_SET",
            0x30,
            "host",
            Signal("param", "-", "u2", "Param"),
            Signal("value", "-", "f4", "new value in the parameter's unit"),
        ),
        _message(
            "PARAM_VALUE",
            0x31,
            "mcu",
            Signal("param", "-", "u2", "Param"),
            Signal("value", "-", "f4", "value now in force, whether or not the request was granted"),
        ),
        _message(
            "EVENT",
            0x40,
            "mcu",
            Signal("mcu_time_us", "us", "u8", "MCU time of the event"),
            Signal("event", "-", "u2", "Event"),
            Signal("argument", "-", "u2", "see Event"),
            Signal("value", "-", "f4", "see Event"),
        ),
    )
}


def _without_meaning(signals: tuple[Signal, ...]) -> list[dict[str, object]]:
    return [{key: value for key, value in asdict(signal).items() if key != "meaning"} for signal in signals]


def _canonical() -> str:
    """Text of everything a peer, a log or a policy must agree on; wording for people is left out."""
    contract = {
        "protocol_version": PROTOCOL_VERSION,
        "control_rate_hz": CONTROL_RATE_HZ,
        "loop_rates_hz": LOOP_RATES_HZ,
        "firmware_rate_hz": FIRMWARE_RATE_HZ,
        "limits": asdict(LIMITS),
        "tick": _without_meaning(TICK_SIGNALS),
        "hand": _without_meaning(HAND_SIGNALS),
        "tasks": [asdict(task) for task in TASKS.values()],
        "labels": LABELS,
        "messages": [
            [message.name, message.type, message.sender, _without_meaning(message.fields)]
            for message in MESSAGES.values()
        ],
        "codes": {
            code.__name__: {member.name: int(member) for member in code}
            for code in (Mode, Fault, HandDevice, Reject, Event, Param)
        },
    }
    return json.dumps(contract, sort_keys=True, separators=(",", ":"))


SPEC_HASH = hashlib.sha256(_canonical().encode()).hexdigest()
"""SHA-256 of the contract as 64 hex digits; prints shortened to 12."""
SPEC_HASH_U64 = int(SPEC_HASH[:16], 16)
