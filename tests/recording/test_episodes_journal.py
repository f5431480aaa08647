"""The journal beside a log: what survives a cut at any byte, two writers, and a full disk."""

import fcntl
import json
import os
import subprocess
import sys

import pytest

from robot_il.errors import LogError
from robot_il.recording import episode_journal
from robot_il.recording.episode_journal import MAX_JOURNAL_BYTES, appending, journal_of, parse, read_journal
from robot_il.recording.episodes import append_operations, book_of
from robot_il.recording.reader import read_log
from tests.recording.episode_logs import recorded, write_session

OPERATIONS = [
    {"op": "label", "id": "e1", "label": "expert"},
    {"op": "note", "id": "e1", "note": "né à Zürich {\"}"},
    {"op": "delete", "id": "e1"},
    {"op": "restore", "id": "e1"},
]  # fmt: skip


@pytest.fixture
def path(tmp_path, ticks):
    return write_session(tmp_path / "s.mcap", ticks, recorded("e1", 0.25, 0.75), began_unix_ns=5)


def without_time(operations):
    return [{key: value for key, value in operation.items() if key != "unix_ns"} for operation in operations]


def test_a_log_without_a_journal_has_an_empty_one(path):
    assert (read_journal(path).operations, read_journal(path).problems) == ((), ())


def test_what_is_appended_is_read_in_its_order_with_its_time(path):
    for operation in OPERATIONS:
        append_operations(path, [operation])
    journal = read_journal(path)
    assert without_time(journal.operations) == OPERATIONS
    assert all(operation["unix_ns"] > 1.6e18 for operation in journal.operations)
    assert (journal.problems, journal.started_unix_ns) == ((), 5)


def test_an_operation_that_brings_its_time_keeps_it(path):
    append_operations(path, [{**OPERATIONS[0], "unix_ns": 7}])
    assert read_journal(path).operations[0]["unix_ns"] == 7


def test_a_journal_is_only_ever_appended_to(path):
    append_operations(path, OPERATIONS[:2])
    before = journal_of(path).read_bytes()
    append_operations(path, OPERATIONS[2:])
    assert journal_of(path).read_bytes().startswith(before)


def test_a_journal_cut_at_any_byte_gives_its_whole_lines_and_says_that_it_is_cut(path):
    append_operations(path, OPERATIONS)
    content = journal_of(path).read_bytes()
    whole = parse(journal_of(path), content).operations
    ends = [index for index, byte in enumerate(content) if byte == ord("\n")]
    between = {0, *ends, *(end + 1 for end in ends)}  # a line is whole with its line break or without
    for size in range(len(content) + 1):
        cut = parse(journal_of(path), content[:size])
        lines = sum(end <= size for end in ends)
        assert cut.operations == whole[: max(0, lines - 1)], size
        said = [] if size in between else [f"s.mcap.episodes.jsonl: line {lines + 1} is cut off and is left out"]
        assert list(cut.problems) == said, size


def test_a_log_with_a_journal_cut_at_any_byte_takes_further_edits(path):
    append_operations(path, OPERATIONS[:2])
    content = journal_of(path).read_bytes()
    log = read_log(path)
    for size in range(0, len(content), 7):
        journal_of(path).write_bytes(content[:size])
        kept = without_time(read_journal(path).operations)
        append_operations(path, [OPERATIONS[2]])
        journal = read_journal(path)
        assert without_time(journal.operations) == [*kept, OPERATIONS[2]], size
        assert journal.started_unix_ns in (0, 5)
        assert book_of(log).get("e1").deleted


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"\x00\xff\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"17", "a JSON object"),
        (b'{"op":"explode"}', "explode"),
        (b'{"op":"label","id":"e1","label":NaN}', "a label of"),
    ],
)
def test_a_line_that_says_nothing_is_left_out_and_told(path, line, said):
    append_operations(path, OPERATIONS[:1])
    with journal_of(path).open("ab") as file:
        file.write(line + b"\n\n")
    append_operations(path, OPERATIONS[2:3])
    journal = read_journal(path)
    assert without_time(journal.operations) == [OPERATIONS[0], OPERATIONS[2]]
    (problem,) = journal.problems
    assert said in problem
    assert problem.startswith("s.mcap.episodes.jsonl: line 3 ")


def test_a_journal_of_nothing_but_noise_is_told_in_few_lines(path):
    journal_of(path).write_bytes(b"noise\n" * 5000)
    problems = read_journal(path).problems
    assert len(problems) == 21
    assert "4980 more" in problems[-1]


def test_a_journal_of_a_later_version_is_refused_reading_and_writing(path):
    journal_of(path).write_bytes(b'{"journal":2,"started_unix_ns":5}\n{"op":"delete","id":"e1"}\n')
    for call in (read_journal, lambda log_path: append_operations(log_path, OPERATIONS[:1])):
        with pytest.raises(LogError, match="journal of version 1"):
            call(path)


def test_a_journal_too_large_is_refused_reading_and_writing(path):
    with journal_of(path).open("wb") as file:
        file.truncate(MAX_JOURNAL_BYTES + 1)
    for call in (read_journal, lambda log_path: append_operations(log_path, OPERATIONS[:1])):
        with pytest.raises(LogError, match="at most"):
            call(path)


def test_a_journal_grows_to_its_bound_and_no_further(path):
    append_operations(path, OPERATIONS[:1])
    with journal_of(path).open("ab") as file:
        file.write(b"\n" * (MAX_JOURNAL_BYTES - file.tell() - 10))
    before = journal_of(path).stat().st_size
    with pytest.raises(LogError, match="at most"):
        append_operations(path, OPERATIONS[1:2])
    assert journal_of(path).stat().st_size == before


def test_a_full_disk_leaves_the_journal_as_it_was(path):
    append_operations(path, OPERATIONS[:1])
    before = journal_of(path).read_bytes()
    script = (
        "import resource, signal, sys; from pathlib import Path;"
        "from robot_il.errors import LogError; from robot_il.recording.episodes import append_operations;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "try: append_operations(Path(sys.argv[1]), [{'op': 'note', 'id': 'e1', 'note': 'x' * 400}] * 3)\n"
        "except LogError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), str(len(before) + 700)], capture_output=True, text=True, check=True
    )
    assert "make room on the disk" in done.stdout
    assert journal_of(path).read_bytes() == before


def test_two_writers_do_not_interleave(path):
    script = (
        "import sys; from pathlib import Path; from robot_il.recording.episodes import append_operations\n"
        "for n in range(40): append_operations(Path(sys.argv[1]),"
        " [{'op': 'note', 'id': 'e1', 'note': sys.argv[2] * 300 + str(n)}] * 3)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(path), letter]) for letter in "ab"]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    journal = read_journal(path)
    notes = [operation["note"] for operation in journal.operations]
    assert journal.problems == ()
    for letter in "ab":
        own = [note for note in notes if note[0] == letter]
        assert own == [letter * 300 + str(n) for n in range(40) for _ in range(3)]
    assert all(len(set(notes[at : at + 3])) == 1 for at in range(0, 240, 3))


def test_a_journal_held_by_a_program_that_hangs_is_an_error_not_a_hang(path, monkeypatch):
    append_operations(path, OPERATIONS[:1])
    monkeypatch.setattr(episode_journal, "LOCK_S", 0.05)
    held = os.open(journal_of(path), os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        for call in (read_journal, lambda log_path: append_operations(log_path, OPERATIONS[:1])):
            with pytest.raises(LogError, match="in use"):
                call(path)
    finally:
        os.close(held)
    assert len(read_journal(path).operations) == 1


def test_a_folder_of_the_journals_name_is_a_clear_error(path):
    journal_of(path).mkdir()
    with pytest.raises(LogError, match="a journal in"):
        read_journal(path)


def test_a_journal_that_nothing_was_written_to_is_not_left_behind(path):
    with appending(path, 5):
        pass
    assert not journal_of(path).exists()


def test_a_journal_that_cannot_be_made_is_a_clear_error(tmp_path):
    with pytest.raises(LogError, match="check the folder"), appending(tmp_path / "none" / "s.mcap", 5):
        pass


def test_its_first_line_says_of_which_recording_it_is(path):
    append_operations(path, OPERATIONS[:1])
    head = json.loads(journal_of(path).read_text().splitlines()[0])
    assert head == {"journal": 1, "log": "s.mcap", "started_unix_ns": 5}
