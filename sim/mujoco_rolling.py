"""Rolling resistance in MuJoCo.

The engine has a friction against rolling, but within one cone with the friction against sliding: a wheel that rolls
would have used up the cone and slip. PyBullet solves the two apart, and so does this.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from robot_il.robot import Robot
from sim.engine import STEP_S
from sim.ground import Ground


class RollingResistance:
    """A torque on each wheel against its turning over the ground, in proportion to what presses it down.

    Near rest it is what brings the wheel to rest within one step, as far as that is less. A robot that leans on its
    drives without rolling creeps by less than a millimetre a second.
    """

    def __init__(self, model: Any, data: Any, robot: Robot, ground: Ground, wheels: list[int]) -> None:
        self._model, self._data, self._wheels = model, data, wheels
        self._rolling_m = ground.rolling_m
        self._axes = [model.jnt_axis[model.body_jntadr[wheel]].copy() for wheel in wheels]
        self._stopping_nm_s = _inertia(robot) / STEP_S
        self._moving = np.empty(6)
        self._loads_n = [0.0, 0.0]

    def weigh(self) -> None:
        """Notes what pressed the wheels down in the step whose forces the engine has just found."""
        data, bodies = self._data, self._model.geom_bodyid
        self._loads_n = [0.0, 0.0]
        for contact in data.contact:
            for geom in contact.geom:
                if bodies[geom] in self._wheels and contact.efc_address >= 0:
                    self._loads_n[self._wheels.index(bodies[geom])] += float(data.efc_force[contact.efc_address])

    def resist(self) -> None:
        """Sets the torques for the coming step."""
        data, moving = self._data, self._moving
        for wheel, axis, load_n in zip(self._wheels, self._axes, self._loads_n, strict=True):
            mujoco.mj_objectVelocity(self._model, data, mujoco.mjtObj.mjOBJ_BODY, wheel, moving, 0)
            axle = data.xmat[wheel].reshape(3, 3) @ axis
            most_nm = self._rolling_m * load_n
            torque_nm = min(max(-self._stopping_nm_s * float(moving[:3] @ axle), -most_nm), most_nm)
            data.xfrc_applied[wheel, 3:] = torque_nm * axle


def _inertia(robot: Robot) -> float:
    """What a torque on one wheel has to turn, in kg m^2: of half the robot, the body free to lean.

    With the names of ``robot_il.control.lqr.linear_dynamics``: a force at the axle moves M + J/r^2 + m I / (I + m l^2).
    """
    body = robot.pendulum
    about_axle = body.body_inertia_kg_m2 + body.body_mass_kg * body.body_height_m**2
    carried = body.body_mass_kg * body.body_inertia_kg_m2 / about_axle
    return 0.5 * (body.wheel_inertia_kg_m2 + body.wheel_radius_m**2 * (body.wheel_mass_kg + carried))
