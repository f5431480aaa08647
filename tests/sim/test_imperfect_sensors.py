from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from robot_il.robot import Robot, load_robot
from sim.attitude import Quaternion
from sim.conditions import Conditions
from sim.drivetrain import Drivetrain, make_drives
from sim.engine import GRAVITY_M_S2, STEP_S
from sim.figures import with_figures
from sim.imperfect_sensors import Counter, ImperfectSensors, draw_rows, make_sensors
from sim.plant import Plant
from sim.sensors import Sensors

QUIET = [
    (f"imu.{name}", 0.0)
    for name in (
        *("gyro_noise_rad_s_rthz", "gyro_bias_rad_s", "gyro_bias_walk_rad_s2_rthz"),
        *("accel_noise_m_s2_rthz", "accel_bias_m_s2", "accel_bias_walk_m_s3_rthz"),
    )
]
UPRIGHT: Quaternion = (0.0, 0.0, 0.0, 1.0)
Rig = tuple[Plant, Sensors]
Maker = Callable[..., Rig]


@pytest.fixture
def rig(robot: Robot) -> Iterator[Maker]:
    """Makes a plant and its sensors, of a robot with other figures."""
    with contextlib.ExitStack() as stack:

        def make(
            figures: list[tuple[str, float]], of: Robot = robot, seed: int = 1, conditions: Conditions | None = None
        ) -> Rig:
            changed = with_figures(of, figures)
            conditions = conditions or Conditions()
            plant = Plant(changed, conditions)
            stack.callback(plant.close)
            drives = make_drives(changed, conditions, plant, STEP_S)
            return plant, make_sensors(changed, plant, drives, conditions, np.random.default_rng(seed))

        yield make


def test_a_robot_without_such_figures_keeps_the_plain_sensors(rig: Maker) -> None:
    assert type(rig([])[1]) is Sensors


@pytest.mark.parametrize(
    "figure",
    ["imu.gyro_scale_1", "imu.misalignment_rad", "imu.mount_yaw_rad", "imu.delay_s", "encoders.wheel_count_loss_1"],
)
def test_errors_too_small_to_see_leave_every_reading_as_it_is(rig: Maker, figure: str) -> None:
    (plant, plain), (other, rich) = rig([]), rig([(figure, 1e-13)])
    assert isinstance(rich, ImperfectSensors)
    for _ in range(200):
        plant.step(0.4, 0.3)
        other.step(0.4, 0.3)
        assert rich.sample_free(24.0) == pytest.approx(plain.sample_free(24.0), abs=1e-9)


@pytest.mark.parametrize("pitch", [-0.3, 0.0, 0.2])
def test_a_part_that_is_mounted_leaning_forward_shows_that_lean(rig: Maker, pitch: float) -> None:
    _, sensors = rig([*QUIET, ("imu.mount_pitch_rad", 0.05)])
    pose = (0.0, math.sin(pitch / 2), 0.0, math.cos(pitch / 2))
    reading = sensors.sample_held(pose, (0.0, 0.0, 0.0), 24.0)
    assert math.atan2(-reading[4], reading[5]) == pytest.approx(pitch + 0.05)
    assert math.hypot(reading[4], reading[5]) == pytest.approx(GRAVITY_M_S2)


def test_a_part_that_is_mounted_turned_feels_the_other_axes_rate(rig: Maker) -> None:
    _, sensors = rig([*QUIET, ("imu.mount_roll_rad", 0.1)])
    reading = sensors.sample_held(UPRIGHT, (0.0, 0.0, 2.0), 24.0)
    assert reading[2] == pytest.approx(2.0 * math.sin(0.1))
    assert reading[3] == pytest.approx(2.0 * math.cos(0.1))


def test_scale_and_misalignment_have_the_standard_deviations_of_the_profile(robot: Robot) -> None:
    imu = dataclasses.replace(robot.imu, gyro_scale_1=0.02, accel_scale_1=0.01, misalignment_rad=0.005)
    random = np.random.default_rng(3)
    rows = np.array([np.array(draw_rows(imu, 1.0, random)).reshape(4, 3) for _ in range(4000)])
    gains = rows[:, [0, 1, 2, 3], [1, 2, 0, 2]]
    assert gains.std(axis=0) == pytest.approx([0.02, 0.02, 0.01, 0.01], rel=0.06)
    assert gains.mean(axis=0) == pytest.approx([1.0] * 4, abs=0.002)
    crossed = rows[:, [0, 0, 2, 2], [0, 2, 1, 2]][:, :3]
    assert crossed.std(axis=0) == pytest.approx([0.005] * 3, rel=0.06)


def test_another_seed_is_another_part_and_the_same_seed_the_same(rig: Maker) -> None:
    figures = [("imu.gyro_scale_1", 0.02), ("imu.misalignment_rad", 0.01)]
    rows = [rig(figures, seed=seed)[1].gyro_rows for seed in (1, 1, 2)]
    assert rows[0] == rows[1] != rows[2]


def test_noise_and_bias_do_not_depend_on_what_else_is_drawn(rig: Maker) -> None:
    plain, rich = rig([])[1], rig([("imu.gyro_scale_1", 0.02)])[1]
    readings = [sensors.sample_held(UPRIGHT, (0.0, 0.0, 0.0), 24.0) for sensors in (plain, rich)]
    assert readings[0][2:4] == readings[1][2:4]


def test_the_inertial_sensor_can_be_later_than_the_encoders(rig: Maker) -> None:
    (plant, prompt), (other, late) = rig(QUIET), rig([*QUIET, ("imu.delay_s", 0.003)])
    pairs = []
    for _ in range(60):
        for body in (plant, other):
            body.step(0.5, 0.5)
        pairs.append((prompt.sample_free(24.0), late.sample_free(24.0)))
    prompts, lates = (np.array(column) for column in zip(*pairs, strict=True))
    assert np.array_equal(prompts[:, :2], lates[:, :2])
    assert lates[10:, 2:6] == pytest.approx(prompts[7:-3, 2:6])
    assert np.abs(lates[10:, 2] - prompts[10:, 2]).max() > 1e-3


def test_a_counter_loses_its_share_of_the_counts_whichever_way_it_turns() -> None:
    for way in (1, -1):
        counter = Counter(0.03, np.random.default_rng(4))
        shown = [counter.count(way * true) for true in range(20_001)]
        assert way * shown[-1] == pytest.approx(20_000 * 0.97, abs=4 * math.sqrt(20_000 * 0.03))
        assert set(np.abs(np.diff(shown))) == {0, 1}


def test_a_counter_that_loses_nothing_shows_every_count() -> None:
    counter = Counter(0.0, np.random.default_rng(4))
    assert [counter.count(true) for true in (3, -7, 1_000_000)] == [3, -7, 1_000_000]


def test_an_encoder_on_the_rotor_counts_while_the_play_is_crossed_and_one_at_the_wheel_does_not() -> None:
    robot = load_robot("two_wheeled")
    gear = [("drive.gear_ratio_1", 10.0), ("drive.rotor_inertia_kg_m2", 2e-6), ("drive.backlash_rad", 0.3)]
    shown = []
    for where in (0.0, 1.0):
        changed = with_figures(robot, [*gear, ("encoders.wheel_on_rotor_1", where)])
        with contextlib.closing(Plant(changed, Conditions())) as plant:
            drives = make_drives(changed, Conditions(), plant, STEP_S)
            sensors = make_sensors(changed, plant, drives, Conditions(), np.random.default_rng(1))
            assert isinstance(drives, Drivetrain)
            for _ in range(40):
                drives.step(0.02, 0.02, plant.joints[0][1], plant.joints[1][1])
                plant.step(drives.left_nm, drives.right_nm)
                reading = sensors.sample_free(24.0)
            shown.append(reading[0])
            assert drives.shafts[0].angle_rad - plant.joints[0][0] > 0.05
    assert abs(shown[0]) < 0.02
    assert shown[1] > 0.05
