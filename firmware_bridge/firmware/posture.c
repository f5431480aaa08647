#include "posture.h"

#include <math.h>

#include "ril_spec.h"

#define STEP_M (RIL_LIMIT_HEIGHT_RATE_M_S * (float)RIL_TICK_US * 1e-6f)

bool ril_posture_holds(const struct ril_posture *posture, float height) {
    return height >= posture->low && height <= posture->high;
}

void ril_posture_init(struct ril_posture *posture, float low, float high, float height) {
    posture->height = isfinite(height) ? height : 0.0f;
    posture->wanted = posture->height;
    posture->low = low;
    posture->high = high;
    if (!isfinite(low) || !isfinite(high) || !ril_posture_holds(posture, posture->height)) {
        posture->low = posture->height;
        posture->high = posture->height;
    }
}

void ril_posture_tick(struct ril_posture *posture) {
    float missing = posture->wanted - posture->height;
    if (fabsf(missing) <= STEP_M) {
        posture->height = posture->wanted; /* arrives to the bit, so that what is echoed asks for nothing */
    } else {
        posture->height += missing > 0.0f ? STEP_M : -STEP_M;
    }
}

void ril_posture_freeze(struct ril_posture *posture) {
    posture->wanted = posture->height;
}
