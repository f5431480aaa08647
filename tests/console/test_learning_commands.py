"""Command lines of the Learn view: each is what the command line takes, and nothing else can be smuggled into it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robot_il.cli.train import method_table
from robot_il.console import learning_commands as commands
from robot_il.console.folders import Folders
from robot_il.console.jobs import Job
from robot_il.errors import ConfigError
from robot_il.learning.registry import METHODS

WICKED = ["", "../other", "/etc/passwd", "--resume", "-x", "a b", "a/b", ".", "..", "a\n", "x" * 65]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "data")
    made.make()
    (made.sessions / "20260101-120000.mcap").write_bytes(b"x")
    for folder, file in ((made.datasets / "first", "dataset.json"), (made.runs / "run", "summary.json")):
        folder.mkdir()
        (folder / file).write_text("{}")
    (made.policies / "kept.onnx").write_bytes(b"x")
    return made


def log(folders: Folders) -> Path:
    return folders.sessions / "20260101-120000.mcap"


def test_building_names_recordings_labels_and_folder(folders: Folders) -> None:
    made = commands.build(folders, [log(folders)], ["expert", "suboptimal"], "second", "leave out")
    assert made.words == (
        *("dataset", "build", str(log(folders).resolve()), "--labels", "expert", "suboptimal", "--drop-failed"),
        *("--out", str((folders.datasets / "second").resolve())),
    )
    assert made.made == (folders.datasets / "second").resolve()


def test_what_a_person_decides_about_unfit_episodes_is_an_option(folders: Folders) -> None:
    options = {
        choice: set(commands.build(folders, [log(folders)], ["expert"], "second", choice).words)
        & {"--drop-failed", "--keep-failed"}
        for choice in commands.ON_FAILURE
    }
    assert options == {
        "leave out": {"--drop-failed"},
        "build nothing": set(),
        "use all the same": {"--keep-failed"},
    }


def test_training_names_method_data_and_run(folders: Folders) -> None:
    made = commands.train(folders, "first", "bc", METHODS, "first-bc", 300)
    assert made.words == (
        *("train", "bc", "--data", str((folders.datasets / "first").resolve())),
        *("--out", str((folders.runs / "first-bc").resolve()), "--device", "cpu", "--steps", "300"),
    )
    assert "--steps" not in commands.train(folders, "first", "bc", METHODS, "first-bc", None).words


def test_exporting_names_run_and_policy(folders: Folders) -> None:
    made = commands.export(folders, "run", "policy")
    assert made.words == (
        *("export", str((folders.runs / "run").resolve())),
        *("--out", str((folders.policies / "policy.onnx").resolve())),
    )


def test_evaluating_keeps_the_scores_beside_the_policy(folders: Folders) -> None:
    made = commands.evaluate(folders, "kept", 7)
    assert made.words == (
        *("evaluate", str((folders.policies / "kept.onnx").resolve()), "--episodes", "7", "--workers", "1"),
        *("--json", str((folders.policies / "kept.scores.json").resolve())),
    )


def test_recomputing_names_the_recording(folders: Folders) -> None:
    assert commands.replay(folders, log(folders)).words == ("replay", str(log(folders).resolve()))


@pytest.mark.parametrize("name", WICKED)
def test_no_name_is_a_path_or_an_option(folders: Folders, name: str) -> None:
    attempts = (
        lambda: commands.build(folders, [log(folders)], ["expert"], name, "leave out"),
        lambda: commands.train(folders, name, "bc", METHODS, "run-2", None),
        lambda: commands.train(folders, "first", "bc", METHODS, name, None),
        lambda: commands.train(folders, "first", name, METHODS, "run-2", None),
        lambda: commands.export(folders, name, "policy"),
        lambda: commands.export(folders, "run", name),
        lambda: commands.evaluate(folders, name, 5),
    )
    for attempt in attempts:
        with pytest.raises(ConfigError):
            attempt()


def test_only_finished_recordings_of_the_console_are_used(folders: Folders, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.mcap"
    foreign.write_bytes(b"x")
    running = folders.sessions / "20260102-120000.mcap.recording"
    running.write_bytes(b"x")
    for path in (foreign, running, folders.sessions / "gone.mcap", folders.sessions / "../../foreign.mcap"):
        with pytest.raises(ConfigError, match="finished recording"):
            commands.build(folders, [path], ["expert"], "second", "leave out")
    with pytest.raises(ConfigError, match="a recording of the console"):
        commands.replay(folders, foreign)


def test_nothing_that_is_there_is_written_over(folders: Folders) -> None:
    for attempt in (
        lambda: commands.build(folders, [log(folders)], ["expert"], "first", "leave out"),
        lambda: commands.train(folders, "first", "bc", METHODS, "run", None),
        lambda: commands.export(folders, "run", "kept"),
    ):
        with pytest.raises(ConfigError, match="taken"):
            attempt()


@pytest.mark.parametrize(
    ("logs", "labels", "failing"),
    [(0, ["expert"], "leave out"), (1, [], "leave out"), (1, ["best"], "leave out"), (1, ["expert"], "--help")],
)
def test_a_choice_of_nothing_or_of_what_is_none_is_refused(
    folders: Folders, logs: int, labels: list[str], failing: str
) -> None:
    with pytest.raises(ConfigError):
        commands.build(folders, [log(folders)] * logs, labels, "second", failing)


@pytest.mark.parametrize("number", [0, -1, 10**9])
def test_numbers_out_of_range_are_refused(folders: Folders, number: int) -> None:
    with pytest.raises(ConfigError):
        commands.train(folders, "first", "bc", METHODS, "run-2", number)
    with pytest.raises(ConfigError):
        commands.evaluate(folders, "kept", number)


def test_every_method_of_the_command_line_is_offered_and_the_first_to_try_come_first() -> None:
    found = commands.methods_of(method_table().splitlines())
    assert [method.name for method in found[:4]] == ["linear", "bc", "dmil", "d2mil"]
    assert sorted(method.name for method in found) == sorted(METHODS)
    for method in found:
        known = METHODS[method.name]
        assert (method.needs, method.use, method.source) == (known.needs(), known.use, known.paper)


@pytest.mark.parametrize("text", ["", "no table at all", "method\n"])
def test_an_answer_without_a_table_offers_no_method(text: str) -> None:
    assert commands.methods_of(text.splitlines()) == []


@pytest.mark.parametrize(
    ("line", "share"),
    [
        ("training: step 30 of at most 120, at most 4 s left.", 0.25),
        ("evaluated 6 of 8, about 5 s left", 0.75),
        ("step 9 of at most 0", None),
        ("nothing of the kind", None),
    ],
)
def test_progress_is_read_off_the_newest_line_that_has_some(line: str, share: float | None) -> None:
    job = Job("train", "", ())
    job.lines += ["a line", line, "another line"]
    assert commands.progress_of(job) == share


def test_data_sets_tell_what_is_in_them(folders: Folders) -> None:
    info = {
        "task": "stand",
        "period_s": 0.005,
        "episodes": [{"label": "expert", "rows": 400}, {"label": "expert", "rows": 200}],
    }
    (folders.datasets / "first" / "dataset.json").write_text(json.dumps(info))
    (found,) = commands.datasets(folders)
    assert (found.name, found.words) == ("first", "stand, 3 s: 600 rows expert")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"episodes": [{"label": "best", "rows": 1}]}', '{"episodes": 3}'])
def test_a_data_set_that_is_none_is_listed_as_such(folders: Folders, content: str) -> None:
    (folders.datasets / "first" / "dataset.json").write_text(content)
    assert [found.words for found in commands.datasets(folders)] == ["not readable"]


def test_folders_without_a_result_are_not_offered(folders: Folders) -> None:
    (folders.runs / "half").mkdir()
    (folders.datasets / "half").mkdir()
    assert commands.runs(folders) == ["run"]
    assert [found.name for found in commands.datasets(folders)] == ["first"]
    assert commands.policies(folders) == ["kept"]


def test_a_name_that_is_taken_gets_a_number(folders: Folders) -> None:
    assert commands.free_name(folders.datasets, "second") == "second"
    assert commands.free_name(folders.datasets, "first") == "first-2"
    (folders.datasets / "first-2").mkdir()
    assert commands.free_name(folders.datasets, "first") == "first-3"
    assert commands.free_name(folders.policies, "kept", ".onnx") == "kept-2"
