"""The linear model that a simulation has to beat: one step ahead by least squares, then step after step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.identification.data import Stretch


@dataclass(frozen=True, eq=False)
class LinearModel:
    """x' = F x + G u + g over one period, with x = (pitch, pitch rate, wheel angle, wheel rate) and u in N m.

    Attributes:
        transition: (4, 4).
        response: (4,).
        offset: (4,).
    """

    transition: np.ndarray
    response: np.ndarray
    offset: np.ndarray

    @classmethod
    def fitted(cls, stretches: Sequence[Stretch]) -> LinearModel:
        """By least squares over all pairs of neighbouring samples; the wheel's angle itself can make no difference."""
        before = np.concatenate([stretch.outputs[:, :-1] for stretch in stretches], axis=1)
        after = np.concatenate([stretch.outputs[:, 1:] for stretch in stretches], axis=1)
        torque = np.concatenate([stretch.torque[1:].mean(axis=1) for stretch in stretches])
        seen = np.stack((before[0], before[1], before[3], torque, np.ones_like(torque)))
        weights = np.linalg.lstsq(seen.T, (after - before).T, rcond=None)[0].T
        transition = np.eye(4)
        transition[:, [0, 1, 3]] += weights[:, :3]
        return cls(transition, weights[:, 3], weights[:, 4])

    def responses(self, torques: np.ndarray) -> np.ndarray:
        """What torques and offset do to a robot that starts at zero.

        Args:
            torques: (N, S) mean over each period.

        Returns:
            (N, S + 1, 4) states, the first of them zero.
        """
        states = np.zeros((len(torques), torques.shape[1] + 1, 4))
        for step in range(torques.shape[1]):
            states[:, step + 1] = (
                states[:, step] @ self.transition.T + torques[:, step, None] * self.response + self.offset
            )
        return states

    def free(self, steps: int) -> np.ndarray:
        """(steps + 1, 4, 4) what each starting state becomes without torque."""
        powers = [np.eye(4)]
        for _ in range(steps):
            powers.append(self.transition @ powers[-1])
        return np.stack(powers)

    def smoothed(self, outputs: np.ndarray, torques: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """State at the end of a window, from all readings in it at once, as linear least squares has it.

        Args:
            outputs: (N, 4, W + 1) readings of each window.
            torques: (N, W) mean over each period in it.
            noise: (4,) standard deviation of each output; infinite for one that is not looked at.

        Returns:
            (N, 4).
        """
        seen = np.flatnonzero(np.isfinite(noise))
        free, driven = self.free(torques.shape[1]), self.responses(torques)
        weight = 1.0 / noise[seen]
        design = (free[:, seen] * weight[:, None]).reshape(-1, 4)
        missing = ((np.moveaxis(outputs, 1, 2)[..., seen] - driven[..., seen]) * weight).reshape(len(outputs), -1)
        starts = np.linalg.lstsq(design, missing.T, rcond=None)[0].T
        ends: np.ndarray = starts @ free[-1].T + driven[:, -1]
        return ends

    def predicted(self, starts: np.ndarray, torques: np.ndarray) -> np.ndarray:
        """(N, S + 1, 4) states from the given ones, under the given torques (N, S)."""
        free = self.free(torques.shape[1])
        states: np.ndarray = np.einsum("sij,nj->nsi", free, starts) + self.responses(torques)
        return states
