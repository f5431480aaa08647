"""From recordings and a profile to figures, intervals, and a plain word on what the recordings do not tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from robot_il.errors import DataError
from robot_il.robot import Robot
from sim.identification.data import Stretch, without_filter
from sim.identification.equations import (
    COULOMB,
    DELAY,
    HEIGHT,
    INERTIA,
    LAG,
    NAMES,
    ROTOR,
    SCALE,
    SKEW,
    VISCOUS,
    Body,
)
from sim.identification.fit import Fit, Setting, fit, unfitted
from sim.identification.intervals import Spread, spread
from sim.identification.shooting import Noise

FIRST_NOISE = Noise(np.array([np.inf, 5e-3, 1e-3, np.inf]), np.array([1e-3, 5e-3, 1e-3, 5e-3]))
"""Where the search for the noise begins. The pitch is not looked at: it is the integral of the rate."""
WIDEST_DELAY_S = 0.05
ENTANGLED = 0.95
"""Two figures of a larger correlation are told only together."""
HOPELESS = 30.0
"""Times its plausible range that a figure's interval may have before the fit, when the noise is not known yet."""
LOOKED_FOR = (SCALE, HEIGHT, INERTIA, VISCOUS, COULOMB, DELAY, LAG, SKEW)


@dataclass(frozen=True)
class Unknown:
    """A figure that the recordings do not tell.

    Attributes:
        name: of ``NAMES``.
        kept: what it is left at.
        why: in words.
    """

    name: str
    kept: float
    why: str


@dataclass(frozen=True, eq=False)
class Identified:
    """What came of it.

    Attributes:
        fitted: the last fit.
        spread: its intervals.
        unknown: figures that stay what the profile says.
        entangled: pairs of names that are told only together, with their correlation.
        lean_rad: pitch at which the centre of mass stands above the axle, as the robot's own filter has it; for each
            piece, in rad.
    """

    fitted: Fit
    spread: Spread
    unknown: tuple[Unknown, ...]
    entangled: tuple[tuple[str, str, float], ...]
    lean_rad: np.ndarray

    def interval(self, index: int) -> tuple[float, float, float] | None:
        """Value, low and high of a figure that was found; None of one that was not."""
        if index not in self.spread.chosen:
            return None
        place = self.spread.chosen.index(index)
        return float(self.fitted.values[index]), float(self.spread.low[place]), float(self.spread.high[place])


def profile_values(robot: Robot) -> np.ndarray:
    """(len(NAMES),) the figures as the profile has them, friction of both drives together."""
    values = np.zeros(len(NAMES))
    values[SCALE] = robot.drive.strength_1
    values[HEIGHT], values[INERTIA] = robot.pendulum.body_height_m, robot.pendulum.body_inertia_kg_m2
    values[VISCOUS] = 2.0 * robot.drive.viscous_friction_nm_s
    values[COULOMB] = 2.0 * robot.drive.coulomb_friction_nm
    values[DELAY], values[LAG] = robot.sensors.delay_s, robot.drive.time_constant_s
    values[ROTOR] = robot.pendulum.rotor_inertia_kg_m2
    return values


def plausible(robot: Robot) -> tuple[np.ndarray, np.ndarray]:
    """(len(NAMES),) low and high of what such a robot's figures may be: the profile's ranges, and a factor around it.

    The ranges of a profile that was identified are intervals, and the next recording may be of another day.
    """
    values = profile_values(robot)
    low, high = values.copy(), values.copy()
    low[[SCALE, HEIGHT, INERTIA]] = values[[SCALE, HEIGHT, INERTIA]] * [0.5, 0.5, 0.25]
    high[[SCALE, HEIGHT, INERTIA]] = values[[SCALE, HEIGHT, INERTIA]] * [2.0, 1.6, 4.0]
    for index, name, share in (
        (VISCOUS, "drive.viscous_friction_nm_s", 2.0),
        (COULOMB, "drive.coulomb_friction_nm", 2.0),
        (DELAY, "sensors.delay_s", 1.0),
        (LAG, "drive.time_constant_s", 1.0),
    ):
        least, most = (share * end for end in robot.ranges[name])
        low[index], high[index] = min(least, 0.25 * values[index]), max(most, 4.0 * values[index])
    low[SKEW], high[SKEW] = -0.005, 0.005
    low[ROTOR], high[ROTOR] = 0.0, max(0.5 * robot.pendulum.wheel_inertia_kg_m2, 4.0 * values[ROTOR])
    return low, high


def setting_for(robot: Robot) -> Setting:
    """How recordings of a robot of this profile are fitted: the search reaches beyond what is plausible."""
    low, high = plausible(robot)
    low, high = np.where(low > 0.0, 0.0, 2.0 * low), 2.0 * high
    low[[SCALE, HEIGHT, INERTIA]] = 0.2 * profile_values(robot)[[SCALE, HEIGHT, INERTIA]]
    high[DELAY] = WIDEST_DELAY_S
    return Setting(Body.of(robot.pendulum), profile_values(robot), low, high, FIRST_NOISE)


def identify(
    robot: Robot,
    recorded: Sequence[Stretch],
    told: Callable[[str, int, int], None] = lambda what, done, total: None,
    setting: Setting | None = None,
) -> Identified:
    """Looks for everything that the recordings tell of a robot.

    A figure whose interval is wider than the whole range in which it plausibly lies is not told: it goes back to what
    the profile says, and the others are looked for again.

    Args:
        robot: profile: what is known beforehand.
        recorded: stretches of recordings, pitch and rate as the firmware reports them.
        told: called with (what is done, steps done, of how many) for a person who waits.
        setting: how; None for the usual way.

    Raises:
        DataError: nothing long enough to fit to, recordings that differ in period, or that tell nothing at all.
    """
    setting = setting or setting_for(robot)
    stretches = [without_filter(stretch) for stretch in recorded]
    low, high = plausible(robot)
    chosen, unknown = _hopeful(setting, stretches, low, high)
    while True:
        fitted = fit(setting, stretches, chosen, partial(told, f"fitting {len(chosen)} figures"))
        found = spread(fitted)
        if not _drop_widest(setting, found, chosen, unknown, 1.0, low, high):
            break
    return Identified(
        fitted,
        found,
        (*unknown, *_never_told(setting)),
        _entangled(found),
        _leans(fitted, stretches, recorded),
    )


def _hopeful(
    setting: Setting, stretches: Sequence[Stretch], low: np.ndarray, high: np.ndarray
) -> tuple[list[int], list[Unknown]]:
    """Leaves out at once what is far from being told even by the profile's own figures: a fit takes its time."""
    chosen, unknown = list(LOOKED_FOR), list[Unknown]()
    first = unfitted(setting, stretches, chosen)
    while _drop_widest(setting, spread(first), chosen, unknown, HOPELESS, low, high):
        scales = setting.scales
        linear = first.shooting.linearise(first.values, chosen, scales)
        first = replace(first, chosen=tuple(chosen), pieces=linear)
    return chosen, unknown


def _drop_widest(
    setting: Setting,
    found: Spread,
    chosen: list[int],
    unknown: list[Unknown],
    limit: float,
    low: np.ndarray,
    high: np.ndarray,
) -> bool:
    """Moves the figure of the widest interval, by its plausible range, to the unknown ones if beyond the limit."""
    width = (found.high - found.low) / (high - low)[chosen]
    place = int(np.argmax(width))
    if width[place] <= limit:
        return False
    if len(chosen) == 1:
        raise DataError(
            "recordings in which the robot moves",
            "ones that tell none of its figures",
            "excite it while it is recorded: robot-il sysid --device PORT --log NEW",
        )
    index = chosen.pop(place)
    why = (
        f"its interval {found.low[place]:.3g} to {found.high[place]:.3g} is wider than the plausible range "
        f"{low[index]:.3g} to {high[index]:.3g}: excite the robot more, or longer"
    )
    unknown.append(Unknown(NAMES[index], float(setting.start[index]), why))
    return True


def _never_told(setting: Setting) -> tuple[Unknown, ...]:
    """What no recording of torque and motion tells, and what it is hidden behind."""
    masses = "only their ratio to the torque is told: with all masses and torques twice as large the robot moves alike"
    rotors = "they act as the wheels' own inertia does, but for the body's reaction; take them from the drives' data"
    return (
        Unknown("mass_kg", setting.body.mass_kg + setting.body.wheel_mass_kg, f"{masses}; weigh the robot"),
        Unknown(NAMES[ROTOR], float(setting.start[ROTOR]), rotors),
    )


def _entangled(found: Spread) -> tuple[tuple[str, str, float], ...]:
    rows, columns = np.triu_indices(len(found.chosen), 1)
    return tuple(
        (NAMES[found.chosen[row]], NAMES[found.chosen[column]], float(found.correlation[row, column]))
        for row, column in zip(rows, columns, strict=True)
        if abs(found.correlation[row, column]) > ENTANGLED
    )


def _leans(fitted: Fit, stretches: Sequence[Stretch], recorded: Sequence[Stretch]) -> np.ndarray:
    """Reported pitch minus lean of the centre of mass, mean over each piece."""
    shooting = fitted.shooting
    lean = shooting.outputs(fitted.values)[0]
    inside = np.arange(lean.shape[1])
    means, row = [], 0
    for piece in shooting.pieces:
        pitch = recorded[piece.stretch].outputs[0]
        starts = piece.start + piece.length * np.arange(piece.segments)
        rows = slice(row, row + piece.segments)
        means.append(float(np.mean(pitch[starts[:, None] + inside] - lean[rows])))
        row += piece.segments
    return np.array(means)
