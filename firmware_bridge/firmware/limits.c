#include "limits.h"

#include <math.h>

struct range {
    float low, high;
};

/* A slew limit near zero would hold a torque that the host wants gone: full torque must still fade within 50 ms. */
#define SLEW_LOWEST (RIL_LIMIT_WHEEL_TORQUE_NM / 0.05f)

static const struct range ranges[RIL_PARAMS] = {
    [RIL_PARAM_WHEEL_TORQUE_NM] = {0.0f, RIL_LIMIT_WHEEL_TORQUE_NM},
    [RIL_PARAM_WHEEL_TORQUE_SLEW_NM_S] = {SLEW_LOWEST, RIL_LIMIT_WHEEL_TORQUE_SLEW_NM_S},
    [RIL_PARAM_TILT_RAD] = {0.0f, RIL_LIMIT_TILT_RAD},
    [RIL_PARAM_WHEEL_SPEED_RAD_S] = {0.0f, RIL_LIMIT_WHEEL_SPEED_RAD_S},
    [RIL_PARAM_BATTERY_LOW_V] = {RIL_LIMIT_BATTERY_LOW_V, INFINITY},
    [RIL_PARAM_COMMAND_TIMEOUT_MS] = {0.0f, (float)RIL_LIMIT_COMMAND_TIMEOUT_MS},
};

void ril_limits_init(struct ril_limits *limits) {
    limits->value[0] = NAN;
    for (int param = 1; param < RIL_PARAMS; param++) {
        limits->value[param] = ranges[param].high;
    }
    limits->value[RIL_PARAM_BATTERY_LOW_V] = RIL_LIMIT_BATTERY_LOW_V;
}

float ril_limits_set(struct ril_limits *limits, uint16_t param, float value) {
    if (param == 0 || param >= RIL_PARAMS) {
        return NAN;
    }
    if (isfinite(value) && value >= ranges[param].low && value <= ranges[param].high) {
        limits->value[param] = value;
    }
    return limits->value[param];
}

uint64_t ril_limits_timeout_us(const struct ril_limits *limits) {
    return (uint64_t)(limits->value[RIL_PARAM_COMMAND_TIMEOUT_MS] * 1000.0f);
}
