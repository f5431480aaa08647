"""The recordings as the page reads them: in a process of its own, once, and edited through their journals alone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from robot_il.console.episode_desk import undoing
from robot_il.console.readings import NICENESS, Reading, Sketch, Stretch, Unreadable, told
from robot_il.console.shelf import Shelf
from robot_il.errors import LogError
from robot_il.recording.episode_book import EpisodeBook
from robot_il.recording.episodes import append_operations, read_with_book
from tests.console.recordings import STARTED_UNIX_NS, at, flown, standard

pytestmark = pytest.mark.asyncio

ORPHAN = """
import asyncio, sys, time
from pathlib import Path
from robot_il.console.shelf import Shelf

async def read():
    shelf = Shelf(Path(sys.argv[1]).parent)
    await shelf.reading(Path(sys.argv[1]))
    print(*shelf._pool._processes, flush=True)
    time.sleep(600)

if __name__ == "__main__":
    asyncio.run(read())
"""


@pytest_asyncio.fixture
async def shelf(tmp_path: Path):
    made = Shelf(tmp_path)
    yield made
    made.close()


async def test_a_recording_is_described_by_its_own_clock_and_its_episodes(shelf: Shelf) -> None:
    path = standard(shelf.folder)
    reading = await shelf.reading(path)
    assert isinstance(reading, Reading)
    assert (reading.status, reading.ticks, reading.rate_hz) == ("complete", len(flown("lqr", "operator", "lqr")), 200)
    assert [episode.id for episode in reading.book.episodes] == ["e1", "e2", "e3"]
    assert abs(reading.unix_offset_ns + reading.begin_ns - STARTED_UNIX_NS) < 10_000


async def test_a_sketch_has_traces_and_a_verdict(shelf: Shelf) -> None:
    sketch = await shelf.sketch(standard(shelf.folder), at(0.1), at(2.9))
    assert isinstance(sketch, Sketch)
    assert sketch.svg.startswith("<svg")
    assert (sketch.passed, sketch.whole) == (True, True)


async def test_a_stretch_has_its_ticks_and_events_and_no_others(shelf: Shelf) -> None:
    stretch = await shelf.stretch(standard(shelf.folder), at(1.5), at(2.5))
    assert isinstance(stretch, Stretch)
    np.testing.assert_array_equal(stretch.ticks["host_receive_ns"], at(1.5) + 5_000_000 * np.arange(200))
    assert [event["name"] for event in stretch.events] == ["give_back"]


async def test_what_has_not_changed_is_not_read_again(shelf: Shelf) -> None:
    path = standard(shelf.folder)
    first = await shelf.reading(path)
    assert await shelf.reading(path) is first
    sketch = await shelf.sketch(path, at(0.1), at(2.9))
    assert await shelf.sketch(path, at(0.1), at(2.9)) is sketch


async def test_what_another_program_has_changed_is_read_again(shelf: Shelf) -> None:
    path = standard(shelf.folder)
    before = shelf.state()
    await shelf.reading(path)
    append_operations(path, [{"op": "label", "id": "e3", "label": "expert"}])
    assert shelf.state() != before
    reading = await shelf.reading(path)
    assert isinstance(reading, Reading)
    assert reading.book.get("e3").label == "expert"


async def test_an_edit_is_known_at_once_and_is_on_the_disk(shelf: Shelf) -> None:
    path = standard(shelf.folder)
    await shelf.reading(path)
    await shelf.edit(path, [{"op": "label", "id": "e3", "label": "expert"}, {"op": "delete", "id": "e2"}])
    reading = await shelf.reading(path)
    assert isinstance(reading, Reading)
    for book in (reading.book, read_with_book(path)[1]):
        assert [(episode.id, episode.label) for episode in book.episodes] == [("e1", "expert"), ("e3", "expert")]


async def test_of_edits_that_do_not_all_fit_none_is_done(shelf: Shelf) -> None:
    path = standard(shelf.folder)
    with pytest.raises(LogError, match="e9"):
        await shelf.edit(path, [{"op": "delete", "id": "e1"}, {"op": "delete", "id": "e9"}])
    assert not read_with_book(path)[1].get("e1").deleted


async def test_edits_at_the_same_time_all_count(shelf: Shelf) -> None:
    path = standard(shelf.folder)
    notes = [f"note {number}" for number in range(8)]
    await asyncio.gather(*(shelf.edit(path, [{"op": "note", "id": "e1", "note": note}]) for note in notes))
    reading = await shelf.reading(path)
    assert isinstance(reading, Reading)
    assert reading.book.get("e1").note == read_with_book(path)[1].get("e1").note == notes[-1]


async def test_what_cannot_be_read_says_why(shelf: Shelf) -> None:
    path = shelf.folder / "20260101-120000.mcap"
    path.write_bytes(b"no log")
    for answer in (await shelf.reading(path), await shelf.sketch(path, 0, 1), await shelf.stretch(path)):
        assert isinstance(answer, Unreadable)
        assert "no log" in answer.came


async def test_the_newest_recording_is_first_and_other_files_are_none(shelf: Shelf) -> None:
    names = ["20260102-000000.mcap.recording", "20260101-000000.mcap", "20260101-000000.mcap.episodes.jsonl", "x.txt"]
    for name in names:
        (shelf.folder / name).touch()
    assert [path.name for path in shelf.files()] == names[:2]
    assert Shelf(shelf.folder / "gone").files() == []


async def test_a_picture_of_a_recording_that_still_grows_is_drawn_again(shelf: Shelf) -> None:
    path = standard(shelf.folder)
    growing = path.rename(path.with_name(path.name + ".recording"))
    half = await shelf.sketch(growing, at(8.0), at(99.0))
    assert isinstance(half, Sketch)
    assert not half.whole
    assert await shelf.sketch(growing, at(8.0), at(99.0)) is not half


async def test_reading_has_a_process_of_low_priority_which_may_die(shelf: Shelf) -> None:
    path = standard(shelf.folder)
    await shelf.reading(path)
    assert shelf._pool is not None
    (worker,) = shelf._pool._processes
    assert os.getpriority(os.PRIO_PROCESS, worker) == NICENESS
    os.kill(worker, signal.SIGKILL)
    assert isinstance(await shelf.stretch(path), Stretch)


async def test_reading_ends_with_a_console_that_is_killed(tmp_path: Path) -> None:
    path = standard(tmp_path)
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN)
    command = [sys.executable, str(script), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as console:
        assert console.stdout is not None
        worker = Path("/proc") / console.stdout.readline().strip()
        assert worker.exists()
        console.kill()
    async with asyncio.timeout(30):
        while worker.exists() and "zombie" not in (worker / "status").read_text():
            await asyncio.sleep(0.02)


async def test_only_the_projects_own_errors_are_told_as_words() -> None:
    def wrong() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        told(wrong)()


STRETCH = {"start_ns": 100, "stop_ns": 200, "task": "stand", "mode": "assisted"}
BEFORE = (
    {"op": "add", "id": "a", **STRETCH},
    {"op": "add", "id": "b", **STRETCH, "start_ns": 300, "stop_ns": 400},
    {"op": "label", "id": "a", "label": "expert"},
    {"op": "note", "id": "a", "note": "first"},
    {"op": "add", "id": "c", **STRETCH, "start_ns": 500, "stop_ns": 600},
    {"op": "delete", "id": "c"},
)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "label", "id": "a", "label": "undesirable"},
        {"op": "label", "id": "b", "label": "undesirable"},
        {"op": "note", "id": "a", "note": ""},
        {"op": "trim", "id": "a", "start_ns": 120, "stop_ns": 180},
        {"op": "split", "id": "a", "at_ns": 150, "into": ["x", "y"]},
        {"op": "merge", "ids": ["a", "b"], "into": "x"},
        {"op": "delete", "id": "a"},
        {"op": "restore", "id": "c"},
    ],
)
async def test_every_operation_of_the_page_can_be_taken_back(operation: dict) -> None:
    book = EpisodeBook()
    for one in BEFORE:
        book.apply(one)
    shown = [(one.id, one.start_ns, one.stop_ns, one.label, one.note) for one in book.episodes]
    back = undoing(book, operation)
    book.apply(operation)
    assert [(one.id, one.start_ns, one.stop_ns, one.label, one.note) for one in book.episodes] != shown
    for one in back:
        book.apply(one)
    assert [(one.id, one.start_ns, one.stop_ns, one.label, one.note) for one in book.episodes] == shown
