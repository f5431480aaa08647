"""From a run to a policy file: an ONNX graph built from plain arrays, its metadata, and the proof that both agree."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from robot_il.control.onnx_policy import OnnxPolicy
from robot_il.control.policy_metadata import (
    DESCRIPTION_KEY,
    GOLDEN_KEY,
    HASH_KEY,
    NO_HASH,
    TOLERANCE,
    GoldenPairs,
    LinearBaseline,
    PolicyMetadata,
    PolicySignal,
    with_content_hash,
)
from robot_il.errors import PolicyError
from robot_il.learning.algorithms.linear import LinearConfig, LinearLearner
from robot_il.learning.dataset import Dataset, load_dataset
from robot_il.learning.environment import environment_of_run
from robot_il.learning.importers import sha256_of_file
from robot_il.learning.learner import Learner
from robot_il.learning.pairs_file import pairs_of_run
from robot_il.learning.policy_graph import build_model
from robot_il.learning.policy_weights import PolicyWeights
from robot_il.learning.problem import Problem
from robot_il.learning.registry import find_method
from robot_il.learning.runs import RunFolder, code_identity, read_tensors
from robot_il.tasks import find_task

Policy = Callable[[np.ndarray], np.ndarray]
"""Raw observations (N, S) to actions (N, A)."""

GOLDEN_RECORDED = 32
GOLDEN_RANDOM = 8
PARITY_RECORDED = 2_000
PARITY_RANDOM = 500


@dataclass(frozen=True)
class ExportReport:
    """What an export proved.

    Attributes:
        path: the policy file.
        sha256: its hash.
        bytes: its size.
        inputs: observations on which both evaluations were compared.
        parity: largest difference between them, as a share of the action's range.
        metadata: what the file says about itself.
    """

    path: Path
    sha256: str
    bytes: int
    inputs: int
    parity: float
    metadata: PolicyMetadata


def export_policy(run: Path, out: Path, step: int | None = None) -> ExportReport:
    """Writes a run's policy as one verified file, under a temporary name first.

    The chosen policy is compared with the networks of the run's checkpoint, evaluated by the code that trained them.

    Args:
        run: the folder of a complete run.
        out: the file to write; replaces an earlier one.
        step: of a policy that the run kept besides; None for the chosen one.

    Raises:
        ConfigError: not a run folder.
        PolicyError: a run that is not complete, a policy that does not fit its dataset, or parity beyond ``TOLERANCE``.
        DataError: its dataset is gone or changed.
    """
    folder = RunFolder.open(run)
    summary = folder.summary()
    if summary is None:
        raise PolicyError("a complete run", f"{run} without summary.json", "train it to its end: add --resume")
    config = folder.config()
    dataset = dataset_of(config, run)
    learner = restored_learner(folder, dataset)
    metadata = _metadata(dataset, config, sha256_of_file(run / "config.json"), summary)
    metadata = replace(metadata, baseline=least_squares_baseline(learner))
    if step is None:
        return write_policy(folder.policy(), metadata, dataset.observations, out, learner.act)
    kept = folder.kept_policies()
    if step not in kept:
        steps = ", ".join(map(str, kept)) or "none"
        raise PolicyError(f"a step whose policy was kept: {steps}", str(step), f"choose among those in {run}")
    # The summary's scores are the chosen policy's.
    training = {key: value for key, value in metadata.training.items() if key != "held_out"} | {"chosen_step": step}
    return write_policy(kept[step], replace(metadata, training=training), dataset.observations, out)


def restored_learner(folder: RunFolder, dataset: Dataset) -> Learner:
    """The method of a run with its chosen networks, able to evaluate them as training did.

    Raises:
        TrainingError: its checkpoint, or what its expert said, is gone or damaged.
        DataError: its pairs are gone or changed.
    """
    config = folder.config()
    method = find_method(config["method"])
    settings = method.config.from_dict(config["settings"])
    pairs = pairs_of_run(folder)
    problem = Problem.build(
        dataset,
        settings.sources(),
        drop_falls=method.learner.drop_falls,
        environment=environment_of_run(folder.path, config.get("environment", "")),
        preferences=pairs.preferences(dataset) if pairs else None,
    )
    learner = method.learner(settings, problem, config["seed"])
    best = read_tensors(folder.path / "checkpoints" / "best.pt")
    for name, module in learner.modules.items():
        module.load_state_dict(best["modules"][name])
    return learner


def least_squares_baseline(learner: Learner) -> LinearBaseline:
    """Least squares on the training rows that the learner imitated, in raw units."""
    linear = LinearLearner(LinearConfig(), learner.problem, 0)
    linear.imitated = learner.imitated
    linear.step()
    state, action = learner.problem.coordinates.state, learner.problem.coordinates.action
    per_unit = linear.policy.weight.numpy() / np.asarray(state.scale, dtype=np.float64)[:, None]
    limit = np.asarray(action.limit, dtype=np.float64)
    bias = action.offset + limit * (linear.policy.bias.numpy() - state.mean @ per_unit)
    return LinearBaseline(tuple(map(tuple, (limit * per_unit).T.tolist())), tuple(bias.tolist()))


def write_policy(
    weights: PolicyWeights,
    metadata: PolicyMetadata,
    recorded: np.ndarray,
    out: Path,
    trained: Policy | None = None,
) -> ExportReport:
    """Writes a policy file and proves it.

    Args:
        weights: the policy.
        metadata: what the file shall say; its sizes must be the policy's.
        recorded: observations that the policy was trained on, (N, S); some become golden inputs.
        out: the file to write.
        trained: what the file must agree with besides the plain arrays.

    Raises:
        PolicyError: the sizes or limits differ, the task's check fails, or parity is beyond ``TOLERANCE``.
    """
    _check_fits(weights, metadata)
    golden_inputs = sample_inputs(weights, recorded, GOLDEN_RECORDED, GOLDEN_RANDOM)
    golden = GoldenPairs(golden_inputs, weights(golden_inputs))
    model = build_model(weights)
    helper.set_model_props(
        model, {DESCRIPTION_KEY: metadata.to_json(), GOLDEN_KEY: golden.to_json(), HASH_KEY: NO_HASH}
    )
    onnx.checker.check_model(model, full_check=True)
    content = with_content_hash(model.SerializeToString(deterministic=True))
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(out.name + ".part")
    try:
        temporary.write_bytes(content)
        policy = OnnxPolicy(temporary, find_task(metadata.task) if metadata.task else None)
        inputs = sample_inputs(weights, recorded, PARITY_RECORDED, PARITY_RANDOM)
        parity = max(parity_of(policy, reference, inputs) for reference in (weights, trained) if reference is not None)
        if not parity <= TOLERANCE:
            raise PolicyError(f"onnxruntime within {TOLERANCE:g} of the policy", f"{parity:.3g}", "report this policy")
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return ExportReport(out, policy.sha256, len(content), len(inputs), parity, metadata)


def parity_of(policy: OnnxPolicy, reference: Policy, inputs: np.ndarray) -> float:
    """Largest difference of onnxruntime from another evaluation, as a share of the action's range."""
    actions = np.stack([policy.act(observation) for observation in inputs])
    return float((np.abs(actions - reference(inputs)) / policy.metadata.action_range).max())


def sample_inputs(weights: PolicyWeights, recorded: np.ndarray, recorded_count: int, random_count: int) -> np.ndarray:
    """Observations to compare on, (G, S): evenly picked recorded ones, random ones, and the edges of the normaliser.

    The random ones spread three times as far as the data; the edges lie at the normaliser's clip (or 10 scales without
    one) and twice as far, on each side of each signal, and at zero.
    """
    picked = recorded[np.unique(np.linspace(0, len(recorded) - 1, recorded_count).astype(int))]
    mean, scale = weights.observation_mean, weights.observation_scale
    size = weights.observation_size
    random = mean + 3 * scale * np.random.default_rng(0).standard_normal((random_count, size))
    reach = weights.observation_clip if math.isfinite(weights.observation_clip) else 10.0
    edges = [mean + factor * reach * scale for factor in (-2, -1, 1, 2)]
    corners = [mean + sign * reach * scale * unit for unit in np.eye(size)[:8] for sign in (-1, 1)]
    return np.concatenate([picked, random, edges, corners, np.zeros((1, size))]).astype(np.float32)


def _check_fits(weights: PolicyWeights, metadata: PolicyMetadata) -> None:
    sizes = len(metadata.observation), len(metadata.action)
    if sizes != (weights.observation_size, weights.action_size):
        raise PolicyError(
            f"a policy of {sizes[0]} observations and {sizes[1]} actions",
            f"{weights.observation_size} and {weights.action_size}",
            "export it with the dataset that it was trained on",
        )
    for index, signal in enumerate(metadata.action):
        reach = weights.action_offset[index] + np.array([-1, 1]) * weights.action_scale[index]
        slack = 1e-6 * metadata.action_range[index]
        if reach[0] < float(signal.low or 0) - slack or reach[1] > float(signal.high or 0) + slack:
            expected = f"{signal.name} within {signal.low} to {signal.high} {signal.unit}"
            raise PolicyError(expected, f"{reach[0]} to {reach[1]}", "train it with the dataset's limits")


def _metadata(dataset: Dataset, config: dict[str, Any], config_hash: str, summary: dict[str, Any]) -> PolicyMetadata:
    info = dataset.info
    return PolicyMetadata(
        task=info.task,
        spec_hash=info.spec_hash,
        observation=tuple(PolicySignal(**asdict(channel)) for channel in info.observation),
        action=tuple(PolicySignal(**asdict(channel)) for channel in info.action),
        action_source=info.action_source,
        period_s=info.period_s,
        method=config["method"],
        dataset_hash=info.hash,
        config_hash=config_hash,
        code_version=code_version(config["code"]),
        training={key: value for key, value in summary.items() if key != "dataset"},
        dataset_meta=info.meta,
    )


def code_version(trained_with: dict[str, str]) -> str:
    """Version and source hash of the code that trained, and its git commit where this is that code in a repository."""
    name = f"{trained_with['version']} source {trained_with['hash'][:12]}"
    if code_identity() != trained_with:
        return name
    commit = _commit(Path(__file__))
    return f"{name} commit {commit}" if commit else name


def _commit(source: Path) -> str:
    """The git commit whose tree holds ``source``, marked ``-dirty`` where tracked files differ; "" outside git."""
    git = ["git", "-C", str(source.parent)]
    commands = ([*git, "ls-files", "--error-unmatch", source.name],
                [*git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])  # fmt: skip
    answer = ""
    for command in commands:
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return ""
    return answer


def dataset_of(config: dict[str, Any], run: Path) -> Dataset:
    """The dataset that a run's ``config.json`` names.

    Raises:
        PolicyError: the config names none, or what lies there is another by its hash.
        DataError: it is gone or damaged.
    """
    entry = config.get("dataset")
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        raise PolicyError("the path of its dataset in the run's config.json", f"{entry!r} in {run}", "train it again")
    dataset = load_dataset(Path(entry["path"]))
    if dataset.info.hash != entry.get("hash"):
        raise PolicyError(
            f"dataset {str(entry.get('hash'))[:12]}, on which {run} was trained",
            f"{dataset.info.hash[:12]} in {entry['path']}",
            "put that dataset back or train again",
        )
    return dataset
