/* The port to the virtual board; the pattern for a port to a real one. */
#include <stdbool.h>

#include "board.h"
#include "startup.h"
#include "virtual_registers.h"

#define HARDWARE RIL_VIRTUAL_REGISTERS

/* SysTick of every Cortex-M (Armv7-M Architecture Reference Manual, B3.3). */
struct systick {
    uint32_t control, reload, current;
};
#define SYSTICK ((volatile struct systick *)0xe000e010u)
#define SYSTICK_RUN 7u /* enabled, with interrupt, from the processor's clock */

static volatile uint32_t milliseconds;
static volatile bool woken;
static uint32_t sample_taken, bytes_taken;

void ril_systick_handler(void) {
    milliseconds++;
    woken = true;
}

void ril_uart_handler(void) {
    woken = true;
}

void ril_board_start(struct ril_board *board) {
    ril_board_drives_off();
    *board = HARDWARE->identity;
    sample_taken = HARDWARE->samples;
    bytes_taken = HARDWARE->received;
    HARDWARE->drives_enabled = 1;
    HARDWARE->watchdog_ms = RIL_WATCHDOG_MS;
    SYSTICK->reload = RIL_VIRTUAL_CLOCK_HZ / 1000000u * RIL_TICK_US - 1u;
    SYSTICK->current = 0;
    SYSTICK->control = SYSTICK_RUN;
}

void ril_board_sleep(void) {
    /* With interrupts masked WFI still wakes, so that none slips in between the look and the sleep. */
    __asm volatile("cpsid i" ::: "memory");
    if (!woken) {
        __asm volatile("wfi" ::: "memory");
    }
    __asm volatile("cpsie i" ::: "memory");
    woken = false;
}

uint32_t ril_board_ms(void) {
    return milliseconds;
}

void ril_board_sample(struct ril_sensors *sensors) {
    uint32_t samples = HARDWARE->samples;
    *sensors = HARDWARE->sample;
    if (samples == sample_taken) {
        sensors->fresh = 0;
    }
    sample_taken = samples;
}

void ril_board_drive(float left, float right) {
    HARDWARE->torque_left = left;
    HARDWARE->torque_right = right;
}

void ril_board_stand(float height_m) {
    HARDWARE->height_m = height_m;
}

size_t ril_board_read(uint8_t *out, size_t capacity) {
    size_t size = 0;
    while (size < capacity && bytes_taken != HARDWARE->received) {
        out[size++] = HARDWARE->from_line[bytes_taken++ % RIL_VIRTUAL_BUFFER];
    }
    return size;
}

size_t ril_board_room(void) {
    return HARDWARE->room;
}

void ril_board_write(const uint8_t *bytes, size_t size) {
    uint32_t sent = HARDWARE->sent;
    for (size_t i = 0; i < size; i++) {
        HARDWARE->to_line[sent++ % RIL_VIRTUAL_BUFFER] = bytes[i];
    }
    HARDWARE->room = HARDWARE->room - (uint32_t)size;
    HARDWARE->sent = sent;
}

void ril_board_await_room(void) {
    HARDWARE->awaits_room = 1;
}

float ril_board_slipped_ms(void) {
    float slipped = HARDWARE->slipped_ms;
    HARDWARE->slipped_ms = 0.0f;
    return slipped;
}

void ril_board_feed_watchdog(void) {
    HARDWARE->watchdog_feed = 1;
}

#ifdef RIL_POLICY_IN_FIRMWARE
uint32_t ril_board_policy_every(void) {
    return HARDWARE->policy_every;
}

void ril_board_policy_tested(bool passed) {
    HARDWARE->policy_tested = passed ? 1 : 2;
}
#endif

void ril_board_drives_off(void) {
    HARDWARE->drives_enabled = 0;
    ril_board_drive(0.0f, 0.0f);
}
