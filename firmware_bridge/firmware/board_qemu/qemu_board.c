/* The port to QEMU's lm3s6965evb with a Cortex-M4, for demonstration in wall-clock time. That machine has no sensors and
 * drives of ours: its second UART carries the sample of each millisecond in, and the outputs out, to a simulated robot.
 * It has no hardware watchdog here. */
#include <stdbool.h>
#include <string.h>

#include "board.h"
#include "startup.h"

/* PL011 as in the LM3S6965 (Texas Instruments SPMS208, chapter 12). */
struct uart {
    uint32_t data, status, unused[4], flags, unused_too, low_power, divisor, fraction, line, control, level, mask;
};
#define HOST ((volatile struct uart *)0x4000c000u)
#define PLANT ((volatile struct uart *)0x4000d000u)
#define FLAG_RECEIVE_EMPTY 0x10u
#define FLAG_TRANSMIT_FULL 0x20u
#define LINE_FIFO_8N1 0x70u
#define CONTROL_ON 0x301u
#define MASK_RECEIVE 0x50u /* a byte came, or none for a while */
#define NVIC_ENABLE (*(volatile uint32_t *)0xe000e100u)
#define UART_INTERRUPTS 0x60u /* 5 and 6 */

struct systick {
    uint32_t control, reload, current;
};
#define SYSTICK ((volatile struct systick *)0xe000e010u)
#define SYSTICK_RUN 7u
#define CLOCK_HZ 12500000u /* what QEMU gives this chip after reset: 200 MHz by 16 */

#define RING 512u /* a power of two, and more than 100 ms of COMMANDs or 8 samples */

struct ring {
    uint8_t byte[RING];
    volatile uint32_t in;
    uint32_t out;
};

extern struct ril_mcu ril_mcu_of_board;
static struct ring from_host, from_plant;
static uint32_t samples; /* taken so far */
static volatile uint32_t milliseconds;
static volatile bool woken;

static void drain(volatile struct uart *uart, struct ring *ring) {
    while ((uart->flags & FLAG_RECEIVE_EMPTY) == 0) {
        uint8_t byte = (uint8_t)uart->data;
        if (ring->in - ring->out < RING) {
            ring->byte[ring->in % RING] = byte;
            ring->in = ring->in + 1;
        }
    }
}

void ril_uart_handler(void) {
    drain(HOST, &from_host);
    drain(PLANT, &from_plant);
    woken = true;
}

void ril_systick_handler(void) {
    milliseconds++;
    ril_uart_handler(); /* in QEMU a byte may lie there without an interrupt */
}

static size_t take(struct ring *ring, uint8_t *out, size_t capacity) {
    size_t size = 0;
    while (size < capacity && ring->out != ring->in) {
        out[size++] = ring->byte[ring->out % RING];
        ring->out = ring->out + 1;
    }
    return size;
}

static void put(volatile struct uart *uart, const void *from, size_t size) {
    const uint8_t *bytes = from;
    for (size_t i = 0; i < size; i++) {
        while ((uart->flags & FLAG_TRANSMIT_FULL) != 0) {
        }
        uart->data = bytes[i];
    }
}

static void start_uart(volatile struct uart *uart) {
    uart->line = LINE_FIFO_8N1;
    uart->control = CONTROL_ON;
    uart->mask = MASK_RECEIVE;
}

static size_t waiting(const struct ring *ring) {
    return ring->in - ring->out;
}

void ril_board_start(struct ril_board *board) {
    start_uart(HOST);
    start_uart(PLANT);
    NVIC_ENABLE = UART_INTERRUPTS;
    put(PLANT, "R", 1); /* ready to hear: what came before is lost */
    while (waiting(&from_plant) < sizeof *board) { /* who it is, from the simulated robot */
    }
    uint8_t bytes[sizeof *board];
    take(&from_plant, bytes, sizeof bytes);
    memcpy(board, bytes, sizeof bytes);
    SYSTICK->reload = CLOCK_HZ / 1000u * RIL_TICK_US / 1000u - 1u;
    SYSTICK->current = 0;
    SYSTICK->control = SYSTICK_RUN;
}

void ril_board_sleep(void) {
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

/* The newest whole sample; what the robot was too late for counts as missing. */
void ril_board_sample(struct ril_sensors *sensors) {
    static uint8_t bytes[sizeof *sensors];
    bool fresh = false;
    while (waiting(&from_plant) >= sizeof bytes) {
        take(&from_plant, bytes, sizeof bytes);
        samples++;
        fresh = true;
    }
    memcpy(sensors, bytes, sizeof bytes);
    sensors->fresh = fresh ? 1 : 0;
}

void ril_board_drive(float left, float right) {
    (void)left; /* the outputs, once a millisecond, carry them */
    (void)right;
}

void ril_board_stand(float height_m) {
    (void)height_m; /* the same */
}

size_t ril_board_read(uint8_t *out, size_t capacity) {
    return take(&from_host, out, capacity);
}

size_t ril_board_room(void) {
    return (HOST->flags & FLAG_TRANSMIT_FULL) == 0 ? 1 : 0;
}

void ril_board_write(const uint8_t *bytes, size_t size) {
    put(HOST, bytes, size);
}

void ril_board_await_room(void) {
    woken = true; /* looks again at once */
}

float ril_board_slipped_ms(void) {
    return 0.0f;
}

/* Once for each round of ticks: the simulated robot steps as far as the outputs' time says, and does not send a sample
 * before the last was taken, which on a busy machine takes longer than a millisecond. */
void ril_board_feed_watchdog(void) {
    put(PLANT, &ril_mcu_of_board.outputs, sizeof ril_mcu_of_board.outputs);
    put(PLANT, &samples, sizeof samples);
}

void ril_board_drives_off(void) {
    const struct ril_outputs off = {.mode = RIL_MODE_STOPPED, .height_m = ril_mcu_of_board.outputs.height_m};
    put(PLANT, &off, sizeof off);
    put(PLANT, &samples, sizeof samples);
}
