"""Multiple shooting: short simulations from free starting states, held together by what they must have in common.

The recording is cut into segments. Each is simulated from a starting state of its own (Bock, "Recent advances in
parameter identification techniques for O.D.E.", in Numerical Treatment of Inverse Problems in Differential and Integral
Equations, Birkhäuser 1983), so that a robot that topples by itself is never simulated for longer than a segment. Where
one segment ends and the next begins, the two states must agree within the noise of a reading. Starting states, and
constant errors of pitch and rate in each piece, are eliminated by linear algebra (variable projection: Golub and
Pereyra, SIAM J. Numer. Anal. 10(2), 1973, with the Jacobian of Kaufman, BIT 15, 1975), so that the outer problem has
the robot's figures alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.identification.data import Piece, Stretch
from sim.identification.equations import DELAY, LAG, NAMES, SKEW, STATES, Body, advance, delivered

STATE_STEP = 1e-5
PARAMETER_STEP = 1e-4
"""Steps of the difference quotients, the second as a share of the figure's scale."""
USUAL_ERROR = np.array([0.1, 0.02])
"""Usual errors of the pitch in rad and of its rate in rad/s: a weak tie to zero, where a recording says nothing."""
ERRORS = len(USUAL_ERROR)
INNER_ROUNDS = 12
INNER_SHARE = 1e-6
FIRST_DAMPING = 1e-4
"""Adjustment of the starting states ends after so many rounds, or when the cost falls by less than this share."""


@dataclass(frozen=True, eq=False)
class Noise:
    """What a deviation costs: standard deviations.

    Attributes:
        outputs: (len(OUTPUTS),) of a reading; infinite for one that is not looked at.
        defects: (len(STATES),) of the disagreement between the end of a segment and the start of the next.
    """

    outputs: np.ndarray
    defects: np.ndarray


@dataclass(frozen=True, eq=False)
class Linear:
    """One piece, linear about where the fit is, each row divided by its noise.

    Attributes:
        residual: (R,) readings and defects.
        inner: (R, K) derivative by starting states and the two errors.
        outer: (R, P) derivative by the figures looked for.
    """

    residual: np.ndarray
    inner: np.ndarray
    outer: np.ndarray

    def projected(self) -> tuple[np.ndarray, np.ndarray]:
        """Residual (R,) and derivative (R, P) with everything taken out that the inner unknowns can explain."""
        basis, _ = np.linalg.qr(self.inner)
        return self.residual - basis @ (basis.T @ self.residual), self.outer - basis @ (basis.T @ self.outer)


class Shooting:
    """The pieces of some recordings under one set of equations.

    Args:
        body: what is known of the robot.
        stretches: recordings, all of one period.
        pieces: cuts of them.
        noise: what a deviation costs.
        parts: Runge-Kutta steps in a period.

    Attributes:
        starts: (N, 4) starting state of each segment, piece after piece.
        errors: (G, 2) constant error of the pitch in rad and of its rate in rad/s, in each piece.
    """

    def __init__(
        self, body: Body, stretches: Sequence[Stretch], pieces: Sequence[Piece], noise: Noise, parts: int = 3
    ) -> None:
        self.body = body
        self.stretches = list(stretches)
        self.pieces = list(pieces)
        self.noise = noise
        self._parts = parts
        self._length = self.pieces[0].length
        self._period_s = self.stretches[0].period_s
        self._of_piece = np.repeat(np.arange(len(self.pieces)), [piece.segments for piece in self.pieces])
        self._rows = np.concatenate([[0], np.cumsum([piece.segments for piece in self.pieces])])[:-1]
        first = [piece.start + self._length * np.arange(piece.segments) for piece in self.pieces]
        self._first = np.concatenate(first)
        self._stretch = np.array([piece.stretch for piece in self.pieces])[self._of_piece]
        inside = np.arange(self._length)
        self.measured = np.stack(
            [
                self.stretches[stretch].outputs[:, begin + inside]
                for stretch, begin in zip(self._stretch, self._first, strict=True)
            ]
        )
        self.starts = self._guess()
        self.errors = np.zeros((len(self.pieces), ERRORS))

    def _guess(self) -> np.ndarray:
        """Starting states as they were measured, the position from the wheels' angle."""
        pitch, rate, wheel, _ = self.measured[:, :, 0].T
        ahead = self.measured[:, 2, min(4, self._length - 1)]
        speed = (ahead - wheel) / (min(4, self._length - 1) * self._period_s)
        radius = self.body.radius_m
        return np.stack((pitch, rate, radius * (wheel + pitch), radius * (speed + rate)), axis=1)

    def _torques(self, parameters: np.ndarray) -> np.ndarray:
        """(N, S, parts) torque that acts on each segment in each part of a period."""
        delay, lag = parameters[[DELAY, LAG]]
        acting = [delivered(stretch.torque, delay, lag, self._period_s, self._parts) for stretch in self.stretches]
        # the period after a sample is the one that ends with the next
        inside = np.arange(1, self._length + 1)
        return np.stack(
            [acting[stretch][begin + inside] for stretch, begin in zip(self._stretch, self._first, strict=True)]
        )

    def simulate(self, columns: np.ndarray, starts: np.ndarray, torques: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Simulates every segment for several sets of parameters and starts at once.

        Args:
            columns: (P, B) parameters.
            starts: (4, B, N).
            torques: (B, N, S, parts).

        Returns:
            outputs (4, B, N, S) and states at the end (4, B, N).
        """
        parameters = columns[:, :, None]
        state = starts
        states = np.empty((len(STATES), *torques.shape[:-1]))
        for step in range(self._length):
            states[..., step] = state
            for part in range(self._parts):
                state = advance(self.body, parameters, state, torques[..., step, part], self._period_s / self._parts)
        lean, rate, position, velocity = states
        radius, skew_s = self.body.radius_m, parameters[SKEW][..., None]
        wheel_rate = velocity / radius - rate
        gained = np.diff(wheel_rate, axis=-1) / self._period_s
        behind = self.body.angle_lag_s2 * np.concatenate([gained[..., :1], gained], axis=-1)
        wheel = position / radius - lean - skew_s * wheel_rate - behind
        return np.stack((lean, rate, wheel, wheel_rate)), state

    def linearise(self, parameters: np.ndarray, chosen: Sequence[int], scales: np.ndarray) -> list[Linear]:
        """Every piece linear about the given parameters and the present starting states.

        Args:
            parameters: (len(NAMES),).
            chosen: indices of those looked for; none for the inner problem alone.
            scales: (len(NAMES),) what a figure is measured in; derivatives are by the figure divided by it.
        """
        columns = np.repeat(parameters[:, None], 1 + len(STATES) + len(chosen), axis=1)
        starts = np.repeat(self.starts.T[:, None, :], columns.shape[1], axis=1)
        base = self._torques(parameters)
        torques = np.repeat(base[None], columns.shape[1], axis=0)
        for state in range(len(STATES)):
            starts[state, 1 + state] += STATE_STEP
        for place, index in enumerate(chosen, start=1 + len(STATES)):
            columns[index, place] += PARAMETER_STEP * scales[index]
            if index in (DELAY, LAG):
                torques[place] = self._torques(columns[:, place])
        outputs, ends = self.simulate(columns, starts, torques)
        steps = np.array([STATE_STEP] * len(STATES) + [PARAMETER_STEP] * len(chosen))
        by_output = np.moveaxis((outputs[:, 1:] - outputs[:, :1]) / steps[:, None, None], 1, -1)
        by_end = np.moveaxis((ends[:, 1:] - ends[:, :1]) / steps[:, None], 1, -1)
        return [
            self._piece(index, outputs[:, 0], ends[:, 0], by_output, by_end, len(chosen))
            for index in range(len(self.pieces))
        ]

    def _piece(
        self, index: int, outputs: np.ndarray, ends: np.ndarray, by_output: np.ndarray, by_end: np.ndarray, found: int
    ) -> Linear:
        """Puts one piece's rows together: readings, defects, and the ties of the two errors to zero."""
        rows = np.flatnonzero(self._of_piece == index)
        count, states = len(rows), len(STATES)
        looked_at = np.flatnonzero(np.isfinite(self.noise.outputs))
        size = (len(looked_at), count, self._length)
        weight = 1.0 / self.noise.outputs[looked_at][:, None, None]
        modelled = outputs[looked_at][:, rows].copy()
        inner = np.zeros((*size, count * states + ERRORS))
        own = weight[..., None] * by_output[looked_at][:, rows][..., :states]
        for place in range(count):
            inner[:, place, :, place * states : (place + 1) * states] = own[:, place]
        for error in range(ERRORS):
            seen = looked_at == error
            modelled[seen] += self.errors[index, error]
            inner[seen, ..., count * states + error] = weight[seen]
        reading = weight * (modelled - np.moveaxis(self.measured[rows][:, looked_at], 0, 1))
        outer = weight[..., None] * by_output[looked_at][:, rows][..., states:]
        between = self._defects(rows, ends, by_end, found)
        ties = np.zeros((ERRORS, count * states + ERRORS))
        ties[:, -ERRORS:] = np.diag(1.0 / USUAL_ERROR)
        unused = np.zeros((len(between.residual), ERRORS))
        return Linear(
            np.concatenate([reading.ravel(), between.residual, self.errors[index] / USUAL_ERROR]),
            np.concatenate([inner.reshape(reading.size, -1), np.column_stack((between.inner, unused)), ties]),
            np.concatenate([outer.reshape(reading.size, found), between.outer, np.zeros((ERRORS, found))]),
        )

    def _defects(self, rows: np.ndarray, ends: np.ndarray, by_end: np.ndarray, found: int) -> Linear:
        """Rows of the disagreement between neighbouring segments of a piece."""
        count, states = len(rows), len(STATES)
        weight = 1.0 / self.noise.defects
        residual = np.zeros((count - 1, states))
        inner = np.zeros((count - 1, states, count, states))
        outer = np.zeros((count - 1, states, found))
        for place in range(count - 1):
            row, following = rows[place], rows[place + 1]
            residual[place] = weight * (ends[:, row] - self.starts[following])
            inner[place, :, place] = weight[:, None] * by_end[:, row, :states]
            inner[place, :, place + 1] = -np.diag(weight)
            outer[place] = weight[:, None] * by_end[:, row, states:]
        return Linear(
            residual.ravel(), inner.reshape(residual.size, count * states), outer.reshape(residual.size, found)
        )

    def outputs(self, parameters: np.ndarray) -> np.ndarray:
        """(4, N, S) what the model says at the present starting states, without the errors of pitch and rate."""
        return self._run(parameters)[0]

    def ends(self, parameters: np.ndarray) -> np.ndarray:
        """(4, N) state at the end of each segment, from the present starting states."""
        return self._run(parameters)[1]

    def _run(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs, ends = self.simulate(parameters[:, None], self.starts.T[:, None, :], self._torques(parameters)[None])
        return outputs[:, 0], ends[:, 0]

    def misses(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the model misses the recording by, at the present starting states.

        Returns:
            readings (4, N, S) in the units of ``OUTPUTS``, and defects (4, D) in those of ``STATES``.
        """
        outputs, ends = self._run(parameters)
        missed = outputs - np.moveaxis(self.measured, 0, 1)
        missed[:ERRORS] += self.errors[self._of_piece].T[:, :, None]
        neighbours = np.flatnonzero(np.diff(self._of_piece) == 0)
        return missed, ends[:, neighbours] - self.starts[neighbours + 1].T

    def settle(self, parameters: np.ndarray) -> float:
        """Adjusts starting states and errors to the parameters; returns the cost left.

        Levenberg's and Marquardt's damping (Marquardt, J. SIAM 11(2), 1963), for each piece by itself: friction that
        changes its sign makes the plain Gauss-Newton step overshoot.
        """
        damping = np.full(len(self.pieces), FIRST_DAMPING)
        pieces = self.linearise(parameters, (), np.ones(len(NAMES)))
        costs = _costs(pieces)
        for _ in range(INNER_ROUNDS):
            before = self.starts.copy(), self.errors.copy()
            self._move(pieces, damping)
            tried = self.linearise(parameters, (), np.ones(len(NAMES)))
            gained = costs - _costs(tried)
            better = gained > 0.0
            self._restore(before, ~better)
            damping = np.where(better, damping * 0.1, damping * 10.0)
            pieces = [new if good else old for new, old, good in zip(tried, pieces, better, strict=True)]
            costs = np.where(better, costs - gained, costs)
            if np.all(gained <= INNER_SHARE * costs):
                break
        return float(costs.sum())

    def _move(self, pieces: Sequence[Linear], damping: np.ndarray) -> None:
        for index, (piece, row) in enumerate(zip(pieces, self._rows, strict=True)):
            normal = piece.inner.T @ piece.inner
            normal[np.diag_indices_from(normal)] *= 1.0 + damping[index]
            step = np.linalg.solve(normal, -piece.inner.T @ piece.residual)
            count = self.pieces[index].segments
            self.starts[row : row + count] += step[:-ERRORS].reshape(count, len(STATES))
            self.errors[index] += step[-ERRORS:]

    def _restore(self, before: tuple[np.ndarray, np.ndarray], where: np.ndarray) -> None:
        """Takes the last move back in some pieces."""
        rows = where[self._of_piece]
        self.starts[rows], self.errors[where] = before[0][rows], before[1][where]

    def adopt(self, other: Shooting) -> None:
        """Begins with the starting states and errors that another problem of the same recordings has come to."""
        place = {key: index for index, key in enumerate(zip(other._stretch, other._first, strict=True))}
        for index, key in enumerate(zip(self._stretch, self._first, strict=True)):
            if key in place:
                self.starts[index] = other.starts[place[key]]
                self.errors[self._of_piece[index]] = other.errors[other._of_piece[place[key]]]


def _costs(pieces: Sequence[Linear]) -> np.ndarray:
    costs = np.array([float(piece.residual @ piece.residual) for piece in pieces])
    return np.where(np.isfinite(costs), costs, np.inf)
