from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from firmware_bridge.serial_device import SerialDevice
from robot_il.control.device import State
from robot_il.control.lqr import lqr_gain
from robot_il.robot import Robot, load_robot
from robot_il.spec import TORQUE_LIMIT_NM, Mode
from robot_il.tasks import TASKS
from sim.conditions import Conditions
from sim.lockstep import LockstepLink
from sim.twin import Truth, Twin

PATIENCE_NS = 100_000_000


class Drive:
    """A host in lock-step: arms a twin and balances it by LQR, keeping what it saw."""

    def __init__(self, twin: Twin, task: str = "stand") -> None:
        self.twin = twin
        self.link = LockstepLink(twin)
        self.device = SerialDevice(self.link)
        self.device.open()
        self.task = TASKS[task]
        self.gain = lqr_gain(load_robot(), self.task)
        self.target = np.array([self.task.target_velocity_m_s * (name == "velocity") for name in self.task.observation])
        self.states: list[State] = []
        self.truths: list[Truth] = []

    def read(self) -> State:
        state = self.device.read(self.link.clock.now_ns() + PATIENCE_NS)
        assert state is not None
        return state

    def wait(self, seconds: float) -> State:
        """Only listens."""
        for _ in range(round(seconds * 200)):
            state = self.read()
        return state

    def arm(self) -> None:
        self.wait(0.05)
        self.device.request("arm")
        while self.read().mode != Mode.ARMED:
            pass

    def balance(self, seconds: float) -> None:
        """Commands for a while; stops where the MCU did."""
        for _ in range(round(seconds * 200)):
            state = self.read()
            if state.mode != Mode.ARMED:
                return
            seen = np.array([getattr(state, name) for name in self.task.observation])
            torque = float(np.clip(-self.gain @ (seen - self.target), -TORQUE_LIMIT_NM, TORQUE_LIMIT_NM))
            self.device.write(torque / 2, torque / 2)
            self.states.append(state)
            self.truths.append(self.twin.truth)


@pytest.fixture(scope="session")
def robot() -> Robot:
    return load_robot()


@pytest.fixture
def drive(robot: Robot) -> Iterator[Callable[..., Drive]]:
    """Makes drives of a twin under given conditions."""
    twins: list[Twin] = []

    def make(conditions: Conditions, seed: int = 0, task: str = "stand", picked_up: bool = False) -> Drive:
        twins.append(Twin(robot, conditions, seed, picked_up=picked_up))
        return Drive(twins[-1], task)

    yield make
    for twin in twins:
        twin.close()
