#include "estimator.h"

#include "angle.h"
#include "ril_spec.h"

#define TICK_S (RIL_TICK_US * 1e-6)
/* Complementary filter with bias, the one-axis form of Mahony, Hamel and Pflimlin, "Nonlinear complementary filters on
 * the special orthogonal group", IEEE TAC 53(5), 2008, eq. 32:
 *   pitch' = gyro - bias + KP e,   bias' = -KI e,   e = pitch of the accelerometer - pitch.
 * 1/KP = 1 s: long against the robot's own accelerations, short against the gyro's drift. */
#define KP 1.0
#define KI 0.1
#define BIAS_LIMIT 0.1 /* rad/s; no gyro in order has more, and a shaken robot must not teach it more */

/* Below this the heading's rate is not observable from one gyro axis; the robot has fallen anyway. */
#define COSINE_MIN 0.5f

/* At rest the specific force points up: (-g sin pitch, g cos pitch) in the body's frame. */
static double pitch_of_accel(const struct ril_sensors *sensors) {
    return (double)ril_angle_atan2(-sensors->accel_x, sensors->accel_z);
}

static double leg_angle(float hip, float knee) {
    return (double)hip + (double)knee;
}

/* The wheel rolls by its angle against the ground: joint + shank against the body + body against gravity. */
static double rolled(const struct ril_estimator *estimator) {
    double joints = 0.0;
    for (int side = 0; side < RIL_SIDES; side++) {
        joints += estimator->wheel[side].angle + estimator->leg[side].angle;
    }
    return (double)estimator->wheel_radius * (joints / (double)RIL_SIDES + estimator->pitch);
}

/* At boot, and after a gap too long to bridge; the position goes on where it was. */
static void start(struct ril_estimator *estimator, const struct ril_sensors *sensors) {
    double position = rolled(estimator) - estimator->zero;
    estimator->pitch = pitch_of_accel(sensors);
    ril_tracker_start(&estimator->wheel[RIL_LEFT], sensors->wheel_left);
    ril_tracker_start(&estimator->wheel[RIL_RIGHT], sensors->wheel_right);
    ril_tracker_start(&estimator->leg[RIL_LEFT], leg_angle(sensors->hip_left, sensors->knee_left));
    ril_tracker_start(&estimator->leg[RIL_RIGHT], leg_angle(sensors->hip_right, sensors->knee_right));
    estimator->zero = rolled(estimator) - position;
    estimator->started = true;
}

static void update_attitude(struct ril_estimator *estimator, const struct ril_sensors *sensors) {
    double rate = (double)sensors->gyro_pitch - estimator->gyro_bias;
    double predicted = estimator->pitch + rate * TICK_S; /* what the accelerometer of this tick is to be held against */
    double error = ril_angle_wrap(pitch_of_accel(sensors) - predicted);
    double bias = estimator->gyro_bias - KI * error * TICK_S;
    estimator->gyro_bias = bias < -BIAS_LIMIT ? -BIAS_LIMIT : (bias > BIAS_LIMIT ? BIAS_LIMIT : bias);
    estimator->pitch = ril_angle_wrap(predicted + KP * error * TICK_S);
    estimator->pitch_rate = (float)rate;
    /* On level ground the body does not roll, so the gyro's z axis sees the heading's rate times cos(pitch). */
    float cosine = ril_angle_cos((float)estimator->pitch);
    estimator->yaw_rate = sensors->gyro_yaw / (cosine > COSINE_MIN ? cosine : COSINE_MIN);
    estimator->yaw += (double)estimator->yaw_rate * TICK_S;
}

void ril_estimator_update(struct ril_estimator *estimator, const struct ril_sensors *sensors) {
    if (!estimator->started) {
        start(estimator, sensors);
    }
    update_attitude(estimator, sensors);
    ril_tracker_update(&estimator->wheel[RIL_LEFT], sensors->wheel_left);
    ril_tracker_update(&estimator->wheel[RIL_RIGHT], sensors->wheel_right);
    ril_tracker_update(&estimator->leg[RIL_LEFT], leg_angle(sensors->hip_left, sensors->knee_left));
    ril_tracker_update(&estimator->leg[RIL_RIGHT], leg_angle(sensors->hip_right, sensors->knee_right));
}

void ril_estimator_predict(struct ril_estimator *estimator) {
    estimator->pitch = ril_angle_wrap(estimator->pitch + (double)estimator->pitch_rate * TICK_S);
    estimator->yaw += (double)estimator->yaw_rate * TICK_S;
    for (int side = 0; side < RIL_SIDES; side++) {
        ril_tracker_predict(&estimator->wheel[side]);
        ril_tracker_predict(&estimator->leg[side]);
    }
}

void ril_estimator_zero(struct ril_estimator *estimator) {
    estimator->zero = rolled(estimator);
}

float ril_estimator_position(const struct ril_estimator *estimator) {
    return (float)(rolled(estimator) - estimator->zero);
}

float ril_estimator_velocity(const struct ril_estimator *estimator) {
    float joints = 0.0f;
    for (int side = 0; side < RIL_SIDES; side++) {
        joints += estimator->wheel[side].rate + estimator->leg[side].rate;
    }
    return estimator->wheel_radius * (joints / (float)RIL_SIDES + estimator->pitch_rate);
}
