#include "report.h"

#include "protocol.h"

#define REJECT_QUIET_US 100000u /* a host that is refused 200 times a second must not fill the line with it */

void ril_report_event(struct ril_mcu *mcu, uint16_t event, uint16_t argument, float value) {
    uint8_t frame[RIL_FRAME_MAX];
    const struct ril_event message = {
        .mcu_time_us = mcu->time_us, .event = event, .argument = argument, .value = value};
    ril_tx_put(&mcu->tx, frame, ril_encode_event(&message, frame));
}

void ril_report_reject(struct ril_mcu *mcu, uint16_t reason) {
    if (mcu->time_us >= mcu->quiet_until_us[reason]) {
        mcu->quiet_until_us[reason] = mcu->time_us + REJECT_QUIET_US;
        ril_report_event(mcu, RIL_EVENT_REJECTED, reason, 0.0f);
    }
}

static void fill_motion(const struct ril_estimator *estimator, struct ril_state *state) {
    state->pitch = (float)estimator->pitch;
    state->pitch_rate = estimator->pitch_rate;
    state->yaw = (float)estimator->yaw;
    state->yaw_rate = estimator->yaw_rate;
    state->position = ril_estimator_position(estimator);
    state->velocity = ril_estimator_velocity(estimator);
    state->wheel_position_left = (float)estimator->wheel[RIL_LEFT].angle;
    state->wheel_position_right = (float)estimator->wheel[RIL_RIGHT].angle;
    state->wheel_velocity_left = estimator->wheel[RIL_LEFT].rate;
    state->wheel_velocity_right = estimator->wheel[RIL_RIGHT].rate;
}

static void fill_sensors(const struct ril_sensors *sensors, struct ril_state *state) {
    state->accel_x = sensors->accel_x;
    state->accel_z = sensors->accel_z;
    state->hip_left = sensors->hip_left;
    state->knee_left = sensors->knee_left;
    state->hip_right = sensors->hip_right;
    state->knee_right = sensors->knee_right;
    state->battery = sensors->battery;
}

void ril_report_fill(const struct ril_mcu *mcu, struct ril_state *state) {
    const struct ril_safety *safety = &mcu->safety;
    state->mcu_time_us = mcu->time_us;
    state->state_seq = safety->sent.newest;
    state->command_seq = safety->command_seq;
    fill_motion(&mcu->estimator, state);
    fill_sensors(&mcu->sensors, state);
    state->height = safety->posture.height;
    state->applied_left = safety->drive[RIL_LEFT].applied;
    state->applied_right = safety->drive[RIL_RIGHT].applied;
    state->rejected = safety->rejected;
    state->faults = ril_safety_faults(safety);
    state->mode = safety->mode;
}

void ril_report_state(struct ril_mcu *mcu) {
    uint8_t frame[RIL_FRAME_MAX];
    struct ril_state state;
    struct ril_safety *safety = &mcu->safety;
    ril_sent_note(&safety->sent, mcu->time_us);
    ril_report_fill(mcu, &state);
    state.applied_left = ril_drive_mean(&safety->drive[RIL_LEFT]);
    state.applied_right = ril_drive_mean(&safety->drive[RIL_RIGHT]);
    ril_tx_put(&mcu->tx, frame, ril_encode_state(&state, frame));
}
