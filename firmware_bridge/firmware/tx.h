/* Bytes on their way out: whole frames in a ring, so that a slow line loses frames and never parts of them. */
#ifndef RIL_TX_H
#define RIL_TX_H

#include <stddef.h>
#include <stdint.h>

#define RIL_TX_CAPACITY 2048u /* 19 STATEs: 95 ms of them at 200 Hz, 19 ms at 1 kHz */

struct ril_tx {
    uint8_t ring[RIL_TX_CAPACITY];
    size_t first;
    size_t used;
    uint32_t dropped; /* frames that found no room */
};

/* Queues a frame, or counts it as dropped. */
void ril_tx_put(struct ril_tx *tx, const uint8_t *frame, size_t size);

/* Moves at most `capacity` bytes to `out`; returns how many. */
size_t ril_tx_take(struct ril_tx *tx, uint8_t *out, size_t capacity);

#endif
