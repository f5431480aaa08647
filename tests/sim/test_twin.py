from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.protocol import encode
from robot_il.robot import Robot
from robot_il.spec import LIMITS, PROTOCOL_VERSION, SPEC_HASH_U64, Mode
from robot_il.tasks import TASKS
from sim.conditions import Conditions, nominal, sample_conditions
from sim.hand import PICK_UP_MS
from sim.twin import Twin
from tests.sim.conftest import Drive

DriveMaker = Callable[..., Drive]


def names(drive: Drive) -> list[str]:
    return [event["event"] for event in drive.twin.events]


def rms(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize("pitch", [-0.2, 0.2])
def test_lqr_catches_the_noisy_twin_from_a_lean_and_stands_for_ten_seconds(drive: DriveMaker, pitch: float) -> None:
    host = drive(dataclasses.replace(nominal(TASKS["stand"]), initial_pitch_rad=pitch))
    host.arm()
    host.balance(10.0)
    assert host.truths[-1].time_s == pytest.approx(10.0, abs=0.05)
    assert not host.twin.fallen
    assert rms([truth.pitch for truth in host.truths[1000:]]) < 0.02
    assert abs(host.truths[-1].position) < 0.1


@pytest.mark.parametrize("impulse", [-4.0, 4.0])
def test_lqr_withstands_a_push_of_four_newton_seconds(drive: DriveMaker, impulse: float) -> None:
    host = drive(dataclasses.replace(nominal(TASKS["stand"]), pushes=((1.0, impulse),)))
    host.arm()
    host.balance(5.0)
    before, after = ([t.pitch for t in host.truths if low < t.time_s < high] for low, high in ((0, 1), (1, 1.5)))
    assert max(map(abs, after)) > 3 * max(map(abs, before))
    assert not host.twin.fallen
    assert abs(host.truths[-1].pitch) < 0.03


def test_lqr_drives_the_randomised_twin_at_about_the_tasks_speed(drive: DriveMaker) -> None:
    host = drive(nominal(TASKS["drive"]), task="drive")
    host.arm()
    host.balance(8.0)
    assert not host.twin.fallen
    assert np.mean([truth.velocity for truth in host.truths[800:]]) == pytest.approx(0.2, abs=0.1)
    assert host.truths[-1].position > 0.8


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_lqr_survives_drawn_episodes(drive: DriveMaker, robot: Robot, seed: int) -> None:
    host = drive(sample_conditions(TASKS["stand"], seed, robot), seed)
    host.arm()
    host.balance(6.0)
    assert not host.twin.fallen
    assert len(host.truths) == 1200


def test_the_mcu_knows_its_pitch_position_and_velocity(drive: DriveMaker) -> None:
    host = drive(dataclasses.replace(nominal(TASKS["stand"]), initial_pitch_rad=0.2))
    host.arm()
    host.balance(5.0)
    pairs = list(zip(host.states, host.truths, strict=True))
    assert max(abs(state.pitch - truth.pitch) for state, truth in pairs) < 0.03
    assert max(abs(state.position - truth.position) for state, truth in pairs) < 0.02
    assert rms([state.velocity - truth.velocity for state, truth in pairs]) < 0.03
    assert rms([state.pitch_rate - truth.pitch_rate for state, truth in pairs]) < 0.05


def test_the_hand_holds_the_robot_until_the_first_command_is_acknowledged(drive: DriveMaker) -> None:
    host = drive(Conditions(initial_pitch_rad=0.15))
    before = host.twin.truth
    host.wait(1.0)
    assert host.twin.truth == before
    assert before.pitch == pytest.approx(0.15)
    host.arm()
    host.wait(0.05)
    assert host.twin.held
    host.device.write(0.0, 0.0)
    host.wait(0.02)
    assert not host.twin.held
    assert names(host) == ["armed", "released"]


def test_without_torque_a_leaning_robot_falls_and_the_mcu_stops_it(drive: DriveMaker) -> None:
    host = drive(Conditions(initial_pitch_rad=0.1))
    host.arm()
    for _ in range(300):
        state = host.read()
        if state.mode != Mode.ARMED:
            break
        host.device.write(0.0, 0.0)
    assert host.twin.fallen
    assert state.mode == Mode.STOPPED
    stopped = next(event for event in host.twin.events if event["event"] == "stopped")
    assert stopped["faults"] == ["tilt"]
    assert abs(host.twin.truth.pitch) >= LIMITS.tilt_rad


def test_an_initial_rate_throws_the_robot_the_way_it_points(drive: DriveMaker) -> None:
    for rate in (-0.5, 0.5):
        host = drive(Conditions(initial_pitch_rate_rad_s=rate))
        host.arm()
        host.device.write(0.0, 0.0)
        host.wait(0.1)
        assert host.twin.truth.pitch * rate > 0.0
        assert host.twin.truth.pitch_rate * rate > 0.0


def test_running_too_far_counts_as_a_fall_although_the_robot_stands(drive: DriveMaker) -> None:
    host = drive(Conditions(fall_distance_m=0.3), task="drive")
    host.arm()
    host.balance(4.0)
    fallen = next(event for event in host.twin.events if event["event"] == "fallen")
    assert abs(fallen["pitch_rad"]) < 0.1
    assert abs(host.twin.truth.position) > 0.3


def test_after_a_silent_host_the_hand_sets_the_robot_upright_and_holds_it_until_it_is_armed_again(
    drive: DriveMaker,
) -> None:
    host = drive(Conditions(pushes=((1.2, 5.0),)), picked_up=True)
    host.arm()
    host.balance(1.0)
    host.wait(2.0)
    assert names(host) == ["armed", "released", "stopped", "fallen", "picked_up", "set_upright"]
    times = {event["event"]: event["mcu_time_us"] for event in host.twin.events}
    assert times["picked_up"] - times["stopped"] == pytest.approx(PICK_UP_MS * 1000, abs=1000)
    assert host.twin.held
    assert host.twin.truth.pitch == pytest.approx(0.0, abs=1e-9)
    state = host.wait(1.0)
    assert state.mode == Mode.STOPPED
    assert abs(state.pitch) < 0.05
    host.device.request("disarm")
    host.arm()
    host.balance(2.0)
    assert not host.twin.fallen
    assert names(host)[6:] == ["disarmed", "armed", "released"]
    assert host.twin.truth.time_s == pytest.approx(2.0, abs=0.05)


def test_without_the_hand_a_stopped_robot_stays_on_the_floor(drive: DriveMaker) -> None:
    host = drive(Conditions())
    host.arm()
    host.balance(0.5)
    host.wait(3.0)
    assert names(host)[-1] == "fallen"
    assert abs(host.twin.truth.pitch) > 1.0


def scripted_bytes(robot: Robot, seed: int) -> bytes:
    """All that a twin says to a host that arms it and then rocks it without looking."""
    twin = Twin(robot, sample_conditions(TASKS["stand"], 3, robot), seed, boot_id=77)
    said = []
    for ms in range(700):
        if ms == 2:
            twin.receive(encode("HELLO", PROTOCOL_VERSION, SPEC_HASH_U64))
        if ms == 20:
            twin.receive(encode("ARM", 77, 3))
        if ms > 30 and ms % 5 == 1:
            twin.receive(encode("COMMAND", ms, ms // 5, 0.3 * (ms % 3 - 1), -0.2, robot.height_m))
        twin.step()
        said.append(twin.transmit())
    assert not twin.held
    twin.close()
    return b"".join(said)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(robot: Robot) -> None:
    once = scripted_bytes(robot, 1)
    assert scripted_bytes(robot, 1) == once
    assert scripted_bytes(robot, 2) != once


def test_another_process_gives_the_same_bytes(robot: Robot) -> None:
    code = (
        "import hashlib; from robot_il.robot import load_robot; from tests.sim.test_twin import scripted_bytes; "
        "print(hashlib.sha256(scripted_bytes(load_robot(), 1)).hexdigest())"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert result.stdout.strip() == hashlib.sha256(scripted_bytes(robot, 1)).hexdigest()


def test_twins_side_by_side_do_not_disturb_each_other(robot: Robot) -> None:
    alone = scripted_bytes(robot, 1)
    neighbour = Twin(robot, Conditions(initial_pitch_rad=0.3), 9)
    together = scripted_bytes(robot, 1)
    neighbour.close()
    assert together == alone


def test_importing_the_engine_says_nothing() -> None:
    result = subprocess.run([sys.executable, "-c", "import sim.physics"], capture_output=True, text=True, check=True)
    assert result.stdout + result.stderr == ""
