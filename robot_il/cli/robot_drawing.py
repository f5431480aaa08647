"""A robot from the side and from the front, as the twin has it, with the pendulum it is balanced as."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.errors import ConfigError
from robot_il.robot import Robot
from robot_il.robot_body import wheel_shape
from robot_il.urdf_chain import Pose, Shape

SUFFIXES = (".png", ".svg", ".pdf")
BODY, WHEEL, PENDULUM, JOINT, SENSOR, FLOOR = "#9aa7b5", "#3b4754", "#c2410c", "#1d4ed8", "#7e22ce", "#8a8f96"
AROUND = np.linspace(0.0, 2.0 * np.pi, 97)
MARGIN = 0.12
"""Of the robot's height, left free around it."""


def draw_robot(robot: Robot, path: Path) -> None:
    """Draws a robot in its nominal posture, wheels on the floor.

    Args:
        robot: profile.
        path: ``.png``, ``.svg`` or ``.pdf``.

    Raises:
        ConfigError: another kind of file, or a folder that is not there.
    """
    if path.suffix not in SUFFIXES or not path.parent.is_dir():
        raise ConfigError(f"a file ending in {', '.join(SUFFIXES)} in a folder that exists", str(path), "name another")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scene = _Scene(robot)
    figure = Figure(figsize=(10.0, 6.4), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    low, high = scene.extent()
    wide = max(high[0] - low[0], high[1] - low[1]) + 2.0 * MARGIN * high[2]
    for place, (across, title) in enumerate(((0, "from its right side"), (1, "from the front"))):
        axes = figure.add_subplot(1, 2, place + 1)
        _set_up(axes, title, "forward" if across == 0 else "left", wide, high[2] * (1.0 + MARGIN))
        scene.draw(axes, across)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=9, frameon=False
    )
    figure.suptitle(
        f"{robot.name}: {robot.mass_kg:.3g} kg, wheels {2000 * robot.pendulum.wheel_radius_m:.0f} mm", fontsize=13
    )
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    figure.savefig(temporary, dpi=140, metadata={"Date": None} if path.suffix == ".svg" else None)
    temporary.replace(path)


def _set_up(axes: Any, title: str, across_name: str, wide_m: float, high_m: float) -> None:
    axes.set_aspect("equal")
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(f"{across_name} [m]")
    axes.set_ylabel("up [m]")
    # the front is seen by somebody whom the robot faces, so that its left is on their right
    axes.set_xlim(-0.5 * wide_m, 0.5 * wide_m)
    axes.set_ylim(-0.06 * high_m, high_m)
    axes.axhspan(-0.06 * high_m, 0.0, color=FLOOR, alpha=0.25, lw=0)
    axes.axhline(0.0, color=FLOOR, lw=1.2)
    axes.grid(color="#e3e6ea", lw=0.6)
    axes.set_axisbelow(True)
    for name in ("top", "right"):
        axes.spines[name].set_visible(False)


class _Scene:
    """The robot with the middle of its axle above the origin of the floor."""

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        chain = robot.chain
        poses = chain.poses(robot.held_rad)
        self._wheels = {link for joint in robot.body.wheel_joints for link in chain.rigid(joint.child)}
        axle = np.mean([poses[joint.child][1] for joint in robot.body.wheel_joints], axis=0)
        lift = np.array([0.0, 0.0, robot.pendulum.wheel_radius_m]) - axle
        self._poses: dict[str, Pose] = {name: (turn, place + lift) for name, (turn, place) in poses.items()}
        self._axle = axle + lift
        body = tuple(name for name in chain.links if name not in self._wheels)
        self._com = chain.mass_properties(robot.held_rad, body)[1] + lift
        self._imu = np.array([robot.imu.position_x_m, 0.0, robot.imu.position_z_m]) + lift

    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner (3,) of all that is drawn."""
        radius = self._robot.pendulum.wheel_radius_m
        points = [self._com, self._imu]
        points += [point for _, outline in self._outlines() for point in outline]
        points += [
            self._poses[name][1] + way * np.array([radius, 0.0, radius]) for name in self._wheels for way in (1, -1)
        ]
        return np.min(points, axis=0), np.max(points, axis=0)

    def draw(self, axes: Any, across: int) -> None:
        """Into axes over ``across`` (0 forward, 1 left) and up."""
        for _, outline in self._outlines():
            hull = _hull(outline[:, [across, 2]])
            axes.fill(*hull.T, facecolor=BODY, alpha=0.45, edgecolor="#5f6b78", lw=0.9)
        self._draw_wheels(axes, across)
        self._draw_joints(axes, across)
        self._draw_pendulum(axes, across)
        axes.plot(
            self._imu[across], self._imu[2], marker="s", ms=7, color=SENSOR, ls="", label="inertial sensor", zorder=5
        )
        self._draw_axes(axes, across)

    def _outlines(self) -> Iterator[tuple[str, np.ndarray]]:
        """Points (N, 3) around each shape of the body; what is drawn counts, else what it touches with."""
        for name, link in self._robot.chain.links.items():
            if name in self._wheels:
                continue
            rotation, origin = self._poses[name]
            for shape in link.visuals or link.collisions:
                if shape.size_m:
                    yield name, origin + (shape.origin_m + _points(shape) @ shape.rotation.T) @ rotation.T

    def _draw_wheels(self, axes: Any, across: int) -> None:
        radius = self._robot.pendulum.wheel_radius_m
        for number, joint in enumerate(self._robot.body.wheel_joints):
            middle, half = self._poses[joint.child][1], 0.5 * self._width_m(joint)
            label = "wheel" if number == 0 else None
            if across == 0:
                ring = middle[[0, 2]] + radius * np.stack([np.cos(AROUND), np.sin(AROUND)], axis=1)
            else:
                ring = middle[[1, 2]] + np.array([[-half, -radius], [half, -radius], [half, radius], [-half, radius]])
            axes.fill(*ring.T, facecolor=WHEEL, alpha=0.18, edgecolor=WHEEL, lw=1.6, label=label)

    def _width_m(self, joint: Any) -> float:
        """Of a wheel, as far as its shapes tell; a third of its radius otherwise."""
        radius, chain = self._robot.pendulum.wheel_radius_m, self._robot.chain
        found = wheel_shape(chain, joint)
        shapes = [shape for link in chain.rigid(joint.child) for shape in chain.links[link].visuals]
        widths = [shape.size_m[1] for shape in ([found[1]] if found else []) + shapes if shape.kind == "cylinder"]
        widths += [min(shape.size_m) for shape in shapes if shape.kind == "mesh" and shape.size_m]
        return min([*widths, 2.0 * radius]) if widths else radius / 3.0

    def _draw_joints(self, axes: Any, across: int) -> None:
        """Each hinge: a ring where one looks along its axis, a line where one looks across it."""
        label: str | None = "joint axis"
        for joint in self._robot.chain.joints:
            if not joint.turns:
                continue
            rotation, place = self._poses[joint.parent][0], self._poses[joint.child][1]
            axis = 0.25 * self._robot.pendulum.wheel_radius_m * (rotation @ joint.rotation @ joint.axis)
            ends = np.stack([place - axis, place + axis])[:, [across, 2]]
            axes.plot(*ends.T, color=JOINT, lw=2.0, label=label)
            axes.plot(place[across], place[2], marker="o", ms=5, mfc="white", mec=JOINT, mew=1.3, ls="")
            label = None

    def _draw_pendulum(self, axes: Any, across: int) -> None:
        pendulum = self._robot.pendulum
        axle, com = self._axle[[across, 2]], self._com[[across, 2]]
        axes.plot(*np.stack([axle, com]).T, color=PENDULUM, lw=2.4, label="pendulum", zorder=5)
        gyration = float(np.sqrt(pendulum.body_inertia_kg_m2 / pendulum.body_mass_kg))
        if across == 0:
            ring = com + gyration * np.stack([np.cos(AROUND), np.sin(AROUND)], axis=1)
            axes.plot(*ring.T, color=PENDULUM, lw=1.0, ls="--", label="radius of gyration", zorder=5)
        axes.plot(*com, marker="o", ms=10, mfc="white", mec=PENDULUM, mew=2.0, ls="", zorder=6, label="centre of mass")
        axes.plot(*com, marker="+", ms=9, color=PENDULUM, mew=1.5, ls="", zorder=6)
        height = self.extent()[1][2]
        beside = (com[0] + 0.05 * height, com[1] + 0.05 * height)
        text = f"{1000 * pendulum.body_height_m:.0f} mm above the axle\n{pendulum.body_mass_kg:.3g} kg"
        if across == 0:
            axes.annotate(text, beside, fontsize=8, color=PENDULUM, va="center", zorder=7,
                          bbox={"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 1.5})  # fmt: skip

    def _draw_axes(self, axes: Any, across: int) -> None:
        """The base's axes at its origin."""
        base = self._poses[self._robot.chain.base][1]
        length = 0.35 * self.extent()[1][2]
        for index, name, colour in ((across, "xy"[across], "#15803d"), (2, "z", "#b91c1c")):
            tip = base + length * np.eye(3)[index]
            axes.annotate("", tip[[across, 2]], base[[across, 2]], zorder=4,
                          arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.4})  # fmt: skip
            beyond = base + 1.06 * length * np.eye(3)[index]
            axes.text(*beyond[[across, 2]], name, color=colour, fontsize=9, ha="center", va="center")


def _points(shape: Shape) -> np.ndarray:
    """Points (N, 3) on the outside of a shape, in its own axes."""
    if shape.kind == "sphere":
        return np.concatenate([_ring(shape.size_m[0], axis) for axis in range(3)])
    if shape.kind == "cylinder":
        radius, length = shape.size_m
        ring = _ring(radius, 2)
        return np.concatenate([ring + [0.0, 0.0, way * length / 2.0] for way in (-1.0, 1.0)])
    signs = np.stack(np.meshgrid(*([[-0.5, 0.5]] * 3)), axis=-1).reshape(-1, 3)
    return signs * np.array(shape.size_m)


def _ring(radius_m: float, axis: int) -> np.ndarray:
    ring = np.zeros((len(AROUND), 3))
    first, second = (index for index in range(3) if index != axis)
    ring[:, first], ring[:, second] = radius_m * np.cos(AROUND), radius_m * np.sin(AROUND)
    return ring


def _hull(points: np.ndarray) -> np.ndarray:
    """The convex outline (M, 2) of points (N, 2), by Andrew's monotone chain (Inf. Process. Lett. 9(5), 1979)."""
    ordered = sorted({(float(x), float(y)) for x, y in np.round(points, 9)})

    def half(run: list[tuple[float, float]]) -> list[tuple[float, float]]:
        kept: list[tuple[float, float]] = []
        for point in run:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], point) <= 0.0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    return np.array(half(ordered) + half(ordered[::-1]))


def _turn(one: tuple[float, float], two: tuple[float, float], three: tuple[float, float]) -> float:
    return (two[0] - one[0]) * (three[1] - one[1]) - (two[1] - one[1]) * (three[0] - one[0])
