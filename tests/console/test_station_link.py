"""The console's end of the socket to the station."""

from pathlib import Path

import numpy as np
import pytest

from robot_il.console.station_link import StationLink, pair, tell
from robot_il.control.operator import Hand, HandLink
from robot_il.errors import LinkError
from robot_il.recording.ring import KIND_EVENT, Ring
from robot_il.spec import TICK_DTYPE, HandDevice

HAND = Hand(7, HandDevice.KEYBOARD, True, 0.5, -0.25, (0.5, -0.25), 1)


@pytest.fixture
def ends():
    ours, theirs = pair()
    link = StationLink(ours)
    yield link, theirs
    link.close()
    theirs.close()


def test_hands_and_requests_arrive_in_order_and_apart(ends):
    link, theirs = ends
    station = HandLink(theirs)
    assert link.send_hand(HAND)
    link.request("arm", mode="direct")
    hands, requests = station.receive()
    assert hands == [HAND._replace(axes=(0.5, -0.25, *(0.0,) * 6))]
    assert requests == [b'{"do": "arm", "mode": "direct"}']


def test_messages_arrive_whole_and_a_station_that_ends_closes_the_link(ends):
    link, theirs = ends
    theirs.setblocking(False)
    tell(theirs, kind="phase", phase="idle")
    tell(theirs, kind="phase", phase="driving")
    assert [message["phase"] for message in link.messages()] == ["idle", "driving"]
    assert not link.closed
    theirs.close()
    assert list(link.messages()) == []
    assert link.closed


def test_a_console_that_does_not_read_never_holds_the_station_up(ends):
    link, theirs = ends
    theirs.setblocking(False)
    for number in range(5000):
        tell(theirs, kind="phase", phase=f"{number}" * 20)
    assert 0 < len(list(link.messages())) < 5000


def test_a_station_that_does_not_listen_is_told_of_and_a_hand_is_simply_gone(ends):
    link, _ = ends
    with pytest.raises(LinkError):
        for _ in range(5000):
            link.request("check")
    assert not link.send_hand(HAND)


def test_a_request_beyond_the_bound_is_refused(ends):
    link, _ = ends
    with pytest.raises(LinkError, match="at most 4096 bytes"):
        link.request("episode", operation={"note": "x" * 5000})


def test_the_ring_comes_with_a_message_and_is_read_along(ends):
    link, theirs = ends
    theirs.setblocking(False)
    ring = Ring()
    ring.publish_tick(np.zeros(1, TICK_DTYPE).tobytes())
    before = len(list(Path("/proc/self/fd").iterdir()))
    tell(theirs, ring.descriptor, kind="hello")
    assert [message["kind"] for message in link.messages()] == ["hello"]
    ring.publish(KIND_EVENT, b'{"name": "later"}')
    assert [kind for kind, _ in link.records()] == [1, KIND_EVENT]
    assert list(link.records()) == []
    assert ring.backlog == 2  # reading along takes nothing
    link.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 1  # the socket's
    ring.close()


def test_without_a_ring_there_is_nothing_to_read(ends):
    assert list(ends[0].records()) == []
