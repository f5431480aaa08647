"""IQ-Learn: a soft Q-function whose implied reward tells the expert from the policy (Garg et al., NeurIPS 2021).

With V(s) = E_a~pi[Q(s,a) - tau log pi(a|s)] the reward that Q implies is r = Q(s,a) - gamma V(s'), and Q maximises

    J = E_e[phi(r)] - (1 - gamma) E_s0[V(s0)],    phi(r) = r - r^2/(4 alpha)    (chi-square)

over expert transitions, where the second term telescopes along the recordings: (1 - gamma) E_s0[V(s0)] is
E_e[V(s) - gamma V(s')], so that expert rows are all it takes. What is left of the linear part, V(s) - Q(s,a), is the
negative log-likelihood of the soft policy: offline, IQ-Learn is behavioural cloning with a regularised Bellman error.

Three guards, without which Q drifts: the square is taken of the policy's rewards too and not of the expert's alone;
targets stay within what rewards can add up to; the state after a fall is an absorbing one (the last two are those of
LS-IQ, Al-Hafez et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from robot_il.learning.bootstrap import ActorLearner, BootstrapConfig, Steps, absorbing_value, next_value
from robot_il.learning.config import DEMONSTRATIONS
from robot_il.learning.critics import Critic, frozen_copy, polyak_update, sample_policy, value_monitors
from robot_il.learning.learner import Method, Report
from robot_il.learning.losses import expectation
from robot_il.learning.problem import Problem
from robot_il.learning.replayed import Replayed


@dataclass(frozen=True, kw_only=True)
class IQLearnConfig(BootstrapConfig):
    """Settings of IQ-Learn.

    Attributes:
        data: demonstrations: the ``expert`` rows, or ``all`` but the undesirable.
        alpha: of the chi-square utility; rewards stay within 2 alpha, or 4 alpha under ``regularise_policy``.
        temperature: tau, weight of the entropy; the policy's bias grows with tau/alpha.
        regularise_policy: square the policy's rewards too; on expert rows alone nothing bounds Q from below.
        clip_targets: keep V(s') within what rewards can add up to.
        policy_pretrain_steps: most steps of behavioural cloning before; none, as in the paper.
        critic_pretrain_steps: steps of the critic alone after that; an untrained one would lead the policy astray.
    """

    steps: int = 5000
    data: Literal["expert", "all"] = "expert"
    policy_lr: float = 3e-5
    alpha: float = 0.5
    temperature: float = 0.01
    regularise_policy: bool = True
    clip_targets: bool = True
    policy_pretrain_steps: int = 0
    critic_pretrain_steps: int = 500
    patience_steps: int = 2000

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.alpha > 0, "alpha", "positive")
        self.require(self.temperature > 0, "temperature", "positive")
        for name in ("policy_pretrain_steps", "critic_pretrain_steps"):
            self.require(getattr(self, name) >= 0, name, "0 or more")

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"expert": DEMONSTRATIONS[self.data]}

    @property
    def largest_reward(self) -> float:
        """Largest |r| at the optimum: phi'(r) = d_pi/d_e >= 0, or with both squared r = 4 alpha (d_e - d_pi)/(...)."""
        return (4 if self.regularise_policy else 2) * self.alpha


def chi_square_utility(reward: Tensor, alpha: float) -> Tensor:
    """phi(r) = r - r^2/(4 alpha), for each reward."""
    return reward - reward.square() / (4 * alpha)


def iq_objective(q: Tensor, value: Tensor, following: Tensor, discount: float, alpha: float) -> Tensor:
    """Of each expert transition its part of J, phi(Q - gamma V(s')) - (V(s) - gamma V(s')), (B,).

    Its mean over the expert's occupancy is J: the second part telescopes to (1 - gamma) E_s0[V(s0)].

    Args:
        q: Q(s, a).
        value: V(s).
        following: V(s').
        discount: gamma.
        alpha: of the utility.
    """
    target = discount * following
    return chi_square_utility(q - target, alpha) - (value - target)


def iq_critic_loss(
    q: Tensor, q_policy: Tensor, value: Tensor, following: Tensor, discount: float, alpha: float, both: bool
) -> Tensor:
    """-J, with the square over expert and policy actions alike when ``both`` (as LS-IQ does).

    A policy's action is taken to lead to the recorded next state: offline there is no other, and over 5 ms the torque
    of one period moves it little.

    Args:
        q: Q(s, a) of recorded actions, (B,).
        q_policy: Q(s, a) of the policy's.
        value: V(s).
        following: V(s'), detached.
        discount: gamma.
        alpha: of the utility.
        both: see above.
    """
    if not both:
        return -expectation(iq_objective(q, value, following, discount, alpha))
    target = discount * following
    squares = torch.cat([q - target, q_policy - target]).square()
    return expectation(value - q) + expectation(squares) / (4 * alpha)


def soft_actor_loss(q: Tensor, log_density: Tensor, temperature: float) -> Tensor:
    """E_s[tau log pi(a|s) - Q(s,a)] for a ~ pi (Haarnoja et al. 2018, arXiv 1812.05905, Eq. 7)."""
    return expectation(temperature * log_density - q)


class IQLearnLearner(ActorLearner):
    """One critic, its slow copy, and a policy that follows it; V(s) serves both losses."""

    config: IQLearnConfig

    def __init__(self, config: IQLearnConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self.critic = Critic(problem.states, problem.actions, config.critic_hidden)
        self.add("critic", self.critic, config.critic_lr)
        self.critic_target = self.keep("critic_target", frozen_copy(self.critic))
        self.expert = Steps.of(problem, "expert")
        self._limit = config.largest_reward / (1 - config.discount)

    def prepare(self, report: Report) -> None:
        """See ``Learner``."""
        config = self.config
        self.clone(self.expert, config.policy_pretrain_steps, report)

        def move_critic() -> None:
            self.update({"critic": self.losses(self.draw())["critic"]})
            polyak_update(self.critic_target, self.critic, config.polyak)

        take_step = Replayed(move_critic, self.device, [self.generator])
        for done in range(config.critic_pretrain_steps):
            if done % config.evaluate_every == 0:
                report("critic", done, config.critic_pretrain_steps)
            take_step()

    def draw(self) -> Steps:
        """Expert transitions."""
        return self.expert.draw(self.config.batch, self.generator)

    def move(self) -> dict[str, Tensor]:
        """See ``Learner``; then the slow copy follows."""
        losses = super().move()
        polyak_update(self.critic_target, self.critic, self.config.polyak)
        return losses

    @torch.no_grad()
    def following(self, batch: Steps) -> Tensor:
        """V(s') of the slow copy, within its bounds, (B,)."""
        config = self.config
        after = sample_policy(self.policy, self.problem.coordinates, batch.next_state, self.generator)
        value = self.critic_target(after.inputs) - config.temperature * after.log_density
        fallen = absorbing_value(-config.largest_reward, config.discount)
        return next_value(value, batch.terminal, fallen, self._limit if config.clip_targets else torch.inf)

    def losses(self, batch: Steps) -> dict[str, Tensor]:
        """See ``Learner``."""
        config = self.config
        following = self.following(batch)
        drawn = sample_policy(self.policy, self.problem.coordinates, batch.state, self.generator)
        q, q_policy = self.critic.shared(torch.cat([batch.inputs, drawn.inputs])).chunk(2)
        value = q_policy - config.temperature * drawn.log_density
        self.seen = {"q": q, "reward": q - config.discount * following, "gap": q - q_policy, "log_std": drawn.log_std}
        return {
            "critic": iq_critic_loss(
                q, q_policy, value, following, config.discount, config.alpha, config.regularise_policy
            ),
            "policy": soft_actor_loss(q_policy, drawn.log_density, config.temperature),
        }

    def monitors(self) -> dict[str, float]:
        """See ``Learner``: |Q|, the implied reward, and by how much Q prefers the expert's action to the policy's."""
        return value_monitors(self.seen)


METHOD = Method(
    "iq_learn",
    IQLearnConfig,
    IQLearnLearner,
    "Garg et al. 2021, IQ-Learn; targets and falls as in Al-Hafez et al. 2023, LS-IQ",
    "whole demonstrations at full rate, all of one kind; behavioural cloning with a regularised Bellman error",
)
