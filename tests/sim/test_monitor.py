from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware_bridge.protocol import encode
from robot_il.errors import ConfigError
from robot_il.spec import STATE_SIGNALS
from sim.monitor import REMEMBERED, CommandWatch, EventLog


def state(seq: int, acknowledged: int) -> bytes:
    known = {"mcu_time_us": seq * 5000, "state_seq": seq, "command_seq": acknowledged}
    return encode("STATE", *(known.get(signal.name, 0) for signal in STATE_SIGNALS))


def test_the_log_is_complete_after_every_line(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "twin.jsonl")
    log.write({"mcu_time_us": 1, "event": "armed"})
    log.write({"mcu_time_us": 2, "event": "stopped", "faults": ["tilt"]})
    lines = (tmp_path / "twin.jsonl").read_text().splitlines()
    log.close()
    assert [json.loads(line)["event"] for line in lines] == ["armed", "stopped"]


def test_a_log_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "twin.jsonl").write_text("precious")
    with pytest.raises(ConfigError):
        EventLog(tmp_path / "twin.jsonl")
    assert (tmp_path / "twin.jsonl").read_text() == "precious"


def test_the_watch_knows_which_state_the_acknowledged_command_answers() -> None:
    watch = CommandWatch()
    watch.sent(state(1, 0) + state(2, 0))
    assert watch.answered_us is None
    watch.received(encode("COMMAND", 10, 2, 0.0, 0.0, 0.0) + encode("COMMAND", 11, 1, 0.0, 0.0, 0.0))
    watch.sent(state(3, 10))
    assert watch.answered_us == 2 * 5000
    assert watch.states == 3


def test_a_command_that_was_never_acknowledged_does_not_count() -> None:
    watch = CommandWatch()
    watch.sent(state(1, 0) + state(2, 0))
    watch.received(encode("COMMAND", 10, 1, 0.0, 0.0, 0.0))
    watch.sent(state(3, 10))
    watch.received(encode("COMMAND", 12, 3, 0.0, 0.0, 0.0))
    watch.sent(state(4, 10))
    assert watch.answered_us == 1 * 5000


def test_a_new_host_that_counts_from_one_is_followed_too() -> None:
    watch = CommandWatch()
    for _ in range(2):
        watch.restart()
        watch.sent(state(1, 7))
        assert watch.answered_us is None
        watch.received(encode("COMMAND", 1, 1, 0.0, 0.0, 0.0))
        watch.sent(state(2, 1))
        assert watch.answered_us == 5000


def test_the_watch_remembers_no_more_than_it_needs() -> None:
    watch = CommandWatch()
    for seq in range(1, 3 * REMEMBERED):
        watch.received(encode("COMMAND", seq, seq, 0.0, 0.0, 0.0))
        watch.sent(state(seq, 0))
    assert len(watch._state_us) == len(watch._answers) == REMEMBERED
