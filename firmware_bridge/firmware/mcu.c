#include "mcu.h"

#include <string.h>

#include "protocol.h"
#include "report.h"

static void refresh_outputs(struct ril_mcu *mcu) {
    mcu->outputs.time_us = mcu->time_us;
    mcu->outputs.torque_left = mcu->safety.drive[RIL_LEFT].applied;
    mcu->outputs.torque_right = mcu->safety.drive[RIL_RIGHT].applied;
    mcu->outputs.height_m = mcu->safety.posture.height;
    mcu->outputs.undecodable = mcu->rx.undecodable;
    mcu->outputs.dropped = mcu->tx.dropped;
    mcu->outputs.faults = ril_safety_faults(&mcu->safety);
    mcu->outputs.mode = mcu->safety.mode;
}

void ril_mcu_init(struct ril_mcu *mcu, const struct ril_board *board) {
    memset(mcu, 0, sizeof *mcu);
    mcu->board = *board;
    mcu->time_us = board->initial_time_us;
    mcu->ticks_per_state = RIL_TICKS_PER_STATE;
    mcu->estimator.wheel_radius = board->wheel_radius_m;
    ril_safety_init(&mcu->safety, board->boot_id);
    ril_posture_init(&mcu->safety.posture, board->height_low_m, board->height_high_m, board->height_m);
    mcu->safety.sent.newest = board->initial_state_seq;
    mcu->safety.left_seq = board->initial_state_seq;
    ril_report_event(mcu, RIL_EVENT_BOOTED, 0, 0.0f);
    refresh_outputs(mcu);
}

void ril_mcu_carry(struct ril_mcu *mcu, const struct ril_policy *policy) {
    mcu->onboard.policy = policy;
}

void ril_mcu_policy_every(struct ril_mcu *mcu, uint32_t ticks) {
    mcu->onboard.every_ticks = ticks;
}

/* Gaps in the samples are bridged; after one that is too long, or a bad sample, the estimate begins anew. */
static enum ril_samples estimate(struct ril_mcu *mcu, const struct ril_sensors *sensors) {
    if (sensors->fresh == 0) {
        if (mcu->safety.monitor.stale_ticks >= RIL_STALE_TICKS) {
            mcu->estimator.started = false;
        }
        if (mcu->estimator.started) {
            ril_estimator_predict(&mcu->estimator);
        }
        return RIL_SAMPLE_MISSING;
    }
    bool frozen = ril_sensors_same_motion(sensors, &mcu->sensors);
    mcu->sensors = *sensors;
    if (!ril_sensors_usable(sensors)) {
        mcu->estimator.started = false;
        return RIL_SAMPLE_NOT_FINITE;
    }
    ril_estimator_update(&mcu->estimator, sensors);
    return frozen ? RIL_SAMPLE_FROZEN : RIL_SAMPLE_GOOD;
}

void ril_mcu_tick(struct ril_mcu *mcu, const struct ril_sensors *sensors) {
    struct ril_safety *safety = &mcu->safety;
    mcu->time_us += RIL_TICK_US;
    mcu->ticks++;
    enum ril_samples sample = estimate(mcu, sensors);
    ril_monitor_tick(&safety->monitor, &safety->limits, sample, mcu->estimator.pitch, sensors->battery);
    if (ril_safety_check(safety, mcu->time_us)) {
        ril_report_event(mcu, RIL_EVENT_STOPPED, safety->latched, 0.0f);
    }
    if (mcu->ticks % mcu->ticks_per_state == 0) {
        ril_report_state(mcu);
    }
    ril_onboard_tick(mcu);
    ril_safety_drive(safety, mcu->estimator.wheel[RIL_LEFT].rate, mcu->estimator.wheel[RIL_RIGHT].rate);
    refresh_outputs(mcu);
}

static void identify(struct ril_mcu *mcu) {
    uint8_t frame[RIL_FRAME_MAX];
    const struct ril_identity message = {
        .protocol_version = RIL_PROTOCOL_VERSION,
        .spec_hash = RIL_SPEC_HASH,
        .boot_id = mcu->board.boot_id,
        .firmware_version = RIL_FIRMWARE_VERSION,
        .robot_id = mcu->board.robot_id,
    };
    ril_tx_put(&mcu->tx, frame, ril_encode_identity(&message, frame));
}

static void tell_time(struct ril_mcu *mcu, const struct ril_time_request *request) {
    uint8_t frame[RIL_FRAME_MAX];
    const struct ril_time_reply message = {.host_ns = request->host_ns, .mcu_time_us = mcu->time_us};
    ril_tx_put(&mcu->tx, frame, ril_encode_time_reply(&message, frame));
}

/* A loop that runs is not given another rhythm. Returns the period in force. */
static float set_state_period(struct ril_mcu *mcu, float period_ms) {
    if (mcu->safety.mode == RIL_MODE_DISARMED && (period_ms == 1.0f || period_ms == 2.0f || period_ms == 5.0f)) {
        mcu->ticks_per_state = (uint32_t)period_ms * (1000u / RIL_TICK_US);
    }
    return (float)(mcu->ticks_per_state * RIL_TICK_US) * 1e-3f;
}

static void set_param(struct ril_mcu *mcu, const struct ril_param_set *request) {
    uint8_t frame[RIL_FRAME_MAX];
    struct ril_param_value message = {.param = request->param};
    message.value = request->param == RIL_PARAM_STATE_PERIOD_MS
                        ? set_state_period(mcu, request->value)
                        : ril_limits_set(&mcu->safety.limits, request->param, request->value);
    ril_tx_put(&mcu->tx, frame, ril_encode_param_value(&message, frame));
}

static void arm(struct ril_mcu *mcu, const struct ril_arm *request) {
    if (mcu->safety.mode == RIL_MODE_ARMED) {
        return; /* a repeated request changes nothing, least of all the zero of the position */
    }
    uint16_t refusal = ril_safety_arm(&mcu->safety, request, mcu->estimator.pitch, mcu->time_us);
    if (refusal != 0) {
        ril_report_reject(mcu, refusal);
        return;
    }
    ril_estimator_zero(&mcu->estimator);
    ril_report_event(mcu, RIL_EVENT_ARMED, 0, 0.0f);
}

static void command(struct ril_mcu *mcu, const struct ril_command *request) {
    uint16_t refusal = ril_safety_command(&mcu->safety, request, mcu->time_us);
    if (refusal != 0) {
        ril_report_reject(mcu, refusal);
        return;
    }
    ril_onboard_command(mcu);
}

static void disarm(struct ril_mcu *mcu) {
    uint8_t before = mcu->safety.mode;
    ril_safety_disarm(&mcu->safety);
    if (before != RIL_MODE_DISARMED) {
        ril_report_event(mcu, RIL_EVENT_DISARMED, 0, 0.0f);
    }
}

static void estop(struct ril_mcu *mcu) {
    uint8_t before = mcu->safety.mode;
    ril_safety_estop(&mcu->safety);
    if (before != RIL_MODE_ESTOPPED) {
        ril_report_event(mcu, RIL_EVENT_ESTOPPED, 0, 0.0f);
    }
}

static void handle(struct ril_mcu *mcu, const struct ril_request *request) {
    switch (request->type) {
    case RIL_TYPE_HELLO:
        identify(mcu); /* whoever asks: the host decides whether the two fit */
        break;
    case RIL_TYPE_TIME_REQUEST:
        tell_time(mcu, &request->as.time_request);
        break;
    case RIL_TYPE_COMMAND:
        command(mcu, &request->as.command);
        break;
    case RIL_TYPE_ARM:
        arm(mcu, &request->as.arm);
        break;
    case RIL_TYPE_DISARM:
        disarm(mcu);
        break;
    case RIL_TYPE_ESTOP:
        estop(mcu);
        break;
    case RIL_TYPE_PARAM_SET:
        set_param(mcu, &request->as.param_set);
        break;
    default:
        break;
    }
}

void ril_mcu_receive(struct ril_mcu *mcu, const uint8_t *bytes, size_t size) {
    struct ril_frame frame;
    struct ril_request request;
    for (size_t i = 0; i < size; i++) {
        if (!ril_rx_byte(&mcu->rx, bytes[i], &frame)) {
            continue;
        }
        if (ril_request_decode(&frame, &request)) {
            handle(mcu, &request);
        } else {
            mcu->rx.undecodable++;
        }
    }
    refresh_outputs(mcu);
}

size_t ril_mcu_transmit(struct ril_mcu *mcu, uint8_t *out, size_t capacity) {
    return ril_tx_take(&mcu->tx, out, capacity);
}

void ril_mcu_lost_time(struct ril_mcu *mcu, float lost_ms) {
    ril_report_event(mcu, RIL_EVENT_TIME_SLIPPED, 0, lost_ms);
}
