#include "sensors.h"

#include <math.h>
#include <stddef.h>

/* Beyond any gyro, accelerometer, joint or battery. A larger "finite" value would turn infinite once integrated. */
#define LARGEST 1e5f
/* Beyond any way travelled in wheel angle; doubles resolve 1e-7 rad there. */
#define LARGEST_WHEEL 1e9

bool ril_sensors_usable(const struct ril_sensors *sensors) {
    const float values[] = {
        sensors->gyro_pitch, sensors->gyro_yaw,  sensors->accel_x,    sensors->accel_z, sensors->hip_left,
        sensors->knee_left,  sensors->hip_right, sensors->knee_right, sensors->battery,
    };
    bool usable = fabs(sensors->wheel_left) <= LARGEST_WHEEL && fabs(sensors->wheel_right) <= LARGEST_WHEEL;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        usable = usable && fabsf(values[i]) <= LARGEST; /* false for NaN */
    }
    return usable;
}

bool ril_sensors_same_motion(const struct ril_sensors *a, const struct ril_sensors *b) {
    return a->gyro_pitch == b->gyro_pitch && a->gyro_yaw == b->gyro_yaw && a->accel_x == b->accel_x &&
           a->accel_z == b->accel_z;
}
