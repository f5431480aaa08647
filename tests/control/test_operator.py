"""Hands on their way to the loop: what is packed comes out again, and nothing that is no hand gets through."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_il.control.operator import (
    HAND_PACKET,
    MOST_AT_ONCE,
    REQUEST_PACKET,
    Hand,
    HandLink,
    pack_hand,
    send_hand,
    unpack_hand,
)
from robot_il.errors import DataError
from robot_il.spec import HAND_AXES, HAND_DTYPE, HandDevice

HAND = Hand(1, HandDevice.GAMEPAD, True, 0.5, -0.25, (0.1, -0.2), 0b101)


@pytest.fixture
def ends() -> Iterator[tuple[HandLink, socket.socket]]:
    """The loop's end and the hand's end."""
    inbox, outbox = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with inbox, outbox:
        outbox.setblocking(False)
        yield HandLink(inbox), outbox


single = st.floats(-1.0, 1.0, width=32)
hands = st.builds(
    Hand,
    seq=st.integers(0, 2**32 - 1),
    device=st.sampled_from(HandDevice),
    deadman=st.booleans(),
    forward=single,
    turn=single,
    axes=st.lists(st.floats(-10, 10, width=32), min_size=HAND_AXES, max_size=HAND_AXES).map(tuple),
    buttons=st.integers(0, 2**32 - 1),
)


@given(hands)
def test_a_hand_comes_out_as_it_was_packed(hand: Hand) -> None:
    assert unpack_hand(pack_hand(hand)) == hand


def test_a_packed_hand_is_a_row_of_the_log() -> None:
    row = np.frombuffer(pack_hand(HAND, host_ns=7), HAND_DTYPE)[0]
    assert (row["host_ns"], row["hand_seq"], row["device"], row["deadman"], row["buttons"]) == (7, 1, 1, 1, 0b101)
    assert (row["forward"], row["turn"], row["axis_0"]) == (0.5, -0.25, np.float32(0.1))
    assert row["axis_2"] == 0.0


def test_a_number_that_ran_over_begins_again() -> None:
    assert unpack_hand(pack_hand(HAND._replace(seq=2**32 + 3))).seq == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"forward": math.nan},
        {"forward": math.nextafter(1.0, 2.0)},
        {"turn": math.nextafter(-1.0, -2.0)},
        {"turn": math.inf},
        {"axes": (math.nan,)},
        {"axes": (math.inf,)},
        {"axes": (0.0,) * (HAND_AXES + 1)},
        {"device": 0},
        {"device": max(HandDevice) + 1},
    ],
    ids=str,
)
def test_what_is_no_hand_is_not_packed(wrong: dict) -> None:
    with pytest.raises(DataError):
        pack_hand(HAND._replace(**wrong))


def test_hands_and_requests_come_in_order_and_nothing_waits(ends: tuple[HandLink, socket.socket]) -> None:
    link, outbox = ends
    assert link.receive() == ([], [])
    assert send_hand(outbox, HAND)
    outbox.send(REQUEST_PACKET + b'{"do": "stop"}')
    assert send_hand(outbox, HAND._replace(seq=2))
    came, requests = link.receive()
    assert [hand.seq for hand in came] == [1, 2]
    assert requests == [b'{"do": "stop"}']
    assert link.receive() == ([], [])
    assert not link.closed


def _with(field: str, value: float) -> bytes:
    row = np.frombuffer(pack_hand(HAND), HAND_DTYPE).copy()
    row[field] = value
    return HAND_PACKET + row.tobytes()


@pytest.mark.parametrize(
    "packet",
    [
        b"?",
        HAND_PACKET,
        HAND_PACKET + pack_hand(HAND)[:-1],
        HAND_PACKET + pack_hand(HAND) + b"\0",
        b"?" + pack_hand(HAND),
        bytes(range(1, 256)) * 20,
        _with("forward", math.nan),
        _with("forward", 1.5),
        _with("turn", -math.inf),
        _with("axis_3", math.nan),
        _with("device", 0),
        _with("device", 77),
    ],
    ids=lambda packet: f"{packet[:1]!r} of {len(packet)}",
)
def test_a_spoiled_packet_is_counted_and_ignored(ends: tuple[HandLink, socket.socket], packet: bytes) -> None:
    link, outbox = ends
    outbox.send(packet)
    send_hand(outbox, HAND)
    came, requests = link.receive()
    assert [hand.seq for hand in came] == [1]
    assert (requests, link.spoiled) == ([], 1)


def test_a_flood_takes_no_more_than_a_bounded_part_of_a_tick(ends: tuple[HandLink, socket.socket]) -> None:
    link, outbox = ends
    sent = 0
    while send_hand(outbox, HAND._replace(seq=sent)):
        sent += 1
    taken = [len(link.receive()[0]) for _ in range(math.ceil(sent / MOST_AT_ONCE))]
    assert sent > MOST_AT_ONCE
    assert max(taken) == MOST_AT_ONCE
    assert sum(taken) == sent


def test_a_hand_that_does_not_go_is_told_and_not_kept(ends: tuple[HandLink, socket.socket]) -> None:
    link, outbox = ends
    sent = 0
    while send_hand(outbox, HAND._replace(seq=sent)):
        sent += 1
    came: list[Hand] = []
    while fresh := link.receive()[0]:
        came += fresh
    assert [hand.seq for hand in came] == list(range(sent))


def test_an_end_that_is_gone_is_noticed_and_stays_so(ends: tuple[HandLink, socket.socket]) -> None:
    link, outbox = ends
    send_hand(outbox, HAND)
    outbox.close()
    assert [hand.seq for hand in link.receive()[0]] == [1]
    assert link.closed
    assert link.receive() == ([], [])


def test_a_loop_that_is_gone_is_told_to_the_hand(ends: tuple[HandLink, socket.socket]) -> None:
    link, outbox = ends
    link._inbox.close()
    assert not send_hand(outbox, HAND)
