"""The figures: every signal's unit on its axis, every panel filled, and files of the kinds that were asked for."""

import numpy as np
import pytest

from robot_il.cli.main import build_parser
from robot_il.errors import ConfigError, LogError
from robot_il.learning.dataset import save_dataset
from robot_il.learning.figures_dataset import _autocorrelation, dataset
from robot_il.learning.figures_log import recording
from robot_il.learning.figures_log_marks import MOST_MARKS, drivers, marks
from robot_il.recording.episodes import read_with_book
from robot_il.recording.reader import read_log
from robot_il.spec import Fault, Mode
from tests.learning.recordings import episode, made_dataset
from tests.recording.conftest import names, plausible_ticks, write_log
from tests.recording.driving import driving_ticks
from tests.recording.episode_logs import at, recorded, write_session

KINDS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture
def run(capsys):
    def call(*arguments: object) -> str:
        parsed = build_parser().parse_args(list(map(str, arguments)))
        parsed.run(parsed)
        return capsys.readouterr().out

    return call


def eventful() -> np.ndarray:
    """A drive with everything in it: a person, a controller, a fallback, a gap, a stop."""
    ticks = driving_ticks(2000)
    ticks["intent"][200:800] = ticks["controller_torque"][200:800]
    ticks["stick_forward"], ticks["stick_turn"] = 0.5, -0.5
    ticks["source"][1000:1200] = 2
    ticks["source"][1900:] = 0
    ticks["mode"][1900:] = Mode.STOPPED
    ticks["faults"][1900:] = Fault.TILT
    ticks["state_seq"][1500:] += 9
    return ticks


@pytest.mark.parametrize(("told", "wanted", "drawn"), [(0.3, np.nan, False), (0.3, 0.3, True), (None, np.nan, True)])
def test_the_height_is_drawn_where_the_legs_moved_or_somebody_asked(tmp_path, told, wanted, drawn):
    ticks = driving_ticks(400)
    ticks["height"] = np.linspace(0.2, 0.3, 400) if told is None else told
    ticks["height_wanted"] = wanted
    figure = recording(read_log(write_log(tmp_path / "log.mcap", ticks)))
    assert ("height, m" in [axes.get_ylabel() for axes in figure.axes]) == drawn


@pytest.fixture
def session(tmp_path):
    return write_session(tmp_path / "s.mcap", eventful(), [*recorded("e1", 0.5, 4), *recorded("e2", 5, 9)])


@pytest.mark.parametrize("ending", KINDS)
def test_a_recording_is_drawn_into_a_file_of_the_kind_that_its_name_says(run, session, tmp_path, ending):
    text = run("log", "plot", session, "--out", tmp_path / f"figure{ending}")
    assert (tmp_path / f"figure{ending}").read_bytes().startswith(KINDS[ending])
    assert str(tmp_path / f"figure{ending}") in text
    assert names(tmp_path) == [f"figure{ending}", "s.mcap"]


def test_the_figure_is_named_after_the_recording_and_its_episode(run, session, tmp_path):
    run("log", "plot", session)
    run("log", "plot", session, "--episode", "e2")
    assert names(tmp_path) == ["s.e2.png", "s.mcap", "s.png"]


def test_another_kind_of_file_is_refused_before_anything_is_drawn(run, session, tmp_path):
    with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf"):
        run("log", "plot", session, "--out", tmp_path / "figure.gif")


def test_an_episode_that_is_not_there_is_an_error_that_names_those_that_are(run, session):
    with pytest.raises(LogError, match="e1, e2"):
        run("log", "plot", session, "--episode", "e7")


def test_a_recording_without_ticks_cannot_be_drawn(run, tmp_path):
    with pytest.raises(LogError, match="expected ticks"):
        run("log", "plot", write_log(tmp_path / "none.mcap", plausible_ticks(0)))


def panels(figure):
    return {axes.get_ylabel().replace("\n", " "): axes for axes in figure.axes if axes.get_ylabel()}


def test_every_panel_has_its_unit_and_something_in_it_over_one_time_axis(session):
    log, book = read_with_book(session)
    figure = recording(log, book.episodes)
    drawn = panels(figure)
    assert list(drawn) == [
        "pitch, rad",
        "pitch rate, rad/s",
        "velocity, m/s",
        "position, m",
        "yaw rate, rad/s",
        "stick, 1",
        "torque of both wheels, N m",
        "difference, N m",
        "margin, 1",
        "largest time, µs",
        "battery, V",
    ]
    for name, axes in drawn.items():
        assert any(np.isfinite(line.get_ydata()).sum() > 1 for line in axes.lines), name
    assert {axes.get_xlim() for axes in figure.axes} == {figure.axes[0].get_xlim()}
    assert figure.axes[-1].get_xlabel() == "time since the first tick, s"


def test_the_whole_chain_of_the_torque_is_drawn_and_named(session):
    axes = panels(recording(*_read(session)))["torque of both wheels, N m"]
    assert {"intent", "controller", "limited", "sent", "applied"} <= {line.get_label() for line in axes.lines}


def _read(path):
    log, book = read_with_book(path)
    return log, book.episodes


def test_what_a_recording_does_not_know_has_no_empty_panel(tmp_path):
    ticks = plausible_ticks(400)
    for name in ("margin", "stick_forward", "stick_turn"):
        ticks[name] = np.nan
    drawn = panels(recording(read_log(write_log(tmp_path / "run.mcap", ticks))))
    assert not {"margin, 1", "stick, 1"} & set(drawn)


def test_a_recording_of_one_tick_or_of_nobody_driving_can_be_drawn(run, tmp_path):
    run("log", "plot", write_log(tmp_path / "one.mcap", plausible_ticks(1)))
    ticks = plausible_ticks(100)
    ticks["source"], ticks["host_send_ns"] = 0, 0
    ticks["controller_torque"] = ticks["limited_torque"] = np.nan
    run("log", "plot", write_log(tmp_path / "idle.mcap", ticks))


def test_a_gap_is_marked_where_it_is(session):
    axes = panels(recording(*_read(session)))["largest time, µs"]
    (gap,) = [line for line in axes.lines if line.get_label() == "gap"]
    assert gap.get_xdata() == pytest.approx([1499 * 0.005], abs=0.005)


def test_who_was_in_charge_is_told_from_source_and_intent():
    stretches = drivers(eventful())
    assert [(stretch.text, stretch.start, stretch.stop) for stretch in stretches] == [
        ("controller", 0, 200),
        ("person", 200, 800),
        ("controller", 800, 1000),
        ("fallback", 1000, 1200),
        ("controller", 1200, 1900),
        ("nobody", 1900, 2000),
    ]


def test_modes_and_faults_are_marked_and_events_beside_them(tmp_path):
    log = read_log(write_log(tmp_path / "run.mcap", eventful()))
    log.events.extend(
        [
            {"host_ns": at(2), "name": "take_over", "detail": {}},
            {"host_ns": at(1), "name": "run_started", "detail": {"mode": "assisted"}},
            {"host_ns": at(3), "name": "supervisor", "detail": {}},
            {"host_ns": 5, "name": "long_before", "detail": {}},
            {"host_ns": "nonsense", "name": "take_over"},
        ]
    )
    assert [(mark.text, mark.bad) for mark in marks(log)] == [
        ("run started: assisted", False),
        ("take over", False),
        ("stopped", True),
        ("fault tilt", True),
    ]


def test_so_many_marks_and_no_more(tmp_path):
    log = read_log(write_log(tmp_path / "run.mcap", plausible_ticks(400)))
    log.events.extend({"host_ns": at(1), "name": "mark", "detail": {}} for _ in range(500))
    assert len(marks(log)) == MOST_MARKS


@pytest.fixture(scope="module")
def data():
    return made_dataset(
        *(episode(rows, label, seed=rows) for rows in (40, 60, 80, 50, 70) for label in ("expert", "suboptimal"))
    )


@pytest.mark.parametrize("ending", KINDS)
def test_a_dataset_is_drawn_into_a_file_of_the_kind_that_its_name_says(run, tmp_path, data, ending):
    save_dataset(tmp_path / "data", data)
    run("dataset", "plot", tmp_path / "data", "--out", tmp_path / f"figure{ending}")
    assert (tmp_path / f"figure{ending}").read_bytes().startswith(KINDS[ending])


def test_a_datasets_figure_lies_beside_it_not_in_it(run, tmp_path, data):
    save_dataset(tmp_path / "data", data)
    before = names(tmp_path / "data")
    run("dataset", "plot", tmp_path / "data")
    assert names(tmp_path) == ["data", "data.png"]
    assert names(tmp_path / "data") == before


def test_every_label_has_its_portrait_and_every_signal_its_histogram_with_units(data):
    figure = dataset(data)
    titles = [axes.get_title(loc="left").split(":")[0] for axes in figure.axes]
    assert [title for title in titles if title] == ["expert", "suboptimal"]
    below = {axes.get_xlabel() for axes in figure.axes}
    assert below >= {"pitch, rad", "pitch rate, rad/s", "position, m", "velocity, m/s", "wheel torque, N m (action)"}


def test_rows_for_training_and_held_out_are_those_of_the_split(data):
    words = [text.get_text() for axes in dataset(data).axes for text in axes.texts]
    for label in ("expert", "suboptimal"):
        train, held_out = (len(data.select(label, held_out=kept)) for kept in (False, True))
        assert f" {train} + {held_out}" in words


def test_a_foreign_dataset_of_one_signal_can_be_drawn():
    assert dataset(made_dataset(*(episode(30, seed=n, observed=4) for n in range(3)))).axes


def test_the_autocorrelation_is_that_of_a_sine_and_never_reaches_over_an_episodes_end():
    values = np.sin(2 * np.pi * np.arange(1000) / 100)
    found = _autocorrelation(values, np.zeros(1000, int), 101)
    assert found[[0, 25, 50, 100]] == pytest.approx([1, 0, -1, 1], abs=0.02)
    jumpy = _autocorrelation(np.tile([1.0, -1.0], 50), np.repeat(np.arange(50), 2), 3)
    assert jumpy[:2] == pytest.approx([1, -1])
    assert np.isnan(jumpy[2])
