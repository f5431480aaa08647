"""The wheeled pendulum's full equations for many trajectories at once, and what drives make of the torque demanded."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from robot_il.control.lqr import GRAVITY_M_S2
from robot_il.robot import Pendulum

NAMES = (
    "torque_scale",
    "height_m",
    "inertia_kg_m2",
    "viscous_nm_s",
    "coulomb_nm",
    "delay_s",
    "lag_s",
    "skew_s",
    "rotor_kg_m2",
)
"""The figures that a fit may look for, in the order of every parameter vector: torque delivered for torque demanded,
height of the body's centre of mass above the axle, its inertia about it, friction of both drives together, delay from
the torque demanded to the gyro's reading, lag of the drives, and how much later than the gyro the encoders are read."""
SCALE, HEIGHT, INERTIA, VISCOUS, COULOMB, DELAY, LAG, SKEW, ROTOR = range(len(NAMES))
STATES = ("lean", "lean_rate", "position", "velocity")
"""Lean of the line from axle to centre of mass in rad, its rate, place of the axle in m, its velocity."""


TRACKER_ALPHA, TRACKER_BETA, TRACKER_S = 0.466512, 0.072683, 0.001
"""The filter in which the firmware tracks an encoder (``tracker.c``)."""
TRACKER_LAG_S2 = TRACKER_S**2 * (1.0 - TRACKER_ALPHA) / TRACKER_BETA
"""Its error in angle for each rad/s^2 (Brookner, Tracking and Kalman Filtering Made Easy, 1998, section 1.2.2)."""


@dataclass(frozen=True)
class Body:
    """What is weighed and measured with a rule, and not looked for.

    A recording of torque and motion fixes masses only in proportion to the torque: with all of them and all torques
    twice as large the robot moves the same. So the masses are taken as known, and the torque's scale is looked for.

    Attributes:
        mass_kg: everything but the wheels.
        wheel_mass_kg: both wheels.
        wheel_inertia_kg_m2: both wheels, about their axle.
        radius_m: rolling radius.
        rest_rad_s: speed of the wheels against the body over which Coulomb friction changes its sign.
        angle_lag_s2: how far the wheels' angle, as it is reported, falls behind for each rad/s^2 of their acceleration.
    """

    mass_kg: float
    wheel_mass_kg: float
    wheel_inertia_kg_m2: float
    radius_m: float
    rest_rad_s: float = 0.005
    angle_lag_s2: float = 0.0

    @classmethod
    def of(cls, pendulum: Pendulum) -> Body:
        """The body of a profile, its wheels read by this project's firmware."""
        return cls(
            pendulum.body_mass_kg,
            pendulum.wheel_mass_kg,
            pendulum.wheel_inertia_kg_m2,
            pendulum.wheel_radius_m,
            angle_lag_s2=TRACKER_LAG_S2,
        )


def rates(body: Body, parameters: np.ndarray, state: np.ndarray, torque: np.ndarray) -> np.ndarray:
    """Time derivative of the state: the equations of ``lqr.linear_dynamics`` before they were made linear.

    With lean q of the centre of mass, axle position x and wheel speed w = x'/r - q' against the body

        (m + M + J/r^2) x'' + m l cos(q) q'' - m l sin(q) q'^2 = T/r
        m l cos(q) x'' + (I + m l^2) q'' - m g l sin(q) = -T
        T = s u - b w - c tanh(w / w_0) - G w'

    (Grasser, D'Arrigo, Colombi and Rufer, IEEE Trans. Ind. Electron. 49(1), 2002; the tanh for Coulomb friction as in
    Andersson, Söderberg and Björklund, Tribology International 40(4), 2007, eq. 6.)

    Args:
        body: what is known of it.
        parameters: (len(NAMES), ...) that broadcasts against the state's entries.
        state: (4, ...), see ``STATES``.
        torque: (...) u, of both drives together, delayed and lagged, in N m.

    Returns:
        (4, ...).
    """
    lean, lean_rate, _, velocity = state
    height = parameters[HEIGHT]
    wheel_rate = velocity / body.radius_m - lean_rate
    friction = parameters[VISCOUS] * wheel_rate + parameters[COULOMB] * np.tanh(wheel_rate / body.rest_rad_s)
    net = parameters[SCALE] * torque - friction
    lever = body.mass_kg * height
    rotor = parameters[ROTOR]
    rolling = body.mass_kg + body.wheel_mass_kg + (body.wheel_inertia_kg_m2 + rotor) / body.radius_m**2
    turning = parameters[INERTIA] + lever * height + rotor
    sine = np.sin(lean)
    coupling = lever * np.cos(lean) - rotor / body.radius_m
    push = net / body.radius_m + lever * sine * lean_rate**2
    topple = lever * GRAVITY_M_S2 * sine - net
    determinant = rolling * turning - coupling**2
    swung = (rolling * topple - coupling * push) / determinant
    driven = (turning * push - coupling * topple) / determinant
    return np.stack((lean_rate, swung, velocity, driven))


def advance(body: Body, parameters: np.ndarray, state: np.ndarray, torque: np.ndarray, step_s: float) -> np.ndarray:
    """The state one step later under constant torque: classical Runge-Kutta of fourth order.

    Args:
        body: what is known of it.
        parameters: see ``rates``.
        state: (4, ...).
        torque: (...) mean over the step, in N m.
        step_s: length of the step.
    """
    k1 = rates(body, parameters, state, torque)
    k2 = rates(body, parameters, state + 0.5 * step_s * k1, torque)
    k3 = rates(body, parameters, state + 0.5 * step_s * k2, torque)
    k4 = rates(body, parameters, state + step_s * k3, torque)
    return state + step_s / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)


def delivered(demand: np.ndarray, delay_s: float, lag_s: float, period_s: float, parts: int = 1) -> np.ndarray:
    """Mean torque that acts over each part of each period, of a demand that is lagged and delayed; exact.

    A delay of the sensors shows in a recording as the same delay of the torque, so that one figure stands for both.

    Args:
        demand: (T, D) torque demanded over each period, constant in each of its D equal parts, in N m.
        delay_s: any share of a period.
        lag_s: time constant of a first-order lag.
        period_s: length of a period.
        parts: into which a period of the answer is divided.

    Returns:
        (T, parts) in N m; what was demanded before the first period counts as the first.
    """
    ends = np.arange(len(demand) * parts + 1) * (period_s / parts) - max(0.0, delay_s)
    impulse = _impulse(demand.ravel(), max(0.0, lag_s), period_s / demand.shape[1], ends)
    mean: np.ndarray = np.diff(impulse) * (parts / period_s)
    return mean.reshape(len(demand), parts)


def _impulse(demand: np.ndarray, lag_s: float, period_s: float, times_s: np.ndarray) -> np.ndarray:
    """Integral in N m s of the lagged torque from 0 to each time; before 0 the first demand acts."""
    index = np.clip(np.floor(times_s / period_s).astype(int), 0, len(demand) - 1)
    inside = np.where(times_s < 0.0, 0.0, times_s - index * period_s)
    before = np.minimum(times_s, 0.0) * demand[0]
    if lag_s <= 0.0:
        whole = np.concatenate([[0.0], np.cumsum(demand) * period_s])
        linear: np.ndarray = before + whole[index] + demand[index] * inside
        return linear
    keep = math.exp(-period_s / lag_s)
    # what the drive delivers at the start of each period, and how far that is from the demand
    missing = lfilter([0.0, 1.0 - keep], [1.0, -keep], demand, zi=demand[:1])[0] - demand
    whole = np.concatenate([[0.0], np.cumsum(demand * period_s + missing * lag_s * (1.0 - keep))])
    lagged: np.ndarray = (
        before + whole[index] + demand[index] * inside + missing[index] * lag_s * (1.0 - np.exp(-inside / lag_s))
    )
    return lagged
