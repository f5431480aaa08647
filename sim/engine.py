"""The interface behind which a physics engine moves the robot's body, and the choice of one by name."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from robot_il.errors import ConfigError
from robot_il.robot import Robot
from robot_il.spec import FIRMWARE_RATE_HZ
from sim.attitude import Quaternion, Vector
from sim.conditions import Conditions

if TYPE_CHECKING:
    import numpy as np

STEP_S = 1.0 / FIRMWARE_RATE_HZ
GRAVITY_M_S2 = 9.81
JAM_NM = 200.0
"""What it would take to turn a jammed wheel; many times what its drive can give."""
STILL = (0.0, 0.0)
"""State of a joint that the robot does not have."""

DEFAULT_ENGINE = "pybullet"
_PLANTS = {"pybullet": ("sim.plant", "Plant", "sim"), "mujoco": ("sim.mujoco_plant", "MujocoPlant", "mujoco")}
"""Name of an engine to the module and class of its plant, and the extra of this package that brings it."""
ENGINES = tuple(_PLANTS)
"""Names of the physics engines; each is imported only where it is chosen, and is a module of the same name."""


class Plant(Protocol):
    """One robot on the ground, wheels driven by torques, legs held; steps of one millisecond.

    After ``place`` and after every ``step`` the attributes show the body as it is, in plain floats. The same robot,
    conditions and calls give the same numbers, bit for bit, with one engine on one machine; two engines agree as far
    as ``robot-il twin engines`` shows.

    Attributes:
        quaternion: (x, y, z, w) from the body's axes to the world's.
        com_position_m: (x, y, z) of the base link's centre of mass.
        com_velocity_m_s: its velocity, in world axes.
        angular_velocity_rad_s: of the base link, in world axes.
        joints: (angle in rad, rate in rad/s, ...) each: wheels left and right, then hip and knee left, hip and knee
            right; one that the robot does not have stays at 0.
        base_com_m: (3,) the base link's centre of mass from its origin, in the body's axes.
    """

    quaternion: Quaternion
    com_position_m: Vector
    com_velocity_m_s: Vector
    angular_velocity_rad_s: Vector
    joints: Sequence[Sequence[float]]
    base_com_m: np.ndarray

    def close(self) -> None:
        """Gives the engine's memory back; the plant is of no use afterwards."""

    def place(
        self,
        pitch_rad: float,
        yaw_rad: float = 0.0,
        pitch_rate_rad_s: float = 0.0,
        velocity_m_s: float = 0.0,
        rolled_rad: float = 0.0,
    ) -> None:
        """Sets the robot down at the origin, legs at their height, leaning, wheels on the floor and not slipping.

        The wheels keep their angles, so that their encoders do not jump. A slope rises, and a bump lies, ahead of the
        robot as it is set down, whatever its heading.

        Args:
            pitch_rad: lean, forward positive.
            yaw_rad: heading, left positive.
            pitch_rate_rad_s: rate about the axle at which the body is leaning on.
            velocity_m_s: of the axle, along the heading.
            rolled_rad: added to both wheels' angles against the body.
        """

    def step(self, torque_left_nm: float, torque_right_nm: float) -> None:
        """Advances the world by one millisecond under constant wheel torques."""

    def set_height(self, height_m: float) -> None:
        """Tells the legs where to hold the base; they go there from the next step on.

        Args:
            height_m: of the base link's origin above the axle, cut to what the legs reach.
        """

    def push(self, force_n: float, left_n: float = 0.0) -> None:
        """Applies a horizontal force at the body's centre of mass, during the next step only.

        Args:
            force_n: along the heading.
            left_n: across it.
        """

    def rub(self, left_nm: float, right_nm: float) -> None:
        """Sets the friction that holds the wheels' joints, Coulomb's, from the next step on."""

    def jam(self, wheel: str) -> None:
        """Blocks a wheel for good: its joint sticks whatever the drive does.

        Args:
            wheel: one of ``robot.WHEEL_JOINTS``.
        """

    def axle(self) -> tuple[np.ndarray, np.ndarray]:
        """Position (3,) in m and velocity (3,) in m/s of the middle of the axle, in the world's axes."""

    def masses_kg(self) -> list[float]:
        """Mass of every link as the engine has it, base first."""

    def com_m(self) -> np.ndarray:
        """Centre of mass (3,) of the whole robot in the world, in m, from the engine's own link positions."""


def make_plant(engine: str, robot: Robot, conditions: Conditions) -> Plant:
    """Builds a robot's body in an engine.

    Args:
        engine: one of ``ENGINES``.
        robot: profile.
        conditions: of the episode.

    Raises:
        ConfigError: an unknown engine, one that is not installed, or a robot that it cannot load.
    """
    check_engine(engine)
    module, name, extra = _PLANTS[engine]
    try:
        plant: Plant = getattr(importlib.import_module(module), name)(robot, conditions)
    except ModuleNotFoundError as error:
        if error.name != engine:
            raise
        raise ConfigError(
            f"the physics engine {engine}",
            f"an install without the module {engine!r}",
            f"install it from the repository with: pip install '.[{extra}]'",
        ) from error
    return plant


def check_engine(engine: str) -> None:
    """Refuses a name that is none of ``ENGINES``.

    Raises:
        ConfigError: it is none.
    """
    if engine not in _PLANTS:
        raise ConfigError(f"one of the physics engines {', '.join(ENGINES)}", repr(engine), "choose one of them")
