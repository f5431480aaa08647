"""What every controller promises to the guard."""

from __future__ import annotations

import json
import math

import pytest

from robot_il.control.controllers import Controller
from robot_il.control.device import State
from robot_il.spec import Mode

from .members import CONTROLLERS


@pytest.fixture(params=CONTROLLERS)
def controller(request: pytest.FixtureRequest) -> Controller:
    made = CONTROLLERS[request.param]()
    made.reset()
    return made


def states(count: int = 200) -> list[State]:
    made = []
    for index in range(count):
        values: dict = dict.fromkeys(State._fields, 0.0) | {"mode": int(Mode.ARMED), "battery": 24.0}
        values["state_seq"] = index
        lean = 0.05 * math.sin(0.2 * index)
        made.append(State(**values | {"pitch": lean, "pitch_rate": -lean, "position": 3 * lean, "velocity": lean}))
    return made


def test_every_torque_is_a_finite_float(controller: Controller) -> None:
    torques = [controller.torque(state) for state in states()]
    assert all(isinstance(torque, float) and math.isfinite(torque) for torque in torques)
    assert len(set(torques)) > 100


def test_a_reset_starts_the_same_behaviour_again(controller: Controller) -> None:
    first = [controller.torque(state) for state in states()]
    controller.reset()
    assert [controller.torque(state) for state in states()] == first


def test_the_identity_can_be_logged(controller: Controller) -> None:
    identity = json.loads(json.dumps(controller.identity, allow_nan=False))
    assert identity["name"]


def test_the_intent_is_the_torque_of_an_operator_or_no_number(controller: Controller) -> None:
    for state in states():
        torque = controller.torque(state)
        assert math.isnan(controller.intent) or controller.intent == torque


def test_a_synthetic_operator_says_so(controller: Controller) -> None:
    assert (controller.identity["name"] == "operator") == bool(controller.identity.get("synthetic"))
