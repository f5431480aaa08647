#include "freshness.h"

void ril_sent_note(struct ril_sent *sent, uint64_t now_us) {
    sent->newest++;
    sent->time_us[sent->newest % RIL_SENT_KEPT] = now_us;
    if (sent->count < RIL_SENT_KEPT) {
        sent->count++;
    }
}

uint16_t ril_sent_find(const struct ril_sent *sent, uint32_t seq, uint64_t now_us, uint64_t timeout_us,
                       uint64_t *sent_us) {
    if (sent->count == 0 || ril_newer(seq, sent->newest)) {
        return RIL_REJECT_FUTURE;
    }
    if (sent->newest - seq >= sent->count) {
        return RIL_REJECT_STALE;
    }
    *sent_us = sent->time_us[seq % RIL_SENT_KEPT];
    return now_us - *sent_us > timeout_us ? RIL_REJECT_STALE : 0;
}
