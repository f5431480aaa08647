#include "host.h"

size_t ril_host_mcu_size(void) {
    return sizeof(struct ril_mcu);
}

struct ril_safety *ril_host_safety(struct ril_mcu *mcu) {
    return &mcu->safety;
}

size_t ril_host_encode(uint8_t type, const void *message, uint8_t *out) {
    switch (type) {
    case RIL_TYPE_IDENTITY:
        return ril_encode_identity(message, out);
    case RIL_TYPE_TIME_REPLY:
        return ril_encode_time_reply(message, out);
    case RIL_TYPE_STATE:
        return ril_encode_state(message, out);
    case RIL_TYPE_PARAM_VALUE:
        return ril_encode_param_value(message, out);
    case RIL_TYPE_EVENT:
        return ril_encode_event(message, out);
    default:
        return 0;
    }
}

size_t ril_host_decode(const uint8_t *bytes, size_t size, struct ril_request *requests, size_t capacity) {
    struct ril_rx rx = {.used = 0};
    struct ril_frame frame;
    size_t count = 0;
    for (size_t i = 0; i < size && count < capacity; i++) {
        if (ril_rx_byte(&rx, bytes[i], &frame) && ril_request_decode(&frame, &requests[count])) {
            count++;
        }
    }
    return count;
}
