"""Figures of a profile that need not be there: gears, mounts, lines, and how well a figure is known."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from robot_il.control.lqr import linear_dynamics
from robot_il.errors import ConfigError
from robot_il.robot import PROFILES, load_robot
from sim.identification.equations import Body, rates
from sim.identification.identify import profile_values
from sim.identification.profile_patch import Figure, write_profile


def profile(folder: Path, *changes: tuple[str, str], base: str = "reference") -> str:
    """A copy of a shipped profile in which each line of a figure was replaced, or added to its section."""
    for suffix in (".toml", ".urdf"):
        shutil.copy(PROFILES / f"{base}{suffix}", folder)
    path = folder / f"{base}.toml"
    text = path.read_text(encoding="utf-8")
    for name, entry in changes:
        section, key = name.split(".")
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {entry}", text, flags=re.MULTILINE)
        if not count and f"[{section}]" in text:
            text = re.sub(rf"^(\[{section}\].*)$", rf"\1\n{key} = {entry}", text, flags=re.MULTILINE)
        elif not count:
            text += f"\n[{section}]\n{key} = {entry}\n"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_without_them_a_robot_has_none_of_the_effects() -> None:
    robot = load_robot()
    assert robot.drive.reflected_inertia_kg_m2 == robot.drive.backlash_rad == robot.pendulum.rotor_inertia_kg_m2 == 0.0
    assert (robot.drive.gear_efficiency_1, robot.link.jitter_s, robot.imu.misalignment_rad) == (1.0, 0.0, 0.0)
    assert robot.identified == frozenset()


def test_mounts_may_be_turned_either_way_and_play_may_not_be_negative(tmp_path: Path) -> None:
    turned = load_robot(profile(tmp_path, ("imu.mount_pitch_rad", "{ value = -0.01, low = -0.1, high = 0.1 }")))
    assert turned.imu.mount_pitch_rad == -0.01
    with pytest.raises(ConfigError, match="backlash_rad"):
        load_robot(profile(tmp_path, ("drive.backlash_rad", "{ value = -0.01, low = -0.1, high = 0.1 }")))


def test_a_profile_says_which_figures_were_identified(tmp_path: Path) -> None:
    entry = "{ value = 1.0, low = 0.97, high = 1.02, identified = true }"
    robot = load_robot(profile(tmp_path, ("drive.strength_1", entry), ("tolerance.mass_1", entry)))
    assert robot.identified == {"drive.strength_1", "tolerance.mass_1"}
    assert robot.ranges["tolerance.mass_1"] == (0.97, 1.02)
    with pytest.raises(ConfigError, match="identified"):
        load_robot(profile(tmp_path, ("drive.strength_1", entry.replace("true", '"yes"'))))


def test_what_identification_writes_is_marked_as_identified(tmp_path: Path) -> None:
    robot = load_robot()
    figures = {
        "drive.strength_1": Figure(0.95, 0.94, 0.96, "a test"),
        "tolerance.com_height_1": Figure(1.0, 0.98, 1.03, "a test"),
    }
    pendulum = robot.pendulum
    new = write_profile(robot, tmp_path / "new.toml", figures, pendulum.body_height_m, pendulum.body_inertia_kg_m2)
    assert new.identified == set(figures)
    assert new.ranges["tolerance.com_height_1"] == pytest.approx((0.98, 1.03), rel=1e-4)


def test_rotors_count_by_the_square_of_their_gear_at_every_height(tmp_path: Path) -> None:
    path = profile(
        tmp_path,
        ("drive.rotor_inertia_kg_m2", "{ value = 3e-5, low = 0.0, high = 1e-3 }"),
        ("drive.gear_ratio_1", "{ value = 6.0, low = 1.0, high = 10.0 }"),
    )
    robot = load_robot(path)
    assert robot.pendulum.rotor_inertia_kg_m2 == pytest.approx(2 * 3e-5 * 36.0)
    for height in robot.heights_m:
        assert robot.body_at(height).pendulum.rotor_inertia_kg_m2 == robot.pendulum.rotor_inertia_kg_m2


@pytest.mark.parametrize("name", ["reference", "two_wheeled"])
def test_lqr_and_identification_have_the_same_equations_with_rotors_and_without(name: str) -> None:
    robot = load_robot(name)
    A, B = linear_dynamics(robot.pendulum)
    body = Body.of(robot.pendulum)
    values = profile_values(robot)
    values[[3, 4]] = 0.0  # friction: the linear model has none

    def flow(state: np.ndarray, torque: float) -> np.ndarray:
        return rates(body, values, state, np.float64(torque))

    step = 1e-6
    for column, unit in enumerate(np.eye(4)):
        change = (flow(step * unit, 0.0) - flow(-step * unit, 0.0)) / (2 * step)
        assert change == pytest.approx(A[:, column], rel=1e-6, abs=1e-6)
    change = (flow(np.zeros(4), step) - flow(np.zeros(4), -step)) / (2 * step)
    assert change == pytest.approx(B[:, 0], rel=1e-6)
    assert (robot.pendulum.rotor_inertia_kg_m2 > 0.0) == (name == "two_wheeled")
