"""The LQR as C on the MCU: it is that law to the last bit, and its logs hold the torque where a dataset finds it."""

import shutil

import numpy as np
import pytest

from firmware_bridge.policy_core import PolicyOnCore
from firmware_bridge.policy_library import PolicyLibrary
from robot_il.cli import onboard_law
from robot_il.cli.collecting import Collection, collect
from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import LinearController
from robot_il.control.lqr import lqr_gain
from robot_il.errors import DataError
from robot_il.learning.build import Request, build_dataset
from robot_il.recording.check import check
from robot_il.recording.reader import read_log
from robot_il.recording.scores import score
from robot_il.robot import load_robot
from robot_il.tasks import TASKS
from tests.control.test_mpc import state
from tests.firmware_bridge.image_tools import needs_image

ROBOTS = ("reference", "two_wheeled")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ROBOTS)
def test_the_c_is_the_lqr_of_robot_and_task_within_single_precision(name, task):
    robot, task = load_robot(name), TASKS[task]
    library = PolicyLibrary(onboard_law.law_in_c(robot, task), len(task.observation), 1)
    law = LinearController(lqr_gain(robot, task), task)
    limit = min(8.0, 2.0 * robot.drive.torque_limit_nm)
    for row in np.random.default_rng(0).normal(size=(50, len(task.observation))).astype(np.float32) * 0.1:
        wanted = law.torque(state(**dict(zip(task.observation, row.tolist(), strict=True))))
        assert library.act(row)[0] == pytest.approx(np.clip(wanted, -limit, limit), rel=1e-5, abs=1e-5)
    far = np.array([3.0 if name == "pitch" else 0.0 for name in task.observation], np.float32)
    assert library.act(far)[0] == np.float32(limit)
    assert library.act(-far)[0] == -np.float32(limit)


def test_c_of_another_gain_fails_its_self_test(tmp_path):
    task = TASKS["stand"]
    folder = onboard_law.law_in_c(load_robot(), task)
    shutil.copytree(folder, tmp_path / "law")
    source = tmp_path / "law" / "policy.c"
    text = source.read_text()
    assert PolicyLibrary(tmp_path / "law", 4, 1).self_test()
    gain = f"{np.float32(lqr_gain(load_robot(), task)[0]):.9g}"
    assert gain in text
    source.write_text(text.replace(gain, gain.replace(gain[1], str((int(gain[1]) + 1) % 10), 1)))
    assert not PolicyLibrary(tmp_path / "law", 4, 1).self_test()


def test_the_c_is_made_once_and_kept():
    folder = onboard_law.law_in_c(load_robot(), TASKS["drive"])
    before = (folder / "policy.c").stat().st_mtime_ns
    assert onboard_law.law_in_c(load_robot(), TASKS["drive"]) == folder
    assert (folder / "policy.c").stat().st_mtime_ns == before


@needs_image
def test_on_the_core_of_the_microcontroller_it_gives_the_same_bits():
    task = TASKS["stand"]
    folder = onboard_law.law_in_c(load_robot(), task)
    rows = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32) * 0.1
    assert PolicyOnCore(folder, 4, 1)(rows).tobytes() == PolicyLibrary(folder, 4, 1)(rows).tobytes()


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder, rollout = tmp_path_factory.mktemp("logs"), Rollout("reference", TASKS["stand"], 6.0)
    return {
        name: [one.path for one in collect(Collection(rollout, name, "expert", folder), range(3), 1)]
        for name in ("lqr", onboard_law.NAME)
    }


def test_the_log_says_who_drove_by_which_law_and_where_its_torque_is(paths):
    log = read_log(paths[onboard_law.NAME][0])
    identity, driven = log.session.controller, log.ticks[log.ticks["source"] == 1][5:]
    assert (identity["name"], identity["action"], identity["every_ticks"]) == ("lqr-onboard", "applied", 1)
    assert identity["on_board"]["gain"] == pytest.approx(lqr_gain(load_robot(), TASKS["stand"]), rel=1e-6)
    total = driven["sent_left"].astype(float) + driven["sent_right"]
    assert np.abs(total).max() < 1e-5
    assert np.abs(driven["applied_left"] + driven["applied_right"]).max() > 0.5


def test_its_recordings_are_fit_to_learn_from_and_scored_by_what_was_applied(paths):
    log = read_log(paths[onboard_law.NAME][0])
    assert check(log).passed
    assert "made on the MCU" in next(each.text for each in check(log).findings if each.name == "sent against applied")
    (scores,) = score([log])
    assert scores.torque_rate_nm_s > 1.0
    assert scores.lqr_distance < 0.3


def test_a_dataset_of_them_is_of_the_applied_torque_or_refused(paths):
    logs = {"expert": paths[onboard_law.NAME]}
    for action in ("sent", "controller", "limited"):
        with pytest.raises(DataError, match="--action applied"):
            build_dataset(Request(logs, "stand", action))
    assert build_dataset(Request(logs, "stand", "applied")).actions.std() > 0.05


def median_residual(paths, action):
    """Of least squares, over the spread of the torque: half of the ticks are explained better than that."""
    data = build_dataset(Request({"expert": paths}, "stand", action))
    inputs = np.column_stack([data.observations.astype(float), np.ones(len(data.actions))])
    weights = np.linalg.lstsq(inputs, data.actions, rcond=None)[0]
    return float(np.median(np.abs(data.actions - inputs @ weights)) / data.actions.std())


def test_least_squares_recovers_the_lqr_of_the_host_and_not_what_it_did_on_board(paths):
    assert median_residual(paths["lqr"], "sent") < 0.01
    assert median_residual(paths[onboard_law.NAME], "applied") > 0.05
