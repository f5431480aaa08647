#include "cobs.h"

size_t ril_cobs_encode(const uint8_t *body, size_t size, uint8_t *out) {
    size_t code = 0; /* where the distance to the next zero goes */
    size_t used = 1;
    for (size_t i = 0; i < size; i++) {
        if (body[i] == 0) {
            out[code] = (uint8_t)(used - code);
            code = used++;
        } else {
            out[used++] = body[i];
        }
    }
    out[code] = (uint8_t)(used - code);
    return used;
}

size_t ril_cobs_decode(uint8_t *bytes, size_t size) {
    size_t used = 0;
    for (size_t code = 0; code < size;) {
        size_t next = code + bytes[code];
        if (bytes[code] == 0 || bytes[code] == 0xff || next > size) {
            return 0;
        }
        for (size_t i = code + 1; i < next; i++) {
            if (bytes[i] == 0) {
                return 0;
            }
            bytes[used++] = bytes[i];
        }
        if (next < size) {
            bytes[used++] = 0; /* never overtakes the reading: every block read one byte of code before */
        }
        code = next;
    }
    return used;
}
