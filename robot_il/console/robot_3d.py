"""The robot in 3D, moving as measured: the shapes of its URDF, posed by its joint angles, on a floor that rolls by."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass

import numpy as np
from nicegui import ui

from robot_il.robot import LEG_JOINTS, WHEEL_JOINTS, Robot
from robot_il.spec import TICK_DTYPE
from robot_il.urdf import Chain, rotation_y, urdf_root

CELL_M = 0.25
CELLS = 12
"""Grid lines to each side of the robot."""
LINE = "#7d8a98"
DEFAULT_COLOUR = "#8a97a6"
DARKEST = 0.28
ROUND_SEGMENTS = 40


@dataclass(frozen=True)
class Shape:
    """One primitive that is drawn for a link.

    Attributes:
        link: to which it is fixed.
        kind: ``box``, ``cylinder`` (its axis along its own z) or ``sphere``.
        size_m: the box's edges; a cylinder's radius and length; a sphere's radius.
        rotation: (3, 3) from the shape's axes to the link's.
        origin_m: (3,) in the link's frame.
        colour: as CSS.
    """

    link: str
    kind: str
    size_m: tuple[float, ...]
    rotation: np.ndarray
    origin_m: np.ndarray
    colour: str


def visual_shapes(robot: Robot) -> list[Shape]:
    """The primitives among the visuals of the robot's URDF, which ``load_robot`` has checked; meshes are left out."""
    root = urdf_root(robot.urdf_path)
    colours = {material.get("name", ""): _colour(material) for material in root.findall("material")}
    shapes = []
    for link in root.findall("link"):
        for visual in link.findall("visual"):
            shape = _shape(link.get("name", ""), visual, colours)
            if shape is not None:
                shapes.append(shape)
    return shapes


def _numbers(element: ET.Element | None, name: str, default: str) -> tuple[float, ...]:
    return tuple(float(word) for word in (default if element is None else element.get(name, default)).split())


def _colour(material: ET.Element) -> str:
    """As CSS; a colour that would drown in a dark page is drawn lighter."""
    levels = _numbers(material.find("color"), "rgba", "")
    if len(levels) < 3:
        return DEFAULT_COLOUR
    lift = max(0.0, DARKEST - max(levels[:3]))
    return "#" + "".join(f"{round(255 * min(1.0, level + lift)):02x}" for level in levels[:3])


def _shape(link: str, visual: ET.Element, colours: dict[str, str]) -> Shape | None:
    origin, material = visual.find("origin"), visual.find("material")
    name = "" if material is None else material.get("name", "")
    sizes: dict[str, tuple[float, ...]] = {}
    for kind in ("box", "cylinder", "sphere"):
        found = visual.find(f"geometry/{kind}")
        if found is not None:
            names = {"box": ("size",), "cylinder": ("radius", "length"), "sphere": ("radius",)}[kind]
            sizes[kind] = tuple(number for name in names for number in _numbers(found, name, ""))
    if not sizes:
        return None
    kind, size = next(iter(sizes.items()))
    return Shape(
        link=link,
        kind=kind,
        size_m=size,
        rotation=rotation_rpy(*_numbers(origin, "rpy", "0 0 0")),
        origin_m=np.array(_numbers(origin, "xyz", "0 0 0")),
        colour=colours.get(name, DEFAULT_COLOUR),
    )


def rotation_rpy(roll_rad: float, pitch_rad: float, yaw_rad: float) -> np.ndarray:
    """Rotation matrix (3, 3) of URDF's fixed-axis roll, pitch and yaw: Rz(yaw) Ry(pitch) Rx(roll)."""
    c, s = math.cos(roll_rad), math.sin(roll_rad)
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    return rotation_z(yaw_rad) @ rotation_y(pitch_rad) @ about_x


def rotation_z(angle_rad: float) -> np.ndarray:
    """Rotation matrix (3, 3) about +z; positive turns left."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def standing_poses(chain: Chain, tick: np.void, wheel_radius_m: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Poses of all links with the wheels on the floor below the origin.

    Args:
        chain: the robot's links and joints.
        tick: one record of ``TICK_DTYPE``: its pitch, yaw, leg and wheel angles are used.
        wheel_radius_m: how high the axle is.

    Returns:
        Link name to (rotation (3, 3), origin (3,) in m): x forward at yaw 0, z up, the axle's middle above the origin.
    """
    angles = {joint: float(tick[joint]) for joint in LEG_JOINTS}
    angles |= {joint: float(tick[joint.replace("wheel", "wheel_position")]) for joint in WHEEL_JOINTS}
    poses = chain.poses(angles)
    turn = rotation_z(float(tick["yaw"])) @ rotation_y(float(tick["pitch"]))
    wheels = [poses[joint.child][1] for joint in chain.joints if joint.name in WHEEL_JOINTS]
    lift = np.array([0.0, 0.0, wheel_radius_m]) - turn @ np.mean(wheels, axis=0)
    return {link: (turn @ rotation, turn @ origin + lift) for link, (rotation, origin) in poses.items()}


class Robot3D:
    """A view of the robot in the parent element in the making.

    Args:
        robot: whose URDF is drawn.
    """

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._place_m = np.zeros(2)
        self._before: tuple[float, float] | None = None
        # Drawn without ground and cleared to transparency, so that the page's own colour shows, light or dark.
        self._scene = ui.scene(
            width=320, height=240, grid=False, camera=ui.scene.perspective_camera(fov=38), fps=25, click_events=[]
        )
        self._scene.on("init", self._initialised)
        with self._scene as scene:
            self._floor = scene.group()
            with self._floor:
                _draw_grid(scene)
            self._start = scene.ring(0.05, 0.07, 48).material("#e0a100")
            self._drawn = [(shape, _draw(scene, shape)) for shape in visual_shapes(robot)]
        scene.move_camera(-0.54, -1.08, 0.6, 0.0, 0.0, 0.265, duration=0.0)

    def _initialised(self) -> None:
        ui.run_javascript(f"getElement({self._scene.id}).renderer?.setClearColor(0, 0)")
        if self._before is None:
            self._stand()

    def _stand(self) -> None:
        """Upright in the nominal posture, until something was measured."""
        tick = np.zeros(1, TICK_DTYPE)
        for joint, angle_rad in self._robot.joint_angles_rad.items():
            tick[joint] = angle_rad
        self.update(tick[0])
        self._before = None

    def update(self, tick: np.void) -> None:
        """Poses the robot as one record of ``TICK_DTYPE`` measured it; one message to the page."""
        if not all(math.isfinite(float(tick[name])) for name in ("pitch", "yaw", "position", *LEG_JOINTS)):
            return
        self._roll(float(tick["position"]), float(tick["yaw"]))
        poses = standing_poses(self._robot.chain, tick, self._robot.pendulum.wheel_radius_m)
        calls: list[list[object]] = []
        for shape, drawn in self._drawn:
            rotation, origin = poses[shape.link]
            place, turned = origin + rotation @ shape.origin_m, rotation @ shape.rotation @ _AXES[shape.kind]
            calls.append(["move", drawn.id, *np.round(place, 4).tolist()])
            calls.append(["rotate", drawn.id, np.round(turned, 4).tolist()])
        rest = np.round(np.remainder(self._place_m, CELL_M), 4)
        calls.append(["move", self._floor.id, *(-rest).tolist(), 0.0])
        calls.append(["move", self._start.id, *(-np.round(self._place_m, 4)).tolist(), 0.002])
        self._scene.run_method("run_methods", calls)

    def _roll(self, position_m: float, yaw_rad: float) -> None:
        """Follows the robot over the floor: the distance rolled, in the direction of the mean heading meanwhile."""
        before_m, before_rad = self._before or (position_m, yaw_rad)
        if abs(position_m - before_m) > 1.0:
            # it was armed anew, and counts from there
            self._place_m, before_m, before_rad = np.zeros(2), position_m, yaw_rad
        heading = (yaw_rad + before_rad) / 2.0
        self._place_m += (position_m - before_m) * np.array([math.cos(heading), math.sin(heading)])
        self._before = (position_m, yaw_rad)


_AXES = {"box": np.eye(3), "sphere": np.eye(3), "cylinder": rotation_rpy(math.pi / 2.0, 0.0, 0.0)}
"""From the axes in which three.js draws a primitive to URDF's: its cylinder stands along y, URDF's along z."""


def _draw_grid(scene: ui.scene) -> None:
    reach = CELLS * CELL_M
    for index in range(-CELLS, CELLS + 1):
        along = index * CELL_M
        scene.line([along, -reach, 0.0], [along, reach, 0.0]).material(LINE, 0.45)
        scene.line([-reach, along, 0.0], [reach, along, 0.0]).material(LINE, 0.45)


def _draw(scene: ui.scene, shape: Shape) -> ui.scene.group:
    """A group that is posed as a whole; a wheel gets spokes, or nobody would see it turn."""
    with scene.group() as group:
        if shape.kind == "box":
            width, depth, height = shape.size_m
            scene.box(width, depth, height).material(shape.colour)
        elif shape.kind == "sphere":
            scene.sphere(shape.size_m[0], ROUND_SEGMENTS, ROUND_SEGMENTS // 2).material(shape.colour)
        else:
            radius, length = shape.size_m
            scene.cylinder(radius, radius, length, ROUND_SEGMENTS).material(shape.colour)
            for across in ((1.5 * radius, 0.12 * radius), (0.12 * radius, 1.5 * radius)):
                scene.box(across[0], 1.06 * length, across[1]).material("#c9d1da")
    return group
