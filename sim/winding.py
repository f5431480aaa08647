"""A motor's winding warms up, and a warm drive gives less."""

from __future__ import annotations

import math

from robot_il.robot import Drive


class Winding:
    """One winding as a single lump of copper behind a thermal resistance to the air.

    With current I, resistance R, thermal resistance Q and time constant s its temperature T over the air obeys
    s T' = Q R I^2 - T, solved exactly for a current that is constant over a step: the model behind the thermal
    resistance and time constant that motors' data sheets give. That copper conducts worse when warm is left out.

    Attributes:
        temperature_c: now.
        share: of its torque limit that the drive still gives: 1 up to the derating's start, 0 from its end on.
    """

    def __init__(self, drive: Drive, step_s: float) -> None:
        self._air_c = drive.ambient_c
        self._k_a2 = drive.thermal_resistance_k_w * drive.winding_resistance_ohm
        self._keep = math.exp(-step_s / drive.thermal_time_constant_s)
        self._end_c = drive.derating_end_c
        self._width_k = max(drive.derating_end_c - drive.derating_start_c, 1e-3)
        self.temperature_c = drive.ambient_c
        self.share = 1.0
        self._derate()

    def warm(self, current_a: float) -> None:
        """One step at a current."""
        final_c = self._air_c + self._k_a2 * current_a * current_a
        self.temperature_c = final_c + self._keep * (self.temperature_c - final_c)
        self._derate()

    def _derate(self) -> None:
        self.share = min(1.0, max(0.0, (self._end_c - self.temperature_c) / self._width_k))
