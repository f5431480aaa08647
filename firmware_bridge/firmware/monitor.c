#include "monitor.h"

#include <math.h>

#define LOW_TICKS (RIL_LIMIT_BATTERY_LOW_MS * 1000u / RIL_TICK_US)

void ril_monitor_init(struct ril_monitor *monitor) {
    monitor->active = RIL_FAULT_SENSOR_STALE;
    monitor->stale_ticks = RIL_STALE_TICKS;
    monitor->frozen_ticks = 0;
    monitor->low_ticks = 0;
}

/* Counts ticks in a row up to `top`, and not beyond, so that it never wraps. */
static uint32_t count(uint32_t ticks, bool again, uint32_t top) {
    return again ? (ticks < top ? ticks + 1 : top) : 0;
}

void ril_monitor_tick(struct ril_monitor *monitor, const struct ril_limits *limits, enum ril_samples sample,
                      double pitch, float battery) {
    unsigned active = 0;
    monitor->stale_ticks = count(monitor->stale_ticks, sample == RIL_SAMPLE_MISSING, RIL_STALE_TICKS + 1);
    if (sample == RIL_SAMPLE_GOOD || sample == RIL_SAMPLE_FROZEN) {
        monitor->frozen_ticks = count(monitor->frozen_ticks, sample == RIL_SAMPLE_FROZEN, RIL_FROZEN_TICKS + 1);
        bool low = battery < limits->value[RIL_PARAM_BATTERY_LOW_V];
        monitor->low_ticks = count(monitor->low_ticks, low, LOW_TICKS);
    }
    if (monitor->low_ticks >= LOW_TICKS) {
        active |= RIL_FAULT_BATTERY_LOW;
    }
    if (monitor->stale_ticks > RIL_STALE_TICKS || monitor->frozen_ticks > RIL_FROZEN_TICKS) {
        active |= RIL_FAULT_SENSOR_STALE;
    }
    if (sample == RIL_SAMPLE_NOT_FINITE) {
        active |= RIL_FAULT_SENSOR_NOT_FINITE;
    } else if (sample == RIL_SAMPLE_MISSING) {
        active |= monitor->active & RIL_FAULT_SENSOR_NOT_FINITE; /* only a good sample clears it */
    }
    if (!(fabs(pitch) <= (double)limits->value[RIL_PARAM_TILT_RAD])) {
        active |= RIL_FAULT_TILT;
    }
    monitor->active = (uint16_t)active;
}
