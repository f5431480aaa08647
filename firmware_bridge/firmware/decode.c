#include "bytes.h"
#include "protocol.h"

static void get_hello(const uint8_t *from, struct ril_hello *to) {
    to->protocol_version = ril_get_u16(from + RIL_HELLO_PROTOCOL_VERSION);
    to->spec_hash = ril_get_u64(from + RIL_HELLO_SPEC_HASH);
}

static void get_command(const uint8_t *from, struct ril_command *to) {
    to->command_seq = ril_get_u32(from + RIL_COMMAND_COMMAND_SEQ);
    to->state_seq = ril_get_u32(from + RIL_COMMAND_STATE_SEQ);
    to->torque_left = ril_get_f32(from + RIL_COMMAND_TORQUE_LEFT);
    to->torque_right = ril_get_f32(from + RIL_COMMAND_TORQUE_RIGHT);
    to->height = ril_get_f32(from + RIL_COMMAND_HEIGHT);
}

static void get_arm(const uint8_t *from, struct ril_arm *to) {
    to->boot_id = ril_get_u32(from + RIL_ARM_BOOT_ID);
    to->state_seq = ril_get_u32(from + RIL_ARM_STATE_SEQ);
}

static void get_param_set(const uint8_t *from, struct ril_param_set *to) {
    to->param = ril_get_u16(from + RIL_PARAM_SET_PARAM);
    to->value = ril_get_f32(from + RIL_PARAM_SET_VALUE);
}

/* Payload size of a message of the host; SIZE_MAX for any other type. */
static size_t size_of(uint8_t type) {
    switch (type) {
    case RIL_TYPE_HELLO:
        return RIL_HELLO_SIZE;
    case RIL_TYPE_TIME_REQUEST:
        return RIL_TIME_REQUEST_SIZE;
    case RIL_TYPE_COMMAND:
        return RIL_COMMAND_SIZE;
    case RIL_TYPE_ARM:
        return RIL_ARM_SIZE;
    case RIL_TYPE_DISARM:
        return RIL_DISARM_SIZE;
    case RIL_TYPE_ESTOP:
        return RIL_ESTOP_SIZE;
    case RIL_TYPE_PARAM_SET:
        return RIL_PARAM_SET_SIZE;
    default:
        return SIZE_MAX;
    }
}

bool ril_request_decode(const struct ril_frame *frame, struct ril_request *request) {
    if (frame->size != size_of(frame->type)) {
        return false;
    }
    request->type = frame->type;
    switch (frame->type) {
    case RIL_TYPE_HELLO:
        get_hello(frame->payload, &request->as.hello);
        break;
    case RIL_TYPE_TIME_REQUEST:
        request->as.time_request.host_ns = (int64_t)ril_get_u64(frame->payload + RIL_TIME_REQUEST_HOST_NS);
        break;
    case RIL_TYPE_COMMAND:
        get_command(frame->payload, &request->as.command);
        break;
    case RIL_TYPE_ARM:
        get_arm(frame->payload, &request->as.arm);
        break;
    case RIL_TYPE_PARAM_SET:
        get_param_set(frame->payload, &request->as.param_set);
        break;
    default:
        break; /* DISARM and ESTOP carry nothing */
    }
    return true;
}
