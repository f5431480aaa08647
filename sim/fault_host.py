"""What can become of the host: it dies, freezes, gets slow, its clock jumps, its disk fills, its controller fails."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from dataclasses import dataclass

from robot_il.control.controllers import Controller
from robot_il.control.device import State
from robot_il.spec import TICKS_PER_STATE, TORQUE_LIMIT_NM
from sim.fault_scene import Fault, Host, Scene


@dataclass(frozen=True)
class Killed(Fault):
    """The host's process is killed."""

    def begin(self, scene: Scene) -> None:
        """From here on nothing reads and nothing writes."""
        scene.host_lost = "killed"


@dataclass(frozen=True)
class Frozen(Fault):
    """The host's process does nothing.

    Attributes:
        ms: for how long; None for ever.
    """

    ms: int | None = None

    def begin(self, scene: Scene) -> None:
        """Stops it."""
        if self.ms is None:
            scene.host_lost = "frozen"
        else:
            scene.freeze(self.ms)


@dataclass(frozen=True)
class Replaying(Frozen):
    """The host is frozen, and the bridge between it and the MCU sends its last command again and again."""

    def step(self, scene: Scene) -> None:
        """At the rate at which commands came."""
        if scene.since_ms % TICKS_PER_STATE == 0:
            scene.to_mcu.put(scene.twin.world_us, scene.last_written)


@dataclass(frozen=True)
class SlowHost(Fault):
    """Every answer takes its time.

    Attributes:
        answer_ms: how much.
    """

    answer_ms: int

    def begin(self, scene: Scene) -> None:
        """From the next answer on."""
        scene.answer_ms = self.answer_ms


@dataclass(frozen=True)
class ClockJump(Fault):
    """The host's clock jumps.

    Attributes:
        seconds: forwards; negative for backwards.
    """

    seconds: float

    def begin(self, scene: Scene) -> None:
        """Once."""
        scene.clock.offset_ns += round(self.seconds * 1e9)


@dataclass(frozen=True)
class DiskFull(Fault):
    """There is no room left for the log."""

    fills_disk = True


@dataclass(frozen=True)
class HeightUnreachable(Fault):
    """It asks for a height that no leg can hold, with torques that are right.

    Attributes:
        asks_height_m: which.
    """

    asks_height_m: float | None = 2.0


class FailingController:
    """A controller that does another thing once the fault has begun.

    Args:
        inner: the sound controller.
        host: where it runs.
        failing: the torque in N m that it gives for a STATE then; it is told the last sound torque.
        name: of the fault, for the log.
    """

    def __init__(self, inner: Controller, host: Host, failing: Callable[[State, float], float], name: str) -> None:
        self.identity = {**inner.identity, "fault": name}
        self.intent = inner.intent
        self._inner = inner
        self._host = host
        self._failing = failing
        self._last = 0.0

    def reset(self) -> None:
        """As the sound one resets."""
        self._inner.reset()

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        if self._host.failing:
            return self._failing(state, self._last)
        self._last = self._inner.torque(state)
        self.intent = self._inner.intent
        return self._last


@dataclass(frozen=True)
class PolicyFault(Fault, abc.ABC):
    """The policy fails."""

    def controller(self, inner: Controller, host: Host) -> Controller:
        """The policy that will."""
        return FailingController(inner, host, self.failing(inner, host), type(self).__name__)

    @abc.abstractmethod
    def failing(self, inner: Controller, host: Host) -> Callable[[State, float], float]:
        """Makes the failing law."""


@dataclass(frozen=True)
class PolicyNan(PolicyFault):
    """It gives no number."""

    def failing(self, inner: Controller, host: Host) -> Callable[[State, float], float]:
        """NaN."""
        return lambda state, last: math.nan


@dataclass(frozen=True)
class PolicyRaises(PolicyFault):
    """It raises an exception."""

    def failing(self, inner: Controller, host: Host) -> Callable[[State, float], float]:
        """An error that nobody has thought of."""

        def fail(state: State, last: float) -> float:
            raise RuntimeError("the policy's own error")

        return fail


@dataclass(frozen=True)
class PolicyExplodes(PolicyFault):
    """Its torque is finite, without bound, and drives the lean on."""

    def failing(self, inner: Controller, host: Host) -> Callable[[State, float], float]:
        """Against the way the wheels must go to catch the body."""
        return lambda state, last: math.copysign(1e30, -state.pitch)


@dataclass(frozen=True)
class PolicyConstant(PolicyFault):
    """It gives one torque whatever it sees.

    Attributes:
        torque_nm: which; None for its last sound one.
    """

    torque_nm: float | None = 0.5 * TORQUE_LIMIT_NM

    def failing(self, inner: Controller, host: Host) -> Callable[[State, float], float]:
        """One number."""
        return lambda state, last: last if self.torque_nm is None else self.torque_nm


@dataclass(frozen=True)
class PolicySlow(PolicyFault):
    """Its answer is right and comes late.

    Attributes:
        ms: how late.
    """

    ms: int

    def failing(self, inner: Controller, host: Host) -> Callable[[State, float], float]:
        """Thinks while the world goes on."""

        def think(state: State, last: float) -> float:
            host.pass_time(self.ms)
            return inner.torque(state)

        return think


@dataclass(frozen=True)
class PadLost(PolicyConstant):
    """The operator's pad is silent: what the hand did last is all there is."""

    operated = True
    torque_nm: float | None = None
