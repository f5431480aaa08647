"""A stick in a test's own hand."""

from __future__ import annotations

from robot_il.control.controllers import LinearController
from robot_il.control.device import State
from robot_il.control.operator import Hand
from robot_il.control.teleop import Stick, Teleop
from robot_il.robot import load_robot
from robot_il.spec import HandDevice
from robot_il.tasks import TASKS
from tests.scripted_robot import GAIN, PERIOD_NS, MemorySink

STILL = State(**dict.fromkeys(State._fields, 0))
START_NS = 10**12
POLICY_NM = 0.123


class Policy(LinearController):
    """Says the same always, so that it is known who drove."""

    def __init__(self) -> None:
        super().__init__(GAIN, TASKS["stand"], "policy")
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def torque(self, state: State) -> float:
        return POLICY_NM


class Held:
    """Hands as a test puts them there."""

    def __init__(self) -> None:
        self.hands: list[Hand] = []
        self.requests: list[bytes] = []
        self._seq = 0

    def put(self, forward: float = 0.0, turn: float = 0.0, deadman: bool = True, seq: int | None = None) -> None:
        self._seq = self._seq + 1 if seq is None else seq
        self.hands.append(Hand(self._seq, HandDevice.GAMEPAD, deadman, forward, turn))

    def receive(self) -> tuple[list[Hand], list[bytes]]:
        came = self.hands, self.requests
        self.hands, self.requests = [], []
        return came


class Driven:
    """A Teleop whose stick was seen at rest, at a time of the test's own."""

    def __init__(self, mode: str, assist: str = "velocity", rested: bool = True) -> None:
        self.held, self.sink = Held(), MemorySink()
        self.stick = Stick(self.held, self.sink)
        self.policy = Policy() if mode == "shared" else None
        self.teleop = Teleop(load_robot(), self.stick, self.sink, mode, self.policy, assist)
        self.now_ns = START_NS
        self.ticks = 0
        if rested:
            self.tick()

    def tick(self, after_ns: int = PERIOD_NS, heard: bool = True, **hand: object) -> float:
        """One tick of the loop; returns the torque."""
        self.now_ns += after_ns
        self.ticks += 1
        if heard:
            self.held.put(**hand)
        self.teleop.look(self.now_ns)
        return self.teleop.torque(STILL._replace(mcu_time_us=self.ticks * 5000))

    @property
    def events(self) -> list[str]:
        return [name for name, _ in self.sink.events]
