"""A policy compiled into the image: it proves itself on the core, flies the twin, and gives the host's torques."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np
import pytest

from robot_il.errors import PolicyError
from robot_il.spec import Mode
from robot_il.tasks import TASKS
from tests.firmware_bridge.conftest import BOARD
from tests.firmware_bridge.image_tools import reason_without
from tests.firmware_bridge.policies import lqr_policy_file

if reason_without():
    pytest.skip(reason_without(), allow_module_level=True)

from firmware_bridge.cross_build import build_image
from firmware_bridge.elf import read_elf
from firmware_bridge.emulator import INSTRUCTIONS_PER_MS, EmulatedFirmware
from firmware_bridge.onboard import OnboardImage, OnboardLibrary, ticks_of_rate
from firmware_bridge.policy_core import PolicyOnCore
from firmware_bridge.policy_library import PolicyLibrary
from firmware_bridge.processor import FLASH, Processor
from robot_il.cli.hil_onboard import Kept, fly_on_board
from robot_il.cli.hil_rig import fly
from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import LinearController, PolicyController
from robot_il.control.guard import GuardLimits
from robot_il.control.lqr import lqr_gain
from robot_il.control.onnx_policy import OnnxPolicy
from robot_il.control.replay import BOUND_NM, replay
from robot_il.learning.export_c import export_c
from sim.conditions import Conditions

SECONDS = 2.0
PUSHED = Conditions(initial_pitch_rad=0.06, pushes=((0.7, 1.5),))
STAND = TASKS["stand"]


def in_c(folder: Path, **settings) -> Path:
    export_c(lqr_policy_file(folder / "policy.onnx", **settings), folder / "c")
    return folder / "c"


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return in_c(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """As wide as the networks that are trained by default."""
    return in_c(tmp_path_factory.mktemp("large"), hidden=256)


def law(gain: float = 1.0) -> LinearController:
    return LinearController(gain * lqr_gain(Rollout("reference", STAND, SECONDS).robot, STAND), STAND)


@pytest.mark.parametrize("rate_hz", [200, 1000])
def test_the_policy_balances_the_robot_by_itself_and_as_the_library_does(small, rate_hz):
    image, library, ticks = fly_on_board(small, Rollout("reference", STAND, SECONDS), rate_hz, PUSHED, 3)
    assert (image.episode.survived, image.episode.seconds) == (True, SECONDS)
    assert image.sha256 == library.sha256
    assert image.episode == library.episode
    assert not ticks["limited_torque"].any()
    assert np.abs(ticks["applied_left"]).max() > 0.1


def test_the_two_rates_are_two_flights(small):
    rollout = Rollout("reference", STAND, SECONDS)
    assert len({fly_on_board(small, rollout, rate_hz, PUSHED, 3)[0].sha256 for rate_hz in (200, 1000)}) == 2


def test_the_same_flight_has_the_same_hash_twice(small):
    rollout = Rollout("reference", STAND, 0.5)
    assert len({fly_on_board(small, rollout, 1000, PUSHED, 3)[0].sha256 for _ in range(2)}) == 1


@pytest.mark.parametrize("every_ticks", [0, 1])
def test_without_the_policy_or_a_policy_in_time_the_hosts_torque_drives(large, every_ticks):
    """Asked for every millisecond the large policy is late at once, and the COMMANDs have the robot again."""
    maker = functools.partial(OnboardImage, policy=large, every_ticks=every_ticks)
    rollout = Rollout("reference", STAND, 1.0)
    assert fly(rollout, maker, law(0.0), law(0.0), PUSHED, 3).episode.end == "fell"
    assert fly(rollout, maker, law(), law(), PUSHED, 3).episode.survived


def test_a_large_policy_flies_at_200_hz_a_share_of_it_in_each_tick(large):
    image, library, _ = fly_on_board(large, Rollout("reference", STAND, 1.0), 200, PUSHED, 3)
    assert image.episode.survived
    assert image.sha256 == library.sha256


def test_a_tick_with_a_share_of_a_large_policy_leaves_time_on_the_core(large):
    """The same STATEs on a core that gets a tenth less done in a millisecond: nothing was late."""
    states = []
    for instructions in (INSTRUCTIONS_PER_MS, 90_000):
        firmware = EmulatedFirmware(BOARD, build_image(policy=large), instructions_per_ms=instructions)
        while firmware.policy_passed is None:
            firmware.go_on()
        firmware.policy_every = 5
        states.append(drive(firmware))
    assert states[0] == states[1]
    assert b"\0" in states[0]


def drive(firmware, boot_id: int = BOARD.boot_id) -> bytes:
    """Arms, and answers every STATE for 0.2 s without a torque; what the firmware sent."""
    from firmware_bridge.protocol import Decoder, encode
    from robot_il.control.device import State

    decoder, sent, number = Decoder(), b"", 0
    firmware.sensors.accel_x = -1.0
    for tick in range(200):
        firmware.sensors.gyro_pitch = 1e-4 * (tick % 2)  # a sensor that never moves is a dead one
        firmware.tick()
        data = firmware.transmit()
        sent += data
        for name, values in decoder.feed(data):
            if name != "STATE":
                continue
            state = State._make(values)
            number += 1
            if state.mode == Mode.DISARMED:
                firmware.receive(encode("ARM", boot_id, state.state_seq))
            else:
                firmware.receive(encode("COMMAND", number, state.state_seq, 0.0, 0.0, 0.0))
    assert firmware.mode is Mode.ARMED
    assert firmware.torque_left > 0.1
    return sent


@pytest.mark.parametrize(("hidden", "activation"), [(16, "relu"), (16, "tanh"), (64, "tanh"), (256, "relu")])
def test_the_core_gives_the_bits_of_this_machines_c(tmp_path, hidden, activation):
    folder = in_c(tmp_path, hidden=hidden, activation=activation)
    policy = OnnxPolicy(tmp_path / "policy.onnx", STAND)
    random = np.random.default_rng(0)
    observations = np.concatenate([policy.golden.observations, random.normal(size=(40, 4))]).astype(np.float32)
    on_core = PolicyOnCore(folder, 4, 1)(observations)
    assert on_core.tobytes() == PolicyLibrary(folder, 4, 1)(observations).tobytes()
    reference = np.stack([policy.act(row) for row in observations])
    assert np.abs(on_core - reference).max() <= BOUND_NM


def test_a_nan_in_gives_a_nan_out_on_the_core_too(small):
    core = PolicyOnCore(small, 4, 1)
    for bad in (np.nan, np.inf, -np.inf):
        assert np.isnan(core.act(np.array([0.0, bad, 0.0, 0.0])))
    assert core.torque((0.1, 0.0, 0.0, 0.0)) > 0.0


def test_instructions_are_counted_and_grow_with_the_network(small, large):
    few, many = (PolicyOnCore(folder, 4, 1, counting=True) for folder in (small, large))
    for core in (few, many):
        for pitch in (0.0, 0.1, -0.1):
            core.act(np.array([pitch, 0.0, 0.0, 0.0]))
        assert len(core.instructions) == 3
    assert 656 < min(few.instructions) <= max(few.instructions) < 10 * 656
    assert 71_936 < min(many.instructions) <= max(many.instructions) < 10 * 71_936


def test_the_count_of_a_function_written_by_hand_is_right():
    from tests.firmware_bridge.image_tools import ADD_R4, NOP, RETURN, SLEEP, by_hand

    core = Processor(by_hand(SLEEP, handler=(NOP, ADD_R4, 0xF3AF, 0x8000, NOP, RETURN)))  # one of them is 32 bits wide
    core.run(10)
    assert core.call_counted(FLASH + 0x280)[1] == 5


def test_logged_torques_of_the_policy_file_are_the_images_within_the_bound(small, tmp_path):
    """A run that onnxruntime drove, replayed with the policy on the core in its place."""
    policy = OnnxPolicy(small.parent / "policy.onnx", STAND)
    kept = Kept()
    limits = GuardLimits(switch_tilt_rad=np.inf, tilt_rad=np.inf, settle_s=0.0)
    driven = PolicyController(policy.torque, STAND, {})
    assert fly(Rollout("reference", STAND, 0.5), None, driven, law(), PUSHED, 3, kept).episode.survived
    again = replay(kept.ticks, PolicyController(policy.torque, STAND, {}), law(), limits)
    assert again.bit_equal, again.first
    on_core = replay(kept.ticks, PolicyController(PolicyOnCore(small, 4, 1).torque, STAND, {}), law(), limits)
    assert on_core.bounded
    assert 0 < on_core.differing <= on_core.ticks
    on_host = replay(kept.ticks, PolicyController(PolicyLibrary(small, 4, 1).torque, STAND, {}), law(), limits)
    assert on_host == on_core


def test_a_policy_that_fails_its_self_test_never_drives(small, tmp_path):
    for name in ("policy.h", "policy.c"):
        text = (small / name).read_text()
        if name == "policy.c":  # another torque than the golden one
            text = re.sub(
                r"(golden_actions\[RIL_POLICY_PAIRS\]\[RIL_POLICY_ACTIONS\] = \{\n    \{)[^}]*", r"\g<1>7.5f", text
            )
        (tmp_path / name).write_text(text)
    assert not PolicyLibrary(tmp_path, 4, 1).self_test()
    with pytest.raises(PolicyError, match="passed by the policy on the Cortex-M; came a failure"):
        OnboardImage(BOARD, tmp_path, 5)
    firmware = EmulatedFirmware(BOARD, build_image(policy=tmp_path))
    while firmware.policy_passed is None:
        firmware.go_on()
    firmware.policy_every = 5
    with pytest.raises(AssertionError):
        drive(firmware)
    assert (firmware.mode, firmware.torque_left) == (Mode.ARMED, 0.0)


def test_after_a_reset_the_policy_proves_itself_again(small):
    firmware = OnboardImage(BOARD, small, 5)
    firmware.reset()
    while firmware.policy_passed is None:
        firmware.go_on()
    assert firmware.policy_passed
    drive(firmware, BOARD.boot_id + 1)


def test_an_image_without_a_policy_has_none(small):
    firmware = EmulatedFirmware(BOARD)
    for _ in range(50):
        firmware.tick()
    assert firmware.policy_passed is None
    assert "ril_policy_act" not in read_elf(build_image()).symbols
    assert "ril_policy_act" in read_elf(build_image(policy=small)).symbols


def test_a_policy_of_another_spec_does_not_compile_into_the_firmware(small, tmp_path):
    from robot_il.errors import ConfigError

    for name in ("policy.h", "policy.c"):
        text = (small / name).read_text()
        (tmp_path / name).write_text(re.sub(r"UINT64_C\(0x\w{16}\)", "UINT64_C(0x0123456789abcdef)", text))
    with pytest.raises(ConfigError, match="of different specs"):
        build_image(policy=tmp_path)


def test_a_folder_without_a_policy_is_refused(tmp_path):
    with pytest.raises(PolicyError, match=r"policy\.h in .*robot-il export RUN --c"):
        build_image(policy=tmp_path)


@pytest.mark.parametrize("rate_hz", [0, -200, 300, 2000])
def test_a_rate_that_does_not_divide_the_firmwares_is_refused(rate_hz):
    with pytest.raises(PolicyError, match="divides 1000 Hz"):
        ticks_of_rate(rate_hz)


def test_the_library_with_a_policy_keeps_it_over_a_reset(small):
    firmware = OnboardLibrary(BOARD, small, 5)
    firmware.reset()
    drive(firmware, BOARD.boot_id + 1)
