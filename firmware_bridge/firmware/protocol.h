/* Payloads: each message to and from its bytes, field by field at the offsets of ril_spec.h. */
#ifndef RIL_PROTOCOL_H
#define RIL_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "ril_spec.h"

/* A message from the host; the member that `type` names is filled. */
struct ril_request {
    uint8_t type;
    union {
        struct ril_hello hello;
        struct ril_time_request time_request;
        struct ril_command command;
        struct ril_arm arm;
        struct ril_param_set param_set;
    } as;
};

/* False when the frame is no message of the host or its payload has another length. */
bool ril_request_decode(const struct ril_frame *frame, struct ril_request *request);

/* Each encodes a whole frame into `out` of RIL_FRAME_MAX bytes and returns its size. */
size_t ril_encode_identity(const struct ril_identity *message, uint8_t *out);
size_t ril_encode_time_reply(const struct ril_time_reply *message, uint8_t *out);
size_t ril_encode_state(const struct ril_state *message, uint8_t *out);
size_t ril_encode_param_value(const struct ril_param_value *message, uint8_t *out);
size_t ril_encode_event(const struct ril_event *message, uint8_t *out);

#endif
