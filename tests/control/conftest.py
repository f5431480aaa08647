from __future__ import annotations

import pytest

from tests.scripted_robot import MemorySink, ScriptedRobot


@pytest.fixture
def robot() -> ScriptedRobot:
    return ScriptedRobot()


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()
