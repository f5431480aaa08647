"""The serial device against the compiled firmware, in virtual time."""

from __future__ import annotations

import pytest

from firmware_bridge.hostlib import Firmware
from firmware_bridge.protocol import encode
from firmware_bridge.serial_device import SerialDevice
from robot_il.errors import LinkError, ProtocolError
from robot_il.spec import PROTOCOL_VERSION, SPEC_HASH_U64, Event, Mode, Reject
from tests.firmware_bridge.conftest import BOARD, MemoryLink, VirtualClock

FOREVER_NS = 1 << 62


class ScriptedLink:
    """A peer that answers any write with fixed bytes."""

    def __init__(self, answer: bytes) -> None:
        self.clock = VirtualClock()
        self._answer = answer
        self._waiting = b""

    def read(self, deadline_ns: int) -> bytes:
        data, self._waiting = self._waiting, b""
        if not data:
            self.clock.time_ns = max(self.clock.time_ns, deadline_ns)
        return data

    def write(self, data: bytes) -> None:
        self._waiting += self._answer

    def close(self) -> None:
        pass


@pytest.fixture
def link() -> MemoryLink:
    return MemoryLink(Firmware(BOARD))


@pytest.fixture
def device(link: MemoryLink) -> SerialDevice:
    device = SerialDevice(link)
    device.open()
    return device


def read_until(device: SerialDevice, mode: Mode, reads: int = 50) -> None:
    assert any(device.read(FOREVER_NS).mode == mode for _ in range(reads))


def test_open_reports_who_answered(link):
    identity = SerialDevice(link).open()
    assert (identity.boot_id, identity.robot_id, identity.firmware_version) == (BOARD.boot_id, BOARD.robot_id, "0.1.0")


def test_clock_offset_turns_mcu_time_into_host_time(link):
    link.clock.time_ns = 77_000_000_123
    device = SerialDevice(link)
    identity = device.open()
    state = device.read(FOREVER_NS)
    assert 1000 * state.mcu_time_us + identity.clock_offset_ns == link.clock.now_ns()


def test_each_read_brings_the_next_state(device):
    sequence = [device.read(FOREVER_NS).state_seq for _ in range(20)]
    assert sequence == list(range(sequence[0], sequence[0] + 20))


def test_read_returns_none_at_its_deadline(device, link):
    device.read(FOREVER_NS)
    deadline_ns = link.clock.now_ns() + 2_000_000
    assert device.read(deadline_ns) is None
    assert link.clock.now_ns() == deadline_ns


def test_read_returns_the_newest_of_several_states(device, link):
    before = device.read(FOREVER_NS)
    for _ in range(25):
        link.firmware.tick()
    assert device.read(FOREVER_NS).state_seq == before.state_seq + 5


def test_a_command_drives_the_wheels_once_armed(device, link):
    device.read(FOREVER_NS)
    device.request("arm")
    read_until(device, Mode.ARMED)
    sequence = [device.write(0.5, -0.25) for _ in range(20) if device.read(FOREVER_NS)]
    state = device.read(FOREVER_NS)
    assert sequence == list(range(1, 21))
    assert state.command_seq == 20
    assert (state.applied_left, state.applied_right) == (0.5, -0.25)


def test_a_second_answer_to_one_state_is_rejected_and_the_first_stands(device, link):
    device.read(FOREVER_NS)
    device.request("arm")
    read_until(device, Mode.ARMED)
    device.read(FOREVER_NS)
    device.write(0.5, 0.5)
    device.write(1.0, 1.0)
    device.read(FOREVER_NS)
    state = device.read(FOREVER_NS)
    assert (state.command_seq, state.rejected, state.applied_left) == (1, 1, 0.5)
    assert (Event.REJECTED, Reject.REPEATED) in [(event.event, event.argument) for event in device.events]


def test_an_arm_after_a_stop_works_once_the_disarm_was_seen(device):
    device.read(FOREVER_NS)
    device.request("arm")
    read_until(device, Mode.ARMED)
    read_until(device, Mode.STOPPED)
    device.request("disarm")
    read_until(device, Mode.DISARMED)
    device.request("arm")
    read_until(device, Mode.ARMED)


def test_emergency_stop_survives_a_damaged_frame(link):
    damaged = MemoryLink(link.firmware, upstream=lambda data: b"\x05" + data[1:4] + b"\x7f" + data[5:])
    device = SerialDevice(link)
    device.open()
    device.read(FOREVER_NS)
    device._link = damaged
    device.request("estop")
    assert link.firmware.mode == Mode.ESTOPPED
    assert link.firmware.undecodable == 1


def test_close_disarms_and_lets_go_of_the_link(device, link):
    device.read(FOREVER_NS)
    device.request("arm")
    read_until(device, Mode.ARMED)
    device.close()
    assert link.firmware.mode == Mode.DISARMED
    assert link.closed


def test_events_are_kept_with_their_time(device, link):
    link.firmware.lost_time(12.5)
    device.read(FOREVER_NS)
    (event,) = device.events
    assert (event.event, event.value, event.mcu_time_us) == (Event.TIME_SLIPPED, 12.5, event.mcu_time_us)


def test_lost_states_are_counted(device, link):
    device.read(FOREVER_NS)
    for _ in range(15):
        link.firmware.tick()
    link.firmware.transmit()
    device.read(FOREVER_NS)
    assert device.statistics.missing_states == 3


def test_damaged_frames_are_counted_and_bridged(link):
    device = SerialDevice(link)
    device.open()
    before = device.read(FOREVER_NS)
    to_damage = iter(range(3))
    link._downstream = lambda data: data[:40] + data[41:] if data and next(to_damage, None) is not None else data
    assert device.read(FOREVER_NS).state_seq == before.state_seq + 4
    assert (device.statistics.undecodable, device.statistics.missing_states) == (3, 3)


def test_a_copy_of_an_old_state_is_ignored(device, link):
    device.read(FOREVER_NS)
    for _ in range(5):
        link.firmware.tick()
    frame = link.firmware.transmit()
    copies = iter([frame, frame])
    link._downstream = lambda data: next(copies, data)
    first = device.read(FOREVER_NS)
    assert device.read(FOREVER_NS).state_seq == first.state_seq + 1
    assert device.statistics.missing_states == 0


def test_a_rebooted_firmware_is_followed(device, link):
    for _ in range(100):
        device.read(FOREVER_NS)
    link.firmware = Firmware(BOARD)
    assert device.read(FOREVER_NS).state_seq == 1
    assert device.statistics.missing_states == 0
    assert device.events[-1].event == Event.BOOTED


def test_writing_before_reading_is_refused(device):
    with pytest.raises(LinkError, match="STATE to answer"):
        device.write(0.0, 0.0)
    with pytest.raises(LinkError, match="STATE to arm on"):
        device.request("arm")


def test_a_silent_link_is_named_so():
    link = ScriptedLink(b"")
    with pytest.raises(LinkError, match="came nothing"):
        SerialDevice(link).open()
    assert link.clock.now_ns() == 1_000_000_000


BABBLE = [b"login: \r\n", b"$GPGGA,123519,4807.038,N\r\n", b"\x00\x03ab\x00", bytes(range(256))]


@pytest.mark.parametrize("babble", BABBLE)
def test_another_protocol_is_refused(babble):
    with pytest.raises(ProtocolError, match="another protocol"):
        SerialDevice(ScriptedLink(babble)).open()


def test_an_echo_is_refused():
    with pytest.raises(ProtocolError, match="echo"):
        SerialDevice(ScriptedLink(encode("HELLO", PROTOCOL_VERSION, SPEC_HASH_U64))).open()


def test_a_robot_that_sends_but_does_not_hear_is_named_so(link):
    link._upstream = lambda data: b""
    with pytest.raises(LinkError, match="only EVENT, STATE"):
        SerialDevice(link).open()


def test_another_protocol_version_is_refused_with_both_named():
    other = PROTOCOL_VERSION + 1
    identity = encode("IDENTITY", other, SPEC_HASH_U64, 1, 256, 1)
    with pytest.raises(ProtocolError, match=f"version {PROTOCOL_VERSION} of this host; came version {other}"):
        SerialDevice(ScriptedLink(identity)).open()


def test_another_spec_is_refused_with_both_named():
    other = SPEC_HASH_U64 ^ 0xFF
    with pytest.raises(ProtocolError, match=f"{SPEC_HASH_U64:016x} of this host; came spec {other:016x}"):
        SerialDevice(ScriptedLink(encode("IDENTITY", PROTOCOL_VERSION, other, 1, 256, 1))).open()


def test_a_link_that_loses_most_time_replies_is_refused(link):
    replies = iter(range(1000))
    link._upstream = lambda data: data if data[2:3] != b"\x03" or next(replies) % 2 else b""
    with pytest.raises(LinkError, match="7"):
        SerialDevice(link).open()
