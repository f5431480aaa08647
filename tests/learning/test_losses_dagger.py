"""DAgger: Ross et al. 2011, algorithm 3.1; takeovers as in Kelly et al. 2019."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_il.errors import ConfigError, TrainingError
from robot_il.learning.algorithms.bc import BCConfig, BCLearner, bc_loss
from robot_il.learning.algorithms.dagger import DAggerConfig, DAggerLearner, Mixture, beta, beyond_share
from robot_il.learning.dataset import load_dataset
from robot_il.learning.environment import EXPERT_ACTIONS, Environment, Experience
from robot_il.learning.export import restored_learner
from robot_il.learning.problem import Problem
from robot_il.learning.runs import RunFolder
from robot_il.learning.trainer import Job, train
from tests.learning.pendulum import GAIN, drive_pendulum, feedback, pendulum_dataset, pendulum_environment, saved

SMALL = {
    "batch": 64,
    "policy_hidden": (16,),
    "policy_pretrain_steps": 0,
    "rounds": 4,
    "round_steps": 3,
    "round_episodes": 2,
    "episode_steps": 40,
}


def learner_of(data=None, environment=None, seed=0, **settings) -> DAggerLearner:
    config = DAggerConfig(**SMALL | settings)
    data = data or pendulum_dataset()
    problem = Problem.build(data, config.sources(), environment=environment or pendulum_environment(data))
    return DAggerLearner(config, problem, seed)


def prepared(**arguments) -> DAggerLearner:
    learner = learner_of(**arguments)
    learner.prepare(lambda what, done, most: None)
    return learner


def test_the_experts_share_falls_by_the_schedule():
    linear = DAggerConfig(rounds=5)
    assert [beta(linear, index) for index in range(6)] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0])
    power = DAggerConfig(schedule="power", beta_base=0.5)
    assert [beta(power, index) for index in range(3)] == [1, 0.5, 0.25]
    assert beta(DAggerConfig(schedule="expert"), 9) == 1
    assert beta(DAggerConfig(schedule="policy"), 0) == 0


def test_the_mixture_chooses_anew_at_every_step():
    mixture = Mixture(lambda seen: np.zeros(1), lambda seen: np.ones((1, 1)), 0.3, seed=0)
    acts = np.array([mixture(np.zeros(4))[0] for _ in range(4000)])
    assert acts.mean() == pytest.approx(0.3, abs=0.03)
    assert np.corrcoef(acts[1:], acts[:-1])[0, 1] == pytest.approx(0, abs=0.05)


def test_the_labels_are_the_experts_whoever_acted():
    learner = prepared(schedule="policy")
    for _ in range(7):
        learner.step()
    collected = learner.collected
    np.testing.assert_array_equal(collected.actions, feedback(collected.observations))
    acted = np.diff(collected.observations[:, 3])[~collected.terminated[:-1]]
    assert np.abs(acted).sum() > 0
    recorded = learner.problem.dataset
    np.testing.assert_array_equal(recorded.actions, feedback(recorded.observations))


def test_the_rows_grow_by_exactly_the_steps_that_were_driven():
    driven: list[int] = []

    def collect(*arguments):
        experience = drive_pendulum(*arguments)
        driven.append(len(experience))
        return experience

    learner = prepared(environment=Environment("counted", feedback, collect), schedule="policy")
    recorded, sizes = len(learner.rows), []
    for _ in range(13):
        learner.step()
        sizes.append(len(learner.rows) - recorded)
    rounds = np.cumsum(driven[1:])  # the first are for validation
    assert len(rounds) == 4
    assert sizes == [int(rounds[min(index // 3, 3)]) for index in range(13)]
    assert len(learner.validation) == driven[0]


def test_a_curriculum_eases_the_rounds_by_how_far_training_is_and_never_the_validation():
    asked: list[float | None] = []

    def collector(progress):
        def collect(*arguments):
            asked.append(progress)
            return drive_pendulum(*arguments)

        return collect

    environment = Environment("graded", feedback, collector(None), collector)
    learner = prepared(environment=environment, curriculum=True)
    for _ in range(13):
        learner.step()
    assert asked == [None, 0.0, 0.25, 0.5, 0.75]


def test_a_curriculum_where_nothing_is_easier_is_refused():
    learner = prepared(curriculum=True)
    with pytest.raises(ConfigError, match="curriculum=false"):
        learner.step()


def test_rounds_in_which_the_expert_always_acts_are_behavioural_cloning_of_its_episodes():
    learner = prepared(schedule="expert")
    learner.step()
    experience = learner.collected
    following = np.abs(experience.next_observations - experience.observations)
    assert len(experience)
    assert following.max() < 0.2
    assert not experience.terminated.any()
    batch = learner.rows.draw(64, torch.Generator().manual_seed(0))
    cloned = BCLearner(BCConfig(policy_hidden=(16,), log_std_floor=learner.config.log_std_floor), learner.problem, 1)
    cloned.policy.load_state_dict(learner.policy.state_dict())
    torch.testing.assert_close(learner.losses(batch)["policy"], cloned.losses(batch)["policy"], rtol=0, atol=0)
    torch.testing.assert_close(learner.losses(batch)["policy"], bc_loss(learner.log_policy(batch)), rtol=0, atol=0)


def test_a_linear_policy_finds_the_gain_of_a_noise_free_linear_expert():
    """With torques far below the limit tanh is the identity, and the deployed law is the expert's."""
    gain = 0.02 * GAIN
    environment = Environment("small torques", lambda seen: (seen @ gain.T).astype(np.float32), _gentle)
    squared_error = {"log_std_floor": -0.01, "log_std_ceiling": 0.01}
    learner = prepared(
        environment=environment, policy_hidden=(), policy_decay=0.0, policy_lr=0.01, round_steps=100, **squared_error
    )
    for _ in range(1000):
        learner.step()
    policy, unit = learner.policy_weights(), np.diag([0.01, 0.05, 0.05, 0.05]).astype(np.float32)
    found = (policy(unit) - policy(-unit))[:, 0] / (2 * unit.diagonal())
    np.testing.assert_allclose(found, gain[0], rtol=0.02)


def _gentle(actor, episodes, seed, steps):
    """Episodes of random states: where a robot under these torques would only fall."""
    random = np.random.default_rng(seed)
    seen = (random.normal(size=(episodes * steps, 4)) * [0.03, 0.1, 0.05, 0.1]).astype(np.float32)
    acts = np.array([actor(row) for row in seen], dtype=np.float32)
    return Experience(
        seen, acts, seen, np.zeros(len(seen), bool), np.repeat(np.arange(episodes, dtype=np.int32), steps)
    )


def test_a_bad_policy_is_taught_where_the_demonstrations_never_were():
    learner = prepared(schedule="policy", episode_steps=300)
    leaning = np.abs(learner.problem.dataset.observations[:, 0]).max()
    assert (np.abs(learner.problem.dataset.observations[:, 0]) > leaning).mean() == 0
    learner.step()
    assert (np.abs(learner.collected.observations[:, 0]) > leaning).mean() > 0.05
    assert learner.collected.terminated.any()
    assert learner.monitors()["beyond"] > 0.05
    assert learner.monitors()["falls"] > 0


def test_the_share_beyond_the_recordings_counts_any_signal():
    recorded = np.array([[-1.0, -1.0], [1.0, 1.0]])
    assert beyond_share(np.array([[0.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [1.0, -1.0]]), recorded) == 0.5


def test_what_was_driven_is_stored_and_the_next_rounds_repeat():
    learner, other = prepared(), learner_of(seed=3)
    for _ in range(5):
        learner.step()
    other.restore(learner.state())
    for _ in range(5):
        assert learner.step() == other.step()
    assert learner.round == other.round == 4
    for column in ("observations", "actions", "terminated", "episode"):
        np.testing.assert_array_equal(getattr(learner.collected, column), getattr(other.collected, column))


def test_relabelling_of_logs_drives_nothing():
    def never(*arguments):
        raise AssertionError("driven")

    learner = prepared(environment=Environment("an oracle alone", feedback, never), source="logs")
    for _ in range(7):
        learner.step()
    assert learner.round == 0
    assert len(learner.rows) == len(learner.problem.sources["demonstrations"].train)


def test_takeovers_keep_what_the_person_did_and_the_expert_labels_the_rest():
    data = pendulum_dataset({"expert": 3, "suboptimal": 3})
    by_person = replace(data.info.episodes[1], source_sha256="1" * 64)
    sources = [{"sha256": "1" * 64, "operator": True}, {"sha256": "0" * 64, "operator": False}]
    info = replace(
        data.info, episodes=(data.info.episodes[0], by_person, *data.info.episodes[2:]), meta={"sources": sources}
    )
    data = replace(data, info=info, actions=data.actions + 0.5)
    learner = prepared(data=data, source="takeovers")
    found, person = learner.problem.dataset, data.episode == 1
    np.testing.assert_array_equal(found.actions[person], data.actions[person])
    np.testing.assert_array_equal(found.actions[~person], feedback(data.observations[~person]))


def test_without_an_expert_to_ask_it_is_refused():
    data = pendulum_dataset()
    with pytest.raises(ConfigError, match="expert to ask"):
        DAggerLearner(DAggerConfig(), Problem.build(data, DAggerConfig().sources()), 0)


def test_joined_experience_numbers_the_episodes_through():
    parts = [drive_pendulum(lambda seen: np.zeros(1), 2, seed, 5) for seed in range(2)]
    joined = Experience.join(Experience.empty(4, 1), *parts)
    assert joined.episodes == 4
    assert np.unique(joined.episode).tolist() == [0, 1, 2, 3]
    assert len(joined) == sum(map(len, parts))


def test_a_finished_run_is_read_again_without_its_environment(tmp_path):
    folder = saved(tmp_path / "data")
    settings = {name: "".join(map(str, np.atleast_1d(value))) for name, value in SMALL.items()} | {"steps": "20"}
    job = Job("dagger", folder, tmp_path / "run", 0, settings | {"evaluate_every": "10", "checkpoint_every": "10"})
    train(job, make_environment=pendulum_environment)
    data = load_dataset(folder)
    learner = restored_learner(RunFolder(job.out), data)
    stored = RunFolder(job.out).policy()
    np.testing.assert_allclose(learner.act(data.observations), stored(data.observations), atol=1e-4)
    np.testing.assert_array_equal(learner.problem.dataset.actions, feedback(data.observations))
    with pytest.raises(TrainingError, match="linear pendulum"):
        learner.drive(0.0, learner.environment.collect)
    (job.out / EXPERT_ACTIONS).write_bytes(b"cut")
    with pytest.raises(TrainingError, match=EXPERT_ACTIONS):
        restored_learner(RunFolder(job.out), data)


def test_a_run_is_not_resumed_in_another_environment(tmp_path):
    folder = saved(tmp_path / "data")
    job = Job("dagger", folder, tmp_path / "run", 0, {"steps": "60", "policy_pretrain_steps": "0", "rounds": "0"})
    assert train(job, stop=lambda: True, make_environment=pendulum_environment) is None
    with pytest.raises(ConfigError, match="linear pendulum"):
        train(
            replace(job, resume=True),
            make_environment=lambda data: replace(pendulum_environment(data), name="another"),
        )
