"""Many logs from the lock-step twin: the same for any number of processes, kept, resumable, replayable."""

import numpy as np
import pytest

from robot_il.cli.collecting import Collection, collect
from robot_il.cli.demonstrators import DEMONSTRATORS
from robot_il.cli.main import main
from robot_il.cli.rollout import Rollout
from robot_il.control.lqr import lqr_gain
from robot_il.learning.build import Request, build_dataset
from robot_il.recording.reader import read_log
from robot_il.robot import load_robot
from robot_il.spec import LABELS, TASKS

SHORT = ("--episodes", "2", "--seconds", "0.5", "--workers", "1")


def command(out, controller="lqr", label="expert", *more):
    return main(["collect", "--controller", controller, "--label", label, "--out", str(out), *SHORT, *more])


def test_the_logs_do_not_depend_on_the_number_of_processes(tmp_path):
    ticks = {}
    for workers in (1, 2):
        collection = Collection(
            Rollout("reference", TASKS["stand"], 0.3), "operator", "suboptimal", tmp_path / f"{workers}"
        )
        ticks[workers] = [read_log(one.path).ticks for one in collect(collection, range(3), workers)]
    assert [rows.tobytes() for rows in ticks[1]] == [rows.tobytes() for rows in ticks[2]]
    assert ticks[1][0].tobytes() != ticks[1][1].tobytes()


def test_what_is_there_is_kept_and_more_is_added(tmp_path, capsys):
    assert command(tmp_path) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert command(tmp_path, "lqr", "expert", "--episodes", "3") == 0
    assert "recorded 1 episodes" in (shown := capsys.readouterr().out)
    assert "2 were there already" in shown
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert len(list(tmp_path.iterdir())) == 3


def test_what_a_killed_process_left_of_an_episode_is_recorded_anew(tmp_path):
    leftover = tmp_path / "stand-lqr-000000.mcap.recording"
    leftover.write_bytes(b"half of a log")
    assert command(tmp_path) == 0
    assert not leftover.exists()
    assert read_log(tmp_path / "stand-lqr-000000.mcap").status == "complete"


def test_a_collected_log_names_its_conditions_and_replays_bit_for_bit(tmp_path, capsys):
    command(tmp_path, "trembling-operator", "undesirable")
    path = tmp_path / "stand-trembling-operator-000001.mcap"
    log = read_log(path)
    assert (log.label, log.session.synthetic, log.session.config["seed"]) == ("undesirable", True, 1)
    assert abs(log.session.config["conditions"]["initial_pitch_rad"]) <= 0.1
    assert main(["replay", str(path)]) == 0
    assert "bit-equal" in capsys.readouterr().out


def test_logs_of_every_label_make_one_dataset(tmp_path):
    drivers = dict(zip(LABELS, ("lqr", "operator", "overspeeding", "skilled-operator"), strict=True))
    for label, driver in drivers.items():
        command(tmp_path / label, driver, label)
    logs = {label: sorted((tmp_path / label).iterdir()) for label in LABELS}
    dataset = build_dataset(Request(logs, "stand", seed=0))
    assert set(np.unique(dataset.label)) == set(range(len(LABELS)))


@pytest.mark.parametrize("name", DEMONSTRATORS)
@pytest.mark.parametrize("task", TASKS)
def test_every_demonstrator_drives_every_task(name, task, tmp_path):
    assert DEMONSTRATORS[name](lqr_gain(load_robot(), TASKS[task]), TASKS[task], 0).identity["task"] == task
    collection = Collection(Rollout("reference", TASKS[task], 0.2), name, "unlabeled", tmp_path)
    (one,) = collect(collection, [0], 1)
    driven = read_log(one.path).ticks
    assert (driven["source"] == 1).sum() > 30


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--controller", "nobody", "--label", "expert", "--out", "x"], "a --controller out of lqr"),
        (["--controller", "lqr", "--out", "x"], "--label, out of expert"),
        (["--controller", "lqr", "--label", "expert"], "--out, a folder"),
        (["--controller", "lqr", "--label", "expert", "--out", "x", "--episodes", "0"], "at least one episode"),
        (["--controller", "lqr", "--label", "expert", "--out", "x", "--seconds", "nan"], "at least one episode"),
    ],
)
def test_a_wrong_request_is_refused_with_what_was_expected(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["collect", *words]) == 1
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
