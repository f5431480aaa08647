"""Training steps of d3rlpy and imitation, for bench_training.py to ask for; imports nothing of this project.

Started as PYTHON tools/bench_peers.py ROWS BATCH by an interpreter that has at least one of the two. Prints one JSON
line with the names of the steps it can do; then for each line "NAME SECONDS" on standard input one with the rate, in
steps per second of processor time.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
import warnings
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402

STATES, ACTIONS, EPISODE = 4, 1, 1000

Steps = Callable[[int], None]
"""Takes so many steps."""


def trajectories(rows: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Observations (T + 1, S) and actions (T, A) of smooth random episodes."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(max(1, rows // EPISODE)):
        states = np.cumsum(0.05 * random.normal(size=(EPISODE + 1, STATES)), axis=0).astype(np.float32)
        found.append((states, np.tanh(states[:-1, :ACTIONS]).astype(np.float32)))
    return found


def d3rlpy_bc(rows: int, batch: int) -> Steps:
    """d3rlpy's stochastic behavioural cloning, 2x256, drawing its batches from its replay buffer."""
    import d3rlpy
    import structlog

    structlog.configure(processors=[lambda *arguments: (_ for _ in ()).throw(structlog.DropEvent)])
    episodes = trajectories(rows)
    observations = np.concatenate([states[:-1] for states, _ in episodes])
    actions = np.concatenate([actions for _, actions in episodes])
    ends = np.arange(1, len(actions) + 1) % EPISODE == 0
    dataset = d3rlpy.dataset.MDPDataset(observations, actions, np.zeros(len(actions), np.float32), ends)
    encoder = d3rlpy.models.VectorEncoderFactory([256, 256])
    config = d3rlpy.algos.BCConfig(batch_size=batch, policy_type="stochastic", encoder_factory=encoder)
    algorithm = config.create(device="cpu:0")
    algorithm.build_with_dataset(dataset)

    def take(count: int) -> None:
        for _ in range(count):
            algorithm.update(dataset.sample_transition_batch(batch))

    return take


def _imitation_parts(rows: int) -> tuple:
    import gymnasium
    from imitation.data.types import Trajectory
    from stable_baselines3.common.vec_env import DummyVecEnv

    class Nowhere(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (STATES,), np.float32)
        action_space = gymnasium.spaces.Box(-1, 1, (ACTIONS,), np.float32)

        def reset(self, **options: object) -> tuple[np.ndarray, dict]:
            return np.zeros(STATES, np.float32), {}

        def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
            return np.zeros(STATES, np.float32), 0.0, False, True, {}

    demonstrations = [Trajectory(states, actions, None, terminal=True) for states, actions in trajectories(rows)]
    return DummyVecEnv([Nowhere]), demonstrations


def imitation_bc(rows: int, batch: int) -> Steps:
    """Imitation's behavioural cloning, 2x256, with its own training loop."""
    import torch
    from imitation.algorithms.bc import BC
    from imitation.data.rollout import flatten_trajectories
    from stable_baselines3.common.policies import ActorCriticPolicy

    venv, demonstrations = _imitation_parts(rows)
    spaces = {"observation_space": venv.observation_space, "action_space": venv.action_space}
    policy = ActorCriticPolicy(**spaces, lr_schedule=lambda _: 1e-3, net_arch=[256, 256], activation_fn=torch.nn.ReLU)
    random = np.random.default_rng(0)
    transitions = flatten_trajectories(demonstrations)
    trainer = BC(**spaces, rng=random, policy=policy, demonstrations=transitions, batch_size=batch)
    return lambda count: trainer.train(n_batches=count, log_interval=10**9, progress_bar=False)


def imitation_gail(rows: int, batch: int) -> Steps:
    """A step of imitation's GAIL discriminator, 2x512, on as many expert as generated rows."""
    from imitation.algorithms.adversarial.gail import GAIL
    from imitation.data.rollout import flatten_trajectories
    from imitation.rewards.reward_nets import BasicRewardNet
    from stable_baselines3 import PPO

    venv, demonstrations = _imitation_parts(rows)
    transitions = flatten_trajectories(demonstrations)
    reward = BasicRewardNet(venv.observation_space, venv.action_space, hid_sizes=(512, 512))
    trainer = GAIL(
        demonstrations=transitions,
        demo_batch_size=batch,
        venv=venv,
        gen_algo=PPO("MlpPolicy", venv, n_steps=batch, batch_size=batch),
        reward_net=reward,
        allow_variable_horizon=True,
        custom_logger=_silent_logger(),
    )
    random = np.random.default_rng(0)

    def take(count: int) -> None:
        for _ in range(count):
            index = random.integers(len(transitions), size=batch)
            names = ("obs", "acts", "next_obs", "dones")
            trainer.train_disc(gen_samples={name: getattr(transitions, name)[index] for name in names})

    return take


def _silent_logger() -> object:
    import tempfile

    from imitation.util import logger

    return logger.configure(tempfile.mkdtemp(), format_strs=[])


PEERS = {
    "d3rlpy bc": ("d3rlpy", d3rlpy_bc),
    "imitation bc": ("imitation", imitation_bc),
    "imitation gail discriminator": ("imitation", imitation_gail),
}


def main() -> None:
    """Serves until standard input ends."""
    import torch

    torch.set_num_threads(1)
    rows, batch = int(sys.argv[1]), int(sys.argv[2])
    ready, answers = {}, sys.stdout
    sys.stdout = sys.stderr  # the libraries print; the pipe is for answers
    for name, (package, make) in PEERS.items():
        if importlib.util.find_spec(package) is None:
            continue
        try:
            ready[name] = make(rows, batch)
            ready[name](3)
        except Exception as error:  # a version that cannot be used here is left out, and said so
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            ready.pop(name, None)
    print(json.dumps(list(ready)), file=answers, flush=True)
    for line in sys.stdin:
        name, _, seconds = line.rpartition(" ")
        count, chunk, began, used = 0, 20, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < float(seconds):
            ready[name](chunk)
            count += chunk
        print(json.dumps(count / (time.process_time() - used)), file=answers, flush=True)


if __name__ == "__main__":
    main()
