from dataclasses import replace

import numpy as np
import pytest

from robot_il.errors import DataError, LogError
from robot_il.learning.build import ACTION_SOURCES, Request, build_dataset, episodes_of_log
from robot_il.learning.dataset import save_dataset
from robot_il.recording.reader import read_log
from robot_il.spec import Fault, Mode
from robot_il.tasks import TASKS
from tests.learning.recordings import driven_ticks, record

STAND = TASKS["stand"]


@pytest.fixture(scope="module")
def plain_log(tmp_path_factory):
    return read_log(record(tmp_path_factory.mktemp("plain") / "plain.mcap", driven_ticks(100)))


def cut(log, ticks, action="sent", task=STAND):
    return episodes_of_log(replace(log, ticks=ticks), task, action, "expert", "made.mcap")


def test_a_recording_becomes_its_transitions_bit_for_bit(plain_log):
    (episode,), dropped = cut(plain_log, plain_log.ticks)
    expected = np.stack([plain_log.ticks[name] for name in STAND.observation], axis=1)
    np.testing.assert_array_equal(episode.observations, expected[:-1])
    np.testing.assert_array_equal(episode.next_observations, expected[1:])
    assert not episode.terminated
    assert dropped == []


@pytest.mark.parametrize(
    ("action", "signals", "shift"),
    [
        ("sent", ("sent_left", "sent_right"), 0),
        ("limited", ("limited_torque",), 0),
        ("controller", ("controller_torque",), 0),
        ("applied", ("applied_left", "applied_right"), 1),
    ],
)
def test_the_action_is_the_named_link_of_the_chain_over_the_period_it_acts_in(plain_log, action, signals, shift):
    (episode,), _ = cut(plain_log, plain_log.ticks, action)
    total = sum(plain_log.ticks[name].astype(float) for name in signals).astype(np.float32)
    np.testing.assert_array_equal(episode.actions[:, 0], total[shift : len(total) - 1 + shift])


def test_the_drive_task_observes_its_own_signals(plain_log):
    (episode,), _ = cut(plain_log, plain_log.ticks, task=TASKS["drive"])
    np.testing.assert_array_equal(episode.observations[:, 2], plain_log.ticks["velocity"][:-1])
    assert episode.observations.shape[1] == 3


def rows_used(episodes, ticks):
    return [int(np.flatnonzero(ticks["pitch"] == part.observations[0, 0])[0]) for part in episodes], list(
        map(len, episodes)
    )


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("mode", Mode.STOPPED, "1 ticks while not armed"),
        ("source", 2, "1 ticks without the demonstrator in charge"),
        ("source", 0, "1 ticks without the demonstrator in charge"),
        ("sent_seq", 0, "1 ticks without the demonstrator in charge"),
    ],
)
def test_a_tick_that_is_not_the_demonstrators_ends_the_episode(plain_log, column, value, reason):
    ticks = plain_log.ticks.copy()
    ticks[column][50] = value
    episodes, dropped = cut(plain_log, ticks)
    assert rows_used(episodes, ticks) == ([0, 51], [49, 48])
    assert dropped == [reason]


@pytest.mark.parametrize("jump", [-1, 0, 2, 1000])
def test_a_gap_or_repetition_of_state_seq_is_never_bridged(plain_log, jump):
    ticks = plain_log.ticks.copy()
    ticks["state_seq"][50:] += np.uint32((jump - 1) % 2**32)
    episodes, dropped = cut(plain_log, ticks)
    assert rows_used(episodes, ticks) == ([0, 50], [49, 49])
    assert dropped == ["1 gaps in state_seq cut"]


def test_state_seq_may_wrap(plain_log):
    ticks = plain_log.ticks.copy()
    ticks["state_seq"] = (np.arange(100) + 2**32 - 40).astype(np.uint32)
    episodes, _ = cut(plain_log, ticks)
    assert [len(part) for part in episodes] == [99]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_fall_ends_the_episode_as_terminal_and_what_follows_is_left_out(plain_log, sign):
    ticks = plain_log.ticks.copy()
    ticks["pitch"][60:70] = sign * 0.51
    episodes, dropped = cut(plain_log, ticks)
    assert [part.terminated for part in episodes] == [True, False]
    assert [len(part) for part in episodes] == [60, 29]
    assert abs(episodes[0].next_observations[-1, 0]) == np.float32(0.51)
    assert dropped == ["10 ticks after a fall"]


def test_the_mcus_tilt_stop_ends_the_episode_as_terminal(plain_log):
    ticks = plain_log.ticks.copy()
    ticks["mode"][60:] = Mode.STOPPED
    ticks["faults"][60:] = Fault.TILT
    (episode,), _ = cut(plain_log, ticks)
    assert episode.terminated
    assert len(episode) == 60


def test_another_stop_is_no_fall(plain_log):
    ticks = plain_log.ticks.copy()
    ticks["mode"][60:] = Mode.STOPPED
    ticks["faults"][60:] = Fault.BATTERY_LOW
    (episode,), _ = cut(plain_log, ticks)
    assert not episode.terminated
    assert len(episode) == 59


@pytest.mark.parametrize(("ticks_in_a_row", "kept"), [(19, 0), (20, 1)])
def test_a_fragment_of_fewer_than_20_ticks_is_dropped_and_named(plain_log, ticks_in_a_row, kept):
    ticks = plain_log.ticks.copy()
    ticks["mode"][:] = Mode.DISARMED
    ticks["mode"][30 : 30 + ticks_in_a_row] = Mode.ARMED
    episodes, dropped = cut(plain_log, ticks)
    assert len(episodes) == kept
    assert ("a fragment of 19 ticks at row 30 (fewer than 20)" in dropped) == (not kept)


@pytest.mark.parametrize(("signal", "action"), [("pitch_rate", "sent"), ("sent_right", "sent"), ("intent", "intent")])
def test_a_nan_is_named_by_file_signal_and_row(plain_log, signal, action):
    ticks = plain_log.ticks.copy()
    ticks["intent"][:33] = 0.1
    ticks[signal][33] = np.nan
    with pytest.raises(DataError, match=rf"finite {signal} in made\.mcap; came nan in row 33"):
        cut(plain_log, ticks, action)


def test_a_nan_in_the_applied_torque_is_named_by_the_row_that_reports_it(plain_log):
    ticks = plain_log.ticks.copy()
    ticks["applied_left"][0] = np.nan
    cut(plain_log, ticks, "applied")
    ticks["applied_left"][99] = np.nan
    with pytest.raises(DataError, match=r"finite applied_left in made\.mcap; came nan in row 99"):
        cut(plain_log, ticks, "applied")


def test_a_nan_where_nobody_drove_does_no_harm(plain_log):
    ticks = plain_log.ticks.copy()
    ticks["mode"][70:] = Mode.DISARMED
    ticks["pitch_rate"][75] = np.nan
    assert len(cut(plain_log, ticks)[0]) == 1


def test_an_empty_recording_gives_no_episode(plain_log):
    assert cut(plain_log, plain_log.ticks[:0])[0] == []
    assert cut(plain_log, plain_log.ticks[:1])[0] == []


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    fallen = driven_ticks(220, seed=2)
    fallen["pitch"][200:] = 0.6
    return {
        "expert": record(folder / "lqr.mcap", driven_ticks(200, seed=1)),
        "suboptimal": record(folder / "operator.mcap", fallen, "suboptimal", synthetic=True),
        "drive": record(folder / "drive.mcap", driven_ticks(150, seed=3), task="drive"),
    }


def request(logs, *labels, **options):
    return Request({label: [logs[label]] for label in labels}, **options)


def test_the_same_logs_give_the_same_files(tmp_path, logs):
    for name in ("a", "b"):
        save_dataset(tmp_path / name, build_dataset(request(logs, "expert", "suboptimal", seed=3)))
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_another_seed_or_action_is_another_dataset(logs):
    hashes = {
        build_dataset(request(logs, "expert", "suboptimal", **options)).info.hash
        for options in ({}, {"seed": 1}, {"action": "applied"}, {"task": "drive"}, {"held_out_fraction": 0.5})
    }
    assert len(hashes) == 5


def test_each_label_comes_from_its_own_logs(logs):
    dataset = build_dataset(request(logs, "expert", "suboptimal"))
    for label, path in (("expert", "lqr.mcap"), ("suboptimal", "operator.mcap")):
        records = [record for record in dataset.info.episodes if record.label == label]
        assert {record.source for record in records} == {path}
        assert {record.source_sha256 for record in records} == {read_log(logs[label]).sha256}
        assert sum(record.rows for record in records) == dataset.select(label).size
    assert dataset.terminals.sum() == 1
    assert any("synthetic" in note and "operator.mcap" in note for note in dataset.info.notes)
    assert dataset.info.action_source == "sent"


def test_a_label_that_overrides_the_logs_own_is_named(logs):
    dataset = build_dataset(Request({"undesirable": [logs["expert"]]}))
    assert any("its own label is expert, overridden" in note for note in dataset.info.notes)
    assert dataset.select("undesirable").size == len(dataset)
    assert dataset.info.meta["sources"][0]["own_label"] == "expert"


def test_the_first_transitions_of_a_label_can_be_asked_for(logs):
    dataset = build_dataset(request(logs, "expert", "suboptimal", first={"expert": 140}, held_out_fraction=0.0))
    assert dataset.select("expert").size == 140
    assert dataset.select("suboptimal").size == 200
    assert "expert: the first 140 of 199 transitions" in dataset.info.notes
    more = build_dataset(request(logs, "expert", first={"expert": 500}))
    assert "expert: 199 transitions, fewer than the 500 asked for" in more.info.notes


def test_logs_of_two_tasks_need_the_task_named(logs):
    mixed = Request({"expert": [logs["expert"], logs["drive"]]})
    with pytest.raises(DataError, match="logs of one task; came drive, stand"):
        build_dataset(mixed)
    dataset = build_dataset(replace(mixed, task="drive"))
    assert [channel.name for channel in dataset.info.observation] == ["pitch", "pitch_rate", "velocity"]
    assert any("was recorded for the task stand, used for drive" in note for note in dataset.info.notes)


def test_a_recording_given_twice_is_refused(logs):
    with pytest.raises(DataError, match="each recording once"):
        build_dataset(Request({"expert": [logs["expert"]], "unlabeled": [logs["expert"]]}))


def test_a_cut_log_is_used_as_far_as_it_goes_and_named(tmp_path, logs):
    content = logs["suboptimal"].read_bytes()
    short = tmp_path / "short.mcap"
    short.write_bytes(content[: int(len(content) * 0.7)])
    dataset = build_dataset(Request({"suboptimal": [short]}))
    assert 0 < len(dataset) < 199
    assert any("the recording is cut" in note for note in dataset.info.notes)


def test_one_short_recording_is_refused(logs):
    with pytest.raises(DataError, match="at least two episodes"):
        build_dataset(request(logs, "expert", first={"expert": 30}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"action": "wish"}, "an action out of intent"),
        ({"task": "fly"}, "a task out of"),
        ({"held_out_fraction": 1.0}, "held-out fraction"),
        ({"held_out_fraction": -0.1}, "held-out fraction"),
        ({"first": {"expert": 0}}, "at least 1 transition of expert"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(logs, options, message):
    with pytest.raises(DataError, match=message):
        build_dataset(request(logs, "expert", **options))


def test_no_logs_or_foreign_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="at least one log"):
        build_dataset(Request({"expert": []}))
    foreign = tmp_path / "foreign.mcap"
    foreign.write_bytes(b"something else entirely" * 100)
    with pytest.raises(LogError, match=r"foreign\.mcap"):
        build_dataset(Request({"expert": [foreign]}))


def test_every_action_source_sums_signals_of_the_tick():
    assert {name for names in ACTION_SOURCES.values() for name in names} <= set(driven_ticks(1).dtype.names)


def driven_by(tmp_path, intent) -> list:
    """Two recordings with this intent on their ticks."""
    paths = []
    for index in range(2):
        ticks = driven_ticks(100, seed=index)
        ticks["intent"] = np.where(np.isfinite(intent), ticks["controller_torque"], np.nan)
        paths.append(record(tmp_path / f"{index}.mcap", ticks))
    return paths


@pytest.mark.parametrize(("takeovers", "rows"), [(False, [99, 99]), (True, [29, 39, 29, 39])])
def test_takeovers_are_the_stretches_in_which_a_person_drove(takeovers, rows, tmp_path):
    intent = np.full(100, np.nan)
    intent[10:40] = intent[60:] = 0.1
    paths = driven_by(tmp_path, intent)
    data = build_dataset(Request({"expert": paths}, held_out_fraction=0, takeovers=takeovers))
    assert [episode.rows for episode in data.info.episodes] == rows
    assert [source["operator"] for source in data.info.meta["sources"]] == [takeovers] * 2


@pytest.mark.parametrize(("intent", "operator"), [(np.nan, False), (0.3, True)])
def test_recordings_by_one_driver_alone_are_used_whole_with_takeovers_or_without(intent, operator, tmp_path):
    paths = driven_by(tmp_path, intent)
    for takeovers in (False, True):
        data = build_dataset(Request({"expert": paths}, held_out_fraction=0, takeovers=takeovers))
        assert len(data) == 198
        assert [source["operator"] for source in data.info.meta["sources"]] == [operator] * 2
