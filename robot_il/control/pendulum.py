"""The wheeled inverted pendulum as it is, not made linear: what a planner looks ahead with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from robot_il.robot import GRAVITY_M_S2, Pendulum

_WIDTHS, _TORQUE_1 = (1e-4, 1e-3, 1e-3), 1e-4
"""Half widths of the differences that ``linearise`` takes: of pitch in rad, pitch rate in rad/s, velocity in m/s, and
of the torque as a share of ``holding_nm``."""
REST_RAD_S = 2.0
"""Speed of the wheels over which Coulomb friction changes its sign here: slow beside what matters, and slow enough for
steps of 40 ms to follow."""


class NonlinearPendulum:
    """Equations of motion of ``lqr.linear_dynamics`` before they were made linear.

    With pitch q, axle position x, total wheel torque u, body mass m at height l with inertia I, wheel mass M and
    inertia J of radius r

        (m + M + J/r^2) x'' + m l cos(q) q'' - m l sin(q) q'^2 = u/r
        m l cos(q) x'' + (I + m l^2) q'' - m g l sin(q) = -u

    (Grasser, D'Arrigo, Colombi and Rufer, "JOE: a mobile, inverted pendulum", IEEE Trans. Ind. Electron. 49(1), 2002.)
    Neither place nor speed of the axle enters them: the accelerations are functions of q, q' and u. Friction of the
    drives takes b w + c tanh(w / w_0) off the torque, with w = x'/r - q' the speed of the wheels against the body
    (Andersson, Söderberg and Björklund, "Friction models for sliding dry, boundary and mixed lubricated contacts",
    Tribology International 40(4), 2007, eq. 6), and rotors behind gears, of the inertia G that is felt between wheels
    and body, take G w'.

    Args:
        pendulum: lumped parameters.
        strength_1: torque delivered for the torque demanded.
        viscous_nm_s: b of both drives together, in N m s.
        coulomb_nm: c of both drives together, in N m.

    Attributes:
        holding_nm: torque that would hold the body level, m g l: the scale of the torques that matter.
    """

    def __init__(
        self, pendulum: Pendulum, strength_1: float = 1.0, viscous_nm_s: float = 0.0, coulomb_nm: float = 0.0
    ) -> None:
        self._radius_m = pendulum.wheel_radius_m
        self._strength_1 = strength_1
        self._viscous_nm_s = viscous_nm_s
        self._coulomb_nm = coulomb_nm
        rotor = pendulum.rotor_inertia_kg_m2
        self._coupled = rotor / pendulum.wheel_radius_m
        self._lever = pendulum.body_mass_kg * pendulum.body_height_m
        self._turning = pendulum.body_inertia_kg_m2 + self._lever * pendulum.body_height_m + rotor
        rolling = (pendulum.wheel_inertia_kg_m2 + rotor) / pendulum.wheel_radius_m**2
        self._rolling = pendulum.body_mass_kg + pendulum.wheel_mass_kg + rolling
        self.holding_nm = self._lever * GRAVITY_M_S2

    def accelerations(self, sine: Any, cosine: Any, rate: Any, torque: Any) -> tuple[Any, Any]:
        """Of pitch in rad/s^2 and of the axle in m/s^2; floats or arrays that broadcast.

        Args:
            sine: of the pitch.
            cosine: of the pitch.
            rate: of the pitch, in rad/s.
            torque: that moves both wheels, in N m.
        """
        coupling = self._lever * cosine - self._coupled
        push = torque / self._radius_m + self._lever * sine * rate * rate
        topple = self.holding_nm * sine - torque
        determinant = self._rolling * self._turning - coupling * coupling
        return (
            (self._rolling * topple - coupling * push) / determinant,
            (self._turning * push - coupling * topple) / determinant,
        )

    def wheel_speed(self, rate: Any, velocity: Any) -> Any:
        """Of the wheels against the body, in rad/s."""
        return velocity / self._radius_m - rate

    def advance(
        self, state: tuple[Any, Any, Any, Any], torque: Any, step_s: Any, functions: Any = math
    ) -> tuple[Any, Any, Any, Any]:
        """The state after a step of constant torque and friction: classical Runge-Kutta of fourth order.

        Args:
            state: pitch, pitch_rate, position, velocity, in SI units.
            torque: demanded of both drives together, in N m.
            step_s: length of the step, in s.
            functions: where ``sin``, ``cos`` and ``tanh`` come from: ``math`` for floats, which is quick, or ``numpy``
                for many states at once.
        """
        sin, cos = functions.sin, functions.cos
        pitch, rate, position, velocity = state
        half = 0.5 * step_s
        turning = self.wheel_speed(rate, velocity)
        torque = self._strength_1 * torque - (
            self._viscous_nm_s * turning + self._coulomb_nm * functions.tanh(turning / REST_RAD_S)
        )
        swung1, driven1 = self.accelerations(sin(pitch), cos(pitch), rate, torque)
        rate2 = rate + half * swung1
        ahead = pitch + half * rate
        swung2, driven2 = self.accelerations(sin(ahead), cos(ahead), rate2, torque)
        rate3 = rate + half * swung2
        ahead = pitch + half * rate2
        swung3, driven3 = self.accelerations(sin(ahead), cos(ahead), rate3, torque)
        rate4 = rate + step_s * swung3
        ahead = pitch + step_s * rate3
        swung4, driven4 = self.accelerations(sin(ahead), cos(ahead), rate4, torque)
        sixth = step_s / 6.0
        return (
            pitch + sixth * (rate + 2.0 * (rate2 + rate3) + rate4),
            rate + sixth * (swung1 + 2.0 * (swung2 + swung3) + swung4),
            # the position's slopes are the velocity's values: what Runge-Kutta makes of them, written out
            position + step_s * velocity + step_s * sixth * (driven1 + driven2 + driven3),
            velocity + sixth * (driven1 + 2.0 * (driven2 + driven3) + driven4),
        )

    def linearise(self, states: np.ndarray, torques: np.ndarray, steps_s: np.ndarray) -> np.ndarray:
        """How ``advance`` answers small changes, by central differences.

        Args:
            states: (N, 4).
            torques: (N,).
            steps_s: (N,).

        Returns:
            (N, 4, 5): derivatives of the next pitch, pitch_rate, position, velocity by the present ones and by the
            torque.
        """
        widths = np.array([*_WIDTHS, _TORQUE_1 * self.holding_nm])
        moved = np.concatenate((np.diag(widths), -np.diag(widths)))[:, :, None]  # (8, 4, 1)
        pitch, rate, position, velocity = states.T
        at = np.stack((pitch, rate, velocity, torques)) + moved  # (8, 4, N)
        after = np.stack(self.advance((at[:, 0], at[:, 1], position, at[:, 2]), at[:, 3], steps_s, np))
        slopes = (after[:, :4] - after[:, 4:]) / (2.0 * widths[:, None])  # (4, 4, N): what, by what, where
        jacobian = np.zeros((len(states), 4, 5))
        jacobian[:, :, [0, 1, 3, 4]] = slopes.transpose(2, 0, 1)
        jacobian[:, 2, 2] = 1.0
        return jacobian
