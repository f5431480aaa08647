"""Least-squares policies as they travel in policy files: when two are the same, and what they do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from robot_il.control.policy_metadata import LinearBaseline
from robot_il.learning.dataset import Dataset


def same_law(law: LinearBaseline, other: LinearBaseline) -> bool:
    """Whether two fits are of the same rows: methods scale them differently, which moves the last digits."""
    close = np.allclose(law.weights, other.weights, rtol=1e-3, atol=1e-6)
    return close and np.allclose(law.bias, other.bias, rtol=1e-3, atol=1e-5)


def law_policy(law: LinearBaseline, dataset: Dataset) -> Callable[[np.ndarray], np.ndarray]:
    """A least-squares policy in raw units as a function of observations (N, S), clipped to the action's limits."""
    weights, bias, info = np.array(law.weights), np.array(law.bias), dataset.info
    return lambda states: np.clip(states @ weights.T + bias, info.action_low, info.action_high)
