"""Which logs are readable is decided by their format version and their own schema, not by their spec's hash."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mcap.writer import Writer

from robot_il.cli.main import main
from robot_il.errors import LogError
from robot_il.learning.dataset import load_dataset
from robot_il.recording import schema
from robot_il.recording.layouts import ADDED_IN
from robot_il.recording.reader import read_log
from robot_il.recording.rewrite import recover, relabel
from robot_il.recording.session import Session
from robot_il.spec import SIGNALS, SPEC_HASH, TICK_DTYPE, Fault, Mode
from tests.recording.conftest import SESSION, plausible_ticks

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
OTHER_SPEC = "0123456789abcdef" * 4


def written(
    path: Path, *, text: str | None = None, version: str = str(schema.FORMAT_VERSION), ticks=None, session=SESSION
) -> Path:
    """A log of made-up metadata and schema, with ``ticks`` as they are."""
    ticks = plausible_ticks(60) if ticks is None else ticks
    with path.open("wb") as stream:
        writer = Writer(stream, chunk_size=4096, enable_data_crcs=True)
        writer.start(library="robot-il test")
        text = schema.tick_schema() if text is None else text
        kind = writer.register_schema(schema.TICK_SCHEMA_NAME, "ros2msg", text.encode())
        metadata = {"format_version": version, "spec_hash": OTHER_SPEC}
        assert writer.register_channel(schema.TICK_TOPIC, "cdr", kind, metadata) == schema.TICK_CHANNEL
        for topic, (name, described) in schema.JSON_SCHEMAS.items():
            writer.register_channel(topic, "json", writer.register_schema(name, "jsonschema", described))
        told = json.dumps({**session.to_json(), "written_by": {}}).encode()
        writer.add_message(schema.SESSION_CHANNEL, 0, told, 0)
        for number, row in enumerate(ticks):
            writer.add_message(schema.TICK_CHANNEL, number, schema.CDR_HEADER + row.tobytes(), number, number)
        writer.finish()
    return path


def refusal(path: Path) -> str:
    with pytest.raises(LogError) as caught:
        read_log(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_log_of_another_spec_with_the_same_signals_is_read(tmp_path):
    log = read_log(written(tmp_path / "log.mcap"))
    assert log.status == "complete"
    assert log.ticks.tobytes() == plausible_ticks(60).tobytes()
    assert (log.layout.spec_hash, log.layout.missing) == (OTHER_SPEC, ())


def test_another_wording_of_a_meaning_is_no_other_signal(tmp_path):
    text = schema.tick_schema().replace("battery voltage", "voltage of the pack")
    assert len(read_log(written(tmp_path / "log.mcap", text=text)).ticks) == 60


@pytest.mark.parametrize("version", ["0", "5", "99", "-1", "two", "", "none", "1" * 400])
def test_an_unknown_format_version_is_refused_with_both_named(tmp_path, version):
    message = refusal(written(tmp_path / "log.mcap", version=version))
    assert f"expected log format 1 to {schema.FORMAT_VERSION} in" in message
    assert f"came log format {version[:12]}" in message


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("float32 pitch  # [rad]", "float32 pitch  # [deg]"),
        ("float32 battery  # [V]", "uint32 battery  # [V]"),
        ("float32 battery  # [V]", "float32 voltage  # [V]"),
    ],
)
def test_a_signal_of_another_unit_type_or_name_is_refused_with_both_named(tmp_path, line, other):
    assert line in schema.tick_schema()
    message = refusal(written(tmp_path / "log.mcap", text=schema.tick_schema().replace(line, other)))
    ours, theirs = (part.replace("  # ", " ") for part in (line, other))
    assert f"expected {ours} in a tick of log format {schema.FORMAT_VERSION}" in message
    assert f"came {theirs}" in message or "came no battery" in message
    assert SPEC_HASH[:12] in message
    assert OTHER_SPEC[:12] in message


def test_a_signal_that_this_build_does_not_know_is_refused(tmp_path):
    message = refusal(written(tmp_path / "log.mcap", text=schema.tick_schema() + "uint8 horn  # [1] loud\n"))
    assert "expected no horn in a tick" in message
    assert "came uint8 horn [1]" in message


def test_a_signal_may_be_missing_only_in_a_format_older_than_it(tmp_path):
    lines = [line for line in schema.tick_schema().splitlines() if " margin " not in line]
    message = refusal(written(tmp_path / "log.mcap", text="\n".join(lines)))
    assert f"expected float32 margin [1] in a tick of log format {schema.FORMAT_VERSION}" in message


def test_format_1_with_a_signal_of_format_2_is_refused(tmp_path):
    newest = next(name for name in TICK_DTYPE.names if name in ADDED_IN)
    message = refusal(written(tmp_path / "log.mcap", version="1"))
    assert f"expected no {newest} in a tick of log format 1" in message
    assert f"came float32 {newest} [" in message


@pytest.mark.parametrize("text", ["", "float32\n", "float32 pitch # [rad] one blank\n", "uint8 a  # [1] \n" * 2])
def test_a_schema_that_makes_no_sense_is_refused(tmp_path, text):
    refusal(written(tmp_path / "log.mcap", text=text))


def test_signals_in_another_order_of_the_same_widths_are_read_by_their_names(tmp_path):
    names = list(TICK_DTYPE.names)
    first, second = names.index("pitch"), names.index("battery")
    names[first], names[second] = names[second], names[first]
    lines = {line.split()[1]: line for line in schema.tick_schema().splitlines()}
    ticks = plausible_ticks(60)
    moved = np.zeros(60, [(name, TICK_DTYPE[name]) for name in names])
    for name in names:
        moved[name] = ticks[name]
    text = "\n".join(lines[name] for name in names)
    assert read_log(written(tmp_path / "log.mcap", text=text, ticks=moved)).ticks.tobytes() == ticks.tobytes()


def test_an_order_in_which_cdr_would_pad_is_refused(tmp_path):
    lines = schema.tick_schema().splitlines()
    assert "widest type first" in refusal(written(tmp_path / "log.mcap", text="\n".join(lines[::-1])))


def test_ticks_of_another_size_than_the_schema_says_are_refused(tmp_path):
    short = plausible_ticks(60).view("u1").reshape(60, -1)[:, :-4]
    assert "bytes, as the schema in" in refusal(written(tmp_path / "log.mcap", ticks=short))


def test_a_tick_of_another_size_among_the_others_is_damage(tmp_path):
    rows = [*plausible_ticks(20), np.zeros(8, "u1"), *plausible_ticks(20)]
    log = read_log(written(tmp_path / "log.mcap", ticks=rows))
    assert (log.status, len(log.ticks), log.lost_ticks) == ("damaged", 40, 1)
    assert any("among those of" in problem for problem in log.problems)


def test_a_signal_that_came_later_is_a_float_that_can_say_that_it_is_unknown():
    assert all(SIGNALS[name].dtype == "f4" for name in ADDED_IN)
    assert max(ADDED_IN.values()) <= schema.FORMAT_VERSION


def test_the_codes_in_a_tick_are_those_of_this_format():
    """A code with another meaning is another format: raise FORMAT_VERSION, and refuse or translate the older one."""
    assert schema.FORMAT_VERSION == 4
    assert {mode.name: int(mode) for mode in Mode} == {"DISARMED": 0, "ARMED": 1, "STOPPED": 2, "ESTOPPED": 3}
    faults = ["COMMAND_TIMEOUT", "TILT", "BATTERY_LOW", "SENSOR_NOT_FINITE", "ESTOP", "SENSOR_STALE"]
    assert {fault.name: int(fault) for fault in Fault} == {name: 1 << bit for bit, name in enumerate(faults)}


@pytest.fixture
def log_v1(tmp_path) -> Path:
    return Path(shutil.copy(GOLDEN / "log_v1.mcap", tmp_path / "old.mcap"))


def test_info_names_the_format_the_spec_and_what_is_missing(log_v1, capsys):
    missing = [name for name in TICK_DTYPE.names if name in ADDED_IN]
    assert main(["log", "info", str(log_v1)]) == 0
    assert (
        f"format     1, spec c00149da84fe; it has no {', '.join(missing)}, which reads as NaN"
        in capsys.readouterr().out
    )
    assert main(["log", "info", "--json", str(log_v1)]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["format_version"], values["missing_signals"]) == (1, missing)


def test_a_signal_that_was_not_recorded_is_no_finding(log_v1, capsys):
    main(["log", "check", str(log_v1)])
    printed = capsys.readouterr().out
    assert not [name for name in ADDED_IN if f"{name} finite" in printed]


def test_a_relabelled_log_of_format_1_is_of_todays_format_and_says_so(log_v1):
    before = read_log(log_v1)
    relabel(log_v1, "expert")
    after = read_log(log_v1, allow_incomplete=False)
    assert (after.label, after.layout.format_version, after.layout.missing) == ("expert", schema.FORMAT_VERSION, ())
    assert after.ticks.tobytes() == before.ticks.tobytes()
    assert after.written_by == {**before.written_by, "converted_from_format": 1}


def test_a_cut_log_of_format_1_is_recovered(log_v1):
    log_v1.write_bytes(log_v1.read_bytes()[:-4000])
    before = read_log(log_v1)
    made = recover(log_v1)
    after = read_log(made.path, allow_incomplete=False)
    assert made.ticks == len(before.ticks) > 0
    assert after.ticks.tobytes() == before.ticks.tobytes()


def format_1(path: Path, ticks: np.ndarray, **settings: Session) -> Path:
    """These ticks as format 1 would have kept them."""
    names = [name for name in TICK_DTYPE.names if name not in ADDED_IN]
    lines = {line.split()[1]: line for line in schema.tick_schema().splitlines()}
    old = np.zeros(len(ticks), [(name, TICK_DTYPE[name]) for name in names])
    for name in names:
        old[name] = ticks[name]
    return written(path, text="\n".join(lines[name] for name in names), version="1", ticks=old, **settings)


def test_a_dataset_of_format_1_is_that_of_the_same_ticks_today(tmp_path, capsys):
    ticks = plausible_ticks(400)
    ticks["margin"] = 0.5
    logs = {"old": format_1(tmp_path / "old.mcap", ticks), "new": written(tmp_path / "new.mcap", ticks=ticks)}
    for name, path in logs.items():
        assert main(["dataset", "build", "--expert", str(path), "--out", str(tmp_path / name)]) == 0, (
            capsys.readouterr()
        )
    old, new = (load_dataset(tmp_path / name) for name in logs)
    assert old.observations.tobytes() == new.observations.tobytes()
    assert old.actions.tobytes() == new.actions.tobytes()
    assert len(old.observations) > 300


def test_a_replay_of_a_format_without_what_the_guard_judges_is_refused(tmp_path, capsys):
    assert main(["replay", str(format_1(tmp_path / "old.mcap", plausible_ticks(60)))]) == 1
    said = capsys.readouterr().err
    assert (
        "log format 1, which has no accel_x, accel_z; replay it with the version of robot-il that recorded it" in said
    )
