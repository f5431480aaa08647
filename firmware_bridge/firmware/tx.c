#include "tx.h"

void ril_tx_put(struct ril_tx *tx, const uint8_t *frame, size_t size) {
    if (size > RIL_TX_CAPACITY - tx->used) {
        tx->dropped++;
        return;
    }
    for (size_t i = 0; i < size; i++) {
        tx->ring[(tx->first + tx->used + i) % RIL_TX_CAPACITY] = frame[i];
    }
    tx->used += size;
}

size_t ril_tx_take(struct ril_tx *tx, uint8_t *out, size_t capacity) {
    size_t taken = tx->used < capacity ? tx->used : capacity;
    for (size_t i = 0; i < taken; i++) {
        out[i] = tx->ring[(tx->first + i) % RIL_TX_CAPACITY];
    }
    tx->first = (tx->first + taken) % RIL_TX_CAPACITY;
    tx->used -= taken;
    return taken;
}
