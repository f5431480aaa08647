/* Consistent overhead byte stuffing (Cheshire and Baker, 1999): removes the zero byte from a body. */
#ifndef RIL_COBS_H
#define RIL_COBS_H

#include <stddef.h>
#include <stdint.h>

/* Encodes at most 253 bytes; `out` takes size + 1. Returns the encoded size. */
size_t ril_cobs_encode(const uint8_t *body, size_t size, uint8_t *out);

/* Decodes in place; returns the body's size, or 0 when the bytes are no encoding of at most 253 bytes. */
size_t ril_cobs_decode(uint8_t *bytes, size_t size);

#endif
