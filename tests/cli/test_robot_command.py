from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli.main import main
from robot_il.cli.robot_check import FAIL, OK, WARN, Line, check_robot
from robot_il.cli.robot_margins import catchable_lean_rad, delay_margin_s, poles, torque_at
from robot_il.cli.robot_new import find_names, write_profile
from robot_il.cli.robot_template import DEFAULT
from robot_il.control.lqr import discretise, linear_dynamics, lqr_gain
from robot_il.control.region_catch import loop_delay_s
from robot_il.errors import ConfigError
from robot_il.robot import PROFILES, Robot, load_robot
from robot_il.spec import LIMITS
from robot_il.tasks import TASKS
from robot_il.urdf import read_urdf
from tests.test_urdf_zoo import CASTER, X_IS_LEFT, Y_IS_UP
from tests.zoo import Drawing, write_robot, write_stl

PNG = b"\x89PNG\r\n\x1a\n"
REFERENCE = load_robot()
TORSO = '<origin xyz="0.02447 0 0.08"/>\n      <mass'


def drawn(folder: Path, drawing: Drawing | str) -> Path:
    path = folder / "drawn.urdf"
    path.write_text(drawing if isinstance(drawing, str) else drawing.text())
    return path


def line(robot: Robot, name: str) -> Line:
    return next(found for found in check_robot(robot) if found.name == name)


def changed(robot: Robot, **figures: float) -> Robot:
    """The robot with figures of its pendulum or drive changed."""
    parts = {}
    for part in ("pendulum", "drive", "battery", "heading"):
        own = {key: value for key, value in figures.items() if hasattr(getattr(robot, part), key)}
        parts[part] = dataclasses.replace(getattr(robot, part), **own)
    return dataclasses.replace(robot, **parts)


def test_new_finds_the_wheels_the_frame_and_the_masses(tmp_path: Path) -> None:
    written = write_profile(PROFILES / "two_wheeled.urdf", tmp_path / "own")
    robot = load_robot(str(written.path))
    drawn_alone = dataclasses.replace(load_robot("two_wheeled").pendulum, rotor_inertia_kg_m2=0.0)
    assert robot.pendulum == drawn_alone
    assert (robot.imu.position_x_m, robot.imu.position_z_m) == (0.0, 0.06)
    assert any("left_wheel_joint" in found for found in written.found)


def test_new_says_of_every_default_what_is_to_be_measured(tmp_path: Path) -> None:
    written = write_profile(PROFILES / "two_wheeled.urdf", tmp_path)
    marked = [row.split(" =")[0] for row in written.path.read_text().splitlines() if f"# {DEFAULT}:" in row]
    asked = [row.split("] ")[1].split(":")[0] for row in written.to_measure]
    assert marked == asked
    assert {"torque_limit_nm", "torque_constant_nm_a", "wheel_counts_rev", "delay_s"} <= set(asked)
    assert f"{len(marked)} figures" in line(load_robot(str(written.path)), "measured").text


@pytest.mark.parametrize(
    ("drawing", "forward", "up"),
    [
        (Drawing(), "x", "z"),
        (Drawing(axes=((0, -1, 0), (0, 1, 0))), "x", "z"),
        (Drawing(frame=X_IS_LEFT, axes=((1, 0, 0), (-1, 0, 0))), "y", "z"),
        (Drawing(frame=Y_IS_UP, axes=((0, 0, 1), (0, 0, 1))), "x", "y"),
    ],
)
def test_new_tells_forward_and_up_from_the_axle_and_the_masses(
    tmp_path: Path, drawing: Drawing, forward: str, up: str
) -> None:
    names = find_names(read_urdf(drawn(tmp_path, drawing)), "drawn.urdf")
    assert (names.forward, names.up) == (forward, up)
    robot = load_robot(str(write_profile(drawn(tmp_path, drawing), tmp_path / "own").path))
    plain = load_robot(str(write_robot(tmp_path, Drawing())))
    assert robot.pendulum.body_height_m == pytest.approx(plain.pendulum.body_height_m)


def test_new_finds_a_posture_in_which_legs_balance(tmp_path: Path) -> None:
    robot = load_robot(str(write_profile(PROFILES / "reference.urdf", tmp_path).path))
    assert robot.held_rad["hip_left"] == robot.held_rad["hip_right"] != 0.0
    assert abs(float(line(robot, "centre of mass").text.split("leans by ")[1].split()[0])) < 1e-3


def test_new_guesses_the_radius_of_a_mesh_it_cannot_read_and_says_so(tmp_path: Path) -> None:
    shape = '<geometry><mesh filename="package://lost/wheel.stl"/></geometry>'
    written = write_profile(drawn(tmp_path, Drawing(collision=shape)), tmp_path / "own")
    assert any("radius_m" in row for row in written.to_measure)
    assert "[wheels]" in written.path.read_text()
    assert load_robot(str(written.path)).pendulum.wheel_radius_m > 0.0


def test_new_leaves_the_urdf_where_its_meshes_are(tmp_path: Path) -> None:
    write_stl(tmp_path / "wheel.stl", (0.08, 0.02, 0.08))
    shape = '<geometry><mesh filename="wheel.stl"/></geometry>'
    written = write_profile(drawn(tmp_path, Drawing(collision=shape)), tmp_path / "own")
    assert load_robot(str(written.path)).pendulum.wheel_radius_m == pytest.approx(0.04)


@pytest.mark.parametrize(
    ("drawing", "says"),
    [
        (Drawing(extra=CASTER), "caster"),
        (Drawing(axes=((0, 1, 0), (1, 0, 0))), "one axle"),
        (Drawing().text().replace('origin xyz="0.0 0.1 0.0"', 'origin xyz="0.1 0.1 0.0"'), "one axle"),
        ('<robot name="block"><link name="base"><inertial><mass value="1"/><inertia ixx="1" ixy="0" ixz="0" iyy="1" '
         'iyz="0" izz="1"/></inertial></link></robot>', "one axle"),
    ],
)  # fmt: skip
def test_new_refuses_what_does_not_balance_on_two_wheels(tmp_path: Path, drawing: Drawing | str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        write_profile(drawn(tmp_path, drawing), tmp_path / "own")
    assert not (tmp_path / "own").exists()


def test_new_overwrites_nothing(tmp_path: Path) -> None:
    first = write_profile(PROFILES / "two_wheeled.urdf", tmp_path)
    before = first.path.read_bytes()
    with pytest.raises(ConfigError, match="no profile two_wheeled"):
        write_profile(PROFILES / "two_wheeled.urdf", tmp_path)
    assert first.path.read_bytes() == before
    assert main(["robot", "new", str(PROFILES / "two_wheeled.urdf"), "--out", str(tmp_path), "--name", "a/b"]) == 1


def test_the_reference_robot_passes_every_check() -> None:
    assert [found for found in check_robot(REFERENCE) if found.verdict != OK] == []


@pytest.mark.parametrize(
    ("figures", "name", "verdict", "remedy"),
    [
        ({"body_mass_kg": 8600.0}, "mass", FAIL, "grams"),
        ({"wheel_radius_m": 100.0}, "wheel radius", FAIL, "millimetres"),
        ({"open_circuit_v": 12.6}, "battery", FAIL, "24 V"),
        ({"torque_constant_nm_a": 20.0}, "top speed", FAIL, "gear"),
        ({"winding_resistance_ohm": 30.0}, "torque", FAIL, "winding_resistance_ohm"),
        ({"winding_resistance_ohm": 6.0}, "torque", WARN, "winding_resistance_ohm"),
        ({"coulomb_friction_nm": 3.0}, "friction", FAIL, "rock"),
        ({"torque_limit_nm": 0.3}, "catch", FAIL, "stronger"),
        ({"damping_nm_s_rad": 20.0}, "heading", FAIL, "shake"),
        ({"body_height_m": 0.01, "body_inertia_kg_m2": 0.001}, "falling", FAIL, "battery on top"),
    ],
)
def test_a_figure_that_is_wrong_gets_its_line(figures: dict[str, float], name: str, verdict: str, remedy: str) -> None:
    found = line(changed(REFERENCE, **figures), name)
    assert (found.verdict, remedy in found.remedy) == (verdict, True), found


@pytest.mark.parametrize(
    ("old", "new", "name", "verdict"),
    [
        ('iyy="0.0328"', 'iyy="0.0328000001"', "inertia torso", OK),
        ('ixx="0.0442" ixy="0" ixz="0" iyy="0.0328" iyz="0" izz="0.037"',
         'ixx="44.2" ixy="0" ixz="0" iyy="32.8" iyz="0" izz="37"', "inertia torso", FAIL),
        ('<collision><origin xyz="0.02447 0 0.08"/>', '<collision><origin xyz="0.02447 0 -0.4"/>', "clearance", FAIL),
        (TORSO, '<origin xyz="0.028 0 0.08"/>\n      <mass', "centre of mass", OK),
        (TORSO, '<origin xyz="0.0335 0 0.08"/>\n      <mass', "centre of mass", WARN),
        (TORSO, '<origin xyz="0.02447 0.05 0.08"/>\n      <mass', "left and right", FAIL),
    ],
)  # fmt: skip
def test_a_urdf_that_is_wrong_gets_its_line(tmp_path: Path, old: str, new: str, name: str, verdict: str) -> None:
    for file in ("reference.toml", "reference.urdf"):
        shutil.copy(PROFILES / file, tmp_path)
    urdf = tmp_path / "reference.urdf"
    assert old in urdf.read_text()
    urdf.write_text(urdf.read_text().replace(old, new, 1))
    assert line(load_robot(str(tmp_path / "reference.toml")), name).verdict == verdict


def test_check_exits_with_1_where_something_fails_and_names_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["robot", "check", "reference"]) == 0
    assert "fit to be flown" in capsys.readouterr().out
    assert main(["robot", "check", str(write_robot(tmp_path, Drawing(axes=((1, 0, 0), (1, 0, 0)))))]) == 1
    out = capsys.readouterr().out
    assert out.startswith("fail  profile")
    assert "[frame]" in out


def test_the_delay_margin_is_where_a_simulated_loop_begins_to_grow() -> None:
    gain = lqr_gain(REFERENCE, TASKS["stand"])
    margin_ms = round(1000 * delay_margin_s(REFERENCE, gain))
    assert grows(gain, margin_ms) is False
    assert grows(gain, margin_ms + 1) is True
    assert margin_ms > 2000 * loop_delay_s(REFERENCE)


def grows(gain: np.ndarray, delay_ms: int) -> bool:
    """Whether a lean comes back larger after twenty seconds of 5 ms periods."""
    Ad, Bd = discretise(*linear_dynamics(REFERENCE.pendulum), 1e-3)
    keep = np.exp(-1e-3 / REFERENCE.drive.time_constant_s)
    states, torque, demand = [np.array([0.01, 0.0, 0.0, 0.0])] * (delay_ms + 1), 0.0, 0.0
    for step in range(20_000):
        demand = float(-gain @ states[0]) if step % 5 == 0 else demand
        torque = keep * torque + (1 - keep) * demand
        states = [*states[1:], Ad @ states[-1] + Bd[:, 0] * torque]
        if abs(states[-1][0]) > 1.0:
            return True
    return bool(np.abs(states[-1][0]) > 1e-3)


@pytest.mark.parametrize(("share", "caught"), [(0.95, True), (1.05, False)])
def test_full_torque_turns_a_lean_back_up_to_the_catchable_one_and_no_farther(share: float, caught: bool) -> None:
    weak = changed(REFERENCE, torque_limit_nm=1.0)
    lean = catchable_lean_rad(weak) * share
    waiting_ms = round(1000 * (loop_delay_s(weak) + 0.005 + weak.drive.time_constant_s))
    Ad, Bd = discretise(*linear_dynamics(weak.pendulum), 1e-3)
    state = np.array([lean, 0.0, 0.0, 0.0])
    for step in range(1000):
        torque = 0.0 if step < waiting_ms else 2.0 * torque_at(weak, 0.0)
        state = Ad @ state + Bd[:, 0] * torque
    assert bool(state[0] < 0.0) is caught


def test_torque_ends_where_the_voltage_does() -> None:
    drive = REFERENCE.drive
    assert torque_at(REFERENCE, 0.0) == LIMITS.wheel_torque_nm
    assert torque_at(REFERENCE, LIMITS.battery_low_v / drive.torque_constant_nm_a) == 0.0


def test_the_poles_are_those_of_the_closed_loop() -> None:
    gain = lqr_gain(REFERENCE, TASKS["stand"])
    assert max(pole.real for pole in poles(REFERENCE, gain)) < -1.0
    assert max(pole.real for pole in poles(REFERENCE, 0.0 * gain)) == pytest.approx(1 / 0.112, rel=0.01)


@pytest.mark.parametrize("name", ["reference", "two_wheeled"])
def test_show_prints_the_figures_and_draws_the_robot(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = tmp_path / "robot.png"
    assert main(["robot", "show", name, "--out", str(figure)]) == 0
    out = capsys.readouterr().out
    robot = load_robot(name)
    assert f"{robot.pendulum.body_height_m:.4g} m above the axle" in out
    assert f"robot_id {robot.robot_id}" in out
    assert figure.read_bytes().startswith(PNG)
    assert list(tmp_path.iterdir()) == [figure]


def test_show_refuses_a_figure_it_cannot_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["robot", "show", "reference", "--out", str(tmp_path / "robot.gif")]) == 1
    assert ".png" in capsys.readouterr().err
    assert main(["robot", "show", "reference", "--out", str(tmp_path / "nowhere" / "robot.png")]) == 1
