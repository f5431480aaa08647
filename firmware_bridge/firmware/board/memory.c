/* memcpy and memset, so that the image needs no C library. */
#include <stdint.h>
#include <string.h>

/* -fno-builtin (see cross_build.py) keeps the compiler from turning these loops into calls of themselves. */
void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    uint8_t *out = to;
    const uint8_t *in = from;
    while (size-- > 0) {
        *out++ = *in++;
    }
    return to;
}

void *memset(void *to, int value, size_t size) {
    uint8_t *out = to;
    while (size-- > 0) {
        *out++ = (uint8_t)value;
    }
    return to;
}
