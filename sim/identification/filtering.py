"""A filter over the pendulum's equations, for robots whose input is read with noise: many filters side by side.

Where a recording holds a motor voltage now and then, and not what acted in between, the input itself is noisy, and
simulating from it alone goes astray. An extended Kalman filter (Jazwinski, Stochastic Processes and Filtering Theory,
1970, section 8.3) takes that into account, and tells the state from the past. Ahead of it there are no readings, but
there is the recorded input: a controller chose it, so it tells of the state that the controller saw. Its law, found by
least squares, is one more reading of every period ahead; without that, whatever topples is predicted to topple.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.identification.equations import COULOMB, HEIGHT, INERTIA, NAMES, SCALE, VISCOUS, Body, advance

FIGURES = (
    *("torque_nm_v", "height_m", "inertia_kg_m2", "viscous_nm_s", "coulomb_nm", "share_of_next"),
    *("input_v", "tilt_rad", "speed_m_s", "rate_walk", "speed_walk", "offset_walk", "memory_s", "law_share"),
)
"""Rows of a parameter array: the robot's figures and the share that the next reading of the input has in what acts over
a period; standard deviations of input, readings and random walks (per root s); time over which the robot is expected
near where it usually is; and how much less the controller's law is trusted than its own residual says."""
LAGS = 2
"""Readings before the last that the law looks at."""
STATES = 4 + 2 * LAGS
"""Lean, its rate, velocity, offset of the tilt, then earlier tilts and speeds, latest first."""
SUBSTEPS = 2
LEAN_RAD, RATE_RAD_S, SPEED_M_S, OFFSET_RAD = 0.8, 8.0, 3.0, 0.5
"""Beyond these a balancing robot is not followed."""
_STEPS = np.array([1e-5, 1e-4, 1e-5, 1e-3])


@dataclass(frozen=True, eq=False)
class Law:
    """How the controller chose its input: u = weights @ (tilts, speeds, earlier inputs, 1) + residual.

    Attributes:
        weights: (3 * LAGS + 3,) of tilt and its predecessors, speed and its predecessors, earlier inputs, and 1.
        residual: standard deviation of what is left.
        usual: (3,) mean of tilt, its rate and speed.
        spread: (3, 3) their covariance.
    """

    weights: np.ndarray
    residual: float
    usual: np.ndarray
    spread: np.ndarray

    @classmethod
    def fitted(cls, runs: Sequence[np.ndarray], period_s: float) -> Law:
        """By least squares over runs, each (T, 3) of tilt, speed, input."""
        rows, inputs, motion = [], [], []
        for run in runs:
            now = np.arange(LAGS, len(run))
            seen = [run[now - lag, column] for column in (0, 1) for lag in range(LAGS + 1)]
            seen += [run[now - lag, 2] for lag in range(1, LAGS + 1)]
            rows.append(np.stack([*seen, np.ones(len(now))], axis=1))
            inputs.append(run[now, 2])
            motion.append(np.stack((run[:, 0], np.gradient(run[:, 0], period_s), run[:, 1]), axis=1)[10:-10])
        table, wanted, states = np.concatenate(rows), np.concatenate(inputs), np.concatenate(motion)
        weights = np.linalg.lstsq(table, wanted, rcond=None)[0]
        return cls(weights, float(np.std(wanted - table @ weights)), states.mean(axis=0), np.cov(states.T))


@dataclass(frozen=True, eq=False)
class Believed:
    """Where M filters think their robots are.

    Attributes:
        mean: (STATES, M).
        covariance: (M, STATES, STATES).
    """

    mean: np.ndarray
    covariance: np.ndarray


class Filter:
    """M filters at once.

    Args:
        body: what is known of the robot; its masses.
        parameters: (len(FIGURES), M).
        period_s: from one reading to the next.
    """

    def __init__(self, body: Body, parameters: np.ndarray, period_s: float) -> None:
        self._body, self._p, self._period_s = body, parameters, period_s
        figures = np.zeros((len(NAMES), parameters.shape[1]))
        figures[[SCALE, HEIGHT, INERTIA, VISCOUS, COULOMB]] = parameters[:5]
        self._figures = figures
        self._readings = np.zeros((2, STATES))
        self._readings[0, [0, 3]] = 1.0
        self._readings[1, [1, 2]] = -body.radius_m, 1.0

    def start(self, tilt: np.ndarray, rate: np.ndarray, speed: np.ndarray) -> Believed:
        """From first readings (M,): anything near them is believed."""
        count = len(tilt)
        mean = np.zeros((STATES, count))
        mean[[0, 1, 2]] = tilt, rate, speed
        mean[4 : 4 + LAGS], mean[4 + LAGS :] = tilt, speed
        covariance = np.zeros((count, STATES, STATES))
        covariance[:] = np.diag([0.05**2, 0.5**2, 0.1**2, 0.05**2, *[1e-6] * (2 * LAGS)])
        return Believed(mean, covariance)

    def read(self, now: Believed, tilt: np.ndarray, speed: np.ndarray) -> Believed:
        """Takes readings (M,) of tilt and speed in."""
        for row, reading, deviation in ((0, tilt, self._p[7]), (1, speed, self._p[8])):
            now = _updated(now, self._readings[row], reading, deviation**2)
        return now

    def expect(self, now: Believed, law: Law, inputs: np.ndarray) -> Believed:
        """Takes in what the input (LAGS + 1, M), latest first, says of the state, and where robots usually are."""
        to_usual = np.zeros((3, STATES))
        to_usual[0, [0, 3]] = to_usual[1, 1] = to_usual[2, 2] = 1.0
        share = self._p[12] / self._period_s
        roots = np.linalg.cholesky(np.linalg.inv(law.spread))
        for row in roots.T:  # the inverse root makes three readings of it that are independent of one another
            now = _updated(now, row @ to_usual, np.full(now.mean.shape[1], row @ law.usual), share)
        tilts, speeds = law.weights[: LAGS + 1], law.weights[LAGS + 1 : 2 * LAGS + 2]
        seen = tilts[0] * self._readings[0] + speeds[0] * self._readings[1]
        seen[4 : 4 + LAGS], seen[4 + LAGS :] = seen[4 : 4 + LAGS] + tilts[1:], seen[4 + LAGS :] + speeds[1:]
        rest = inputs[0] - law.weights[2 * LAGS + 2 : -1] @ inputs[1:] - law.weights[-1]
        return _updated(now, seen, rest, (law.residual * self._p[13]) ** 2)

    def predict(self, now: Believed, inputs: np.ndarray) -> Believed:
        """One period on, under the input (2, M) at its beginning and at its end."""
        share = np.clip(self._p[5], 0.0, 1.0)
        acting = (1.0 - share) * inputs[0] + share * inputs[1]
        moved, slope, by_input = self._linear(now.mean[:3], acting)
        count = now.mean.shape[1]
        transition = np.zeros((count, STATES, STATES))
        transition[:, :3, :3] = slope
        transition[:, 3, 3] = 1.0
        transition[:, 4], transition[:, 4 + LAGS] = self._readings
        for lag in range(1, LAGS):
            transition[:, 4 + lag, 3 + lag] = transition[:, 4 + LAGS + lag, 3 + LAGS + lag] = 1.0
        mean = np.einsum("mij,jm->im", transition, now.mean)
        limits = np.array([[LEAN_RAD], [RATE_RAD_S], [SPEED_M_S]])
        mean[:3] = np.clip(moved, -limits, limits)
        mean[3] = np.clip(now.mean[3], -OFFSET_RAD, OFFSET_RAD)
        covariance = transition @ now.covariance @ np.swapaxes(transition, 1, 2)
        covariance[:, :3, :3] += self._p[6][:, None, None] ** 2 * by_input[:, :, None] * by_input[:, None, :]
        for state, row in ((1, 9), (2, 10), (3, 11)):
            covariance[:, state, state] += self._p[row] ** 2 * self._period_s
        return Believed(mean, covariance)

    def outputs(self, now: Believed) -> np.ndarray:
        """(2, M) tilt and speed as they would be read."""
        seen: np.ndarray = self._readings @ now.mean
        return seen

    def _linear(self, state: np.ndarray, acting: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lean, rate and velocity (3, M) a period on, derivative by them (M, 3, 3) and by the input (M, 3)."""
        states = np.repeat(state[:, None], 1 + len(_STEPS), axis=1)
        inputs = np.repeat(acting[None], 1 + len(_STEPS), axis=0)
        for place in range(3):
            states[place, 1 + place] += _STEPS[place]
        inputs[-1] += _STEPS[-1]
        full = np.stack((states[0], states[1], np.zeros_like(states[0]), states[2]))
        for _ in range(SUBSTEPS):
            full = advance(self._body, self._figures[:, None], full, inputs, self._period_s / SUBSTEPS)
        after = full[[0, 1, 3]]
        slopes = (after[:, 1:] - after[:, :1]) / _STEPS[:, None]
        return after[:, 0], np.moveaxis(slopes[:, :3], 2, 0), slopes[:, 3].T


def _updated(now: Believed, seen: np.ndarray, reading: np.ndarray, variance: np.ndarray) -> Believed:
    """One scalar reading, in Joseph's form, which keeps a covariance one."""
    covariance = now.covariance
    spread = covariance @ seen
    gain = spread / (spread @ seen + variance)[:, None]
    mean = now.mean + (gain * (reading - seen @ now.mean)[:, None]).T
    keep = np.eye(STATES) - gain[:, :, None] * seen
    return Believed(
        mean,
        keep @ covariance @ np.swapaxes(keep, 1, 2)
        + np.broadcast_to(variance, reading.shape)[:, None, None] * gain[:, :, None] * gain[:, None, :],
    )


def filtered(model: Filter, tilt: np.ndarray, speed: np.ndarray, inputs: np.ndarray, period_s: float) -> list[Believed]:
    """Belief after each reading.

    Args:
        model: of M filters.
        tilt: (M, T).
        speed: (M, T).
        inputs: (M, T).
        period_s: from one reading to the next.
    """
    now = model.start(tilt[:, 0], (tilt[:, 3] - tilt[:, 0]) / (3.0 * period_s), speed[:, 0])
    found = []
    for index in range(tilt.shape[1]):
        if index:
            now = model.predict(now, np.stack((inputs[:, index - 1], inputs[:, index])))
        now = model.read(now, tilt[:, index], speed[:, index])
        found.append(now)
    return found


def joined(beliefs: Sequence[Believed]) -> Believed:
    """Several beliefs of M filters each as one of all, belief after belief."""
    return Believed(
        np.concatenate([belief.mean for belief in beliefs], axis=1),
        np.concatenate([belief.covariance for belief in beliefs]),
    )


def ahead(model: Filter, now: Believed, law: Law | None, inputs: np.ndarray, horizons: Sequence[int]) -> np.ndarray:
    """Predicted tilt and speed.

    Args:
        model: of M filters.
        now: where they begin.
        law: of the controller; None where its input says nothing of the state.
        inputs: (M, LAGS - 1 + H + 1) recorded input from LAGS - 1 periods before the beginning to the last horizon.
        horizons: in periods, rising.

    Returns:
        (len(horizons), M, 2).
    """
    found = []
    for step in range(max(horizons)):
        begin = LAGS - 1 + step
        now = model.predict(now, np.stack((inputs[:, begin], inputs[:, begin + 1])))
        if law is not None:
            now = model.expect(now, law, inputs[:, begin + 1 - np.arange(LAGS + 1)].T)
        if step + 1 in horizons:
            found.append(model.outputs(now).T)
    return np.stack(found)
