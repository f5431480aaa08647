"""A robot is met with every kind of wrong wiring; the firmware is the real one, its board is miswired."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable

import pytest

from firmware_bridge.hostlib import Board, Firmware
from firmware_bridge.serial_device import SerialDevice
from robot_il.control.wiggle import LARGEST_NUDGE_NM, Nudges, Tip, judge, judge_tip, nudge, nudge_nm, watch_tip
from robot_il.errors import LinkError
from robot_il.robot import Robot, load_robot
from robot_il.spec import Mode
from robot_il.tasks import TASKS
from sim.conditions import nominal
from sim.lockstep import LockstepLink
from sim.twin import Twin


class Swapped(Firmware):
    """Each drive listens to the other one's output."""

    @property
    def torque_left(self) -> float:
        return super().torque_right

    @property
    def torque_right(self) -> float:
        return super().torque_left


class LeftBackwards(Firmware):
    """The left drive turns the other way."""

    @property
    def torque_left(self) -> float:
        return -super().torque_left


class RightDead(Firmware):
    """Nothing reaches the right drive."""

    @property
    def torque_right(self) -> float:
        return 0.0


class EncoderBackwards(Firmware):
    """The right wheel's encoder counts the other way."""

    def tick(self) -> None:
        self.sensors.wheel_right = -self.sensors.wheel_right
        super().tick()


NUDGE_NM = nudge_nm(load_robot())
SMALL = load_robot("two_wheeled")


def met(
    firmware: Callable[[Board], Firmware],
    lean_rad: float = 0.0,
    robot: Robot | None = None,
    torque_nm: float | None = None,
    **scales: float,
) -> Nudges:
    robot = robot or load_robot()
    held = dataclasses.replace(nominal(TASKS["stand"]), initial_pitch_rad=lean_rad, **scales)
    with contextlib.closing(Twin(robot, held, 1, firmware=firmware)) as twin:
        link = LockstepLink(twin)
        with contextlib.closing(SerialDevice(link)) as device:
            device.open()
            found = nudge(device, link.clock, nudge_nm(robot) if torque_nm is None else torque_nm)
            link.read(link.clock.now_ns() + 10_000_000)
            assert twin.mode == Mode.DISARMED
            return found


def wrong(
    firmware: Callable[[Board], Firmware], lean_rad: float = 0.0, robot: Robot | None = None, **scales: float
) -> dict[str, str]:
    checks = judge(met(firmware, lean_rad, robot, **scales), nudge_nm(robot or load_robot()))
    return {check.name: check.remedy for check in checks if not check.passed}


@pytest.mark.parametrize("lean_rad", [-0.15, -0.08, 0.0, 0.08, 0.15])
def test_a_robot_in_order_passes_however_it_is_held(lean_rad: float) -> None:
    """It tips over meanwhile, and both wheels turn with it; what counts is how much more the nudged one does."""
    assert wrong(Firmware, lean_rad) == {}


def test_the_nudge_suits_the_robot() -> None:
    assert NUDGE_NM == LARGEST_NUDGE_NM == 0.4
    assert 2.0 * SMALL.drive.coulomb_friction_nm < nudge_nm(SMALL) < 0.25 * SMALL.drive.torque_limit_nm
    heavy = dataclasses.replace(SMALL, pendulum=dataclasses.replace(SMALL.pendulum, body_mass_kg=1000.0))
    assert nudge_nm(heavy) == LARGEST_NUDGE_NM
    faint = dataclasses.replace(heavy, drive=dataclasses.replace(SMALL.drive, torque_limit_nm=0.03))
    assert nudge_nm(faint) == 0.03


@pytest.mark.parametrize("lean_rad", [-0.08, 0.0, 0.08])
@pytest.mark.parametrize("friction", [0.5, 1.0, 2.0])
def test_a_light_robot_in_order_passes_however_freely_it_turns(lean_rad: float, friction: float) -> None:
    assert wrong(Firmware, lean_rad, SMALL, friction_scale=friction) == {}


@pytest.mark.parametrize("firmware", [Swapped, LeftBackwards, EncoderBackwards, RightDead])
def test_wrong_wiring_of_a_light_robot_is_named(firmware: type[Firmware]) -> None:
    expected = (
        {"left wheel", "right wheel"} if firmware is Swapped else {"left wheel", "right wheel"} & set(wrong(firmware))
    )
    assert set(wrong(firmware, robot=SMALL)) == expected


def test_a_light_robots_wheel_turns_far_less_than_by_the_nudge_of_a_heavy_one() -> None:
    def fastest(torque_nm: float | None) -> float:
        return max(state.wheel_velocity_left for state in met(Firmware, 0.0, SMALL, torque_nm).left)

    assert fastest(None) < 0.35 * fastest(LARGEST_NUDGE_NM)
    assert fastest(None) < 10.0


def test_each_wheel_is_nudged_by_itself() -> None:
    found = met(Firmware)
    assert max(state.applied_left for state in found.left) == pytest.approx(NUDGE_NM)
    assert max(abs(state.applied_right) for state in found.left) == 0.0
    assert max(state.applied_right for state in found.right) == pytest.approx(NUDGE_NM)


@pytest.mark.parametrize(
    ("firmware", "wheels", "remedy"),
    [
        (Swapped, {"left wheel", "right wheel"}, "swap the two drives"),
        (LeftBackwards, {"left wheel"}, "flip the sign"),
        (EncoderBackwards, {"right wheel"}, "flip the sign"),
        (RightDead, {"right wheel"}, "free the wheel"),
    ],
)
def test_wrong_wiring_is_named(firmware: type[Firmware], wheels: set[str], remedy: str) -> None:
    found = wrong(firmware)
    assert set(found) == wheels
    assert all(remedy in text for text in found.values())


@pytest.mark.parametrize("lean_rad", [-0.08, 0.08])
@pytest.mark.parametrize("firmware", [Swapped, LeftBackwards, EncoderBackwards, RightDead])
def test_wrong_wiring_is_noticed_on_a_robot_that_tips_over(firmware: type[Firmware], lean_rad: float) -> None:
    assert wrong(firmware, lean_rad)


def test_a_robot_that_may_not_arm_says_so() -> None:
    with contextlib.closing(Twin(load_robot(), nominal(TASKS["stand"]), 1)) as twin:
        link = LockstepLink(twin)
        with contextlib.closing(SerialDevice(link)) as device:
            device.open()
            device.request("estop")
            with pytest.raises(LinkError, match="arm within 5 s"):
                nudge(device, link.clock, NUDGE_NM)


def test_the_lift_of_a_fallen_robot_is_a_tip_that_gyro_and_gravity_agree_on() -> None:
    with contextlib.closing(Twin(load_robot(), nominal(TASKS["stand"]), 1, picked_up=True)) as twin:
        link = LockstepLink(twin)
        with contextlib.closing(SerialDevice(link)) as device:
            device.open()
            nudge(device, link.clock, NUDGE_NM)
            tip = watch_tip(device, link.clock, 4.0)
    assert tip is not None
    assert abs(tip.felt_rad) > 0.5
    assert tip.turned_rad == pytest.approx(tip.felt_rad, rel=0.1)


def test_a_robot_that_nobody_tips_is_not_judged_well() -> None:
    with contextlib.closing(Twin(load_robot(), nominal(TASKS["stand"]), 1)) as twin:
        link = LockstepLink(twin)
        with contextlib.closing(SerialDevice(link)) as device:
            device.open()
            assert watch_tip(device, link.clock, 0.5) is None
    assert not judge_tip(None).passed


@pytest.mark.parametrize(
    ("felt", "turned", "passed"),
    [
        (0.3, 0.3, True),
        (0.3, 0.25, True),
        (0.3, 0.23, False),
        (0.3, -0.3, False),
        (0.3, 0.0, False),
        (-0.3, -0.3, False),
    ],
)
def test_gyro_and_gravity_must_agree_on_a_tip_forward(felt: float, turned: float, passed: bool) -> None:
    assert judge_tip(Tip(felt, turned)).passed is passed
