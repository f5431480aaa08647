"""The record bar, before a real log: what is pressed is what the log says."""

from __future__ import annotations

import pytest

from robot_il.console.record_bar import LABEL_KEYS
from robot_il.console.visit import tell
from robot_il.errors import LogError
from robot_il.recording.episodes import book_of
from robot_il.recording.operations import LABEL_WORDS
from robot_il.recording.reader import read_log
from tests.console.conftest import Console, Visitor, until

pytestmark = pytest.mark.asyncio


async def recorded(console: Console, visitor: Visitor, count: int = 1) -> None:
    """Presses Record, waits out the countdown, and presses Stop."""
    await until(lambda: visitor.enabled("record"), "the record button")
    visitor.press("record")
    await until(lambda: console.station.open_episode is not None, "an episode to begin")
    await until(lambda: visitor.text("record") == "Stop", "the button to stop")
    visitor.press("record")
    await until(lambda: console.station.open_episode is None, "it to end")
    await until(lambda: len(console.station.book.episodes) == count, f"{count} episodes")


async def test_recording_begins_after_a_countdown(console: Console) -> None:
    visitor = await console.connected()
    await until(lambda: visitor.enabled("record"), "the record button")
    visitor.press("record")
    assert visitor.text("countdown") == "3"
    assert console.station.open_episode is None
    await until(lambda: visitor.text("countdown") == "1", "the countdown")
    assert console.station.open_episode is None
    await until(lambda: console.station.open_episode is not None, "an episode to begin")


async def test_a_countdown_can_be_cancelled(console: Console) -> None:
    visitor = await console.connected()
    await until(lambda: visitor.enabled("record"), "the record button")
    visitor.press("record")
    assert visitor.text("record") == "Cancel"
    visitor.press("record")
    assert visitor.text("record") == "Record"
    await visitor.user.should_not_see(marker="countdown")


async def test_two_labelled_episodes_and_a_redone_one_are_in_the_log(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robot_il.console.record_bar.COUNT_FROM", 1)
    visitor = await console.connected()
    await recorded(console, visitor, 1)
    visitor.press("good")
    await until(lambda: console.station.book.episodes[0].label == "expert", "the label")
    visitor.press("redo")
    await until(lambda: console.station.open_episode is not None, "the next to begin")
    await until(lambda: visitor.text("record") == "Stop", "the button to stop")
    visitor.press("record")
    await until(lambda: console.station.open_episode is None, "it to end")
    visitor.press("bad")
    await until(lambda: console.station.book.episodes[0].label == "undesirable", "the label")
    await recorded(console, visitor, 2)
    visitor.press("ok")
    await until(lambda: console.station.book.episodes[1].label == "suboptimal", "the label")
    log = console.station.log
    assert log is not None
    await console.station.disconnect()
    book = book_of(read_log(log))
    assert [episode.label for episode in book.episodes] == ["undesirable", "suboptimal"]
    assert (book.all[0].label, book.all[0].deleted) == ("expert", True)


async def test_the_last_seconds_become_an_episode_after_the_fact(console: Console) -> None:
    visitor = await console.connected()
    await until(lambda: visitor.enabled("save-last") and len(console.station.window(1.0, 10)), "ticks to save")
    visitor.press("save-last")
    await until(lambda: len(console.station.book.episodes) == 1, "the episode")
    assert console.station.book.episodes[0].stop_ns is not None


async def test_what_the_station_refuses_is_told_in_full(console: Console) -> None:
    visitor = await console.connected()
    await until(lambda: visitor.enabled("redo") is False, "the button")
    console.station.start_episode()
    await until(lambda: console.station.open_episode is not None, "an episode to begin")
    with visitor.user, pytest.raises(LogError) as refused:
        console.station.start_episode()
    with visitor.user:
        tell(refused.value)
    (told,) = visitor.user.notify.messages
    assert all(part in told for part in (refused.value.expected, refused.value.came))


async def test_each_label_key_has_its_word() -> None:
    assert {LABEL_WORDS[label] for label in LABEL_KEYS.values()} == {"good", "ok", "bad"}
