"""``robot-il log check`` as a person uses it, on recordings of the twin as they are and with faults put into them."""

import base64
import dataclasses
import functools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli.collecting import Collection, record_seed
from robot_il.cli.main import build_parser
from robot_il.cli.rollout import Rollout
from robot_il.errors import ConfigError, LogError
from robot_il.recording.check import check
from robot_il.recording.reader import read_log
from robot_il.tasks import TASKS
from tests.recording.conftest import names, plausible_ticks, write_log
from tests.recording.driving import driving_ticks
from tests.recording.episode_logs import recorded, write_session

FLIPS = (
    ["pitch"],
    ["pitch_rate"],
    ["pitch", "pitch_rate"],
    ["position"],
    ["velocity"],
    ["wheel_velocity_left"],
    ["wheel_velocity_right", "wheel_position_right"],
    ["accel_x"],
    ["accel_z"],
    ["applied_left"],
    ["applied_left", "applied_right", "sent_left", "sent_right"],
)


@pytest.fixture
def run(capsys):
    """Runs one command line; gives its exit code and what it printed."""

    def call(*arguments: object) -> tuple[int, str]:
        parsed = build_parser().parse_args(["log", "check", *map(str, arguments)])
        code = parsed.run(parsed)
        return code, capsys.readouterr().out

    return call


@functools.cache
def of_the_twin(folder: Path, demonstrator: str, label: str):
    """A recording of the lock-step twin."""
    collection = Collection(Rollout("reference", TASKS["stand"], 8.0), demonstrator, label, folder)
    folder.mkdir(exist_ok=True)
    return read_log(record_seed(collection, 2).path)


@pytest.fixture(scope="module")
def twin_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("twin")


@pytest.fixture(params=[("lqr", "expert"), ("operator", "suboptimal"), ("swinging", "undesirable")], ids=lambda p: p[0])
def twin_log(request, twin_folder):
    return of_the_twin(twin_folder, *request.param)


def test_a_recording_of_the_twin_is_fit_to_learn_from(twin_log):
    assert check(twin_log).passed


@pytest.mark.parametrize("flipped", FLIPS, ids="+".join)
def test_a_flipped_sign_in_a_recording_of_the_twin_makes_it_unfit(twin_log, flipped):
    ticks = twin_log.ticks.copy()
    for name in flipped:
        ticks[name] *= -1
    assert not check(dataclasses.replace(twin_log, ticks=ticks)).passed


def test_one_recording_is_shown_with_every_finding_and_every_score(run, tmp_path):
    code, text = run(write_log(tmp_path / "run.mcap", driving_ticks(1200)))
    assert code == 0
    for part in ("sign of pitch_rate", "intent against controller", "fit to learn from", "torque SPARC", "near 0"):
        assert part in text, part


def test_several_recordings_are_a_table_with_details_of_the_unfit_alone(run, tmp_path):
    good = write_log(tmp_path / "good.mcap", driving_ticks(600))
    ticks = driving_ticks(600, seed=1)
    ticks["pitch"][5] = np.nan
    bad = write_log(tmp_path / "bad.mcap", ticks)
    code, text = run(good, bad)
    assert code == 1
    assert "fail  pitch finite" in text
    assert not re.search(r"^ok ", text, re.MULTILINE)
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.startswith(("good.mcap", "bad.mcap "))}
    assert (rows["good.mcap"][3], rows["bad.mcap"][3]) == ("yes", "NO")
    assert text.rstrip().endswith("2 episodes, 1 NOT fit to learn from")


def test_all_findings_of_several_are_shown_when_asked_for(run, tmp_path):
    for name in "ab":
        write_log(tmp_path / f"{name}.mcap", driving_ticks(400))
    assert run(tmp_path, "--all")[1].count("ok    file") == 2


def test_a_session_is_shown_episode_by_episode(run, tmp_path):
    path = write_session(tmp_path / "s.mcap", driving_ticks(2000), [*recorded("e1", 0.5, 4), *recorded("e2", 5, 9)])
    code, text = run(path)
    assert code == 0
    assert re.search(r"^s\.mcap +e1 +unlabeled +yes", text, re.MULTILINE)
    assert "2 episodes, 0 NOT fit" in text


def test_json_has_findings_scores_and_whether_all_is_well(run, tmp_path):
    ticks = plausible_ticks(400)
    ticks["pitch"][5] = np.inf
    code, text = run(write_log(tmp_path / "bad.mcap", ticks), "--json")
    values = json.loads(text)
    assert (code, values["passed"], values["episodes"][0]["passed"]) == (1, False, False)


def test_a_file_in_a_folder_that_cannot_be_read_makes_the_exit_code_1(run, tmp_path):
    write_log(tmp_path / "good.mcap", driving_ticks(400))
    (tmp_path / "bad.mcap").write_bytes(b"nonsense")
    code, text = run(tmp_path)
    assert code == 1
    assert "bad.mcap cannot be read: expected an MCAP log" in text


def test_a_file_that_was_named_and_is_none_is_an_error(run, tmp_path):
    with pytest.raises(LogError, match=r"none\.mcap"):
        run(tmp_path / "none.mcap")


class Page(HTMLParser):
    """A page's pictures, links and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "srcset", "href")]

    def handle_data(self, data):
        self.words += data


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    ticks = driving_ticks(600, seed=1)
    ticks["wheel_velocity_left"] *= -1
    write_log(folder / "bad <b>.mcap", ticks)
    write_log(folder / "good.mcap", driving_ticks(600))
    parsed = build_parser().parse_args(["log", "check", str(folder), "--html", str(folder / "page.html")])
    assert parsed.run(parsed) == 1
    return Page((folder / "page.html").read_text())


def test_the_page_asks_nothing_of_any_network_and_its_pictures_are_pngs(page):
    assert len(page.addresses) == 2 * (2 + 2)  # light and dark of: scores, coverage, and a plot an episode
    for address in page.addresses:
        kind, data = address.split(",", 1)
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data).startswith(b"\x89PNG")


def test_the_page_says_what_failed_and_what_every_score_means(page):
    for part in (
        "2 episodes, 1 not fit to learn from",
        "no: sign of wheel_velocity_left",
        "bad <b>.mcap: expert, NOT fit to learn from",
        "one of the two is flipped",
        "spectral arc length of the torque sent",
    ):
        assert part in page.words, part


def test_the_page_of_a_recording_without_ticks_is_written_too(run, tmp_path):
    code, _ = run(write_log(tmp_path / "none.mcap", plausible_ticks(0)), "--html", tmp_path / "page.html")
    assert code == 1
    assert "not a single tick" in (tmp_path / "page.html").read_text()


def test_a_page_that_cannot_be_written_is_an_error_and_leaves_nothing(run, tmp_path):
    path = write_log(tmp_path / "run.mcap", plausible_ticks(40))
    with pytest.raises(ConfigError, match="to write"):
        run(path, "--html", tmp_path / "no such folder" / "page.html")
    assert names(tmp_path) == ["run.mcap"]
