/* The part of <string.h> that the firmware uses and that compilers call by themselves; see memory.c. */
#ifndef RIL_FREESTANDING_STRING_H
#define RIL_FREESTANDING_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *to, int value, size_t size);

#endif
