"""The MCU, its sensors and the drives fail as their faults say: seen in the twin, not in what the faults claim."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import pytest

from firmware_bridge.hostlib import WATCHDOG_MS
from robot_il.robot import Robot
from robot_il.spec import LIMITS, Mode
from sim import fault_board as board
from sim.conditions import Conditions
from sim.fault_scene import Fault, Scene
from sim.sensors import READING
from sim.twin import Twin
from tests.sim.conftest import Drive


class Flight:
    """A twin that the test's own host has balanced for a moment, with a fault about to begin."""

    def __init__(self, drive: Drive, fault: Fault) -> None:
        self.drive, self.twin, self.fault = drive, drive.twin, fault
        self.scene = Scene(drive.twin, fault, random.Random(2), 1)
        drive.arm()
        drive.balance(0.5)

    def go_on(self, ms: int) -> None:
        """The fault begins, or goes on, while nobody talks to the MCU."""
        if not self.scene.failing:
            self.scene.failing = True
            self.fault.begin(self.scene)
        for _ in range(ms):
            self.twin.step()
            self.scene.since_ms += 1
            self.fault.step(self.scene)

    def sample(self) -> dict[str, float]:
        """What the MCU's sample is now."""
        return {name: getattr(self.twin.firmware.sensors, name) for name in READING}


@pytest.fixture
def flight(drive: Callable[..., Drive]) -> Iterator[Callable[[Fault], Flight]]:
    yield lambda fault: Flight(drive(Conditions()), fault)


def names(twin: Twin) -> list[str]:
    return [event["event"] for event in twin.events]


def test_a_reset_switches_the_wheels_off_at_once_and_boots_with_another_id(flight) -> None:
    flown = flight(board.PowerLost())
    old_id = flown.drive.device._identity.boot_id
    flown.go_on(1)
    assert (flown.twin.mode, flown.twin.drives.acting_nm) == (Mode.DISARMED, (0.0, 0.0))
    assert names(flown.twin)[-2:] == ["reset", "disarmed"]
    assert flown.drive.device.open().boot_id == old_id + 1


def test_the_worlds_time_goes_on_where_the_mcus_begins_anew(flight) -> None:
    flown = flight(board.PowerLost())
    before = flown.twin.world_us
    flown.go_on(10)
    assert flown.twin.world_us == before + 10_000
    assert flown.twin.time_us == 10_000
    assert flown.drive.link.clock.now_ns() == flown.twin.world_us * 1000


def test_without_supply_the_mcu_neither_ticks_nor_hears_nor_speaks(flight) -> None:
    flown = flight(board.PowerLost(200))
    flown.go_on(199)
    flown.twin.receive(b"\0" + bytes(range(1, 40)) + b"\0")
    assert flown.twin.transmit() == b""
    assert flown.twin.firmware.undecodable == 0
    assert flown.twin.time_us == 0
    flown.go_on(2)
    assert flown.twin.time_us == 1000
    assert flown.twin.transmit() != b""


def test_a_hung_mcu_drives_on_until_the_watchdog_resets_it(flight) -> None:
    flown = flight(board.Hung())
    flown.go_on(WATCHDOG_MS - 1)
    assert flown.twin.transmit() == b""
    assert flown.twin.mode == Mode.ARMED
    assert any(flown.twin.drives.acting_nm)
    flown.go_on(2)
    assert not any(flown.twin.drives.acting_nm)
    assert flown.twin.firmware.resets == 1


def test_time_that_the_mcu_loses_passes_on_the_hosts_clock_only(flight) -> None:
    flown = flight(board.ClockSlip(30))
    before = flown.twin.world_us
    flown.go_on(0)
    assert flown.twin.world_us == before
    assert flown.scene.clock.now_ns() == before * 1000 + 30_000_000


def test_a_stuck_imu_repeats_itself_and_the_encoders_do_not(flight) -> None:
    flown = flight(board.ImuStuck())
    flown.go_on(10)
    first = flown.sample()
    flown.go_on(200)
    later = flown.sample()
    for name in ("gyro_pitch", "gyro_yaw", "accel_x", "accel_z"):
        assert later[name] == first[name]
    assert later["wheel_left"] != first["wheel_left"]


def against_the_truth(flown: Flight, channel: str) -> list[tuple[float, float]]:
    """(what the MCU gets, what a sound sensor would have given) over a while."""
    truths: list[float] = []
    distort = None
    pairs = []
    flown.go_on(0)
    distort = flown.twin.sensors.distort
    index = READING.index(channel)

    def spy(reading):
        truths.append(reading[index])
        return distort(reading)

    flown.twin.sensors.distort = spy
    for _ in range(50):
        flown.go_on(1)
        late = flown.twin.sensors.delay_ms
        if len(truths) > late:
            pairs.append((flown.sample()[channel], truths[-1 - late]))
    return pairs


@pytest.mark.parametrize(
    ("fault", "channel", "made"),
    [
        (board.ImuBiased(0.05, 0.3), "gyro_pitch", lambda true: true + 0.05),
        (board.ImuBiased(0.05, 0.3), "accel_x", lambda true: true + 0.3),
        (board.ImuBiased(0.05, 0.3), "gyro_yaw", lambda true: true),
        (board.SignFlipped((board.GYRO_PITCH,)), "gyro_pitch", lambda true: -true),
        (board.SignFlipped((board.GYRO_PITCH,)), "accel_x", lambda true: true),
    ],
)
def test_a_broken_channel_gives_what_its_fault_says_and_the_others_the_truth(flight, fault, channel, made) -> None:
    for came, true in against_the_truth(flight(fault), channel):
        assert came == pytest.approx(made(true), abs=1e-5)


def test_a_noisy_imu_is_as_noisy_as_it_says(flight) -> None:
    errors = [came - true for came, true in against_the_truth(flight(board.ImuNoisy(0.3, 3.0)), "gyro_pitch")]
    assert 0.2 < math.sqrt(sum(error**2 for error in errors) / len(errors)) < 0.4


@pytest.mark.parametrize("follows", [0.5, 0.0])
def test_a_slipping_encoder_follows_its_share_of_the_motion_and_the_other_all_of_it(flight, follows) -> None:
    flown = flight(board.EncoderSlip(follows))
    flown.go_on(1)
    joints = flown.twin.plant.joints
    start = [joints[0][0], joints[1][0]]
    flown.go_on(300)
    joints = flown.twin.plant.joints
    moved = [joints[0][0] - start[0], joints[1][0] - start[1]]
    seen = flown.sample()
    assert abs(moved[0]) > 0.05
    assert seen["wheel_left"] - start[0] == pytest.approx(follows * moved[0], abs=0.03 + 0.1 * abs(moved[0]))
    assert seen["wheel_right"] - start[1] == pytest.approx(moved[1], abs=0.03 + 0.1 * abs(moved[1]))


@pytest.mark.parametrize(
    ("fault", "expected"), [(board.ImuNan(), "sensor_not_finite"), (board.SensorsSilent(), "sensor_stale")]
)
def test_the_mcu_stops_by_itself_where_a_sensor_gives_nothing(flight, fault, expected) -> None:
    flown = flight(fault)
    flown.go_on(20)
    stopped = next(event for event in flown.twin.events if event["event"] == "stopped")
    assert stopped["faults"] == [expected]


def test_a_jammed_wheel_does_not_turn_whatever_the_drives_do(flight) -> None:
    flown = flight(board.WheelBlocked())
    flown.twin.drives.distort = lambda left, right: (2.0, 2.0)
    flown.go_on(1)
    start = [joint[0] for joint in flown.twin.plant.joints[:2]]
    flown.go_on(400)
    turned = [abs(joint[0] - before) for joint, before in zip(flown.twin.plant.joints[:2], start, strict=True)]
    assert turned[0] < 0.05
    assert turned[1] > 0.2


def test_weak_drives_deliver_no_more_than_they_can(flight) -> None:
    flown = flight(board.TorqueSaturated(0.3))
    flown.twin.drives.distort = lambda left, right: (4.0, -4.0)
    flown.go_on(60)
    assert flown.twin.drives.left_nm == pytest.approx(0.3, rel=0.02)
    assert flown.twin.drives.right_nm == pytest.approx(-0.3, rel=0.02)


def test_a_battery_falls_to_its_voltage_in_its_time_and_stays_there(flight) -> None:
    flown = flight(board.BatterySag(18.5, 500))
    start = flown.twin.drives.open_circuit_v
    flown.go_on(250)
    assert flown.twin.drives.open_circuit_v == pytest.approx((start + 18.5) / 2, abs=0.05)
    flown.go_on(600)
    assert flown.twin.drives.open_circuit_v == pytest.approx(18.5)
    assert flown.twin.drives.battery_v < LIMITS.battery_low_v


def test_what_the_drives_act_on_is_seen_although_the_mcu_demands_something_else(flight) -> None:
    flown = flight(board.WheelBlocked())
    flown.twin.drives.distort = lambda left, right: (1.0, 2.0)
    flown.go_on(150)
    assert flown.twin.mode == Mode.STOPPED
    assert flown.twin.firmware.torque_left == 0.0
    assert flown.twin.drives.acting_nm == (1.0, 2.0)


def test_readings_are_what_the_fault_modules_take_them_for(robot: Robot) -> None:
    assert [READING[index] for index in board.IMU] == ["gyro_pitch", "gyro_yaw", "accel_x", "accel_z"]
    assert READING[board.WHEEL_LEFT] == "wheel_left"
