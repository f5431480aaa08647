"""What operations do to the episodes of a book, and that the ones that make no sense do nothing."""

import copy
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_il.errors import LogError
from robot_il.recording.episode_book import MAX_EPISODES, Episode, EpisodeBook
from robot_il.recording.episodes import new_id
from robot_il.recording.operations import MAX_NOTE, MAX_OPERATION_BYTES, MAX_REASONS, well_formed
from robot_il.spec import LABELS
from robot_il.tasks import TASKS


def start(name="e1", at=0, task="stand", mode="assisted"):
    return {"op": "start", "id": name, "start_ns": at, "task": task, "mode": mode}


def stop(name="e1", at=100):
    return {"op": "stop", "id": name, "stop_ns": at}


def add(name, first, last, task="stand", mode="assisted"):
    return {"op": "add", "id": name, "start_ns": first, "stop_ns": last, "task": task, "mode": mode}


def made(*operations) -> EpisodeBook:
    book = EpisodeBook()
    for operation in operations:
        book.apply(operation)
    return book


def spans(book):
    return [(episode.id, episode.start_ns, episode.stop_ns) for episode in book.episodes]


def test_an_episode_runs_from_its_start_to_its_stop():
    book = made(start(at=5))
    assert book.open_episode == Episode("e1", 5, None, "stand", "assisted")
    assert book.open_episode.seconds is None
    book.apply(stop(at=2_000_000_005))
    assert book.open_episode is None
    assert spans(book) == [("e1", 5, 2_000_000_005)]
    assert book.episodes[0].seconds == 2.0


def test_labels_and_notes_are_changeable_and_say_who_set_them():
    book = made(add("e1", 0, 10), {"op": "label", "id": "e1", "label": "expert"})
    assert (book.get("e1").label, book.get("e1").labelled_by) == ("expert", "person")
    book.apply({"op": "label", "id": "e1", "label": "undesirable", "by": "proposal"})
    book.apply({"op": "note", "id": "e1", "note": "caught the push"})
    episode = book.get("e1")
    assert (episode.label, episode.labelled_by, episode.note) == ("undesirable", "proposal", "caught the push")


def test_a_proposal_is_no_label():
    book = made(add("e1", 0, 10), {"op": "propose", "id": "e1", "label": "undesirable", "reasons": ["fell"]})
    episode = book.get("e1")
    assert (episode.label, episode.proposal, episode.reasons) == ("unlabeled", "undesirable", ("fell",))


def test_what_is_added_after_the_fact_takes_only_what_no_other_episode_holds():
    book = made(add("e1", 0, 10), add("e2", 20, 30))
    (late,) = book.apply(add("e3", 5, 60))
    assert (late.start_ns, late.stop_ns) == (30, 60)
    with pytest.raises(LogError, match="that other episodes hold"):
        book.apply(add("e4", 2, 9))


def test_a_trim_can_be_widened_again_to_what_was_recorded_and_no_further():
    book = made(add("e1", 100, 200))
    book.apply({"op": "trim", "id": "e1", "start_ns": 120, "stop_ns": 150})
    assert spans(book) == [("e1", 120, 150)]
    book.apply({"op": "trim", "id": "e1", "start_ns": 100, "stop_ns": 200})
    assert spans(book) == [("e1", 100, 200)]
    for first, last in ((99, 200), (100, 201), (150, 150), (160, 150)):
        with pytest.raises(LogError, match="as it was recorded"):
            book.apply({"op": "trim", "id": "e1", "start_ns": first, "stop_ns": last})
    assert spans(book) == [("e1", 100, 200)]


def test_a_trim_or_a_split_drops_the_proposal_for_it_spoke_of_another_stretch():
    propose = {"op": "propose", "id": "e1", "label": "undesirable", "reasons": ["fell"]}
    trimmed = made(add("e1", 0, 10), propose, {"op": "trim", "id": "e1", "start_ns": 0, "stop_ns": 5})
    parts = made(add("e1", 0, 10), propose, {"op": "split", "id": "e1", "at_ns": 5, "into": ["a", "b"]})
    for episode in (*trimmed.episodes, *parts.episodes):
        assert (episode.proposal, episode.reasons) == ("", ())


def test_a_split_gives_two_episodes_with_the_label_of_the_one():
    label = {"op": "label", "id": "e1", "label": "expert"}
    book = made(add("e1", 0, 10), label, {"op": "split", "id": "e1", "at_ns": 4, "into": ["e1a", "e1b"]})
    assert spans(book) == [("e1a", 0, 4), ("e1b", 4, 10)]
    assert {episode.label for episode in book.episodes} == {"expert"}
    assert (book.get("e1").deleted, book.get("e1").replaced_by) == (True, ("e1a", "e1b"))


def test_a_split_is_undone_by_deleting_its_parts_and_restoring_the_one():
    book = made(add("e1", 0, 10))
    before = book.get("e1")
    book.apply({"op": "split", "id": "e1", "at_ns": 4, "into": ["a", "b"]})
    with pytest.raises(LogError, match="overlap"):
        book.apply({"op": "restore", "id": "e1"})
    for name in ("a", "b"):
        book.apply({"op": "delete", "id": name})
    book.apply({"op": "restore", "id": "e1"})
    assert book.episodes == [before]


@pytest.mark.parametrize(("second", "label"), [("expert", "expert"), ("suboptimal", "unlabeled")])
def test_a_merge_keeps_a_label_that_all_parts_had_and_asks_again_otherwise(second, label):
    book = made(
        add("e1", 0, 10),
        add("e2", 15, 30, mode="direct"),
        {"op": "label", "id": "e1", "label": "expert"},
        {"op": "label", "id": "e2", "label": second},
        {"op": "note", "id": "e2", "note": "n2"},
        {"op": "merge", "ids": ["e2", "e1"], "into": "e7"},
    )
    assert spans(book) == [("e7", 0, 30)]
    merged = book.get("e7")
    assert (merged.label, merged.mode, merged.note) == (label, "assisted+direct", "n2")
    assert bool(merged.labelled_by) == (label == "expert")
    assert book.get("e1").replaced_by == ("e7",)


def test_a_merge_of_the_parts_of_a_split_gives_the_stretch_back():
    book = made(add("e1", 0, 10), {"op": "split", "id": "e1", "at_ns": 4, "into": ["a", "b"]})
    book.apply({"op": "merge", "ids": ["a", "b"], "into": "e1x"})
    assert spans(book) == [("e1x", 0, 10)]
    book.apply({"op": "trim", "id": "e1x", "start_ns": 2, "stop_ns": 8})


def test_a_deleted_episode_comes_back_as_it_was():
    book = made(add("e1", 0, 10), {"op": "label", "id": "e1", "label": "expert"})
    before = book.get("e1")
    book.apply({"op": "delete", "id": "e1"})
    assert book.episodes == []
    assert [episode.id for episode in book.all] == ["e1"]
    book.apply({"op": "restore", "id": "e1"})
    assert book.get("e1") == before


def test_a_discarded_recording_may_be_deleted_while_it_runs_and_stopped_afterwards():
    book = made(start("e1", 0), {"op": "delete", "id": "e1"}, start("e2", 50))
    book.apply(stop("e1", 50))
    assert spans(book) == [("e2", 50, None)]
    assert book.get("e1").stop_ns == 50


def test_what_a_crash_left_open_ends_with_the_last_tick_and_says_so():
    book = made(add("e1", 0, 5), start("e2", 10))
    book.close_open(99)
    assert spans(book) == [("e1", 0, 5), ("e2", 10, 100)]
    assert [episode.cut for episode in book.episodes] == [False, True]
    assert book.problems == ["episode e2 was never stopped; it ends with the last tick"]
    book.apply(stop("e2", 60))
    assert (spans(book)[1], book.get("e2").cut) == (("e2", 10, 60), False)


def test_a_discarded_recording_that_was_never_stopped_is_nothing_to_tell():
    book = made(start("e1", 10), {"op": "delete", "id": "e1"})
    book.close_open(99)
    assert (book.problems, book.get("e1").stop_ns) == ([], 100)


def test_what_was_open_before_the_first_tick_of_a_log_without_any_is_empty():
    book = made(start("e1", 500))
    book.close_open(0)
    assert spans(book) == [("e1", 500, 500)]


BASE = (
    add("e1", 100, 200),
    add("e2", 300, 400),
    add("e3", 500, 600, task="drive"),
    add("gone", 700, 800),
    {"op": "delete", "id": "gone"},
    start("open", 900),
)
NONSENSE = {
    "no object": ["start"],
    "no operation": {"id": "e1"},
    "an unknown operation": {"op": "explode", "id": "e1"},
    "an operation that is no text": {"op": ["start"]},
    "an unknown id": {"op": "label", "id": "e9", "label": "expert"},
    "an id given twice": add("e1", 1000, 1100),
    "an id of a deleted one": add("gone", 1000, 1100),
    "a start while another is open": start("e4", 1000),
    "a start within another": start("e4", 150),
    "a stop before its start": stop("open", 899),
    "a second stop": stop("e1", 250),
    "an empty addition": add("e4", 50, 50),
    "an addition backwards": add("e4", 60, 50),
    "a label that is none": {"op": "label", "id": "e1", "label": "good"},
    "a label that is no text": {"op": "label", "id": "e1", "label": 1},
    "a task that is none": start("e4", 1000, task="fly"),
    "a proposal that is no label": {"op": "propose", "id": "e1", "label": "bad", "reasons": []},
    "too many reasons": {"op": "propose", "id": "e1", "label": "expert", "reasons": ["x"] * (MAX_REASONS + 1)},
    "reasons that are no list": {"op": "propose", "id": "e1", "label": "expert", "reasons": "fell"},
    "a reason too long": {"op": "propose", "id": "e1", "label": "expert", "reasons": ["x" * 201]},
    "a note too long": {"op": "note", "id": "e1", "note": "x" * (MAX_NOTE + 1)},
    "a note too large as JSON": {"op": "note", "id": "e1", "note": "\U0001f916" * MAX_NOTE},
    "a note that is no text": {"op": "note", "id": "e1", "note": None},
    "a field missing": {"op": "trim", "id": "e1", "start_ns": 110},
    "a time that is no integer": {"op": "stop", "id": "open", "stop_ns": 950.0},
    "a time that is a truth": {"op": "stop", "id": "open", "stop_ns": True},
    "a time before all": add("e4", -1, 50),
    "a time beyond all": {"op": "stop", "id": "open", "stop_ns": 2**63},
    "a trim beyond": {"op": "trim", "id": "e1", "start_ns": 100, "stop_ns": 201},
    "a trim of an open one": {"op": "trim", "id": "open", "start_ns": 900, "stop_ns": 901},
    "a split at its start": {"op": "split", "id": "e1", "at_ns": 100, "into": ["a", "b"]},
    "a split at its end": {"op": "split", "id": "e1", "at_ns": 200, "into": ["a", "b"]},
    "a split outside": {"op": "split", "id": "e1", "at_ns": 350, "into": ["a", "b"]},
    "a split into one": {"op": "split", "id": "e1", "at_ns": 150, "into": ["a"]},
    "a split into three": {"op": "split", "id": "e1", "at_ns": 150, "into": ["a", "b", "c"]},
    "a split into twins": {"op": "split", "id": "e1", "at_ns": 150, "into": ["a", "a"]},
    "a split into one that is there": {"op": "split", "id": "e1", "at_ns": 150, "into": ["a", "e2"]},
    "a split of an open one": {"op": "split", "id": "open", "at_ns": 950, "into": ["a", "b"]},
    "a merge of one": {"op": "merge", "ids": ["e1"], "into": "m"},
    "a merge with itself": {"op": "merge", "ids": ["e1", "e1"], "into": "m"},
    "a merge of two tasks": {"op": "merge", "ids": ["e2", "e3"], "into": "m"},
    "a merge around another": {"op": "merge", "ids": ["e1", "e3"], "into": "m"},
    "a merge with a deleted one": {"op": "merge", "ids": ["e2", "gone"], "into": "m"},
    "a merge with an open one": {"op": "merge", "ids": ["e2", "open"], "into": "m"},
    "a merge into one that is there": {"op": "merge", "ids": ["e1", "e2"], "into": "e3"},
    "a merge of nothing": {"op": "merge", "ids": [], "into": "m"},
    "a deletion twice": {"op": "delete", "id": "gone"},
    "a label of a deleted one": {"op": "label", "id": "gone", "label": "expert"},
    "a trim of a deleted one": {"op": "trim", "id": "gone", "start_ns": 700, "stop_ns": 750},
    "a restoration of one that is there": {"op": "restore", "id": "e1"},
    "an id with a slash": add("../e4", 1000, 1100),
    "an empty id": add("", 1000, 1100),
    "an id with a line break": add("e4\n", 1000, 1100),
    "a wall clock that is no number": {"op": "delete", "id": "e1", "unix_ns": "now"},
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_refused_and_leaves_the_book_as_it_was(name):
    book = made(*BASE)
    before = copy.deepcopy(book.to_json())
    with pytest.raises(LogError) as caught:
        book.apply(NONSENSE[name])
    assert "\n" not in str(caught.value)
    assert book.to_json() == before


def test_a_merge_around_a_deleted_episode_is_one_of_neighbours():
    book = made(add("a", 0, 10), add("b", 10, 20), add("c", 20, 30), {"op": "delete", "id": "b"})
    book.apply({"op": "merge", "ids": ["a", "c"], "into": "m"})
    assert spans(book) == [("m", 0, 30)]


def test_an_operation_keeps_nothing_that_it_does_not_need():
    assert well_formed({**stop(), "unix_ns": 7, "by": "person", "surplus": "x" * 10**6}) == {
        "op": "stop", "id": "e1", "stop_ns": 100, "unix_ns": 7, "by": "person"
    }  # fmt: skip
    assert MAX_OPERATION_BYTES < 4096


def test_a_book_holds_so_many_episodes_and_no_more():
    book = EpisodeBook(Episode(f"e{n}", n, n + 1, "stand", "lqr") for n in range(MAX_EPISODES))
    with pytest.raises(LogError, match=f"at most {MAX_EPISODES}"):
        book.apply(add("one-more", 10**6, 10**6 + 1))


def test_new_names_are_never_used_twice():
    book = made(add("e1", 0, 10), add("e3", 10, 20), {"op": "delete", "id": "e1"})
    assert new_id(EpisodeBook()) == "e1"
    assert new_id(book) == "e4"


NAMES = st.sampled_from(["e1", "e2", "e3", "e4", "a", "b"])
TIMES = st.integers(0, 40)
OPERATIONS = st.one_of(
    st.builds(start, NAMES, TIMES, st.sampled_from(sorted(TASKS))),
    st.builds(stop, NAMES, TIMES),
    st.builds(add, NAMES, TIMES, TIMES),
    st.builds(lambda name, label: {"op": "label", "id": name, "label": label}, NAMES, st.sampled_from(LABELS)),
    st.builds(lambda n, a, b: {"op": "trim", "id": n, "start_ns": a, "stop_ns": b}, NAMES, TIMES, TIMES),
    st.builds(lambda n, t, p, q: {"op": "split", "id": n, "at_ns": t, "into": [p, q]}, NAMES, TIMES, NAMES, NAMES),
    st.builds(lambda ids, into: {"op": "merge", "ids": ids, "into": into}, st.lists(NAMES, max_size=3), NAMES),
    st.builds(lambda op, name: {"op": op, "id": name}, st.sampled_from(["delete", "restore"]), NAMES),
)


def fold(operations):
    """The book that they make, each that does not fit left out; and how many did."""
    book, done = EpisodeBook(), 0
    for operation in operations:
        before = book.to_json()
        try:
            book.apply(operation)
            done += 1
        except LogError:
            assert book.to_json() == before
    return book, done


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.lists(OPERATIONS, max_size=25))
def test_whatever_is_done_episodes_are_in_order_of_no_negative_length_and_never_overlap(operations):
    book, _ = fold(operations)
    episodes = book.episodes
    assert len({episode.id for episode in book.all}) == len(book.all)
    assert sum(episode.stop_ns is None for episode in episodes) <= 1
    for episode in book.all:
        assert episode.stop_ns is None or episode.start_ns <= episode.stop_ns
        low, high = episode.recorded_ns or (episode.start_ns, episode.end_ns)
        assert low <= episode.start_ns <= episode.end_ns <= high
    for before, after in pairwise(episodes):
        assert before.start_ns <= after.start_ns
        assert before.end_ns <= after.start_ns or before.start_ns == before.stop_ns


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.lists(OPERATIONS, max_size=20), NAMES)
def test_whatever_was_done_before_a_deletion_and_a_restoration_change_nothing(operations, name):
    book, _ = fold(operations)
    if name not in {episode.id for episode in book.episodes}:
        return
    before = book.to_json()
    book.apply({"op": "delete", "id": name})
    book.apply({"op": "restore", "id": name})
    assert book.to_json() == before


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.lists(OPERATIONS, max_size=20))
def test_a_book_tells_itself_as_json_and_reads_the_same_twice(operations):
    assert fold(operations)[0].to_json() == fold(operations)[0].to_json()
