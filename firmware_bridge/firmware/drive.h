/* From the commanded torque of a wheel to the one its drive gets. */
#ifndef RIL_DRIVE_H
#define RIL_DRIVE_H

#include "limits.h"

struct ril_drive {
    float target;  /* N m, of the last accepted command */
    float applied; /* N m, demanded of the drive now */
    float sum;     /* N m, of `applied` over the ticks since the last STATE */
};

/* One tick: towards the target within slew, torque and speed limits. `rate` is the wheel's, in rad/s. */
void ril_drive_tick(struct ril_drive *drive, const struct ril_limits *limits, float rate);

/* One tick without torque. */
void ril_drive_stop(struct ril_drive *drive);

/* Mean of the torque since the last call, over one control period, in N m. */
float ril_drive_mean(struct ril_drive *drive);

#endif
