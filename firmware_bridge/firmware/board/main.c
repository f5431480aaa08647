/* The main loop: sleep, take bytes, tick once for every millisecond, hand bytes out. One thread of control; the
 * interrupts only count and wake. */
#include <stdint.h>

#include "board.h"

#ifdef RIL_POLICY_IN_FIRMWARE
#include "policy.h"
#endif

#define CHUNK 64u /* bytes moved at a time */

struct ril_mcu ril_mcu_of_board; /* a debugger, or the emulator, finds `outputs` at its address */

static void receive(struct ril_mcu *mcu) {
    uint8_t bytes[CHUNK];
    size_t size;
    while ((size = ril_board_read(bytes, sizeof bytes)) > 0) {
        ril_mcu_receive(mcu, bytes, size);
    }
}

static void transmit(struct ril_mcu *mcu) {
    uint8_t bytes[CHUNK];
    size_t room;
    while (mcu->tx.used > 0 && (room = ril_board_room()) > 0) {
        size_t size = ril_mcu_transmit(mcu, bytes, room < sizeof bytes ? room : sizeof bytes);
        ril_board_write(bytes, size);
    }
    if (mcu->tx.used > 0) {
        ril_board_await_room();
    }
}

/* One tick for every millisecond since the last; the sample belongs to the newest, those missed had none. */
static void catch_up(struct ril_mcu *mcu, uint32_t missed) {
    struct ril_sensors sensors;
    ril_board_sample(&sensors);
    uint8_t fresh = sensors.fresh;
    for (uint32_t left = missed; left > 0; left--) {
        sensors.fresh = left == 1 ? fresh : 0;
        ril_mcu_tick(mcu, &sensors);
    }
    ril_board_drive(mcu->outputs.torque_left, mcu->outputs.torque_right);
    ril_board_stand(mcu->outputs.height_m);
    ril_board_feed_watchdog();
}

#ifdef RIL_POLICY_IN_FIRMWARE
/* Pair by pair, for the watchdog runs already. */
static bool policy_proves_itself(void) {
    for (int pair = 0; pair < RIL_POLICY_PAIRS; pair++) {
        if (!ril_policy_check(pair)) {
            return false;
        }
        ril_board_feed_watchdog();
    }
    return true;
}

static void take_policy(struct ril_mcu *mcu) {
    bool passed = policy_proves_itself();
    ril_board_policy_tested(passed);
    if (passed) {
        ril_mcu_carry(mcu, &ril_policy_of_image);
    }
}

static void ask_for_policy(struct ril_mcu *mcu) {
    ril_mcu_policy_every(mcu, ril_board_policy_every());
}
#else
static void take_policy(struct ril_mcu *mcu) {
    (void)mcu;
}

static void ask_for_policy(struct ril_mcu *mcu) {
    (void)mcu;
}
#endif

int main(void) {
    struct ril_mcu *mcu = &ril_mcu_of_board;
    struct ril_board board;
    ril_board_start(&board);
    ril_mcu_init(mcu, &board);
    take_policy(mcu);
    uint32_t done = ril_board_ms();
    for (;;) {
        transmit(mcu);
        ril_board_sleep();
        receive(mcu);
        ril_board_drive(mcu->outputs.torque_left, mcu->outputs.torque_right); /* a stop needs not wait for the tick */
        float slipped = ril_board_slipped_ms();
        if (slipped > 0.0f) {
            ril_mcu_lost_time(mcu, slipped);
        }
        uint32_t now = ril_board_ms();
        if (now != done) {
            ask_for_policy(mcu);
            catch_up(mcu, now - done);
            done = now;
        }
    }
}
