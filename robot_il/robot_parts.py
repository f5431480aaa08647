"""The sections of a robot's profile as records, and what its body comes down to.

Figures carry their unit in their name.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """The drive of one wheel; its strength is the torque delivered for the torque demanded."""

    torque_limit_nm: float
    time_constant_s: float
    viscous_friction_nm_s: float
    coulomb_friction_nm: float
    torque_constant_nm_a: float
    winding_resistance_ohm: float
    strength_1: float = 1.0


@dataclass(frozen=True)
class Legs:
    """The position-controlled drives of hips and knees."""

    time_constant_s: float
    torque_limit_nm: float


@dataclass(frozen=True)
class Imu:
    """The inertial sensor; noise as one-sided amplitude density, bias as standard deviation at boot and random walk."""

    position_x_m: float
    position_z_m: float
    gyro_noise_rad_s_rthz: float
    gyro_bias_rad_s: float
    gyro_bias_walk_rad_s2_rthz: float
    accel_noise_m_s2_rthz: float
    accel_bias_m_s2: float
    accel_bias_walk_m_s3_rthz: float


@dataclass(frozen=True)
class Encoders:
    """Counts per revolution of the joint; those of the legs are of no consequence where there are none."""

    wheel_counts_rev: float
    leg_counts_rev: float = 1.0


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
    """Wheel on floor; Coulomb friction coefficient."""

    friction_1: float


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
    """

    wheel_radius_m: float
    wheel_mass_kg: float
    wheel_inertia_kg_m2: float
    body_mass_kg: float
    body_height_m: float
    body_inertia_kg_m2: float


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
