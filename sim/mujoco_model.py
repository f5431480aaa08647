"""The robot's body and the floor as a MuJoCo model, from the same description that PyBullet loads.

MuJoCo's contacts and joint frictions are springs and dampers whose force its solver finds together with the motion
(Todorov, "Convex and analytically-invertible dynamics with contacts and constraints for control in MuJoCo", ICRA 2014);
PyBullet's are rigid and solved one after another. What touches or sticks is made as stiff here as steps of 1 ms permit,
so that what is left of the difference is the engines' own.
"""

from __future__ import annotations

from typing import Any

import mujoco

from robot_il.errors import ConfigError
from robot_il.robot import LEG_JOINTS, WHEEL_JOINTS, Robot
from sim.body import physics_urdf
from sim.conditions import Conditions
from sim.engine import GRAVITY_M_S2, STEP_S
from sim.ground import Ground

SOLREF = (2.0 * STEP_S, 1.0)
"""Time constant and damping ratio of all that is stiff: two steps are the least that the engine takes to be stable."""
CONTACT_SOLIMP = (0.9, 0.9, 0.001, 0.5, 2.0)
"""Share of a contact that is rigid, from the first touch on. A wheel then sinks in by some 10 um, as in PyBullet. Were
that less than what a step is off by when the body swings at some rad/s, the wheels would hop."""
TRACTION = 100.0
"""How much stiffer a contact is along the floor than into it. At this a wheel that pulls creeps by less than 0.01 % of
its way, ten times less than in PyBullet."""
MARGIN_M = 1e-5
"""So far from the floor things touch it already."""
FRICTION_SOLIMP = (0.9999, 0.9999, 0.001, 0.5, 2.0)
"""The same of a joint's friction, which has one dimension and bears the engine's largest value."""
SOLVER_TOLERANCE = 1e-10
LEAST_FRICTION_NM = 1e-12
"""A joint without friction has this much, so that its friction keeps its place among the solver's constraints."""
FLOOR, BUMP = "floor", "bump"
"""Bodies that can be moved while the world goes on (``mocap_pos``, ``mocap_quat``)."""
BASE_FLOATS = 13
"""Values of the first sensors: position, velocity and angular velocity (3 each) of the base's centre of mass in the
world, attitude (4) as w, x, y, z. Behind them come angle and rate of the wheels, then of the reported leg joints."""


def compile_model(robot: Robot, conditions: Conditions, ground: Ground) -> Any:
    """The ``mujoco.MjModel`` of a robot on its ground, with the sensors that ``BASE_FLOATS`` tells of.

    Raises:
        ConfigError: a body that MuJoCo cannot load.
    """
    try:
        spec = mujoco.MjSpec.from_string(physics_urdf(robot, conditions))
        _set_up(spec, robot)
        _add_ground(spec, ground)
        _set_contacts(spec, robot.contact.friction_1 * ground.floor_friction_1)
        _add_sensors(spec, robot)
        model = spec.compile()
    except ValueError as error:
        raise ConfigError(
            "a body that MuJoCo can load", f"{robot.urdf_path}: {error}", "compare robot-il robot show with it"
        ) from error
    for name in WHEEL_JOINTS:
        dof = model.joint(name).dofadr[0]
        model.dof_damping[dof] = robot.drive.viscous_friction_nm_s * conditions.friction_scale
        coulomb_nm = robot.drive.coulomb_friction_nm * conditions.friction_scale
        model.dof_frictionloss[dof] = max(coulomb_nm, LEAST_FRICTION_NM)
    if robot.legs is not None:
        for name in robot.held_rad:
            model.dof_frictionloss[model.joint(name).dofadr[0]] = robot.legs.torque_limit_nm
    return model


def _set_up(spec: Any, robot: Robot) -> None:
    """Solver and joints."""
    option = spec.option
    option.timestep, option.gravity, option.tolerance = STEP_S, (0.0, 0.0, -GRAVITY_M_S2), SOLVER_TOLERANCE
    # Speeds first, then places with the new speeds, as PyBullet does it; the wheels' viscous friction at the new speed,
    # so that no figure of a profile makes it unstable. Runge and Kutta's way takes four looks at a step, and the wheels
    # would be driven and rub on the middle ones by what was found out on the first.
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    # Coulomb's cone as it is, and not the pyramid around it: a turning wheel pulls along both of its axes.
    option.cone, option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, TRACTION
    spec.body(robot.chain.base).add_freejoint()
    for joint in spec.joints:
        joint.solref_limit, joint.solref_friction, joint.solimp_friction = SOLREF, SOLREF, FRICTION_SOLIMP


def _add_ground(spec: Any, ground: Ground) -> None:
    """A floor, and a bar across the way where there is one; they turn with the heading at which the robot starts."""
    kinds = mujoco.mjtGeom
    spec.worldbody.add_body(name=FLOOR, mocap=True).add_geom(type=kinds.mjGEOM_PLANE, size=(0.0, 0.0, 1.0))
    if ground.bump_m[0]:
        spec.worldbody.add_body(name=BUMP, mocap=True).add_geom(type=kinds.mjGEOM_BOX, size=ground.bump_half_m)


def _set_contacts(spec: Any, friction_1: float) -> None:
    """What touches what, and how: the robot's parts touch the ground, and not each other."""
    for geom in spec.geoms:
        below = geom.parent.name in (FLOOR, BUMP)
        geom.contype, geom.conaffinity = (1, 0) if below else (0, 1)
        geom.condim = 3  # no friction against rolling and spinning: a sphere touches in a point
        geom.friction = (0.0 if below else friction_1, 0.0, 0.0)  # of two, the larger counts
        geom.solref, geom.solimp = SOLREF, CONTACT_SOLIMP
        geom.margin = 0.0 if below else MARGIN_M


def _add_sensors(spec: Any, robot: Robot) -> None:
    kinds, objects = mujoco.mjtSensor, mujoco.mjtObj
    for kind in (kinds.mjSENS_FRAMEPOS, kinds.mjSENS_FRAMELINVEL, kinds.mjSENS_FRAMEANGVEL):
        spec.add_sensor(type=kind, objtype=objects.mjOBJ_BODY, objname=robot.chain.base)
    # of the link's own axes; those of its centre of mass are the principal axes of its inertia
    spec.add_sensor(type=kinds.mjSENS_FRAMEQUAT, objtype=objects.mjOBJ_XBODY, objname=robot.chain.base)
    for name in (*WHEEL_JOINTS, *(joint for joint in LEG_JOINTS if joint in robot.held_rad)):
        for kind in (kinds.mjSENS_JOINTPOS, kinds.mjSENS_JOINTVEL):
            spec.add_sensor(type=kind, objtype=objects.mjOBJ_JOINT, objname=name)
