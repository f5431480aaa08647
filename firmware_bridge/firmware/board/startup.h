/* Where the processor enters the image. */
#ifndef RIL_STARTUP_H
#define RIL_STARTUP_H

#define RIL_UART_INTERRUPT 15 /* exception 16, interrupt 0; a port puts its own number here */
#define RIL_INTERRUPTS RIL_UART_INTERRUPT

void ril_reset(void);

/* The board supplies these two; they count and wake, no more. */
void ril_systick_handler(void);
void ril_uart_handler(void);

#endif
