/* The peripherals of the virtual board, as firmware_bridge/emulator.py models them: no real chip, but what real chips
 * have: a serial line with circular DMA, a sensor hub that writes samples to memory, drives, a watchdog. */
#ifndef RIL_VIRTUAL_REGISTERS_H
#define RIL_VIRTUAL_REGISTERS_H

#include <stdint.h>

#include "mcu.h"

#define RIL_VIRTUAL_CLOCK_HZ 168000000u
#define RIL_VIRTUAL_BUFFER 4096u /* bytes of each direction's circular buffer; a power of two */

/* r: the hardware writes, w: the firmware writes. */
struct ril_virtual_registers {
    struct ril_board identity;  /* r */
    struct ril_sensors sample;  /* r: the sensor hub's last sample */
    uint32_t samples;           /* r: how many it took so far, wraps */
    float slipped_ms;           /* r w: see ril_board_slipped_ms */
    float torque_left;          /* w: N m */
    float torque_right;         /* w: N m */
    float height_m;             /* w: that the legs have to hold */
    uint32_t drives_enabled;    /* w: 0 or 1 */
    uint32_t watchdog_ms;       /* w: 0 until started; then a reset follows when so long without a feed */
    uint32_t watchdog_feed;     /* w: any value but 0; the hardware takes it back to 0 */
    uint32_t received;          /* r: bytes from the line so far, wraps */
    uint32_t sent;              /* w: bytes to the line so far, wraps */
    uint32_t room;              /* r w: bytes that the line takes now; each one sent takes one off */
    uint32_t awaits_room;       /* w: 1 asks for an interrupt when there is room */
    uint32_t policy_every;      /* r: see ril_board_policy_every */
    uint32_t policy_tested;     /* w: 0 no policy yet, 1 it passed its self test, 2 it failed */
    uint8_t from_line[RIL_VIRTUAL_BUFFER]; /* r: byte n lies at n modulo the size */
    uint8_t to_line[RIL_VIRTUAL_BUFFER];   /* w */
};

#define RIL_VIRTUAL_REGISTERS ((volatile struct ril_virtual_registers *)0x40000000u)

#endif
