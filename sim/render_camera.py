"""A camera that stands beside the robot and goes along with it, without turning."""

from __future__ import annotations

import math

import numpy as np

FIELD_RAD = 0.6
"""Angle between the upper and the lower edge of a picture."""
DIRECTION = np.array([0.62, -1.0, 0.42]) / math.sqrt(0.62**2 + 1.0 + 0.42**2)
"""From the robot to the camera: from its right and a little from ahead, so that its lean is seen."""
NEAR_M, FAR_M = 0.05, 100.0


class Camera:
    """Looks at a point above where the robot stands.

    Args:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        robot_m: how high the robot is.

    Attributes:
        offset_m: (3,) from the point that is followed to the camera.
        aim_m: (3,) from that point to what is in the middle of the picture.
        distance_m: from that to the camera.
        pixel_rad: angle between two pixels.
    """

    def __init__(self, width: int, height: int, robot_m: float) -> None:
        self.width, self.height = width, height
        self.aim_m = np.array([0.0, 0.0, 0.48 * robot_m])
        self.distance_m = 3.1 * robot_m * max(1.0, 1.2 * height / width)
        self.offset_m = self.aim_m + self.distance_m * DIRECTION
        self.pixel_rad = FIELD_RAD / height
        right = np.cross([0.0, 0.0, 1.0], DIRECTION)
        right /= np.linalg.norm(right)
        self._axes = np.stack([right, np.cross(DIRECTION, right), DIRECTION])  # rows: right, up, towards the viewer
        self._half = math.tan(0.5 * FIELD_RAD)

    def rays(self) -> np.ndarray:
        """Direction (height, width, 3) float32 in the world of what each pixel sees, 1 long in the picture's middle."""
        y = self._half * (1.0 - (2.0 * np.arange(self.height) + 1.0) / self.height)
        x = self._half * ((2.0 * np.arange(self.width) + 1.0) / self.width - 1.0) * self.width / self.height
        seen = np.stack([*np.meshgrid(x, y), np.full((self.height, self.width), -1.0)], axis=2)
        return (seen @ self._axes).astype(np.float32)

    def pixels(self, points_m: np.ndarray) -> np.ndarray:
        """Places (N, 2) in the picture, from its upper left corner, of points (N, 3) from the point that is followed.

        Points behind the camera are not a number.
        """
        seen = (points_m - self.offset_m) @ self._axes.T
        depth = np.where(seen[:, 2] < -NEAR_M, -seen[:, 2], np.nan)
        x, y = (seen[:, axis] / depth / self._half for axis in (0, 1))
        return np.stack([0.5 * (self.width + self.height * x), 0.5 * self.height * (1.0 - y)], axis=1)

    def view(self) -> list[float]:
        """OpenGL's view matrix, column by column, with the point that is followed at the origin."""
        matrix = np.eye(4)
        matrix[:3, :3] = self._axes
        matrix[:3, 3] = -self._axes @ self.offset_m
        return [float(value) for value in matrix.T.ravel()]

    def window(self, left: int, top: int, right: int, bottom: int) -> list[float]:
        """OpenGL's projection matrix, column by column, of a part of the picture, given by its edges in pixels."""
        scale = 2.0 * NEAR_M * self._half / self.height
        low, high = scale * (0.5 * self.height - bottom), scale * (0.5 * self.height - top)
        near, far = scale * (left - 0.5 * self.width), scale * (right - 0.5 * self.width)
        matrix = np.zeros((4, 4))
        matrix[0, 0], matrix[0, 2] = 2.0 * NEAR_M / (far - near), (far + near) / (far - near)
        matrix[1, 1], matrix[1, 2] = 2.0 * NEAR_M / (high - low), (high + low) / (high - low)
        matrix[2, 2], matrix[2, 3] = -(FAR_M + NEAR_M) / (FAR_M - NEAR_M), -2.0 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
        matrix[3, 2] = -1.0
        return [float(value) for value in matrix.T.ravel()]
