/* The yardstick of tools/bench_loop.py: sleeps from grid point to grid point with clock_nanosleep and nothing else.
 *
 *     clock_nanosleep_loop PERIOD_NS TICKS
 *
 * SCHED_FIFO 80, locked memory, a timer slack of 1 ns and no deep idle, each where the system permits it, as our loop asks for them.
 * Deadlines are absolute; a grid point that had passed before the process woke up is skipped and never made up for.
 * Writes to its standard output how late each wake-up was, as int64 in ns. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_until(int64_t deadline_ns) {
    const struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                                      .tv_nsec = (long)(deadline_ns % 1000000000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL);
}

int main(int count, char **words) {
    if (count != 3) {
        fputs("usage: clock_nanosleep_loop PERIOD_NS TICKS\n", stderr);
        return 2;
    }
    const int64_t period_ns = atoll(words[1]), ticks = atoll(words[2]);
    int64_t *late_ns = calloc((size_t)ticks, sizeof *late_ns);
    if (period_ns <= 0 || ticks <= 0 || late_ns == NULL) {
        return 2;
    }
    const struct sched_param priority = {.sched_priority = 80};
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0 || prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0) != 0 ||
        sched_setscheduler(0, SCHED_FIFO, &priority) != 0) {
        fputs("some of SCHED_FIFO, locked memory, timer slack was refused\n", stderr);
    }
    const int32_t no_latency_us = 0; /* no deep idle, for as long as the file stays open */
    const int idle = open("/dev/cpu_dma_latency", O_WRONLY);
    if (idle < 0 || write(idle, &no_latency_us, sizeof no_latency_us) != (ssize_t)sizeof no_latency_us) {
        fputs("no deep idle was refused\n", stderr);
    }
    const int64_t start_ns = now_ns() + period_ns;
    size_t wakes = 0;
    for (int64_t tick = 0; tick < ticks;) {
        const int64_t deadline_ns = start_ns + tick * period_ns;
        sleep_until(deadline_ns);
        late_ns[wakes] = now_ns() - deadline_ns;
        tick += 1 + late_ns[wakes++] / period_ns;
    }
    return fwrite(late_ns, sizeof *late_ns, wakes, stdout) == wakes ? 0 : 1;
}
