"""The region as an ellipsoid and as a file beside the profile."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from robot_il.control.guard import GuardLimits
from robot_il.control.region import MARGIN_FLOOR, Region
from robot_il.control.region_file import (
    MAX_BYTES,
    RegionRecord,
    dependencies,
    differences,
    load_region,
    read_region,
    region_path,
    write_region,
)
from robot_il.control.region_heights import Regions
from robot_il.errors import ConfigError
from robot_il.robot import PROFILES, load_robot

from .test_guard import state

REGION = Region(
    shape=((40.0, 3.0, 8.0), (3.0, 2.0, 1.0), (8.0, 1.0, 5.0)),
    level=4.0,
    horizon_s=0.02,
    transition=((1.02, 0.02, 0.0), (1.8, 1.02, 0.0), (-0.5, -0.005, 1.0)),
    response=(-0.003, -0.2, 0.08),
)
MOVING = ("pitch", "pitch_rate", "velocity")


def at(point: np.ndarray):
    return state(**dict(zip(MOVING, map(float, point), strict=True)))


def directions(count: int) -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=(count, 3))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.mark.parametrize("radius", [0.0, 0.3, 1.0, 1.7])
def test_the_margin_falls_in_a_straight_line_from_rest_through_the_edge(radius: float) -> None:
    for point in REGION.points(directions(50), radius):
        assert REGION.margin(at(point)) == pytest.approx(1.0 - radius)


def test_the_margin_is_that_of_the_quadratic_form() -> None:
    z = np.array([0.1, -0.4, 0.3])
    assert REGION.margin(at(z)) == pytest.approx(1.0 - np.sqrt(z @ np.array(REGION.shape) @ z / REGION.level))


def test_the_margin_has_a_floor() -> None:
    assert REGION.margin(at(np.array([3.0, 0.0, 0.0]))) == MARGIN_FLOOR


@pytest.mark.parametrize("index", range(3))
def test_what_is_no_number_has_no_margin(index: int) -> None:
    point = np.zeros(3)
    point[index] = np.nan
    assert np.isnan(REGION.margin(at(point)))
    point[index] = -np.inf
    assert not REGION.margin(at(point)) > MARGIN_FLOOR


@pytest.mark.parametrize("torque", [-8.0, 0.0, 3.0])
def test_the_margin_ahead_is_the_margin_of_the_predicted_state(torque: float) -> None:
    z = np.array([0.05, -0.2, 0.1])
    predicted = np.array(REGION.transition) @ z + np.array(REGION.response) * torque
    assert REGION.margin_ahead(at(z), torque) == pytest.approx(REGION.margin(at(predicted)))


def test_the_position_does_not_count() -> None:
    here, there = at(np.array([0.1, 0.2, 0.3])), at(np.array([0.1, 0.2, 0.3]))._replace(position=50.0)
    assert REGION.margin(here) == REGION.margin(there)


def test_extent_and_lean_at_rest_are_the_ellipsoids() -> None:
    edge = REGION.points(directions(20_000))
    assert np.abs(edge).max(axis=0) == pytest.approx(REGION.extent, rel=1e-2)
    assert REGION.margin(at(np.array([REGION.at_rest_rad, 0.0, 0.0]))) == pytest.approx(0.0)


def test_a_region_survives_json_to_the_bit() -> None:
    assert Region.from_json(json.loads(json.dumps(REGION.to_json()))) == REGION


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": ((1.0, 2.0, 0.0), (2.0, 1.0, 0.0), (0.0, 0.0, 1.0))},
        {"shape": ((1.0, 0.5, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))},
        {"shape": ((float("nan"), 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))},
        {"level": 0.0},
        {"level": float("inf")},
        {"horizon_s": -0.001},
        {"response": (0.0, float("inf"), 0.0)},
    ],
)
def test_what_is_no_ellipsoid_is_refused(changes: dict) -> None:
    with pytest.raises(ConfigError, match="robot-il region"):
        dataclasses.replace(REGION, **changes)


@pytest.fixture
def robot(tmp_path: Path):
    for name in ("reference.toml", "reference.urdf"):
        shutil.copy(PROFILES / name, tmp_path / name)
    return load_robot(str(tmp_path / "reference.toml"))


def kept(robot, limits: GuardLimits | None = None) -> RegionRecord:
    regions = Regions((0.2, 0.3), (REGION, REGION), 1)
    record = RegionRecord(regions, (5.0, 6.0), 0.9, dependencies(robot, limits), {"inside": {"trials": 3}})
    write_region(region_path(robot), record)
    return record


def test_what_was_written_is_read_back(robot) -> None:
    record = kept(robot)
    assert load_region(robot) == record
    assert [path.suffix for path in region_path(robot).parent.glob("*.region*")] == [".json"]


def test_a_robot_without_a_region_is_refused_with_the_command_that_makes_one(robot) -> None:
    with pytest.raises(ConfigError, match=r"no such file.*robot-il region --robot .*reference.toml .*--write"):
        load_region(robot)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("reference.toml", "delay_s = { value = 0.002", "delay_s = { value = 0.004"),
        ("reference.urdf", '<mass value="6.0"/>', '<mass value="6.1"/>'),
    ],
)
def test_a_changed_profile_makes_the_region_stale(robot, file: str, old: str, new: str) -> None:
    kept(robot)
    path = robot.path.with_name(file)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=r"profile_sha256 .*, now .*--write"):
        load_region(load_robot(str(robot.path)))


@pytest.mark.parametrize(
    ("change", "named"),
    [({"torque_nm": 7.0}, "torque_nm"), ({"torque_slew_nm_s": 400.0}, "torque_slew"), ({"tilt_rad": 0.5}, "host_tilt")],
)
def test_other_limits_make_the_region_stale(robot, change: dict, named: str) -> None:
    kept(robot)
    with pytest.raises(ConfigError, match=named):
        load_region(robot, dataclasses.replace(GuardLimits(), **change))


def test_limits_on_which_the_region_does_not_depend_leave_it_valid(robot) -> None:
    kept(robot)
    load_region(robot, GuardLimits(max_rescues=7, switch_margin=0.5))


def test_another_gain_makes_the_region_stale_and_rounding_does_not(robot) -> None:
    now = dependencies(robot)
    gains = np.array(now["gains"])
    assert differences({**now, "gains": (gains * (1 + 1e-9)).tolist()}, now) == []
    gains[-1] *= 1 + 1e-5
    assert len(differences({**now, "gains": gains.tolist()}, now)) == 1
    assert len(differences({key: now[key] for key in list(now)[1:]}, now)) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"format": 2', '"format": 3'),
        lambda text: text.replace('"nominal": 1', '"nominal": 2'),
        lambda text: text.replace("0.3", "0.1"),
        lambda text: text.replace('"level"', '"niveau"'),
        lambda text: text.replace("[", "{", 1),
        lambda text: text + " " * MAX_BYTES,
        lambda text: "[]",
    ],
)
def test_a_damaged_file_is_refused(robot, spoil) -> None:
    kept(robot)
    path = region_path(robot)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ConfigError, match="robot-il region"):
        read_region(path)


def test_a_file_of_the_format_that_knew_one_height_is_refused_with_the_remedy(robot) -> None:
    kept(robot)
    path = region_path(robot)
    table = json.loads(path.read_text())
    path.write_text(json.dumps({**table, "format": 1, "region": REGION.to_json(), "found_level": 5.0}))
    with pytest.raises(ConfigError, match=r"format 2 .*format 1.*robot-il region --write"):
        load_region(robot)


def test_another_height_of_the_legs_makes_the_region_stale(robot) -> None:
    kept(robot)
    lifted = dataclasses.replace(robot, postures=robot.standing_at(0.3).postures)
    with pytest.raises(ConfigError, match="heights_m"):
        load_region(lifted)


def test_the_region_that_comes_with_the_reference_robot_is_up_to_date_and_verified() -> None:
    record = load_region(load_robot())
    assert record.verification is not None
    inside = record.verification["inside"]
    assert inside["trials"] >= 300
    assert inside["caught"] >= 0.99 * inside["trials"]
