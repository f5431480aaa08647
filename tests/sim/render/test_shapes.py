"""What a robot looks like, as triangles."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from robot_il.errors import ConfigError
from robot_il.robot import load_robot
from robot_il.urdf_chain import Shape
from robot_il.urdf_meshes import mesh_box, mesh_triangles
from sim import render_shapes
from sim.render_shapes import GREY, LIGHT, MAX_TRIANGLES, box_look, looks

BOX_OBJ = """
v -1 -1 -1
v 1 -1 -1
v 1 1 -1
v -1 1 -1
v -1 -1 3
v 1 -1 3
v 1 1 3
v -1 1 3
f 4 3 2 1
f 5/1 6/2 7/3 8/4
f 1//1 2//1 6//1 5//1
f -6 -5 -1 -2
v 0 0 0
f 3 4 8 7
f 4 1 5 8
"""


def stl(corners: np.ndarray) -> bytes:
    """A binary STL of triangles (T, 3, 3), its normals left at 0, as many programs leave them."""
    body = b"".join(struct.pack("<12fH", 0, 0, 0, *corner.ravel(), 0) for corner in corners)
    return bytes(80) + struct.pack("<I", len(corners)) + body


def outward(corners: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """How far each corner's normal points away from the middle."""
    middle = 0.5 * (corners.reshape(-1, 3).min(axis=0) + corners.reshape(-1, 3).max(axis=0))
    return np.einsum("tci,tci->tc", corners - middle, normals)


@pytest.mark.parametrize("name", ["reference", "two_wheeled"])
def test_every_surface_is_closed_and_faces_outwards(name):
    for look in looks(load_robot(name)):
        assert np.linalg.norm(look.normals, axis=2) == pytest.approx(1.0)
        assert (outward(look.corners, look.normals) > 0.0).all()
        turned = np.cross(look.corners[:, 1] - look.corners[:, 0], look.corners[:, 2] - look.corners[:, 0])
        assert (np.einsum("ti,tci->tc", turned, look.normals) >= -1e-12).all()
        edges = np.round(np.concatenate([look.corners[:, [k, (k + 1) % 3]] for k in range(3)]), 6).reshape(-1, 6)
        ways, counts = np.unique(edges + 0.0, axis=0, return_counts=True)
        back = np.unique(edges[:, [3, 4, 5, 0, 1, 2]] + 0.0, axis=0)
        drawn = np.abs(ways[:, :3] - ways[:, 3:]).max(axis=1) > 1e-6
        assert {tuple(way) for way in ways[drawn]} <= {tuple(way) for way in back}
        assert counts[drawn].max() == 1


def test_shapes_have_the_size_and_the_colour_of_the_urdf():
    found = {look.link: look for look in looks(load_robot()) if look.colour != LIGHT}
    torso = found["torso"]
    assert np.ptp(torso.corners.reshape(-1, 3), axis=0) == pytest.approx([0.16, 0.22, 0.20])
    assert torso.corners.reshape(-1, 3).mean(axis=0) == pytest.approx([0.02447, 0.0, 0.08])
    assert torso.colour == (0.25, 0.45, 0.65)
    assert np.ptp(found["tyre_left"].corners.reshape(-1, 3), axis=0) == pytest.approx([0.2, 0.03, 0.2], abs=1e-9)


def test_each_wheel_has_a_bar_that_is_seen_from_both_sides():
    bars = [look for look in looks(load_robot()) if look.colour == LIGHT]
    assert [bar.link for bar in bars] == ["tyre_left", "tyre_right"]
    for bar in bars:
        across = np.sort(np.ptp(bar.corners.reshape(-1, 3), axis=0))
        assert 0.03 < across[1] < 0.035
        assert across[2] == pytest.approx(0.15)


def profile(folder: Path, visual: str, materials: str = "") -> Path:
    """The two-wheeled robot, its first visual another one."""
    shipped = load_robot("two_wheeled")
    text = shipped.urdf_path.read_text()
    start, stop = text.index("<visual>"), text.index("</visual>") + len("</visual>")
    text = text[:start] + visual + text[stop:]
    text = text.replace("</robot>", f"{materials}</robot>")
    (folder / shipped.urdf_path.name).write_text(text)
    (folder / "own.toml").write_text(shipped.path.read_text())
    return folder / "own.toml"


@pytest.mark.parametrize(
    ("material", "materials", "colour"),
    [
        ("", "", GREY),
        ('<material name="m"><color rgba="1 0 0.5 1"/></material>', "", (1.0, 0.0, 0.5)),
        ('<material name="m"/>', '<material name="m"><color rgba="0 1 0 1"/></material>', (0.0, 1.0, 0.0)),
        ('<material name="m"><color rgba="7 -1 0.5"/></material>', "", (1.0, 0.0, 0.5)),
        ('<material name="m"><color rgba="red"/></material>', "", GREY),
        ('<material name="nowhere"/>', "", GREY),
    ],
)
def test_a_colour_is_the_urdfs_where_it_says_a_sound_one(tmp_path, material, materials, colour):
    visual = f'<visual><geometry><box size="0.1 0.1 0.1"/></geometry>{material}</visual>'
    assert looks(load_robot(str(profile(tmp_path, visual, materials))))[0].colour == colour


@pytest.mark.parametrize("scale", ["0.1 0.1 0.1", "0.1 -0.1 0.1"])
@pytest.mark.parametrize("kind", ["obj", "stl"])
def test_a_mesh_is_drawn_where_the_urdf_has_it_mirrored_or_not(tmp_path, kind, scale):
    (tmp_path / "box.obj").write_text(BOX_OBJ)
    (tmp_path / "box.stl").write_bytes(stl(mesh_triangles(tmp_path / "box.obj")))
    visual = f'<visual><origin xyz="0 0 1"/><geometry><mesh filename="box.{kind}" scale="{scale}"/></geometry></visual>'
    look = looks(load_robot(str(profile(tmp_path, visual))))[0]
    assert look.corners.reshape(-1, 3).min(axis=0) == pytest.approx([-0.1, -0.1, 0.9])
    assert look.corners.reshape(-1, 3).max(axis=0) == pytest.approx([0.1, 0.1, 1.3])
    assert len(look.corners) == 12
    assert (outward(look.corners, look.normals) > 0.0).all()


def test_a_mesh_that_is_not_there_is_not_drawn_and_the_rest_is(tmp_path):
    visual = '<visual><geometry><mesh filename="gone.stl"/></geometry></visual>'
    found = looks(load_robot(str(profile(tmp_path, visual))))
    assert {look.link for look in found} == {look.link for look in looks(load_robot("two_wheeled"))} - {"base_link"}


def test_a_fine_mesh_is_coarsened_and_keeps_its_form(tmp_path):
    corners, _ = render_shapes._sphere(1.0)
    fine = np.concatenate([corners + 1e-4 * k for k in range(MAX_TRIANGLES // len(corners) + 1)])
    (tmp_path / "fine.stl").write_bytes(stl(fine))
    shape = Shape("mesh", (2.0, 2.0, 2.0), np.eye(3), np.zeros(3), "fine.stl")
    drawn, normals = render_shapes._triangles(shape, np.ones(3), tmp_path)
    assert len(drawn) <= MAX_TRIANGLES < len(fine)
    assert np.linalg.norm(drawn, axis=2) == pytest.approx(1.0, abs=0.05)
    assert np.mean(np.einsum("tci,tci->tc", drawn, normals) > 0.9) > 0.95


def test_triangles_fill_the_box_around_a_mesh(tmp_path):
    (tmp_path / "box.obj").write_text(BOX_OBJ)
    corners = mesh_triangles(tmp_path / "box.obj")
    low, high = mesh_box(tmp_path / "box.obj")
    assert corners.shape == (12, 3, 3)
    assert corners.reshape(-1, 3).min(axis=0).tolist() == low.tolist()
    assert corners.reshape(-1, 3).max(axis=0).tolist() == high.tolist()


@pytest.mark.parametrize("face", ["f 1 2 99", "f 1 2 x", ""])
def test_faces_that_name_no_corner_are_refused(tmp_path, face):
    (tmp_path / "bad.obj").write_text(f"v 0 0 0\nv 1 0 0\nv 0 1 0\n{face}\n")
    with pytest.raises(ConfigError):
        mesh_triangles(tmp_path / "bad.obj")


def test_a_box_of_ones_own_has_twelve_triangles():
    look = box_look("x", np.array([1.0, 2.0, 3.0]), GREY)
    assert look.corners.shape == look.normals.shape == (12, 3, 3)
    assert np.ptp(look.corners.reshape(-1, 3), axis=0) == pytest.approx([1.0, 2.0, 3.0])
