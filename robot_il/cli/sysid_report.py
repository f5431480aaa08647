"""What identification found, as text and as a page."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from robot_il.cli.sysid_data import Recordings
from robot_il.cli.sysid_profile import sensor_noise
from robot_il.robot import Robot
from sim.identification.equations import NAMES
from sim.identification.identify import Identified, plausible, profile_values
from sim.identification.intervals import bootstrap

DRAWS = 400
SHOWN_S = 8.0
UNITS = {
    "torque_scale": ("torque delivered for the torque demanded", "1"),
    "height_m": ("centre of mass above the axle", "m"),
    "inertia_kg_m2": ("inertia of the body about it", "kg m^2"),
    "viscous_nm_s": ("viscous friction, both drives", "N m s"),
    "coulomb_nm": ("Coulomb friction, both drives", "N m"),
    "delay_s": ("delay from torque to gyro", "s"),
    "lag_s": ("lag of the drives", "s"),
    "skew_s": ("encoders read later than the gyro by", "s"),
}
"""What each figure is, and its unit."""


def rows(robot: Robot, found: Identified) -> list[tuple[str, ...]]:
    """Figure, unit, profile's value, found value, interval, half width, half width of the bootstrap; as text."""
    before, (low, high) = profile_values(robot), plausible(robot)
    resampled = bootstrap(found.fitted, DRAWS, seed=0)
    table: list[tuple[str, ...]] = []
    for place, index in enumerate(found.spread.chosen):
        value, least, most = found.interval(index) or (float("nan"),) * 3
        text, unit = UNITS[NAMES[index]]
        usual = low[index] <= value <= high[index]
        remark = "" if usual else f"outside the plausible {low[index]:g} to {high[index]:g}"
        half = f"{0.5 * (most - least):.2g}"
        ends = f"{least:.5g} to {most:.5g}"
        again = f"{2.0 * resampled[place]:.2g}"
        table.append((text, unit, f"{before[index]:.4g}", f"{value:.5g}", ends, half, again, remark))
    return table


HEAD = ("figure", "unit", "profile", "found", "95 % interval", "+-", "+- bootstrap", "")


def lean(found: Identified) -> str:
    """The lean at rest in words."""
    leans = found.lean_rad
    if len(leans) < 2:
        return f"lean at rest {float(leans.mean()):+.4f} rad, of one stretch: no interval"
    reach = 2.0 * float(leans.std(ddof=1)) / np.sqrt(len(leans))
    return (
        f"lean at rest {float(leans.mean()):+.4f} +- {reach:.4f} rad as the robot reports it: offset of the centre of "
        "mass and tilt of the accelerometer together, which balancing does not tell apart; the profile keeps its own"
    )


def unknowns(recordings: Recordings, found: Identified) -> list[str]:
    """A line for each figure that the recordings do not tell."""
    told = [f"{entry.name} stays {entry.kept:.4g}: {entry.why}" for entry in found.unknown]
    told += [
        f"{one} and {other} are told only together (correlation {share:+.3f}): one makes up for the other"
        for one, other, share in found.entangled
    ]
    for name, measured in sensor_noise(recordings).items():
        if measured is None:
            told.append(f"{name}: the robot did not stand still, disarmed, for two seconds in these recordings")
    told.append("imu biases and their walk, battery, winding and torque constant: not seen in these recordings")
    return told


def lines(robot: Robot, recordings: Recordings, found: Identified) -> list[str]:
    """The report as text."""
    fitted = found.fitted
    table = [HEAD, *rows(robot, found)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEAD))]
    said = [
        f"{recordings.seconds:.1f} s driven in {len(recordings.logs)} recordings, in {len(recordings.stretches)} "
        f"stretches; {fitted.readings} readings in {fitted.segments - fitted.disturbed} segments, {fitted.disturbed} "
        "more were disturbed and left out",
        *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table),
        lean(found),
        f"left over: pitch rate {fitted.noise.outputs[1]:.3g} rad/s, wheel angle {fitted.noise.outputs[2]:.3g} rad",
    ]
    for name, measured in sensor_noise(recordings).items():
        if measured is not None:
            said.append(f"{name} {measured.density:.3g} ({measured.low:.3g} to {measured.high:.3g}), at rest")
    return [*said, "not told by these recordings:", *(f"  {line}" for line in unknowns(recordings, found))]


def _shown(found: Identified) -> tuple[np.ndarray, tuple[tuple[str, np.ndarray, np.ndarray], ...]]:
    """Times and panels of the first seconds: of more, measured and simulated could not be told apart."""
    shooting = found.fitted.shooting
    period_s, length = shooting.stretches[0].period_s, shooting.measured.shape[2]
    count = min(len(shooting.starts), max(1, round(SHOWN_S / (period_s * length))))
    missed, _ = shooting.misses(found.fitted.values)
    measured = np.moveaxis(shooting.measured, 0, 1)
    panels = tuple(
        (title, measured[row, :count], measured[row, :count] + missed[row, :count])
        for title, row in (("pitch rate, rad/s", 1), ("wheel angle, rad", 2))
    )
    return (np.arange(count)[:, None] * length + np.arange(length)) * period_s, panels


def _combination(names: list[str], shares: np.ndarray) -> str:
    """The figures that have a part in a combination worth naming."""
    return ", ".join(f"{share:+.2f} {name}" for name, share in zip(names, shares, strict=True) if abs(share) > 0.2)


def write_page(out: Path, robot: Robot, recordings: Recordings, found: Identified) -> None:
    """Writes the page as a whole, under a temporary name first.

    Raises:
        ConfigError: it cannot be written.
    """
    from robot_il.learning import figures_sysid
    from robot_il.learning.report_html import Text, figure, heading, note, save_page, table

    overlay = figures_sysid.Overlay(*_shown(found))
    names = [NAMES[index] for index in found.spread.chosen]
    singular = found.spread.singular
    combinations = [
        (f"{size:.3g}", Text(_combination(names, row)))
        for size, row in zip(singular, found.spread.directions, strict=True)
    ]
    sections = [
        heading("Figures"),
        table(HEAD, [(Text(row[0]), *row[1:-1], Text(row[-1], bad=bool(row[-1]))) for row in rows(robot, found)]),
        note(lean(found)),
        heading("Measured and simulated"),
        figure(partial(figures_sysid.traces, overlay), "Each segment is simulated from a starting state of its own."),
        figure(partial(figures_sysid.leftovers, overlay), "What is left over, and how it is spread."),
        heading("What these recordings do not tell"),
        table(("",), [(Text(line),) for line in unknowns(recordings, found)]),
        heading("What they tell best and worst"),
        figure(partial(figures_sysid.correlations, names, found.spread.correlation), "Correlation of the figures."),
        note("A singular value tells by how many standard deviations a combination changes the recording per 100 %."),
        table(("singular value", "combination"), combinations),
    ]
    save_page(out, sections, "robot-il sysid")
