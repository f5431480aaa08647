from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_il.control.onnx_policy import OnnxPolicy
from robot_il.control.policy_metadata import TOLERANCE, PolicyMetadata, PolicySignal
from robot_il.errors import DataError, PolicyError
from robot_il.learning.dataset import save_dataset
from robot_il.learning.export import export_policy, parity_of, restored_learner, write_policy
from robot_il.learning.policy_graph import build_model
from robot_il.learning.runs import RunFolder
from robot_il.learning.trainer import Job, train
from robot_il.spec import SPEC_HASH
from robot_il.tasks import TASKS
from tests.learning.recordings import episode, made_dataset
from tests.learning.test_policy_weights import made


def foreign(observed, acting, low=-100.0, high=100.0):
    return PolicyMetadata(
        task="",
        spec_hash="",
        observation=tuple(PolicySignal(f"obs{index}", "1") for index in range(observed)),
        action=tuple(PolicySignal(f"act{index}", "1", low, high) for index in range(acting)),
        action_source="",
        period_s=0.0,
        method="made",
        dataset_hash="d",
        config_hash="c",
        code_version="v",
    )


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    activation=st.sampled_from(["relu", "tanh"]),
    squash=st.sampled_from(["tanh", "clip"]),
    clip=st.sampled_from([0.5, 10.0, float("inf")]),
    seed=st.integers(0, 1000),
)
def test_the_graph_computes_the_policy_for_any_sizes(sizes, activation, squash, clip, seed):
    weights = made(seed, tuple(sizes), activation=activation, squash=squash, observation_clip=clip)
    session = onnxruntime.InferenceSession(build_model(weights).SerializeToString())
    observations = np.random.default_rng(seed).normal(scale=3, size=(50, sizes[0])).astype(np.float32)
    (actions,) = session.run(["action"], {"observation": observations})
    assert (np.abs(actions - weights(observations)) / weights.action_range).max() <= TOLERANCE


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    save_dataset(folder / "data", made_dataset(*(episode(40, seed=seed) for seed in range(6))))
    # random actions: the networks soon learn them by heart, so that the chosen step is not the last
    settings = {"steps": "150", "policy_hidden": "32,32", "policy_lr": "0.01", "evaluate_every": "10"}
    train(Job("bc", folder / "data", folder / "bc", settings=settings | {"checkpoint_every": "50"}))
    return folder / "bc"


def test_a_run_becomes_a_file_that_says_where_it_comes_from(tmp_path, run):
    report = export_policy(run, tmp_path / "policy.onnx")
    policy = OnnxPolicy(tmp_path / "policy.onnx", TASKS["stand"])
    assert report.parity <= TOLERANCE
    assert report.sha256 == policy.sha256
    assert policy.metadata == report.metadata
    assert policy.metadata.spec_hash == SPEC_HASH
    assert policy.metadata.method == "bc"
    assert policy.metadata.dataset_hash == RunFolder.open(run).config()["dataset"]["hash"]
    assert policy.metadata.training["chosen_step"] == RunFolder.open(run).summary()["chosen_step"]
    assert [signal.unit for signal in policy.metadata.observation] == ["rad", "rad/s", "m", "m/s"]
    assert policy.metadata.code_version.startswith("0.1.0 source ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy.onnx"]


def test_exporting_twice_gives_the_same_bytes(tmp_path, run):
    for name in ("a.onnx", "b.onnx"):
        export_policy(run, tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_the_file_agrees_with_the_trained_networks_on_recorded_and_random_inputs(tmp_path, run):
    export_policy(run, tmp_path / "policy.onnx")
    policy = OnnxPolicy(tmp_path / "policy.onnx")
    dataset = made_dataset(*(episode(40, seed=seed) for seed in range(6)))
    trained = restored_learner(RunFolder.open(run), dataset).act
    random = np.random.default_rng(3).normal(scale=4, size=(300, 4)).astype(np.float32)
    for inputs in (dataset.observations, random):
        assert parity_of(policy, trained, inputs) <= TOLERANCE
    shifted = parity_of(policy, lambda inputs: trained(inputs) + 16 * 2 * TOLERANCE, random)
    assert shifted == pytest.approx(2 * TOLERANCE, rel=0.2)


def test_a_graph_that_differs_from_the_networks_is_refused_and_nothing_is_left(tmp_path):
    weights = made(sizes=(4, 8, 2))
    with pytest.raises(PolicyError, match="onnxruntime within 1e-05 of the policy"):
        write_policy(weights, foreign(4, 2), np.zeros((5, 4)), tmp_path / "p.onnx", lambda inputs: weights(inputs) + 1)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_export_keeps_the_earlier_file(tmp_path):
    weights = made(sizes=(4, 8, 2))
    write_policy(weights, foreign(4, 2), np.zeros((5, 4)), tmp_path / "p.onnx")
    before = (tmp_path / "p.onnx").read_bytes()
    with pytest.raises(PolicyError):
        write_policy(weights, foreign(4, 2), np.zeros((5, 4)), tmp_path / "p.onnx", lambda inputs: weights(inputs) + 1)
    assert (tmp_path / "p.onnx").read_bytes() == before


@pytest.mark.parametrize(("observed", "acting"), [(3, 2), (4, 1)])
def test_a_policy_of_other_sizes_than_its_dataset_is_refused(tmp_path, observed, acting):
    with pytest.raises(PolicyError, match=rf"{observed} observations and {acting} actions; came 4 and 2"):
        write_policy(made(sizes=(4, 8, 2)), foreign(observed, acting), np.zeros((5, 4)), tmp_path / "p.onnx")


def test_a_policy_that_reaches_beyond_the_actions_limits_is_refused(tmp_path):
    weights = made(sizes=(4, 8, 2), action_scale=np.array([1.0, 1.0]), action_offset=np.array([0.0, 0.5]))
    with pytest.raises(PolicyError, match=r"act1 within -1\.0 to 1\.0 1; came -0\.5 to 1\.5"):
        write_policy(weights, foreign(4, 2, -1.0, 1.0), np.zeros((5, 4)), tmp_path / "p.onnx")


def test_a_run_that_is_not_complete_or_whose_dataset_changed_is_refused(tmp_path, run):
    unfinished = tmp_path / "unfinished"
    RunFolder.create(unfinished, RunFolder.open(run).config())
    with pytest.raises(PolicyError, match="a complete run"):
        export_policy(unfinished, tmp_path / "p.onnx")

    config = RunFolder.open(run).config()
    other = tmp_path / "other"
    save_dataset(tmp_path / "data", made_dataset(*(episode(40, seed=seed) for seed in range(1, 7))))
    config["dataset"]["path"] = str(tmp_path / "data")
    RunFolder.create(other, config)
    (other / "summary.json").write_bytes((run / "summary.json").read_bytes())
    with pytest.raises(PolicyError, match=f"dataset {config['dataset']['hash'][:12]}, on which .* was trained"):
        export_policy(other, tmp_path / "p.onnx")
    (tmp_path / "data" / "dataset.json").unlink()
    with pytest.raises(DataError, match="a dataset folder"):
        export_policy(other, tmp_path / "p.onnx")
    assert not list(tmp_path.glob("p.onnx*"))


def test_the_file_is_valid_onnx_for_the_oldest_runtime_allowed(tmp_path):
    write_policy(made(sizes=(4, 8, 2)), foreign(4, 2), np.zeros((5, 4)), tmp_path / "p.onnx")
    model = onnx.load(tmp_path / "p.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version <= 10
    assert model.opset_import[0].version <= 21


def test_golden_pairs_hold_recorded_random_and_edge_inputs(tmp_path):
    weights = made(sizes=(4, 8, 2))
    recorded = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    write_policy(weights, foreign(4, 2), recorded, tmp_path / "p.onnx")
    golden = OnnxPolicy(tmp_path / "p.onnx").golden
    assert sum(any((row == known).all() for known in recorded) for row in golden.observations) == 32
    normalised = np.abs((golden.observations - weights.observation_mean) / weights.observation_scale)
    assert (normalised.max(axis=1) > weights.observation_clip).any()
    assert not golden.observations[-1].any()
    np.testing.assert_array_equal(golden.actions, weights(golden.observations))


def test_trained_networks_come_from_the_chosen_step_not_the_last(run):
    dataset = made_dataset(*(episode(40, seed=seed) for seed in range(6)))
    folder = RunFolder.open(run)
    best = torch.load(run / "checkpoints" / "best.pt", weights_only=True)
    assert best["step"] == folder.summary()["chosen_step"] < folder.summary()["steps"]
    np.testing.assert_allclose(
        restored_learner(folder, dataset).act(dataset.observations), folder.policy()(dataset.observations), atol=1e-4
    )


def test_metadata_survives_the_file_unchanged(tmp_path):
    metadata = replace(foreign(4, 2), training={"nll": -1.5}, dataset_meta={"env": "Hopper-v4"}, method="ö \U0001f916")
    write_policy(made(sizes=(4, 8, 2)), metadata, np.zeros((5, 4)), tmp_path / "p.onnx")
    assert OnnxPolicy(tmp_path / "p.onnx").metadata == metadata


def test_the_file_carries_the_least_squares_policy_of_the_training_rows(tmp_path, run):
    baseline = export_policy(run, tmp_path / "p.onnx").metadata.baseline
    dataset = made_dataset(*(episode(40, seed=seed) for seed in range(6)))
    rows = dataset.select("expert", False)
    inputs = np.column_stack([dataset.observations[rows], np.ones(len(rows))]).astype(np.float64)
    expected, *_ = np.linalg.lstsq(inputs, dataset.actions[rows].astype(np.float64))
    np.testing.assert_allclose([*baseline.weights[0], baseline.bias[0]], expected[:, 0], rtol=1e-6, atol=1e-9)
    assert OnnxPolicy(tmp_path / "p.onnx").metadata.baseline == baseline
