#include "onboard.h"

#include <stddef.h>

#include "mcu.h"
#include "report.h"

static bool wanted(const struct ril_onboard *onboard) {
    return onboard->policy != NULL && onboard->every_ticks != 0 && !onboard->failed;
}

/* The torques of the last COMMAND are in force again. */
static void hand_back(struct ril_mcu *mcu) {
    if (mcu->onboard.driving) {
        mcu->onboard.driving = false;
        ril_safety_drive_as_commanded(&mcu->safety);
    }
}

/* A policy that is late or gives no torque has failed. */
static void compute(struct ril_mcu *mcu) {
    struct ril_onboard *onboard = &mcu->onboard;
    if (mcu->ticks % onboard->every_ticks == 0) {
        struct ril_state state;
        if (onboard->busy) {
            onboard->failed = true;
            return;
        }
        onboard->busy = true;
        ril_report_fill(mcu, &state);
        onboard->policy->begin(&state);
    }
    if (onboard->busy && onboard->policy->go_on(&onboard->total)) {
        onboard->busy = false;
        onboard->failed = !ril_safety_drive_sum(&mcu->safety, onboard->total);
        onboard->driving = onboard->driving || !onboard->failed;
    }
}

void ril_onboard_tick(struct ril_mcu *mcu) {
    struct ril_onboard *onboard = &mcu->onboard;
    if (!ril_safety_commanded(&mcu->safety)) {
        onboard->busy = false;
        onboard->driving = false;
        onboard->failed = false;
        return;
    }
    if (wanted(onboard)) {
        compute(mcu);
    }
    if (!wanted(onboard)) {
        onboard->busy = false;
        hand_back(mcu);
    }
}

void ril_onboard_command(struct ril_mcu *mcu) {
    if (mcu->onboard.driving) {
        ril_safety_drive_sum(&mcu->safety, mcu->onboard.total);
    }
}
