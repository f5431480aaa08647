/* What a host process needs besides mcu.h to carry the firmware as a library. Not part of the image on the MCU. */
#ifndef RIL_HOST_H
#define RIL_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "mcu.h"
#include "protocol.h"

/* Bytes to set aside for a struct ril_mcu. */
size_t ril_host_mcu_size(void);

/* The part of an MCU that decides who drives, for tests of its own. */
struct ril_safety *ril_host_safety(struct ril_mcu *mcu);

/* Encodes the MCU's message of that type from its struct of ril_spec.h; 0 for any other type. */
size_t ril_host_encode(uint8_t type, const void *message, uint8_t *out);

/* Decodes the host's messages in a stream of bytes: at most `capacity` of them; returns how many. */
size_t ril_host_decode(const uint8_t *bytes, size_t size, struct ril_request *requests, size_t capacity);

#endif
