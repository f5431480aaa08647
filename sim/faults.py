"""Every fault that is tried, and what must come of it: the one registry."""

from __future__ import annotations

from dataclasses import dataclass

from sim import fault_board as board
from sim import fault_host as host
from sim import fault_wire as wire
from sim.fault_scene import Fault

RIDES, FALLBACK, SAFE_STOP, MCU_STOP = "rides through", "fallback", "safe stop", "MCU stop"
FELL = "fell armed"
OUTCOMES = {
    RIDES: "the robot stays up, and the controller keeps it",
    FALLBACK: "the robot stays up, and the fallback had it at least once",
    SAFE_STOP: "the host disarmed the MCU",
    MCU_STOP: "the MCU stopped by itself, or was reset",
    FELL: "the robot came down and nobody stopped it; this keeps no promise",
}
"""What can become of a flight, best first."""
STOPPED = (SAFE_STOP, MCU_STOP)
"""Host and MCU watch the lean both; whichever is first."""
BURST_MS = 80
"""Less than the command timeout, and more than the 10 periods of silence at which the host gives up."""


@dataclass(frozen=True)
class Case:
    """One fault of the matrix.

    Attributes:
        name: what the command line and the table call it.
        meaning: one line for a person.
        fault: what happens.
        expected: which of ``OUTCOMES`` keep the promise.
    """

    name: str
    meaning: str
    fault: Fault
    expected: tuple[str, ...]


def _wire(to: str) -> list[Case]:
    """The same for both directions, but for what a silence leads to: the host hears nothing, or the MCU does not."""
    end = "MCU" if to == "mcu" else "host"
    silence = SAFE_STOP if to == "host" else MCU_STOP
    burst = SAFE_STOP if to == "host" else RIDES
    # three STATEs missing in a row, which happens now and then, are handed to the fallback
    noisy = (RIDES, FALLBACK) if to == "host" else (RIDES,)

    def case(name: str, meaning: str, fault: Fault, *expected: str) -> Case:
        return Case(f"{name}-to-{to}", f"towards the {end}: {meaning}", fault, expected)

    every = f"for {BURST_MS} ms"
    return [
        case("drop-burst", f"every frame vanishes {every}", wire.Drop(to, ms=BURST_MS), burst),
        case("drop-some", "a fifth of the frames vanishes", wire.Drop(to, share=0.2), *noisy),
        case("cut", "every frame vanishes, for ever", wire.Drop(to), silence),
        case("delay-burst", "60 ms late for 200 ms", wire.Delay(to, ms=200, late_ms=60), burst),
        case("delay", "6 ms late, for ever", wire.Delay(to, late_ms=6), RIDES),
        case("delay-long", "150 ms late, for ever", wire.Delay(to, late_ms=150), silence),
        case("duplicate", "every frame comes three times", wire.Duplicate(to), RIDES),
        case("reorder", "every second frame comes before the first", wire.Reorder(to), RIDES),
        case("flip-burst", f"bits flip in every frame {every}", wire.Flip(to, ms=BURST_MS), burst),
        case("flip-some", "bits flip in a fifth of the frames", wire.Flip(to, share=0.2), *noisy),
        case("truncate-burst", f"every frame is cut short {every}", wire.Truncate(to, ms=BURST_MS), burst),
        case("truncate-some", "a fifth of the frames is cut short", wire.Truncate(to, share=0.2), *noisy),
        case("flood-burst", "100 ms of garbage at line rate", wire.Flood(to, ms=100), RIDES),
        case("flood", "garbage at line rate, for ever", wire.Flood(to), RIDES),
    ]


CASES = (
    *_wire("mcu"),
    *_wire("host"),
    Case("host-killed", "the host's process is killed", host.Killed(), (MCU_STOP,)),
    Case("host-frozen-300ms", "the host does nothing for 300 ms", host.Frozen(300), (MCU_STOP,)),
    Case("host-frozen", "the host does nothing any more", host.Frozen(), (MCU_STOP,)),
    Case("host-slow", "each of the host's answers takes 10 ms", host.SlowHost(10), (FALLBACK,)),
    Case("host-replaying", "frozen, and a bridge repeats its last command", host.Replaying(), (MCU_STOP,)),
    Case("host-clock-forwards", "the host's clock jumps 1 s forwards", host.ClockJump(1.0), (SAFE_STOP,)),
    Case("host-clock-backwards", "the host's clock jumps 1 s backwards", host.ClockJump(-1.0), (RIDES,)),
    Case("disk-full", "there is no room left for the log", host.DiskFull(), (SAFE_STOP,)),
    Case(
        "height-unreachable", "the host asks for a height that no leg can hold", host.HeightUnreachable(), (MCU_STOP,)
    ),
    Case("policy-nan", "the policy gives NaN", host.PolicyNan(), (FALLBACK,)),
    Case("policy-raises", "the policy raises", host.PolicyRaises(), (FALLBACK,)),
    Case("policy-explodes", "1e30 N m, the wrong way", host.PolicyExplodes(), (FALLBACK,)),
    Case("policy-constant", "half of the torque limit, for ever", host.PolicyConstant(), (FALLBACK,)),
    Case("policy-stuck", "its last torque, for ever", host.PolicyConstant(None), (FALLBACK,)),
    Case("policy-slow", "right, but 50 ms late", host.PolicySlow(50), (FALLBACK,)),
    Case("pad-lost", "the operator's pad falls silent", host.PadLost(), (SAFE_STOP,)),
    Case("mcu-reset", "the MCU's reset line is pulled", board.PowerLost(), (MCU_STOP,)),
    Case("mcu-brown-out", "no supply for 200 ms", board.PowerLost(200), (MCU_STOP,)),
    Case("mcu-hung", "the firmware stops executing", board.Hung(), (MCU_STOP,)),
    Case("mcu-clock-slip", "MCU and world stand still for 30 ms and say so", board.ClockSlip(30), (RIDES, FALLBACK)),
    Case("mcu-clock-slip-long", "the same for 300 ms", board.ClockSlip(300), (SAFE_STOP,)),
    Case("imu-stuck", "the IMU repeats its last sample", board.ImuStuck(), STOPPED),
    Case("imu-biased", "0.05 rad/s and 0.3 m/s^2 off", board.ImuBiased(0.05, 0.3), (RIDES,)),
    Case("imu-noisy", "0.3 rad/s and 3 m/s^2 rms of noise", board.ImuNoisy(0.3, 3.0), (RIDES, FALLBACK)),
    Case("imu-nan", "the IMU gives no number", board.ImuNan(), (MCU_STOP,)),
    Case("imu-sign", "rate and acceleration flipped", board.SignFlipped((board.GYRO_PITCH, board.ACCEL_X)), STOPPED),
    Case("gyro-sign", "the rate of pitch flipped", board.SignFlipped((board.GYRO_PITCH,)), STOPPED),
    Case("sensors-silent", "no fresh sample reaches the MCU", board.SensorsSilent(), (MCU_STOP,)),
    Case("encoder-slip", "the left encoder sees half of the motion", board.EncoderSlip(0.5), (RIDES,)),
    Case("encoder-dropout", "the left encoder stands still", board.EncoderSlip(0.0), (RIDES,)),
    Case("wheel-blocked", "the left wheel jams", board.WheelBlocked(), (RIDES, FALLBACK, *STOPPED)),
    Case("torque-saturated", "the drives give 1 N m at most", board.TorqueSaturated(1.0), (RIDES,)),
    Case("battery-sag", "the battery falls to 20.5 V", board.BatterySag(20.5), (RIDES,)),
    Case("battery-low", "the battery falls to 18.5 V", board.BatterySag(18.5), (MCU_STOP,)),
)
FAULTS = {case.name: case for case in CASES}
"""By name."""
