/* Frames: a zero byte, COBS of (type | payload | CRC-32), a zero byte. See data/formats/wire.md. */
#ifndef RIL_FRAME_H
#define RIL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ril_spec.h"

#define RIL_BODY_MAX (1u + RIL_PAYLOAD_MAX + 4u)
#define RIL_ENCODED_MAX (RIL_BODY_MAX + 1u)
#define RIL_FRAME_MAX (RIL_ENCODED_MAX + 2u)
#if RIL_PAYLOAD_MAX > 248
#error "the COBS code here serves bodies of at most 253 bytes"
#endif

/* A decoded frame; `payload` points into the receiver and lives until its next byte. */
struct ril_frame {
    uint8_t type;
    const uint8_t *payload;
    size_t size;
};

/* Bytes since the last delimiter. */
struct ril_rx {
    uint8_t bytes[RIL_ENCODED_MAX];
    size_t used; /* RIL_ENCODED_MAX + 1: too long to be a frame, skipped up to the next delimiter */
    uint32_t undecodable;
};

/* Encodes a whole frame with its delimiters; `out` takes RIL_FRAME_MAX bytes. Returns the size used. */
size_t ril_frame_encode(uint8_t type, const uint8_t *payload, size_t size, uint8_t *out);

/* Takes one byte; true when it completes a frame whose checksum holds. */
bool ril_rx_byte(struct ril_rx *rx, uint8_t byte, struct ril_frame *frame);

#endif
