/*
 * The local clock from C, beside a bare atomic addition in the same program.
 *
 * Asked for a number of rounds on a line, it answers with ns a call for each subject and round.
 */
/* For clock_gettime(). */
#define _POSIX_C_SOURCE 200112L

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <lamport_clock.h>

enum { SUBJECTS = 3, CALLS = 2000000, MOST_ROUNDS = 1000 };

static _Alignas(64) atomic_uint_fast64_t counter;
static lamport_clock_t *handle;
/* Where results go, so that no call is left out. */
static volatile uint64_t seen;

static double now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void check(lamport_status_t status) {
    if (status != LAMPORT_STATUS_OK) {
        fprintf(stderr, "a call of the clock failed with status %d\n", (int)status);
        exit(1);
    }
}

static void add(void) {
    for (int i = 0; i < CALLS; i++) seen = atomic_fetch_add(&counter, 1);
}

static void advance(void) {
    uint64_t time;
    for (int i = 0; i < CALLS; i++) {
        check(lamport_clock_advance(handle, &time, NULL));
        seen = time;
    }
}

static void now(void) {
    for (int i = 0; i < CALLS; i++) seen = lamport_clock_now(handle);
}

int main(void) {
    static const struct {
        const char *name;
        void (*run)(void);
    } subjects[SUBJECTS] = {
        {"atomic_fetch_add", add}, {"lamport_clock_advance", advance}, {"lamport_clock_now", now}};
    static double results[SUBJECTS][MOST_ROUNDS];
    int rounds;

    check(lamport_clock_connect("memory:", "bench-node", 0, &handle, NULL));
    while (scanf("%d", &rounds) == 1 && rounds > 0 && rounds <= MOST_ROUNDS) {
        for (int round = -1; round < rounds; round++) {
            for (int subject = 0; subject < SUBJECTS; subject++) {
                double begin = now_ns();
                subjects[subject].run();
                /* The first round only warms up. */
                if (round >= 0) results[subject][round] = (now_ns() - begin) / CALLS;
            }
        }
        for (int subject = 0; subject < SUBJECTS; subject++) {
            printf("%s\"%s\": [", subject ? "], " : "{", subjects[subject].name);
            for (int round = 0; round < rounds; round++)
                printf("%s%.3f", round ? ", " : "", results[subject][round]);
        }
        puts("]}");
        fflush(stdout);
    }
    lamport_clock_free(handle);
    return 0;
}
