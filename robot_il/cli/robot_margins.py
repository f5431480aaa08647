"""How much a robot's drives and its LQR have in hand, from its profile alone."""

from __future__ import annotations

import math

import numpy as np

from robot_il.control.lqr import discretise, driven_dynamics
from robot_il.control.region_catch import loop_delay_s
from robot_il.robot import Robot
from robot_il.spec import CONTROL_PERIOD_S, FIRMWARE_RATE_HZ, LIMITS, TICKS_PER_STATE

STEP_S = 1.0 / FIRMWARE_RATE_HZ
LONGEST_MS = 64


def torque_at(robot: Robot, wheel_rad_s: float) -> float:
    """What one wheel's drive can give in the direction of motion on a battery that is almost empty, in N m."""
    drive = robot.drive
    spare_v = max(0.0, LIMITS.battery_low_v - drive.torque_constant_nm_a * wheel_rad_s)
    volts_nm = drive.torque_constant_nm_a / drive.winding_resistance_ohm * spare_v
    return min(drive.torque_limit_nm, LIMITS.wheel_torque_nm, volts_nm)


def catchable_lean_rad(robot: Robot) -> float:
    """Largest lean at rest from which bounded torque can bring the linear robot back, the loop's delay included.

    Along the left eigenvector v of the growing mode, of rate s, the state w = v x obeys w' = s w + v B u. Torque up to
    U can turn it back from |w| < |v B| U / s and from nowhere else (Hu and Lin, "Control Systems with Actuator
    Saturation", 2001, section 2.2); until the torque comes, w grows by exp(s d).
    """
    A, B = driven_dynamics(robot)
    rates, vectors = np.linalg.eig(A.T)
    growing = int(np.argmax(rates.real))
    rate, v = float(rates[growing].real), vectors[:, growing].real
    waiting_s = loop_delay_s(robot) + CONTROL_PERIOD_S + robot.drive.time_constant_s
    reach = abs(float(v @ B[:, 0])) * 2.0 * torque_at(robot, 0.0) / rate
    return reach / abs(float(v[0])) * math.exp(-rate * waiting_s)


def poles(robot: Robot, gain: np.ndarray) -> np.ndarray:
    """Poles (4,) in 1/s of the loop that the discrete gain (4,) closes, without delays."""
    Ad, Bd = discretise(*driven_dynamics(robot), CONTROL_PERIOD_S)
    return np.log(np.linalg.eigvals(Ad - Bd @ gain[None]).astype(complex)) / CONTROL_PERIOD_S


def delay_margin_s(robot: Robot, gain: np.ndarray) -> float:
    """Longest delay between motion and torque, in whole milliseconds, under which the loop is still stable.

    Sample and hold and the drive's lag come on top of it. Returns 0 where it is unstable without any delay.
    """
    low, high = 0, LONGEST_MS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _stable(robot, gain, middle) else (low, middle)
    return low * STEP_S


def _stable(robot: Robot, gain: np.ndarray, delay_ms: int) -> bool:
    """Whether one period's map of everything that the loop remembers shrinks: state, past states, torque, demand."""
    Ad, Bd = discretise(*driven_dynamics(robot), STEP_S)
    keep = math.exp(-STEP_S / robot.drive.time_constant_s)
    size = 4 * (delay_ms + 1)
    remembered = np.eye(size + 2)  # columns: what becomes of each unit of memory
    for step in range(TICKS_PER_STATE):
        seen, torque, demand = remembered[size - 4 : size], remembered[size], remembered[size + 1]
        if step == 0:
            demand = -gain @ seen
        torque = keep * torque + (1.0 - keep) * demand
        state = Ad @ remembered[:4] + Bd @ torque[None]
        remembered = np.vstack([state, remembered[: size - 4], torque, demand])
    return bool(np.abs(np.linalg.eigvals(remembered)).max() < 1.0)
