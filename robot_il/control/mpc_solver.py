"""Finds the torques that bring the nonlinear pendulum to rest at the least cost, within the torque limit.

Differential dynamic programming with bounds on the control (Tassa, Mansard and Todorov, "Control-limited differential
dynamic programming", ICRA 2014), with the Gauss-Newton second derivatives of Li and Todorov, "Iterative linear
quadratic regulator design for nonlinear biological movement systems", ICINCO 2004. The control is one number, so the
box-constrained quadratic problem of their section III-B has its solution in closed form: clip, and no feedback where it
is clipped. Sequential quadratic programming with a general solver (OSQP) finds the same plans in as many iterations,
each of them three to ten times as long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robot_il.control.pendulum import NonlinearPendulum

STEP_SHARES = (1.0, 0.5, 0.2, 0.05)
"""Shares of the full step that are tried in turn until the cost falls."""

State = tuple[float, float, float, float]
"""pitch, pitch_rate, position, velocity in SI units."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What a plan costs, and what it must keep to.

    The cost of a plan is the integral of z' Q z + u^2 R over its steps, each in units of ``period_s``, plus z' P z of
    where it ends, with z the state less ``target``; and ``wall`` times the square of what the pitch passes its bound
    by.

    Attributes:
        pendulum: moves.
        steps_s: (N,) lengths of the plan's steps, in s.
        period_s: over which Q and R count once.
        Q: (4, 4).
        R: of the torque, in 1/(N m)^2.
        P: (4, 4).
        target: (4,).
        torque_nm: largest torque of both wheels together.
        stall_nm: torque that the drives' voltage gives wheels at rest.
        fall_nm_s: how much of it each rad/s of the wheels takes.
        top_rad_s: speed of the wheels beyond which torque only brakes.
        pitch_rad: bound of the pitch.
        wall: in 1/rad^2.
    """

    pendulum: NonlinearPendulum
    steps_s: np.ndarray
    period_s: float
    Q: np.ndarray
    R: float
    P: np.ndarray
    target: np.ndarray
    torque_nm: float
    stall_nm: float
    fall_nm_s: float
    top_rad_s: float
    pitch_rad: float
    wall: float

    def bounds(self, state: State) -> tuple[float, float]:
        """Least and largest torque that the drives can give in this state."""
        speed = self.pendulum.wheel_speed(state[1], state[3])
        ahead = min(self.torque_nm, self.stall_nm - self.fall_nm_s * abs(speed))
        # the last tenth of the speed is a slope, for a plan to feel its end before it
        ahead = max(0.0, min(ahead, self.torque_nm * 10.0 * (1.0 - abs(speed) / self.top_rad_s)))
        return (-self.torque_nm, ahead) if speed > 0.0 else (-ahead, self.torque_nm)

    def beyond(self, states: np.ndarray) -> np.ndarray:
        """(N,): by how much the pitch of all but the last of (N + 1, 4) is outside its bound."""
        pitch = states[:-1, 0]
        return pitch - np.clip(pitch, -self.pitch_rad, self.pitch_rad)


@dataclass(frozen=True, eq=False)
class Plan:
    """Torques and what becomes of the robot under them.

    Attributes:
        states: (N + 1, 4), the first where it starts.
        torques: (N,) in N m.
        bounds: N times the least and the largest torque that the drives could have given.
        cost: see ``Problem``.
    """

    states: np.ndarray
    torques: np.ndarray
    bounds: list[tuple[float, float]]
    cost: float


class Solver:
    """Makes plans for one problem.

    Args:
        problem: what is to be solved.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._steps = [float(step) for step in problem.steps_s]
        self._shares = problem.steps_s / problem.period_s
        self._no_gain = np.zeros(4)

    def follow_law(self, start: State, gain: np.ndarray) -> Plan:
        """What the law -gain @ (state - target), clipped to the limit, leads to.

        Args:
            start: of the plan.
            gain: (4,).
        """
        steps = len(self._steps)
        return self.track(start, np.zeros(steps), np.tile(self.problem.target, (steps, 1)), gain)

    def track(self, start: State, torques: np.ndarray, states: np.ndarray, gain: np.ndarray) -> Plan:
        """What torque - gain @ (state - where it should be), clipped to the limit, leads to.

        Args:
            start: of the plan.
            torques: (N,) in N m.
            states: (N, 4) where the robot should be at the beginning of each step.
            gain: (4,).
        """
        steps = len(self._steps)
        return self._roll(start, torques.tolist(), states.tolist(), [(-gain).tolist()] * steps, [0.0] * steps)

    def improve(self, plan: Plan, iterations: int, tolerance: float = 1e-3) -> Plan:
        """A plan from the same start that costs less; the same one where none is found.

        Args:
            plan: to begin with.
            iterations: at most.
            tolerance: share of the cost below which an improvement is the last.
        """
        start: State = tuple(plan.states[0].tolist())
        for _ in range(iterations):
            gains, changes = self._look_back(plan)
            torques, states = plan.torques.tolist(), plan.states.tolist()
            for share in STEP_SHARES:
                tried = self._roll(start, torques, states, gains, [share * change for change in changes])
                if tried.cost < plan.cost:
                    break
            else:
                return plan
            gained = plan.cost - tried.cost
            plan = tried
            if gained < tolerance * plan.cost:
                return plan
        return plan

    def _look_back(self, plan: Plan) -> tuple[list[list[float]], list[float]]:
        """Feedback (4,) and change of torque of each step: the backward pass, equations 5 to 11 of Tassa et al."""
        problem = self.problem
        jacobians = problem.pendulum.linearise(plan.states[:-1], plan.torques, problem.steps_s)
        transposed = np.ascontiguousarray(jacobians.transpose(0, 2, 1))
        slopes, curves = self._stage_derivatives(plan)
        value_x, value_xx = self._final_derivatives(plan.states[-1])
        gains, changes = [], []
        for index in range(len(self._steps) - 1, -1, -1):
            back = transposed[index]
            q = slopes[index] + back @ value_x
            qq = curves[index] + back @ value_xx @ jacobians[index]
            q_u, q_uu, q_ux = float(q[4]), float(qq[4, 4]), qq[4, :4]
            torque = float(plan.torques[index])
            free = -q_u / q_uu
            low, high = plan.bounds[index]
            change = min(max(free, low - torque), high - torque)
            changes.append(change)
            if change == free:
                gain = q_ux * (-1.0 / q_uu)
                value_x = q[:4] + gain * q_u  # the terms in k of a free step cancel
                value_xx = qq[:4, :4] + np.outer(gain, q_ux)
            else:
                gain = self._no_gain
                value_x = q[:4] + q_ux * change
                value_xx = qq[:4, :4]
            gains.append(gain.tolist())
        return gains[::-1], changes[::-1]

    def _stage_derivatives(self, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
        """First (N, 5) and second (N, 5, 5) derivatives of what each step costs, by its state and torque."""
        problem, shares = self.problem, self._shares
        away = plan.states[:-1] - problem.target
        slopes = np.empty((len(shares), 5))
        slopes[:, :4] = shares[:, None] * (away @ problem.Q)
        slopes[:, 4] = shares * problem.R * plan.torques
        curves = np.zeros((len(shares), 5, 5))
        curves[:, :4, :4] = shares[:, None, None] * problem.Q
        curves[:, 4, 4] = shares * problem.R
        beyond = problem.beyond(plan.states)
        slopes[:, 0] += shares * problem.wall * beyond
        curves[:, 0, 0] += shares * problem.wall * (beyond != 0.0)
        return slopes, curves

    def _final_derivatives(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        P = self.problem.P
        return P @ (state - self.problem.target), P

    def _roll(
        self,
        start: State,
        torques: Sequence[float],
        states: Sequence[Sequence[float]],
        gains: Sequence[Sequence[float]],
        changes: Sequence[float],
    ) -> Plan:
        """Forward pass: torque + change + gain @ (state - planned state), clipped, and what it costs."""
        advance, bounds = self.problem.pendulum.advance, self.problem.bounds
        state = start
        passed, taken, allowed = [start], [], []
        for step_s, torque, planned, gain, change in zip(self._steps, torques, states, gains, changes, strict=False):
            torque += change + (
                gain[0] * (state[0] - planned[0])
                + gain[1] * (state[1] - planned[1])
                + gain[2] * (state[2] - planned[2])
                + gain[3] * (state[3] - planned[3])
            )
            low, high = bounds(state)
            torque = min(max(torque, low), high)
            state = advance(state, torque, step_s)
            passed.append(state)
            taken.append(torque)
            allowed.append((low, high))
        visited, given = np.array(passed), np.array(taken)
        return Plan(visited, given, allowed, self._cost(visited, given))

    def _cost(self, states: np.ndarray, torques: np.ndarray) -> float:
        problem = self.problem
        away = states - problem.target
        stages = np.einsum("ni,ij,nj->n", away[:-1], problem.Q, away[:-1]) + problem.R * torques**2
        stages += problem.wall * problem.beyond(states) ** 2
        total = float(self._shares @ stages + away[-1] @ problem.P @ away[-1])
        return total if math.isfinite(total) else math.inf
