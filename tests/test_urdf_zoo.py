from __future__ import annotations

import math
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_il.errors import ConfigError
from robot_il.robot import Robot, load_robot
from robot_il.urdf import read_urdf
from robot_il.urdf_chain import rotation_rpy
from tests.zoo import (
    BODY_KG,
    HEIGHT_M,
    RADIUS_M,
    WHEEL_KG,
    Drawing,
    quarter_turn_rpy,
    rpy_of,
    write_robot,
    write_stl,
)

X_IS_LEFT = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""From our axes to those of a base whose x axis points left and whose y axis points back."""
Y_IS_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def pendulum(folder: Path, drawing: Drawing, tables: str = "") -> tuple[float, ...]:
    return astuple(load_robot(str(write_robot(folder, drawing, tables))).pendulum)


def plain(folder: Path) -> tuple[float, ...]:
    return pendulum(folder, Drawing())


CONVENTIONS = {
    "another base": (Drawing(base="chassis"), ""),
    "axles to the right": (Drawing(axes=((0, -1, 0), (0, -1, 0))), ""),
    "one wheel mirrored": (Drawing(axes=((0, 1, 0), (0, -1, 0))), ""),
    "an axle of another length": (Drawing(axes=((0, 2, 0), (0, 0.5, 0))), ""),
    "revolute without limits": (Drawing(wheel_type="revolute"), ""),
    "revolute with limits left out": (Drawing(wheel_type="revolute", limits='<limit lower="0" upper="0"/>'), ""),
    "revolute with wide limits": (Drawing(wheel_type="revolute", limits='<limit lower="-1e16" upper="1e16"/>'), ""),
    "wheels along z": (Drawing(tilt_rpy=(-math.pi / 2, 0, 0), axes=((0, 0, 1), (0, 0, 1))), ""),
    "inertias in turned axes": (Drawing(inertial_rpy=(0.3, -0.7, 1.1)), ""),
    "parts on fixed joints": (Drawing(split=True), ""),
    "x to the left": (Drawing(frame=X_IS_LEFT, axes=((1, 0, 0), (1, 0, 0))), '[frame]\nforward = "-y"\n'),
    "y up": (Drawing(frame=Y_IS_UP, axes=((0, 0, -1), (0, 0, -1))), '[frame]\nup = "y"\n'),
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_robot_is_the_same_pendulum_by_whatever_convention_it_is_drawn(tmp_path: Path, convention: str) -> None:
    drawing, tables = CONVENTIONS[convention]
    assert pendulum(tmp_path, drawing, tables) == pytest.approx(plain(tmp_path), rel=1e-9)


ANGLES = st.floats(-3.1, 3.1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.tuples(ANGLES, ANGLES, ANGLES), st.tuples(ANGLES, ANGLES, ANGLES), st.sampled_from((-1.0, 1.0)))
def test_turning_any_joint_frame_and_any_inertial_frame_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    tilt: tuple[float, float, float],
    inertial: tuple[float, float, float],
    way: float,
) -> None:
    axis = way * rotation_rpy(*tilt).T @ np.array([0.0, 1.0, 0.0])
    axis_right = -axis
    drawing = Drawing(tilt_rpy=tilt, inertial_rpy=inertial, axes=(tuple(axis), tuple(axis_right)))
    folder = tmp_path_factory.mktemp("zoo")
    assert pendulum(folder, drawing) == pytest.approx(plain(folder), rel=1e-9)


def test_a_root_link_that_is_but_a_frame_turns_the_whole_robot(tmp_path: Path) -> None:
    turn = rotation_rpy(0.2, 0.4, -0.6)
    axis = tuple(turn @ [0.0, 1.0, 0.0])
    root = '<link name="root"/><joint name="mount" type="fixed"><parent link="root"/><child link="base"/>'
    root += f'<origin rpy="{" ".join(repr(float(angle)) for angle in rpy_of(turn.T))}"/></joint>'
    drawing = Drawing(frame=turn, axes=(axis, axis), extra=root)
    assert pendulum(tmp_path, drawing) == pytest.approx(plain(tmp_path), rel=1e-9)


def test_the_pendulum_is_what_was_drawn(tmp_path: Path) -> None:
    radius, wheels, spin, body, height, inertia, _ = plain(tmp_path)
    assert (radius, wheels, body, height) == pytest.approx((RADIUS_M, 2 * WHEEL_KG, BODY_KG, HEIGHT_M))
    assert (spin, inertia) == pytest.approx((WHEEL_KG * RADIUS_M**2, 0.008))


def test_a_wheel_counts_forward_whichever_way_its_axle_points(tmp_path: Path) -> None:
    robot = load_robot(str(write_robot(tmp_path, Drawing(axes=((0, -1, 0), (0, 1, 0))))))
    assert [joint.sign for joint in robot.body.wheel_joints] == [-1, 1]
    poses = robot.chain.poses({"wheel_left": 0.3, "wheel_right": 0.3})
    assert poses["left_tyre"][0] @ [0.0, 0.0, 1.0] == pytest.approx([math.sin(0.3), 0.0, math.cos(0.3)])
    assert poses["right_tyre"][0] == pytest.approx(poses["left_tyre"][0])


MESH = '<geometry><mesh filename="{name}" scale="{scale}"/></geometry>'


def meshed(folder: Path, size: tuple[float, float, float], name: str, scale: str = "1 1 1", tables: str = "") -> Robot:
    mesh_folder = folder / "zoo_description" / "meshes"
    mesh_folder.mkdir(parents=True, exist_ok=True)
    write_stl(mesh_folder / "wheel.stl", size)
    return load_robot(str(write_robot(folder, Drawing(collision=MESH.format(name=name, scale=scale)), tables)))


@pytest.mark.parametrize("name", ["package://zoo_description/meshes/wheel.stl", "zoo_description/meshes/wheel.stl"])
def test_the_radius_of_a_mesh_wheel_is_that_of_the_box_around_it(tmp_path: Path, name: str) -> None:
    assert meshed(tmp_path, (0.08, 0.02, 0.08), name).pendulum.wheel_radius_m == pytest.approx(0.04)


def test_a_mesh_in_millimetres_is_scaled(tmp_path: Path) -> None:
    robot = meshed(tmp_path, (80, 20, 80), "zoo_description/meshes/wheel.stl", "0.001 0.001 0.001")
    assert robot.pendulum.wheel_radius_m == pytest.approx(0.04)


def test_a_stated_radius_counts_before_a_mesh(tmp_path: Path) -> None:
    tables = "[wheels]\nradius_m = { value = 0.045, low = 0.03, high = 0.06 }\n"
    robot = meshed(tmp_path, (0.08, 0.02, 0.08), "zoo_description/meshes/wheel.stl", tables=tables)
    assert robot.pendulum.wheel_radius_m == 0.045


@pytest.mark.parametrize(
    ("size", "name", "says"),
    [
        ((0.08, 0.02, 0.06), "zoo_description/meshes/wheel.stl", "round"),
        ((0.08, 0.02, 0.08), "package://nowhere/wheel.stl", "nowhere"),
        ((0.08, 0.02, 0.08), "zoo_description/meshes/wheel.dae", "no such file"),
    ],
)
def test_a_mesh_wheel_of_unknown_radius_is_refused(
    tmp_path: Path, size: tuple[float, float, float], name: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        meshed(tmp_path, size, name)
    assert "radius_m in [wheels]" in refused.value.remedy


def test_a_text_stl_and_an_obj_tell_their_size_too(tmp_path: Path) -> None:
    (tmp_path / "wheel.stl").write_text("solid\nfacet\nouter loop\nvertex -0.04 0 -0.04\nvertex 0.04 0.01 0.04\n")
    (tmp_path / "wheel.obj").write_text("# wheel\nv -0.04 0 -0.04\nvn 9 9 9\nv 0.04 0.01 0.04 1\nf 1 2 2\n")
    for name in ("wheel.stl", "wheel.obj"):
        drawing = Drawing(collision=MESH.format(name=name, scale="1 1 1"))
        assert load_robot(str(write_robot(tmp_path, drawing))).pendulum.wheel_radius_m == pytest.approx(0.04)


def test_a_cylinder_lies_along_the_axle_or_is_refused(tmp_path: Path) -> None:
    shape = '<origin rpy="{rpy}"/><geometry><cylinder radius="0.06" length="0.02"/></geometry>'
    lying, standing = (Drawing(collision=shape.format(rpy=rpy)) for rpy in ("1.5708 0 0", "0 0 0"))
    assert load_robot(str(write_robot(tmp_path, lying))).pendulum.wheel_radius_m == 0.06
    with pytest.raises(ConfigError, match="along its axle"):
        load_robot(str(write_robot(tmp_path, standing)))


CASTER = (
    '<joint name="caster" type="continuous"><parent link="base"/><child link="ball"/><origin xyz="-0.1 0 -0.02"/>'
    '<axis xyz="0 0 1"/></joint><link name="ball"><inertial><mass value="0.05"/><inertia ixx="1e-5" ixy="0" ixz="0" '
    'iyy="1e-5" iyz="0" izz="1e-5"/></inertial><collision><geometry><sphere radius="0.03"/></geometry></collision>'
    "</link>"
)
TWIN_JOINT = '<joint name="left_motor" type="fixed"><parent link="base"/><child link="a"/></joint>'
LOOP = '<joint name="rod" type="fixed"><parent link="left_tyre"/><child link="right_tyre"/></joint>'

REFUSED = {
    "a turning caster": (Drawing(extra=CASTER), "", "caster"),
    "a closed loop": (Drawing(extra=LOOP), "", "closed loop"),
    "limits on a wheel": (
        Drawing(wheel_type="revolute", limits='<limit lower="-3.14" upper="3.14"/>'), "", "-3.14 to 3.14",
    ),
    "a wheel that slides": (Drawing(wheel_type="prismatic"), "", "sliding"),
    "a floating joint": (Drawing(wheel_type="floating"), "", "floating"),
    "axles along x": (Drawing(axes=((1, 0, 0), (1, 0, 0))), "", "left_motor"),
    "an axle without direction": (Drawing(axes=((0, 0, 0), (0, 1, 0))), "", "an axis"),
    "a frame of one axis twice": (Drawing(), '[frame]\nforward = "z"\n', "across each other"),
    "a frame of no axis": (Drawing(), '[frame]\nforward = "north"\n', "north"),
    "a frame upside down": (Drawing(), '[frame]\nforward = "x"\nup = "-z"\n', "left wheel"),
    "a leg that is none": (Drawing(), "legs = ['knee']\n", "exactly the keys"),
    "two links of one name": (Drawing(extra='<link name="base"/>'), "", "'base'"),
    "two joints of one name": (
        Drawing(extra='<link name="a"/>' + TWIN_JOINT), "", "'left_motor'",
    ),
    "a box as wheel": (Drawing(collision='<geometry><box size="0.1 0.02 0.1"/></geometry>'), "", "sphere or cylinder"),
    "a radius that is none": (Drawing(collision='<geometry><sphere radius="-1"/></geometry>'), "", "positive radius"),
    "a name without an end": (Drawing(extra=f'<link name="{"l" * 101}"/>'), "", "at most 100 characters"),
    "a second tree": (Drawing(extra='<link name="other"/>'), "", "base candidates"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_flown_is_refused_by_name(tmp_path: Path, case: str) -> None:
    drawing, tables, says = REFUSED[case]
    with pytest.raises(ConfigError, match=says):
        load_robot(str(write_robot(tmp_path, drawing, tables)))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<inertial>", "<nothing>", "inertial element"),
        ('<mass value="1.5"/>', '<mass value="0"/>', "inertial element"),
        ("<inertia ", "<moments ", "a mass without one"),
        ('<robot name="zoo">', '<robot name="zoo" xmlns:xacro="http://x/xacro"><xacro:include filename="a"/>', "xacro"),
        ('<?xml version="1.0"?>', '<!DOCTYPE robot [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>', "DTD"),
        ('<robot name="zoo">', '<sdf name="zoo">', "<sdf>"),
        ('value="1.5"', 'value="' + "9" * 400 + '"', "finite"),
        ("</robot>", "<link/></robot>", "a name"),
    ],
)
def test_a_urdf_that_is_not_sound_is_refused_by_name(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = Drawing().text()
    assert old in text
    closing = old.replace("<", "</", 1) if old == "<inertial>" else None
    text = text.replace(old, new, 1)
    if closing:
        text = text.replace(closing, new.replace("<", "</", 1), 1)
    if "sdf" in new:
        text = text.replace("</robot>", "</sdf>")
    with pytest.raises(ConfigError, match=says):
        load_robot(str(write_robot(tmp_path, text)))


def test_a_urdf_that_is_too_large_or_has_too_many_links_is_refused(tmp_path: Path) -> None:
    path = write_robot(tmp_path, Drawing(extra=f"<!--{' ' * 1_000_000}-->"))
    with pytest.raises(ConfigError, match="1000000 bytes"):
        load_robot(str(path))
    path = write_robot(tmp_path, Drawing(extra="".join(f'<link name="l{index}"/>' for index in range(600))))
    with pytest.raises(ConfigError, match="at most 500 links"):
        load_robot(str(path))


def test_wheels_that_are_swapped_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="swap"):
        load_robot(str(write_robot(tmp_path, Drawing(), wheels=("right_motor", "left_motor"))))


def test_a_long_chain_in_the_worst_order_is_put_in_order(tmp_path: Path) -> None:
    links = "".join(f'<link name="l{index}"/>' for index in range(400))
    joints = "".join(
        f'<joint name="j{index}" type="fixed"><parent link="{f"l{index - 1}" if index else "base"}"/>'
        f'<child link="l{index}"/></joint>'
        for index in reversed(range(400))
    )
    path = write_robot(tmp_path, Drawing(extra=links + joints))
    assert len(read_urdf(path.with_suffix(".urdf")).joints) == 402


LEG = """
<joint name="{side}_a" type="revolute"><parent link="base"/><child link="{side}_thigh"/><origin xyz="0 {y} 0"/>
<axis xyz="{axis}"/><limit lower="-1" upper="2"/></joint>
<link name="{side}_thigh"><inertial><origin xyz="0 0 -0.05"/><mass value="0.2"/><inertia ixx="3e-4" ixy="0" ixz="0"
iyy="3e-4" iyz="0" izz="1e-4"/></inertial></link>"""


def legged(left_axis: str, right_axis: str, angles: tuple[float, float]) -> tuple[str, str]:
    """A robot with one leg joint a side, and the tables of its profile."""
    text = Drawing().text()
    for side, axis in (("left", left_axis), ("right", right_axis)):
        y = 0.1 if side == "left" else -0.1
        text = text.replace("</robot>", LEG.format(side=side, axis=axis, y=y) + "</robot>")
        text = text.replace(
            f'<parent link="base"/><child link="{side}_tyre"/><origin xyz="0.0 {y}',
            f'<parent link="{side}_thigh"/><child link="{side}_tyre"/><origin xyz="0.0 0.0',
        )
    tables = "legs = ['left_a', 'right_a']\n[posture]\n"
    for side, angle in zip(("left", "right"), angles, strict=True):
        tables += f"{side}_a_rad = {{ value = {angle}, low = -2, high = 2 }}\n"
    tables += "[legs]\ntime_constant_s = { value = 0.01, low = 0.001, high = 0.1 }\n"
    return text, tables + "torque_limit_nm = { value = 40, low = 1, high = 100 }\n"


def with_legs(folder: Path, left_axis: str, right_axis: str, angles: tuple[float, float]) -> Robot:
    text, tables = legged(left_axis, right_axis, angles)
    path = write_robot(folder, text)
    lines = path.read_text().replace('wheel_right = "right_motor"\n', f'wheel_right = "right_motor"\n{tables}')
    path.write_text(lines)
    return load_robot(str(path))


def test_a_leg_that_is_drawn_the_other_way_round_is_held_at_the_same_place(tmp_path: Path) -> None:
    one = with_legs(tmp_path, "0 1 0", "0 1 0", (0.05, 0.05))
    other = with_legs(tmp_path, "0 -1 0", "0 1 0", (-0.05, 0.05))
    assert one.held_rad == other.held_rad == {"hip_left": 0.05, "hip_right": 0.05}
    assert astuple(other.pendulum) == pytest.approx(astuple(one.pendulum), rel=1e-9)
    assert (one.posture.hip_rad, one.posture.knee_rad) == (0.05, 0.0)


def test_a_leg_joint_that_no_signal_reports_is_held_under_its_own_name(tmp_path: Path) -> None:
    robot = with_legs(tmp_path, "1 0 0", "1 0 0", (0.0, 0.0))
    assert robot.held_rad == {"held:left_a": 0.0, "held:right_a": 0.0}


def test_quarter_turns_lay_a_cylinder_along_any_axis(tmp_path: Path) -> None:
    rolled = quarter_turn_rpy("x")
    shape = '<geometry><cylinder radius="0.05" length="0.02"/></geometry>'
    drawing = Drawing(tilt_rpy=rolled, axes=((0, 0, 1), (0, 0, -1)), collision=shape)
    assert pendulum(tmp_path, drawing) == pytest.approx(plain(tmp_path), rel=1e-9)
