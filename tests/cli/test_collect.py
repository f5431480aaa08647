"""Many logs from the lock-step twin: the same for any number of processes, kept, resumable, replayable."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from robot_il.cli.collecting import Collection, collect, record_episode
from robot_il.cli.demonstrators import DEMONSTRATORS
from robot_il.cli.main import main
from robot_il.cli.rollout import Rollout
from robot_il.errors import LogError
from robot_il.learning.build import Request, build_dataset
from robot_il.recording.reader import read_log
from robot_il.spec import LABELS
from robot_il.tasks import TASKS
from tests.cli.processes import wait_for

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


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("--seconds", "1"), "seconds 0.5"),
        (("--engine", "mujoco"), "engine pybullet"),
        (("--robot", "two_wheeled"), "robot reference"),
    ],
    ids=["length", "engine", "robot"],
)
def test_episodes_of_another_kind_are_not_taken_for_those_asked_for(tmp_path, capsys, changed, said):
    assert command(tmp_path) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert command(tmp_path, "lqr", "expert", *changed) == 1
    assert said in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


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


def test_a_killed_collection_goes_on_and_gives_the_ticks_of_one_that_was_not(tmp_path):
    words = ["collect", "--controller", "operator", "--episodes", "4", "--seconds", "3", "--workers", "2"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "robot_il.cli.main", *words, "--out", str(killed)]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: list(killed.glob("*.mcap.*.unfinished")), "an episode to begin")
        os.killpg(process.pid, signal.SIGKILL)
    assert list(killed.glob("*.mcap.*.unfinished"))
    assert len(list(killed.glob("*.mcap"))) < 4
    for folder in (killed, whole):
        assert main([*words, "--workers", "1", "--out", str(folder)]) == 0
    names = sorted(path.name for path in whole.iterdir())
    assert names == sorted(path.name for path in killed.iterdir())
    for name in names:
        assert read_log(killed / name).status == "complete"
        assert read_log(killed / name).ticks.tobytes() == read_log(whole / name).ticks.tobytes()


def test_an_episode_that_another_process_finished_meanwhile_is_not_overwritten(tmp_path):
    rollout = Rollout("reference", TASKS["stand"], 0.2)
    path = tmp_path / "once.mcap"
    path.write_bytes(b"another's")
    who = DEMONSTRATORS["lqr"].controller(rollout.robot, rollout.task, 0)
    with pytest.raises(LogError, match=r"no file .*once\.mcap yet"):
        record_episode(rollout, who, "expert", rollout.conditions(0), 0, path)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("once.mcap", b"another's")]


def test_a_disk_that_is_full_is_told_and_leaves_nothing_half_written(tmp_path):
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "from robot_il.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["collect", "--controller", "lqr", "--episodes", "1", "--workers", "1", "--out", str(tmp_path / "logs")]
    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "expected to write" in ended.stderr
    assert not list((tmp_path / "logs").iterdir())


def test_each_demonstrator_has_a_natural_label_and_all_labels_but_the_unknown_one_are_there(capsys):
    assert main(["collect", "--controller", "list"]) == 0
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == list(DEMONSTRATORS)
    assert {row[1] for row in rows} == {"expert", "suboptimal", "undesirable"}
    assert all(len(row[2]) > 20 for row in rows)


def test_a_mixture_is_labelled_by_who_drove_unless_one_label_is_asked_for(tmp_path):
    mixture = ["collect", "--controller", "lqr", "--controller", "swinging:2", "--episodes", "1", "--seconds", "0.3"]
    assert main([*mixture, "--workers", "1", "--out", str(tmp_path / "own")]) == 0
    labels = {path.stem: read_log(path).label for path in (tmp_path / "own").iterdir()}
    assert labels == {
        "stand-lqr-000000": "expert",
        "stand-swinging-000000": "undesirable",
        "stand-swinging-000001": "undesirable",
    }
    assert main([*mixture, "--label", "unlabeled", "--workers", "1", "--out", str(tmp_path / "one")]) == 0
    assert {read_log(path).label for path in (tmp_path / "one").iterdir()} == {"unlabeled"}


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
    collection = Collection(Rollout("reference", TASKS[task], 0.2), name, "unlabeled", tmp_path)
    (one,) = collect(collection, [0], 1)
    log = read_log(one.path)
    assert log.session.controller["task"] == task
    assert (log.ticks["source"] == 1).sum() > 30
    assert main(["replay", str(one.path)]) == 0


@pytest.mark.parametrize("name", DEMONSTRATORS)
def test_every_demonstrator_drives_the_robot_without_legs(name, tmp_path):
    (one,) = collect(Collection(Rollout("two_wheeled", TASKS["stand"], 0.3), name, "unlabeled", tmp_path), [0], 1)
    assert (read_log(one.path).ticks["source"] == 1).sum() > 50


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--controller", "nobody", "--label", "expert", "--out", "x"], "a --controller out of lqr"),
        (["--controller", "lqr", "--controller", "lqr", "--out", "x"], "each --controller once"),
        (["--controller", "lqr:0", "--out", "x"], "at least one episode"),
        (["--controller", "lqr:1e3", "--out", "x"], "at least one episode"),
        (["--controller", "lqr:2000000", "--out", "x"], "at most 1000000"),
        (["--controller", "lqr", "--label", "expert"], "--out, a folder"),
        (["--controller", "lqr", "--label", "expert", "--out", "x", "--episodes", "0"], "at least one episode"),
        (["--controller", "lqr", "--label", "expert", "--out", "x", "--seconds", "nan"], "of a positive length"),
    ],
)
def test_a_wrong_request_is_refused_with_what_was_expected(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["collect", *words]) == 1
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
