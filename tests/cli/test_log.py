import argparse
import json

import pytest

from robot_il.cli import log
from robot_il.errors import LogError
from robot_il.recording.reader import read_log
from tests.recording.conftest import names, plausible_ticks, write_log


@pytest.fixture
def run(capsys):
    """Runs one ``log`` command line; gives its exit code and what it printed."""

    def call(*arguments: object) -> tuple[int | None, str]:
        parser = argparse.ArgumentParser(prog="robot-il")
        log.add_parser(parser.add_subparsers())
        parsed = parser.parse_args(["log", *map(str, arguments)])
        code = parsed.run(parsed)
        return code, capsys.readouterr().out

    return call


@pytest.fixture
def path(tmp_path):
    return write_log(tmp_path / "run.mcap", plausible_ticks(400), events=2)


def test_info_says_what_it_is_who_drove_and_how_time_was_kept(run, path):
    code, text = run("info", path)
    assert not code
    for part in (
        "complete",
        "stand",
        "expert",
        "lqr (synthetic)",
        "400 in 2.00 s, 200.00 Hz",
        "p99.9",
        "0 periods skipped",
    ):
        assert part in text, part
    assert text.count("#") > 40


def test_info_as_json_holds_the_exact_histogram(run, path):
    values = json.loads(run("info", path, "--json")[1])
    assert values["session"]["synthetic"] is True
    assert values["status"] == "complete"
    assert sum(values["timing"]["lateness_histogram"]) == 400
    assert len(values["timing"]["lateness_histogram"]) == len(values["timing"]["lateness_edges_us"]) + 1
    assert len(values["events"]) == 2


def test_info_reads_a_cut_log_and_says_so(run, path):
    path.write_bytes(path.read_bytes()[:-3000])
    text = run("info", path)[1]
    assert "cut; the end of the file is missing" in text


def test_check_exits_with_1_only_on_hard_failures(run, path, tmp_path):
    assert run("check", path)[0] == 0
    ticks = plausible_ticks(400)
    ticks["pitch"][5] = float("nan")
    bad = write_log(tmp_path / "bad.mcap", ticks)
    code, text = run("check", bad)
    assert code == 1
    assert "pitch finite" in text
    code, text = run("check", bad, "--json")
    assert (code, json.loads(text)["passed"]) == (1, False)


def test_recover_says_what_it_recovered(run, path):
    path.write_bytes(path.read_bytes()[:-3000])
    code, text = run("recover", path)
    recovered = read_log(path.with_name("run.recovered.mcap"), allow_incomplete=False)
    assert not code
    assert "was cut" in text
    assert f"recovered {len(recovered.ticks)} ticks" in text


def test_recover_takes_a_name_and_never_overwrites(run, path, tmp_path):
    path.write_bytes(path.read_bytes()[:-3000])
    run("recover", path, "--out", tmp_path / "clean.mcap")
    data = (tmp_path / "clean.mcap").read_bytes()
    with pytest.raises(LogError, match="exists"):
        run("recover", path, "--out", tmp_path / "clean.mcap")
    assert (tmp_path / "clean.mcap").read_bytes() == data
    assert names(tmp_path) == ["clean.mcap", "run.mcap"]


def test_label_changes_the_label(run, path):
    assert "expert -> undesirable" in run("label", path, "undesirable")[1]
    assert read_log(path).label == "undesirable"
    assert "undesirable (recorded as expert)" in run("info", path)[1]


@pytest.mark.parametrize("command", [["info"], ["check"], ["recover"], ["label", "expert"]])
def test_a_missing_or_foreign_file_is_a_one_line_error(run, tmp_path, command):
    (tmp_path / "notes.txt").write_text("not a log")
    for name in ("none.mcap", "notes.txt"):
        with pytest.raises(LogError) as caught:
            run(command[0], tmp_path / name, *command[1:])
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)
    assert names(tmp_path) == ["notes.txt"]
