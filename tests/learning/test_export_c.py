"""A policy in C is the policy file: same numbers, same metadata, same torques, whatever its names say."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import onnx
import pytest

from firmware_bridge.compiling import WARNINGS
from firmware_bridge.policy_library import PolicyLibrary
from robot_il.control.onnx_policy import OnnxPolicy
from robot_il.control.policy_metadata import HASH_KEY, NO_HASH, TOLERANCE, PolicySignal, with_content_hash
from robot_il.errors import PolicyError
from robot_il.learning import c_text
from robot_il.learning.export import parity_of, sample_inputs, write_policy
from robot_il.learning.export_c import export_c, multiply_adds, weights_of
from tests.learning.test_export import foreign
from tests.learning.test_policy_weights import made

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")


def exported(folder, sizes=(4, 16, 8, 2), metadata=None, **settings):
    """Weights, policy file and folder of the C."""
    weights = made(1, sizes, **settings)
    recorded = np.random.default_rng(0).normal(size=(300, sizes[0])).astype(np.float32)
    write_policy(weights, metadata or foreign(sizes[0], sizes[-1]), recorded, folder / "policy.onnx")
    export_c(folder / "policy.onnx", folder / "c")
    return weights, OnnxPolicy(folder / "policy.onnx"), folder / "c"


@pytest.mark.parametrize(
    ("sizes", "settings"),
    [
        ((4, 256, 256, 1), {}),
        ((4, 16, 8, 2), {"activation": "tanh"}),
        ((3, 7, 5, 3, 1), {"squash": "clip", "observation_clip": np.inf}),
        ((1, 1), {"squash": "clip", "observation_clip": np.inf}),
        ((40, 9, 6), {"activation": "tanh", "squash": "clip", "observation_clip": 0.5}),
        ((5, 1), {}),
    ],
)
def test_the_c_compiles_without_a_warning_passes_its_test_and_agrees_on_all_inputs(tmp_path, sizes, settings):
    weights, policy, folder = exported(tmp_path, sizes, **settings)
    library = PolicyLibrary(folder, sizes[0], sizes[-1])
    assert library.self_test()
    inputs = sample_inputs(weights, policy.golden.observations, 200, 300)
    assert parity_of(policy, library, inputs) <= TOLERANCE
    assert (np.abs(library(inputs) - weights(inputs)) / weights.action_range).max() <= TOLERANCE


def test_every_weight_comes_back_to_the_bit(tmp_path):
    weights, _, folder = exported(tmp_path, (4, 16, 8, 2))
    text = (folder / "policy.c").read_text()
    for index, (weight, bias) in enumerate(weights.layers):
        for name, values in ((f"weight{index}", weight.T), (f"bias{index}", bias)):
            numbers = re.search(rf"{name}\[\d+\] = \{{\n(.*?)\}};", text, re.DOTALL)[1].replace("f", "").split(",")[:-1]
            assert np.array([float(part) for part in numbers], np.float32).tobytes() == values.tobytes()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("squash", ["tanh", "clip"])
@pytest.mark.parametrize("clip", [3.0, np.inf])
def test_the_policy_file_gives_its_arrays_back(tmp_path, activation, squash, clip):
    weights = made(2, (4, 8, 2), activation=activation, squash=squash, observation_clip=clip)
    write_policy(weights, foreign(4, 2), np.zeros((5, 4)), tmp_path / "policy.onnx")
    again = weights_of(tmp_path / "policy.onnx")
    assert (again.activation, again.squash, again.observation_clip) == (activation, squash, clip)
    for before, after in zip(weights.layers, again.layers, strict=True):
        assert [part.tobytes() for part in before] == [part.tobytes() for part in after]
    for name in ("observation_mean", "observation_scale", "action_scale", "action_offset"):
        assert getattr(again, name).tobytes() == getattr(weights, name).tobytes()


def test_the_same_policy_file_gives_the_same_bytes(tmp_path):
    _, _, folder = exported(tmp_path)
    export_c(tmp_path / "policy.onnx", tmp_path / "again")
    for name in ("policy.h", "policy.c"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["policy.c", "policy.h"]


def test_the_header_says_where_the_policy_comes_from(tmp_path):
    _, policy, folder = exported(tmp_path, (4, 8, 2))
    text = (folder / "policy.h").read_text()
    for name, value in (("SHA256", policy.sha256), ("DATASET", "d"), ("CODE", "v"), ("SPEC", ""), ("TASK", "")):
        assert f'#define RIL_POLICY_{name} "{value}"' in text
    assert "input 3     obs3 [1]" in text
    assert "output 1    act1 [1], -100.0 to 100.0" in text


NASTY = ('"; int main(void) {} //', "*/ int evil; /*", "??/", "a\nb", "\\", "%s", "ω [rad/s]", "\0", "x" * 300)


def test_names_and_units_reach_c_as_they_are_and_never_as_code(tmp_path):
    names = [PolicySignal(name, unit) for name, unit in zip(NASTY, reversed(NASTY), strict=True)]
    metadata = replace(foreign(len(NASTY), 1), observation=tuple(names), method="*/ method", code_version='"\\')
    _, _, folder = exported(tmp_path, (len(NASTY), 1), metadata)
    library = PolicyLibrary(folder, len(NASTY), 1)
    assert library.self_test()
    for kind in ("names", "units"):
        array = (ctypes.c_char_p * len(NASTY)).in_dll(ctypes.CDLL(str(library.path)), f"ril_policy_observation_{kind}")
        expected = NASTY if kind == "names" else NASTY[::-1]
        assert list(array) == [text.encode().partition(b"\0")[0] for text in expected]


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, -2.0, 1e-45, 3.4028235e38, 0.1, 1 / 3, 1e10, 123456789.0])
def test_a_number_reads_back_to_its_bits(value):
    text = c_text.number(np.float32(value))
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f", text)
    assert np.float32(text[:-1]).tobytes() == np.float32(value).tobytes()
    assert "." in text or "e" in text


def test_an_input_that_is_not_finite_gives_nan(tmp_path):
    _, _, folder = exported(tmp_path)
    library = PolicyLibrary(folder, 4, 2)
    for bad in (np.nan, np.inf, -np.inf):
        for place in range(4):
            observation = np.zeros(4)
            observation[place] = bad
            assert np.isnan(library.act(observation)).all()
    assert np.isfinite(library.act(np.zeros(4))).all()


def test_computing_in_parts_gives_the_same_bits_however_small_they_are(tmp_path):
    weights, policy, folder = exported(tmp_path, (4, 16, 8, 2), activation="tanh")
    library = PolicyLibrary(folder, 4, 2)
    raw = ctypes.CDLL(str(library.path))
    raw.ril_policy_go_on.restype = ctypes.c_bool
    action = np.zeros(2, np.float32)
    for observation in policy.golden.observations:
        whole, parts = library.act(observation), []
        for share in (0, 1, 40, 10_000):
            raw.ril_policy_begin(ctypes.c_void_p(observation.ctypes.data))
            parts.append(1)
            while not raw.ril_policy_go_on(share):
                parts[-1] += 1
            raw.ril_policy_result(ctypes.c_void_p(action.ctypes.data))
            assert action.tobytes() == whole.tobytes()
        assert parts == sorted(parts, reverse=True)
        assert (parts[0], parts[-1]) == (16 + 8 + 2, 1)
    assert multiply_adds(weights) == 4 * 16 + 16 * 8 + 8 * 2 + 10 * (16 + 8)


def test_a_wrong_golden_pair_fails_the_self_test(tmp_path):
    _, policy, folder = exported(tmp_path, (4, 8, 1))
    source = (folder / "policy.c").read_text()
    golden = c_text.number(policy.golden.actions[0, 0])
    moved = c_text.number(policy.golden.actions[0, 0] + np.float32(2e-5 * 200))
    (folder / "policy.c").write_text(source.replace(f"    {{{golden}}},", f"    {{{moved}}},", 1))
    assert not PolicyLibrary(folder, 4, 1).self_test()


def test_the_tanh_is_right_to_its_bound(tmp_path):
    one = {"observation_mean": [0], "observation_scale": [1], "action_scale": [1], "action_offset": [0]}
    weights = made(0, (1, 1), **one, observation_clip=np.inf, layers=((np.ones((1, 1)), np.zeros(1)),))
    write_policy(weights, foreign(1, 1), np.zeros((5, 1)), tmp_path / "policy.onnx")
    export_c(tmp_path / "policy.onnx", tmp_path / "c")
    library = PolicyLibrary(tmp_path / "c", 1, 1)
    inputs = np.concatenate([np.linspace(-12, 12, 60_001), np.geomspace(1e-38, 1e38, 5_000)]).astype(np.float32)
    actions = np.array([library.torque((value,)) for value in inputs])
    assert np.abs(actions - np.tanh(inputs.astype(np.float64))).max() <= c_text.TANH_BOUND
    assert np.abs(actions).max() == 1.0
    assert (np.diff(actions[:60_001]) >= -c_text.TANH_BOUND).all()


def test_no_math_library_and_no_heap(tmp_path):
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm of binutils is not installed")
    _, _, folder = exported(tmp_path, activation="tanh")
    path = PolicyLibrary(folder, 4, 2).path
    lines = subprocess.run([nm, "-u", str(path)], capture_output=True, text=True, check=True).stdout.splitlines()
    called = {line.split()[-1].partition("@")[0] for line in lines if line.split()[0] == "U"}
    assert called <= {"memcpy", "memset", "__stack_chk_fail"}


def test_it_runs_clean_under_the_sanitizers(tmp_path):
    _, _, folder = exported(tmp_path, (3, 5, 1), observation_clip=np.inf, squash="clip")
    main = '#include "policy.h"\nint main(void) { return ril_policy_self_test() ? 0 : 1; }\n'
    (tmp_path / "main.c").write_text(main)
    program = tmp_path / "program"
    command = ["gcc", *WARNINGS, "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{folder}"]
    subprocess.run([*command, "-o", program, folder / "policy.c", tmp_path / "main.c"], check=True)
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    assert subprocess.run([program], env=environment, capture_output=True).returncode == 0


def test_a_graph_of_somebody_elses_is_refused(tmp_path):
    exported(tmp_path)
    model = onnx.load(tmp_path / "policy.onnx")
    for node in model.graph.node:
        if node.name == "squashed":
            node.name = "other"
    for entry in model.metadata_props:
        if entry.key == HASH_KEY:
            entry.value = NO_HASH
    (tmp_path / "other.onnx").write_bytes(with_content_hash(model.SerializeToString()))
    with pytest.raises(PolicyError, match="the graph of robot-il export"):
        export_c(tmp_path / "other.onnx", tmp_path / "other")
