"""``robot-il region``: from where the fallback catches a robot; computed, tried in the twin, kept with its profile."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from robot_il.control.region_file import RegionRecord
    from robot_il.control.region_search import Found
    from robot_il.robot import Robot

ENOUGH = 0.99
"""Share of the starts inside that the fallback has to catch for a region to be kept."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "region",
        help="from where the fallback can catch a robot",
        description="Shows the region from which the fallback can catch a robot, as kept beside its profile, and "
        "whether it still fits profile, limits and gain. With --write it is computed anew and kept; with --verify the "
        "fallback alone has to catch the twin from starts drawn inside it, and from others drawn outside, at each "
        "height for which it was computed and half-way from one to the next.",
    )
    parser.add_argument("--robot", default="reference", help="name or path of the robot profile (default reference)")
    parser.add_argument("--write", action="store_true", help="compute it anew and keep it beside the profile")
    parser.add_argument("--verify", type=int, metavar="N", help="N starts inside and N outside, in the twin")
    parser.add_argument("--safety-factor", type=float, help="on every axis of the ellipsoid found (default 0.9)")
    parser.add_argument("--seed", type=int, default=0, help="first draw of the verification (default 0)")
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Shows, computes or verifies."""
    import dataclasses

    from robot_il.control.region_file import load_region, region_path, write_region
    from robot_il.errors import ConfigError
    from robot_il.robot import load_robot

    if arguments.verify is not None and arguments.verify < 1:
        raise ConfigError("--verify of at least 1 start", f"{arguments.verify}", "give more, e.g. 400")
    robot = load_robot(arguments.robot)
    if arguments.write:
        record = _compute(robot, arguments.robot, arguments.safety_factor, arguments.workers)
    else:
        record = load_region(robot)
    if arguments.verify is not None:
        from robot_il.cli.region_trials import verify

        found = verify(arguments.robot, record.region, arguments.verify, arguments.workers, arguments.seed)
        record = dataclasses.replace(record, verification=found)
    _show(robot, record)
    if record.verification is not None:
        require_caught(record.verification["inside"])
    if arguments.write:
        write_region(region_path(robot), record)
        print(f"kept in {region_path(robot)}")
    return 0


def require_caught(inside: Mapping[str, Any]) -> None:
    """Lets a verified region through.

    Args:
        inside: ``trials`` and ``caught`` of the starts inside.

    Raises:
        ConfigError: too few were caught.
    """
    from robot_il.errors import ConfigError

    if inside["caught"] < ENOUGH * inside["trials"]:
        raise ConfigError(
            f"at least {100 * ENOUGH:g} % of the starts inside caught",
            f"{inside['caught']} of {inside['trials']}",
            "nothing was kept; try a smaller --safety-factor",
        )


@dataclass(frozen=True)
class _Job:
    """One height at which the region is to be computed; picklable."""

    robot_name: str
    height_m: float
    safety_factor: float


def _compute(robot: Robot, robot_name: str, safety_factor: float | None, workers: int | None) -> RegionRecord:
    from robot_il.cli.side_by_side import side_by_side
    from robot_il.control.region_search import SAFETY_FACTOR, as_record

    share = SAFETY_FACTOR if safety_factor is None else safety_factor
    jobs = [_Job(robot_name, height_m, share) for height_m in robot.postures.knots_m]
    return as_record(robot, side_by_side(_region_at, jobs, workers, "computed", chunk=1), safety_factor=share)


def _region_at(job: _Job) -> Found:
    from robot_il.control.region_search import region_at
    from robot_il.robot import load_robot

    return region_at(load_robot(job.robot_name), job.height_m, safety_factor=job.safety_factor)


def _show(robot: Robot, record: RegionRecord) -> None:
    regions = record.region
    print(f"robot {robot.name}: the fallback catches it from")
    for height_m, region, found in zip(regions.heights_m, regions.regions, record.found_levels, strict=True):
        where = f"at {height_m:.4f} m " if len(regions.heights_m) > 1 else ""
        pitch, rate, velocity = region.extent
        print(
            f"  {where}a lean at rest of up to {region.at_rest_rad:.3f} rad, and in motion, together on one ellipsoid,"
        )
        print(f"  up to {pitch:.3f} rad, {rate:.2f} rad/s and {velocity:.2f} m/s")
        print(f"  (level {region.level:.1f}: {found:.1f} found, every axis times {record.safety_factor:g})")
    if record.verification is None:
        print("not verified in the twin; do so with --verify 400 --write")
        return
    for shell in ("inside", "outside"):
        print(f"  {_verified(shell, record.verification[shell])}")


def _verified(shell: str, found: Mapping[str, Any]) -> str:
    low, high = (f"{radius:g}" for radius in found["radii"])
    share = f"{100 * found['low']:.1f} to {100 * found['high']:.1f} % (95 % Wilson interval)"
    return f"twin, {shell} ({low} to {high} of the edge): caught {found['caught']} of {found['trials']}, {share}"
