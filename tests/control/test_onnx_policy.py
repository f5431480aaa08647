import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from robot_il.control.onnx_policy import MAX_FILE_BYTES, OnnxPolicy
from robot_il.control.policy_metadata import (
    DESCRIPTION_KEY,
    GOLDEN_KEY,
    HASH_KEY,
    NO_HASH,
    GoldenPairs,
    PolicyMetadata,
    PolicySignal,
    with_content_hash,
)
from robot_il.errors import PolicyError
from robot_il.spec import SIGNALS, SPEC_HASH, TORQUE_LIMIT_NM
from robot_il.tasks import TASKS

STAND = TASKS["stand"]
GAINS = np.array([-40.0, -6.0, -2.0, -3.0], dtype=np.float32)
"""Of the policy that these tests write: torque = clip(gains @ observation, -8, 8) in N m."""


def description(**changes):
    metadata = PolicyMetadata(
        task="stand",
        spec_hash=SPEC_HASH,
        observation=tuple(PolicySignal(name, SIGNALS[name].unit) for name in STAND.observation),
        action=(PolicySignal("wheel_torque", "N m", -TORQUE_LIMIT_NM, TORQUE_LIMIT_NM),),
        action_source="sent",
        period_s=0.005,
        method="linear",
        dataset_hash="d" * 64,
        config_hash="c" * 64,
        code_version="1",
    )
    return replace(metadata, **changes)


def graph(gains=GAINS, element=TensorProto.FLOAT, names=("observation", "action")):
    source, target = names
    nodes = [
        helper.make_node("MatMul", [source, "gains"], ["raw"]),
        helper.make_node("Clip", ["raw", "low", "high"], [target]),
    ]
    kind = helper.tensor_dtype_to_np_dtype(element)
    constants = {"gains": gains.reshape(-1, 1), "low": np.array(-8.0), "high": np.array(8.0)}
    return helper.make_graph(
        nodes,
        "policy",
        [helper.make_tensor_value_info(source, element, ["batch", gains.size])],
        [helper.make_tensor_value_info(target, element, ["batch", 1])],
        [onnx.numpy_helper.from_array(value.astype(kind), name) for name, value in constants.items()],
    )


def golden_pairs(gains=GAINS):
    observations = np.random.default_rng(0).normal(scale=0.1, size=(20, gains.size)).astype(np.float32)
    return GoldenPairs(observations, np.clip(observations @ gains, -8, 8)[:, None])


def write(path, metadata=None, golden=None, of=None, entries_instead=None):
    """A policy file by other means than the exporter's; ``entries_instead`` replace whole metadata entries."""
    model = helper.make_model(of or graph(), opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    entries = {
        DESCRIPTION_KEY: (metadata or description()).to_json(),
        GOLDEN_KEY: (golden or golden_pairs()).to_json(),
        HASH_KEY: NO_HASH,
    }
    entries |= {f"robot_il.{key}": value for key, value in (entries_instead or {}).items()}
    helper.set_model_props(model, {key: value for key, value in entries.items() if value is not None})
    path.write_bytes(with_content_hash(model.SerializeToString()))
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "policy.onnx")


def test_a_policy_answers_raw_observations_with_torque(path):
    policy = OnnxPolicy(path, STAND)
    for observation in np.random.default_rng(1).normal(scale=0.3, size=(50, 4)):
        expected = float(np.clip(observation @ GAINS, -8, 8))
        assert policy.torque(tuple(observation)) == pytest.approx(expected, abs=1e-5)
        assert policy.act(observation)[0] == np.float32(policy.torque(tuple(observation)))


def test_the_same_observation_gives_the_same_bits_whatever_came_before(path):
    policy, other = OnnxPolicy(path, STAND), OnnxPolicy(path, STAND)
    observations = [tuple(row) for row in np.random.default_rng(2).normal(size=(100, 4))]
    forward = [policy.torque(row) for row in observations]
    assert forward == [other.torque(row) for row in reversed(observations)][::-1]


def test_an_answer_is_the_callers_own(path):
    policy = OnnxPolicy(path)
    first = policy.act(np.array([0.1, 0, 0, 0]))
    kept = first.copy()
    policy.act(np.array([-0.1, 0, 0, 0]))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", range(4))
def test_an_observation_that_is_not_finite_never_becomes_a_torque(path, bad, place):
    policy = OnnxPolicy(path, STAND)
    observation = [0.1, 0.2, 0.3, 0.4]
    observation[place] = bad
    assert math.isnan(policy.torque(tuple(observation)))
    assert np.isnan(policy.act(np.array(observation))).all()
    assert math.isfinite(policy.torque((0.1, 0.2, 0.3, 0.4)))


@pytest.mark.parametrize(
    ("changes", "expected", "came"),
    [
        ({"spec_hash": "f" * 64}, SPEC_HASH[:12], "f" * 12),
        ({"spec_hash": ""}, SPEC_HASH[:12], "none"),
        ({"task": "drive"}, "task stand", "drive"),
        ({"task": ""}, "task stand", "none"),
        ({"period_s": 0.01}, r"a period of 0\.005 s", r"0\.01 s"),
        ({"action": (PolicySignal("voltage", "V", -8.0, 8.0),)}, r"wheel_torque \[N m\]", r"\(voltage \[V\]\)"),
        ({"action": (PolicySignal("wheel_torque", "N m", -9.0, 9.0),)}, r"-8\.0 to 8\.0 N m", r"-9\.0 to 9\.0"),
    ],
)
def test_a_policy_made_for_something_else_is_refused_with_both_sides_named(tmp_path, changes, expected, came):
    path = write(tmp_path / "policy.onnx", description(**changes))
    with pytest.raises(PolicyError, match=rf"expected .*{expected}.*; came {came}"):
        OnnxPolicy(path, STAND)


@pytest.mark.parametrize("change", ["order", "unit", "name"])
def test_another_order_unit_or_name_of_a_signal_is_refused(tmp_path, change):
    signals = list(description().observation)
    if change == "order":
        signals[0], signals[1] = signals[1], signals[0]
    else:
        signals[2] = replace(signals[2], **{change: "mm"})
    path = write(tmp_path / "policy.onnx", description(observation=tuple(signals)))
    with pytest.raises(PolicyError, match=r"observation \(pitch \[rad\], pitch_rate \[rad/s\], position \[m\]"):
        OnnxPolicy(path, STAND)


def test_a_policy_for_foreign_data_loads_without_a_task(tmp_path):
    foreign = tuple(PolicySignal(f"obs{index}", "1") for index in range(4))
    path = write(tmp_path / "p.onnx", description(task="", spec_hash="", observation=foreign, period_s=0.0))
    assert OnnxPolicy(path).act(np.zeros(4)) == 0


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (graph(GAINS[:3]), r"one input observation of float32 and shape \(N, 4\)"),
        (graph(names=("x", "action")), "one input observation"),
        (graph(names=("observation", "u")), "one output action"),
        (graph(element=TensorProto.DOUBLE), "float32"),
    ],
)
def test_a_graph_of_another_shape_name_or_type_is_refused(tmp_path, of, message):
    with pytest.raises(PolicyError, match=message):
        OnnxPolicy(write(tmp_path / "policy.onnx", of=of))


def test_golden_pairs_that_the_graph_does_not_give_are_refused(tmp_path):
    golden = golden_pairs()
    shifted = GoldenPairs(golden.observations, golden.actions + 2e-5 * 16)
    with pytest.raises(PolicyError, match=r"golden outputs of .* within 1e-05 of the action's range; came 2e-05"):
        OnnxPolicy(write(tmp_path / "policy.onnx", golden=shifted))
    within = GoldenPairs(golden.observations, golden.actions + 0.5e-5 * 16)
    OnnxPolicy(write(tmp_path / "policy.onnx", golden=within))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("golden", None, "robot_il.golden in the metadata"),
        ("description", None, "robot_il.description in the metadata"),
        ("golden", '{"observations": [], "actions": []}', "golden pairs of sizes 4 and 1"),
        ("golden", '{"observations": [[1, 2, 3]], "actions": [[1]]}', "golden pairs of sizes 4 and 1"),
        ("golden", '{"observations": [[1, 2, 3, NaN]], "actions": [[1]]}', "not finite"),
        ("golden", "[" * 100_000, "robot_il.golden in JSON"),
        ("golden", "[1]", "golden pairs"),
        ("golden", "1" * (2**20 + 1), "at most 1048576 characters"),
        ("description", "no json", "robot_il.description in JSON"),
        ("description", "[]", "policy format 1; came None"),
        ("description", '{"format": 9}', "policy format 1; came 9"),
        ("description", '{"format": 1}', "a complete policy description"),
    ],
)
def test_metadata_that_is_missing_or_makes_no_sense_is_refused(tmp_path, key, value, message):
    with pytest.raises(PolicyError, match=message):
        OnnxPolicy(write(tmp_path / "policy.onnx", entries_instead={key: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task", 5),
        ("period_s", "fast"),
        ("period_s", -1),
        ("training", []),
        ("observation", [{"name": 1, "unit": "rad"}]),
        ("observation", [{"name": "pitch"}]),
        ("action", [{"name": "wheel_torque", "unit": "N m", "low": None, "high": 8}]),
        ("action", [{"name": "wheel_torque", "unit": "N m", "low": 8, "high": -8}]),
        ("action", 3),
        ("baseline", {"weights": [[1, 2, 3]], "bias": [0]}),
        ("baseline", {"weights": [[1, 2, 3, 4]], "bias": ["much"]}),
        ("baseline", [1]),
        ("surprise", 1),
    ],
)
def test_a_description_with_a_field_of_another_kind_is_refused(tmp_path, field, value):
    content = json.loads(description().to_json()) | {field: value}
    with pytest.raises(PolicyError, match="a complete policy description"):
        OnnxPolicy(write(tmp_path / "policy.onnx", entries_instead={"description": json.dumps(content)}))


def test_any_flipped_bit_and_any_cut_is_found_before_the_file_is_parsed(path):
    content = path.read_bytes()
    for place in range(0, len(content), 11):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(PolicyError, match=r"content hash|exported by robot-il"):
            OnnxPolicy(path)
        path.write_bytes(content[:place])
        with pytest.raises(PolicyError, match=r"content hash|exported by robot-il"):
            OnnxPolicy(path)


def test_a_file_whose_hash_is_right_but_which_is_no_onnx_is_refused(path):
    content = path.read_bytes()
    path.write_bytes(with_content_hash(b"\xff" * 50 + content[50:]))
    with pytest.raises(PolicyError, match="an ONNX model"):
        OnnxPolicy(path)


def test_missing_foreign_and_oversized_files_are_refused(tmp_path):
    with pytest.raises(PolicyError, match=r"a policy file; came .*nothing\.onnx: No such file"):
        OnnxPolicy(tmp_path / "nothing.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(PolicyError, match="without its content hash"):
        OnnxPolicy(tmp_path / "text.onnx")
    (tmp_path / "other.onnx").write_bytes(helper.make_model(graph()).SerializeToString())
    with pytest.raises(PolicyError, match="without its content hash"):
        OnnxPolicy(tmp_path / "other.onnx")
    with (tmp_path / "large.onnx").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(PolicyError, match=f"at most {MAX_FILE_BYTES} bytes"):
        OnnxPolicy(tmp_path / "large.onnx")


def test_the_runtime_loads_neither_torch_nor_onnx(path):
    code = (
        "import sys; from pathlib import Path; from robot_il.control.onnx_policy import OnnxPolicy;"
        "OnnxPolicy(Path(sys.argv[1])); print(*sorted({'torch', 'onnx', 'pybullet', 'matplotlib'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""
