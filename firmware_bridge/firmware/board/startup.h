/* Where the processor enters the image. */
#ifndef RIL_STARTUP_H
#define RIL_STARTUP_H

/* The serial line's place in the vector table behind reset, 15 being interrupt 0, and how many lines follow each other
 * there; a port puts its own numbers here. */
#ifndef RIL_UART_INTERRUPT
#define RIL_UART_INTERRUPT 15
#define RIL_UARTS 1
#endif
#define RIL_INTERRUPTS (RIL_UART_INTERRUPT + RIL_UARTS - 1)

void ril_reset(void);

/* The board supplies these two; they count and wake, no more. */
void ril_systick_handler(void);
void ril_uart_handler(void);

#endif
