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

int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

/* CPU time of a whole process, threads that ended included. */
int64_t cpu_ns(pid_t pid) {
    struct timespec used;
    if (clock_gettime((clockid_t)(~(unsigned)pid << 3 | 2), &used)) return 0;
    return used.tv_sec * SECOND + used.tv_nsec;
}

int64_t own_cpu_ns(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * SECOND + used.tv_nsec;
}

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

static void print_number(const char *name, uint64_t number) {
    printf(",\"%s\":%llu", name, (unsigned long long)number);
}

void print_counts(void) {
    print_number("deliveries", count.deliveries);
    print_number("to_publishers", count.to_publishers);
    print_number("to_slow", count.to_slow);
    print_number("merged", count.merged);
    print_number("others", count.others);
    print_number("bytes", count.bytes);
    print_number("cut", count.cut);
    print_number("reads", count.reads);
    print_number("waiting", count.waiting);
    printf(",\"checks\":{\"lost\":%llu", (unsigned long long)count.lost);
    print_number("duplicated", count.duplicated);
    print_number("out_of_order", count.disordered);
    print_number("leaked", count.leaked);
    print_number("garbled", count.garbled);
    print_number("stale", count.stale);
    print_number("disconnected", count.disconnected);
    printf("}}\n");
    fflush(stdout);
}

void forget_counts(void) {
    memset(&count, 0, sizeof count);
    memset(&each, 0, sizeof each);
    memset(&last, 0, sizeof last);
}
