/* When each recent STATE was sent, so that what answers it can be judged by its age. */
#ifndef RIL_FRESHNESS_H
#define RIL_FRESHNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "ril_spec.h"

/* More STATEs than fit into the command timeout, one a tick; a power of two, so that the index survives the wrap of the sequence. */
#define RIL_SENT_KEPT 128u
#if RIL_SENT_KEPT * RIL_TICK_US <= (RIL_LIMIT_COMMAND_TIMEOUT_MS + 10u) * 1000u
#error "the history must outlast the command timeout"
#endif

struct ril_sent {
    uint32_t newest; /* sequence number of the last STATE sent */
    uint32_t count;  /* how many of those before it are known, itself included */
    uint64_t time_us[RIL_SENT_KEPT];
};

/* True when `a` comes after `b` in sequence numbers that wrap (RFC 1982). */
static inline bool ril_newer(uint32_t a, uint32_t b) {
    uint32_t ahead = a - b;
    return ahead != 0 && ahead < UINT32_C(0x80000000);
}

/* Notes that the next STATE was sent at `now_us`. */
void ril_sent_note(struct ril_sent *sent, uint64_t now_us);

/* 0 and the time at which `seq` was sent, or RIL_REJECT_FUTURE, or RIL_REJECT_STALE when older than `timeout_us`. */
uint16_t ril_sent_find(const struct ril_sent *sent, uint32_t seq, uint64_t now_us, uint64_t timeout_us,
                       uint64_t *sent_us);

#endif
