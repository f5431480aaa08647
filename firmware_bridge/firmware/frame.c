#include "frame.h"

#include <string.h>

#include "bytes.h"
#include "cobs.h"
#include "crc32.h"

/* HELLO and IDENTITY are readable by peers of any spec, so that each can say who the other is. */
static uint32_t seed_of(uint8_t type) {
    return type == RIL_TYPE_HELLO || type == RIL_TYPE_IDENTITY ? 0 : RIL_CRC_SEED;
}

size_t ril_frame_encode(uint8_t type, const uint8_t *payload, size_t size, uint8_t *out) {
    uint8_t body[RIL_BODY_MAX];
    body[0] = type;
    if (size > 0) {
        memcpy(body + 1, payload, size);
    }
    ril_put_u32(body + 1 + size, ril_crc32(seed_of(type), body, 1 + size));
    out[0] = 0;
    size_t used = 1 + ril_cobs_encode(body, 1 + size + 4, out + 1);
    out[used] = 0;
    return used + 1;
}

static bool decode(struct ril_rx *rx, struct ril_frame *frame) {
    if (rx->used > RIL_ENCODED_MAX) {
        return false;
    }
    size_t size = ril_cobs_decode(rx->bytes, rx->used);
    if (size < 5 || ril_crc32(seed_of(rx->bytes[0]), rx->bytes, size) != RIL_CRC_RESIDUE) {
        return false;
    }
    frame->type = rx->bytes[0];
    frame->payload = rx->bytes + 1;
    frame->size = size - 5;
    return true;
}

bool ril_rx_byte(struct ril_rx *rx, uint8_t byte, struct ril_frame *frame) {
    if (byte != 0) {
        if (rx->used < RIL_ENCODED_MAX) {
            rx->bytes[rx->used++] = byte;
        } else {
            rx->used = RIL_ENCODED_MAX + 1;
        }
        return false;
    }
    bool empty = rx->used == 0;
    bool good = !empty && decode(rx, frame);
    if (!empty && !good) {
        rx->undecodable++;
    }
    rx->used = 0;
    return good;
}
