from __future__ import annotations

from pathlib import Path

import pytest

from robot_il.control.arming import OBSERVED_TICKS, ROUND_TRIP_LIMIT_S, checklist, require
from robot_il.control.device import Identity, State
from robot_il.errors import ArmingError
from robot_il.spec import LIMITS, Fault, Mode

GOOD = {"battery": 24.0, "mode": int(Mode.DISARMED), "faults": 0}


def states(count: int = OBSERVED_TICKS, lost: int = 0, period_us: int = 5000, **changes: float) -> list[State]:
    made = []
    for index in range(count):
        seq = index + (lost if index > count // 2 else 0)
        values: dict = dict.fromkeys(State._fields, 0.0) | GOOD | changes
        made.append(State(**values | {"state_seq": seq, "mcu_time_us": seq * period_us}))
    return made


def identity(round_trip_s: float = 0.001) -> Identity:
    return Identity(1, "0.1.0", 7, round_trip_s, 0)


def failed(checks) -> list[str]:
    return [check.name for check in checks if not check.passed]


def test_a_healthy_robot_passes(tmp_path: Path) -> None:
    checks = checklist(identity(), states(), tmp_path)
    require(checks)
    assert len(checks) == 8


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"mode": int(Mode.STOPPED)}, "MCU ready"),
        ({"faults": int(Fault.BATTERY_LOW)}, "MCU ready"),
        ({"pitch": float("nan")}, "sensors plausible"),
        ({"pitch": LIMITS.arm_tilt_rad + 0.001}, "robot upright"),
        ({"pitch_rate": 1.001}, "robot at rest"),
        ({"battery": LIMITS.battery_low_v - 0.01}, "battery"),
    ],
)
def test_each_fault_of_the_robot_is_named(changes: dict, name: str) -> None:
    assert name in failed(checklist(identity(), states(**changes), None))


@pytest.mark.parametrize(
    "changes", [{"pitch": LIMITS.arm_tilt_rad}, {"pitch_rate": 1.0}, {"battery": LIMITS.battery_low_v}]
)
def test_each_limit_passes_at_its_edge(changes: dict) -> None:
    assert failed(checklist(identity(), states(**changes), None)) == []


def test_a_slow_link_is_named() -> None:
    assert failed(checklist(identity(ROUND_TRIP_LIMIT_S), states(), None)) == []
    assert failed(checklist(identity(ROUND_TRIP_LIMIT_S * 1.01), states(), None)) == ["link round trip"]


@pytest.mark.parametrize("observed", [states(count=OBSERVED_TICKS - 1), states(lost=20), states(period_us=10_000), []])
def test_a_wrong_state_rate_is_named(observed: list[State]) -> None:
    assert failed(checklist(identity(), observed, None)) == ["state rate"]


def test_the_refusal_names_every_reason_with_its_remedy() -> None:
    checks = checklist(identity(1.0), states(pitch=1.0, battery=10.0), None)
    with pytest.raises(ArmingError) as refusal:
        require(checks)
    for check in checks:
        assert (check.name in str(refusal.value)) == (not check.passed)
    assert "charge it" in str(refusal.value)
    assert "low latency" in str(refusal.value)
