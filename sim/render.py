"""Pictures of a robot at given poses: its own shapes and colours, tiles that show how it moves, no display needed.

A physics client that simulates nothing holds the shapes; its software renderer draws the robot, and the floor is drawn
around it. The twin's own physics are not touched, so that a recorded log is drawn as well as a simulation.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from robot_il.errors import ConfigError
from robot_il.robot import Robot
from robot_il.urdf_chain import Pose as LinkPose
from sim.attitude import Quaternion
from sim.ground import BUMP_DEPTH_M, Ground
from sim.physics import bullet
from sim.render_camera import Camera
from sim.render_floor import Floor, shadow
from sim.render_pose import Pose
from sim.render_shapes import Look, box_look, looks

SMALLEST, LARGEST = 32, 1920
"""Edges of a picture, in pixels."""
FINER = 2
"""For smooth edges the robot is drawn so many times larger than it is shown, each way."""
LIGHT = np.array([-0.25, -0.55, 1.0])
"""From the robot towards the light."""
MARGIN = 3
"""Pixels left free around the robot where only its part of the picture is drawn."""
INK, ARROW = (70, 76, 84), (214, 69, 48)
BUMP = (0.72, 0.66, 0.55)


class Scene:
    """One robot on a floor, seen by a camera that goes along with it.

    Args:
        robot: profile.
        width: of a frame, in pixels.
        height: of a frame, in pixels.
        ground: what it stands on; None for a level floor.
        smooth: the robot's edges are; it takes three times as long.

    Raises:
        ConfigError: a size outside ``SMALLEST`` to ``LARGEST``, or no physics client is free.
    """

    def __init__(
        self, robot: Robot, width: int = 640, height: int = 480, ground: Ground | None = None, smooth: bool = True
    ) -> None:
        if not (SMALLEST <= width <= LARGEST and SMALLEST <= height <= LARGEST):
            raise ConfigError(
                f"a picture of {SMALLEST} to {LARGEST} pixels each way", f"{width} x {height}", "choose another size"
            )
        self._finer = FINER if smooth else 1
        self._chain, self._looks = robot.chain, looks(robot)
        self._wheels = [joint.child for joint in robot.body.wheel_joints]
        self._client = bullet.connect(bullet.DIRECT)
        if self._client < 0:
            raise ConfigError("a free physics client", "none", "close environments that are no longer needed")
        self._finalizer = weakref.finalize(self, bullet.disconnect, self._client)
        self._bodies = [self._body(look) for look in self._looks]
        self._outlines = [np.unique(look.corners.reshape(-1, 3).round(6), axis=0) for look in self._looks]
        self._robot_m = self._height_m(robot)
        self._com_m = _body_com_m(robot)
        self._camera = Camera(width, height, self._robot_m)
        ahead = np.array([1.0, 0.0, 0.0]) if ground is None else ground.ahead(0.0)
        self._axes = np.stack([ahead, [0.0, 1.0, 0.0], np.cross(ahead, [0.0, 1.0, 0.0])])
        self._bump = self._bar(ground) if ground is not None and ground.bump_m[0] else None
        self._floor = Floor(self._camera, self._axes, self._robot_m)

    def close(self) -> None:
        """Gives the client back; the scene is of no use afterwards."""
        self._finalizer()

    def frame(self, pose: Pose, caption: str = "", push_n: float = 0.0) -> np.ndarray:
        """One picture: (height, width, 3) uint8.

        Args:
            pose: of the robot.
            caption: written into the upper left corner.
            push_n: a force that acts on the robot along its heading, to be shown as an arrow.
        """
        away, links = self._axes[2], self._chain.poses(pose.angles_rad)
        axle = pose.position_m + pose.rotation @ np.mean([links[name][1] for name in self._wheels], axis=0)
        below = axle - float(axle @ away) * away
        points = self._place(pose, links, below)
        if self._bump is not None:
            body, middle, attitude = self._bump
            where = (middle - below).tolist()
            bullet.resetBasePositionAndOrientation(body, where, attitude, physicsClientId=self._client)
        shades = [shadow(piece, LIGHT, away, below) for piece in points]
        picture = self._floor.picture(below, shades)
        self._add_bodies(picture, np.concatenate(points) - below)
        image = Image.fromarray(picture.astype(np.uint8))
        if caption or push_n:
            self._write(ImageDraw.Draw(image), pose, below, caption, push_n)
        return np.array(image)

    def _place(self, pose: Pose, links: Mapping[str, LinkPose], below_m: np.ndarray) -> list[np.ndarray]:
        """Puts all shapes where they are, seen from the point that the camera follows; returns their points (N, 3)."""
        points = []
        for look, body, outline in zip(self._looks, self._bodies, self._outlines, strict=True):
            turned, moved = links[look.link]
            rotation, place = pose.rotation @ turned, pose.position_m + pose.rotation @ moved
            bullet.resetBasePositionAndOrientation(
                body, (place - below_m).tolist(), quaternion_of(rotation), physicsClientId=self._client
            )
            points.append(place + outline @ rotation.T)
        return points

    def _add_bodies(self, picture: np.ndarray, points_m: np.ndarray) -> None:
        """Draws all bodies into a picture: over the robot's own part of it, where there is nothing else."""
        camera = self._camera
        seen = camera.pixels(points_m)
        if not np.isfinite(seen).all():
            return  # the camera is inside the robot
        if self._bump is not None:
            seen = np.array([[0.0, 0.0], [camera.width, camera.height]])
        left, top = np.maximum(np.floor(seen.min(axis=0)).astype(int) - MARGIN, 0).tolist()
        right, bottom = np.minimum(
            np.ceil(seen.max(axis=0)).astype(int) + MARGIN, (camera.width, camera.height)
        ).tolist()
        if left >= right or top >= bottom:
            return
        wide, high = self._finer * (right - left), self._finer * (bottom - top)
        _, _, colours, _, bodies = bullet.getCameraImage(
            wide, high, camera.view(), camera.window(left, top, right, bottom), shadow=0,
            lightDirection=LIGHT.tolist(), lightColor=(1.0, 1.0, 1.0), lightAmbientCoeff=0.62, lightDiffuseCoeff=0.42,
            lightSpecularCoeff=0.06, renderer=bullet.ER_TINY_RENDERER, physicsClientId=self._client,
        )  # fmt: skip
        solid = np.reshape(bodies, (high, wide)) >= 0
        drawn = np.reshape(colours, (high, wide, 4)) * solid[..., None]
        drawn[..., 3] = 255 * solid
        if self._finer > 1:
            # as four bands of one picture: in a picture with an alpha band the others would be weighted by it
            drawn = np.asarray(Image.fromarray(drawn, "CMYK").reduce(self._finer))
        part = picture[top:bottom, left:right]
        part *= 1.0 - drawn[..., 3:] / np.float32(255.0)
        part += drawn[..., :3]

    def _write(self, draw: ImageDraw.ImageDraw, pose: Pose, below_m: np.ndarray, caption: str, push_n: float) -> None:
        size = max(11, self._camera.height // 26)
        if caption:
            font = ImageFont.load_default(size)
            draw.multiline_text((size, size), caption, fill=INK, font=font, spacing=size // 3)
        if push_n:
            way = pose.rotation[:, 0] * math.copysign(self._robot_m, push_n)
            middle = pose.position_m + pose.rotation @ self._com_m - below_m
            _arrow(draw, self._camera.pixels(np.stack([middle - 0.55 * way, middle - 0.2 * way])), size)

    def _body(self, look: Look) -> int:
        corners = look.corners.reshape(-1, 3)
        shape = bullet.createVisualShape(
            bullet.GEOM_MESH, vertices=corners.tolist(), normals=look.normals.reshape(-1, 3).tolist(),
            indices=list(range(len(corners))), rgbaColor=(*look.colour, 1.0), physicsClientId=self._client,
        )  # fmt: skip
        return bullet.createMultiBody(0.0, -1, shape, physicsClientId=self._client)

    def _bar(self, ground: Ground) -> tuple[int, np.ndarray, Quaternion]:
        """A bump: body, middle (3,) in the world and attitude, for a robot that was set down heading along x."""
        size = np.array([2.0 * ground.bump_half_m[0], 2.0 * ground.bump_half_m[1], ground.bump_m[0]])  # above the floor
        middle = ground.bump_middle(0.0) + 0.5 * BUMP_DEPTH_M * self._axes[2]
        return self._body(box_look("", size, BUMP)), middle, ground.attitude(0.0)

    def _height_m(self, robot: Robot) -> float:
        """From the floor to the robot's highest point, in its nominal posture."""
        links = robot.chain.poses(robot.held_rad)
        up = [
            links[look.link][1][2] + outline @ links[look.link][0][2]
            for look, outline in zip(self._looks, self._outlines, strict=True)
        ]
        axle = np.mean([links[joint.child][1][2] for joint in robot.body.wheel_joints])
        return float(np.max(np.concatenate(up)) - axle) + robot.pendulum.wheel_radius_m


def quaternion_of(rotation: np.ndarray) -> Quaternion:
    """The unit quaternion (x, y, z, w) of a rotation matrix (3, 3), from its largest component (Shepperd 1978)."""
    trace = float(np.trace(rotation))
    squares = np.array([*(1.0 + 2.0 * np.diag(rotation) - trace), 1.0 + trace]) / 4.0
    largest = int(np.argmax(squares))
    value = float(np.sqrt(squares[largest]))
    x, y, z = (float(rotation[k - 2, k - 1] + rotation[k - 1, k - 2]) for k in range(3))
    turn = [float(rotation[k - 1, k - 2] - rotation[k - 2, k - 1]) for k in range(3)]
    pairs = [[0.0, z, y, turn[0]], [z, 0.0, x, turn[1]], [y, x, 0.0, turn[2]], [*turn, 0.0]][largest]
    quaternion = [pair / (4.0 * value) for pair in pairs]
    quaternion[largest] = value
    return quaternion[0], quaternion[1], quaternion[2], quaternion[3]


def _body_com_m(robot: Robot) -> np.ndarray:
    """Centre of mass (3,) of all but the wheels from the base's origin, in the nominal posture."""
    wheels = {link for joint in robot.body.wheel_joints for link in robot.chain.rigid(joint.child)}
    body = tuple(link for link in robot.chain.links if link not in wheels)
    return robot.chain.mass_properties(robot.held_rad, body)[1]


def _arrow(draw: ImageDraw.ImageDraw, ends: np.ndarray, size: int) -> None:
    """An arrow between two points (2, 2) of a picture, the second its tip."""
    tail, tip = ends
    if not np.isfinite(ends).all():
        return
    along = (tip - tail) / max(float(np.linalg.norm(tip - tail)), 1e-9)
    aside = np.array([-along[1], along[0]])
    neck = tip - 1.2 * size * along
    draw.line([tuple(tail.tolist()), tuple(neck.tolist())], fill=ARROW, width=max(2, size // 3))
    head = (tip, neck + 0.6 * size * aside, neck - 0.6 * size * aside)
    draw.polygon([tuple(point.tolist()) for point in head], fill=ARROW)
