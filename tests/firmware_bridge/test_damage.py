"""A bad line never yields a message that nobody sent, and never costs more than the frames that it damaged."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.hostlib import Firmware
from firmware_bridge.protocol import Decoder, encode
from firmware_bridge.serial_device import SerialDevice
from robot_il.control.device import State
from robot_il.spec import LIMITS, Mode
from tests.firmware_bridge.c_messages import c_decode, c_encode
from tests.firmware_bridge.conftest import BOARD, MemoryLink
from tests.firmware_bridge.damage import cut, damaged, random_messages

FRAMES = 600
EXAMPLES = 90
"""600 frames x 90 examples x 2 directions: 108,000 frames."""
bad_line = settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
seeds = st.integers(0, 2**32 - 1)
shares = st.sampled_from([0.02, 0.2, 0.6, 1.0])


def assert_only_damaged_frames_are_lost(sent: list, whole: list[int], received: list) -> None:
    assert set(received) <= set(sent)
    assert Counter(sent[index] for index in whole) <= Counter(received)


@bad_line
@given(seeds, shares)
def test_from_the_firmware_to_the_host(seed, share):
    rng = random.Random(seed)
    sent = random_messages(rng, "mcu", FRAMES)
    arrived, whole = damaged(rng, [c_encode(*message) for message in sent], share)
    decoder = Decoder()
    received = [message for piece in cut(rng, b"".join(arrived)) for message in decoder.feed(piece)]
    assert_only_damaged_frames_are_lost(sent, whole, received)
    last = ("EVENT", (1, 2, 3, 0.5))
    assert last in decoder.feed(c_encode(*last))


@bad_line
@given(seeds, shares)
def test_from_the_host_to_the_firmware(seed, share):
    rng = random.Random(seed)
    sent = random_messages(rng, "host", FRAMES)
    arrived, whole = damaged(rng, [encode(name, *values) for name, values in sent], share)
    last = ("COMMAND", (1, 2, 0.25, -0.25, 0.5))
    stream = b"".join(arrived) + encode(last[0], *last[1])
    received = c_decode(stream)
    assert received[-1] == last
    assert_only_damaged_frames_are_lost([*sent, last], [*whole, len(sent)], received)


@bad_line
@given(st.binary(max_size=2000), seeds)
def test_both_decoders_agree_on_any_bytes(noise, seed):
    rng = random.Random(seed)
    messages = random_messages(rng, "host", 20)
    arrived, _ = damaged(rng, [encode(name, *values) for name, values in messages], 0.5)
    stream = noise + b"".join(arrived)
    ours = {"HELLO", "TIME_REQUEST", "COMMAND", "ARM", "DISARM", "ESTOP", "PARAM_SET"}
    assert c_decode(stream) == [message for message in Decoder().feed(stream) if message[0] in ours]


class BadLine:
    """Damages some of what passes; keeps a copy of what was sent."""

    def __init__(self, seed: int, share: float) -> None:
        self.share = share
        self.sent = b""
        self._rng = random.Random(seed)

    def __call__(self, data: bytes) -> bytes:
        self.sent += data
        if not data or self.share == 0.0:
            return data
        frames = [b"\0" + body + b"\0" for body in data.split(b"\0") if body]
        return b"".join(damaged(self._rng, frames, self.share)[0])


@settings(bad_line, max_examples=10)
@given(seeds)
def test_a_loop_over_a_bad_line_sees_true_states_and_drives_true_commands_and_recovers(seed):
    down, up = BadLine(seed, 0.0), BadLine(seed + 1, 0.0)
    link = MemoryLink(Firmware(BOARD), down, up)
    device = SerialDevice(link)
    device.open()
    rng = random.Random(seed)
    seen, torques = [], {0: (0.0, 0.0)}
    for share in (0.0, 0.3, 0.0):
        down.share = up.share = share
        for _ in range(300):
            state = device.read(1 << 62)
            seen.append(state)
            if state.mode == Mode.ARMED:
                pair = (rng.randrange(-4, 5) * 0.1, rng.randrange(-4, 5) * 0.1)  # one tick of slew reaches it
                torques[device.write(*pair)] = pair
            else:
                device.request("disarm" if state.mode != Mode.DISARMED else "arm")
    sent = {values for name, values in Decoder().feed(down.sent) if name == "STATE"}
    assert set(seen) <= {State._make(values) for values in sent}
    assert {state.command_seq for state in seen} <= set(torques)
    assert seen[-1].mode == Mode.ARMED
    assert seen[-1].command_seq == max(torques) - 1  # the last one is not reported yet
    assert all(abs(state.applied_left) <= LIMITS.wheel_torque_nm for state in seen)
    assert device.statistics.undecodable > 0
    assert link.firmware.undecodable > 0
