"""What a pad's map makes of raw axes and buttons, for every value they may have, and how maps are read and found."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_il.control.operator import pack_hand, unpack_hand
from robot_il.control.pad_layout import ACTIONS, HAT, MOST_RAW, Axis, PadMap, Triggers
from robot_il.control.pad_map import (
    MAX_BYTES,
    find_pad_map,
    map_from_sdl,
    parse_pad_map,
    read_pad_map,
    user_folder,
    write_pad_map,
)
from robot_il.errors import ConfigError
from robot_il.spec import HandDevice

FORWARD, LEFT = Axis(1, -1), Axis(0, -1)
PAD = HandDevice.GAMEPAD
XBOX = "030000005e0400008e02000010010000"
deflections = st.floats(-1.0, 1.0)
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=128)
anything = st.floats(allow_nan=True, allow_infinity=True)


def pad_map(**changes: object) -> PadMap:
    return replace(PadMap("a pad", FORWARD, LEFT, deadman=(4,)), **changes)


@st.composite
def shapes(draw: st.DrawFn) -> PadMap:
    dead_zone = draw(st.floats(0.02, 0.5))
    return pad_map(
        dead_zone=dead_zone,
        full=draw(st.floats(dead_zone + 0.2, 1.0)),
        zone=draw(st.sampled_from(("radial", "axis"))),
        expo=draw(st.floats(0.0, 1.0)),
    )


@given(shapes(), deflections, deflections)
def test_the_shape_is_odd_and_stays_within_one(shape: PadMap, forward: float, turn: float) -> None:
    out = shape.shape(forward, turn)
    assert shape.shape(-forward, -turn) == (-out[0], -out[1])
    assert max(map(abs, out)) <= 1.0


@given(shapes(), deflections, deflections, deflections)
def test_pushing_farther_never_drives_slower(shape: PadMap, one: float, other: float, turn: float) -> None:
    near, far = sorted((one, other))
    assert shape.shape(near, turn)[0] <= shape.shape(far, turn)[0] + 1e-9


@given(shapes(), st.floats(0.0, 2.0 * math.pi), st.floats(0.0, 1.0))
def test_the_shape_begins_at_zero_at_the_edge_of_the_dead_zone(shape: PadMap, angle: float, share: float) -> None:
    ways = (math.cos(angle), math.sin(angle))
    inside = shape.shape(*(share * shape.dead_zone * way for way in ways))
    beyond = shape.shape(*((shape.dead_zone + 1e-6) * way for way in ways))
    assert max(map(abs, inside)) < 1e-9
    assert max(map(abs, beyond)) < 1e-4


@given(shapes(), st.sampled_from((-1.0, 1.0)))
def test_a_stick_that_is_full_drives_at_full(shape: PadMap, way: float) -> None:
    assert shape.shape(way * shape.full, 0.0) == (pytest.approx(way), 0.0)
    assert shape.shape(0.0, 0.0) == (0.0, 0.0)


def test_the_dead_zone_of_one_axis_is_no_business_of_the_other() -> None:
    each = pad_map(zone="axis", dead_zone=0.2)
    assert each.shape(0.19, 0.9)[0] == 0.0
    assert pad_map(zone="radial", dead_zone=0.2).shape(0.19, 0.9)[0] > 0.0


def test_the_curve_is_finer_in_the_middle_and_the_same_at_the_ends() -> None:
    straight, fine = pad_map(expo=0.0, full=1.0), pad_map(expo=1.0, full=1.0)
    assert straight.shape(0.55, 0.0)[0] == pytest.approx(0.5)
    assert fine.shape(0.55, 0.0)[0] == pytest.approx(0.5**3)
    assert straight.shape(1.0, 0.0) == fine.shape(1.0, 0.0) == (1.0, 0.0)


def test_forward_and_left_are_positive_whatever_the_pad_says() -> None:
    hand = pad_map(zone="axis").hand(7, PAD, (-1.0, -1.0), 1 << 4)
    assert (hand.seq, hand.device, hand.deadman, hand.forward, hand.turn) == (7, PAD, True, 1.0, 1.0)
    assert (hand.axes, hand.buttons) == ((-1.0, -1.0), 1 << 4)


@given(shapes(), st.lists(anything, max_size=12), st.integers(-(2**40), 2**40))
def test_any_reading_gives_a_hand_that_can_be_sent(shape: PadMap, axes: list[float], buttons: int) -> None:
    hand = shape.hand(1, PAD, axes, buttons)
    assert unpack_hand(pack_hand(hand)).buttons == hand.buttons


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, MOST_RAW + 1e-6, -3.3, 1e300])
def test_an_axis_that_says_nothing_of_a_stick_is_neutral(bad: float) -> None:
    for axes in ((bad, -1.0), (0.0, bad)):
        hand = pad_map().hand(1, PAD, axes, 1 << 4)
        assert (hand.deadman, hand.forward, hand.turn) == (False, 0.0, 0.0)


def test_an_axis_that_is_a_little_beyond_its_range_is_at_its_end() -> None:
    assert pad_map().hand(1, PAD, (0.0, -MOST_RAW), 1 << 4).forward == 1.0


def test_a_pad_without_the_axis_is_neutral_and_what_it_lacks_is_told() -> None:
    wanting = pad_map(forward=Axis(5, 1), buttons={"stop": 9})
    assert not wanting.hand(1, PAD, (0.0, -1.0), 0xFFFF).deadman
    assert wanting.lacks(2, 4) == "axis 5, button 4, button 9 (stop)"
    assert wanting.lacks(6, 10) == ""


def test_any_of_the_dead_mans_buttons_holds_it_and_no_other_does() -> None:
    either = pad_map(deadman=(4, 5))
    held = [button for button in range(32) if either.hand(1, PAD, (0.0, -1.0), 1 << button).deadman]
    assert held == [4, 5]


def test_a_released_dead_man_keeps_what_the_stick_does_for_the_log() -> None:
    hand = pad_map().hand(1, PAD, (0.0, -1.0), 0)
    assert (hand.deadman, hand.forward) == (False, 1.0)


def test_without_a_dead_man_moving_the_stick_is_enough() -> None:
    free = pad_map(deadman=())
    assert free.hand(1, PAD, (0.0, -0.5), 0).deadman
    assert free.hand(1, PAD, (-0.5, 0.0), 0).deadman
    assert not free.hand(1, PAD, (0.05, 0.05), 0xFF).deadman


@given(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_triggers_pull_against_each_other(right: float, left: float) -> None:
    pulled = Triggers(5, 2)
    axes, swapped = [0.0] * 6, [0.0] * 6
    axes[5], axes[2] = right, left
    swapped[5], swapped[2] = left, right
    assert pulled.value(axes) == -pulled.value(swapped)
    assert abs(pulled.value(axes)) <= 1.0


def test_a_trigger_at_rest_asks_for_nothing_and_a_full_one_for_all() -> None:
    for rest in (-1.0, 0.0):
        pulled = pad_map(forward=Triggers(2, 3, rest))
        assert pulled.hand(1, PAD, (0.0, 0.0, rest, rest), 1 << 4).forward == 0.0
        assert pulled.hand(1, PAD, (0.0, 0.0, 1.0, rest), 1 << 4).forward == 1.0
        assert pulled.hand(1, PAD, (0.0, 0.0, rest, 1.0), 1 << 4).forward == -1.0


def test_a_button_acts_when_it_is_pressed_and_the_stops_come_first() -> None:
    acting = pad_map(buttons={action: 10 + number for number, action in enumerate(reversed(ACTIONS))})
    everything = (1 << 32) - 1
    assert acting.pressed(0, everything) == list(ACTIONS)
    assert acting.pressed(everything, everything) == acting.pressed(everything, 0) == []


GOOD = {
    "name": "mine",
    "forward": {"axis": 1, "sign": -1},
    "turn": {"axis": 0, "sign": -1},
    "deadman": [4],
}


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": 3},
        {"forward": {"axis": 8, "sign": 1}},
        {"forward": {"axis": 1.0, "sign": 1}},
        {"forward": {"axis": True, "sign": 1}},
        {"forward": {"axis": 1, "sign": 0}},
        {"forward": {"axis": 1}},
        {"forward": {"axis": 1, "sign": 1, "speed": 3}},
        {"forward": {"trigger": 2}},
        {"forward": {"trigger": 2, "back_trigger": 2}},
        {"forward": {"trigger": 2, "back_trigger": 3, "rest": 0.5}},
        {"forward": {"trigger": 0, "back_trigger": 3}},
        {"forward": 1},
        {"turn": {"axis": 1, "sign": 1}},
        {"turn": {"trigger": 2, "back_trigger": 3}},
        {"deadman": []},
        {"deadman": "button 4"},
        {"deadman": [32]},
        {"deadman": [-1]},
        {"deadman": [[4]]},
        {"deadman": [4, 4]},
        {"buttons": {"stop": 4}},
        {"buttons": {"jump": 1}},
        {"buttons": {"stop": 1, "estop": 1}},
        {"buttons": [1]},
        {"dead_zone": 0.0},
        {"dead_zone": 0.51},
        {"dead_zone": math.nan},
        {"dead_zone": "0.1"},
        {"full": 0.2},
        {"full": 1.01},
        {"zone": "square"},
        {"zone": ["axis"]},
        {"expo": -0.1},
        {"expo": 1.1},
        {"still_s": 0.1},
        {"still_s": -1.0},
        {"match": {"guids": "03*"}},
        {"match": {"guids": ["[03]*"]}},
        {"match": {"guids": ["ABC"]}},
        {"match": {"names": ["x"]}},
        {"match": {"browser": [""]}},
        {"match": {"browser": ["x"] * 65}},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_map_with_a_wrong_field_is_refused(change: dict) -> None:
    parse_pad_map(GOOD)
    with pytest.raises(ConfigError):
        parse_pad_map({**GOOD, **change})


@pytest.mark.parametrize("missing", sorted(GOOD))
def test_a_map_without_what_it_needs_is_refused(missing: str) -> None:
    with pytest.raises(ConfigError, match=missing):
        parse_pad_map({key: value for key, value in GOOD.items() if key != missing})


@given(shapes(), texts, st.sampled_from((None, 0.0, 1.5)), st.booleans())
def test_a_map_that_was_written_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, shape: PadMap, name: str, still_s: float | None, triggers: bool
) -> None:
    path = tmp_path_factory.mktemp("maps") / "mine.toml"
    forward = Triggers(2, 5, -0.5) if triggers else FORWARD
    written = replace(
        shape, name=name, forward=forward, still_s=still_s, buttons={"stop": 1}, guids=("03*",), browser=("x*",)
    )
    write_pad_map(written, path)
    assert read_pad_map(path) == replace(written, origin=str(path))


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"name = ", b"#" * (MAX_BYTES + 1), b"x=" + b"[" * 9000], ids=lambda data: str(data[:8])
)
def test_a_file_that_is_no_map_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        read_pad_map(path)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of a person's own maps."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return user_folder()


def test_a_known_pad_has_a_map_that_came_along(mine: Path) -> None:
    found = find_pad_map("Microsoft X-Box 360 pad", XBOX)
    assert (found.origin, found.deadman) == ("shipped xbox", (4, 5))


def test_a_checksum_in_the_guid_makes_no_other_pad_of_it(mine: Path) -> None:
    assert find_pad_map("", XBOX[:4] + "db13" + XBOX[8:]).origin == "shipped xbox"


def test_a_persons_own_map_goes_first(mine: Path) -> None:
    write_pad_map(pad_map(name="mine", guids=("030000005e04*",)), mine / "mine.toml")
    found = find_pad_map("Microsoft X-Box 360 pad", XBOX)
    assert (found.name, found.origin) == ("mine", str(mine / "mine.toml"))


def test_a_map_that_was_edited_is_read_anew(mine: Path) -> None:
    for name in ("old", "new"):
        write_pad_map(pad_map(name=name, guids=("*",)), mine / "mine.toml")
        assert find_pad_map("any", XBOX).name == name


def test_a_broken_map_of_ones_own_is_not_passed_over(mine: Path) -> None:
    mine.mkdir(parents=True)
    (mine / "broken.toml").write_text("name = 3")
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        find_pad_map("any", XBOX)


def test_a_pad_in_a_browser_is_read_by_the_browsers_numbers_alone(mine: Path) -> None:
    assert find_pad_map("045e-028e-Microsoft X-Box 360 pad").origin == "shipped standard"
    write_pad_map(pad_map(name="ours", browser=("*wheel*",), guids=("*",)), mine / "ours.toml")
    assert find_pad_map("My Wheel (Vendor: 1234)").name == "ours"


SDL = {"lefty": "a1", "leftx": "a0", "leftshoulder": "b9", "rightshoulder": "b10", "b": "b1", "back": "b4", "a": "h0.1"}


def test_a_pad_that_only_sdl_knows_is_read_as_sdl_says(mine: Path) -> None:
    found = find_pad_map("odd pad", "03000000aaaa", SDL)
    assert (found.forward, found.turn, found.deadman) == (FORWARD, LEFT, (9, 10))
    assert found.buttons == {"stop": 1, "estop": 4, "ok": HAT}
    assert "SDL" in found.origin


def test_an_inverted_axis_of_sdls_is_turned_round() -> None:
    assert map_from_sdl("odd pad", {**SDL, "lefty": "a3~"}).forward == Axis(3, 1)


@pytest.mark.parametrize(
    "lacking", [{"lefty": "b1"}, {"leftx": "-a0"}, {"leftshoulder": "a4", "rightshoulder": "h0.1"}]
)
def test_what_sdl_cannot_say_is_not_guessed(lacking: dict) -> None:
    with pytest.raises(ConfigError, match="--make"):
        map_from_sdl("odd pad", {**SDL, **lacking})


def test_a_pad_that_nobody_knows_is_refused_with_what_to_do(mine: Path) -> None:
    with pytest.raises(ConfigError, match="robot-il pad --make"):
        find_pad_map("odd pad", "03000000aaaa")
