from __future__ import annotations

import math
from pathlib import Path

import pytest

from robot_il.control.arming import (
    CLOCK_DRIFT_LIMIT,
    FREE_DISK_BYTES,
    GRAVITY_M_S2,
    GRAVITY_MISMATCH_RAD,
    GRAVITY_TOLERANCE_M_S2,
    OBSERVED_S,
    ROUND_TRIP_LIMIT_S,
    check_log,
    check_self_test,
    check_timing,
    checklist,
    require,
)
from robot_il.control.controllers import SyntheticOperator
from robot_il.control.device import Identity, State
from robot_il.control.loop import Arrival
from robot_il.control.region_file import load_region
from robot_il.control.schedule import as_told
from robot_il.errors import ArmingError
from robot_il.robot import load_robot
from robot_il.spec import LIMITS, Fault, Mode
from robot_il.tasks import TASKS
from tests.scripted_robot import GAIN

HEIGHT_M = as_told(load_robot().height_m)
GOOD = {"battery": 24.0, "mode": int(Mode.DISARMED), "faults": 0, "height": HEIGHT_M}


OBSERVED_TICKS = round(OBSERVED_S * 200)
ALIVE = ("pitch_rate", "accel_x", "accel_z")


def states(
    count: int = OBSERVED_TICKS,
    lost: int = 0,
    period_us: int = 5000,
    drift: float = 0.0,
    noise: float = 1e-3,
    **changes: float,
) -> list[Arrival]:
    """As they arrive 1 ms after they were sampled, 20 to 80 us late, from a robot whose clock is ``drift`` slow."""
    made = []
    for index in range(count):
        seq = index + (lost if index > count // 2 else 0)
        values: dict = dict.fromkeys(State._fields, 0.0) | GOOD | held_at(changes.get("pitch", 0.0)) | changes
        values |= {name: values[name] - noise * (index % 2) for name in ALIVE}
        values |= {"state_seq": seq, "mcu_time_us": seq * period_us}
        late_ns = 1_000_000 + 20_000 * (1 + index * 7 % 4)
        made.append(Arrival(State(**values), round(seq * period_us * 1000 * (1 + drift)) + late_ns))
    return made


def held_at(pitch: float) -> dict[str, float]:
    """What an accelerometer feels in a robot that is held still."""
    return {"accel_x": -GRAVITY_M_S2 * math.sin(pitch), "accel_z": GRAVITY_M_S2 * math.cos(pitch)}


def identity(round_trip_s: float = 0.001) -> Identity:
    return Identity(1, "0.1.0", 7, round_trip_s, 0)


def failed(checks) -> list[str]:
    return [check.name for check in checks if not check.passed]


def test_a_healthy_robot_passes(tmp_path: Path) -> None:
    checks = checklist(identity(), states(), tmp_path)
    require(checks)
    assert len(checks) == 12


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


@pytest.mark.parametrize(
    ("held", "name"),
    [
        ({"pitch": 0.3}, []),
        ({"pitch": 0.34, "velocity": 0.1, "pitch_rate": 0.3}, []),
        ({"pitch": 0.34, "velocity": 0.9, "pitch_rate": 0.9}, ["inside the region"]),
        ({"velocity": -2.0}, ["inside the region"]),
    ],
)
def test_outside_the_region_arming_is_refused(held: dict, name: list[str]) -> None:
    region = load_region(load_robot()).region
    checks = checklist(identity(), states(**held), None, region)
    assert failed(checks) == name
    shown = checks[-1]
    assert f"margin {region.margin(states(**held)[0].state):+.2f}" in shown.found
    assert f"within {region.at_rest_rad:.2f} rad" in shown.remedy


@pytest.mark.parametrize("position", [0, 20, OBSERVED_TICKS - 1])
def test_a_state_without_numbers_is_not_inside_the_region(position: int) -> None:
    observed = states()
    observed[position] = states(velocity=float("nan"))[position]
    assert "inside the region" in failed(checklist(identity(), observed, None, load_region(load_robot()).region))


@pytest.mark.parametrize("height_m", [0.0, 0.19, 0.4, float("nan")])
def test_a_height_that_the_robots_legs_do_not_reach_is_refused_by_name(height_m: float) -> None:
    region = load_region(load_robot()).region
    checks = checklist(identity(), [*states()[:-1], states(height=height_m)[-1]], None, region)
    assert "leg height" in failed(checks)
    assert "robot-il robot show" in next(check.remedy for check in checks if check.name == "leg height")


@pytest.mark.parametrize("height_m", load_robot().heights_m)
def test_the_ends_of_the_legs_way_may_be_armed_at(height_m: float) -> None:
    region = load_region(load_robot()).region
    assert failed(checklist(identity(), states(height=as_told(height_m)), None, region)) == []


def test_one_state_outside_the_region_is_enough_to_refuse() -> None:
    passing = [*states()[:-1], states(velocity=3.0)[-1]]
    assert failed(checklist(identity(), passing, None, load_region(load_robot()).region)) == ["inside the region"]


def test_the_region_refuses_at_its_edge() -> None:
    robot_region = load_region(load_robot()).region
    edge = robot_region.of_nominal.extent[2] * 10  # far outside; the edge itself by bisection
    low, high = 0.0, edge
    for _ in range(60):
        middle = 0.5 * (low + high)
        inside = not failed(checklist(identity(), states(velocity=middle), None, robot_region))
        low, high = (middle, high) if inside else (low, middle)
    assert robot_region.margin(states(velocity=low)[0].state) == pytest.approx(0.0, abs=1e-9)


def test_a_slow_link_is_named() -> None:
    assert failed(checklist(identity(ROUND_TRIP_LIMIT_S), states(), None)) == []
    assert failed(checklist(identity(ROUND_TRIP_LIMIT_S * 1.01), states(), None)) == ["link round trip"]


@pytest.mark.parametrize("observed", [states(count=OBSERVED_TICKS - 1), states(lost=20), states(period_us=10_000), []])
def test_a_wrong_state_rate_is_named(observed: list[Arrival]) -> None:
    assert failed(checklist(identity(), observed, None)) == ["state rate"]


def test_the_refusal_names_every_reason_with_its_remedy() -> None:
    checks = checklist(identity(1.0), states(pitch=1.0, battery=10.0), None)
    with pytest.raises(ArmingError) as refusal:
        require(checks)
    for check in checks:
        assert (f"{check.name} (" in str(refusal.value)) == (not check.passed)
    assert "charge it" in str(refusal.value)
    assert "low latency" in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"noise": 0.0}, "inertial sensor alive"),
        ({"accel_z": GRAVITY_M_S2 + GRAVITY_TOLERANCE_M_S2 + 0.01}, "gravity"),
        ({"accel_x": -GRAVITY_M_S2 * math.tan(GRAVITY_MISMATCH_RAD * 1.01)}, "gravity"),
        ({"pitch": 0.2, **held_at(-0.2)}, "gravity"),
        ({"drift": CLOCK_DRIFT_LIMIT * 1.1}, "robot's clock"),
        ({"drift": -CLOCK_DRIFT_LIMIT * 1.1}, "robot's clock"),
    ],
)
def test_a_sensor_or_a_clock_that_is_wrong_is_named(changes: dict, name: str) -> None:
    assert failed(checklist(identity(), states(**changes), None)) == [name]


@pytest.mark.parametrize(
    "changes",
    [
        {"accel_z": GRAVITY_M_S2 + GRAVITY_TOLERANCE_M_S2 - 0.01},
        {"accel_x": -GRAVITY_M_S2 * math.tan(GRAVITY_MISMATCH_RAD * 0.99)},
        {"drift": CLOCK_DRIFT_LIMIT * 0.9},
    ],
)
def test_a_sensor_or_a_clock_passes_within_its_tolerance(changes: dict) -> None:
    assert failed(checklist(identity(), states(**changes), None)) == []


def test_arrivals_that_are_late_at_times_do_not_look_like_a_wrong_clock() -> None:
    late = [
        arrival._replace(receive_ns=arrival.receive_ns + (3_000_000 if index % 5 else 0))
        for index, arrival in enumerate(states())
    ]
    assert failed(checklist(identity(), late, None)) == []


def test_too_little_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, wrong in ((FREE_DISK_BYTES, []), (FREE_DISK_BYTES - 1, ["free disk"])):
        monkeypatch.setattr("shutil.disk_usage", lambda folder, free=free: type("Usage", (), {"free": free})())
        assert failed(checklist(identity(), states(), tmp_path)) == wrong


class Asked:
    """A controller that takes a while, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.identity: dict = {"name": "asked"}
        self.intent = math.nan
        self.resets = 0
        self.failure = failure

    def reset(self) -> None:
        self.resets += 1

    def torque(self, state: State) -> float:
        if self.failure:
            raise self.failure
        return 0.0


def test_late_states_are_named() -> None:
    assert check_timing(states(), [2500.0] * OBSERVED_TICKS, Asked(), 200).passed
    assert not check_timing(states(), [2501.0] * OBSERVED_TICKS, Asked(), 200).passed
    assert not check_timing(states(), [501.0] * OBSERVED_TICKS, Asked(), 1000).passed


def test_a_controller_that_raises_is_named_before_it_drives() -> None:
    check = check_timing(states(), [], Asked(ValueError("no such layer")), 200)
    assert not check.passed
    assert "no such layer" in check.found


def test_a_controller_forgets_what_it_was_asked_for_practice() -> None:
    operator = SyntheticOperator(GAIN, TASKS["stand"], seed=3)
    fresh = [operator.torque(arrival.state) for arrival in states()]
    operator.reset()
    check_timing(states(), [], operator, 200)
    assert [operator.torque(arrival.state) for arrival in states()] == fresh


def test_a_recorder_that_stopped_and_a_policy_that_changed_are_named() -> None:
    assert check_log("").passed
    assert not check_log("the disk is full").passed
    assert check_self_test(16, 1e-5, 1e-5).passed
    assert not check_self_test(16, 1.1e-5, 1e-5).passed
    assert not check_self_test(16, math.nan, 1e-5).passed
