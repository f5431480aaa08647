/* What is wrong with the robot right now, whatever the host says. */
#ifndef RIL_MONITOR_H
#define RIL_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "limits.h"

/* Ticks in a row without a fresh sample that are borne; the estimator bridges them. */
#define RIL_STALE_TICKS 10u

/* Samples in a row with the very same inertial values that are borne; noise alone changes them at every one. */
#define RIL_FROZEN_TICKS 20u

/* How this tick's sample came; FROZEN is good but for its inertial values, which are those of the sample before. */
enum ril_samples { RIL_SAMPLE_GOOD, RIL_SAMPLE_FROZEN, RIL_SAMPLE_MISSING, RIL_SAMPLE_NOT_FINITE };

struct ril_monitor {
    uint16_t active; /* RIL_FAULT_... bits */
    uint32_t stale_ticks;
    uint32_t frozen_ticks;
    uint32_t low_ticks;
};

/* Starts without a sample: SENSOR_STALE until the first. */
void ril_monitor_init(struct ril_monitor *monitor);

/* One tick. `pitch` in rad; `battery` in V, looked at when the sample is good. */
void ril_monitor_tick(struct ril_monitor *monitor, const struct ril_limits *limits, enum ril_samples sample,
                      double pitch, float battery);

#endif
