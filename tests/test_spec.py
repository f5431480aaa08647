from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from robot_il import spec, tasks
from robot_il.control.device import State
from robot_il.errors import ConfigError

NAMES = [signal.name for signal in spec.TICK_SIGNALS]


def test_a_tick_has_every_state_and_host_signal_once() -> None:
    assert sorted(NAMES) == sorted({s.name for s in (*spec.STATE_SIGNALS, *spec.HOST_SIGNALS)})


def test_a_tick_needs_no_padding() -> None:
    offset = 0
    for signal in spec.TICK_SIGNALS:
        width = int(signal.dtype[1])
        assert offset % width == 0
        assert spec.TICK_DTYPE.fields[signal.name][1] == offset
        offset += width
    assert spec.TICK_DTYPE.itemsize == offset


def test_state_names_follow_the_spec() -> None:
    assert State._fields == tuple(signal.name for signal in spec.STATE_SIGNALS)


@pytest.mark.parametrize("task", tasks.TASKS.values(), ids=lambda task: task.name)
def test_tasks_observe_signals_of_the_state(task: tasks.Task) -> None:
    assert set(task.observation) <= set(State._fields)
    assert task.fall_tilt_rad < spec.LIMITS.tilt_rad


def test_a_travelling_task_has_other_set_points_by_name() -> None:
    found = tasks.find_task("drive@0.4")
    assert found == dataclasses.replace(tasks.TASKS["drive"], name="drive@0.4", target_velocity_m_s=0.4)
    turning = tasks.find_task("drive_turn@-0.3")
    assert (turning.target_velocity_m_s, turning.target_yaw_rate_rad_s) == (-0.3, 0.5)
    assert tasks.find_task("drive@0").target_velocity_m_s == 0.0


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_task_is_found_under_its_own_name(name: str) -> None:
    assert tasks.find_task(name) is tasks.TASKS[name]
    assert tasks.is_task(name)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("drive@0.40", "write drive@0.4"),
        ("drive@0.2", "write drive"),
        ("drive@-0", "write drive@0"),
        ("drive@1.001", "choose a slower one"),
        ("drive@-1.5", "choose a slower one"),
        *(
            (name, "name one of them")
            for name in (
                "",
                "walk",
                "stand@0.1",
                "height@0.3",
                "drive@",
                "drive@nan",
                "drive@1e9",
                "drive@0.1234",
                "@0.4",
            )
        ),
        ("drive@0.4\n", "name one of them"),
        ("x" * 10_000, "name one of them"),
    ],
)
def test_any_other_name_of_a_task_is_refused_in_a_line(name: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=remedy) as caught:
        tasks.find_task(name)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
    assert not tasks.is_task(name)


@pytest.mark.parametrize("velocity", [-1.0, 1.0])
def test_a_set_point_may_be_as_large_as_the_bound(velocity: float) -> None:
    assert tasks.find_task(f"drive@{velocity:g}").target_velocity_m_s == velocity


def test_no_task_is_no_task() -> None:
    assert not tasks.is_task(None)


def test_message_types_are_unique_and_none_is_zero() -> None:
    types = [message.type for message in spec.MESSAGES.values()]
    assert len(set(types)) == len(types)
    assert 0 not in types


def test_every_signal_has_unit_and_meaning() -> None:
    for message in spec.MESSAGES.values():
        for field in message.fields:
            assert field.unit
            assert field.meaning


def test_the_hash_changes_with_any_contract_and_not_with_wording(tmp_path: Path) -> None:
    source = Path(spec.__file__).read_text()

    def hash_of(text: str) -> str:
        namespace: dict = {"__name__": "changed_spec"}
        import sys
        import types

        module = types.ModuleType("changed_spec")
        sys.modules["changed_spec"] = module
        exec(compile(text, "changed_spec", "exec"), module.__dict__)
        namespace = module.__dict__
        return namespace["SPEC_HASH"]

    assert hash_of(source) == spec.SPEC_HASH
    assert hash_of(source.replace("command_timeout_ms: int = 100", "command_timeout_ms: int = 101")) != spec.SPEC_HASH
    assert hash_of(source.replace('"pitch", "rad", "f4"', '"pitch", "deg", "f4"')) != spec.SPEC_HASH
    assert hash_of(source.replace("NOT_FINITE = 2", "NOT_FINITE = 12")) != spec.SPEC_HASH
    assert hash_of(source.replace("battery voltage", "voltage of the battery")) == spec.SPEC_HASH


def test_every_error_message_says_three_things() -> None:
    from robot_il.errors import LinkError

    error = LinkError("a robot on /dev/ttyACM0", "silence for 1 s", "check its power")
    assert re.fullmatch("expected .*; came .*; check its power", str(error))
