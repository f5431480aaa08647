"""A person drives: what the stick means, when it counts, and who has the robot.

Three modes. ``direct``: the stick is wheel torque, for those who want to learn what balancing is. ``assisted``: an LQR
balances and the stick moves velocity or lean. ``shared``: a policy drives until the person moves the stick, and again
once they let go. In every mode a stick without its dead-man, or one that was not heard for 150 ms, is neutral: the
robot stands. So is one that was already held when the robot was armed, until it is let go.
"""

from __future__ import annotations

import json
import math
from collections import deque
from typing import Any, Protocol

import numpy as np

from robot_il.control.controllers import Controller
from robot_il.control.device import State
from robot_il.control.loop import OPERATOR_SILENT_NS
from robot_il.control.operator import Hand, pack_hand
from robot_il.control.sink import Sink
from robot_il.control.takeover import LARGEST_VELOCITY_M_S, VelocityDriver
from robot_il.errors import ConfigError
from robot_il.robot import Robot
from robot_il.spec import CONTROL_RATE_HZ, TORQUE_LIMIT_NM

MODES = ("direct", "assisted", "shared")
ASSISTS = ("velocity", "lean")
LARGEST_YAW_RATE_RAD_S = 1.5
LARGEST_LEAN_RAD = 0.08
"""Lean of a full stick: an acceleration of 0.8 m/s^2."""
DIRECT_TORQUE_NM = 0.5 * TORQUE_LIMIT_NM
"""Total wheel torque of a full stick; a whole one would only spin the wheels."""
TAKE_OVER_DEFLECTION = float(np.float32(0.1))
"""A stick must be moved farther than this; exact as the log keeps a stick."""
GIVE_BACK_S = 0.5
"""How long a stick must be neutral before the policy gets the robot back."""
GRAVITY_M_S2 = 9.81
MOST_REQUESTS = 64
_U32, _HALF_U32 = 0xFFFFFFFF, 0x80000000


class Hands(Protocol):
    """Where hands come from."""

    def receive(self) -> tuple[list[Hand], list[bytes]]:
        """Hands and requests since the last look."""


class Stick:
    """The newest hand: what the stick asks for now, and when it was last heard. An ``Operator`` who asks for nothing.

    Args:
        link: where the hands come from.
        sink: is given every hand.

    Attributes:
        heard_ns: when a new hand was last taken.
        heard: whether that was within the last 150 ms.
        stick_forward: in force, -1..1; 0 while the dead-man is released or nothing is heard.
        stick_turn: the same, left positive.
        requests: texts of requests that came with the hands, for whoever runs the loop.
    """

    yaw_rate_wanted = 0.0
    taken = False

    def __init__(self, link: Hands, sink: Sink) -> None:
        self._link = link
        self._sink = sink
        self._hand: Hand | None = None
        self.heard_ns = 0
        self.heard = False
        self.stick_forward = self.stick_turn = 0.0
        self.requests: deque[bytes] = deque(maxlen=MOST_REQUESTS)

    def look(self, now_ns: int) -> None:
        """Takes the hands that came; called by the loop once a tick, before it decides."""
        hands, requests = self._link.receive()
        self.requests.extend(requests)
        for hand in hands:
            if self._hand is None or 0 < (hand.seq - self._hand.seq) & _U32 < _HALF_U32:
                self._hand, self.heard_ns = hand, now_ns
            self._sink.hand(pack_hand(hand, now_ns))
        self.heard = self._hand is not None and now_ns - self.heard_ns <= OPERATOR_SILENT_NS
        held = self._hand if self.heard and self._hand and self._hand.deadman else None
        self.stick_forward = float(np.float32(held.forward)) if held else 0.0
        self.stick_turn = float(np.float32(held.turn)) if held else 0.0


class Teleop:
    """The operator that the loop listens to, and the controller that the guard asks, in one.

    Args:
        robot: whose LQR balances it where the person does not.
        stick: of the person.
        sink: is told of take-overs.
        mode: one of ``MODES``.
        policy: drives in ``shared`` while the person does not; None in the other modes.
        assist: what a stick moves where the LQR balances, one of ``ASSISTS``.
        rate_hz: of the STATEs.

    Attributes:
        heard_ns: when the stick was last heard.
        stick_forward: in force, -1..1.
        stick_turn: the same, left positive.
        yaw_rate_wanted: in rad/s.
        taken: whether the person drives.

    Raises:
        ConfigError: no such mode or assist, or a policy where none belongs or none where one does.
    """

    def __init__(
        self,
        robot: Robot,
        stick: Stick,
        sink: Sink,
        mode: str = "assisted",
        policy: Controller | None = None,
        assist: str = "velocity",
        rate_hz: int = CONTROL_RATE_HZ,
    ) -> None:
        if mode not in MODES or assist not in ASSISTS:
            came = f"{mode}, {assist}"
            raise ConfigError(f"a mode of {', '.join(MODES)} and an assist of {', '.join(ASSISTS)}", came, "choose")
        if (mode == "shared") != (policy is not None):
            came = "none" if policy is None else "one"
            raise ConfigError("a policy in the mode shared, and in no other", f"{came} in {mode}", "choose the other")
        self.mode = mode
        self.assist = assist
        self._stick = stick
        self._sink = sink
        self._policy = policy
        self._driver = VelocityDriver(robot, rate_hz)
        person = {**self._driver.identity, "name": "person", "mode": mode, "assist": assist}
        self.identity: dict[str, Any] = {**policy.identity, "operator": person} if policy else person
        self._neutral_since_ns = 0
        self.yaw_rate_wanted = 0.0
        self.reset()

    def reset(self) -> None:
        """The policy has the robot where there is one, else the person; the stick counts once it was seen at rest."""
        self._driver.reset()
        if self._policy is not None:
            self._policy.reset()
        self.intent = math.nan
        self.taken = self.mode != "shared"
        self._rested = False
        self._follow_stick()

    def look(self, now_ns: int) -> None:
        """Takes the hands that came; called by the loop once a tick, before it decides."""
        self._stick.look(now_ns)
        self._follow_stick()
        if self.mode == "shared":
            self._change_hands(now_ns)
        wanted = self.stick_turn * LARGEST_YAW_RATE_RAD_S if self.taken else 0.0
        self.yaw_rate_wanted = float(np.float32(wanted))  # as the log keeps it

    def _follow_stick(self) -> None:
        """A stick that is held while the robot is armed does not count before it was let go once."""
        stick = self._stick
        self.heard_ns = stick.heard_ns
        self._rested = self._rested or (stick.heard and not stick.stick_forward and not stick.stick_turn)
        self.stick_forward = stick.stick_forward if self._rested else 0.0
        self.stick_turn = stick.stick_turn if self._rested else 0.0

    def _change_hands(self, now_ns: int) -> None:
        """Whoever moves the stick has the robot; whoever leaves it alone for long enough gives it back."""
        if max(abs(self.stick_forward), abs(self.stick_turn)) > TAKE_OVER_DEFLECTION:
            self._neutral_since_ns = now_ns
            if not self.taken:
                self.taken = True
                self._sink.event("take_over")
        elif self.taken and now_ns - self._neutral_since_ns > GIVE_BACK_S * 1e9:
            self.taken = False
            self._sink.event("give_back")

    def torque(self, state: State) -> float:
        """Total wheel torque in N m of whoever drives; what came of the person's wish is the intent."""
        if not self.taken and self._policy is not None:
            self.intent = math.nan
            return self._policy.torque(state)
        self.intent = float(np.float32(self._wish(state)))  # as the log keeps it
        return self.intent

    def _wish(self, state: State) -> float:
        stick = self.stick_forward
        if self.mode == "direct" and stick:
            return stick * DIRECT_TORQUE_NM
        if self.assist == "lean" and stick:
            acceleration = GRAVITY_M_S2 * LARGEST_LEAN_RAD * abs(stick)
            self._driver.ask(math.copysign(LARGEST_VELOCITY_M_S, stick), acceleration)
        else:
            self._driver.ask(stick * LARGEST_VELOCITY_M_S)
        return self._driver.torque(state)


def read_request(text: bytes) -> dict[str, Any]:
    """A request as it came over the link; empty where it is none."""
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return request if isinstance(request, dict) and isinstance(request.get("do"), str) else {}
