"""Times one policy call four ways in one interleaved run: the runtime, default onnxruntime, numpy, torch.

Hot: call after call. Paced: one call every 5 ms, as in the control loop, where caches and clocks have cooled down.
Ratios within one run are what counts; the microseconds belong to the machine.

    python tools/bench_policy.py [--seconds 20] [--hidden 256 256] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from robot_il.control.onnx_policy import OnnxPolicy
from robot_il.control.policy_metadata import PolicyMetadata, PolicySignal
from robot_il.learning.export import write_policy
from robot_il.learning.policy_weights import PolicyWeights
from robot_il.spec import CONTROL_PERIOD_S, SIGNALS, SPEC_HASH, TORQUE_LIMIT_NM
from robot_il.tasks import TASKS

TASK = TASKS["stand"]
BLOCK = 200
"""Hot calls of one way before the next has its turn."""


def make_weights(hidden: list[int]) -> PolicyWeights:
    """A random policy for the task ``stand``."""
    random = np.random.default_rng(0)
    sizes = [len(TASK.observation), *hidden, 1]
    layers = tuple(
        (random.normal(size=(before, after)) / np.sqrt(before), np.zeros(after)) for before, after in pairwise(sizes)
    )
    inputs = np.ones(sizes[0])
    return PolicyWeights(0 * inputs, inputs, 10.0, layers, np.array([TORQUE_LIMIT_NM]), np.zeros(1))


def write(weights: PolicyWeights, path: Path) -> None:
    """Exports it as for the robot."""
    metadata = PolicyMetadata(
        task=TASK.name,
        spec_hash=SPEC_HASH,
        observation=tuple(PolicySignal(name, SIGNALS[name].unit) for name in TASK.observation),
        action=(PolicySignal("wheel_torque", "N m", -TORQUE_LIMIT_NM, TORQUE_LIMIT_NM),),
        action_source="sent",
        period_s=CONTROL_PERIOD_S,
        method="random",
        dataset_hash="",
        config_hash="",
        code_version="",
    )
    write_policy(weights, metadata, np.zeros((1, weights.observation_size)), path)


def make_torch(weights: PolicyWeights) -> Callable[[tuple[float, ...]], float]:
    """The same policy as an eager torch module, as a script would call it."""
    modules: list[torch.nn.Module] = []
    for weight, bias in weights.layers:
        layer = torch.nn.Linear(*weight.shape)
        layer.load_state_dict({"weight": torch.tensor(weight).T, "bias": torch.tensor(bias)})
        modules += [layer, torch.nn.ReLU()]
    network = torch.nn.Sequential(*modules[:-1], torch.nn.Tanh())
    mean, scale = torch.tensor(weights.observation_mean), torch.tensor(weights.observation_scale)
    clip, reach = weights.observation_clip, torch.tensor(weights.action_scale)

    def call(observation: tuple[float, ...]) -> float:
        with torch.inference_mode():
            state = torch.tensor(observation)
            return float((reach * network(((state - mean) / scale).clamp(-clip, clip)))[0])

    return call


def make_ways(weights: PolicyWeights, path: Path) -> dict[str, Callable[[tuple[float, ...]], float]]:
    """Name of each way and its call, from observation to torque."""
    policy = OnnxPolicy(path, TASK)
    default = onnxruntime.InferenceSession(path)
    return {
        "runtime": policy.torque,
        "session.run": lambda seen: float(
            default.run(None, {"observation": np.array([seen], dtype=np.float32)})[0][0, 0]
        ),
        "numpy": lambda seen: float(weights(np.array(seen, dtype=np.float32))[0]),
        "torch": make_torch(weights),
    }


def hot(ways: dict[str, Callable], seen: tuple[float, ...], seconds: float) -> dict[str, np.ndarray]:
    """Mean seconds of a call in each block of ``BLOCK`` calls, by way."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, call in ways.items():
            start = time.perf_counter()
            for _ in range(BLOCK):
                call(seen)
            times[name].append((time.perf_counter() - start) / BLOCK)
    return {name: np.array(values) for name, values in times.items()}


def paced(ways: dict[str, Callable], seen: tuple[float, ...], seconds: float) -> dict[str, np.ndarray]:
    """Seconds of single calls on an absolute 200 Hz grid, the ways taking turns, by way."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    due = time.perf_counter()
    for index in range(round(seconds / CONTROL_PERIOD_S)):
        due += CONTROL_PERIOD_S
        time.sleep(max(due - time.perf_counter(), 0))
        # A whole second with the same way, so that its threads and caches are in the state its own loop would leave.
        name = list(ways)[index // 200 % len(ways)]
        start = time.perf_counter()
        ways[name](seen)
        times[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in times.items()}


def main() -> None:
    """Measures and prints p50 and p99 in us, and the ratio of the medians to the runtime's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each of the two measurements")
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 256])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    weights = make_weights(arguments.hidden)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.onnx"
        write(weights, path)
        ways = make_ways(weights, path)
    seen = (0.02, -0.1, 0.3, 0.05)
    torques = {name: call(seen) for name, call in ways.items()}
    assert max(torques.values()) - min(torques.values()) < 1e-4, torques
    report = {}
    for kind, measure in (("hot", hot), ("paced", paced)):
        times = measure(ways, seen, arguments.seconds)
        base = np.median(times["runtime"])
        for name, values in times.items():
            p50, p99 = np.percentile(values, [50, 99]) * 1e6
            report[f"{kind} {name}"] = {"p50_us": p50, "p99_us": p99, "ratio": float(np.median(values) / base)}
            print(f"{kind:6}{name:14}{p50:9.2f} us p50{p99:9.2f} us p99{np.median(values) / base:8.2f} x")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
