/* From reset to main, for any Cortex-M4F: vector table, memory, floating-point unit. */
#include "startup.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "board.h"

#define CPACR (*(volatile uint32_t *)0xe000ed88u)
#define CPACR_FPU (UINT32_C(0xf) << 20) /* full access to coprocessors 10 and 11 */

/* Made by the linker script; only their addresses count. */
extern uint32_t ril_stack_top[], ril_data_start[], ril_data_end[], ril_bss_start[], ril_bss_end[];
extern const uint32_t ril_data_load[];

int main(void);

/* Nothing is sane any more: the wheels off, and the hardware watchdog does the rest. */
static void fault(void) {
    ril_board_drives_off();
    for (;;) {
    }
}

static const struct {
    uint32_t *stack_top;
    void (*handler[1 + RIL_INTERRUPTS])(void); /* exceptions from 1 on; interrupt 0 is exception 16 */
} vectors __attribute__((section(".vectors"), used)) = {
    .stack_top = ril_stack_top,
    .handler =
        {
            [0] = ril_reset,
            [1] = fault, /* NMI */
            [2] = fault, /* the four kinds of fault */
            [3] = fault,
            [4] = fault,
            [5] = fault,
            [10] = fault, /* SVC, debug monitor, PendSV: nobody calls them */
            [11] = fault,
            [13] = fault,
            [14] = ril_systick_handler,
            [RIL_UART_INTERRUPT] = ril_uart_handler,
#if RIL_UARTS > 1
            [RIL_UART_INTERRUPT + 1] = ril_uart_handler,
#endif
        },
};

static size_t bytes_between(const uint32_t *start, const uint32_t *end) {
    return (size_t)((uintptr_t)end - (uintptr_t)start);
}

void ril_reset(void) {
    CPACR |= CPACR_FPU;
    __asm volatile("dsb\n isb");
    memcpy(ril_data_start, ril_data_load, bytes_between(ril_data_start, ril_data_end));
    memset(ril_bss_start, 0, bytes_between(ril_bss_start, ril_bss_end));
    main();
}
