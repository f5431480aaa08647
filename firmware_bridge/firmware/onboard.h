/* The slot for a policy that runs on the microcontroller itself. It is empty unless the image was built with a policy,
 * and idle unless the board says that the host asked for it.
 *
 * The policy never drives alone: it replaces the sum of the wheel torques in the last accepted COMMAND, and nothing
 * else. Arming, the age of the newest COMMAND, every limit and every stop are safety.c's, as without it. */
#ifndef RIL_ONBOARD_H
#define RIL_ONBOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "ril_spec.h"

/* A policy computes for at most a share of a tick and goes on in the next, so that sampling, safety and drives keep
 * their 1 kHz whatever its size. */
struct ril_policy {
    void (*begin)(const struct ril_state *state); /* takes what a STATE would say now */
    bool (*go_on)(float *total);                  /* true with the total wheel torque in N m, once that is known */
};

struct ril_onboard {
    const struct ril_policy *policy; /* NULL: none, or one that failed its self test */
    uint32_t every_ticks; /* 0: the COMMANDs alone drive; else the policy begins on each tick that this divides */
    float total;          /* N m, the last that it gave */
    bool busy;            /* it has begun and not ended */
    bool driving;         /* `total` is in force */
    bool failed;          /* it gave no torque, or none in time; the COMMANDs drive until the next arming */
};

struct ril_mcu;

/* Once a tick, between the safety check and the drives. */
void ril_onboard_tick(struct ril_mcu *mcu);

/* After each accepted COMMAND: its difference of the wheels counts, and the policy's sum. */
void ril_onboard_command(struct ril_mcu *mcu);

#endif
