/* What a port to a new board must supply; docs/porting.md says what each of these has to hold. The rest of the image
 * (start-up, main loop and all of ../) stays as it is. */
#ifndef RIL_BOARD_H
#define RIL_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mcu.h"

#define RIL_WATCHDOG_MS 20u /* without a feed for so long, the hardware resets the MCU */

/* Drives off and enabled, clocks, serial line, sensors, hardware watchdog and the 1 ms SysTick running; says who it is. */
void ril_board_start(struct ril_board *board);

/* Waits for the next interrupt; returns at once when one came since the last call. */
void ril_board_sleep(void);

/* SysTick interrupts since the start; wraps. */
uint32_t ril_board_ms(void);

/* The newest sample; `fresh` is 0 when it was handed out before. */
void ril_board_sample(struct ril_sensors *sensors);

/* Torque demanded of the drives from now on, in N m; forward positive on both sides. */
void ril_board_drive(float left, float right);

/* Height of the body's origin above the axle that the legs have to hold from now on, in m: board.height_m at boot, then
 * one that moves by at most RIL_LIMIT_HEIGHT_RATE_M_S. Boards of robots without legs that move do nothing. */
void ril_board_stand(float height_m);

/* Bytes that came over the line: at most `capacity` of them; returns how many. */
size_t ril_board_read(uint8_t *out, size_t capacity);

/* How many bytes the line takes now. */
size_t ril_board_room(void);

/* Puts that many bytes on the line; there is room for them. */
void ril_board_write(const uint8_t *bytes, size_t size);

/* More bytes wait: an interrupt is to come as soon as there is room. */
void ril_board_await_room(void);

/* Milliseconds of the world's time that passed while the clock stood still, since the last call; 0 on real boards. */
float ril_board_slipped_ms(void);

void ril_board_feed_watchdog(void);

#ifdef RIL_POLICY_IN_FIRMWARE
/* Whether the host asks for the policy in the image: it is asked every so many ticks, 0 for not at all. A switch or a
 * constant on a real board: the wire has no message for it. */
uint32_t ril_board_policy_every(void);

/* How the policy's self test at boot came out. */
void ril_board_policy_tested(bool passed);
#endif

/* After a fault of the processor: drives off, by the shortest way. */
void ril_board_drives_off(void);

#endif
