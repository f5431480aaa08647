"""The drive socket: what is no hand is dropped and counted, and a stale hand never reaches the station."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.websockets import WebSocketDisconnect

from robot_il.console.drive_socket import (
    FRESH_S,
    MOST_CHARACTERS,
    Connection,
    DriveCounts,
    DriveDesk,
    MalformedError,
    parse_hand,
    serve_drive,
    stamp_ms,
)
from robot_il.console.folders import Folders
from robot_il.console.model import Station
from robot_il.console.station_link import StationLink, pair
from robot_il.console.wheel import Wheel
from robot_il.control.operator import Hand, HandLink
from robot_il.control.teleop import read_request
from robot_il.spec import HandDevice
from tests.console.asgi import TestClient

NOW_NS = 5_000_000_000
STAMP = stamp_ms(NOW_NS)
FRESH_MS = round(FRESH_S * 1e3)
DRIVER, OTHER = "driver", "other"


def hand(**changes: object) -> dict[str, object]:
    return {
        "seq": 1, "stamp": STAMP, "device": int(HandDevice.JOYSTICK), "forward": 0.5, "turn": -0.25, "deadman": True
    } | changes  # fmt: skip


def pad(**changes: object) -> dict[str, object]:
    axes = [0.0, -0.9, 0.4, 0.0]
    whole = {
        "seq": 1,
        "stamp": STAMP,
        "device": int(HandDevice.BROWSER_PAD),
        "axes": axes,
        "buttons": 0,
        "pad": "a pad",
        "standard": True,
    }
    return whole | changes


class Rig:
    """A desk before a real station link, and the loop's end of it."""

    def __init__(self, folder: Path) -> None:
        ours, theirs = pair()
        self.loop = HandLink(theirs)
        self._theirs = theirs
        self._link = StationLink(ours)

        async def starter(device: str | None, log: Path) -> StationLink:
            return self._link

        self.station = Station(starter, Folders(folder), "reference")
        Folders(folder).make()
        asyncio.run(self._connect())
        self.wheel = Wheel(self.station)
        self.desk = DriveDesk(self.station, self.wheel, lambda client: client in (DRIVER, OTHER))
        self.wheel.take(DRIVER)
        self.connection = Connection(self.desk, DRIVER)

    async def _connect(self) -> None:
        await self.station.connect("/dev/none")

    def hands(self) -> list[Hand]:
        return self.loop.receive()[0]

    def requests(self) -> list[str]:
        return [read_request(text)["do"] for text in self.loop.receive()[1]]

    def say(self, message: object, now_ns: int = NOW_NS) -> None:
        self.connection.hear(json.dumps(message), now_ns)

    def close(self) -> None:
        self._link.close()
        self._theirs.close()


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_a_fresh_hand_of_the_driver_reaches_the_loop(rig: Rig) -> None:
    rig.say({"hand": hand()})
    (taken,) = rig.hands()
    assert (taken.device, taken.deadman, taken.forward, taken.turn) == (HandDevice.JOYSTICK, True, 0.5, -0.25)
    assert rig.desk.counts == DriveCounts(taken=1)


def test_a_hand_is_handed_on_once_and_never_again(rig: Rig) -> None:
    rig.say({"hand": hand()})
    assert len(rig.hands()) == 1
    rig.connection.news(NOW_NS + 50_000_000)
    assert rig.hands() == []


def test_numbers_rise_whichever_page_the_hands_come_from(rig: Rig) -> None:
    rig.say({"hand": hand(seq=900)})
    rig.wheel.let_go(DRIVER)
    rig.wheel.take(OTHER)
    Connection(rig.desk, OTHER).hear(json.dumps({"hand": hand(seq=1)}), NOW_NS)
    first, second = rig.hands()
    assert second.seq == first.seq + 1


@pytest.mark.parametrize(("age_ms", "taken"), [(0, 1), (FRESH_MS, 1), (FRESH_MS + 1, 0), (-1, 0)])
def test_a_hand_counts_only_if_the_stamp_it_answers_is_fresh(rig: Rig, age_ms: int, taken: int) -> None:
    rig.say({"hand": hand(stamp=STAMP - age_ms)})
    assert len(rig.hands()) == taken
    assert rig.desk.counts == DriveCounts(taken=taken, stale=1 - taken)


def test_a_burst_that_was_held_up_on_the_way_is_dropped_but_for_what_is_fresh(rig: Rig) -> None:
    for index in range(40):
        rig.say({"hand": hand(seq=index, stamp=STAMP - 50 * (39 - index))})
    assert len(rig.hands()) == 5
    assert rig.desk.counts.stale == 35


@pytest.mark.parametrize("seq", [7, 6, 0])
def test_a_hand_whose_number_did_not_rise_is_dropped(rig: Rig, seq: int) -> None:
    rig.say({"hand": hand(seq=7)})
    rig.say({"hand": hand(seq=seq)})
    assert len(rig.hands()) == 1
    assert rig.desk.counts.repeated == 1


def test_a_hand_of_a_page_that_does_not_drive_is_dropped(rig: Rig) -> None:
    Connection(rig.desk, OTHER).hear(json.dumps({"hand": hand()}), NOW_NS)
    assert rig.hands() == []
    assert rig.desk.counts == DriveCounts(foreign=1)


MALFORMED = {
    "no object": 3,
    "a list": [],
    "nothing": {},
    "a word for a number": hand(forward="0.5"),
    "forward beyond 1": hand(forward=1.001),
    "turn beyond -1": hand(turn=-1.001),
    "not a number": hand(forward=math.nan),
    "infinite": hand(turn=math.inf),
    "true for a number": hand(forward=True),
    "a number for true": hand(deadman=1),
    "no dead-man": {key: value for key, value in hand().items() if key != "deadman"},
    "a negative number": hand(seq=-1),
    "a number too large": hand(seq=2**32),
    "a fraction": hand(seq=1.5),
    "an unknown device": hand(device=9),
    "a pad of this machine": hand(device=int(HandDevice.GAMEPAD)),
    "no stamp": hand(stamp=None),
    "pad: nine axes": pad(axes=[0.0] * 9),
    "pad: an axis that is no number": pad(axes=[math.nan]),
    "pad: an axis out of range": pad(axes=[11.0]),
    "pad: no axes": pad(axes=None),
    "pad: buttons beyond 32": pad(buttons=2**32),
    "pad: a name too long": pad(pad="x" * 129),
    "pad: no name": pad(pad=7),
    "pad: no word on its layout": pad(standard=None),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_hand_is_refused(what: str) -> None:
    with pytest.raises(MalformedError):
        parse_hand(MALFORMED[what])


@pytest.mark.parametrize("text", ["", "[", "null", "7", '"estop"', "{}", '{"hand": NaN}', "[" * 1000, "\x00\xff"])
def test_what_is_no_message_is_counted_and_nothing_else(rig: Rig, text: str) -> None:
    rig.connection.hear(text, NOW_NS)
    assert rig.desk.counts == DriveCounts(malformed=1)
    assert rig.loop.receive() == ([], [])


@pytest.mark.parametrize(("padding", "taken"), [(0, 1), (1, 0)])
def test_a_message_is_read_up_to_its_bound_and_not_beyond(rig: Rig, padding: int, taken: int) -> None:
    text = json.dumps({"hand": hand()})
    rig.connection.hear(text + " " * (MOST_CHARACTERS - len(text) + padding), NOW_NS)
    assert rig.desk.counts == DriveCounts(taken=taken, malformed=1 - taken)


@pytest.mark.parametrize("client", [DRIVER, OTHER])
def test_an_emergency_stop_is_taken_of_every_page(rig: Rig, client: str) -> None:
    Connection(rig.desk, client).hear('{"estop": true}', NOW_NS)
    assert rig.requests() == ["estop"]


def test_only_true_is_an_emergency_stop(rig: Rig) -> None:
    rig.connection.hear('{"estop": false}', NOW_NS)
    assert rig.requests() == []


SHOULDER, RIGHT, BACK, START, BOTTOM = 1 << 4, 1 << 1, 1 << 8, 1 << 9, 1 << 0


def test_a_pad_of_the_standard_layout_drives_while_its_shoulder_is_held(rig: Rig) -> None:
    rig.say({"hand": pad(axes=[0.0, -1.0, 0.0, 0.0], buttons=SHOULDER)})
    rig.say({"hand": pad(seq=2, axes=[0.0, -1.0, 0.0, 0.0], buttons=0)})
    held, loose = rig.hands()
    assert (held.deadman, held.forward, held.device) == (True, 1.0, HandDevice.BROWSER_PAD)
    assert not loose.deadman


def test_a_pad_s_raw_axes_and_buttons_are_handed_on_as_they_are(rig: Rig) -> None:
    rig.say({"hand": pad(axes=[0.125, -0.5, 0.25, 3.25], buttons=SHOULDER | START)})
    (taken,) = rig.hands()
    assert taken.axes[:4] == (0.125, -0.5, 0.25, 3.25)
    assert taken.buttons == SHOULDER | START


def test_a_pad_whose_layout_nobody_knows_is_a_sign_of_life_and_drives_nothing(rig: Rig) -> None:
    rig.say({"hand": pad(axes=[0.0, -1.0], buttons=SHOULDER, standard=False)})
    (taken,) = rig.hands()
    assert (taken.deadman, taken.forward, taken.turn) == (False, 0.0, 0.0)
    assert taken.buttons == SHOULDER


@pytest.mark.parametrize("stamp", [STAMP, STAMP - 10 * FRESH_MS])
@pytest.mark.parametrize("client", [DRIVER, OTHER])
def test_the_emergency_stop_of_a_pad_is_taken_of_every_page_and_however_old(rig: Rig, client: str, stamp: int) -> None:
    connection = Connection(rig.desk, client)
    connection.hear(json.dumps({"hand": pad(stamp=stamp)}), NOW_NS)
    connection.hear(json.dumps({"hand": pad(stamp=stamp, seq=2, buttons=BACK)}), NOW_NS)
    assert rig.requests() == ["estop"]


def test_a_press_on_the_driver_s_pad_is_told_to_its_page_once(rig: Rig) -> None:
    pressed: list[str] = []
    rig.desk.listen(DRIVER, pressed.append)
    for seq, buttons in enumerate((0, START, START, START | BOTTOM, 0, RIGHT)):
        rig.say({"hand": pad(seq=seq, buttons=buttons)})
    assert pressed == ["record", "ok", "stop"]


def test_a_button_that_was_down_before_the_page_looked_was_not_pressed(rig: Rig) -> None:
    pressed: list[str] = []
    rig.desk.listen(DRIVER, pressed.append)
    rig.say({"hand": pad(buttons=START)})
    assert pressed == []


def test_a_press_on_an_onlooker_s_pad_does_nothing_but_stop(rig: Rig) -> None:
    pressed: list[str] = []
    rig.desk.listen(OTHER, pressed.append)
    connection = Connection(rig.desk, OTHER)
    connection.hear(json.dumps({"hand": pad()}), NOW_NS)
    connection.hear(json.dumps({"hand": pad(seq=2, buttons=START | RIGHT)}), NOW_NS)
    assert pressed == []


def test_a_page_that_is_gone_is_told_nothing_more(rig: Rig) -> None:
    pressed: list[str] = []
    rig.desk.listen(DRIVER, pressed.append)
    rig.desk.listen(DRIVER, None)
    rig.say({"hand": pad()})
    rig.say({"hand": pad(seq=2, buttons=START)})
    assert pressed == []


def application(rig: Rig) -> FastAPI:
    app = FastAPI()
    serve_drive(app, rig.desk)
    return app


def test_a_page_that_was_not_served_is_turned_away(rig: Rig) -> None:
    with pytest.raises(WebSocketDisconnect), TestClient(application(rig)).websocket_connect("/drive?client=stranger"):
        pytest.fail("the socket opened")


def test_a_page_is_told_the_stamp_the_phase_and_whether_it_drives(rig: Rig) -> None:
    with TestClient(application(rig)).websocket_connect(f"/drive?client={DRIVER}") as socket:
        told = socket.receive_json()
    assert (told["phase"], told["mine"]) == (rig.station.phase, True)
    assert told["stamp"] > 0


def test_a_hand_that_answers_what_the_page_was_told_is_taken(rig: Rig) -> None:
    with TestClient(application(rig)).websocket_connect(f"/drive?client={DRIVER}") as socket:
        stamp = socket.receive_json()["stamp"]
        socket.send_json({"hand": hand(stamp=stamp)})
        socket.receive_json()
    assert rig.desk.counts.taken == 1


def test_a_driver_whose_socket_closes_no_longer_drives(rig: Rig) -> None:
    with TestClient(application(rig)).websocket_connect(f"/drive?client={DRIVER}") as socket:
        socket.receive_json()
        assert rig.station.driver == DRIVER
    assert rig.station.driver is None


def test_an_onlooker_whose_socket_closes_takes_nothing_from_the_driver(rig: Rig) -> None:
    with TestClient(application(rig)).websocket_connect(f"/drive?client={OTHER}") as socket:
        socket.receive_json()
    assert rig.station.driver == DRIVER


def test_a_page_without_its_socket_can_still_stop_the_robot(rig: Rig) -> None:
    assert TestClient(application(rig)).post("/estop").status_code == 204
    assert rig.requests() == ["estop"]
