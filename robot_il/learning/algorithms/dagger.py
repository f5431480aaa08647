"""DAgger: imitate what the expert would do in the states that the policy itself gets into (Ross et al., AISTATS 2011).

In round i the mixture pi_i = beta_i pi* + (1 - beta_i) pi drives, every state that it visits is labelled by the expert
pi*, whoever acted, and the policy goes on learning from all states labelled so far. The expert is an oracle (on the
robot the LQR): a person cannot say what torque would have been right, 200 times a second. What a person can do is take
over; the stretches driven so are labels of their own (HG-DAgger, Kelly et al., ICRA 2019).

Rollouts happen in the environment that the learner is given, which is a simulation.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from robot_il.learning.algorithms.bc import bc_loss
from robot_il.learning.config import DEMONSTRATIONS
from robot_il.learning.dataset import Dataset
from robot_il.learning.environment import Actor, Collect, Experience, Oracle
from robot_il.learning.gaussian import GaussianConfig, GaussianLearner
from robot_il.learning.learner import Method, Report
from robot_il.learning.networks import LOG_STD_BOUNDS_FED_BACK, row_sum
from robot_il.learning.problem import Coordinates, Problem
from robot_il.learning.rows import Rows

STATE_CLIP = 25.0
"""In place of the usual 10, and of a wider scale: a policy that fails gets far outside the demonstrations, and must see
how far."""
SEEDS = 2**31


@dataclass(frozen=True, kw_only=True)
class DAggerConfig(GaussianConfig):
    """Settings of DAgger.

    Attributes:
        data: whose recorded states are labelled before the first round: the ``expert`` rows', or ``all`` but the
            undesirable.
        source: ``twin`` drives in the environment; ``logs`` asks the expert about the recorded states alone;
            ``takeovers`` keeps the recorded actions where a person drove, and asks the expert about all other states.
        rounds: rollout rounds.
        round_steps: gradient steps after each.
        round_episodes: episodes of a round.
        episode_steps: longest episode, in control periods.
        curriculum: whether the rounds' episodes begin easy; the validation episodes never do.
        schedule: beta_i, the expert's share of the steps of round i = 0, 1, ...: ``linear`` 1 - i/rounds, ``power``
            beta_base^i, ``expert`` 1 throughout, which is behavioural cloning of the expert's own episodes, ``policy``
            0 throughout.
        beta_base: see ``schedule``.
        reach: how many times farther than the recorded spread the rounds are expected to lead. A robot that stood still
            while it was recorded is pushed about in the rounds, and networks want numbers of the order of one.
        policy_pretrain_steps: most steps of behavioural cloning before the first round.
    """

    # The labels have no noise: a policy certain of them to a thousandth would be thrown far by the first that is new.
    log_std_floor: float = LOG_STD_BOUNDS_FED_BACK[0]
    steps: int = 3750
    patience_steps: int = 1500
    data: Literal["expert", "all"] = "expert"
    source: Literal["twin", "logs", "takeovers"] = "twin"
    rounds: int = 15
    round_steps: int = 250
    round_episodes: int = 3
    episode_steps: int = 1000
    curriculum: bool = False
    schedule: Literal["linear", "power", "expert", "policy"] = "linear"
    beta_base: float = 0.7
    reach: float = 4.0
    policy_pretrain_steps: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rounds", "policy_pretrain_steps"):
            self.require(getattr(self, name) >= 0, name, "0 or more")
        for name in ("round_steps", "round_episodes", "episode_steps"):
            self.require(getattr(self, name) >= 1, name, "at least 1")
        self.require(0 <= self.beta_base <= 1, "beta_base", "in 0 to 1")
        self.require(self.reach >= 1, "reach", "at least 1")

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"demonstrations": DEMONSTRATIONS[self.data]}

    def needs_environment(self) -> bool:
        """See ``MethodConfig``: for its oracle at least."""
        return True


def beta(config: DAggerConfig, index: int) -> float:
    """Share of the steps of round ``index`` that the expert acts, Ross et al. 2011, section 3.3."""
    if config.schedule == "linear":
        return max(0.0, 1.0 - index / max(1, config.rounds))
    return {"power": config.beta_base**index, "expert": 1.0, "policy": 0.0}[config.schedule]


class Mixture:
    """beta pi* + (1 - beta) pi: at every step, independently, the expert acts with probability beta.

    Args:
        actor: the policy.
        oracle: the expert.
        share: beta.
        seed: of the choice.
    """

    def __init__(self, actor: Actor, oracle: Oracle, share: float, seed: int) -> None:
        self._actor, self._oracle, self._share = actor, oracle, share
        self._random = np.random.default_rng(seed)

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """The action (A,) of whoever acts now."""
        if self._random.random() < self._share:
            return self._oracle(observation[None])[0]
        return self._actor(observation)


def operator_rows(dataset: Dataset) -> np.ndarray:
    """(N,) bool: the rows of recordings of which only what a person drove was kept, as the dataset's ``meta`` says."""
    sources = dataset.info.meta.get("sources", ())
    # of a recording with several episodes each is a source of its own; older datasets name the recording alone
    by_person = {(source["sha256"], source.get("source")) for source in sources if source.get("operator")}
    episodes = dataset.info.episodes
    kept = np.array(
        [not by_person.isdisjoint({(e.source_sha256, e.source), (e.source_sha256, None)}) for e in episodes]
    )
    return kept[dataset.episode]


def relabelled(problem: Problem, config: DAggerConfig) -> Problem:
    """The problem with the expert's action in every row, but for a person's own under ``source=takeovers``.

    Its coordinates leave room for ``config.reach`` times the recorded spread, in states and in actions.
    """
    environment, data = problem.require_environment(), problem.dataset
    actions = environment.oracle(data.observations)
    if config.source == "takeovers":
        actions = np.where(operator_rows(data)[:, None], data.actions, actions)
    data = replace(data, actions=actions)
    fitted = Coordinates.fit(data, problem.training_rows)
    coordinates = replace(
        fitted,
        state=replace(fitted.state, scale=config.reach * fitted.state.scale, clip=STATE_CLIP),
        action=replace(fitted.action, spread=config.reach * fitted.action.spread),
    )
    return Problem.build(
        data, config.sources(), environment=environment, coordinates=coordinates, device=problem.device
    )


class DAggerLearner(GaussianLearner):
    """DAgger: the policy is warm-started on the labelled recordings and never started anew.

    Attributes:
        collected: what was driven in the rounds so far, with the expert's labels as actions.
        validation: episodes that the warm-started policy drove, labelled likewise and never trained on: beside the
            recorded held-out rows they score the policy where it goes by itself.
    """

    config: DAggerConfig

    def __init__(self, config: DAggerConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, relabelled(problem, config), seed)
        self.environment = problem.require_environment()
        self.round = 0
        self.collected = self.validation = Experience.empty(problem.states, problem.actions)
        self._last: dict[str, float] = {}
        self._aggregate()

    def prepare(self, report: Report) -> None:
        """Behavioural cloning of the labelled recordings, then the validation episodes."""
        config = self.config
        self.clone(self.rows, config.policy_pretrain_steps, report)
        if config.source == "twin" and config.rounds:
            report("validation episodes", 0, 1)
            self.validation = self.drive(0.0, self.environment.collect)
            report("validation episodes", 1, 1)

    def drive(self, share: float, collect: Collect) -> Experience:
        """One round's episodes of the mixture with beta = ``share``, with the expert's labels as actions."""
        config = self.config
        seeds = torch.randint(SEEDS, (2,), generator=self.generator, device=self.generator.device).tolist()
        mixture = Mixture(self.policy_weights(), self.environment.oracle, share, seeds[0])
        driven = collect(mixture, config.round_episodes, seeds[1], config.episode_steps)
        return replace(driven, actions=self.environment.oracle(driven.observations))

    def before_step(self) -> None:
        """See ``Learner``; the first step of a round comes after its rollouts."""
        config = self.config
        due = self.round < config.rounds and self.steps == self.round * config.round_steps
        if config.source == "twin" and due:
            share = beta(config, self.round)
            driven = self.drive(share, self.environment.collector(config.curriculum, self.round / config.rounds))
            self.collected = Experience.join(self.collected, driven)
            self.round += 1
            self._last = {"beta": share, "falls": float(driven.terminated.sum()), "driven": float(len(driven))}
            self._last["beyond"] = beyond_share(driven.observations, self._recorded_states())
            self._aggregate()

    def capture_key(self) -> Hashable:
        """See ``Learner``: every round adds rows."""
        return self.round

    def _recorded_states(self) -> np.ndarray:
        return self.problem.dataset.observations[self.problem.training_rows]

    def _aggregate(self) -> None:
        """All labelled rows, each counting once; the labels are the expert's even where the policy acted."""
        rows = self._rows(self.collected)
        self.rows = Rows.stack(self.problem.sources["demonstrations"].train, rows)

    def _rows(self, driven: Experience) -> Rows:
        columns = (driven.observations, driven.actions, driven.next_observations)
        return self.problem.coordinates.transitions(*columns).to(self.device)

    def draw(self) -> Rows:
        """See ``Learner``."""
        return self.rows.draw(self.config.batch, self.generator)

    def losses(self, batch: Rows) -> dict[str, Tensor]:
        """See ``Learner``."""
        return {"policy": bc_loss(self.log_policy(batch))}

    @torch.no_grad()
    def held_out(self) -> dict[str, float]:
        """See ``Learner``; the score is the mean of the recorded rows' likelihood and the validation episodes'."""
        values = super().held_out()
        if not values or not len(self.validation):
            return values
        visited = float(-row_sum(self.log_policy(self._rows(self.validation))).mean())
        return values | {"score": 0.5 * (values["nll"] + visited)}

    def monitors(self) -> dict[str, float]:
        """See ``Learner``."""
        return {"round": float(self.round), "rows": float(len(self.rows)), **self._last}

    def state(self) -> dict[str, Any]:
        """See ``Learner``; with everything that was driven."""
        own = {"round": self.round, "last": dict(self._last)}
        own |= {"collected": self.collected.state(), "validation": self.validation.state()}
        return super().state() | own

    def restore(self, state: Mapping[str, Any]) -> None:
        """See ``Learner``."""
        super().restore(state)
        self.round, self._last = int(state["round"]), dict(state["last"])
        self.collected = Experience.from_state(state["collected"])
        self.validation = Experience.from_state(state["validation"])
        self._aggregate()


def beyond_share(observations: np.ndarray, recorded: np.ndarray) -> float:
    """Share of the observations (N, S) of which any signal is outside the range of the recorded ones (M, S)."""
    outside = (observations < recorded.min(axis=0)) | (observations > recorded.max(axis=0))
    return float(outside.any(axis=1).mean()) if len(observations) else 0.0


METHOD = Method(
    "dagger",
    DAggerConfig,
    DAggerLearner,
    "Ross et al. 2011, A Reduction of Imitation Learning to No-Regret Online Learning; takeovers as in HG-DAgger",
    "an expert to ask (the LQR) and a twin to drive in: labels where the policy itself goes wrong",
)
