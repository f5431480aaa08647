"""Scores an exported policy in a Gymnasium environment; needs the extra ``hopper`` for MuJoCo's."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from robot_il.control.onnx_policy import OnnxPolicy
from robot_il.errors import ConfigError, PolicyError


@dataclass(frozen=True)
class GymScore:
    """How a policy did.

    Attributes:
        name: the policy file's.
        env: the environment's id.
        seed: of the first episode; episode k is reset with seed + k.
        returns: undiscounted sum of rewards of each episode.
        lengths: steps of each episode.
        reference: (return that counts as 0, return that counts as 100), None where the policy's data name none.
    """

    name: str
    env: str
    seed: int
    returns: tuple[float, ...]
    lengths: tuple[int, ...]
    reference: tuple[float, float] | None

    @property
    def mean(self) -> float:
        """Mean return."""
        return float(np.mean(self.returns))

    @property
    def std(self) -> float:
        """Standard deviation of the returns, with the sample size less one; NaN for one episode."""
        return float(np.std(self.returns, ddof=1)) if len(self.returns) > 1 else math.nan

    @property
    def normalised(self) -> float | None:
        """``100 (R - low) / (high - low)`` of the mean return, as D4RL defines it (Fu et al. 2020, section 5)."""
        if self.reference is None:
            return None
        low, high = self.reference
        return 100 * (self.mean - low) / (high - low)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "policy": self.name,
            "env": self.env,
            "seed": self.seed,
            "episodes": len(self.returns),
            "returns": list(self.returns),
            "lengths": list(self.lengths),
            "mean": self.mean,
            "std": None if math.isnan(self.std) else self.std,
            "normalised": self.normalised,
        }


def evaluate_in_gym(
    path: Path,
    env_name: str,
    episodes: int = 10,
    seed: int = 0,
    progress: Callable[[int, float], None] = lambda episode, score: None,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> GymScore:
    """Plays whole episodes with the policy's deterministic action.

    Args:
        path: a policy file.
        env_name: a Gymnasium id such as ``Hopper-v4``, with box observations and actions.
        episodes: how many.
        seed: episode k is reset with ``seed + k``.
        progress: called after each episode with its number, from 1, and its return.
        settings: what the environment is made with.

    Raises:
        ConfigError: Gymnasium or the environment is not there, or no episode is asked for.
        PolicyError: a file that cannot be used, or of other sizes than the environment's.
    """
    if episodes < 1:
        raise ConfigError("at least one episode", f"{episodes}", "correct --episodes")
    policy = OnnxPolicy(path)
    env = _make(env_name, settings)
    try:
        _check_sizes(policy, env, env_name)
        results = []
        for episode in range(episodes):
            results.append(_episode(policy, env, seed + episode))
            progress(episode + 1, results[-1][0])
    finally:
        env.close()
    returns, lengths = zip(*results, strict=True)
    return GymScore(path.stem, env_name, seed, returns, lengths, _reference(policy.metadata.dataset_meta))


def format_gym_table(scores: Sequence[GymScore]) -> str:
    """The scores as a text table, one policy a row."""
    width = max(len("policy"), *(len(score.name) for score in scores))
    wide = max(16, *(len(score.env) for score in scores))
    lines = [
        f"{'policy':{width}s}  {'env':{wide}s}  episodes      mean       std      best     worst    steps  normalised"
    ]
    for score in scores:
        spread = "-" if math.isnan(score.std) else f"{score.std:.1f}"
        normalised = "-" if score.normalised is None else f"{score.normalised:.1f}"
        lines.append(
            f"{score.name:{width}s}  {score.env:{wide}s}  {len(score.returns):8d}  {score.mean:8.1f}  {spread:>8s}"
            f"  {max(score.returns):8.1f}  {min(score.returns):8.1f}  {np.mean(score.lengths):7.1f}  {normalised:>10s}"
        )
    return "\n".join(lines)


def _make(env_name: str, settings: Mapping[str, Any]) -> Any:
    try:
        import gymnasium
    except ImportError as error:
        raise ConfigError("Gymnasium", "no such module", "install it: pip install 'robot-il[hopper]'") from error
    _keep_mujoco_from_writing_files()
    try:
        with warnings.catch_warnings():
            # An older version of an environment is asked for on purpose: its data were recorded in it.
            warnings.simplefilter("ignore", DeprecationWarning)
            return gymnasium.make(env_name, **settings)
    except ImportError as error:
        came = f"an install without {error.name}"
        raise ConfigError(f"what {env_name} needs", came, "install it: pip install 'robot-il[hopper]'") from error
    except gymnasium.error.Error as error:
        raise ConfigError("an environment of Gymnasium", f"{env_name}: {error}", "correct --env") from error


def _keep_mujoco_from_writing_files() -> None:
    """Sends MuJoCo's warnings to the logging module; by itself it writes MUJOCO_LOG.TXT into the working folder."""
    try:
        import mujoco
    except ImportError:
        return
    mujoco.set_mju_user_warning(logging.getLogger(__name__).info)


def _check_sizes(policy: OnnxPolicy, env: Any, env_name: str) -> None:
    came = (len(policy.metadata.observation),), (len(policy.metadata.action),)
    expected = env.observation_space.shape, env.action_space.shape
    if came != expected:
        raise PolicyError(
            f"observation {expected[0]} and action {expected[1]} for {env_name}",
            f"{came[0]} and {came[1]}",
            "evaluate it in the environment of its data",
        )


def _episode(policy: OnnxPolicy, env: Any, seed: int) -> tuple[float, int]:
    """(return, steps) of one episode."""
    observation, _ = env.reset(seed=seed)
    score, steps, done = 0.0, 0, False
    while not done:
        observation, reward, terminated, truncated, _ = env.step(policy.act(observation))
        score += float(reward)
        steps += 1
        done = terminated or truncated
    return score, steps


def _reference(meta: dict[str, Any]) -> tuple[float, float] | None:
    low, high = meta.get("d4rl_min"), meta.get("d4rl_max")
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low < high:
        return float(low), float(high)
    return None
