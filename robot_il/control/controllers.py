"""What can drive the robot: the LQR, a learned policy, the synthetic operator, a recorded intent."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Protocol

import numpy as np

from robot_il.control.device import State
from robot_il.control.schedule import Schedule
from robot_il.spec import CONTROL_RATE_HZ, TORQUE_LIMIT_NM
from robot_il.tasks import Task, find_task

SCHEDULE = "over_height"
"""What an identity calls the table of a law whose figures go with the height."""


TREMOR_1 = 0.2
"""An ordinary hand's tremor as a share of the torque that the robot's LQR tolerates: 0.5 N m on the reference robot."""


class Controller(Protocol):
    """Answers one STATE with one total wheel torque.

    Attributes:
        identity: what the log says of who drove: ``name`` and whatever else makes it reproducible.
        intent: what the operator asked for with the last torque, in N m; NaN where no operator drives.
    """

    identity: dict[str, Any]
    intent: float

    def reset(self) -> None:
        """Forgets everything; called once before the first torque of a run."""

    def torque(self, state: State) -> float:
        """Total wheel torque in N m for this STATE; may be outside the limits."""


def observer(task: Task) -> Callable[[State], tuple[float, ...]]:
    """Returns the function that picks the task's observation, in spec order, out of a STATE."""
    return attrgetter(*task.observation)


def target(task: Task) -> np.ndarray:
    """The observation to be held: zero but for the task's velocity; shape (len(task.observation),)."""
    return np.array([task.target_velocity_m_s if name == "velocity" else 0.0 for name in task.observation])


class LinearController:
    """torque = -gain @ (observation - target): the LQR, and with it the fallback.

    Args:
        gain: shape (len(task.observation),), in N m per unit of the observation.
        task: which signals are observed and what velocity is held.
        name: what the log calls it.
    """

    def __init__(self, gain: np.ndarray, task: Task, name: str = "lqr") -> None:
        self.identity = {
            "name": name,
            "gain": [float(value) for value in gain],
            "task": task.name,
            "target_velocity_m_s": task.target_velocity_m_s,
        }
        self.intent = math.nan
        self._observe = observer(task)
        self._gain = [float(value) for value in gain]
        self._bias = float(gain @ target(task))

    @staticmethod
    def from_identity(identity: Mapping[str, Any]) -> LinearController:
        """The controller that a log names; a ``ScheduledController`` where it names gains over the height.

        Raises:
            KeyError: the log says too little of it.
        """
        task = dataclasses.replace(find_task(identity["task"]), target_velocity_m_s=identity["target_velocity_m_s"])
        if SCHEDULE in identity:
            return ScheduledController(Schedule.from_json(identity[SCHEDULE]), task, identity["name"])
        return LinearController(np.array(identity["gain"]), task, identity["name"])

    def reset(self) -> None:
        """Nothing to forget."""

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        total = self._bias
        for gain, value in zip(self._gain, self._observe(state), strict=True):
            total -= gain * value
        return total


class ScheduledController(LinearController):
    """``LinearController`` with a gain that goes with the height which the legs hold.

    At the nominal height its torque is that of the nominal gain, to the last bit.

    Args:
        gains: rows of shape (len(task.observation),) over the height, in N m per unit of the observation.
        task: which signals are observed and what velocity is held.
        name: what the log calls it.
    """

    def __init__(self, gains: Schedule, task: Task, name: str = "lqr") -> None:
        super().__init__(np.array(gains.rows[gains.nominal]), task, name)
        self.identity[SCHEDULE] = gains.to_json()
        held = target(task)
        biased = [[*row, float(np.array(row) @ held)] for row in gains.rows]
        self._table = Schedule(gains.heights_m, biased, gains.nominal)

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        *gains, total = self._table.at(state.height)
        for gain, value in zip(gains, self._observe(state), strict=True):
            total -= gain * value
        return total


class PolicyController:
    """A learned policy: any callable from the task's observation to a torque.

    Args:
        policy: maps the observation, in spec order, to total wheel torque in N m.
        task: which signals the policy sees.
        identity: extends the log's ``{"name": "policy"}``: path, sha256.
    """

    def __init__(self, policy: Callable[[tuple[float, ...]], float], task: Task, identity: dict[str, Any]) -> None:
        self.identity = {"name": "policy", "task": task.name, **identity}
        self.intent = math.nan
        self._observe = observer(task)
        self._policy = policy

    def reset(self) -> None:
        """Nothing to forget: a policy is a function of the present observation."""

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        return self._policy(self._observe(state))


class SyntheticOperator:
    """Stands in for a person where none is at hand, with a person's faults; the log names it as synthetic.

    It sees the robot ``delay_s`` late, looks again only after a random time of about ``attention_s`` and holds its hand
    still in between, with a weaker hand than the LQR's and a hand that wanders (an Ornstein-Uhlenbeck torque).

    Args:
        gain: the LQR gain of the task, shape (len(task.observation),).
        task: which signals are watched and what velocity is held.
        seed: fixes the whole behaviour.
        skill: share of the LQR's gain that the operator reaches.
        delay_s: reaction time, in s; a real person's is ten times longer, and nobody holds a robot by raw torque then.
        attention_s: mean time between two looks, in s.
        tremor_nm: standard deviation of the wandering torque, in N m.
        rate_hz: of the STATEs it sees.
    """

    def __init__(
        self,
        gain: np.ndarray,
        task: Task,
        seed: int,
        skill: float = 0.7,
        delay_s: float = 0.02,
        attention_s: float = 0.015,
        tremor_nm: float = 0.5,
        rate_hz: int = CONTROL_RATE_HZ,
    ) -> None:
        settings = {"skill": skill, "delay_s": delay_s, "attention_s": attention_s, "tremor_nm": tremor_nm}
        self.identity = {"name": "operator", "synthetic": True, "task": task.name, "seed": seed, **settings}
        self._law = LinearController(skill * gain, task)
        self._seed = seed
        self._delay_ticks = round(delay_s * rate_hz)
        self._look_probability = min(1.0, 1.0 / (attention_s * rate_hz))
        self._tremor_nm = tremor_nm
        self._tremor_memory = math.exp(-1.0 / (0.1 * rate_hz))
        self.reset()

    def reset(self) -> None:
        """Starts the same behaviour from its beginning."""
        self._random = np.random.default_rng(self._seed)
        self._seen: deque[State] = deque(maxlen=self._delay_ticks + 1)
        self._hand_nm = 0.0
        self._wander_nm = 0.0
        self.intent = 0.0

    def torque(self, state: State) -> float:
        """Total wheel torque in N m; what the hand asks for, clipped to the stick's range."""
        self._seen.append(state)
        if self._random.random() < self._look_probability:
            self._hand_nm = self._law.torque(self._seen[0])
        kick = self._tremor_nm * math.sqrt(1.0 - self._tremor_memory**2) * self._random.standard_normal()
        self._wander_nm = self._tremor_memory * self._wander_nm + kick
        stick = min(max(self._hand_nm + self._wander_nm, -TORQUE_LIMIT_NM), TORQUE_LIMIT_NM)
        self.intent = float(np.float32(stick))  # as the log keeps it, so that a replay starts from the same number
        return self.intent


class RecordedIntent:
    """Gives back an operator's recorded intents, one per STATE: what a replay puts in a person's place.

    Args:
        intents: operator torque in N m by ``state_seq``.
    """

    def __init__(self, intents: Iterable[tuple[int, float]]) -> None:
        self.identity = {"name": "recorded intent"}
        self._intents = dict(intents)
        self.intent = math.nan

    def reset(self) -> None:
        """Nothing to forget."""

    def torque(self, state: State) -> float:
        """The recorded intent in N m.

        Raises:
            KeyError: the operator was not asked at this STATE.
        """
        self.intent = self._intents[state.state_seq]
        return self.intent
