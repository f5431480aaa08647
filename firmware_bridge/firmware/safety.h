/* Who may drive the wheels: arming, fresh commands, latched stops. Default deny; the only mode that drives is ARMED. */
#ifndef RIL_SAFETY_H
#define RIL_SAFETY_H

#include <stdbool.h>
#include <stdint.h>

#include "drive.h"
#include "estimator.h"
#include "freshness.h"
#include "limits.h"
#include "monitor.h"
#include "posture.h"
#include "ril_spec.h"

struct ril_safety {
    uint32_t boot_id;
    uint8_t mode;     /* RIL_MODE_... */
    uint16_t latched; /* RIL_FAULT_... bits of the stop that is latched */
    struct ril_limits limits;
    struct ril_monitor monitor;
    struct ril_sent sent;
    struct ril_drive drive[RIL_SIDES];
    struct ril_posture posture;
    bool commanded;        /* a command was accepted since arming */
    uint32_t command_seq;  /* of the last accepted command */
    uint32_t answered_seq; /* the STATE that it answers; when armed without one, the last STATE before arming */
    float asked[RIL_SIDES]; /* N m, by that command */
    uint64_t answered_us;  /* when that STATE was sent; when armed without one, the time of arming */
    uint32_t left_seq;     /* the last STATE before the wheels were last switched off by DISARM or a stop */
    uint16_t rejected;     /* commands, since boot */
};

void ril_safety_init(struct ril_safety *safety, uint32_t boot_id);

/* The fault bits to report: those latched and those present. */
uint16_t ril_safety_faults(const struct ril_safety *safety);

/* Each request returns 0 when it was taken, else the RIL_REJECT_... reason. */
uint16_t ril_safety_arm(struct ril_safety *safety, const struct ril_arm *arm, double pitch, uint64_t now_us);
uint16_t ril_safety_command(struct ril_safety *safety, const struct ril_command *command, uint64_t now_us);

/* Whether the wheels are armed and a command was accepted since. */
bool ril_safety_commanded(const struct ril_safety *safety);

/* Puts `total` (N m, both wheels) in the place of the sum that the last command asked for; its difference of the wheels
 * stays. Until the next command. False, and nothing changed: not commanded, or `total` is no torque. */
bool ril_safety_drive_sum(struct ril_safety *safety, float total);

/* The torques of the last command again; they drive only where armed, and arming sets them aside. */
void ril_safety_drive_as_commanded(struct ril_safety *safety);

/* Switches the wheels off and clears what is latched. */
void ril_safety_disarm(struct ril_safety *safety);

/* Switches the wheels off and latches, whatever the mode. */
void ril_safety_estop(struct ril_safety *safety);

/* Once a tick, after the monitor: true when it stops the wheels now. */
bool ril_safety_check(struct ril_safety *safety, uint64_t now_us);

/* Once a tick: the torques and the height of this tick. Wheel rates in rad/s. */
void ril_safety_drive(struct ril_safety *safety, float rate_left, float rate_right);

#endif
