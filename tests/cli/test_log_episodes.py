"""Looking at the episodes of recordings, and editing them, without ever touching a recording."""

import argparse
import json

import pytest

from robot_il.cli import log
from robot_il.errors import ConfigError, LogError
from robot_il.recording.episodes import book_of, journal_of
from robot_il.recording.reader import read_log
from tests.recording.conftest import names, plausible_ticks, write_log
from tests.recording.episode_logs import at, digest, recorded, write_session


@pytest.fixture
def run(capsys):
    """Runs one ``log`` command line; gives what it printed."""

    def call(*arguments: object) -> str:
        parser = argparse.ArgumentParser(prog="robot-il")
        log.add_parser(parser.add_subparsers())
        parsed = parser.parse_args(["log", *map(str, arguments)])
        parsed.code = parsed.run(parsed)
        return capsys.readouterr().out

    return call


@pytest.fixture
def path(tmp_path):
    """Three episodes: one that is fine, one with a fall, and one that is fine."""
    ticks = plausible_ticks(400)
    ticks["pitch"][150] = 0.66
    return write_session(
        tmp_path / "s.mcap",
        ticks,
        [*recorded("e1", 0.0, 0.5), *recorded("e2", 0.6, 1.0, "direct"), *recorded("e3", 1.2, 1.9)],
    )


@pytest.fixture
def plain(tmp_path):
    return write_log(tmp_path / "run.mcap", plausible_ticks(400))


def book(path):
    return book_of(read_log(path))


def labels(path):
    return {episode.id: episode.label for episode in book(path).episodes}


def spans(path):
    return {
        episode.id: (round((episode.start_ns - at(0)) / 1e9, 3), round((episode.stop_ns - at(0)) / 1e9, 3))
        for episode in book(path).episodes
    }


def test_the_table_shows_each_episode_with_what_is_proposed_and_why(run, path):
    text = run("episodes", path)
    lines = text.splitlines()
    assert lines[0] == str(path)
    assert lines[1].split() == ["no", "id", "start", "s", "length", "s", "task", "mode", "label", "proposed", "note"]
    assert lines[2].split() == ["1", "e1", "0.00", "0.50", "stand", "assisted", "unlabeled"]
    assert lines[3].split() == ["2", "e2", "0.60", "0.40", "stand", "direct", "unlabeled", "undesirable"]
    assert lines[4].strip() == "fell: leaned 0.66 rad, more than 0.5 rad"
    assert lines[5].split()[:2] == ["3", "e3"]


def test_as_json_it_holds_the_same_of_several_recordings(run, path, plain):
    values = json.loads(run("episodes", path, plain, "--json"))
    assert [(entry["path"], len(entry["episodes"])) for entry in values] == [(str(path), 3), (str(plain), 1)]
    second = values[0]["episodes"][1]
    assert (second["number"], second["id"], second["start_s"], second["seconds"]) == (
        2, "e2", pytest.approx(0.6, abs=1e-3), pytest.approx(0.4)
    )  # fmt: skip
    assert (second["proposal"], second["reasons"]) == ("undesirable", ["fell: leaned 0.66 rad, more than 0.5 rad"])
    assert (values[1]["episodes"][0]["id"], values[1]["episodes"][0]["label"]) == ("whole", "expert")
    assert values[0]["sha256"] == digest(path)


def test_what_could_not_be_used_of_a_journal_is_shown(run, path):
    journal_of(path).write_text('{"op":"delete","id":"e9"}\n{"op":"del')
    text = run("episodes", path)
    assert "an operation is left out" in text
    assert "line 2 is cut off" in text
    assert len(json.loads(run("episodes", path, "--json"))[0]["problems"]) == 2


def test_no_edit_changes_the_recording(run, path):
    before = digest(path)
    run("label", path, "expert", "--episode", "e1")
    run("note", path, "steady", "--episode", "1")
    run("trim", path, "--episode", "e3", "--from", 1.3, "--to", 1.8)
    run("split", path, "--at", 1.5)
    run("delete", path, "--episode", "e2")
    run("merge", path, "--episode", "e1", "e3a")
    run("add", path, "--from", 1.8, "--to", 1.95)
    assert digest(path) == before
    assert names(path.parent) == ["s.mcap", "s.mcap.episodes.jsonl"]
    assert spans(path) == {"e6": (0.0, 1.5), "e3b": (1.5, 1.8), "e7": (1.8, 1.95)}
    assert book(path).problems == []


def test_episodes_are_labelled_by_name_and_by_number_one_or_many(run, path):
    assert run("label", path, "expert", "--episode", "e1", "3") == (
        f"{path}: e1: unlabeled -> expert\n{path}: e3: unlabeled -> expert\n"
    )
    assert labels(path) == {"e1": "expert", "e2": "unlabeled", "e3": "expert"}
    run("label", path, "suboptimal", "--all")
    assert set(labels(path).values()) == {"suboptimal"}
    assert {episode.labelled_by for episode in book(path).episodes} == {"person"}


def test_a_name_that_looks_like_a_number_is_the_name(run, tmp_path):
    path = write_session(tmp_path / "s.mcap", plausible_ticks(400), [*recorded("2", 0, 0.5), *recorded("1", 1, 1.5)])
    run("label", path, "expert", "--episode", "1")
    assert labels(path) == {"2": "unlabeled", "1": "expert"}


def test_a_recording_with_episodes_is_not_labelled_as_a_whole_by_mistake(run, path):
    before = digest(path)
    with pytest.raises(ConfigError, match="--all where that is meant"):
        run("label", path, "expert")
    assert (digest(path), set(labels(path).values())) == (before, {"unlabeled"})


def test_a_recording_without_episodes_is_relabelled_itself_and_several_at_once(run, plain, tmp_path):
    other = write_log(tmp_path / "other.mcap", plausible_ticks(100))
    assert "expert -> undesirable" in run("label", plain, other, "undesirable")
    assert [read_log(each).label for each in (plain, other)] == ["undesirable"] * 2
    assert not journal_of(plain).exists()


def test_a_recording_without_episodes_that_was_edited_is_labelled_in_its_journal(run, plain):
    run("split", plain, "--at", 1.0)
    before = digest(plain)
    run("label", plain, "suboptimal", "--episode", "2")
    assert labels(plain) == {"wholea": "expert", "wholeb": "suboptimal"}
    assert digest(plain) == before


@pytest.mark.parametrize("words", ["FILE good", "FILE", "expert"])
def test_a_label_is_one_of_ours_and_comes_after_the_file(run, path, words):
    with pytest.raises(ConfigError, match="name the label last"):
        run("label", *words.replace("FILE", str(path)).split())
    assert not journal_of(path).exists()


def test_proposals_are_accepted_for_what_is_still_unlabeled(run, path):
    run("label", path, "expert", "--episode", "e1")
    assert "e2: unlabeled -> undesirable: fell: leaned 0.66 rad" in run("label", path, "--accept-proposals")
    episode = book(path).get("e2")
    assert (episode.label, episode.labelled_by, episode.proposal) == ("undesirable", "proposal", "undesirable")
    assert labels(path) == {"e1": "expert", "e2": "undesirable", "e3": "unlabeled"}
    assert "nothing is proposed" in run("label", path, "--accept-proposals")


def test_a_label_that_a_person_set_is_not_replaced_by_a_proposal(run, path):
    run("label", path, "suboptimal", "--episode", "e2")
    run("label", path, "--accept-proposals")
    assert labels(path)["e2"] == "suboptimal"


def test_notes_are_written_and_taken_away(run, path):
    run("note", path, "a fine catch", "--episode", "e3")
    assert "a fine catch" in run("episodes", path)
    run("note", path, "", "--episode", "e3")
    assert book(path).get("e3").note == ""


def test_the_one_episode_of_a_recording_need_not_be_named(run, plain, path):
    run("note", plain, "the only one")
    run("trim", plain, "--from", 0.5)
    assert book(plain).get("whole").note == "the only one"
    assert spans(plain)["whole"][0] == 0.5
    with pytest.raises(ConfigError, match="the --episode that is meant"):
        run("note", path, "which?")


def test_a_trim_moves_one_end_or_both_and_can_be_taken_back(run, path):
    assert "e3: 1.30 to 1.90 s, 0.60 s, unlabeled" in run("trim", path, "--episode", "e3", "--from", 1.3)
    assert "e3: 1.20 to 1.80 s" in run("trim", path, "--episode", "e3", "--from", 1.2, "--to", 1.8)
    with pytest.raises(ConfigError, match=r"from 1\.200 to 1\.900 s of the log; came 1\.200 to 1\.950 s"):
        run("trim", path, "--episode", "e3", "--to", 1.95)
    with pytest.raises(ConfigError, match="--from or --to"):
        run("trim", path, "--episode", "e3")


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e300", "-1e300"])
def test_a_time_that_is_none_is_refused(run, path, seconds):
    with pytest.raises(ConfigError, match="seconds of the recording"):
        run("split", path, f"--at={seconds}")
    assert not journal_of(path).exists()


def test_a_split_finds_the_episode_that_holds_the_time(run, path):
    text = run("split", path, "--at", 0.8)
    assert "e2a: 0.60 to 0.80 s" in text
    assert "e2b: 0.80 to 1.00 s" in text
    with pytest.raises(ConfigError, match=r"a time within an episode; came 1\.1 s"):
        run("split", path, "--at", 1.1)
    run("delete", path, "--episode", "e2a", "e2b")
    run("restore", path, "--episode", "e2")
    run("split", path, "--at", 0.7)
    assert set(spans(path)) == {"e1", "e2aa", "e2bb", "e3"}


def test_a_merge_takes_neighbours_alone(run, path):
    with pytest.raises(LogError, match="e2 between them"):
        run("merge", path, "--episode", "1", "3")
    with pytest.raises(ConfigError, match="two or more"):
        run("merge", path, "--episode", "1")
    run("merge", path, "--episode", "1", "2")
    assert spans(path) == {"e4": (0.0, 1.0), "e3": (1.2, 1.9)}


def test_what_is_deleted_is_shown_when_asked_for_and_can_be_restored(run, path):
    run("delete", path, "--episode", "2", "3")
    assert list(labels(path)) == ["e1"]
    assert "e2" not in run("episodes", path)
    assert "e2 (deleted)" in run("episodes", path, "--deleted")
    run("restore", path, "--episode", "e2", "e3")
    assert list(labels(path)) == ["e1", "e2", "e3"]
    run("delete", path, "--all")
    assert "no episodes" in run("episodes", path)


def test_an_added_episode_takes_what_no_other_holds(run, path):
    assert "e4: 1.00 to 1.15 s" in run("add", path, "--from", 0.2, "--to", 1.15)
    assert book(path).get("e4").mode == "session"
    with pytest.raises(LogError, match="that no episode holds"):
        run("add", path, "--from", 0.1, "--to", 0.3)
    with pytest.raises(LogError, match="an end after the start"):
        run("add", path, "--from", 1.4, "--to", 1.3)


@pytest.mark.parametrize("name", ["e9", "0", "4", "-1", "../e1"])
def test_an_episode_that_is_not_there_is_named_with_those_that_are(run, path, name):
    with pytest.raises(ConfigError, match="out of e1, e2, e3") as caught:
        run("delete", path, f"--episode={name}")
    assert "\n" not in str(caught.value)


def test_a_log_that_was_renamed_without_its_journal_says_so_both_ways(run, tmp_path):
    path = write_session(tmp_path / "s.mcap", plausible_ticks(100), recorded("e1", 0, 0.4), began_unix_ns=5)
    run("label", path, "expert", "--episode", "e1")
    path.rename(tmp_path / "t.mcap")
    with pytest.raises(LogError, match="only its journal"):
        run("episodes", path)
    assert "rename that journal to t.mcap.episodes.jsonl" in run("episodes", tmp_path / "t.mcap")


def test_a_folder_is_recovered_and_says_what_came_back(run, tmp_path):
    write_session(tmp_path / "s.mcap.recording", plausible_ticks(400), recorded("e1", 0.5, 9)[:1], finish=False)
    text = run("recover", tmp_path)
    assert "s.mcap.recording was cut; recovered" in text
    assert "episode e1 was still being recorded" in text
    assert "nothing to recover" in run("recover", tmp_path)
    assert names(tmp_path) == ["s.mcap", "s.mcap.recording"]
    with pytest.raises(ConfigError, match="no --out for a folder"):
        run("recover", tmp_path, "--out", tmp_path / "x.mcap")


@pytest.mark.parametrize("words", [["episodes"], ["note", "x"], ["split", "--at", "1"], ["delete", "--all"]])
def test_a_missing_or_foreign_file_is_a_one_line_error(run, tmp_path, words):
    (tmp_path / "notes.txt").write_text("not a log")
    for name in ("none.mcap", "notes.txt"):
        with pytest.raises(LogError) as caught:
            run(words[0], tmp_path / name, *words[1:])
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)
    assert names(tmp_path) == ["notes.txt"]
