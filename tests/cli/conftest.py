"""Robots that these tests drive have been met before, but for the test of meeting one."""

from __future__ import annotations

import pytest

from robot_il.cli.known_robots import remember
from robot_il.robot import load_robot


@pytest.fixture(autouse=True, scope="session")
def known_robot() -> None:
    robot = load_robot()
    remember(robot.robot_id, robot)
