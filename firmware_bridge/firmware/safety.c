#include "safety.h"

#include <math.h>
#include <string.h>

void ril_safety_init(struct ril_safety *safety, uint32_t boot_id) {
    memset(safety, 0, sizeof *safety);
    safety->boot_id = boot_id;
    safety->mode = RIL_MODE_DISARMED;
    ril_limits_init(&safety->limits);
    ril_monitor_init(&safety->monitor);
}

uint16_t ril_safety_faults(const struct ril_safety *safety) {
    return (uint16_t)(safety->latched | safety->monitor.active);
}

/* The one way out of ARMED: no slew, no torque left over for the next arming, and legs that stay where they are. */
static void leave(struct ril_safety *safety, uint8_t mode) {
    safety->mode = mode;
    safety->left_seq = safety->sent.newest;
    ril_drive_stop(&safety->drive[RIL_LEFT]);
    ril_drive_stop(&safety->drive[RIL_RIGHT]);
    ril_posture_freeze(&safety->posture);
}

static uint16_t arm_refusal(const struct ril_safety *safety, const struct ril_arm *arm, double pitch,
                            uint64_t now_us) {
    uint64_t sent_us;
    if (arm->boot_id != safety->boot_id) {
        return RIL_REJECT_WRONG_BOOT;
    }
    uint16_t unfresh = ril_sent_find(&safety->sent, arm->state_seq, now_us, ril_limits_timeout_us(&safety->limits),
                                     &sent_us);
    if (unfresh != 0) {
        return unfresh;
    }
    if (!ril_newer(arm->state_seq, safety->left_seq)) {
        return RIL_REJECT_REPEATED; /* the copy of an ARM must not undo the DISARM that followed it */
    }
    if (safety->mode != RIL_MODE_DISARMED || (safety->monitor.active & ~(unsigned)RIL_FAULT_TILT) != 0) {
        return RIL_REJECT_FAULT_ACTIVE;
    }
    if (!(fabs(pitch) <= (double)RIL_LIMIT_ARM_TILT_RAD) || safety->monitor.active != 0) {
        return RIL_REJECT_TILTED;
    }
    return 0;
}

uint16_t ril_safety_arm(struct ril_safety *safety, const struct ril_arm *arm, double pitch, uint64_t now_us) {
    uint16_t refusal = arm_refusal(safety, arm, pitch, now_us);
    if (refusal != 0) {
        return refusal;
    }
    safety->mode = RIL_MODE_ARMED;
    safety->commanded = false;
    safety->answered_seq = safety->sent.newest; /* only what answers a STATE sent while armed is taken */
    safety->answered_us = now_us;
    safety->drive[RIL_LEFT].target = RIL_LIMIT_ARM_TORQUE_NM;
    safety->drive[RIL_RIGHT].target = RIL_LIMIT_ARM_TORQUE_NM;
    return 0;
}

static uint16_t command_refusal(const struct ril_safety *safety, const struct ril_command *command, uint64_t now_us,
                                uint64_t *sent_us) {
    if (safety->mode != RIL_MODE_ARMED) {
        return RIL_REJECT_NOT_ARMED;
    }
    if (!isfinite(command->torque_left) || !isfinite(command->torque_right) || !isfinite(command->height)) {
        return RIL_REJECT_NOT_FINITE;
    }
    float limit = safety->limits.value[RIL_PARAM_WHEEL_TORQUE_NM];
    if (!(fabsf(command->torque_left) <= limit && fabsf(command->torque_right) <= limit) ||
        !ril_posture_holds(&safety->posture, command->height)) {
        return RIL_REJECT_OUT_OF_RANGE;
    }
    if (command->command_seq == 0 || (safety->commanded && !ril_newer(command->command_seq, safety->command_seq))) {
        return RIL_REJECT_REPEATED;
    }
    uint16_t unfresh = ril_sent_find(&safety->sent, command->state_seq, now_us,
                                     ril_limits_timeout_us(&safety->limits), sent_us);
    if (unfresh != 0) {
        return unfresh;
    }
    return ril_newer(command->state_seq, safety->answered_seq) ? 0 : RIL_REJECT_REPEATED;
}

uint16_t ril_safety_command(struct ril_safety *safety, const struct ril_command *command, uint64_t now_us) {
    uint64_t sent_us = 0;
    uint16_t refusal = command_refusal(safety, command, now_us, &sent_us);
    if (refusal != 0) {
        safety->rejected++;
        return refusal;
    }
    safety->commanded = true;
    safety->command_seq = command->command_seq;
    safety->answered_seq = command->state_seq;
    safety->answered_us = sent_us;
    safety->asked[RIL_LEFT] = command->torque_left;
    safety->asked[RIL_RIGHT] = command->torque_right;
    safety->posture.wanted = command->height;
    ril_safety_drive_as_commanded(safety);
    return 0;
}

bool ril_safety_commanded(const struct ril_safety *safety) {
    return safety->mode == RIL_MODE_ARMED && safety->commanded;
}

bool ril_safety_drive_sum(struct ril_safety *safety, float total) {
    if (!ril_safety_commanded(safety) || !(fabsf(total) <= 2.0f * RIL_LIMIT_WHEEL_TORQUE_NM)) {
        return false; /* false for NaN too; what the difference adds beyond a wheel's limit, the drive cuts off */
    }
    float turn = 0.5f * (safety->asked[RIL_RIGHT] - safety->asked[RIL_LEFT]);
    safety->drive[RIL_LEFT].target = 0.5f * total - turn;
    safety->drive[RIL_RIGHT].target = 0.5f * total + turn;
    return true;
}

void ril_safety_drive_as_commanded(struct ril_safety *safety) {
    safety->drive[RIL_LEFT].target = safety->asked[RIL_LEFT];
    safety->drive[RIL_RIGHT].target = safety->asked[RIL_RIGHT];
}

void ril_safety_disarm(struct ril_safety *safety) {
    leave(safety, RIL_MODE_DISARMED);
    safety->latched = 0;
}

void ril_safety_estop(struct ril_safety *safety) {
    leave(safety, RIL_MODE_ESTOPPED);
    safety->latched |= RIL_FAULT_ESTOP;
}

bool ril_safety_check(struct ril_safety *safety, uint64_t now_us) {
    if (safety->mode != RIL_MODE_ARMED) {
        return false;
    }
    unsigned faults = safety->monitor.active;
    /* Fed by fresh commands, never by a live link: what counts is the age of the STATE that was answered last. */
    if (now_us - safety->answered_us >= ril_limits_timeout_us(&safety->limits)) {
        faults |= RIL_FAULT_COMMAND_TIMEOUT;
    }
    if (faults == 0) {
        return false;
    }
    safety->latched = (uint16_t)faults;
    leave(safety, RIL_MODE_STOPPED);
    return true;
}

void ril_safety_drive(struct ril_safety *safety, float rate_left, float rate_right) {
    if (safety->mode == RIL_MODE_ARMED) {
        ril_drive_tick(&safety->drive[RIL_LEFT], &safety->limits, rate_left);
        ril_drive_tick(&safety->drive[RIL_RIGHT], &safety->limits, rate_right);
        ril_posture_tick(&safety->posture);
    }
}
