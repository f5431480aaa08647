"""Small robots, each drawn by another convention, for tests of everything that reads a robot."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_il.robot import PROFILES
from robot_il.urdf_chain import rotation_rpy
from sim.body import roll_pitch_yaw

RADIUS_M, TRACK_M, HEIGHT_M = 0.05, 0.2, 0.15
WHEEL_KG, BODY_KG = 0.1, 1.5
BODY_INERTIA = np.diag([0.009, 0.008, 0.004])


@dataclass
class Drawing:
    """How the robot is drawn; what it is stays the same.

    Attributes:
        base: name of the base link.
        frame: (3, 3) from our axes to those of the base link.
        axis: of the wheel joints, in their own axes; -1 and 1 turn it about.
        tilt_rpy: of the wheel joints' axes against the body's.
        inertial_rpy: of the axes in which all inertias are stated.
        wheel_type: of the wheel joints.
        limits: their limit element.
        collision: of the wheels; None for the sphere.
        split: the body is two links held by a fixed joint.
        extra: more elements.
    """

    base: str = "base"
    frame: np.ndarray | None = None
    axes: tuple[tuple[float, float, float], tuple[float, float, float]] = ((0, 1, 0), (0, 1, 0))
    tilt_rpy: tuple[float, float, float] = (0.0, 0.0, 0.0)
    inertial_rpy: tuple[float, float, float] = (0.0, 0.0, 0.0)
    wheel_type: str = "continuous"
    limits: str = ""
    collision: str | None = None
    split: bool = False
    extra: str = ""

    def text(self) -> str:
        """The URDF."""
        turn = np.eye(3) if self.frame is None else self.frame
        tilt = rotation_rpy(*self.tilt_rpy)
        wheel_inertia = WHEEL_KG * RADIUS_M**2 * np.diag([0.27, 0.5, 0.27])
        body = self._inertial(BODY_KG, turn @ [0.0, 0.0, HEIGHT_M], turn @ BODY_INERTIA @ turn.T)
        place = f'<origin xyz="{_xyz(turn @ [0.0, 0.0, HEIGHT_M])}"/>'
        ball = f'<collision>{place}<geometry><sphere radius="0.05"/></geometry></collision>'
        links = [f'<link name="{self.base}">{body}{ball}</link>']
        if self.split:
            upper = self._inertial(BODY_KG, np.zeros(3), turn @ BODY_INERTIA @ turn.T)
            links = [
                f'<link name="{self.base}"/>',
                f'<joint name="neck" type="fixed"><parent link="{self.base}"/><child link="head"/>'
                f'<origin xyz="{_xyz(turn @ [0, 0, HEIGHT_M])}"/></joint>',
                f'<link name="head">{upper}<collision><geometry><sphere radius="0.05"/></geometry></collision></link>',
            ]
        for side, way, axis in (("left", 1, self.axes[0]), ("right", -1, self.axes[1])):
            middle = turn @ [0.0, way * TRACK_M / 2, 0.0]
            shape = self.collision or f'<geometry><sphere radius="{RADIUS_M}"/></geometry>'
            own = tilt.T @ turn @ wheel_inertia @ turn.T @ tilt
            links.append(
                f'<joint name="{side}_motor" type="{self.wheel_type}"><parent link="{self.base}"/>'
                f'<child link="{side}_tyre"/><origin xyz="{_xyz(middle)}" rpy="{_xyz(self.tilt_rpy)}"/>'
                f'<axis xyz="{_xyz(axis)}"/>{self.limits}</joint>'
                f'<link name="{side}_tyre">{self._inertial(WHEEL_KG, np.zeros(3), own)}'
                f"<collision>{shape}</collision></link>"
            )
        return f'<?xml version="1.0"?><robot name="zoo">{"".join(links)}{self.extra}</robot>'

    def _inertial(self, mass_kg: float, com_m: np.ndarray, inertia: np.ndarray) -> str:
        axes = rotation_rpy(*self.inertial_rpy)
        stated = axes.T @ inertia @ axes
        entries = (
            "".join(
                f' i{"xyz"[row]}{"xyz"[column]}="{stated[row, column]!r}"'
                for row in range(3)
                for column in range(row, 3)
            )
            .replace("np.float64(", "")
            .replace(")", "")
        )
        return (
            f'<inertial><origin xyz="{_xyz(com_m)}" rpy="{_xyz(self.inertial_rpy)}"/>'
            f'<mass value="{mass_kg}"/><inertia{entries}/></inertial>'
        )


def _xyz(values: object) -> str:
    return " ".join(repr(float(value)) for value in np.asarray(values))


def write_robot(folder: Path, drawing: Drawing | str, tables: str = "", wheels: tuple[str, str] | None = None) -> Path:
    """Writes a robot of the zoo; returns its TOML.

    Args:
        folder: for both files.
        drawing: of the URDF, or its text.
        tables: TOML after ``[joints]``.
        wheels: joints of the wheels, where not the usual ones.
    """
    (folder / "zoo.urdf").write_text(drawing if isinstance(drawing, str) else drawing.text())
    left, right = wheels or ("left_motor", "right_motor")
    text = (PROFILES / "two_wheeled.toml").read_text()
    text = text.replace('"two_wheeled.urdf"', '"zoo.urdf"').replace("left_wheel_joint", left)
    text = text.replace("right_wheel_joint", right).replace("[drive]  ", f"{tables}\n[drive]  ")
    path = folder / "zoo.toml"
    path.write_text(text)
    return path


def quarter_turn_rpy(axis: str) -> tuple[float, float, float]:
    """Of a quarter turn about an axis."""
    return tuple(math.pi / 2 if name == axis else 0.0 for name in "xyz")


def rpy_of(rotation: np.ndarray) -> tuple[float, float, float]:
    """URDF's angles of a rotation matrix."""
    return roll_pitch_yaw(rotation)


def write_stl(path: Path, size_m: tuple[float, float, float]) -> None:
    """A binary STL of two triangles that span a box around the origin."""
    half = np.array(size_m) / 2
    corners = [half * signs for signs in ((-1, -1, -1), (1, -1, 1), (-1, 1, 1), (1, 1, 1), (1, 1, -1), (-1, -1, 1))]
    triangles = b"".join(
        struct.pack("<12fH", 0, 0, 0, *np.concatenate(corners[start : start + 3]), 0) for start in (0, 3)
    )
    path.write_bytes(b"solid".ljust(80) + struct.pack("<I", 2) + triangles)
