"""Asks a person for one movement of their pad after the other, and makes a map of what it saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from robot_il.cli.sdl_pads import Reading
from robot_il.control.pad_layout import BUTTONS, Axis, PadMap
from robot_il.control.pad_map import without_checksum
from robot_il.errors import ConfigError
from robot_il.spec import HAND_AXES

READINGS_S = 100
"""Readings a second that the figures below count in."""
REST = READINGS_S
HELD = READINGS_S // 4
"""Readings for which something must be held to be believed."""
PATIENCE = 30 * READINGS_S
FAR = 0.6
NEAR = 0.3
"""From its rest: an axis farther than the first is pushed, one nearer than the second is let go."""
NOISE_FACTOR = 3.0
"""The dead zone is so many times what the stick does while nobody touches it."""
LEAST_DEAD_ZONE, MOST_DEAD_ZONE = 0.08, 0.3


def make_map(name: str, guid: str, said: Iterator[Reading], say: Callable[[str], None]) -> PadMap:
    """Asks, and gives the map.

    Args:
        name: of the pad.
        guid: of the pad.
        said: its readings, about a hundred a second.
        say: tells the person what to do.

    Raises:
        ConfigError: the pad went away, or did not do what was asked.
    """
    wizard = _Wizard(said, say)
    dead_zone = wizard.rest()
    forward = wizard.push("push the stick fully forward and hold it")
    turn = wizard.push("push the stick fully to the left and hold it")
    if turn.axis == forward.axis:
        raise ConfigError("one axis to drive and another to turn", f"axis {turn.axis} for both", "begin again")
    deadman = wizard.press("press the dead-man button and hold it; or push the stick forward again to do without one")
    stop = wizard.press("press the button that is to stop the robot; or push the stick forward to do without one")
    if stop is not None and stop == deadman:
        raise ConfigError("another button to stop than the dead-man", f"button {stop} for both", "begin again")
    return PadMap(
        name=name[:128] or "pad",
        forward=forward,
        turn=turn,
        deadman=() if deadman is None else (deadman,),
        buttons={} if stop is None else {"stop": stop},
        dead_zone=dead_zone,
        guids=(without_checksum(guid),),
    )


class _Wizard:
    def __init__(self, said: Iterator[Reading], say: Callable[[str], None]) -> None:
        self._said = said
        self._say = say
        self._rest: tuple[float, ...] = ()

    def rest(self) -> float:
        """Learns where the axes rest; returns the dead zone that their noise asks for."""
        self._say("leave the pad alone")
        seen = [self._next().axes[:HAND_AXES] for _ in range(REST)]
        low, high = ([edge(column) for column in zip(*seen, strict=True)] for edge in (min, max))
        # a pad may rest at an end, as triggers do; only what moved is noise
        self._rest = tuple((least + most) / 2.0 for least, most in zip(low, high, strict=True))
        noise = max((most - least for least, most in zip(low, high, strict=True)), default=0.0)
        if noise > MOST_DEAD_ZONE:
            raise ConfigError("a pad that nobody touches", f"an axis that moved by {noise:.2f}", "begin again")
        offset = max((abs(value) for value in self._rest if abs(value) < MOST_DEAD_ZONE), default=0.0)
        wanted = offset + NOISE_FACTOR * noise
        return round(min(max(wanted, LEAST_DEAD_ZONE), MOST_DEAD_ZONE), 3)

    def push(self, text: str) -> Axis:
        """Waits for one axis to be pushed and held, then for it to be let go."""
        self._say(text)
        axis = self._held(lambda reading: self._pushed(reading))
        sign = 1 if axis > 0 else -1
        number = abs(axis) - 1
        self._let_go()
        return Axis(number, sign)

    def press(self, text: str) -> int | None:
        """Waits for one button to be pressed and held; None where the stick was pushed instead."""
        self._say(text)
        found = self._held(lambda reading: self._button(reading) or (BUTTONS + 1 if self._pushed(reading) else 0))
        self._let_go()
        return None if found > BUTTONS else found - 1

    def _pushed(self, reading: Reading) -> int:
        """1 + number of the one axis that is far from its rest, negative where it is below; 0 for none or several."""
        moved = [value - rest for value, rest in zip(reading.axes, self._rest, strict=False)]
        far = [(1 + number) * (1 if by > 0 else -1) for number, by in enumerate(moved) if abs(by) > FAR]
        return far[0] if len(far) == 1 else 0

    def _button(self, reading: Reading) -> int:
        """1 + number of the one button that is pressed; 0 for none or several."""
        pressed = [number for number in range(BUTTONS) if reading.buttons >> number & 1]
        return 1 + pressed[0] if len(pressed) == 1 else 0

    def _held(self, what: Callable[[Reading], int]) -> int:
        """The first thing that stays the same for long enough; 0 is nothing."""
        newest, count = 0, 0
        for _ in range(PATIENCE):
            found = what(self._next())
            count = count + 1 if found and found == newest else 0
            newest = found
            if count >= HELD:
                return found
        raise ConfigError("that movement", f"nothing of the kind in {PATIENCE // READINGS_S} s", "begin again")

    def _let_go(self) -> None:
        self._say("let go")
        for _ in range(PATIENCE):
            reading = self._next()
            near = all(abs(value - rest) < NEAR for value, rest in zip(reading.axes, self._rest, strict=False))
            if near and not reading.buttons:
                return
        raise ConfigError("a pad that is let go", f"one that is held for {PATIENCE // READINGS_S} s", "begin again")

    def _next(self) -> Reading:
        for reading in self._said:
            return reading
        raise ConfigError("a pad that stays", "one that is gone", "plug it in and begin again")
