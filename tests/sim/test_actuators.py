from __future__ import annotations

import dataclasses
import math

import pytest

from robot_il.robot import Robot
from sim.actuators import WheelDrives

STEP_S = 0.001


def test_torque_follows_a_step_with_a_first_order_lag(robot: Robot) -> None:
    drives = WheelDrives(robot, 1.0, STEP_S)
    for step in range(1, 20):
        drives.step(2.0, -1.0, 0.0, 0.0)
        rise = 1.0 - math.exp(-step * STEP_S / robot.drive.time_constant_s)
        assert drives.left_nm == pytest.approx(2.0 * rise)
        assert drives.right_nm == pytest.approx(-1.0 * rise)


def settled(robot: Robot, demand: float, rate: float, strength: float = 1.0) -> WheelDrives:
    drives = WheelDrives(robot, strength, STEP_S)
    for _ in range(200):
        drives.step(demand, demand, rate, rate)
    return drives


@pytest.mark.parametrize("demand", [100.0, -100.0])
def test_torque_stops_at_the_drives_limit(robot: Robot, demand: float) -> None:
    drives = settled(robot, demand, 0.0)
    assert abs(drives.left_nm) == pytest.approx(robot.drive.torque_limit_nm)
    assert math.copysign(1.0, drives.right_nm) == math.copysign(1.0, demand)


def test_back_emf_leaves_less_torque_in_the_direction_of_motion_only(robot: Robot) -> None:
    no_load = robot.battery.open_circuit_v / robot.drive.torque_constant_nm_a
    fast = settled(robot, 4.0, 0.97 * no_load)
    left_v = fast.battery_v - robot.drive.torque_constant_nm_a * 0.97 * no_load
    stall_nm_v = robot.drive.torque_constant_nm_a / robot.drive.winding_resistance_ohm
    assert 0.0 < fast.left_nm < 1.5
    assert fast.left_nm == pytest.approx(stall_nm_v * left_v, rel=1e-3)
    assert settled(robot, -4.0, 0.97 * no_load).left_nm == pytest.approx(-4.0)
    assert settled(robot, -4.0, -0.97 * no_load).left_nm == pytest.approx(-fast.left_nm, rel=1e-6)


def test_beyond_its_no_load_speed_a_drive_cannot_push(robot: Robot) -> None:
    assert settled(robot, 4.0, 100.0).left_nm == pytest.approx(0.0, abs=1e-9)


def test_a_stronger_motor_delivers_more_for_the_same_demand(robot: Robot) -> None:
    assert settled(robot, 2.0, 0.0, strength=1.15).left_nm == pytest.approx(2.3)


def test_the_battery_sags_by_its_resistance_times_the_current_drawn(robot: Robot) -> None:
    idle = robot.battery.open_circuit_v - robot.battery.resistance_ohm * robot.battery.idle_current_a
    assert WheelDrives(robot, 1.0, STEP_S).battery_v == idle
    drives = settled(robot, 3.0, 10.0)
    drive = robot.drive
    power = 2 * (3.0 * 10.0 + drive.winding_resistance_ohm * (3.0 / drive.torque_constant_nm_a) ** 2)
    assert idle - drives.battery_v == pytest.approx(robot.battery.resistance_ohm * power / robot.battery.open_circuit_v)


def test_braking_gives_power_back(robot: Robot) -> None:
    ideal = dataclasses.replace(robot, drive=dataclasses.replace(robot.drive, winding_resistance_ohm=1e-6))
    assert settled(ideal, -2.0, 10.0).battery_v > WheelDrives(ideal, 1.0, STEP_S).battery_v


def test_a_reset_drive_gives_no_torque(robot: Robot) -> None:
    drives = settled(robot, 3.0, 0.0)
    drives.reset()
    assert (drives.left_nm, drives.right_nm) == (0.0, 0.0)
