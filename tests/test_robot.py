from __future__ import annotations

import math
import shutil
from dataclasses import MISSING, fields
from pathlib import Path

import numpy as np
import pytest

from robot_il.errors import ConfigError
from robot_il.robot import LEG_JOINTS, PROFILES, WHEEL_JOINTS, load_robot
from robot_il.spec import LIMITS
from robot_il.urdf import Chain, Joint, Link, rotation_y

SECTIONS = ("posture", "drive", "legs", "imu", "encoders", "sensors", "battery", "contact")


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """A copy of the reference profile for a test to spoil."""
    for name in ("reference.toml", "reference.urdf"):
        shutil.copy(PROFILES / name, tmp_path / name)
    return tmp_path / "reference.toml"


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_reference_robot_weighs_ten_kilograms_and_stands_above_its_axle() -> None:
    robot = load_robot()
    angles, links = robot.joint_angles_rad, tuple(robot.chain.links)
    mass, com, _ = robot.chain.mass_properties(angles, links)
    poses = robot.chain.poses(angles)
    axle = np.mean([poses[joint.child][1] for joint in robot.chain.joints if joint.name in WHEEL_JOINTS], axis=0)
    assert mass == pytest.approx(10.0)
    assert com[:2] == pytest.approx(axle[:2], abs=1e-5)
    assert 0.3 < robot.pendulum.body_height_m < 0.4
    assert robot.drive.torque_limit_nm >= LIMITS.wheel_torque_nm


def test_the_pendulum_is_made_of_the_same_masses_as_the_chain() -> None:
    robot = load_robot()
    mass, _, _ = robot.chain.mass_properties(robot.joint_angles_rad, tuple(robot.chain.links))
    assert robot.pendulum.body_mass_kg + robot.pendulum.wheel_mass_kg == pytest.approx(mass)
    assert robot.pendulum.wheel_inertia_kg_m2 == pytest.approx(0.5 * robot.pendulum.wheel_mass_kg * 0.1**2)


def test_lumping_two_bodies_obeys_the_parallel_axis_theorem() -> None:
    def ball(name: str, mass: float) -> Link:
        return Link(name, mass, np.zeros(3), np.eye(3) * 0.01, None)

    arm = Joint("arm", "base", "tip", np.array([0.0, 0.0, -1.0]), turns=True)
    chain = Chain("base", {"base": ball("base", 1.0), "tip": ball("tip", 3.0)}, (arm,))
    mass, com, inertia = chain.mass_properties({"arm": 0.3}, ("base", "tip"))
    assert mass == 4.0
    assert com == pytest.approx([0.0, 0.0, -0.75])
    reduced = 1.0 * 3.0 / 4.0
    assert np.diag(inertia) == pytest.approx([0.02 + reduced, 0.02 + reduced, 0.02])


def test_a_positive_joint_angle_swings_the_leg_backwards_and_leans_the_body_forwards() -> None:
    poses = load_robot().chain.poses({"hip_left": 0.5})
    assert poses["shank_left"][1] == pytest.approx([-0.2 * math.sin(0.5), 0.13, -0.2 * math.cos(0.5)])
    assert rotation_y(0.5) @ [0.0, 0.0, 1.0] == pytest.approx([math.sin(0.5), 0.0, math.cos(0.5)])


def test_every_figure_has_a_plausible_range_around_it() -> None:
    robot = load_robot()
    figures = {f"{section}.{field.name}": field for section in SECTIONS for field in fields(getattr(robot, section))}
    assert set(robot.ranges) <= set(figures)
    left_out = [figures[name] for name in set(figures) - set(robot.ranges)]
    assert all(field.default is not MISSING for field in left_out)
    for name, (low, high) in robot.ranges.items():
        section, figure = name.split(".")
        assert low < high
        assert low <= getattr(getattr(robot, section), figure) <= high


def test_a_profile_of_ones_own_is_loaded_by_its_path(profile: Path) -> None:
    spoil(profile, 'name = "reference"', 'name = "mine"')
    robot = load_robot(str(profile))
    assert robot.name == "mine"
    assert robot.pendulum == load_robot().pendulum


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("time_constant_s = { value = 0.002", "time_constant_ms = { value = 2", "time_constant_ms"),
        ("[contact]", "[contact]\nslip_1 = { value = 1, low = 0, high = 2 }", "slip_1"),
        ("[contact]", "[ground]", "ground"),
        ("robot_id = 1", "robot_id = 'one'", "'one'"),
        ("delay_s = { value = 0.002", "delay_s = { value = 2", "between 0 and 0.01"),
        ("delay_s = { value = 0.002", "delay_s = { value = nan", "finite"),
        ("delay_s = { value = 0.002, low = 0.0, high = 0.01 }", "delay_s = 0.002", "value, low, high"),
        ("delay_s = { value = 0.002, low = 0.0", "delay_s = { value = 0.002, low = -1.0", "negative"),
        ("hip_rad = { value = 0.6", "hip_rad = { value = 0.2", "above the axle"),
        ('urdf = "reference.urdf"', 'urdf = "missing.urdf"', "missing.urdf"),
        ("[posture]", "[posture", "TOML"),
    ],
)
def test_a_bad_profile_is_refused_by_name(profile: Path, old: str, new: str, names: str) -> None:
    spoil(profile, old, new)
    with pytest.raises(ConfigError, match=names):
        load_robot(str(profile))


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ('joint name="knee_left"', 'joint name="elbow_left"', "knee_left"),
        ('<mass value="0.8"/>', '<mass value="-0.8"/>', "positive mass"),
        ('<mass value="0.8"/>', '<mass value="heavy"/>', "heavy"),
        ('iyy="0.0328"', 'iyy="0.9"', "principal moments"),
        ('ixx="0.0442" ixy="0"', 'ixx="0.0442" ixy="0.5"', "principal moments"),
        ('<axis xyz="0 1 0"/>', '<axis xyz="1 0 0"/>', "axis"),
        ('type="revolute"', 'type="prismatic"', "prismatic"),
        ('<parent link="torso"/>', '<parent link="shank_left"/>', "base"),
        ('<parent link="torso"/>', '<parent link="nobody"/>', "unconnected"),
        ('<collision><geometry><sphere radius="0.1"/></geometry></collision>', "", "collision"),
        ('<sphere radius="0.1"/>', '<sphere radius="0.2"/>', "equal wheels"),
        ('<?xml version="1.0"?>', '<?xml version="1.0"?><!DOCTYPE robot>', "DTD"),
        ("</robot>", "", "URDF"),
    ],
)
def test_a_bad_urdf_is_refused_by_name(profile: Path, old: str, new: str, names: str) -> None:
    spoil(profile.with_name("reference.urdf"), old, new)
    with pytest.raises(ConfigError, match=names):
        load_robot(str(profile))


@pytest.mark.parametrize("name", ["nobody", "/nowhere/robot.toml", "../reference"])
def test_a_robot_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        load_robot(name)


def test_a_file_too_large_to_be_a_profile_is_not_read(profile: Path) -> None:
    profile.write_text("#" * 200_000)
    with pytest.raises(ConfigError, match="at most"):
        load_robot(str(profile))


def test_the_legs_are_held_where_the_posture_says() -> None:
    robot = load_robot()
    assert set(robot.joint_angles_rad) == set(LEG_JOINTS)
    assert robot.joint_angles_rad["knee_right"] == robot.posture.knee_rad
