/* The whole microcontroller but its board: bytes in, sensors in at 1 kHz, torques and bytes out.
 *
 * The board calls these from one thread of control (the tick and the draining of its byte buffers), never from an
 * interrupt in the middle of another call. All state lives in struct ril_mcu. */
#ifndef RIL_MCU_H
#define RIL_MCU_H

#include <stddef.h>
#include <stdint.h>

#include "estimator.h"
#include "frame.h"
#include "onboard.h"
#include "safety.h"
#include "sensors.h"
#include "tx.h"

#define RIL_FIRMWARE_VERSION UINT32_C(0x000100) /* 0.1.0: major << 16 | minor << 8 | patch */
#define RIL_REJECTS (RIL_REJECT_WRONG_BOOT + 1)

/* What the board says of itself. */
struct ril_board {
    uint64_t initial_time_us;
    uint32_t boot_id;
    uint32_t robot_id;
    uint32_t initial_state_seq; /* the first STATE gets the next number */
    float wheel_radius_m;
    float height_low_m; /* of the body's origin above the axle: what the legs can hold; equal where they do not move */
    float height_high_m;
    float height_m; /* at which they are at boot */
};

/* What the board acts on after each call. */
struct ril_outputs {
    uint64_t time_us;
    float torque_left; /* N m to the drives */
    float torque_right;
    float height_m;       /* that the legs have to hold */
    uint32_t undecodable; /* frames from the host with a bad checksum, length or type */
    uint32_t dropped;     /* frames to the host that found no room */
    uint16_t faults;      /* RIL_FAULT_... bits */
    uint8_t mode;         /* RIL_MODE_... */
};

struct ril_mcu {
    struct ril_outputs outputs; /* first, so that the board finds it at the address of the whole */
    struct ril_board board;
    struct ril_rx rx;
    struct ril_tx tx;
    struct ril_estimator estimator;
    struct ril_safety safety;
    struct ril_onboard onboard;
    struct ril_sensors sensors; /* the last sample, as it came */
    uint64_t time_us;
    uint64_t ticks;
    uint32_t ticks_per_state;
    uint64_t quiet_until_us[RIL_REJECTS]; /* no further REJECTED event of this reason before */
};

void ril_mcu_init(struct ril_mcu *mcu, const struct ril_board *board);

/* Carries a policy from now on, one that has passed its self test. */
void ril_mcu_carry(struct ril_mcu *mcu, const struct ril_policy *policy);

/* How often it is asked, as onboard.h says; 0 is the default. */
void ril_mcu_policy_every(struct ril_mcu *mcu, uint32_t ticks);

/* Bytes from the host. */
void ril_mcu_receive(struct ril_mcu *mcu, const uint8_t *bytes, size_t size);

/* One millisecond. */
void ril_mcu_tick(struct ril_mcu *mcu, const struct ril_sensors *sensors);

/* Bytes to the host: at most `capacity` into `out`; returns how many. */
size_t ril_mcu_transmit(struct ril_mcu *mcu, uint8_t *out, size_t capacity);

/* The board's clock stood still for `lost_ms` of the world's time: tells the host. */
void ril_mcu_lost_time(struct ril_mcu *mcu, float lost_ms);

#endif
