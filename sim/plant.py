"""The robot's body and the floor in PyBullet, in steps of one millisecond."""

from __future__ import annotations

import math
import tempfile
import weakref
from pathlib import Path

import numpy as np

from robot_il.errors import ConfigError
from robot_il.robot import LEG_JOINTS, WHEEL_JOINTS, Legs, Robot
from robot_il.spec import FIRMWARE_RATE_HZ
from robot_il.urdf import rotation_y
from sim.attitude import Quaternion, product, yaw_of
from sim.body import physics_urdf
from sim.conditions import Conditions
from sim.physics import bullet

STEP_S = 1.0 / FIRMWARE_RATE_HZ
GRAVITY_M_S2 = 9.81
SOLVER_ITERATIONS = 20
"""With one contact a wheel and six joint motors the solver settles well before this."""
JAM_NM = 200.0
"""What it would take to turn a jammed wheel; many times what its drive can give."""
STILL = (0.0, 0.0)
"""State of a joint that the robot does not have."""


class Plant:
    """One robot on level ground, in a physics client of its own; the wheels take torques, motors hold the legs.

    After ``place`` and after every ``step`` the attributes show the body as it is.

    Attributes:
        quaternion: (x, y, z, w) from the body's axes to the world's.
        com_position_m: (x, y, z) of the base link's centre of mass.
        com_velocity_m_s: its velocity, in world axes.
        angular_velocity_rad_s: of the base link, in world axes.
        joints: PyBullet's joint states, (angle in rad, rate in rad/s, ...) each: wheels left and right, then hip and
            knee left, hip and knee right; one that the robot does not have stays at 0.
    """

    def __init__(self, robot: Robot, conditions: Conditions) -> None:
        self._robot = robot
        self._client = client = bullet.connect(bullet.DIRECT)
        if client < 0:
            raise ConfigError("a free physics client", "none", "close twins that are no longer needed")
        self._finalizer = weakref.finalize(self, bullet.disconnect, client)
        bullet.setTimeStep(STEP_S, physicsClientId=client)
        bullet.setGravity(0.0, 0.0, -GRAVITY_M_S2, physicsClientId=client)
        bullet.setPhysicsEngineParameter(numSolverIterations=SOLVER_ITERATIONS, physicsClientId=client)
        self._floor = bullet.createMultiBody(
            0.0, bullet.createCollisionShape(bullet.GEOM_PLANE, physicsClientId=client), physicsClientId=client
        )
        self._body = _load(robot, conditions, client)
        names = [
            bullet.getJointInfo(self._body, joint, physicsClientId=client)[1].decode()
            for joint in range(bullet.getNumJoints(self._body, physicsClientId=client))
        ]
        self._wheels = [names.index(joint) for joint in WHEEL_JOINTS]
        self._held = {names.index(joint): angle for joint, angle in robot.held_rad.items()}
        self._all = self._wheels + [names.index(joint) for joint in LEG_JOINTS if joint in names]
        self._missing = [place for place, joint in enumerate(WHEEL_JOINTS + LEG_JOINTS) if joint not in names]
        self._torques = [0.0, 0.0]
        self._set_physics(conditions)
        self._set_geometry(conditions)
        self.place(conditions.initial_pitch_rad)

    def close(self) -> None:
        """Gives the physics client back; the plant is of no use afterwards."""
        self._finalizer()

    def place(
        self, pitch_rad: float, yaw_rad: float = 0.0, pitch_rate_rad_s: float = 0.0, velocity_m_s: float = 0.0
    ) -> None:
        """Sets the robot down at the origin in its nominal posture, leaning, wheels on the floor and not slipping.

        The wheels keep their angles, so that their encoders do not jump.

        Args:
            pitch_rad: lean, forward positive.
            yaw_rad: heading, left positive.
            pitch_rate_rad_s: rate about the axle at which the body is leaning on.
            velocity_m_s: of the axle, along the heading.
        """
        client, body = self._client, self._body
        c, s = math.cos(yaw_rad / 2), math.sin(yaw_rad / 2)
        tilt_c, tilt_s = math.cos(pitch_rad / 2), math.sin(pitch_rad / 2)
        heading = np.array([math.cos(yaw_rad), math.sin(yaw_rad), 0.0])
        left = np.array([-heading[1], heading[0], 0.0])
        arm = rotation_y(pitch_rad) @ self._com_from_axle_m
        arm = arm[0] * heading + arm[1] * left + np.array([0.0, 0.0, arm[2]])
        position = arm + np.array([0.0, 0.0, self._robot.pendulum.wheel_radius_m])
        quaternion = (-tilt_s * s, tilt_s * c, tilt_c * s, tilt_c * c)
        rate = left * pitch_rate_rad_s
        velocity = heading * velocity_m_s + np.cross(rate, arm)
        rolling = velocity_m_s / self._robot.pendulum.wheel_radius_m
        for wheel in self._wheels:
            angle = bullet.getJointState(body, wheel, physicsClientId=client)[0]
            bullet.resetJointState(body, wheel, angle, rolling - pitch_rate_rad_s, physicsClientId=client)
        for joint, angle in self._held.items():
            bullet.resetJointState(body, joint, angle, 0.0, physicsClientId=client)
        if self._principal is not None:
            quaternion = product(quaternion, self._principal)
        bullet.resetBasePositionAndOrientation(body, position.tolist(), quaternion, physicsClientId=client)
        bullet.resetBaseVelocity(body, velocity.tolist(), rate.tolist(), physicsClientId=client)
        self._observe()

    def step(self, torque_left_nm: float, torque_right_nm: float) -> None:
        """Advances the world by one millisecond under constant wheel torques."""
        torques = self._torques
        torques[0], torques[1] = torque_left_nm, torque_right_nm
        bullet.setJointMotorControlArray(
            self._body, self._wheels, bullet.TORQUE_CONTROL, forces=torques, physicsClientId=self._client
        )
        bullet.stepSimulation(physicsClientId=self._client)
        self._observe()

    def push(self, force_n: float) -> None:
        """Applies a horizontal force along the heading at the body's centre of mass, during the next step only."""
        rotation = np.array(bullet.getMatrixFromQuaternion(self.quaternion)).reshape(3, 3)
        point = np.array(self.com_position_m) + rotation @ self._push_from_com_m
        yaw = yaw_of(self.quaternion)
        force = (force_n * math.cos(yaw), force_n * math.sin(yaw), 0.0)
        bullet.applyExternalForce(
            self._body, -1, force, point.tolist(), bullet.WORLD_FRAME, physicsClientId=self._client
        )

    def jam(self, wheel: str) -> None:
        """Blocks a wheel for good: its joint sticks whatever the drive does.

        Args:
            wheel: one of ``robot.WHEEL_JOINTS``.
        """
        joint = self._wheels[WHEEL_JOINTS.index(wheel)]
        bullet.setJointMotorControl2(
            self._body, joint, bullet.VELOCITY_CONTROL, targetVelocity=0.0, force=JAM_NM, physicsClientId=self._client
        )

    def axle(self) -> tuple[np.ndarray, np.ndarray]:
        """Position (3,) in m and velocity (3,) in m/s of the middle of the axle, in the world's axes."""
        states = [
            bullet.getLinkState(
                self._body, wheel, computeLinkVelocity=1, computeForwardKinematics=1, physicsClientId=self._client
            )
            for wheel in self._wheels
        ]
        return np.mean([state[0] for state in states], axis=0), np.mean([state[6] for state in states], axis=0)

    def masses_kg(self) -> list[float]:
        """Mass of every link as the engine has it, base first."""
        links = range(-1, bullet.getNumJoints(self._body, physicsClientId=self._client))
        return [bullet.getDynamicsInfo(self._body, link, physicsClientId=self._client)[0] for link in links]

    def com_m(self) -> np.ndarray:
        """Centre of mass (3,) of the whole robot in the world, from the engine's own link positions."""
        count = bullet.getNumJoints(self._body, physicsClientId=self._client)
        states = bullet.getLinkStates(
            self._body, list(range(count)), computeForwardKinematics=1, physicsClientId=self._client
        )
        positions = np.array([self.com_position_m, *(state[0] for state in states)])
        masses = np.array(self.masses_kg())
        return masses @ positions / masses.sum()

    def _observe(self) -> None:
        client, body = self._client, self._body
        self.com_position_m, self.quaternion = bullet.getBasePositionAndOrientation(body, physicsClientId=client)
        self.com_velocity_m_s, self.angular_velocity_rad_s = bullet.getBaseVelocity(body, physicsClientId=client)
        self.joints = bullet.getJointStates(body, self._all, physicsClientId=client)
        if self._missing:
            joints = list(self.joints)
            for place in self._missing:
                joints.insert(place, STILL)
            self.joints = joints
        if self._principal is not None:
            x, y, z, w = self._principal
            self.quaternion = product(self.quaternion, (-x, -y, -z, w))

    def _set_physics(self, conditions: Conditions) -> None:
        """Friction, and what the engine adds unless told otherwise: damping of every link, motors in every joint."""
        robot, client, body = self._robot, self._client, self._body
        bullet.changeDynamics(self._floor, -1, lateralFriction=1.0, physicsClientId=client)
        for link in range(-1, bullet.getNumJoints(body, physicsClientId=client)):
            bullet.changeDynamics(
                body,
                link,
                lateralFriction=robot.contact.friction_1,
                linearDamping=0.0,
                angularDamping=0.0,
                jointDamping=0.0,
                physicsClientId=client,
            )
        for wheel in self._wheels:
            viscous = robot.drive.viscous_friction_nm_s * conditions.friction_scale
            bullet.changeDynamics(body, wheel, jointDamping=viscous, physicsClientId=client)
            # A velocity motor towards rest, of bounded torque, is Coulomb friction with true sticking.
            bullet.setJointMotorControl2(
                body,
                wheel,
                bullet.VELOCITY_CONTROL,
                targetVelocity=0.0,
                force=robot.drive.coulomb_friction_nm * conditions.friction_scale,
                physicsClientId=client,
            )
        if robot.legs is not None:
            self._hold_legs(robot.legs)

    def _hold_legs(self, legs: Legs) -> None:
        for joint, angle in self._held.items():
            bullet.setJointMotorControl2(
                self._body,
                joint,
                bullet.POSITION_CONTROL,
                targetPosition=angle,
                positionGain=STEP_S / legs.time_constant_s,
                velocityGain=1.0,
                force=legs.torque_limit_nm,
                physicsClientId=self._client,
            )

    def _set_geometry(self, conditions: Conditions) -> None:
        """Where, in the base's axes, axle and body centre of mass lie from the base's own centre of mass.

        The engine speaks of the base in the principal axes of its inertia; where those are not the body's own, poses
        are turned on their way in and out.
        """
        dynamics = bullet.getDynamicsInfo(self._body, -1, physicsClientId=self._client)
        base_com, axes = np.array(dynamics[3]), dynamics[4]
        self._principal: Quaternion | None = None if np.allclose(axes, (0.0, 0.0, 0.0, 1.0)) else axes
        chain, angles = self._robot.chain, self._robot.joint_angles_rad
        poses = chain.poses(angles)
        joints = [joint for joint in chain.joints if joint.name in WHEEL_JOINTS]
        wheels = [name for joint in joints for name in chain.rigid(joint.child)]
        axle = np.mean([poses[joint.child][1] for joint in joints], axis=0)
        _, com, _ = chain.mass_properties(angles, tuple(name for name in chain.links if name not in wheels))
        self._com_from_axle_m = base_com - axle
        self.base_com_m = base_com
        lifted = (conditions.com_height_scale - 1.0) * self._robot.pendulum.body_height_m
        self._push_from_com_m = com + np.array([0.0, 0.0, lifted]) - base_com


def _load(robot: Robot, conditions: Conditions, client: int) -> int:
    """Loads the robot's body as the conditions have it."""
    flags = bullet.URDF_USE_INERTIA_FROM_FILE | bullet.URDF_USE_IMPLICIT_CYLINDER
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "body.urdf"
        path.write_text(physics_urdf(robot, conditions), encoding="utf-8")
        try:
            return bullet.loadURDF(str(path), flags=flags, physicsClientId=client)
        except bullet.error as error:
            raise ConfigError(
                "a body that PyBullet can load", f"{robot.urdf_path}: {error}", "compare robot-il robot show with it"
            ) from error
