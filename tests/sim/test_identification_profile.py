from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robot_il.errors import ConfigError
from robot_il.robot import Robot, load_robot
from sim.actuators import WheelDrives
from sim.identification.profile_patch import Figure, write_profile

SOURCE = "identified in a test"


def test_height_and_inertia_are_those_that_were_asked_for(robot: Robot, tmp_path: Path) -> None:
    before = robot.pendulum
    new = write_profile(robot, tmp_path / "new.toml", {}, 1.04 * before.body_height_m, 0.95 * before.body_inertia_kg_m2)
    assert new.pendulum.body_height_m == pytest.approx(1.04 * before.body_height_m, rel=1e-9)
    assert new.pendulum.body_inertia_kg_m2 == pytest.approx(0.95 * before.body_inertia_kg_m2, rel=1e-9)
    assert new.pendulum.body_mass_kg == pytest.approx(before.body_mass_kg)
    assert new.pendulum.wheel_inertia_kg_m2 == before.wheel_inertia_kg_m2


def test_figures_get_their_intervals_and_a_source_and_the_rest_stays_letter_by_letter(
    robot: Robot, tmp_path: Path
) -> None:
    figures = {
        "drive.viscous_friction_nm_s": Figure(0.0061234, 0.0051111, 0.0071111, SOURCE),
        "drive.strength_1": Figure(0.93, 0.92, 0.94, SOURCE),
        "sensors.delay_s": Figure(0.00412, 0.00405, 0.00419, SOURCE),
    }
    pendulum = robot.pendulum
    new = write_profile(robot, tmp_path / "new.toml", figures, pendulum.body_height_m, pendulum.body_inertia_kg_m2)
    assert new.drive.viscous_friction_nm_s == pytest.approx(0.0061234, rel=1e-4)
    assert new.drive.strength_1 == 0.93
    assert new.sensors.delay_s == pytest.approx(0.00412)
    low, high = new.ranges["drive.viscous_friction_nm_s"]
    assert low <= 0.0051111
    assert high >= 0.0071111
    old_lines = robot.path.read_text(encoding="utf-8").splitlines()
    new_lines = new.path.read_text(encoding="utf-8").splitlines()
    changed = [line for line in new_lines if line not in old_lines]
    assert len(changed) == len(figures) + 1  # and the URDF's name
    assert sum(SOURCE in line for line in changed) == len(figures)
    assert len(new_lines) == len(old_lines) + 1  # strength_1 was not there


def test_the_drives_of_the_new_profile_deliver_what_was_identified(robot: Robot, tmp_path: Path) -> None:
    figures = {"drive.strength_1": Figure(0.9, 0.89, 0.91, SOURCE)}
    pendulum = robot.pendulum
    new = write_profile(robot, tmp_path / "new.toml", figures, pendulum.body_height_m, pendulum.body_inertia_kg_m2)
    weak, strong = WheelDrives(new, 1.0, 0.001), WheelDrives(robot, 1.0, 0.001)
    for _ in range(100):
        weak.step(1.0, 1.0, 0.0, 0.0)
        strong.step(1.0, 1.0, 0.0, 0.0)
    assert weak.left_nm == pytest.approx(0.9 * strong.left_nm)


def test_a_robot_without_legs_can_be_written_too(tmp_path: Path) -> None:
    robot = load_robot("two_wheeled")
    height, inertia = 0.97 * robot.pendulum.body_height_m, 1.1 * robot.pendulum.body_inertia_kg_m2
    new = write_profile(robot, tmp_path / "new.toml", {}, height, inertia)
    assert (new.pendulum.body_height_m, new.pendulum.body_inertia_kg_m2) == pytest.approx((height, inertia))


def test_the_profile_that_it_comes_from_is_never_overwritten(robot: Robot) -> None:
    before = robot.path.read_bytes(), robot.urdf_path.read_bytes()
    with pytest.raises(ConfigError, match="new place"):
        write_profile(robot, robot.path, {}, 0.3, 0.1)
    assert (robot.path.read_bytes(), robot.urdf_path.read_bytes()) == before


def test_an_inertia_that_the_links_cannot_have_is_refused(robot: Robot, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="inertia"):
        write_profile(robot, tmp_path / "new.toml", {}, robot.pendulum.body_height_m, 0.01)
    assert not list(tmp_path.glob("*.toml"))


@pytest.mark.parametrize("value", np.geomspace(1e-5, 1e3, 9) * 1.23456789)
def test_rounding_an_interval_never_makes_it_narrower(value: float, robot: Robot, tmp_path: Path) -> None:
    figure = Figure(value, value * 0.98765432, value * 1.0123456, SOURCE)
    pendulum = robot.pendulum
    new = write_profile(
        robot, tmp_path / "new.toml", {"battery.resistance_ohm": figure}, pendulum.body_height_m,
        pendulum.body_inertia_kg_m2,
    )  # fmt: skip
    low, high = new.ranges["battery.resistance_ohm"]
    assert low <= figure.low
    assert high >= figure.high
