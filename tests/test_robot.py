from __future__ import annotations

import math
import shutil
from dataclasses import MISSING, fields
from pathlib import Path

import numpy as np
import pytest

from robot_il.errors import ConfigError
from robot_il.robot import LEG_JOINTS, PROFILES, WHEEL_JOINTS, load_robot
from robot_il.robot_postures import height_of, holding_torques_nm
from robot_il.spec import LIMITS
from robot_il.urdf import Chain, Joint, Link, rotation_y

POSTURES = ("posture_low", "posture_high")
SECTIONS = ("posture", "drive", "legs", "imu", "encoders", "sensors", "battery", "contact", "link", "tolerance")


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
    stated = {name for name in robot.ranges if name.split(".")[0] not in POSTURES}
    assert stated <= set(figures)
    left_out = [figures[name] for name in set(figures) - stated]
    assert all(field.default is not MISSING for field in left_out)
    for name, (low, high) in robot.ranges.items():
        section, figure = name.split(".")
        assert low < high
        if name in stated:
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


def test_the_reference_robots_legs_go_from_a_crouch_to_a_stretch_through_the_nominal_posture() -> None:
    robot = load_robot()
    low, high = robot.heights_m
    assert (low, high) == pytest.approx((0.2, 0.38), abs=1e-4)
    assert robot.height_m == pytest.approx(0.4 * math.cos(0.6))
    assert {low, robot.height_m, high} <= set(robot.postures.knots_m)
    assert robot.angles_at(robot.height_m) == dict(robot.held_rad)
    assert robot.pendulum_at(robot.height_m) is robot.pendulum


@pytest.mark.parametrize("share", np.linspace(0.0, 1.0, 23))
def test_at_every_height_the_base_is_as_high_as_said_and_the_body_above_the_axle(share: float) -> None:
    robot = load_robot()
    low, high = robot.heights_m
    height_m = low + share * (high - low)
    body = robot.body_at(height_m)
    poses = robot.chain.poses(body.held_rad)
    axle = np.mean([poses[joint.child][1] for joint in body.wheel_joints], axis=0)
    wheels = {link for joint in body.wheel_joints for link in robot.chain.rigid(joint.child)}
    _, com, _ = robot.chain.mass_properties(body.held_rad, tuple(set(robot.chain.links) - wheels))
    assert -axle[2] == pytest.approx(height_m, abs=1e-4)
    assert body.pendulum.body_height_m == pytest.approx(com[2] - axle[2], rel=1e-4)
    assert abs(com[0] - axle[0]) < 1.5e-3
    assert body.pendulum.body_mass_kg == pytest.approx(robot.pendulum.body_mass_kg)


def test_a_robot_without_legs_has_one_height() -> None:
    robot = load_robot("two_wheeled")
    assert (robot.height_m, robot.heights_m, robot.postures.knots_m) == (0.0, (0.0, 0.0), (0.0,))
    assert robot.angles_at(0.0) == {}
    assert math.copysign(1.0, robot.height_m) == 1.0


@pytest.mark.parametrize("height_m", [0.199, 0.381, -1.0, float("nan"), float("inf")])
def test_a_height_that_the_legs_do_not_reach_is_refused(height_m: float) -> None:
    for asked in (load_robot().angles_at, load_robot().body_at, load_robot().standing_at):
        with pytest.raises(ConfigError, match=r"0\.2000 to 0\.3800 m"):
            asked(height_m)


@pytest.mark.parametrize("height_m", [0.2001, 0.25, 0.33, 0.379])
def test_a_robot_that_stands_elsewhere_is_the_same_but_for_its_nominal_height(height_m: float) -> None:
    robot, there = load_robot(), load_robot().standing_at(height_m)
    assert there.height_m == height_m
    assert there.heights_m == robot.heights_m
    assert there.pendulum == robot.pendulum_at(height_m)
    assert there.angles_at(height_m) == dict(there.held_rad)
    assert there.angles_at(0.3) == pytest.approx(robot.angles_at(0.3), abs=1e-4)
    assert height_m in there.postures.knots_m
    assert there.posture.knee_rad == there.held_rad["knee_left"]


def test_without_other_postures_a_robots_legs_hold_one(profile: Path) -> None:
    text = profile.read_text()
    start, end = text.index("[posture_low]"), text.index("[drive]")
    profile.write_text(text[:start] + text[end:])
    robot = load_robot(str(profile))
    assert robot.heights_m == (robot.height_m, robot.height_m) == (load_robot().height_m,) * 2


@pytest.mark.parametrize("other", ["posture_low", "posture_high"])
def test_one_other_posture_is_enough(profile: Path, other: str) -> None:
    text = profile.read_text()
    start = text.index(f"[{other}]")
    end = text.index("[", start + 1)
    profile.write_text(text[:start] + text[end:])
    low, high = load_robot(str(profile)).heights_m
    assert (low if other == "posture_low" else high) == load_robot().height_m
    assert low < high


def test_joints_that_the_profile_names_have_other_postures_in_the_urdfs_own_sign(profile: Path) -> None:
    legs = ("hip_left", "knee_left", "hip_right", "knee_right")
    urdf = profile.with_name("reference.urdf")
    urdf.write_text(urdf.read_text().replace('<axis xyz="0 1 0"/>', '<axis xyz="0 -1 0"/>'))
    figure = "{{ value = {0}, low = -3, high = 3 }}"

    def posture(section: str, hip: float, knee: float) -> str:
        rows = [f"{leg}_rad = {figure.format(-hip if 'hip' in leg else -knee)}" for leg in legs]
        return "\n".join([f"[{section}]", *rows, ""])

    text = profile.read_text()
    start, end = text.index("[posture]"), text.index("[drive]")
    joints = f'[joints]\nwheel_left = "wheel_left"\nwheel_right = "wheel_right"\nlegs = {list(legs)}\n'
    stated = [posture("posture", 0.6, -1.2), posture("posture_low", 1.0987, -2.0928)]
    stated.append(posture("posture_high", 0.2935, -0.6335))
    profile.write_text(text[:start] + joints + "\n".join(stated) + text[end:])
    robot, reference = load_robot(str(profile)), load_robot()
    assert robot.heights_m == reference.heights_m
    for height_m in reference.postures.knots_m:
        assert robot.angles_at(height_m) == reference.angles_at(height_m)
        assert robot.pendulum_at(height_m) == reference.pendulum_at(height_m)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("{ value = 1.0987, low = 0.6, high = 1.4 }\nknee_rad = { value = -2.0928, low = -2.5, high = -1.2 }",
         "{ value = 0.4384, low = 0.4, high = 1.4 }\nknee_rad = { value = -0.9017, low = -2.5, high = -0.9 }",
         "rise all the way.*0.3600, 0.3301, 0.3800 m"),
        ("value = 1.0987, low = 0.6", "value = 1.3, low = 0.6", "above the axle of reference.urdf within"),
        ("hip_rad = { value = 1.0987, low = 0.6, high = 1.4 }", "hip_rad = { value = 1.7, low = 0.6, high = 1.8 }",
         "hip_left of .posture_low. from -1.6 to 1.6 rad"),
        ("value = -2.0928, low = -2.5", "value = -2.65, low = -2.7", "knee_left of .posture_low. from -2.6 to 2.6 rad"),
        ("torque_limit_nm = { value = 40.0, low = 10.0", "torque_limit_nm = { value = 6.0, low = 5.0",
         "can hold the robot with the 6 N m"),
        ("knee_rad = { value = -0.6335, low = -1.2, high = -0.3 }", "ankle_rad = { value = 0, low = 0, high = 1 }",
         "ankle_rad"),
    ],
)  # fmt: skip
def test_postures_that_cannot_be_gone_through_are_refused_by_name(profile: Path, old: str, new: str, says: str) -> None:
    spoil(profile, old, new)
    with pytest.raises(ConfigError, match=says):
        load_robot(str(profile))


def test_postures_without_legs_are_refused(tmp_path: Path) -> None:
    for name in ("two_wheeled.toml", "two_wheeled.urdf"):
        shutil.copy(PROFILES / name, tmp_path / name)
    path = tmp_path / "two_wheeled.toml"
    path.write_text(path.read_text() + "\n[posture_low]\nhip_rad = { value = 0, low = 0, high = 1 }\n")
    with pytest.raises(ConfigError, match="posture_low"):
        load_robot(str(path))


def test_the_torque_to_stand_still_is_what_the_weight_does_at_its_lever() -> None:
    robot = load_robot()
    held = {"hip_left": 0.5, "hip_right": 0.5, "knee_left": -1.0, "knee_right": -1.0}
    torques = holding_torques_nm(robot.chain, held)
    # cut at a knee: half of the robot pushes up on the wheel, below the hip; shank and tyre hang from the knee
    knee_m = 0.2 * math.sin(0.5)
    below_nm = 0.5 * 0.5 * knee_m + 0.7 * knee_m
    assert torques["knee_left"] == pytest.approx(9.81 * (0.5 * 10.0 * knee_m - below_nm))
    assert torques["knee_right"] == pytest.approx(torques["knee_left"])
    assert max(torques["hip_left"], torques["hip_right"]) < 0.2 * torques["knee_left"]


@pytest.mark.parametrize("joint", ["hip", "knee"])
def test_the_torque_to_stand_still_does_the_work_that_lifts_the_robot(joint: str) -> None:
    robot, step = load_robot(), 1e-5
    held = robot.angles_at(0.25)

    def energy(turned: float) -> float:
        angles = {name: angle + turned * name.startswith(joint) for name, angle in held.items()}
        mass, com, _ = robot.chain.mass_properties(angles, tuple(robot.chain.links))
        return mass * 9.81 * (float(com[2]) + height_of(robot.chain, angles))

    work = (energy(step) - energy(-step)) / (2.0 * step)
    assert 2.0 * holding_torques_nm(robot.chain, held)[f"{joint}_left"] == pytest.approx(abs(work), rel=1e-6)
