/* Attitude, heading and odometry from the board's sensors, once a tick. */
#ifndef RIL_ESTIMATOR_H
#define RIL_ESTIMATOR_H

#include <stdbool.h>

#include "sensors.h"
#include "tracker.h"

enum ril_sides { RIL_LEFT, RIL_RIGHT, RIL_SIDES };

/* Angles are double: at 1 kHz their increments can be below a float's resolution. */
struct ril_estimator {
    bool started;
    float wheel_radius; /* m */
    double pitch;       /* rad */
    double gyro_bias;   /* rad/s, of gyro_pitch */
    double yaw;         /* rad */
    double zero;        /* m, position at arming */
    float pitch_rate;   /* rad/s */
    float yaw_rate;     /* rad/s */
    struct ril_tracker wheel[RIL_SIDES]; /* wheel joint against the shank */
    struct ril_tracker leg[RIL_SIDES];   /* hip + knee: shank against the body */
};

/* One tick with a usable sample. */
void ril_estimator_update(struct ril_estimator *estimator, const struct ril_sensors *sensors);

/* One tick without: goes on at the last rates. */
void ril_estimator_predict(struct ril_estimator *estimator);

/* Makes the present position the zero of `position`. */
void ril_estimator_zero(struct ril_estimator *estimator);

/* Position of the axle since the zero, in m, and its rate in m/s; forward positive. */
float ril_estimator_position(const struct ril_estimator *estimator);
float ril_estimator_velocity(const struct ril_estimator *estimator);

#endif
