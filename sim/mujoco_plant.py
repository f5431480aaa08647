"""The robot's body and the floor in MuJoCo, in steps of one millisecond: the second engine behind ``sim.engine``."""

from __future__ import annotations

import math
import struct
from typing import Any

import mujoco
import numpy as np

from robot_il.robot import LEG_JOINTS, WHEEL_JOINTS, Robot
from robot_il.urdf import rotation_y
from sim.attitude import Quaternion, Vector, product, yaw_of
from sim.conditions import Conditions
from sim.engine import GRAVITY_M_S2, JAM_NM, STILL
from sim.ground import Ground
from sim.legs import LegWay
from sim.mujoco_model import BASE_FLOATS, BUMP, LEAST_FRICTION_NM, compile_model
from sim.mujoco_rolling import RollingResistance

_QUATERNION, _VECTOR, _JOINT = struct.Struct("4d"), struct.Struct("3d"), struct.Struct("2d")


class MujocoPlant:
    """See ``sim.engine.Plant``.

    What a step leaves behind is read as plain floats from the engine's own memory, where its sensors put it.
    """

    def __init__(self, robot: Robot, conditions: Conditions) -> None:
        self._robot = robot
        self._ground = Ground.of(robot, conditions)
        self._model = model = compile_model(robot, conditions, self._ground)
        self._data = data = mujoco.MjData(model)
        self._base = int(model.body(robot.chain.base).id)
        wheels = [model.joint(name) for name in WHEEL_JOINTS]
        self._wheel_places = [int(joint.qposadr[0]) for joint in wheels]
        self._wheel_dofs = [int(joint.dofadr[0]) for joint in wheels]
        self._left_dof, self._right_dof = self._wheel_dofs
        self._wheels = [int(model.jnt_bodyid[joint.id]) for joint in wheels]
        self._way = LegWay(robot)
        legs = [model.joint(name) for name in self._way.joints]
        self._leg_places = [int(joint.qposadr[0]) for joint in legs]
        self._leg_dofs = [int(joint.dofadr[0]) for joint in legs]
        self._leg_motors: list[tuple[int, int, float]] = []
        self._missing = [place for place, name in enumerate(WHEEL_JOINTS + LEG_JOINTS) if not _has(robot, name)]
        self._base_sensed = _floats(data.sensordata)
        self._joints_sensed = self._base_sensed[BASE_FLOATS:]
        self._angles, self._applied = _floats(data.qpos), _floats(data.qfrc_applied)
        self._rolling = (
            RollingResistance(model, data, robot, self._ground, self._wheels) if self._ground.rolling_m else None
        )
        self._pushed = False
        self._jammed: set[str] = set()
        self.base_com_m = model.body_ipos[self._base].copy()
        self._lifted_m = (conditions.com_height_scale - 1.0) * robot.pendulum.body_height_m
        self._lay_out()
        self.place(conditions.initial_pitch_rad)
        self._set_on_floor()
        self.place(conditions.initial_pitch_rad)
        self._find_rows()

    def close(self) -> None:
        """See ``sim.engine.Plant``; the engine's memory goes with the plant itself."""

    def place(
        self,
        pitch_rad: float,
        yaw_rad: float = 0.0,
        pitch_rate_rad_s: float = 0.0,
        velocity_m_s: float = 0.0,
        rolled_rad: float = 0.0,
    ) -> None:
        """See ``sim.engine.Plant``."""
        if self._laid_out_m != self._way.height_m:
            self._lay_out()
        data, radius = self._data, self._robot.pendulum.wheel_radius_m
        half_yaw, half_pitch = yaw_rad / 2, pitch_rad / 2
        x, y, z, w = product(
            (0.0, 0.0, math.sin(half_yaw), math.cos(half_yaw)), (0.0, math.sin(half_pitch), 0.0, math.cos(half_pitch))
        )
        heading = np.array([math.cos(yaw_rad), math.sin(yaw_rad), 0.0])
        left = np.array([-heading[1], heading[0], 0.0])
        arm = rotation_y(pitch_rad) @ self._base_from_axle_m
        arm = arm[0] * heading + arm[1] * left + np.array([0.0, 0.0, arm[2]])
        data.qpos[:3] = arm + self._ground.axle(yaw_rad)
        data.qpos[3:7] = w, x, y, z
        data.qpos[self._leg_places] = self._way.targets_rad
        data.qpos[self._wheel_places] += rolled_rad
        data.qvel[:] = 0.0
        data.qvel[:3] = self._ground.ahead(yaw_rad) * velocity_m_s + np.cross(left * pitch_rate_rad_s, arm)
        data.qvel[4] = pitch_rate_rad_s  # the engine has the base's rate in the base's own axes
        data.qvel[self._wheel_dofs] = velocity_m_s / radius - pitch_rate_rad_s
        if not self._ground.plain:
            self._lay_ground(yaw_rad)
        # the solver starts from its last answer; what comes now must not depend on what was before
        data.qacc_warmstart[:] = 0.0
        mujoco.mj_step1(self._model, data)
        self._observe()

    def step(self, torque_left_nm: float, torque_right_nm: float) -> None:
        """See ``sim.engine.Plant``.

        The engine's own step first finds out where things are and then moves them. Taken the other way round, places,
        contacts and sensors are those of now when it ends.
        """
        model, data, applied = self._model, self._data, self._applied
        applied[self._left_dof], applied[self._right_dof] = torque_left_nm, torque_right_nm
        if self._leg_motors:
            self._drive_legs()
        if self._rolling is None:
            mujoco.mj_step2(model, data)
        else:
            self._rolling.resist()
            mujoco.mj_step2(model, data)
            self._rolling.weigh()
        mujoco.mj_step1(model, data)
        if self._pushed:
            data.xfrc_applied[self._base] = 0.0
            self._pushed = False
        self._observe()

    def set_height(self, height_m: float) -> None:
        """See ``sim.engine.Plant``."""
        self._way.move(height_m)

    def push(self, force_n: float, left_n: float = 0.0) -> None:
        """See ``sim.engine.Plant``."""
        if self._laid_out_m != self._way.height_m:
            self._lay_out()
        data, yaw = self._data, yaw_of(self.quaternion)
        c, s = math.cos(yaw), math.sin(yaw)
        force = np.array([force_n * c - left_n * s, force_n * s + left_n * c, 0.0])
        arm = data.xmat[self._base].reshape(3, 3) @ self._push_from_com_m
        data.xfrc_applied[self._base, :3] += force
        data.xfrc_applied[self._base, 3:] += np.cross(arm, force)
        self._pushed = True

    def rub(self, left_nm: float, right_nm: float) -> None:
        """See ``sim.engine.Plant``."""
        for name, friction_nm in zip(WHEEL_JOINTS, (left_nm, right_nm), strict=True):
            if name not in self._jammed:
                self._set_friction(name, friction_nm)

    def jam(self, wheel: str) -> None:
        """See ``sim.engine.Plant``."""
        self._jammed.add(wheel)
        self._set_friction(wheel, JAM_NM)

    def axle(self) -> tuple[np.ndarray, np.ndarray]:
        """See ``sim.engine.Plant``."""
        velocity, moving = np.zeros(3), np.empty(6)
        for wheel in self._wheels:
            mujoco.mj_objectVelocity(self._model, self._data, mujoco.mjtObj.mjOBJ_BODY, wheel, moving, 0)
            velocity += moving[3:]
        left, right = self._data.xipos[self._wheels]
        return (left + right) / 2, velocity / 2

    def masses_kg(self) -> list[float]:
        """See ``sim.engine.Plant``."""
        masses: list[float] = self._model.body_mass[self._model.body_rootid == self._base].tolist()
        return masses

    def com_m(self) -> np.ndarray:
        """See ``sim.engine.Plant``."""
        com: np.ndarray = self._data.subtree_com[self._base].copy()
        return com

    def _observe(self) -> None:
        sensed = self._base_sensed
        self.com_position_m: Vector = _VECTOR.unpack_from(sensed, 0)
        self.com_velocity_m_s: Vector = _VECTOR.unpack_from(sensed, 24)
        self.angular_velocity_rad_s: Vector = _VECTOR.unpack_from(sensed, 48)
        w, x, y, z = _QUATERNION.unpack_from(sensed, 72)
        self.quaternion: Quaternion = (x, y, z, w)
        self.joints = list(_JOINT.iter_unpack(self._joints_sensed))
        for place in self._missing:
            self.joints.insert(place, STILL)

    def _drive_legs(self) -> None:
        """Has each leg's joint approach its target at a speed in proportion to what is left.

        A motor that gives what torque it takes for a speed, and no more than it can, is a friction whose rest is that
        speed. The engine's frictions come to rest at 0; what they are to reach is moved on from there.
        """
        wanted, angles = _floats(self._data.efc_aref), self._angles
        for (row, place, pull), target in zip(self._leg_motors, self._way.targets_rad, strict=True):
            wanted[row] += pull * (target - angles[place])

    def _set_friction(self, wheel: str, friction_nm: float) -> None:
        """Sets a wheel's Coulomb friction in the model, and where the coming step already has it."""
        place = WHEEL_JOINTS.index(wheel)
        friction = max(friction_nm, LEAST_FRICTION_NM)
        self._model.dof_frictionloss[self._wheel_dofs[place]] = friction
        self._data.efc_frictionloss[self._wheel_rows[place]] = friction

    def _find_rows(self) -> None:
        """Where the solver keeps the joints' frictions, and with what acceleration it answers a leg 1 rad off target.

        They are the first of its constraints, in the joints' order, whatever touches the floor.
        """
        data, legs = self._data, self._robot.legs
        kinds, dofs = data.efc_type[: data.nf], data.efc_id[: data.nf].tolist()
        if data.ne or np.any(kinds != mujoco.mjtConstraint.mjCNSTR_FRICTION_DOF):
            raise AssertionError(f"MuJoCo's constraints do not begin with the joints' frictions: {data.efc_type}")
        self._wheel_rows = [dofs.index(dof) for dof in self._wheel_dofs]
        rows = [dofs.index(dof) for dof in self._leg_dofs]
        if legs is not None:
            pulls = data.efc_KBIP[rows, 1] / legs.time_constant_s  # the solver's own damping, in 1/s
            self._leg_motors = list(zip(rows, self._leg_places, pulls.tolist(), strict=True))

    def _set_on_floor(self) -> None:
        """Has the wheels touch as far from the floor as they sink in by: what is set down then rests from the start.

        Otherwise a robot that is set down falls for a millisecond, and its accelerometer tells.
        """
        model, data = self._model, self._data
        load_n = 0.5 * GRAVITY_M_S2 * float(model.body_subtreemass[self._base])
        for contact in data.contact:
            row = contact.efc_address
            for geom in contact.geom:
                if model.geom_bodyid[geom] in self._wheels:
                    # at rest the softness R under the load balances the spring k = KBIP[0] over the depth
                    model.geom_margin[geom] = data.efc_R[row] * load_n / data.efc_KBIP[row, 0]

    def _lay_ground(self, yaw_rad: float) -> None:
        """Turns the floor, and what lies on it, to a heading."""
        model, data, (x, y, z, w) = self._model, self._data, self._ground.attitude(yaw_rad)
        data.mocap_quat[:] = w, x, y, z
        if self._ground.bump_m[0]:
            data.mocap_pos[model.body(BUMP).mocapid[0]] = self._ground.bump_middle(yaw_rad)

    def _lay_out(self) -> None:
        """Notes where the base lies from the axle, and the body's centre of mass from the base's, at this height."""
        axle, com = self._way.layout()
        self._base_from_axle_m = -axle
        self._push_from_com_m = com + np.array([0.0, 0.0, self._lifted_m]) - self.base_com_m
        self._laid_out_m = self._way.height_m


def _has(robot: Robot, joint: str) -> bool:
    return joint in WHEEL_JOINTS or joint in robot.held_rad


def _floats(array: Any) -> memoryview[float]:
    """The engine's own memory behind one of its arrays; reading and writing it is several times as fast."""
    return memoryview(array).cast("B").cast("d")
