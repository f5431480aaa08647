/* The height of the body above the axle that the legs have to hold: a slow motion, which only a COMMAND starts. */
#ifndef RIL_POSTURE_H
#define RIL_POSTURE_H

#include <stdbool.h>

/* Heights in m. Without legs that move, `low` and `high` are equal. */
struct ril_posture {
    float low, high; /* what the legs can do */
    float wanted;    /* of the last accepted command, within them */
    float height;    /* what the legs are told to hold now */
};

/* The legs are at `height` and can hold `low` to `high`; a board that contradicts itself has legs that do not move. */
void ril_posture_init(struct ril_posture *posture, float low, float high, float height);

/* Whether the legs can hold that height; false for NaN. */
bool ril_posture_holds(const struct ril_posture *posture, float height);

/* One tick towards the wanted height, at the rate of the spec. */
void ril_posture_tick(struct ril_posture *posture);

/* Forgets what is wanted: the legs stay where they are. */
void ril_posture_freeze(struct ril_posture *posture);

#endif
