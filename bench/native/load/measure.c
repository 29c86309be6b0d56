/* Clocks, histograms and counts, and how they are told. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct histogram each, last, ready;
struct counts count;

void die(const char *what) {
    perror(what);
    exit(1);
}

void *make(size_t number, size_t size) {
    void *made = calloc(number ? number : 1, size);
    if (!made) die("calloc");
    return made;
}

static int64_t read_clock(clockid_t clock) {
    struct timespec at;
    return clock_gettime(clock, &at) ? 0 : at.tv_sec * SECOND + at.tv_nsec;
}

int64_t now_ns(void) { return read_clock(CLOCK_MONOTONIC); }

/* CPU time of a whole process, threads that ended included. */
int64_t cpu_ns(pid_t pid) { return read_clock(~(unsigned)pid << 3 | 2); }

int64_t own_cpu_ns(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

void record(struct histogram *histogram, int64_t value) {
    uint64_t v = value > 0 ? value : 0;
    unsigned shift = v < 256 ? 0 : 63 - __builtin_clzll(v) - 8;
    histogram->counts[shift * 256 + (v >> shift)]++;
}

void print_histogram(const char *name, const struct histogram *histogram) {
    const char *comma = "";
    printf(",\"%s\":[", name);
    for (unsigned i = 0; i < BUCKETS; i++)
        if (histogram->counts[i]) {
            printf("%s[%u,%llu]", comma, i, (unsigned long long)histogram->counts[i]);
            comma = ",";
        }
    printf("]");
}

void print_counts(void) {
    const char *comma = "";
#define PRINT(name) \
    printf("%s\"%s\":%llu", comma, #name, (unsigned long long)count.name), comma = ",";
    printf(",");
    COUNTS(PRINT)
    printf(",\"checks\":{");
    comma = "";
    CHECKS(PRINT)
    printf("}}\n");
    fflush(stdout);
}

void forget_counts(void) {
    memset(&count, 0, sizeof count);
    memset(&each, 0, sizeof each);
    memset(&last, 0, sizeof last);
}
