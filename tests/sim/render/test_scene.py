"""Poses, camera, floor and the picture they make."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_il.control.lqr import lqr_law
from robot_il.errors import ConfigError
from robot_il.robot import load_robot
from robot_il.spec import TICK_DTYPE
from robot_il.tasks import TASKS
from sim.conditions import Conditions
from sim.ground import Ground
from sim.physics import bullet
from sim.render import Scene, quaternion_of
from sim.render_camera import FAR_M, NEAR_M, Camera
from sim.render_floor import Floor, shadow
from sim.render_pose import dead_reckoning, pose_of, pose_of_tick, rotation_of
from sim.ride import Ride

LEVEL = np.eye(3)
UP = np.array([0.0, 0.0, 1.0])


def ridden(robot, task, conditions, ticks):
    """A ride by LQR, and what a log of it would hold: (ride, TICK_DTYPE rows, truths)."""
    ride, law = Ride(robot, task, conditions, 3), lqr_law(robot, task)
    rows, truths = np.zeros(ticks, TICK_DTYPE), []
    for row in rows:
        for name, value in ride.state._asdict().items():
            row[name] = value
        truths.append(ride.truth)
        ride.drive(law.torque(ride.state))
    return ride, rows, truths


@pytest.fixture(scope="module")
def turning():
    robot = load_robot()
    ride, rows, truths = ridden(robot, TASKS["drive_turn"], Conditions(initial_pitch_rad=0.05), 600)
    yield robot, ride, rows, truths
    ride.close()


@given(st.tuples(*[st.floats(-1.0, 1.0)] * 4).filter(lambda q: sum(v * v for v in q) > 1e-3))
@settings(max_examples=100, deadline=None)
def test_a_rotation_becomes_its_quaternion_and_back(parts):
    rotation = rotation_of(tuple(np.array(parts) / np.linalg.norm(parts)))
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert rotation_of(quaternion_of(rotation)) == pytest.approx(rotation, abs=1e-9)


def test_a_twins_pose_puts_the_wheels_where_the_engine_has_them(turning):
    robot, ride, _, _ = turning
    pose = pose_of(ride.twin, robot)
    links = robot.chain.poses(pose.angles_rad)
    wheels = [pose.position_m + pose.rotation @ links[joint.child][1] for joint in robot.body.wheel_joints]
    assert np.mean(wheels, axis=0) == pytest.approx(ride.twin.plant.axle()[0], abs=1e-6)
    assert wheels[0][2] == pytest.approx(robot.pendulum.wheel_radius_m, abs=2e-3)


def test_dead_reckoning_finds_the_way_of_a_robot_that_turned(turning):
    robot, ride, rows, truths = turning
    places = dead_reckoning(rows["position"], rows["yaw"], 0.005)
    went = np.array([(truth.position, truth.lateral_m) for truth in truths])
    assert np.ptp(went, axis=0).min() > 0.1
    assert np.abs(places - went).max() < 0.02
    pose = pose_of_tick(rows[-1], places[-1], robot)
    assert pose.rotation == pytest.approx(pose_of(ride.twin, robot).rotation, abs=0.05)
    links = robot.chain.poses(pose.angles_rad)
    axle = np.mean([links[joint.child][1] for joint in robot.body.wheel_joints], axis=0)
    assert pose.position_m + pose.rotation @ axle == pytest.approx([*places[-1], robot.pendulum.wheel_radius_m])


def test_dead_reckoning_stays_where_the_robot_was_armed_anew():
    position = np.array([0.0, 0.04, 0.08, 0.0, 0.04], np.float32)
    assert dead_reckoning(position, np.zeros(5), 0.005)[:, 0] == pytest.approx([0.0, 0.04, 0.08, 0.08, 0.12])
    assert dead_reckoning(position, np.full(5, np.pi / 2), 0.005)[:, 1] == pytest.approx([0.0, 0.04, 0.08, 0.08, 0.12])


def test_a_log_that_knows_no_height_is_drawn_in_the_nominal_posture(turning):
    robot, _, rows, _ = turning
    tick = rows[0].copy()
    tick["height"] = np.nan
    assert pose_of_tick(tick, np.zeros(2), robot).position_m == pytest.approx(
        pose_of_tick(rows[0], np.zeros(2), robot).position_m, abs=1e-3
    )


def test_rays_pixels_and_the_renderers_matrices_agree():
    camera = Camera(120, 90, 0.6)
    points = np.array([[0.0, 0.0, 0.1], [0.3, -0.2, 0.5], [-0.4, 0.3, 0.0]])
    seen = camera.pixels(points)
    rays = camera.rays()
    for point, (x, y) in zip(points, seen, strict=True):
        ray = rays[int(y), int(x)]
        off = np.cross(point - camera.offset_m, ray) / np.linalg.norm(ray)
        assert np.linalg.norm(off) < 1.5 * camera.pixel_rad * np.linalg.norm(point - camera.offset_m)
    view = np.reshape(camera.view(), (4, 4)).T
    window = np.reshape(camera.window(20, 10, 100, 80), (4, 4)).T
    clip = (window @ view @ np.column_stack([points, np.ones(3)]).T).T
    shares = clip[:, :2] / clip[:, 3:]
    assert 20 + 80 * 0.5 * (1.0 + shares[:, 0]) == pytest.approx(seen[:, 0])
    assert 10 + 70 * 0.5 * (1.0 - shares[:, 1]) == pytest.approx(seen[:, 1])
    assert (clip[:, 3] > NEAR_M).all() and (clip[:, 3] < FAR_M).all()
    assert np.isnan(camera.pixels(camera.offset_m[None] * 2.0)).all()


def test_the_floor_is_the_same_two_tiles_on_and_another_one_tile_on():
    floor = Floor(Camera(160, 120, 0.6), LEVEL, 0.6)
    start = floor.picture(np.zeros(3), [])
    tile = floor._tile_m
    assert floor.picture(np.array([2 * tile, 4 * tile, 0.0]), []) == pytest.approx(start, abs=0.5)
    swapped = floor.picture(np.array([tile, 0.0, 0.0]), [])
    assert np.abs(swapped - start).max() > 20.0
    assert floor.picture(np.array([tile, tile, 0.0]), []) == pytest.approx(start, abs=0.5)


def test_a_shadow_darkens_the_floor_where_it_falls():
    camera = Camera(160, 120, 0.6)
    floor = Floor(camera, LEVEL, 0.6)
    box = np.array([[x, y, z] for x in (-0.1, 0.1) for y in (-0.1, 0.1) for z in (0.2, 0.4)])
    shade = shadow(box, np.array([0.5, 0.0, 1.0]), UP, np.zeros(3))
    assert shade[:, 2] == pytest.approx(0.0)
    assert shade[:, 0].min() == pytest.approx(-0.3) and shade[:, 0].max() == pytest.approx(0.0)
    lit, dark = floor.picture(np.zeros(3), []), floor.picture(np.zeros(3), [shade])
    x, y = camera.pixels(np.array([[-0.15, 0.0, 0.0]]))[0]
    assert dark[int(y), int(x), 0] == pytest.approx(0.62 * lit[int(y), int(x), 0], rel=0.03)
    assert (dark <= lit + 1e-3).all()
    assert (dark == lit).mean() > 0.8


def test_a_shape_seen_edge_on_by_the_light_throws_no_shadow():
    line = np.array([[0.0, 0.0, z] for z in (0.1, 0.2, 0.3)])
    assert len(shadow(line, UP, UP, np.zeros(3))) == 0


@pytest.fixture(scope="module")
def scene():
    made = Scene(load_robot(), 160, 120)
    yield made
    made.close()


def leaning(robot, pitch):
    tick = np.zeros(1, TICK_DTYPE)[0]
    tick["pitch"], tick["height"] = pitch, robot.height_m
    for joint, angle in robot.held_rad.items():
        tick[joint] = angle
    return pose_of_tick(tick, np.zeros(2), robot)


def blue(frame):
    """Columns and rows of the torso's pixels."""
    red, _, bluer = (frame[..., band].astype(int) for band in range(3))
    return np.nonzero(bluer - red > 30)


def test_a_robot_that_leans_forward_leans_to_the_right_and_lower(scene):
    robot = load_robot()
    upright, ahead = (blue(scene.frame(leaning(robot, pitch))) for pitch in (0.0, 0.4))
    assert len(upright[0]) > 200
    assert ahead[1].mean() > upright[1].mean() + 5
    assert ahead[0].mean() > upright[0].mean()


def test_the_camera_goes_along_and_the_floor_does_not(scene):
    robot = load_robot()
    pose = leaning(robot, 0.0)
    here = scene.frame(pose)
    there = scene.frame(pose._replace(position_m=pose.position_m + [0.13, 0.0, 0.0]))
    torso = blue(here)
    assert np.abs(here[torso].astype(int) - there[torso]).mean() < 3.0
    assert (np.abs(here.astype(int) - there).max(axis=2) > 15).mean() > 0.05


def test_the_same_pose_gives_the_same_picture_and_a_word_or_a_push_another(scene):
    pose = leaning(load_robot(), 0.1)
    plain = scene.frame(pose)
    assert plain.dtype == np.uint8 and plain.shape == (120, 160, 3)
    assert np.array_equal(plain, scene.frame(pose))
    captioned, pushed, pulled = (scene.frame(pose, *more) for more in (("pitch",), ("", 1.0), ("", -1.0)))
    assert (captioned != plain).any(axis=2)[:, :80].sum() == (captioned != plain).any(axis=2).sum() > 10
    columns = [np.nonzero((frame != plain).any(axis=2))[1].mean() for frame in (pushed, pulled)]
    assert columns[0] < 80 < columns[1]


def test_a_turning_wheel_looks_otherwise(scene):
    pose = leaning(load_robot(), 0.0)
    turned = pose._replace(angles_rad={**pose.angles_rad, "wheel_right": 1.0})
    assert (scene.frame(pose) != scene.frame(turned)).any()


def test_rough_edges_are_only_edges():
    robot = load_robot()
    pose = leaning(robot, 0.0)
    with (
        contextlib.closing(Scene(robot, 160, 120)) as fine,
        contextlib.closing(Scene(robot, 160, 120, smooth=False)) as rough,
    ):
        differ = np.abs(fine.frame(pose).astype(int) - rough.frame(pose)).max(axis=2) > 12
    assert 0.0 < differ.mean() < 0.05


def test_slope_and_bump_are_seen():
    robot = load_robot()
    pose = leaning(robot, 0.0)
    frames = []
    for conditions in (
        Conditions(),
        Conditions(slope_rad=0.2),
        Conditions(bump_height_m=0.05, bump_place_m=0.3, bump_length_m=0.1),
    ):
        with contextlib.closing(Scene(robot, 160, 120, Ground.of(robot, conditions))) as scene:
            frames.append(scene.frame(pose).astype(int))
    level, slope, bump = frames
    # ahead is to the right: the horizon rises there and sinks on the left
    assert (np.abs(slope - level).max(axis=2) > 10).mean() > 0.1
    assert ((bump[..., 0] - bump[..., 2]) > 20).mean() > 0.02
    assert ((level[..., 0] - level[..., 2]) > 20).mean() == 0.0


@pytest.mark.parametrize("size", [(31, 100), (100, 31), (1921, 100), (100, 1921)])
def test_a_picture_of_another_size_is_refused(size):
    with pytest.raises(ConfigError, match="pixels"):
        Scene(load_robot(), *size)


def test_a_closed_scene_gives_its_client_back():
    scene = Scene(load_robot("two_wheeled"), 64, 48)
    client = scene._client
    assert bullet.isConnected(client)
    scene.close()
    assert not bullet.isConnected(client)
