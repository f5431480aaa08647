#include "bytes.h"
#include "protocol.h"

size_t ril_encode_identity(const struct ril_identity *message, uint8_t *out) {
    uint8_t payload[RIL_IDENTITY_SIZE];
    ril_put_u16(payload + RIL_IDENTITY_PROTOCOL_VERSION, message->protocol_version);
    ril_put_u64(payload + RIL_IDENTITY_SPEC_HASH, message->spec_hash);
    ril_put_u32(payload + RIL_IDENTITY_BOOT_ID, message->boot_id);
    ril_put_u32(payload + RIL_IDENTITY_FIRMWARE_VERSION, message->firmware_version);
    ril_put_u32(payload + RIL_IDENTITY_ROBOT_ID, message->robot_id);
    return ril_frame_encode(RIL_TYPE_IDENTITY, payload, sizeof payload, out);
}

size_t ril_encode_time_reply(const struct ril_time_reply *message, uint8_t *out) {
    uint8_t payload[RIL_TIME_REPLY_SIZE];
    ril_put_u64(payload + RIL_TIME_REPLY_HOST_NS, (uint64_t)message->host_ns);
    ril_put_u64(payload + RIL_TIME_REPLY_MCU_TIME_US, message->mcu_time_us);
    return ril_frame_encode(RIL_TYPE_TIME_REPLY, payload, sizeof payload, out);
}

size_t ril_encode_state(const struct ril_state *message, uint8_t *out) {
    uint8_t payload[RIL_STATE_SIZE];
    ril_put_u64(payload + RIL_STATE_MCU_TIME_US, message->mcu_time_us);
    ril_put_u32(payload + RIL_STATE_STATE_SEQ, message->state_seq);
    ril_put_u32(payload + RIL_STATE_COMMAND_SEQ, message->command_seq);
    ril_put_f32(payload + RIL_STATE_PITCH, message->pitch);
    ril_put_f32(payload + RIL_STATE_PITCH_RATE, message->pitch_rate);
    ril_put_f32(payload + RIL_STATE_YAW, message->yaw);
    ril_put_f32(payload + RIL_STATE_YAW_RATE, message->yaw_rate);
    ril_put_f32(payload + RIL_STATE_ACCEL_X, message->accel_x);
    ril_put_f32(payload + RIL_STATE_ACCEL_Z, message->accel_z);
    ril_put_f32(payload + RIL_STATE_POSITION, message->position);
    ril_put_f32(payload + RIL_STATE_VELOCITY, message->velocity);
    ril_put_f32(payload + RIL_STATE_WHEEL_POSITION_LEFT, message->wheel_position_left);
    ril_put_f32(payload + RIL_STATE_WHEEL_POSITION_RIGHT, message->wheel_position_right);
    ril_put_f32(payload + RIL_STATE_WHEEL_VELOCITY_LEFT, message->wheel_velocity_left);
    ril_put_f32(payload + RIL_STATE_WHEEL_VELOCITY_RIGHT, message->wheel_velocity_right);
    ril_put_f32(payload + RIL_STATE_HIP_LEFT, message->hip_left);
    ril_put_f32(payload + RIL_STATE_KNEE_LEFT, message->knee_left);
    ril_put_f32(payload + RIL_STATE_HIP_RIGHT, message->hip_right);
    ril_put_f32(payload + RIL_STATE_KNEE_RIGHT, message->knee_right);
    ril_put_f32(payload + RIL_STATE_HEIGHT, message->height);
    ril_put_f32(payload + RIL_STATE_APPLIED_LEFT, message->applied_left);
    ril_put_f32(payload + RIL_STATE_APPLIED_RIGHT, message->applied_right);
    ril_put_f32(payload + RIL_STATE_BATTERY, message->battery);
    ril_put_u16(payload + RIL_STATE_REJECTED, message->rejected);
    ril_put_u16(payload + RIL_STATE_FAULTS, message->faults);
    payload[RIL_STATE_MODE] = message->mode;
    return ril_frame_encode(RIL_TYPE_STATE, payload, sizeof payload, out);
}

size_t ril_encode_param_value(const struct ril_param_value *message, uint8_t *out) {
    uint8_t payload[RIL_PARAM_VALUE_SIZE];
    ril_put_u16(payload + RIL_PARAM_VALUE_PARAM, message->param);
    ril_put_f32(payload + RIL_PARAM_VALUE_VALUE, message->value);
    return ril_frame_encode(RIL_TYPE_PARAM_VALUE, payload, sizeof payload, out);
}

size_t ril_encode_event(const struct ril_event *message, uint8_t *out) {
    uint8_t payload[RIL_EVENT_SIZE];
    ril_put_u64(payload + RIL_EVENT_MCU_TIME_US, message->mcu_time_us);
    ril_put_u16(payload + RIL_EVENT_EVENT, message->event);
    ril_put_u16(payload + RIL_EVENT_ARGUMENT, message->argument);
    ril_put_f32(payload + RIL_EVENT_VALUE, message->value);
    return ril_frame_encode(RIL_TYPE_EVENT, payload, sizeof payload, out);
}
