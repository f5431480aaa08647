"""Maximum-entropy control of a linear system with a quadratic reward, and its inverse.

For s' = A s + B u + noise and r = -(s'Q s + u'R u), the maximiser of E[sum gamma^t (r + tau H(pi))] is a Gaussian:

    P = Q + gamma A'P (A - B K),   M = R + gamma B'P B         (the DARE of sqrt(gamma) A and sqrt(gamma) B)
    K = gamma M^-1 B'P A,          pi(u|s) = N(-K s, tau/2 M^-1)

because soft Q(s, u) = -(s'Q s + u'R u) - gamma (A s + B u)'P (A s + B u) + constant, and pi is proportional to
exp(Q/tau) (Ziebart 2010, chapter 6, there without discount). R is the unit matrix: a reward is known up to its scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_discrete_are, solve_discrete_lyapunov
from scipy.optimize import minimize
from scipy.special import expit

STARTS = (0.1, 1.0, 10.0, 100.0)
"""State weights from which the search begins, all of them the same; the best end counts."""
WEIGHT_BOUNDS = (-15.0, 1e5)
"""Of the weights before softplus."""
REFUSED = 1e6
"""Value where no stabilising solution was found; no likelihood of O(1) quantities comes near it."""


@dataclass(frozen=True, eq=False)
class LinearSystem:
    """s' = A s + B u.

    Attributes:
        A: (S, S).
        B: (S, A).
        discount: gamma.
    """

    A: np.ndarray
    B: np.ndarray
    discount: float


@dataclass(frozen=True, eq=False)
class SoftLqr:
    """The optimal soft policy for some state weights.

    Attributes:
        weights: (S,) diagonal of Q.
        value: (S, S), P.
        precision: (A, A), M; the policy's covariance is tau/2 of its inverse.
        gain: (A, S), K.
    """

    weights: np.ndarray
    value: np.ndarray
    precision: np.ndarray
    gain: np.ndarray

    @classmethod
    def solve(cls, system: LinearSystem, weights: np.ndarray) -> SoftLqr:
        """For the diagonal ``weights`` (S,) of Q.

        Raises:
            LinAlgError: no stabilising solution.
        """
        A, B, discount = system.A, system.B, system.discount
        root, unit = math.sqrt(discount), np.eye(B.shape[1])
        value = solve_discrete_are(root * A, root * B, np.diag(weights), unit)
        precision = unit + discount * B.T @ value @ B
        gain = discount * np.linalg.solve(precision, B.T @ value @ A)
        # the solver does not notice a system that its input cannot reach
        if not root * np.abs(np.linalg.eigvals(A - B @ gain)).max() < 1:
            raise np.linalg.LinAlgError("no gain stabilises the system")
        return cls(weights, value, precision, gain)

    def covariance(self, temperature: float) -> np.ndarray:
        """(A, A) covariance of the policy at tau = ``temperature``."""
        return 0.5 * temperature * np.linalg.inv(self.precision)


@dataclass(frozen=True, eq=False)
class Moments:
    """Second moments of centred states and actions: all that the likelihood of a linear policy depends on.

    Attributes:
        states: (S, S), E[s s'].
        crossed: (S, A), E[s u'].
        actions: (A, A), E[u u'].
    """

    states: np.ndarray
    crossed: np.ndarray
    actions: np.ndarray

    @classmethod
    def of(cls, states: np.ndarray, actions: np.ndarray, floor: float) -> Moments:
        """From rows (N, S) and (N, A), float64; ``floor`` is the smallest standard deviation a residual can have."""
        s, u = states - states.mean(axis=0), actions - actions.mean(axis=0)
        rows = len(s)
        return cls(s.T @ s / rows, s.T @ u / rows, u.T @ u / rows + floor**2 * np.eye(u.shape[1]))

    def residual(self, gain: np.ndarray) -> np.ndarray:
        """(A, A), E[(u + K s)(u + K s)'] for a gain K."""
        across = gain @ self.crossed
        return self.actions + across + across.T + gain @ self.states @ gain.T


def best_temperature(law: SoftLqr, moments: Moments) -> float:
    """The tau of the highest likelihood, 2 tr(M C)/A with C the residual's second moment."""
    return 2.0 * float(np.trace(law.precision @ moments.residual(law.gain))) / len(law.precision)


def negative_log_likelihood(system: LinearSystem, moments: Moments, free: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean -log pi(u|s) at the best tau, and its gradient.

    The gradient passes through the Riccati equation by its own derivative: at the optimal gain
    dP = dQ + gamma (A - BK)'dP (A - BK), so dM = gamma B'dP B and dK = gamma M^-1 B'dP (A - BK).

    Args:
        system: the dynamics.
        moments: of the demonstrations.
        free: (S,) state weights before softplus.

    Returns:
        The value in nats and its gradient (S,); ``REFUSED`` and zeros where there is no stabilising solution.
    """
    try:
        law = SoftLqr.solve(system, np.logaddexp(0.0, free))
    except (np.linalg.LinAlgError, ValueError):
        return REFUSED, np.zeros_like(free)
    A, B, discount = system.A, system.B, system.discount
    M, K, C = law.precision, law.gain, moments.residual(law.gain)
    actions, closed = len(M), A - B @ K
    misfit = float(np.trace(M @ C))
    value = 0.5 * actions * (1 + math.log(2 * math.pi * misfit / actions)) - 0.5 * np.linalg.slogdet(M)[1]
    slope = moments.crossed + moments.states @ K.T
    gradient = np.empty_like(free)
    for index in range(len(free)):
        dQ = np.zeros_like(A)
        dQ[index, index] = expit(free[index])
        dP = solve_discrete_lyapunov(math.sqrt(discount) * closed.T, dQ)
        dM = discount * B.T @ dP @ B
        dK = discount * np.linalg.solve(M, B.T @ dP @ closed)
        d_misfit = np.trace(dM @ C) + 2 * np.trace(M @ dK @ slope)
        gradient[index] = 0.5 * actions * d_misfit / misfit - 0.5 * np.trace(np.linalg.solve(M, dM))
    return value, gradient


def fit_soft_lqr(system: LinearSystem, moments: Moments, iterations: int) -> tuple[SoftLqr, float]:
    """State weights and temperature under which the demonstrations are likeliest, by L-BFGS.

    Args:
        system: the dynamics.
        moments: of the demonstrations.
        iterations: most from each of ``STARTS``.

    Returns:
        The policy and tau.

    Raises:
        LinAlgError: no start has a stabilising solution.
    """
    best_value, best = REFUSED, None
    for start in STARTS:
        begin = np.full(len(system.A), np.log(np.expm1(start)) if start < 30 else start)
        found = minimize(
            lambda free: negative_log_likelihood(system, moments, free),
            begin,
            jac=True,
            method="L-BFGS-B",
            bounds=[WEIGHT_BOUNDS] * len(begin),
            options={"maxiter": iterations},
        )
        if found.fun < best_value:
            best_value, best = float(found.fun), found.x
    if best is None:
        raise np.linalg.LinAlgError("no stabilising solution of the Riccati equation")
    law = SoftLqr.solve(system, np.logaddexp(0.0, best))
    return law, best_temperature(law, moments)
