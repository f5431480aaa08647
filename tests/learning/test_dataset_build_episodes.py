"""Which episodes reach a dataset, under which label, and what is said of those that do not."""

from dataclasses import replace

import numpy as np
import pytest

from robot_il.errors import DataError, LogError
from robot_il.learning.algorithms.dagger import operator_rows
from robot_il.learning.build import Request, build_dataset
from robot_il.learning.dataset import load_dataset, save_dataset
from robot_il.recording.episodes import append_operations, edit
from robot_il.recording.reader import read_log
from robot_il.recording.rewrite import recover
from robot_il.spec import LABELS, Fault, Mode
from tests.learning.recordings import driven_ticks
from tests.recording.episode_logs import SESSION_LOG, digest, recorded, write_session

EPISODES = (("e1", 0.0, 0.5), ("e2", 0.75, 1.5), ("e3", 1.75, 2.25), ("e4", 2.5, 3.0))


def operations(labels="expert suboptimal undesirable"):
    made = [operation for name, first, last in EPISODES for operation in recorded(name, first, last)]
    return [*made, *({"op": "label", "id": f"e{n}", "label": label} for n, label in enumerate(labels.split(), 1))]


@pytest.fixture
def session(tmp_path):
    return write_session(tmp_path / "s.mcap", driven_ticks(700), operations())


def built(*paths, **options):
    return build_dataset(Request(recordings=paths, held_out_fraction=0.0, **options))


def rows(dataset):
    return {record.source: (record.label, record.rows) for record in dataset.info.episodes}


def test_each_episode_is_used_under_its_own_label_and_nothing_between_them(session):
    dataset = built(session)
    assert rows(dataset) == {
        "s.mcap e1": ("expert", 99), "s.mcap e2": ("suboptimal", 149),
        "s.mcap e3": ("undesirable", 99), "s.mcap e4": ("unlabeled", 99),
    }  # fmt: skip
    log = read_log(session)
    chosen = dataset.select("suboptimal")
    np.testing.assert_array_equal(dataset.observations[chosen, 0], log.ticks["pitch"][150:299])


def test_later_edits_reach_the_dataset_and_leave_the_log_alone(session):
    before = digest(session)
    edit(
        read_log(session),
        [
            {"op": "label", "id": "e4", "label": "expert"},
            {"op": "delete", "id": "e1"},
            {"op": "trim", "id": "e2", "start_ns": 10**12 + 10**9, "stop_ns": 10**12 + 15 * 10**8},
        ],
    )
    dataset = built(session)
    assert rows(dataset) == {
        "s.mcap e2": ("suboptimal", 99), "s.mcap e3": ("undesirable", 99), "s.mcap e4": ("expert", 99)
    }  # fmt: skip
    assert "s.mcap: 1 deleted episodes are not used" in dataset.info.notes
    assert digest(session) == before


def test_the_form_that_names_a_label_overrides_that_of_every_episode(session):
    dataset = build_dataset(Request({"expert": [session]}, held_out_fraction=0.0))
    assert {label for label, _ in rows(dataset).values()} == {"expert"}
    assert "expert: s.mcap e2: its own label is suboptimal, overridden" in dataset.info.notes


def test_both_forms_may_be_mixed_and_a_recording_given_in_both_is_refused(tmp_path, session):
    other = write_session(tmp_path / "other.mcap", driven_ticks(200, seed=1), recorded("e1", 0.0, 0.9))
    dataset = build_dataset(Request({"expert": [other]}, recordings=[session], held_out_fraction=0.0))
    assert rows(dataset)["other.mcap e1"] == ("expert", 179)
    assert rows(dataset)["s.mcap e4"] == ("unlabeled", 99)
    with pytest.raises(DataError, match="each recording once"):
        build_dataset(Request({"expert": [session]}, recordings=[session]))


def test_a_folder_gives_all_logs_under_it(tmp_path, session):
    (tmp_path / "more").mkdir()
    write_session(tmp_path / "more" / "x.mcap", driven_ticks(200, seed=1), recorded("e1", 0.0, 0.9))
    (tmp_path / "more" / "notes.txt").write_text("no log")
    assert len(rows(built(tmp_path))) == 5
    assert len(rows(built(tmp_path, session))) == 5
    (tmp_path / "empty").mkdir()
    with pytest.raises(LogError, match="none; name another folder"):
        built(session, tmp_path / "empty")


def test_a_folder_that_holds_only_what_a_crash_left_says_how_to_recover_it(tmp_path):
    write_session(tmp_path / "s.mcap.recording", driven_ticks(200), finish=False)
    with pytest.raises(LogError, match="robot-il log recover"):
        built(tmp_path)


def test_a_session_without_episodes_gives_nothing(tmp_path):
    path = write_session(tmp_path / "s.mcap", driven_ticks(200))
    with pytest.raises(DataError, match="at least one episode; came none in 1 recordings"):
        built(path)


def test_the_same_recording_recovered_beside_itself_is_refused(tmp_path):
    path = write_session(tmp_path / "s.mcap", driven_ticks(700), operations(), began_unix_ns=5, finish=False)
    recover(path)
    with pytest.raises(DataError, match=r"s\.recovered\.mcap, the same as|s\.mcap, the same as"):
        built(tmp_path)


def test_where_a_row_came_from_is_in_the_dataset(session):
    append_operations(session, [{"op": "note", "id": "e1", "note": "caught the push"}])
    sources = built(session).info.meta["sources"]
    assert {source["sha256"] for source in sources} == {digest(session)}
    first = next(source for source in sources if source["source"] == "s.mcap e1")
    assert (first["label"], first["own_label"], first["file"]) == ("expert", "expert", "s.mcap")
    assert first["episode"] == {
        "id": "e1", "start_s": 0.0, "seconds": 0.5, "mode": "assisted", "label": "expert", "labelled_by": "person",
        "note": "caught the push", "cut": False,
    }  # fmt: skip


def test_episodes_of_two_tasks_need_the_task_named(tmp_path):
    tasks = [{**operation, "task": "drive"} if operation.get("id") == "e2" else operation for operation in operations()]
    path = write_session(tmp_path / "s.mcap", driven_ticks(700), tasks)
    with pytest.raises(DataError, match="logs of one task; came drive, stand"):
        built(path)
    notes = built(path, task="drive").info.notes
    assert "expert: s.mcap e1: was recorded for the task stand, used for drive" in notes


def broken(tmp_path):
    """A session whose second episode lost STATEs on the link, and whose third has a NaN."""
    ticks = driven_ticks(700)
    ticks["pitch_rate"][400] = np.nan
    ticks["state_seq"][200:] += 40
    ticks["mcu_time_us"][200:] += 200_000
    ticks["link_errors"][200:] += 40
    return write_session(tmp_path / "broken.mcap", ticks, operations())


def test_hard_failures_are_refused_with_each_episode_its_findings_and_the_choices(tmp_path):
    lines = []
    with pytest.raises(DataError) as caught:
        build_dataset(Request(recordings=[broken(tmp_path)]), progress=lines.append)
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "2 of 4 that fail",
        "broken.mcap e2: lost on the link (STATEs lost or spoiled on the way: 40",
        "broken.mcap e3: pitch_rate finite (not a number or infinite: 1",
        "--drop-failed",
        "--keep-failed",
    ):
        assert part in message
    assert "e1" not in message
    assert [line.split(": ")[1] for line in lines[1:]] == ["e2", "e3"]


def test_dropped_failures_are_recorded_with_their_reasons(tmp_path):
    path = broken(tmp_path)
    dataset = built(path, failed="drop")
    assert set(rows(dataset)) == {"broken.mcap e1", "broken.mcap e4"}
    assert {source["source"] for source in dataset.info.meta["sources"]} == set(rows(dataset))
    quality = dataset.info.meta["quality"]
    assert (quality["on_failure"], quality["checked"], quality["kept"]) == ("drop", 4, [])
    first, second = quality["dropped"]
    assert (first["source"], first["label"], first["episode"]["id"]) == ("broken.mcap e2", "suboptimal", "e2")
    assert [finding["name"] for finding in second["findings"]] == ["pitch_rate finite"]
    assert any(note.startswith("suboptimal: broken.mcap e2: left out: lost on the link") for note in dataset.info.notes)
    save_dataset(tmp_path / "data", dataset)
    assert load_dataset(tmp_path / "data").info.meta["quality"] == quality


def test_kept_failures_are_recorded_too_but_a_nan_is_never_learned(tmp_path):
    path = broken(tmp_path)
    with pytest.raises(DataError, match=r"finite pitch_rate in broken\.mcap e3"):
        built(path, failed="keep")
    append_operations(path, [{"op": "delete", "id": "e3"}])
    dataset = built(path, failed="keep")
    assert [entry["source"] for entry in dataset.info.meta["quality"]["kept"]] == ["broken.mcap e2"]
    assert dataset.info.meta["quality"]["dropped"] == []
    assert any("used all the same" in note for note in dataset.info.notes)


def test_nothing_but_failures_is_refused_also_where_they_are_dropped(tmp_path):
    ticks = driven_ticks(700)
    ticks["velocity"] = np.nan
    path = write_session(tmp_path / "s.mcap", ticks, operations())
    with pytest.raises(DataError, match="none of 4"):
        built(path, failed="drop")


def test_what_is_wrong_outside_an_episode_does_it_no_harm(tmp_path):
    ticks = driven_ticks(700)
    ticks["pitch_rate"][120] = np.nan
    assert len(rows(built(write_session(tmp_path / "s.mcap", ticks, operations())))) == 4


def test_a_robot_that_was_dropped_before_anybody_drove_it_does_its_episode_no_harm(tmp_path):
    ticks = driven_ticks(700)
    ticks["source"][:20] = ticks["source"][280:] = 0
    ticks["mode"][:20] = ticks["mode"][280:] = Mode.DISARMED
    ticks["accel_x"][[10, 290]] = 1700.0
    path = write_session(tmp_path / "s.mcap", ticks, operations()[:4])
    assert rows(built(path)) == {"s.mcap e1": ("unlabeled", 79), "s.mcap e2": ("unlabeled", 129)}
    ticks["accel_x"][30] = 1700.0
    with pytest.raises(DataError, match=r"1 of 2 that fail: s\.mcap e1: accel_x range"):
        built(write_session(tmp_path / "hit.mcap", ticks, operations()[:4]).rename(path))


def test_a_fall_is_no_failure_of_an_episode_that_shows_what_to_avoid(tmp_path):
    ticks = driven_ticks(700)
    ticks["pitch"][420:] = 0.9
    ticks["mode"][420:] = Mode.STOPPED
    ticks["faults"][420:] = Fault.TILT
    ticks["source"][420:] = 0
    ticks["sent_seq"][420:] = 0
    dataset = built(write_session(tmp_path / "s.mcap", ticks, operations()[:6] + operations()[8:]))
    assert dataset.terminals[dataset.select("undesirable")].sum() == 1
    assert dataset.info.meta["quality"]["dropped"] == []


def test_a_nan_fails_an_undesirable_episode_too(tmp_path):
    path = broken(tmp_path)
    append_operations(path, [{"op": "label", "id": "e2", "label": "undesirable"}])
    assert len(built(path, failed="drop").info.meta["quality"]["dropped"]) == 2


def test_a_foreign_file_in_a_folder_is_refused_or_dropped_and_told(tmp_path, session):
    (tmp_path / "foreign.mcap").write_bytes(b"something else" * 50)
    with pytest.raises(LogError, match=r"foreign\.mcap"):
        built(tmp_path)
    dataset = built(tmp_path, failed="drop")
    assert [entry["source"] for entry in dataset.info.meta["quality"]["unreadable"]] == ["foreign.mcap"]
    with pytest.raises(LogError, match=r"foreign\.mcap"):
        built(tmp_path / "foreign.mcap", session, failed="drop")


def test_an_episode_that_a_crash_cut_says_so(tmp_path):
    open_one = [*operations(""), recorded("e9", 3.2, 9)[0]]
    path = write_session(tmp_path / "s.mcap", driven_ticks(700), open_one, session=replace(SESSION_LOG, label="expert"))
    dataset = built(path)
    assert rows(dataset)["s.mcap e9"] == ("unlabeled", 59)
    assert "s.mcap: episode e9 was never stopped; it ends with the last tick" in dataset.info.notes
    assert [source["episode"]["cut"] for source in dataset.info.meta["sources"]] == [False] * 4 + [True]


def test_a_choice_about_failures_that_is_none_is_refused(session):
    with pytest.raises(DataError, match="refuse, drop, keep; came ignore"):
        built(session, failed="ignore")


def test_of_one_recording_only_the_episodes_that_a_person_drove_count_as_theirs(tmp_path):
    ticks = driven_ticks(700)
    ticks["intent"][:100] = ticks["controller_torque"][:100]
    dataset = built(write_session(tmp_path / "s.mcap", ticks, operations()))
    theirs = operator_rows(dataset)
    assert theirs.sum() == 99
    assert dataset.label[theirs].tolist() == [LABELS.index("expert")] * 99
