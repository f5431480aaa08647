/* The limits in force: those of the spec, or tighter ones that the host asked for. */
#ifndef RIL_LIMITS_H
#define RIL_LIMITS_H

#include <stdint.h>

#include "ril_spec.h"

#define RIL_PARAMS (RIL_PARAM_COMMAND_TIMEOUT_MS + 1)

/* Indexed by RIL_PARAM_..., in the unit of the parameter's name; [0] is unused. */
struct ril_limits {
    float value[RIL_PARAMS];
};

void ril_limits_init(struct ril_limits *limits);

/* Takes `value` if it is no wider than the spec and still workable. Returns what is in force; NaN: no such parameter. */
float ril_limits_set(struct ril_limits *limits, uint16_t param, float value);

/* Age in us at which a STATE is too old to be answered. */
uint64_t ril_limits_timeout_us(const struct ril_limits *limits);

#endif
