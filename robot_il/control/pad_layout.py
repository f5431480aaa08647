"""What a pad's axes and buttons mean: which way is forward, what holds the dead-man, how the stick is shaped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from robot_il.control.operator import Hand
from robot_il.errors import ConfigError
from robot_il.finite import is_finite_number
from robot_il.spec import HAND_AXES

ACTIONS = ("stop", "estop", "record", "good", "ok", "bad", "redo", "raise", "lower")
"""What a button of a pad may stand for besides the dead-man."""
ZONES = ("radial", "axis")
BUTTONS = 32
"""As many buttons as a hand has bits."""
HAT = 28
"""Number of the hat's upper button; right, lower and left follow. To most drivers of the kernel the cross is a hat."""
MOST_RAW = 1.1
"""A stick's axis beyond this is none: browsers report a resting hat as 3.3."""
MOST_KEPT = 100.0
"""A raw axis beyond this is not even kept."""
_CORRECT = "correct the pad's map, or make one with robot-il pad --make"


@dataclass(frozen=True)
class Axis:
    """One axis of a pad, and which of its ends is positive here.

    Attributes:
        axis: its number.
        sign: 1, or -1 where the pad's own sign is the other one.
    """

    axis: int
    sign: int

    def __post_init__(self) -> None:
        _require_number("axis", self.axis, HAND_AXES)
        if type(self.sign) is not int or self.sign not in (-1, 1):
            raise ConfigError("a sign of 1 or -1", repr(self.sign)[:40], _CORRECT)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of the axes that are read."""
        return (self.axis,)

    def value(self, axes: Sequence[float]) -> float:
        """Of the raw axes, -1..1."""
        return min(max(self.sign * axes[self.axis], -1.0), 1.0)


@dataclass(frozen=True)
class Triggers:
    """Two triggers that make one axis: one pulls forward, the other back.

    Attributes:
        trigger: number of the axis that pulls forward.
        back_trigger: number of the axis that pulls back.
        rest: raw value of both while nobody touches them, -1..0; fully pulled they are 1.
    """

    trigger: int
    back_trigger: int
    rest: float = -1.0

    def __post_init__(self) -> None:
        for number in self.numbers:
            _require_number("trigger", number, HAND_AXES)
        if self.trigger == self.back_trigger:
            raise ConfigError("two triggers", f"{self.trigger} twice", _CORRECT)
        _require_within("rest", self.rest, -1.0, 0.0)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of the axes that are read."""
        return (self.trigger, self.back_trigger)

    def value(self, axes: Sequence[float]) -> float:
        """Of the raw axes, -1..1."""
        return self._pulled(axes[self.trigger]) - self._pulled(axes[self.back_trigger])

    def _pulled(self, raw: float) -> float:
        return min(max((raw - self.rest) / (1.0 - self.rest), 0.0), 1.0)


@dataclass(frozen=True)
class PadMap:
    """How one kind of pad is read; every field is checked.

    Attributes:
        name: for a person.
        forward: axis of driving, forward positive.
        turn: axis of turning, left positive.
        deadman: buttons of which one must be held for the stick to count; none: moving the stick is enough.
        buttons: what a press of other buttons does, ``ACTIONS`` to numbers.
        dead_zone: deflection at which the output begins, at 0.
        full: deflection that counts as all of it; worn sticks do not reach 1.
        zone: ``radial``: the deflection of the whole stick counts; ``axis``: that of each axis for itself.
        expo: share of the cube in the curve (1 - expo) * x + expo * x**3; 0 is a straight line, 1 finest in the middle.
        still_s: a stick that is held and yet reports nothing new for so long, in s, is taken for a pad that is gone;
            0 never, None leaves it to how the pad is connected.
        guids: patterns of the pads' SDL GUIDs that this map is for.
        browser: patterns of the names that browsers give such pads; their numbers are not SDL's.
        origin: where the map came from.
    """

    name: str
    forward: Axis | Triggers
    turn: Axis
    deadman: tuple[int, ...]
    buttons: Mapping[str, int] = field(default_factory=dict)
    dead_zone: float = 0.1
    full: float = 0.95
    zone: str = "radial"
    expo: float = 0.3
    still_s: float | None = None
    guids: tuple[str, ...] = ()
    browser: tuple[str, ...] = ()
    origin: str = ""

    def __post_init__(self) -> None:
        if set(self.turn.numbers) & set(self.forward.numbers):
            raise ConfigError("one axis to drive and another to turn", f"{self.turn.axis} for both", _CORRECT)
        for number in (*self.deadman, *self.buttons.values()):
            _require_number("button", number, BUTTONS)
        unknown = sorted(set(self.buttons) - set(ACTIONS))
        if unknown:
            raise ConfigError(f"buttons for {', '.join(ACTIONS)}", ", ".join(unknown)[:80], _CORRECT)
        numbers = [*self.deadman, *self.buttons.values()]
        if len(set(numbers)) < len(numbers):
            raise ConfigError("each button once", f"{sorted(numbers)}", _CORRECT)
        if self.zone not in ZONES:
            raise ConfigError(f"a zone of {', '.join(ZONES)}", repr(self.zone)[:40], _CORRECT)
        _require_within("dead_zone", self.dead_zone, 0.02, 0.5)
        _require_within("full", self.full, self.dead_zone + 0.2, 1.0)
        _require_within("expo", self.expo, 0.0, 1.0)
        if self.still_s is not None and self.still_s != 0.0:
            _require_within("still_s", self.still_s, 0.2, 60.0)

    def hand(self, seq: int, device: int, axes: Sequence[float], buttons: int) -> Hand:
        """What a reading of the pad means.

        Args:
            seq: number of the hand.
            device: a ``spec.HandDevice``.
            axes: raw; of any number and any value.
            buttons: a bit for each pressed button.

        Returns:
            a hand that can always be packed; neutral where an axis of the map is missing or no number of a stick.
        """
        raw = tuple(_kept(value) for value in axes[:HAND_AXES])
        buttons &= (1 << BUTTONS) - 1
        if not self._readable(axes):
            return Hand(seq, device, False, 0.0, 0.0, raw, buttons)
        forward, turn = self.shape(self.forward.value(axes), self.turn.value(axes))
        held = any(buttons >> number & 1 for number in self.deadman) if self.deadman else bool(forward or turn)
        return Hand(seq, device, held, forward, turn, raw, buttons)

    def _readable(self, axes: Sequence[float]) -> bool:
        """Whether every axis of the map is there and says something; NaN fails the comparison."""
        numbers = (*self.forward.numbers, *self.turn.numbers)
        return all(number < len(axes) and -MOST_RAW <= axes[number] <= MOST_RAW for number in numbers)

    def shape(self, forward: float, turn: float) -> tuple[float, float]:
        """A deflection after dead zone and curve, -1..1 each; it begins at 0 at the edge of the dead zone."""
        if self.zone == "axis":
            return self._curve(forward), self._curve(turn)
        size = math.hypot(forward, turn)
        share = self._curve(size) / size if size else 0.0
        return _bounded(forward * share), _bounded(turn * share)

    def _curve(self, value: float) -> float:
        live = min(max((abs(value) - self.dead_zone) / (self.full - self.dead_zone), 0.0), 1.0)
        return _bounded(math.copysign((1.0 - self.expo) * live + self.expo * live**3, value)) if live else 0.0

    def pressed(self, before: int, now: int) -> list[str]:
        """Actions whose buttons are pressed now and were not before, the stops first."""
        fresh = now & ~before
        return [action for action in ACTIONS if action in self.buttons and fresh >> self.buttons[action] & 1]

    def lacks(self, axes: int, buttons: int, hat: bool = False) -> str:
        """What a pad of so many axes and buttons, with a hat or without, has not of this map; empty where it fits.

        Nobody is worse off on a pad that cannot raise and lower the body: that is not missed.
        """
        there = {*range(buttons), *(range(HAT, BUTTONS) if hat else ())}
        needed = {action: number for action, number in self.buttons.items() if action not in ("raise", "lower")}
        missing = [f"axis {number}" for number in (*self.forward.numbers, *self.turn.numbers) if number >= axes]
        missing += [f"button {number}" for number in self.deadman if number not in there]
        missing += [f"button {number} ({action})" for action, number in needed.items() if number not in there]
        return ", ".join(missing)

    def to_json(self) -> dict[str, Any]:
        """What it makes of a pad, as JSON values; without which pads it is for."""
        values = asdict(self)
        return {key: value for key, value in values.items() if key not in ("guids", "browser", "origin")}


def _bounded(value: float) -> float:
    return min(max(value, -1.0), 1.0) + 0.0  # no negative zero


def _kept(value: float) -> float:
    """A raw axis as the log can hold it."""
    return float(value) if -MOST_KEPT <= value <= MOST_KEPT else 0.0


def _require_number(what: str, value: object, count: int) -> None:
    if type(value) is not int or not 0 <= value < count:
        raise ConfigError(f"the number of a {what}, 0 to {count - 1}", repr(value)[:40], _CORRECT)


def _require_within(what: str, value: object, low: float, high: float) -> None:
    if not is_finite_number(value) or not low <= value <= high:
        raise ConfigError(f"{what} within {low:g} to {high:g}", repr(value)[:40], _CORRECT)
