"""The sections of a robot's profile as records, and what its body comes down to.

Figures carry their unit in their name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

GRAVITY_M_S2 = 9.81
SIDES = ("left", "right")
LEG_JOINTS = tuple(f"{joint}_{side}" for side in SIDES for joint in ("hip", "knee"))
"""The leg joints for which STATE has room."""
WHEEL_JOINTS = tuple(f"wheel_{side}" for side in SIDES)


@dataclass(frozen=True)
class Posture:
    """Joint angles at which the legs are held; 0 without legs."""

    hip_rad: float
    knee_rad: float


@dataclass(frozen=True)
class Drive:
    """The drive of one wheel. Every figure counts at the wheel, gear included, but for the rotor's own inertia.

    Figures with a default need not be stated; without them the drive is direct, cool and without the effect.

    Attributes:
        strength_1: torque delivered for the torque demanded.
        current_limit_a: of the winding, either way.
        regeneration_limit_a: current that a braking drive may feed back into the battery.
        thermal_resistance_k_w: of the winding to the air; 0 for one that does not warm up.
        thermal_time_constant_s: in which the winding comes within 37 % of its final temperature.
        ambient_c: of the air, and of the winding at the start.
        derating_start_c: winding temperature from which the drive gives less than its limit.
        derating_end_c: at which it gives nothing more.
        gear_ratio_1: turns of the rotor for one of the wheel.
        gear_efficiency_1: share of the power that comes through the gear, either way.
        rotor_inertia_kg_m2: of the rotor about its own axis, before the gear.
        backlash_rad: how far the wheel turns freely while the rotor stands still, from stop to stop.
        cogging_nm: amplitude of the torque that the magnets make without current.
        cogging_periods_rev: its periods for one turn of the wheel.
        static_friction_nm: friction that has to be broken away from; nothing below Coulomb's.
        stribeck_rad_s: speed at which 37 % of what is above Coulomb friction is left.
    """

    torque_limit_nm: float
    time_constant_s: float
    viscous_friction_nm_s: float
    coulomb_friction_nm: float
    torque_constant_nm_a: float
    winding_resistance_ohm: float
    strength_1: float = 1.0
    current_limit_a: float = math.inf
    regeneration_limit_a: float = math.inf
    thermal_resistance_k_w: float = 0.0
    thermal_time_constant_s: float = 60.0
    ambient_c: float = 25.0
    derating_start_c: float = 90.0
    derating_end_c: float = 130.0
    gear_ratio_1: float = 1.0
    gear_efficiency_1: float = 1.0
    rotor_inertia_kg_m2: float = 0.0
    backlash_rad: float = 0.0
    cogging_nm: float = 0.0
    cogging_periods_rev: float = 1.0
    static_friction_nm: float = 0.0
    stribeck_rad_s: float = 0.1

    @property
    def reflected_inertia_kg_m2(self) -> float:
        """Of one rotor as it is felt between wheel and body: its own times the gear's ratio squared."""
        return self.rotor_inertia_kg_m2 * self.gear_ratio_1**2


@dataclass(frozen=True)
class Legs:
    """The position-controlled drives of hips and knees."""

    time_constant_s: float
    torque_limit_nm: float


@dataclass(frozen=True)
class Imu:
    """The inertial sensor; noise as one-sided amplitude density, bias as standard deviation at boot and random walk.

    Attributes:
        mount_roll_rad: turn of the part against the body about the forward axis, of which the MCU knows nothing.
        mount_pitch_rad: about the left axis, applied after roll.
        mount_yaw_rad: about the upward axis, applied last.
        gyro_scale_1: standard deviation, from part to part, of the gyros' scale error.
        accel_scale_1: of the accelerometers'.
        misalignment_rad: standard deviation of the turns by which the part's axes are off, about each axis.
        delay_s: by which its readings are older than the other sensors'.
    """

    position_x_m: float
    position_z_m: float
    gyro_noise_rad_s_rthz: float
    gyro_bias_rad_s: float
    gyro_bias_walk_rad_s2_rthz: float
    accel_noise_m_s2_rthz: float
    accel_bias_m_s2: float
    accel_bias_walk_m_s3_rthz: float
    mount_roll_rad: float = 0.0
    mount_pitch_rad: float = 0.0
    mount_yaw_rad: float = 0.0
    gyro_scale_1: float = 0.0
    accel_scale_1: float = 0.0
    misalignment_rad: float = 0.0
    delay_s: float = 0.0


@dataclass(frozen=True)
class Encoders:
    """Counts per revolution of the joint; those of the legs are of no consequence where there are none.

    Attributes:
        wheel_count_loss_1: share of the wheels' counts that get lost, and with them the way they stood for.
        wheel_on_rotor_1: 1 where they sit on the rotor, before the gear's play; 0 at the wheel.
    """

    wheel_counts_rev: float
    leg_counts_rev: float = 1.0
    wheel_count_loss_1: float = 0.0
    wheel_on_rotor_1: float = 0.0


@dataclass(frozen=True)
class Sensors:
    """What all sensors share."""

    delay_s: float


@dataclass(frozen=True)
class Battery:
    """Source behind an internal resistance."""

    open_circuit_v: float
    resistance_ohm: float
    idle_current_a: float


@dataclass(frozen=True)
class Contact:
    """Wheel on floor: Coulomb's coefficient, and rolling resistance as force over load."""

    friction_1: float
    rolling_resistance_1: float = 0.0


@dataclass(frozen=True)
class Link:
    """What the line between MCU and host takes beyond the millisecond each way that every twin has.

    Attributes:
        to_host_s: longer on the way to the host.
        to_mcu_s: longer on the way to the MCU.
        jitter_s: mean of what is added to it each time, at random, of an exponential distribution.
    """

    to_host_s: float = 0.0
    to_mcu_s: float = 0.0
    jitter_s: float = 0.0


@dataclass(frozen=True)
class Tolerance:
    """How well the URDF's figures are known: factors of 1, whose ranges say how far off they may be."""

    mass_1: float = 1.0
    com_height_1: float = 1.0


@dataclass(frozen=True)
class Pendulum:
    """The robot as a wheeled inverted pendulum, legs rigid, both wheels as one.

    Attributes:
        wheel_radius_m: rolling radius.
        wheel_mass_kg: both wheels.
        wheel_inertia_kg_m2: both wheels, about their axle.
        body_mass_kg: everything but the wheels.
        body_height_m: distance of the body's centre of mass from the axle.
        body_inertia_kg_m2: of the body in pitch, about its centre of mass.
        rotor_inertia_kg_m2: both rotors, as felt between wheels and body behind their gears.
    """

    wheel_radius_m: float
    wheel_mass_kg: float
    wheel_inertia_kg_m2: float
    body_mass_kg: float
    body_height_m: float
    body_inertia_kg_m2: float
    rotor_inertia_kg_m2: float = 0.0


@dataclass(frozen=True)
class Weights:
    """What the LQR holds to be as bad as the torque beside it (Bryson's rule)."""

    pitch_rad: float
    pitch_rate_rad_s: float
    position_m: float
    velocity_m_s: float
    torque_nm: float

    @property
    def tolerated(self) -> tuple[dict[str, float], float]:
        """Signal to its deviation, in its unit, and the torque in N m that costs as much."""
        signals = (self.pitch_rad, self.pitch_rate_rad_s, self.position_m, self.velocity_m_s)
        return dict(zip(("pitch", "pitch_rate", "position", "velocity"), signals, strict=True)), self.torque_nm


@dataclass(frozen=True)
class Heading:
    """How the heading is held: difference of the wheels' torques, half of it forwards on the right, half back."""

    gain_nm_rad: float = 1.0
    damping_nm_s_rad: float = 0.2
