"""How far ahead the twin knows a recorded robot: from a state smoothed over the past, under the recorded torques."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from robot_il.robot import Robot
from sim.actuators import WheelDrives
from sim.attitude import pitch_of
from sim.conditions import Conditions
from sim.drivetrain import make_drives
from sim.identification.data import Piece, Stretch, integral, without_filter
from sim.identification.equations import Body
from sim.identification.fit import SOFTER
from sim.identification.identify import FIRST_NOISE, profile_values
from sim.identification.linear import LinearModel
from sim.identification.shooting import Shooting
from sim.plant import STEP_S, Plant

SIGNALS = ("pitch", "pitch_rate", "position", "velocity")
UNITS = ("rad", "rad/s", "m", "m/s")
PAST_S = 0.5
"""Readings of this time before a prediction begins are what it may look at."""
EVERY_S = 0.1
METHODS = ("twin", "linear", "persistence")


@dataclass(frozen=True, eq=False)
class Errors:
    """Predictions against a recording.

    Attributes:
        horizons_s: (H,).
        missed: method to (N, H, len(SIGNALS)) prediction minus reading, a row for each start.
    """

    horizons_s: tuple[float, ...]
    missed: dict[str, np.ndarray]

    def rms(self, method: str) -> np.ndarray:
        """(H, len(SIGNALS)) root mean square over all starts."""
        sizes: np.ndarray = np.sqrt(np.mean(self.missed[method] ** 2, axis=0))
        return sizes


@dataclass(frozen=True, eq=False)
class Windows:
    """Where predictions begin, with what may be looked at and what came.

    Attributes:
        stretch: without the attitude filter's pull.
        starts: (N,) samples.
        past: periods looked at before each.
        ahead: (H,) periods to each horizon.
    """

    stretch: Stretch
    starts: np.ndarray
    past: int
    ahead: np.ndarray

    @classmethod
    def of(cls, recorded: Stretch, horizons_s: tuple[float, ...], first: int = 0) -> Windows:
        """Every ``EVERY_S`` from sample ``first`` on, as far as past and longest horizon are in the recording."""
        stretch, period = without_filter(recorded), recorded.period_s
        past, ahead = round(PAST_S / period), np.array([round(horizon / period) for horizon in horizons_s])
        # the delays of the smoothing reach back a little farther
        begin = max(first, past + round(0.1 / period))
        starts = np.arange(begin, len(stretch) - int(ahead.max()) - 1, max(1, round(EVERY_S / period)))
        return cls(stretch, starts, past, ahead)

    def readings(self) -> np.ndarray:
        """(4, T) turned by the gyro, its rate, angle and rate of the wheels, the last from one sample to both sides."""
        _, rate, wheel, _ = self.stretch.outputs
        pitch = integral(rate, self.stretch.period_s)
        return np.stack((pitch, rate, wheel, np.gradient(wheel, self.stretch.period_s)))

    def by_the_millisecond(self) -> np.ndarray:
        """Torque demanded in each step of the twin, in N m."""
        ms, torque = round(self.stretch.period_s / STEP_S), self.stretch.torque
        if torque.shape[1] == ms:
            return torque.ravel()
        return np.repeat(torque.mean(axis=1), ms)

    def truth(self, radius_m: float) -> np.ndarray:
        """(N, H + 1, len(SIGNALS)) readings at each start and each horizon, position and velocity of the axle."""
        pitch, rate, wheel, wheel_rate = self.readings()
        signals = np.stack((pitch, rate, radius_m * (wheel + pitch), radius_m * (wheel_rate + rate)), axis=1)
        found: np.ndarray = signals[self.starts[:, None] + np.concatenate([[0], self.ahead])]
        return found


def compare(
    robot: Robot,
    recorded: Stretch,
    horizons_s: tuple[float, ...],
    first_share: float,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Errors | None:
    """Predicts one recording by the twin, by a linear model of the recording's first part, and by persistence.

    Pitch and position are compared as changes since the start: where their zeros are, no recording tells.

    Args:
        robot: profile: the twin.
        recorded: stretch of a recording.
        horizons_s: how far ahead.
        first_share: of the recording, to which the linear model is fitted; predictions begin after it.
        told: called with (starts done, of how many) for a person who waits.

    Returns:
        None where the stretch is too short.
    """
    split = round(first_share * len(recorded))
    windows = Windows.of(recorded, horizons_s, split)
    if not len(windows.starts) or split < windows.past:
        return None
    radius = robot.pendulum.wheel_radius_m
    truth = windows.truth(radius)
    moved = {
        "twin": _by_twin(robot, windows, told),
        "linear": _by_linear(windows, split, radius),
        "persistence": np.zeros_like(truth[:, 1:]),
    }
    moved["persistence"][..., [1, 3]] = truth[:, :1, [1, 3]]
    target = truth[:, 1:].copy()
    target[..., [0, 2]] -= truth[:, :1, [0, 2]]
    return Errors(horizons_s, {name: change - target for name, change in moved.items()})


def smoothed(robot: Robot, windows: Windows) -> np.ndarray:
    """(N, 4) lean, its rate, position and velocity at each start, from the past by the equations of the pendulum.

    The state is that of the moment which the reading shows, a sensor's delay before it arrives.
    """
    values, body = profile_values(robot), Body.of(robot.pendulum)
    pieces = [Piece(0, int(start) - windows.past, 1, windows.past) for start in windows.starts]
    shooting = Shooting(body, [windows.stretch], pieces, FIRST_NOISE)
    for softer in SOFTER:
        shooting.body = replace(body, rest_rad_s=softer * body.rest_rad_s)
        shooting.settle(values)
    return shooting.ends(values).T


def _by_twin(robot: Robot, windows: Windows, told: Callable[[int, int], None]) -> np.ndarray:
    """(N, H, len(SIGNALS)) what the twin makes of each start."""
    states = smoothed(robot, windows)
    plant = Plant(robot, Conditions())
    try:
        drives = make_drives(robot, Conditions(), plant, STEP_S)
        moved = []
        for number, (start, state) in enumerate(zip(windows.starts, states, strict=True)):
            told(number, len(states))
            moved.append(_fly(robot, plant, drives, windows, int(start), state))
        told(len(states), len(states))
    finally:
        plant.close()
    return np.stack(moved)


def _fly(
    robot: Robot, plant: Plant, drives: WheelDrives, windows: Windows, start: int, state: np.ndarray
) -> np.ndarray:
    """(H, len(SIGNALS)) from one start."""
    radius = robot.pendulum.wheel_radius_m
    ms = round(windows.stretch.period_s / STEP_S)
    torques = windows.by_the_millisecond()
    late = round(robot.sensors.delay_s / STEP_S)
    lean, rate, _, velocity = (float(value) for value in state)
    plant.place(lean, 0.0, rate, velocity)
    drives.reset()
    begin = (start + 1) * ms - late
    _warm(drives, torques, begin, plant)
    base = _wheels(plant)
    found, horizon = [], 0
    for step in range(int(windows.ahead.max()) * ms):
        torque = 0.5 * float(torques[begin + step])
        drives.step(torque, torque, plant.joints[0][1], plant.joints[1][1])
        plant.step(drives.left_nm, drives.right_nm)
        if step + 1 == windows.ahead[horizon] * ms:
            found.append(_signals(plant, lean, base, radius))
            horizon += 1
    return np.array(found)


def _warm(drives: WheelDrives, torques: np.ndarray, begin: int, plant: Plant) -> None:
    """Brings the drives to what they delivered when the robot was where it starts."""
    for step in range(max(0, begin - 20), begin):
        torque = 0.5 * float(torques[step])
        drives.step(torque, torque, plant.joints[0][1], plant.joints[1][1])
    drives.align()


def _wheels(plant: Plant) -> float:
    return 0.5 * float(plant.joints[0][0] + plant.joints[1][0])


def _signals(plant: Plant, lean: float, base: float, radius: float) -> tuple[float, float, float, float]:
    """Change of pitch, pitch rate, change of position, velocity, as the sensors would have them."""
    turned = pitch_of(plant.quaternion) - lean
    rate = float(plant.angular_velocity_rad_s[1])
    wheel_rate = 0.5 * float(plant.joints[0][1] + plant.joints[1][1])
    return turned, rate, radius * (_wheels(plant) - base + turned), radius * (wheel_rate + rate)


def _by_linear(windows: Windows, split: int, radius: float) -> np.ndarray:
    """(N, H, len(SIGNALS)) what a linear model of the first part makes of each start."""
    outputs = windows.readings()
    torque = windows.stretch.torque
    model = LinearModel.fitted([Stretch(windows.stretch.period_s, torque[:split], outputs[:, :split])])
    mean = torque.mean(axis=1)
    inside = np.arange(-windows.past, 1)
    seen = np.moveaxis(outputs[:, windows.starts[:, None] + inside], 0, 1)
    starts = model.smoothed(seen, mean[windows.starts[:, None] + inside[1:]], FIRST_NOISE.outputs)
    ahead = np.arange(1, int(windows.ahead.max()) + 1)
    states = model.predicted(starts, mean[windows.starts[:, None] + ahead])[:, windows.ahead]
    turned, wheel = states[..., 0] - starts[:, None, 0], states[..., 2] - starts[:, None, 2]
    return np.stack((turned, states[..., 1], radius * (wheel + turned), radius * (states[..., 3] + states[..., 1])), -1)
