/* Made from robot_il/spec.py by tools/make_spec_header.py; change that file and run the tool. */
#ifndef RIL_SPEC_H
#define RIL_SPEC_H

#include <stdint.h>

#define RIL_PROTOCOL_VERSION 2u
#define RIL_SPEC_HASH UINT64_C(0xfe02e4b2ad4f6227)
#define RIL_CRC_SEED UINT32_C(0xad4f6227)
#define RIL_TICK_US 1000u
#define RIL_TICKS_PER_STATE 5u

#define RIL_LIMIT_WHEEL_TORQUE_NM 4.0f
#define RIL_LIMIT_WHEEL_TORQUE_SLEW_NM_S 800.0f
#define RIL_LIMIT_TILT_RAD 0.7f
#define RIL_LIMIT_WHEEL_SPEED_RAD_S 40.0f
#define RIL_LIMIT_BATTERY_LOW_V 19.2f
#define RIL_LIMIT_BATTERY_LOW_MS 500u
#define RIL_LIMIT_COMMAND_TIMEOUT_MS 100u
#define RIL_LIMIT_ARM_TILT_RAD 0.35f
#define RIL_LIMIT_ARM_TORQUE_NM 0.0f
#define RIL_LIMIT_HEIGHT_RATE_M_S 0.1f

enum ril_modes {
    RIL_MODE_DISARMED = 0,
    RIL_MODE_ARMED = 1,
    RIL_MODE_STOPPED = 2,
    RIL_MODE_ESTOPPED = 3,
};

enum ril_faults {
    RIL_FAULT_COMMAND_TIMEOUT = 1,
    RIL_FAULT_TILT = 2,
    RIL_FAULT_BATTERY_LOW = 4,
    RIL_FAULT_SENSOR_NOT_FINITE = 8,
    RIL_FAULT_ESTOP = 16,
    RIL_FAULT_SENSOR_STALE = 32,
};

enum ril_rejects {
    RIL_REJECT_NOT_ARMED = 1,
    RIL_REJECT_NOT_FINITE = 2,
    RIL_REJECT_OUT_OF_RANGE = 3,
    RIL_REJECT_REPEATED = 4,
    RIL_REJECT_STALE = 5,
    RIL_REJECT_FUTURE = 6,
    RIL_REJECT_FAULT_ACTIVE = 7,
    RIL_REJECT_TILTED = 8,
    RIL_REJECT_WRONG_BOOT = 9,
};

enum ril_events {
    RIL_EVENT_BOOTED = 1,
    RIL_EVENT_ARMED = 2,
    RIL_EVENT_DISARMED = 3,
    RIL_EVENT_STOPPED = 4,
    RIL_EVENT_ESTOPPED = 5,
    RIL_EVENT_REJECTED = 6,
    RIL_EVENT_TIME_SLIPPED = 7,
};

enum ril_params {
    RIL_PARAM_WHEEL_TORQUE_NM = 1,
    RIL_PARAM_WHEEL_TORQUE_SLEW_NM_S = 2,
    RIL_PARAM_TILT_RAD = 3,
    RIL_PARAM_WHEEL_SPEED_RAD_S = 4,
    RIL_PARAM_BATTERY_LOW_V = 5,
    RIL_PARAM_COMMAND_TIMEOUT_MS = 6,
    RIL_PARAM_STATE_PERIOD_MS = 7,
};

enum ril_type {
    RIL_TYPE_HELLO = 0x01,
    RIL_TYPE_IDENTITY = 0x02,
    RIL_TYPE_TIME_REQUEST = 0x03,
    RIL_TYPE_TIME_REPLY = 0x04,
    RIL_TYPE_STATE = 0x10,
    RIL_TYPE_COMMAND = 0x11,
    RIL_TYPE_ARM = 0x20,
    RIL_TYPE_DISARM = 0x21,
    RIL_TYPE_ESTOP = 0x22,
    RIL_TYPE_PARAM_SET = 0x30,
    RIL_TYPE_PARAM_VALUE = 0x31,
    RIL_TYPE_EVENT = 0x40,
};

#define RIL_HELLO_SIZE 10u
#define RIL_HELLO_PROTOCOL_VERSION 0u
#define RIL_HELLO_SPEC_HASH 2u
struct ril_hello {
    uint16_t protocol_version; /* 1: PROTOCOL_VERSION of the sender */
    uint64_t spec_hash; /* -: first 8 bytes of SPEC_HASH, big-endian number */
};

#define RIL_IDENTITY_SIZE 22u
#define RIL_IDENTITY_PROTOCOL_VERSION 0u
#define RIL_IDENTITY_SPEC_HASH 2u
#define RIL_IDENTITY_BOOT_ID 10u
#define RIL_IDENTITY_FIRMWARE_VERSION 14u
#define RIL_IDENTITY_ROBOT_ID 18u
struct ril_identity {
    uint16_t protocol_version; /* 1: PROTOCOL_VERSION of the firmware */
    uint64_t spec_hash; /* -: first 8 bytes of SPEC_HASH, big-endian number */
    uint32_t boot_id; /* -: changes at every boot */
    uint32_t firmware_version; /* -: major << 16 | minor << 8 | patch */
    uint32_t robot_id; /* -: which robot this is, set by the board */
};

#define RIL_TIME_REQUEST_SIZE 8u
#define RIL_TIME_REQUEST_HOST_NS 0u
struct ril_time_request {
    int64_t host_ns; /* ns: host monotonic time at sending */
};

#define RIL_TIME_REPLY_SIZE 16u
#define RIL_TIME_REPLY_HOST_NS 0u
#define RIL_TIME_REPLY_MCU_TIME_US 8u
struct ril_time_reply {
    int64_t host_ns; /* ns: copied from the request */
    uint64_t mcu_time_us; /* us: MCU time at answering */
};

#define RIL_STATE_SIZE 101u
#define RIL_STATE_MCU_TIME_US 0u
#define RIL_STATE_STATE_SEQ 8u
#define RIL_STATE_COMMAND_SEQ 12u
#define RIL_STATE_PITCH 16u
#define RIL_STATE_PITCH_RATE 20u
#define RIL_STATE_YAW 24u
#define RIL_STATE_YAW_RATE 28u
#define RIL_STATE_ACCEL_X 32u
#define RIL_STATE_ACCEL_Z 36u
#define RIL_STATE_POSITION 40u
#define RIL_STATE_VELOCITY 44u
#define RIL_STATE_WHEEL_POSITION_LEFT 48u
#define RIL_STATE_WHEEL_POSITION_RIGHT 52u
#define RIL_STATE_WHEEL_VELOCITY_LEFT 56u
#define RIL_STATE_WHEEL_VELOCITY_RIGHT 60u
#define RIL_STATE_HIP_LEFT 64u
#define RIL_STATE_KNEE_LEFT 68u
#define RIL_STATE_HIP_RIGHT 72u
#define RIL_STATE_KNEE_RIGHT 76u
#define RIL_STATE_HEIGHT 80u
#define RIL_STATE_APPLIED_LEFT 84u
#define RIL_STATE_APPLIED_RIGHT 88u
#define RIL_STATE_BATTERY 92u
#define RIL_STATE_REJECTED 96u
#define RIL_STATE_FAULTS 98u
#define RIL_STATE_MODE 100u
struct ril_state {
    uint64_t mcu_time_us; /* us: MCU time at which the sensors were sampled */
    uint32_t state_seq; /* 1: sequence number of the STATE, +1 per control period */
    uint32_t command_seq; /* 1: sequence number of the last accepted COMMAND, 0 before the first */
    float pitch; /* rad: lean of the body against gravity, forward positive */
    float pitch_rate; /* rad/s: rate of pitch */
    float yaw; /* rad: heading since boot, left positive, unwrapped */
    float yaw_rate; /* rad/s: rate of yaw */
    float accel_x; /* m/s^2: specific force forward, in the body's frame; 0 at rest upright */
    float accel_z; /* m/s^2: specific force upward, in the body's frame; 9.81 at rest upright */
    float position; /* m: distance rolled by the axle since arming, forward positive */
    float velocity; /* m/s: rate of position */
    float wheel_position_left; /* rad: angle of the left wheel against the shank */
    float wheel_position_right; /* rad: angle of the right wheel against the shank */
    float wheel_velocity_left; /* rad/s: rate of wheel_position_left */
    float wheel_velocity_right; /* rad/s: rate of wheel_position_right */
    float hip_left; /* rad: angle of the left hip */
    float knee_left; /* rad: angle of the left knee */
    float hip_right; /* rad: angle of the right hip */
    float knee_right; /* rad: angle of the right knee */
    float height; /* m: height of the body's origin above the axle that the legs are told to hold */
    float applied_left; /* N m: torque demanded of the left drive in the past period */
    float applied_right; /* N m: torque demanded of the right drive in the past period */
    float battery; /* V: battery voltage */
    uint16_t rejected; /* 1: commands rejected since boot, wraps */
    uint16_t faults; /* -: bits of Fault */
    uint8_t mode; /* -: Mode */
};

#define RIL_COMMAND_SIZE 20u
#define RIL_COMMAND_COMMAND_SEQ 0u
#define RIL_COMMAND_STATE_SEQ 4u
#define RIL_COMMAND_TORQUE_LEFT 8u
#define RIL_COMMAND_TORQUE_RIGHT 12u
#define RIL_COMMAND_HEIGHT 16u
struct ril_command {
    uint32_t command_seq; /* 1: rises with every command; the first is at least 1 */
    uint32_t state_seq; /* 1: the STATE this command answers */
    float torque_left; /* N m: demanded torque of the left wheel */
    float torque_right; /* N m: demanded torque of the right wheel */
    float height; /* m: where the legs are to go; that of the STATE leaves them where they are */
};

#define RIL_ARM_SIZE 8u
#define RIL_ARM_BOOT_ID 0u
#define RIL_ARM_STATE_SEQ 4u
struct ril_arm {
    uint32_t boot_id; /* -: boot_id of the IDENTITY, so that a replayed ARM does nothing */
    uint32_t state_seq; /* 1: a STATE younger than the command timeout */
};

#define RIL_DISARM_SIZE 0u

#define RIL_ESTOP_SIZE 0u

#define RIL_PARAM_SET_SIZE 6u
#define RIL_PARAM_SET_PARAM 0u
#define RIL_PARAM_SET_VALUE 2u
struct ril_param_set {
    uint16_t param; /* -: Param */
    float value; /* -: new value in the parameter's unit */
};

#define RIL_PARAM_VALUE_SIZE 6u
#define RIL_PARAM_VALUE_PARAM 0u
#define RIL_PARAM_VALUE_VALUE 2u
struct ril_param_value {
    uint16_t param; /* -: Param */
    float value; /* -: value now in force, whether or not the request was granted */
};

#define RIL_EVENT_SIZE 16u
#define RIL_EVENT_MCU_TIME_US 0u
#define RIL_EVENT_EVENT 8u
#define RIL_EVENT_ARGUMENT 10u
#define RIL_EVENT_VALUE 12u
struct ril_event {
    uint64_t mcu_time_us; /* us: MCU time of the event */
    uint16_t event; /* -: Event */
    uint16_t argument; /* -: see Event */
    float value; /* -: see Event */
};

#define RIL_PAYLOAD_MAX 101u

#endif
