#include "drive.h"

#include <math.h>

static float clamp(float value, float low, float high) {
    return value > low ? (value < high ? value : high) : low; /* low for NaN */
}

void ril_drive_tick(struct ril_drive *drive, const struct ril_limits *limits, float rate) {
    float limit = limits->value[RIL_PARAM_WHEEL_TORQUE_NM];
    float step = limits->value[RIL_PARAM_WHEEL_TORQUE_SLEW_NM_S] * (float)RIL_TICK_US * 1e-6f;
    float target = clamp(drive->target, -limit, limit); /* the limit may have been tightened since */
    drive->applied = clamp(target, drive->applied - step, drive->applied + step);
    if (fabsf(rate) > limits->value[RIL_PARAM_WHEEL_SPEED_RAD_S] && drive->applied * rate > 0.0f) {
        drive->applied = 0.0f; /* too fast: only braking passes */
    }
    drive->sum += drive->applied;
}

void ril_drive_stop(struct ril_drive *drive) {
    drive->target = 0.0f;
    drive->applied = 0.0f;
}

float ril_drive_mean(struct ril_drive *drive) {
    float mean = drive->sum / (float)RIL_TICKS_PER_STATE;
    drive->sum = 0.0f;
    return mean;
}
