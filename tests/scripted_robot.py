"""A scripted robot with its own virtual clock: a linear wheeled pendulum that loses STATEs on demand."""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

from robot_il.control.device import DeviceEvent, Identity, LinkStatistics, State
from robot_il.errors import LinkError
from robot_il.spec import CONTROL_PERIOD_S, Event, Mode

PERIOD_NS = 5_000_000
# A pendulum that doubles its lean in about 0.15 s; torque in N m. The numbers are of the order of a 10 kg robot.
_A = np.array([[0, 1, 0, 0], [30.0, 0, 0, 0], [0, 0, 0, 1], [-4.0, 0, 0, 0]])
_B = np.array([[0.0], [-3.0], [0.0], [1.5]])
_M = expm(np.block([[_A, _B], [np.zeros((1, 5))]]) * CONTROL_PERIOD_S)
GAIN = np.array([-22.0, -4.5, -0.9, -1.9])


class VirtualClock:
    def __init__(self) -> None:
        self.time_ns = 1_000_000_000

    def now_ns(self) -> int:
        return self.time_ns


class ScriptedRobot:
    """A Device; ``silence`` holds state_seq numbers that never arrive, ``corrupt`` maps a number to changed fields."""

    def __init__(self, pitch: float = 0.05) -> None:
        self.clock = VirtualClock()
        self.statistics = LinkStatistics()
        self.events: list[DeviceEvent] = []
        self.silence: set[int] = set()
        self.corrupt: dict[int, dict[str, float]] = {}
        self.mode = Mode.DISARMED
        self.refuses_to_arm = False
        self.gone_after: int | None = None
        self.x = np.array([pitch, 0.0, 0.0, 0.0])
        self.seq = 0
        self.slipped_ns = 0
        self.torques = (0.0, 0.0)
        self.commands: list[tuple[int, float, float]] = []
        self.requests: list[str] = []
        self.height = 0.25
        self.heights: list[float | None] = []

    def open(self, rate_hz: int = 200) -> Identity:
        return Identity(1, "0.0.0", 1, 0.001, 0)

    def read(self, deadline_ns: int) -> State | None:
        due = 1_000_000_000 + (self.seq + 1) * PERIOD_NS + self.slipped_ns
        if due > deadline_ns:
            self.clock.time_ns = max(self.clock.time_ns, deadline_ns)
            return None
        self.clock.time_ns = max(self.clock.time_ns, due)
        self._advance()
        if self.gone_after is not None and self.seq > self.gone_after:
            raise LinkError("a link", "none", "plug it in")
        if self.seq in self.silence:
            return self.read(deadline_ns)
        return self._state()

    def slip(self, seconds: float, reported: bool = True) -> None:
        """The world pauses, as a simulation on a busy host does; the next read reports it if it is known."""
        self.slipped_ns += round(seconds * 1e9)
        if reported:
            self.events.append(DeviceEvent(self.seq * 5000, Event.TIME_SLIPPED, 0, seconds * 1e3))

    def _advance(self) -> None:
        self.seq += 1
        total = sum(self.torques) if self.mode == Mode.ARMED else 0.0
        if self.mode == Mode.ARMED:
            self.x = _M[:4, :4] @ self.x + _M[:4, 4] * total

    def _state(self) -> State:
        pitch, pitch_rate, position, velocity = self.x.astype(np.float32).tolist()  # as the wire carries them
        values = dict.fromkeys(State._fields, 0.0)
        values |= {"mcu_time_us": self.seq * 5000, "state_seq": self.seq, "battery": 24.0}
        values["command_seq"] = len(self.commands)
        values |= {"pitch": pitch, "pitch_rate": pitch_rate, "position": position, "velocity": velocity}
        values["height"] = self.height
        values |= {"rejected": 0, "faults": 0, "mode": int(self.mode)}
        values |= self.corrupt.get(self.seq, {})
        return State(**values)

    def write(self, torque_left_nm: float, torque_right_nm: float, height_m: float | None = None) -> int:
        self.torques = (torque_left_nm, torque_right_nm)
        self.heights.append(height_m)
        self.commands.append((self.seq, torque_left_nm, torque_right_nm))
        return len(self.commands)

    def request(self, request: str) -> None:
        self.requests.append(request)
        if request == "arm" and not self.refuses_to_arm:
            self.mode = Mode.ARMED
        elif request == "disarm":
            self.mode = Mode.DISARMED
        elif request == "estop":
            self.mode = Mode.ESTOPPED

    def close(self) -> None:
        self.mode = Mode.DISARMED


class MemorySink:
    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.events: list[tuple[str, dict]] = []
        self.hands: list[bytes] = []

    def tick(self, row: bytes) -> None:
        self.rows.append(row)

    def event(self, name: str, **detail: object) -> None:
        self.events.append((name, detail))

    def hand(self, row: bytes) -> None:
        self.hands.append(row)
