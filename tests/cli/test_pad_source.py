"""A pad that SDL makes up, read by the real pygame, and what of it reaches the loop's end of the socket."""

from __future__ import annotations

import itertools
import json
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from robot_il.cli.hands import PadHands
from robot_il.cli.pad_source import PERIOD_MS, STILL_BLUETOOTH_S, HeldPad, PadSource
from robot_il.cli.sdl_pads import Pad, Reading, SdlPads
from robot_il.control.operator import HAND_PACKET, REQUEST_PACKET, RESEND_S, Hand, HandLink
from robot_il.control.pad_map import find_pad_map, map_from_sdl, write_pad_map
from robot_il.control.teleop import read_request
from robot_il.errors import ConfigError, LinkError
from robot_il.spec import HandDevice
from tests.cli.virtual_pads import VirtualPad, database, no_maps_of_ones_own, pads

__all__ = ["no_maps_of_ones_own", "pads"]

pytest.importorskip("pygame")

LEFT_X, LEFT_Y = 0, 1
DEADMAN, STOP, ESTOP = 9, 1, 4
"""Of the pad that SDL makes up, by what SDL's own database says of it."""
PERIOD_NS = PERIOD_MS * 1_000_000


class Read:
    """A pad source, looked at at times of the test's own, and the loop's end of its socket."""

    def __init__(self, pads: SdlPads, wanted: str = "") -> None:
        inbox, self.outbox = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.inbox = inbox
        self.link = HandLink(inbox)
        self.source = PadSource(pads, self.outbox, wanted)
        self.now_ns = 10**9
        self.said: list[dict] = []

    def look(self, times: int = 1) -> list[Hand]:
        """Hands that came of so many looks."""
        hands: list[Hand] = []
        for _ in range(times):
            self.now_ns += PERIOD_NS
            self.source.look(self.now_ns)
            fresh, requests = self.link.receive()
            hands += fresh
            self.said += [read_request(text) for text in requests]
        return hands

    def states(self) -> list[str]:
        return [said["state"] for said in self.said if said["do"] == "pad"]

    def close(self) -> None:
        self.inbox.close()
        self.outbox.close()


@pytest.fixture
def read(pads: SdlPads) -> Iterator[Read]:
    read = Read(pads)
    yield read
    read.close()


@pytest.fixture
def pad(pads: SdlPads) -> VirtualPad:
    return VirtualPad()


def test_without_a_pad_nothing_is_said(read: Read) -> None:
    assert read.look(20) == []
    assert read.said == []


def test_a_pad_is_read_with_its_axes_its_buttons_and_its_dead_man(pad: VirtualPad, read: Read) -> None:
    rest = read.look()[-1]
    assert (rest.deadman, rest.forward, rest.turn, rest.device) == (False, 0.0, 0.0, HandDevice.GAMEPAD)
    pad.push(LEFT_Y, -1.0)
    pad.push(LEFT_X, -0.5)
    pad.press(DEADMAN)
    hand = read.look()[-1]
    assert hand.deadman
    assert hand.forward > 0.8
    assert 0.0 < hand.turn < 0.5
    assert hand.axes[:2] == (pytest.approx(-0.5, abs=1e-3), pytest.approx(-1.0, abs=1e-3))
    assert hand.buttons == 1 << DEADMAN
    pad.press(DEADMAN, down=False)
    assert not read.look()[-1].deadman


def test_the_pad_and_its_map_are_told_at_first(pad: VirtualPad, read: Read) -> None:
    read.look()
    told = read.said[0]
    assert (told["do"], told["state"], told["name"]) == ("pad", "here", "Virtual Controller")
    assert "SDL" in told["origin"]
    assert told["map"]["deadman"] == [9, 10]


def test_a_still_hand_is_said_every_50_ms_with_rising_numbers_and_a_moving_one_at_once(
    pad: VirtualPad, read: Read
) -> None:
    times = []
    for _ in range(100):
        times += [(read.now_ns, hand.seq) for hand in read.look()]
    gaps = [(later[0] - earlier[0]) / 1e9 for earlier, later in itertools.pairwise(times)]
    assert max(gaps) <= RESEND_S
    assert [seq for _, seq in times] == list(range(1, len(times) + 1))
    for step in range(1, 20):
        pad.push(LEFT_Y, -step / 20)
        assert len(read.look()) == 1


def test_an_unplugged_pad_is_silence_and_one_that_is_plugged_in_again_is_heard(pad: VirtualPad, read: Read) -> None:
    read.look()
    pad.push(LEFT_Y, -1.0)
    pad.press(DEADMAN)
    before = read.look()[-1]
    pad.unplug()
    assert read.look(200) == []
    pad.plug()
    again = read.look()
    assert read.states() == ["here", "gone", "here"]
    assert again[0].seq == before.seq + 1
    assert not again[0].deadman


def test_a_pad_that_is_swapped_between_two_looks_is_another_one(pad: VirtualPad, read: Read) -> None:
    read.look()
    pad.press(DEADMAN)
    assert read.look()[-1].deadman
    pad.unplug()
    pad.plug()
    assert not read.look()[-1].deadman
    assert read.states() == ["here", "gone", "here"]


def test_a_pad_that_is_plugged_in_with_its_dead_man_held_counts_once_it_was_let_go(
    pad: VirtualPad, pads: SdlPads, read: Read
) -> None:
    pads.look()
    pad.press(DEADMAN)
    pad.push(LEFT_Y, -1.0)
    assert not any(hand.deadman for hand in read.look(20))
    pad.press(DEADMAN, down=False)
    read.look()
    pad.press(DEADMAN)
    assert read.look()[-1].deadman


def test_stops_are_asked_for_once_when_their_buttons_are_pressed(pad: VirtualPad, read: Read) -> None:
    read.look()
    pad.press(ESTOP)
    pad.press(STOP)
    read.look(5)
    assert [said["action"] for said in read.said if said["do"] == "press"] == ["stop", "estop"]


def test_a_stop_goes_before_the_hand_of_the_same_reading(pad: VirtualPad, read: Read) -> None:
    read.look()
    pad.press(ESTOP)
    pad.push(LEFT_Y, -1.0)
    read.source.look(read.now_ns + PERIOD_NS)
    assert [read.inbox.recv(4096)[:1] for _ in range(2)] == [REQUEST_PACKET, HAND_PACKET]


def test_a_loop_that_does_not_listen_gets_the_stop_before_the_newest_hand_and_no_hand_twice(
    pad: VirtualPad, read: Read
) -> None:
    read.look()
    read.outbox.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    for step in range(200):
        pad.push(LEFT_Y, -step / 200)
        read.now_ns += PERIOD_NS
        read.source.look(read.now_ns)
    pad.press(ESTOP)
    read.source.look(read.now_ns)
    hands, requests = read.link.receive()
    while fresh := read.link.receive():
        if not any(fresh):
            break
        hands, requests = hands + fresh[0], requests + fresh[1]
    assert len(hands) < 40, "what queues up is bounded, for it is old when it is read"
    assert requests == []
    last = read.look()
    assert [said["action"] for said in read.said if said["do"] == "press"] == ["estop"]
    numbers = [hand.seq for hand in hands + last]
    assert numbers == sorted(set(numbers))
    assert last[-1].axes[LEFT_Y] == pytest.approx(-199 / 200, abs=1e-3)


def test_a_pad_that_nobody_knows_is_refused_once_and_the_next_one_is_taken(pads: SdlPads, read: Read) -> None:
    VirtualPad(axes=4, buttons=3, kind=0)
    assert read.look(10) == []
    assert read.states() == ["refused"]
    assert "robot-il pad --make" in read.said[0]["remedy"]
    VirtualPad()
    assert read.look(2)
    assert read.states() == ["refused", "here"]


def test_a_map_that_does_not_fit_the_pad_is_refused_with_what_is_lacking(
    pads: SdlPads, read: Read, tmp_path: Path
) -> None:
    fits = map_from_sdl("x", {"lefty": "a1", "leftx": "a0", "leftshoulder": "b30"})
    write_pad_map(replace(fits, guids=("ff*",)), tmp_path / "robot-il" / "pads" / "mine.toml")
    VirtualPad()
    assert read.look() == []
    assert "button 30" in read.said[0]["came"]


def test_only_the_pad_that_is_wanted_is_read(pads: SdlPads) -> None:
    VirtualPad(kind=0)
    VirtualPad()
    read = Read(pads, "controller")
    assert read.look()
    assert [said["name"] for said in read.said] == ["Virtual Controller"]
    read.close()


# a pad that is gone and does not say so


MAP = map_from_sdl("x", {"lefty": "a1", "leftx": "a0", "leftshoulder": "b9"})
HELD = Reading((0.0, -1.0), 1 << 9)


def held_pad(pads: SdlPads, still_s: float | None, bluetooth: bool = False) -> HeldPad:
    VirtualPad()
    pad: Pad = pads.look()[0]
    pad.bluetooth = bluetooth
    held = HeldPad(pad, replace(MAP, still_s=still_s))
    held.take(Reading((0.0, 0.0), 0), 1, 0)
    return held


@pytest.mark.parametrize(("still_s", "bluetooth", "limit_s"), [(0.5, False, 0.5), (None, True, STILL_BLUETOOTH_S)])
def test_a_held_stick_that_is_perfectly_still_for_too_long_is_let_go(
    pads: SdlPads, still_s: float | None, bluetooth: bool, limit_s: float
) -> None:
    held = held_pad(pads, still_s, bluetooth)
    begin, limit = 10**9, round(limit_s * 1e9)
    assert held.take(HELD, 2, begin)[0].deadman
    assert held.take(HELD, 3, begin + limit)[0].deadman
    assert not held.take(HELD, 4, begin + limit + 1)[0].deadman
    assert held.take(HELD._replace(axes=(0.001, -1.0)), 5, begin + limit + 2)[0].deadman


@pytest.mark.parametrize(("still_s", "bluetooth"), [(None, False), (0.0, True)])
def test_a_pad_on_a_cable_may_be_still_for_as_long_as_it_likes(
    pads: SdlPads, still_s: float | None, bluetooth: bool
) -> None:
    held = held_pad(pads, still_s, bluetooth)
    assert held.take(HELD, 2, 0)[0].deadman
    assert held.take(HELD, 3, 10**12)[0].deadman


@pytest.mark.parametrize(
    ("directions", "numbers"), [(0, []), (1, [28]), (2, [29]), (4, [30]), (8, [31]), (3, [28, 29])]
)
def test_the_directions_of_a_hat_are_its_last_four_buttons(pads: SdlPads, directions: int, numbers: list[int]) -> None:
    virtual = VirtualPad(hats=1)
    (held,) = pads.look()
    virtual.turn_hat(directions)
    pads.look()
    assert held.hat
    assert held.read().buttons == sum(1 << number for number in numbers)
    virtual.unplug()


@pytest.mark.parametrize(("buttons", "hats"), [(12, 0), (30, 1)])
def test_a_pad_without_a_hat_or_without_room_for_one_is_read_without(pads: SdlPads, buttons: int, hats: int) -> None:
    virtual = VirtualPad(buttons=buttons, hats=hats)
    (held,) = pads.look()
    assert not held.hat
    virtual.unplug()


def test_every_map_that_comes_along_is_what_sdls_database_says_of_those_pads(pads: SdlPads) -> None:
    agreed: dict[str, int] = {}
    for guid, name, sdl in database():
        try:
            ours = find_pad_map(name, guid)
        except ConfigError:
            continue
        theirs = map_from_sdl(name, sdl)
        assert (ours.forward, ours.turn, ours.deadman) == (theirs.forward, theirs.turn, theirs.deadman), (guid, name)
        assert ours.buttons == theirs.buttons, (guid, name)
        agreed[ours.origin] = agreed.get(ours.origin, 0) + 1
    shipped = {"shipped xbox", "shipped xbox_receiver", "shipped playstation", "shipped 8bitdo", "shipped logitech"}
    assert set(agreed) == shipped


# as a process

WITH_PAD = """
import sys
import robot_il.cli.pad_source as source
from tests.cli.virtual_pads import VirtualPad
class PadsWithOne(source.SdlPads):
    def __init__(self):
        super().__init__()
        VirtualPad()
source.SdlPads = PadsWithOne
sys.exit(source.main())
"""


def test_the_process_tells_of_its_pad_says_its_hand_and_ends_with_whoever_listens() -> None:
    hands = PadHands(command=(sys.executable, "-c", WITH_PAD), patience_s=60.0)
    with hands:
        assert hands.identity["pad"]["name"] == "Virtual Controller"
        json.dumps(hands.identity, allow_nan=False)
        assert select.select([hands._inbox], (), (), 60.0)[0]
        assert hands.receive()[0]
        assert hands.spoiled == 0
    assert hands._process.returncode == 0


def test_a_process_that_loses_its_parent_ends(tmp_path: Path) -> None:
    inbox, outbox = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "robot_il.cli.pad_source", str(outbox.fileno()), ""]
    with subprocess.Popen(command, pass_fds=(outbox.fileno(),)) as process, outbox:
        outbox.close()
        inbox.close()
        assert process.wait(60.0) == 0


def test_where_no_pad_is_that_is_said_with_what_to_do() -> None:
    with pytest.raises(LinkError, match=r"'Nostromo'.*robot-il pad"):
        PadHands("Nostromo", patience_s=0.2)


def test_a_process_that_dies_is_noticed_at_once_and_said() -> None:
    with pytest.raises(LinkError, match="a process that ended"):
        PadHands(command=(sys.executable, "-c", "raise SystemExit(3)"), patience_s=60.0)
