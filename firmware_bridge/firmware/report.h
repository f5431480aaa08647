/* What the MCU tells the host of its own accord. */
#ifndef RIL_REPORT_H
#define RIL_REPORT_H

#include "mcu.h"

void ril_report_event(struct ril_mcu *mcu, uint16_t event, uint16_t argument, float value);

/* A REJECTED event, at most one per reason in 100 ms. */
void ril_report_reject(struct ril_mcu *mcu, uint16_t reason);

void ril_report_state(struct ril_mcu *mcu);

#endif
