"""The robot's body and the floor in PyBullet, in steps of one millisecond."""

from __future__ import annotations

import math
import tempfile
import weakref
from pathlib import Path

import numpy as np

from robot_il.errors import ConfigError
from robot_il.robot import LEG_JOINTS, WHEEL_JOINTS, Robot
from robot_il.urdf import rotation_y
from sim.attitude import Quaternion, product, yaw_of
from sim.body import physics_urdf
from sim.conditions import Conditions
from sim.engine import GRAVITY_M_S2, JAM_NM, STEP_S, STILL
from sim.ground import Ground
from sim.legs import LegWay
from sim.physics import bullet

SOLVER_ITERATIONS = 20
"""With one contact a wheel and six joint motors the solver settles well before this."""
SETTLED_M = GRAVITY_M_S2 * STEP_S**2
"""How deep in the floor a wheel at rest lies here. Set down on top of it the robot would fall free for a step and be
thrown back in the next, and the accelerometer would tell the MCU of a lean that there is not."""


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
        self._ground = Ground.of(robot, conditions)
        self._bump = _bump(self._ground, client)
        self._body = _load(robot, conditions, client)
        names = [
            bullet.getJointInfo(self._body, joint, physicsClientId=client)[1].decode()
            for joint in range(bullet.getNumJoints(self._body, physicsClientId=client))
        ]
        self._wheels = [names.index(joint) for joint in WHEEL_JOINTS]
        self._way = LegWay(robot)
        self._held = [names.index(joint) for joint in self._way.joints]
        if robot.legs is not None:
            self._leg_gains = [STEP_S / robot.legs.time_constant_s] * len(self._held), [1.0] * len(self._held)
            self._leg_forces = [robot.legs.torque_limit_nm] * len(self._held)
        self._all = self._wheels + [names.index(joint) for joint in LEG_JOINTS if joint in names]
        self._missing = [place for place, joint in enumerate(WHEEL_JOINTS + LEG_JOINTS) if joint not in names]
        self._torques = [0.0, 0.0]
        self._frictions = [0.0, 0.0]
        self._jams = [0.0, 0.0]
        self._set_physics(conditions)
        self._set_geometry(conditions)
        self.place(conditions.initial_pitch_rad)

    def close(self) -> None:
        """Gives the physics client back; the plant is of no use afterwards."""
        self._finalizer()

    def place(
        self,
        pitch_rad: float,
        yaw_rad: float = 0.0,
        pitch_rate_rad_s: float = 0.0,
        velocity_m_s: float = 0.0,
        rolled_rad: float = 0.0,
    ) -> None:
        """See ``sim.engine.Plant``."""
        client, body = self._client, self._body
        if self._laid_out_m != self._way.height_m:
            self._lay_out()
        c, s = math.cos(yaw_rad / 2), math.sin(yaw_rad / 2)
        tilt_c, tilt_s = math.cos(pitch_rad / 2), math.sin(pitch_rad / 2)
        heading = np.array([math.cos(yaw_rad), math.sin(yaw_rad), 0.0])
        left = np.array([-heading[1], heading[0], 0.0])
        arm = rotation_y(pitch_rad) @ self._com_from_axle_m
        arm = arm[0] * heading + arm[1] * left + np.array([0.0, 0.0, arm[2]])
        position = arm + self._ground.axle(yaw_rad) - np.array([0.0, 0.0, SETTLED_M])
        quaternion = (-tilt_s * s, tilt_s * c, tilt_c * s, tilt_c * c)
        rate = left * pitch_rate_rad_s
        velocity = self._ground.ahead(yaw_rad) * velocity_m_s + np.cross(rate, arm)
        rolling = velocity_m_s / self._robot.pendulum.wheel_radius_m
        for wheel in self._wheels:
            angle = bullet.getJointState(body, wheel, physicsClientId=client)[0] + rolled_rad
            bullet.resetJointState(body, wheel, angle, rolling - pitch_rate_rad_s, physicsClientId=client)
        for joint, angle in zip(self._held, self._way.targets_rad, strict=True):
            bullet.resetJointState(body, joint, angle, 0.0, physicsClientId=client)
        if self._principal is not None:
            quaternion = product(quaternion, self._principal)
        if not self._ground.plain:
            self._lay_ground(yaw_rad)
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

    def set_height(self, height_m: float) -> None:
        """Tells the legs where to hold the base; their motors take it there from the next step on.

        Args:
            height_m: of the base link's origin above the axle, cut to what the legs reach.
        """
        if self._way.move(height_m):
            self._hold_legs()

    def push(self, force_n: float, left_n: float = 0.0) -> None:
        """Applies a horizontal force at the body's centre of mass, during the next step only.

        Args:
            force_n: along the heading.
            left_n: across it.
        """
        if self._laid_out_m != self._way.height_m:
            self._lay_out()
        rotation = np.array(bullet.getMatrixFromQuaternion(self.quaternion)).reshape(3, 3)
        point = np.array(self.com_position_m) + rotation @ self._push_from_com_m
        yaw = yaw_of(self.quaternion)
        c, s = math.cos(yaw), math.sin(yaw)
        force = (force_n * c - left_n * s, force_n * s + left_n * c, 0.0)
        bullet.applyExternalForce(
            self._body, -1, force, point.tolist(), bullet.WORLD_FRAME, physicsClientId=self._client
        )

    def rub(self, left_nm: float, right_nm: float) -> None:
        """Sets the friction that holds the wheels' joints, Coulomb's, from the next step on."""
        frictions = self._frictions
        frictions[0], frictions[1] = max(left_nm, self._jams[0]), max(right_nm, self._jams[1])
        bullet.setJointMotorControlArray(
            self._body, self._wheels, bullet.VELOCITY_CONTROL, forces=frictions, physicsClientId=self._client
        )

    def jam(self, wheel: str) -> None:
        """Blocks a wheel for good: its joint sticks whatever the drive does.

        Args:
            wheel: one of ``robot.WHEEL_JOINTS``.
        """
        self._jams[WHEEL_JOINTS.index(wheel)] = JAM_NM
        joint = self._wheels[WHEEL_JOINTS.index(wheel)]
        bullet.setJointMotorControl2(
            self._body, joint, bullet.VELOCITY_CONTROL, targetVelocity=0.0, force=JAM_NM, physicsClientId=self._client
        )

    def axle(self) -> tuple[np.ndarray, np.ndarray]:
        """Position (3,) in m and velocity (3,) in m/s of the middle of the axle, in the world's axes."""
        left, right = bullet.getLinkStates(
            self._body, self._wheels, computeLinkVelocity=1, computeForwardKinematics=1, physicsClientId=self._client
        )
        position = [(one + other) / 2 for one, other in zip(left[0], right[0], strict=True)]
        velocity = [(one + other) / 2 for one, other in zip(left[6], right[6], strict=True)]
        return np.array(position), np.array(velocity)

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

    def _lay_ground(self, yaw_rad: float) -> None:
        """Turns the floor, and what lies on it, to a heading."""
        attitude, client = self._ground.attitude(yaw_rad), self._client
        bullet.resetBasePositionAndOrientation(self._floor, (0.0, 0.0, 0.0), attitude, physicsClientId=client)
        if self._bump is not None:
            middle = self._ground.bump_middle(yaw_rad).tolist()
            bullet.resetBasePositionAndOrientation(self._bump, middle, attitude, physicsClientId=client)

    def _set_physics(self, conditions: Conditions) -> None:
        """Friction, and what the engine adds unless told otherwise: damping of every link, motors in every joint."""
        robot, client, body = self._robot, self._client, self._body
        for body_below in (self._floor, self._bump):
            if body_below is not None:
                friction = self._ground.floor_friction_1
                bullet.changeDynamics(body_below, -1, lateralFriction=friction, physicsClientId=client)
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
            if self._ground.rolling_m:
                # The engine multiplies it with the floor's friction.
                rolling = self._ground.rolling_m / self._ground.floor_friction_1
                bullet.changeDynamics(body, wheel, rollingFriction=rolling, physicsClientId=client)
            # A velocity motor towards rest, of bounded torque, is Coulomb friction with true sticking.
            bullet.setJointMotorControl2(
                body,
                wheel,
                bullet.VELOCITY_CONTROL,
                targetVelocity=0.0,
                force=robot.drive.coulomb_friction_nm * conditions.friction_scale,
                physicsClientId=client,
            )
        self._hold_legs()

    def _hold_legs(self) -> None:
        if self._held:
            bullet.setJointMotorControlArray(
                self._body,
                self._held,
                bullet.POSITION_CONTROL,
                targetPositions=self._way.targets_rad,
                positionGains=self._leg_gains[0],
                velocityGains=self._leg_gains[1],
                forces=self._leg_forces,
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
        self.base_com_m = base_com
        self._lifted_m = (conditions.com_height_scale - 1.0) * self._robot.pendulum.body_height_m
        self._lay_out()

    def _lay_out(self) -> None:
        """Notes where axle and body centre of mass are at the present height."""
        axle, com = self._way.layout()
        self._com_from_axle_m = self.base_com_m - axle
        self._push_from_com_m = com + np.array([0.0, 0.0, self._lifted_m]) - self.base_com_m
        self._laid_out_m = self._way.height_m


def _bump(ground: Ground, client: int) -> int | None:
    """A bar across the way, where there is one."""
    if not ground.bump_m[0]:
        return None
    shape = bullet.createCollisionShape(bullet.GEOM_BOX, halfExtents=ground.bump_half_m, physicsClientId=client)
    return int(bullet.createMultiBody(0.0, shape, physicsClientId=client))


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
