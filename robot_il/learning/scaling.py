"""Coordinates: SI quantities to the O(1) numbers that networks see, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

ACTION_CLIP = 1 - 1e-6
"""Recorded actions are pulled this far inside the limits, so that atanh of a saturated one stays finite."""
STATE_CLIP = 10.0
"""A standing robot's log has a spread of millimetres: one metre away is far outside what any network has seen."""
SCALE_FLOOR = 1e-6
UNIT_FLOORS = {"rad": 1e-4, "rad/s": 1e-3, "m": 1e-4, "m/s": 1e-3}
"""Smallest scale of a channel in its unit, about what the sensors resolve. A floor of 1e-3 throughout, as is common,
would distort the tilt by some 10 %: its spread in a log at 200 Hz is 0.008 to 0.04 rad."""


def channel_scale(values: np.ndarray, floors: np.ndarray) -> np.ndarray:
    """Standard deviation of each column of ``values`` (N, D), not below ``floors`` (D,); 1 where it never moved.

    A channel that never moved has no scale of its own, and dividing by a tiny one would turn the first movement at run
    time into a saturated input.
    """
    spread = values.std(axis=0, dtype=np.float64)
    return np.where(spread > SCALE_FLOOR, np.maximum(spread, floors), np.maximum(1.0, floors)).astype(np.float32)


@dataclass(frozen=True)
class StateScaling:
    """z = clip((s - mean) / scale); arrays of shape (S,), in the channels' units."""

    mean: np.ndarray
    scale: np.ndarray
    clip: float = STATE_CLIP

    @classmethod
    def fit(cls, states: np.ndarray, units: tuple[str, ...]) -> StateScaling:
        """From recorded states (N, S) and their units."""
        floors = np.array([max(SCALE_FLOOR, UNIT_FLOORS.get(unit, SCALE_FLOOR)) for unit in units])
        mean = states.mean(axis=0, dtype=np.float64).astype(np.float32)
        return cls(mean, channel_scale(states, floors))

    def __call__(self, states: np.ndarray) -> Tensor:
        """Standardised, clipped states (N, S)."""
        scaled = (np.asarray(states, dtype=np.float32) - self.mean) / self.scale
        return torch.from_numpy(scaled.clip(-self.clip, self.clip))


class ActionTensors(NamedTuple):
    """The arrays of an ``ActionScaling`` on one device, (A,) each, and what follows from them.

    Attributes:
        offset: see there.
        limit: likewise.
        centre: likewise.
        spread: likewise.
        log_spread: its logarithm.
        low: v of the smallest action that is told from the limit.
        high: of the largest.
    """

    offset: Tensor
    limit: Tensor
    centre: Tensor
    spread: Tensor
    log_spread: Tensor
    low: Tensor
    high: Tensor


@dataclass(frozen=True)
class ActionScaling:
    """v = (atanh((a - offset) / limit) - centre) / spread; arrays of shape (A,).

    Networks speak of v. ``offset`` and ``limit`` are the middle and half width of the action's range. ``centre`` and
    ``spread`` standardise what was recorded, so that a bound on a policy's standard deviation means the same for a
    robot that balances with a twentieth of its torque as for one that saturates.
    """

    offset: np.ndarray
    limit: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    _tensors: dict[torch.device, ActionTensors] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def fit(cls, actions: np.ndarray, low: np.ndarray, high: np.ndarray) -> ActionScaling:
        """From recorded actions (N, A) and their limits (A,)."""
        offset, limit = (high + low) / 2, (high - low) / 2
        raw = _atanh(actions, offset, limit)
        floors = np.full(len(limit), SCALE_FLOOR)
        return cls(offset, limit, raw.mean(axis=0).astype(np.float32), channel_scale(raw, floors))

    def __call__(self, actions: np.ndarray) -> Tensor:
        """Standardised pre-tanh actions v, (N, A)."""
        raw = _atanh(actions, self.offset, self.limit)
        return torch.from_numpy(((raw - self.centre) / self.spread).astype(np.float32))

    def on(self, device: torch.device) -> ActionTensors:
        """The arrays on a device; moved there once, since a step that is replayed on a GPU cannot fetch them."""
        found = self._tensors.get(device)
        if found is None:
            most = math.atanh(ACTION_CLIP)
            bounds = ((sign * most - self.centre) / self.spread for sign in (-1, 1))
            arrays = (self.offset, self.limit, self.centre, self.spread)
            offset, limit, centre, spread, low, high = (torch.from_numpy(a).to(device) for a in (*arrays, *bounds))
            found = ActionTensors(offset, limit, centre, spread, torch.log(spread), low, high)
            self._tensors[device] = found
        return found

    def action(self, value: Tensor) -> Tensor:
        """Actions in their own units, (N, A), for v."""
        known = self.on(value.device)
        return known.offset + known.limit * torch.tanh(known.centre + known.spread * value)

    def saturate(self, value: Tensor) -> Tensor:
        """Pulls v inside the limits as recorded actions are."""
        known = self.on(value.device)
        return torch.clamp(value, known.low, known.high)

    def log_volume(self, value: Tensor) -> Tensor:
        """Per dimension log |dv/da|, (N, A), with a in units of ``limit``; added to log N(v) it gives log p(a).

        Uses log(1 - tanh^2 u) = 2 (log 2 - u - softplus(-2u)), exact where 1 - a^2 is not.
        """
        known = self.on(value.device)
        raw = known.centre + known.spread * value
        slope = 2 * (math.log(2) - raw - functional.softplus(-2 * raw))
        return -known.log_spread - slope


def _atanh(actions: np.ndarray, offset: np.ndarray, limit: np.ndarray) -> np.ndarray:
    unit = (actions.astype(np.float64) - offset) / limit
    return np.arctanh(unit.clip(-ACTION_CLIP, ACTION_CLIP))
