"""The floor of a picture: tiles that move beneath the robot, soft to the horizon, with the robot's shadow on them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from scipy.spatial import ConvexHull, QhullError

from sim.render_camera import Camera

TILES_M = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Edges that a tile may have; the largest that is less than half as high as the robot is taken."""
TINT = np.array([1.0, 1.014, 1.032], np.float32)
DIM, PALE = 202.0, 228.0
"""Brightness of the two kinds of tiles, before the tint."""
SKY = np.array([246.0, 248.0, 250.0], np.float32)
FADES_AT, FADED_AT = 1.2, 6.0
"""Where tiles begin to fade and have faded into the sky, in distances from the camera to the robot."""
SHADE = 0.62
"""Light left in a shadow."""
SOFT = 2
"""Pixels by which a shadow is drawn larger than it is shown, each way, so that its edges are smooth."""


class Floor:
    """A plane of tiles that one camera, which follows the robot, sees always at the same angle and distance.

    Args:
        camera: its place beside the robot.
        axes: (3, 3) rows: the plane's axes ahead, to the left and away from it, in the world.
        robot_m: how high the robot is.
    """

    def __init__(self, camera: Camera, axes: np.ndarray, robot_m: float) -> None:
        self._camera = camera
        self._axes = axes
        self._tile_m = max((tile for tile in TILES_M if tile < 0.5 * robot_m), default=TILES_M[0])
        rays = camera.rays() @ axes.T.astype(np.float32)
        height = float(axes[2] @ camera.offset_m)
        below = rays[..., 2] < -1e-4
        reach = np.where(below, height / np.maximum(-rays[..., 2], 1e-4), 0.0)
        start = axes[:2] @ camera.offset_m
        # how many tiles one pixel covers: more along the line of sight than across it
        blur = np.maximum(camera.pixel_rad * reach * np.sqrt(reach / height) / self._tile_m, 1e-3)
        self._waves = [_Wave((start[k] + reach * rays[..., k]) / self._tile_m, blur) for k in (0, 1)]
        near = np.clip((FADED_AT - reach / camera.distance_m) / (FADED_AT - FADES_AT), 0.0, 1.0)
        seen = np.where(below, near, 0.0).astype(np.float32)[..., None]
        self._sky, self._tint = SKY * (1.0 - seen), TINT * seen

    def picture(self, below_m: np.ndarray, shades: Sequence[np.ndarray]) -> np.ndarray:
        """The floor as it is seen: (height, width, 3) float32, 0 to 255.

        Args:
            below_m: (3,) point of the plane that the camera follows.
            shades: outlines (N, 3), each convex, in the world on the plane.
        """
        ahead, left = (self._axes[:2] @ below_m) / self._tile_m
        # a checkerboard is the product of two square waves
        tone = self._waves[0].at(ahead) * self._waves[1].at(left)
        tone *= 0.5 * (DIM - PALE)
        tone += 0.5 * (DIM + PALE)
        tone *= self._light(shades, below_m)
        picture = self._tint * tone[..., None]
        picture += self._sky
        return picture

    def _light(self, shades: Sequence[np.ndarray], below_m: np.ndarray) -> np.ndarray:
        """Share of the light that reaches each pixel's floor, (height, width)."""
        wide, high = self._camera.width, self._camera.height
        mask = Image.new("L", (SOFT * wide, SOFT * high), 255)
        draw = ImageDraw.Draw(mask)
        for shade in shades:
            outline = self._camera.pixels(shade - below_m)
            if len(outline) > 2 and np.isfinite(outline).all():
                draw.polygon([(SOFT * x, SOFT * y) for x, y in outline.tolist()], fill=round(255 * SHADE))
        light = np.asarray(mask.reduce(SOFT), np.float32)
        light *= 1.0 / 255.0
        return light


class _Wave:
    """A square wave of period 2 over places on the floor, averaged over what a pixel covers of it.

    The average is the difference of the wave's integral, a saw of tents, at the pixel's two ends over its width
    (Quilez, "Filtering the checkerboard pattern", 2016).

    Args:
        place: (H, W) of each pixel's middle, in tiles.
        blur: (H, W) tiles that a pixel covers.
    """

    def __init__(self, place: np.ndarray, blur: np.ndarray) -> None:
        self._ends = [(0.5 * (place + way * blur)).astype(np.float32) for way in (-0.5, 0.5)]
        self._per_width = (2.0 / blur).astype(np.float32)

    def at(self, moved: float) -> np.ndarray:
        """Averages (H, W), -1 to 1, once the floor has moved by so many tiles."""
        first, last = (self._tent(end, np.float32(0.5 * (moved % 2.0))) for end in self._ends)
        first -= last
        first *= self._per_width
        return np.clip(first, -1.0, 1.0, out=first)

    def _tent(self, end: np.ndarray, moved: np.float32) -> np.ndarray:
        place = end + moved
        place -= np.floor(place)
        place -= np.float32(0.5)
        return np.abs(place, out=place)


def shadow(points_m: np.ndarray, light: np.ndarray, away: np.ndarray, on_m: np.ndarray) -> np.ndarray:
    """The outline (N, 3) of the shadow that a convex shape throws on a plane.

    Args:
        points_m: (M, 3) of the shape, in the world.
        light: (3,) from the plane towards the light.
        away: (3,) the plane's normal.
        on_m: (3,) a point of it.
    """
    reach = (points_m - on_m) @ away / float(light @ away)
    flat = points_m - reach[:, None] * light
    first = np.cross(away, [0.0, 1.0, 0.0])
    first /= math.sqrt(float(first @ first))
    plane = np.stack([flat @ first, flat @ np.cross(away, first)], axis=1)
    try:
        return flat[ConvexHull(plane).vertices]
    except QhullError:  # a shape that the light sees edge on throws a line, and nobody sees that
        return flat[:0]
