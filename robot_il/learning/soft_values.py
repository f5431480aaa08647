"""Maximum causal entropy control and its inverse in a finite world with a finite horizon (Ziebart 2010, chapter 9).

The reward is of states; a path of T actions passes T + 1 states and earns the reward of each. All arrays are float64.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp


def soft_policy(reward: np.ndarray, transitions: np.ndarray, horizon: int) -> np.ndarray:
    """pi_t(a|s) = exp(Q_t(s, a) - V_t(s)), with V_t = log sum_a exp Q_t and Q_t = r + E[V_{t+1}], V_T = r.

    Args:
        reward: (S,).
        transitions: (A, S, S), probability of the next state.
        horizon: T.

    Returns:
        (T, S, A).
    """
    value = reward
    policy = np.empty((horizon, len(reward), len(transitions)))
    for time in reversed(range(horizon)):
        quality = reward[:, None] + (transitions @ value).T
        value = logsumexp(quality, axis=1)
        policy[time] = np.exp(quality - value[:, None])
    return policy


def state_visits(policy: np.ndarray, transitions: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Probability of each state at each time, (T + 1, S), under a policy (T, S, A) from a start distribution (S,)."""
    visits = [start]
    for step in policy:
        visits.append(np.einsum("s,sa,ast->t", visits[-1], step, transitions))
    return np.array(visits)


def path_nll(reward: np.ndarray, transitions: np.ndarray, acts: np.ndarray) -> float:
    """Expected -log pi of a demonstrator's path.

    Args:
        reward: (S,).
        transitions: (A, S, S).
        acts: (T, S, A), probability that the demonstrator is in s at time t and does a.
    """
    return -float((acts * np.log(soft_policy(reward, transitions, len(acts)))).sum())


def path_nll_gradient(
    reward: np.ndarray, transitions: np.ndarray, start: np.ndarray, demonstrated: np.ndarray
) -> np.ndarray:
    """Gradient of ``path_nll`` by the reward: E_pi[visits] - E_D[visits], (S,); zero where the reward is the true one.

    The gradient of maximum causal entropy (Ziebart 2010, section 9.1) for indicator features; it holds for
    demonstrations from the same start that obey the transitions.

    Args:
        reward: (S,).
        transitions: (A, S, S).
        start: (S,) distribution of the first state.
        demonstrated: (T + 1, S), probability of each state at each time in the demonstrations.
    """
    policy = soft_policy(reward, transitions, len(demonstrated) - 1)
    return (state_visits(policy, transitions, start) - demonstrated).sum(axis=0)
