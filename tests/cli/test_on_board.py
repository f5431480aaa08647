"""``robot-il export --c`` and ``robot-il hil --policy-on-board``, as a person uses them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from robot_il.cli.main import main
from robot_il.learning.dataset import save_dataset
from robot_il.learning.trainer import Job, train
from tests.firmware_bridge.image_tools import needs_image
from tests.firmware_bridge.policies import lqr_policy_file
from tests.learning.recordings import episode, made_dataset


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    save_dataset(folder / "data", made_dataset(*(episode(40, seed=seed) for seed in range(4))))
    settings = {"steps": "30", "policy_hidden": "16,16", "evaluate_every": "10", "checkpoint_every": "10"}
    train(Job("bc", folder / "data", folder / "bc", settings=settings))
    return folder / "bc"


def test_a_run_becomes_a_policy_file_and_its_c_at_once(run, tmp_path, capsys):
    assert main(["export", str(run), "--out", str(tmp_path / "policy.onnx"), "--c", str(tmp_path / "c")]) == 0
    printed = capsys.readouterr().out
    sha256 = re.search(r"sha256   (\w{64})", printed)[1]
    assert f"of       {sha256}" in printed
    assert "self test passed on this machine" in printed
    assert sha256 in (tmp_path / "c" / "policy.h").read_text()
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["policy.c", "policy.h"]


def test_a_run_or_a_policy_file_alone_gives_the_same_c(run, tmp_path):
    assert main(["export", str(run), "--out", str(tmp_path / "policy.onnx"), "--c", str(tmp_path / "a")]) == 0
    assert main(["export", str(run), "--c", str(tmp_path / "b")]) == 0
    assert main(["export", str(tmp_path / "policy.onnx"), "--c", str(tmp_path / "c")]) == 0
    for name in ("policy.h", "policy.c"):
        assert len({(tmp_path / folder / name).read_bytes() for folder in "abc"}) == 1


def test_an_export_to_nowhere_is_refused(run, capsys):
    assert main(["export", str(run)]) == 1
    assert "--out POLICY.onnx or --c FOLDER" in capsys.readouterr().err


def test_without_a_compiler_no_c_is_written(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CC", "no-such-compiler")
    assert main(["export", str(run), "--c", str(tmp_path / "c")]) == 1
    assert "no 'no-such-compiler' on the PATH" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


@needs_image
def test_a_policy_on_board_flies_at_both_rates_and_tells_what_it_costs(tmp_path, capsys):
    policy = lqr_policy_file(tmp_path / "policy.onnx", "drive")
    assert main(["hil", "--policy-on-board", str(policy), "--seconds", "1", "--seed", "2"]) == 0
    printed = capsys.readouterr().out
    for rate_hz in (200, 1000):
        assert f"{rate_hz} Hz: self test passed on the core; survived after 1.00 s" in printed
    assert len(set(re.findall(r"sha256 (\w{64})", printed))) == 2
    least, median, most = map(int, re.search(r"(\d+) / (\d+) / (\d+) instructions per inference", printed).groups())
    assert 640 < least <= median <= most < 10_000
    assert printed.count("image and host library are the same, bit for bit") == 2
    assert all(float(bound) <= 1.6e-4 for bound in re.findall(r"against onnxruntime: (\S+) N m", printed))


@needs_image
def test_a_policy_that_cannot_balance_falls_on_board_and_the_command_says_so(tmp_path, capsys):
    policy = lqr_policy_file(tmp_path / "policy.onnx", strength=-1.0)
    assert main(["hil", "--policy-on-board", str(policy), "--seconds", "2"]) == 1
    printed = capsys.readouterr().out
    assert "200 Hz: self test passed on the core; fell after" in printed
    assert "bit for bit" in printed


@needs_image
def test_a_policy_too_large_for_a_rate_is_not_flown_at_it(tmp_path, capsys):
    policy = lqr_policy_file(tmp_path / "policy.onnx", hidden=256)
    assert main(["hil", "--policy-on-board", str(policy), "--seconds", "0.3"]) == 0
    printed = capsys.readouterr().out
    assert "200 Hz: self test passed" in printed
    assert "1000 Hz: not flown; it takes 5 ms on this core" in printed


def test_no_policy_on_board_is_named(tmp_path, capsys):
    assert main(["hil", "--policy-on-board", str(tmp_path / "none.onnx")]) == 1
    assert "none.onnx: No such file" in capsys.readouterr().err
