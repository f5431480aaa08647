"""How sure a fit is: intervals, correlations, and which figures a recording says nothing of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from sim.identification.fit import SOFTER, Fit

CONFIDENCE = 0.95
WIDEST = 1e3
"""Largest deviation that is stated, in units of a figure's size."""


@dataclass(frozen=True, eq=False)
class Spread:
    """What is known of how far the found figures may be off.

    Attributes:
        chosen: indices into ``NAMES``.
        deviation: (P,) standard deviation, in the figure's unit.
        low: (P,) end of the interval of ``CONFIDENCE``.
        high: (P,) the other.
        correlation: (P, P).
        singular: (P,) singular values of the derivative by figures in units of their size, largest first: of the
            combinations in ``directions``, how many standard deviations the recording moves by when one grows by 100 %.
        directions: (P, P) rows: combinations of figures, in units of their size.
    """

    chosen: tuple[int, ...]
    deviation: np.ndarray
    low: np.ndarray
    high: np.ndarray
    correlation: np.ndarray
    singular: np.ndarray
    directions: np.ndarray


def spread(fitted: Fit) -> Spread:
    """Intervals from the Jacobian, robust against noise that is not white.

    Readings a few milliseconds apart are not independent: what the model leaves out lasts longer. So each piece counts
    as one observation (Liang and Zeger, Biometrika 73(1), 1986, eq. 4, with G / (G - 1) for the small number of pieces
    and Student's t of G - 1 degrees of freedom); where that comes out below the covariance of white noise, the latter
    is taken. What the last sharpening of Coulomb friction still moved a figure by, carried on to where friction changes
    its sign at once, is added as a further deviation.
    """
    scales = fitted.setting.scales[list(fitted.chosen)]
    parts = [piece.projected() for piece in fitted.pieces]
    count = len(parts)
    information = sum((outer.T @ outer for _, outer in parts), np.zeros((len(scales), len(scales))))
    # what nothing is told of must come out as unknown, not as certain
    inverse = np.linalg.inv(information + np.eye(len(scales)) / WIDEST**2)
    gradients = np.stack([outer.T @ residual for residual, outer in parts])
    meat = gradients.T @ gradients * count / max(1, count - 1)
    robust = inverse @ meat @ inverse
    rows = sum(len(residual) for residual, _ in parts)
    misfit = sum(float(residual @ residual) for residual, _ in parts) / max(1, rows - len(scales))
    variance = np.maximum(np.diag(robust), misfit * np.diag(inverse))
    soft = (fitted.values - fitted.softened)[list(fitted.chosen)] / (SOFTER[-2] / SOFTER[-1] - 1.0)
    deviation = np.hypot(np.sqrt(variance) * scales, soft)
    reach = float(student.ppf(0.5 + CONFIDENCE / 2.0, max(1, count - 1))) * deviation
    size = np.sqrt(np.maximum(np.diag(robust), np.finfo(float).tiny))
    values = fitted.values[list(fitted.chosen)]
    eigenvalues, vectors = np.linalg.eigh(information)
    return Spread(
        fitted.chosen,
        deviation,
        values - reach,
        values + reach,
        robust / np.outer(size, size),
        np.sqrt(np.maximum(eigenvalues, 0.0))[::-1],
        vectors[:, ::-1].T,
    )


def bootstrap(fitted: Fit, draws: int, seed: int) -> np.ndarray:
    """Deviations once more, without a formula: the pieces drawn anew, again and again (Künsch, Ann. Stat. 17(3), 1989).

    Each draw takes the one step of Gauss and Newton from the fit that its own pieces ask for.

    Returns:
        (P,) standard deviation over the draws, in the figure's unit.
    """
    scales = fitted.setting.scales[list(fitted.chosen)]
    parts = [piece.projected() for piece in fitted.pieces]
    information = np.stack([outer.T @ outer for _, outer in parts])
    gradients = np.stack([outer.T @ residual for residual, outer in parts])
    random = np.random.default_rng(seed)
    steps = []
    for _ in range(draws):
        drawn = random.integers(len(parts), size=len(parts))
        steps.append(np.linalg.lstsq(information[drawn].sum(axis=0), -gradients[drawn].sum(axis=0), rcond=None)[0])
    deviation: np.ndarray = np.std(steps, axis=0) * scales
    return deviation
