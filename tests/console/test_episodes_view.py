"""The Episodes view on real recordings: what it lists, what one press does, and that no recording is ever touched."""

from __future__ import annotations

import hashlib

import pytest
from nicegui import ui

from robot_il.recording.episodes import read_with_book
from tests.console.conftest import Console, Visitor, until
from tests.console.recordings import at, episode, flown, session, standard

pytestmark = pytest.mark.asyncio


class Sight:
    """The view as somebody sees it."""

    def __init__(self, visitor: Visitor) -> None:
        self.user = visitor.user

    def all(self, marker: str) -> list:
        with self.user.scope(marker="episodes-view"):
            try:
                found = self.user.find(marker=marker).elements
            except AssertionError:
                return []
        return sorted(found, key=lambda element: element.id)

    def row(self, name: str) -> ui.element | None:
        found = self.all(f"episode-{name}")
        return found[0] if found else None

    def within(self, name: str, marker: str):
        (found,) = [element for element in self.all(marker) if self.row(name) in element.ancestors(include_self=True)]
        return found

    def press(self, name: str, marker: str) -> None:
        button = self.within(name, marker)
        with self.user.scope(marker=f"episode-{name}"):
            assert button in self.user.find(marker=marker).elements
            self.user.find(marker=marker).click()

    def cutting(self) -> bool:
        (dialog,) = self.user.find(marker="cutter").elements
        return dialog.value

    def filled(self, name: str) -> list[str]:
        labels = ("expert", "suboptimal", "undesirable")
        return [label for label in labels if "filled" in self.within(name, f"label-{label}").classes]

    def shown(self) -> list[str]:
        with self.user.scope(marker="episodes-view"):
            try:
                names = self.user.find(kind=ui.element).elements
            except AssertionError:
                return []
        marks = [(element.id, mark) for element in names for mark in element._markers if mark.startswith("episode-")]
        return [mark.removeprefix("episode-") for _, mark in sorted(marks)]


async def opened(console: Console, names: list[str]) -> Sight:
    visitor = await console.visit()
    visitor.user.find("Episodes").click()
    sight = Sight(visitor)
    await until(lambda: sight.shown() == names, f"the episodes {names}")
    return sight


def book(path):
    return read_with_book(path)[1]


async def test_without_a_recording_a_newcomer_is_told_what_to_do(console: Console) -> None:
    visitor = await console.visit()
    visitor.user.find("Episodes").click()
    await visitor.user.should_see("No episodes yet", retries=50)
    await visitor.user.should_see("Connect a robot or its twin in Drive")


async def test_the_newest_episode_comes_first_and_recordings_follow_one_another(console: Console) -> None:
    standard(console.folders.sessions)
    session(console.folders.sessions / "20260102-080000.mcap", flown("lqr"), episode("e1", 0.2, 1.0))
    await opened(console, ["e1", "e3", "e2", "e1"])


async def test_one_press_labels_and_another_changes_it_and_the_recording_stays_as_it_is(console: Console) -> None:
    path = standard(console.folders.sessions)
    before = hashlib.sha256(path.read_bytes()).digest()
    sight = await opened(console, ["e3", "e2", "e1"])
    assert [sight.filled(name) for name in ("e3", "e2", "e1")] == [[], [], ["expert"]]
    sight.press("e3", "label-suboptimal")
    await until(lambda: sight.filled("e3") == ["suboptimal"], "the label")
    sight.press("e3", "label-expert")
    await until(lambda: sight.filled("e3") == ["expert"], "the other label")
    assert book(path).get("e3").label == "expert"
    assert book(path).get("e3").labelled_by == "person"
    assert hashlib.sha256(path.read_bytes()).digest() == before


async def test_a_proposal_is_taken_over_in_one_press_and_says_who_set_it(console: Console) -> None:
    path = standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2", "e1"])
    await sight.user.should_see("proposed bad: fell, torque limit hit 12 %")
    sight.press("e2", "accept")
    await until(lambda: sight.filled("e2") == ["undesirable"], "the label")
    assert book(path).get("e2").labelled_by == "proposal"
    await sight.user.should_not_see("proposed bad: fell, torque limit hit 12 %")


async def test_a_note_is_kept_when_the_field_is_left(console: Console) -> None:
    path = standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2", "e1"])
    with sight.user.scope(marker="episode-e1"):
        sight.user.find(marker="note").type("quiet <b>one</b>").trigger("blur")
    await until(lambda: book(path).get("e1").note == "quiet <b>one</b>", "the note")


async def test_each_episode_gets_its_traces_and_a_verdict(console: Console) -> None:
    standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2", "e1"])
    await until(lambda: len(sight.all("verdict")) == 3, "the verdicts")
    assert {verdict.text for verdict in sight.all("verdict")} == {"fit to learn from"}
    with sight.user.scope(marker="episodes-view"):
        pictures = [html for html in sight.user.find(ui.html).elements if "<svg" in html.content]
    assert len(pictures) == 3


async def test_an_episode_that_is_not_fit_says_why(console: Console) -> None:
    ticks = flown("lqr")
    ticks["pitch"][200:210] = float("nan")
    session(console.folders.sessions / "20260101-120000.mcap", ticks, episode("e1", 0.2, 2.5))
    sight = await opened(console, ["e1"])
    await until(lambda: len(sight.all("verdict")) == 1, "the verdict")
    assert sight.all("verdict")[0].text == "not fit"
    with sight.user.scope(marker="episodes-view"):
        assert any("pitch finite" in tip.text for tip in sight.user.find(ui.tooltip).elements)


async def test_a_deleted_episode_is_brought_back_by_undo(console: Console) -> None:
    path = standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2", "e1"])
    sight.press("e2", "delete")
    await until(lambda: sight.shown() == ["e3", "e1"], "the episode to go")
    await sight.user.should_see("Undo: Episode 2 deleted")
    sight.user.find(marker="undo").click()
    await until(lambda: sight.shown() == ["e3", "e2", "e1"], "the episode to come back")
    assert not book(path).get("e2").deleted


async def test_deleted_episodes_are_listed_apart_and_can_be_restored(console: Console) -> None:
    standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2", "e1"])
    sight.press("e1", "delete")
    await until(lambda: sight.shown() == ["e3", "e2"], "the episode to go")
    sight.user.find(marker="filter-deleted").click()
    await until(lambda: sight.shown() == ["e1"], "the deleted one")
    sight.press("e1", "restore")
    await until(lambda: sight.shown() == [], "it to leave this list")
    sight.user.find(marker="filter-everything").click()
    await until(lambda: sight.shown() == ["e3", "e2", "e1"], "it to be back")


async def test_two_neighbours_become_one_and_undo_makes_them_two_again(console: Console) -> None:
    path = standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2", "e1"])
    sight.press("e1", "merge")
    await until(lambda: sight.shown() == ["e3", "e4"], "the merged one")
    merged = book(path).get("e4")
    assert (merged.start_ns, merged.stop_ns) == (at(0.1), at(5.9))
    sight.user.find(marker="undo").click()
    await until(lambda: sight.shown() == ["e3", "e2", "e1"], "the two")
    assert book(path).get("e1").label == "expert"


async def test_the_last_episode_has_no_next_to_merge_with(console: Console) -> None:
    standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2", "e1"])
    assert not sight.within("e3", "merge").enabled
    assert sight.within("e2", "merge").enabled


async def test_an_episode_is_trimmed_by_two_numbers_and_widened_again(console: Console) -> None:
    path = standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2", "e1"])
    for numbers, kept in (((0.5, 2.0), (0.6, 2.1)), ((0.0, 2.8), (0.1, 2.9))):
        sight.press("e1", "cut")
        await until(sight.cutting, "the dialog")
        for marker, value in zip(("trim-start", "trim-stop"), numbers, strict=True):
            (number,) = sight.user.find(marker=marker).elements
            number.value = value
        sight.user.find(marker="trim").click()
        wanted = tuple(at(second) for second in kept)
        await until(lambda: _stretch(path) == wanted, f"the trim to {kept}")  # noqa: B023


def _stretch(path) -> tuple:
    found = book(path).get("e1")
    return found.start_ns, found.stop_ns


async def test_the_handles_and_the_numbers_of_a_trim_say_the_same(console: Console) -> None:
    standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2", "e1"])
    sight.press("e1", "cut")
    await until(sight.cutting, "the dialog")
    (handles,) = sight.user.find(marker="trim-range").elements
    (start,) = sight.user.find(marker="trim-start").elements
    handles.value = {"min": 0.75, "max": 1.5}
    assert start.value == 0.75
    start.value = 0.25
    assert handles.value == {"min": 0.25, "max": 1.5}
    start.value = 99.0
    assert handles.value == {"min": 0.25, "max": 1.5}


async def test_an_episode_is_split_at_a_time_and_both_keep_label_and_note(console: Console) -> None:
    path = standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2", "e1"])
    sight.press("e1", "cut")
    await until(sight.cutting, "the dialog")
    (number,) = sight.user.find(marker="split-at").elements
    number.value = 1.0
    sight.user.find(marker="split").click()
    await until(lambda: sight.shown() == ["e3", "e2", "e5", "e4"], "the two parts")
    parts = [book(path).get(name) for name in ("e4", "e5")]
    assert [(part.start_ns, part.stop_ns, part.label) for part in parts] == [
        (at(0.1), at(1.1), "expert"),
        (at(1.1), at(2.9), "expert"),
    ]


async def test_labels_are_counted_and_filter_the_list(console: Console) -> None:
    standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2", "e1"])
    texts = {name: sight.all(f"filter-{name}")[0].text for name in ("everything", "expert", "undesirable", "unlabeled")}
    assert texts == {"everything": "all  3", "expert": "good  1", "undesirable": "bad  0", "unlabeled": "no label  2"}
    sight.user.find(marker="filter-unlabeled").click()
    await until(lambda: sight.shown() == ["e3", "e2"], "those without a label")
    sight.press("e3", "label-expert")
    await until(lambda: sight.shown() == ["e2"], "the labelled one to leave")
    sight.user.find(marker="filter-undesirable").click()
    await sight.user.should_see("No episode is like that.", retries=20)


async def test_what_another_program_says_of_an_episode_is_seen(console: Console) -> None:
    from robot_il.recording.episodes import append_operations

    path = standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2", "e1"])
    append_operations(path, [{"op": "label", "id": "e3", "label": "undesirable"}])
    await until(lambda: sight.filled("e3") == ["undesirable"], "the label of the command line")


async def test_two_pages_see_each_others_labels(console: Console) -> None:
    standard(console.folders.sessions)
    first = await opened(console, ["e3", "e2", "e1"])
    second = await opened(console, ["e3", "e2", "e1"])
    first.press("e3", "label-expert")
    await until(lambda: second.filled("e3") == ["expert"], "the other page")


async def test_an_operation_that_does_not_fit_any_more_is_told_and_nothing_changes(console: Console) -> None:
    path = standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2", "e1"])
    from robot_il.recording.episodes import append_operations

    append_operations(path, [{"op": "delete", "id": "e2"}])
    sight.press("e2", "label-expert")
    await until(lambda: any("not deleted" in message for message in sight.user.notify.messages), "the refusal")
    await until(lambda: sight.shown() == ["e3", "e1"], "the list as it is")
    assert book(path).get("e2").label == "unlabeled"


async def test_of_a_cut_recording_what_is_left_is_shown_and_said(console: Console) -> None:
    path = standard(console.folders.sessions)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    sight = await opened(console, ["e2", "e1"])
    await sight.user.should_see("20260101-120000.mcap is not complete")
    await sight.user.should_see("the end of the file is missing")
    await sight.user.should_see("cut short by a crash")


async def test_a_file_that_is_no_recording_is_named_and_does_not_hide_the_others(console: Console) -> None:
    standard(console.folders.sessions)
    (console.folders.sessions / "20250101-000000.mcap").write_bytes(b"not a log at all")
    sight = await opened(console, ["e3", "e2", "e1"])
    await sight.user.should_see("20250101-000000.mcap cannot be read")


async def test_a_long_list_is_shown_in_parts(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robot_il.console.episodes_view.ROWS", 2)
    standard(console.folders.sessions)
    sight = await opened(console, ["e3", "e2"])
    await sight.user.should_see("Show more (1)")
    sight.user.find(marker="more").click()
    await until(lambda: sight.shown() == ["e3", "e2", "e1"], "the rest")


async def test_an_episode_of_the_running_session_is_listed_and_labelled_through_the_station(console: Console) -> None:
    visitor = await console.driving()
    visitor.user.find("Episodes").click()
    sight = Sight(visitor)
    console.station.start_episode()
    await until(lambda: sight.shown() == ["e1"], "the episode")
    await sight.user.should_see("being recorded")
    console.station.stop_episode()
    await until(lambda: len(sight.all("verdict")) == 1, "its traces")
    sight.press("e1", "label-expert")
    await until(lambda: sight.filled("e1") == ["expert"], "the label")
    log = console.station.log
    assert log is not None
    assert not log.with_name(log.name + ".episodes.jsonl").exists()
    await console.station.disconnect()
    await until(lambda: log.exists(), "the finished recording")
    labels = [event["detail"] for event in read_with_book(log)[0].events if event["name"] == "episode"]
    assert {"op": "label", "id": "e1", "label": "expert"}.items() <= labels[-1].items()
    await until(lambda: sight.filled("e1") == ["expert"], "the episode in the finished recording")
