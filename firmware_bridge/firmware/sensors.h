/* One sample of everything the board measures. SI units, x forward, y left, z up, in the body's frame. */
#ifndef RIL_SENSORS_H
#define RIL_SENSORS_H

#include <stdbool.h>
#include <stdint.h>

struct ril_sensors {
    double wheel_left; /* rad against the shank, unwrapped; double, for it grows with the way travelled */
    double wheel_right;
    float gyro_pitch; /* rad/s about y, positive tips forward */
    float gyro_yaw;   /* rad/s about z, positive turns left */
    float accel_x;    /* m/s^2, specific force: (0, 9.81) at rest upright */
    float accel_z;
    float hip_left; /* rad */
    float knee_left;
    float hip_right;
    float knee_right;
    float battery; /* V */
    uint8_t fresh; /* 0: nothing was sampled for this tick, the values are older */
};

/* True when every value is finite and of a size that a sensor can give. */
bool ril_sensors_usable(const struct ril_sensors *sensors);

/* True when both samples have the very same inertial values, as only a sensor that hangs gives them for long. */
bool ril_sensors_same_motion(const struct ril_sensors *a, const struct ril_sensors *b);

#endif
