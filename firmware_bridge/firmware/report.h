/* What the MCU tells the host of its own accord. */
#ifndef RIL_REPORT_H
#define RIL_REPORT_H

#include "mcu.h"
#include "ril_spec.h"

void ril_report_event(struct ril_mcu *mcu, uint16_t event, uint16_t argument, float value);

/* A REJECTED event, at most one per reason in 100 ms. */
void ril_report_reject(struct ril_mcu *mcu, uint16_t reason);

/* What a STATE would say now, with the torques of the last tick instead of their mean over the period. */
void ril_report_fill(const struct ril_mcu *mcu, struct ril_state *state);

void ril_report_state(struct ril_mcu *mcu);

#endif
