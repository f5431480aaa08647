"""``robot-il doctor``: measures this machine and says in plain words whether it may run the loop."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robot_il.control.wakeup import WakeUps

RATES_HZ = (200, 1000)
LATE_SHARE = 0.25
"""Share of a period by which 99 % of the wake-ups may be late."""
SKIPPED_SHARE = 1e-3
"""Share of the grid points that may be skipped."""
POLICY_SHARE = 0.25
"""Share of a period that 99 % of the policy's calls may take."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "doctor",
        help="measure whether this machine may run the loop",
        description="Measures wake-up lateness, and where given the serial round trip and a policy's calls; exits 1 "
        "where the loop should not run here at 200 Hz.",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of each wake-up measurement (default 60)")
    parser.add_argument("--device", metavar="PORT", help="measure the round trip to this robot or twin")
    parser.add_argument("--policy", type=Path, help="measure this policy's calls at 200 Hz")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measures, prints a table and the verdict; 0 where the loop may run at 200 Hz."""
    from robot_il.control.cyclictest import installed
    from robot_il.control.realtime import realtime
    from robot_il.control.wakeup import measure_wake_ups
    from robot_il.errors import ConfigError

    if not arguments.seconds > 0:
        raise ConfigError("a positive --seconds", f"{arguments.seconds:g}", "give a longer time")
    faults = []
    with realtime() as granted:
        print(f"real time {granted}", flush=True)
        print(f"{'':32s}{'p50':>9s}{'p99':>9s}{'p99.9':>9s}{'max':>9s}  skipped", flush=True)
        for rate_hz in RATES_HZ:
            if sys.stdout.isatty():
                print(f"measuring {rate_hz} Hz for {arguments.seconds:g} s ...", end="\r", flush=True)
            wake_ups = measure_wake_ups(rate_hz, arguments.seconds)
            _row(f"wake-up at {rate_hz} Hz, us", wake_ups.lateness_us, f"{wake_ups.skipped} of {wake_ups.ticks}")
            if rate_hz == RATES_HZ[0]:
                faults += wake_up_faults(wake_ups)
        if arguments.policy:
            faults += _measure_policy(arguments.policy, min(arguments.seconds, 10.0))
        if arguments.device:
            faults += _measure_device(arguments.device)
    if installed():
        for rate_hz in RATES_HZ:
            _compare_with_cyclictest(rate_hz, arguments.seconds)
    else:
        print("cyclictest is not installed (apt: rt-tests); no comparison with a C loop")
    for fault in faults:
        print(f"NO: {fault}")
    print("this machine may run the loop at 200 Hz" if not faults else "this machine should not run the loop as it is")
    return 1 if faults else 0


def wake_up_faults(wake_ups: WakeUps) -> list[str]:
    """What speaks against running a loop at this rate, each with its remedy; empty where nothing does."""
    period_us = 1e6 / wake_ups.rate_hz
    remedy = "stop what else runs here, or let this user use SCHED_FIFO (limits.d: rtprio 80)"
    faults = []
    if wake_ups.percentile(99) > LATE_SHARE * period_us:
        faults.append(f"1 in 100 wake-ups is later than {LATE_SHARE * period_us:.0f} us; {remedy}")
    if wake_ups.skipped > SKIPPED_SHARE * wake_ups.ticks:
        faults.append(f"{wake_ups.skipped} of {wake_ups.ticks} periods were skipped; {remedy}")
    return faults


def _row(name: str, values: object, note: str = "") -> None:
    import numpy as np

    cells = "".join(f"{value:9.0f}" for value in np.percentile(np.asarray(values), (50, 99, 99.9, 100)))
    print(f"{name:32s}{cells}  {note}", flush=True)


def _measure_policy(path: Path, seconds: float) -> list[str]:
    """Calls a policy once a period, as the loop does: between calls the processor cools down."""
    import time

    from robot_il.control.onnx_policy import OnnxPolicy
    from robot_il.control.wakeup import measure_wake_ups

    policy = OnnxPolicy(path)
    observation = policy.golden.observations[0]
    calls_us: list[float] = []

    def call() -> None:
        start = time.perf_counter_ns()
        policy.act(observation)
        calls_us.append((time.perf_counter_ns() - start) / 1000.0)

    rate_hz = RATES_HZ[0]
    measure_wake_ups(rate_hz, seconds, on_tick=call)
    _row(f"policy call at {rate_hz} Hz, us", calls_us)
    limit_us = POLICY_SHARE * 1e6 / rate_hz
    slow = sum(value > limit_us for value in calls_us) > 0.01 * len(calls_us)
    return [f"1 in 100 policy calls takes longer than {limit_us:.0f} us; use a smaller network"] if slow else []


def _measure_device(port: str) -> list[str]:
    import contextlib

    from firmware_bridge.link import SerialLink
    from firmware_bridge.serial_device import SerialDevice
    from robot_il.control.arming import ROUND_TRIP_LIMIT_S

    with contextlib.closing(SerialDevice(SerialLink(port))) as device:
        identity = device.open()
    print(f"{'serial round trip, us':32s}{identity.round_trip_s * 1e6:9.0f}  firmware {identity.firmware_version}")
    if identity.round_trip_s <= ROUND_TRIP_LIMIT_S:
        return []
    return [f"the round trip is longer than {ROUND_TRIP_LIMIT_S * 1e3:.0f} ms; set the port to low latency"]


def _compare_with_cyclictest(rate_hz: int, seconds: float) -> None:
    """A row of the table from the field's own measure."""
    from robot_il.control.cyclictest import measure_cyclictest

    found = measure_cyclictest(rate_hz, seconds)
    if found is None:
        print(f"cyclictest gave no figures at {rate_hz} Hz; it needs the right to SCHED_FIFO")
        return
    _row(f"cyclictest at {rate_hz} Hz, us", found.lateness_us, f"{found.skipped} of {found.ticks}")
