/*
 * Updates in the background, on any store.
 *
 *     test_background STORE      a store whose record and neighbours (STORE-runs, ...) are still empty
 */
#define _POSIX_C_SOURCE 200809L

#include <unistd.h>

#include "check.h"

#define PATIENCE 60000

static lamport_stats_t *stats_of(const lamport_clock_t *clock) {
    lamport_stats_t *stats = NULL;
    CHECK_OK(lamport_clock_stats(clock, &stats, NULL));
    return stats;
}

/* The time of the next update that anybody makes. */
static uint64_t next(const lamport_watch_t *watch) {
    lamport_event_t *event = NULL;
    uint64_t value;
    CHECK_OK(lamport_watch_next(watch, PATIENCE, &event, NULL));
    CHECK(lamport_event_kind(event) == LAMPORT_EVENT_UPDATED);
    value = lamport_observed_value(lamport_event_update(event));
    lamport_event_free(event);
    return value;
}

static void test_it_runs_until_it_is_stopped(void) {
    lamport_clock_t *clock = opened(store("runs"), "api");
    lamport_stats_t *stats = stats_of(clock);
    lamport_watch_t *watch = NULL;
    lamport_event_t *event = NULL;
    uint64_t value, newest;

    CHECK(lamport_stats_running(stats) == 0);
    CHECK_TIME(lamport_stats_interval_ms(stats) + lamport_stats_updates(stats), 0);
    CHECK_TIME(lamport_stats_last_value(stats) + lamport_stats_since_update_ms(stats), 0);
    CHECK_STATUS(lamport_stats_last_status(stats), LAMPORT_STATUS_OK);
    CHECK_TEXT(lamport_stats_last_message(stats), "");
    lamport_stats_free(stats);

    CHECK_OK(lamport_clock_watch(clock, 0, &watch, NULL));
    CHECK_OK(lamport_clock_start(clock, 10, NULL));
    CHECK_OK(lamport_clock_start(clock, 10, NULL));
    CHECK_TIME(next(watch), 2);
    CHECK_TIME(next(watch), 4);
    stats = stats_of(clock);
    CHECK(lamport_stats_running(stats) == 1);
    CHECK_TIME(lamport_stats_interval_ms(stats), 10);
    CHECK(lamport_stats_running_for_ms(stats) < PATIENCE);
    lamport_stats_free(stats);

    CHECK_OK(lamport_clock_stop(clock, NULL));
    CHECK_OK(lamport_clock_stop(clock, NULL));
    stats = stats_of(clock);
    CHECK(lamport_stats_running(stats) == 0 && lamport_stats_updates(stats) >= 1);
    CHECK_TIME(lamport_stats_failures(stats) + lamport_stats_failing(stats), 0);
    newest = lamport_stats_last_value(stats);
    CHECK(newest >= 2 && newest % 2 == 0);
    lamport_stats_free(stats);

    /* What follows is this thread's own: one that was under way at the stop has come, or never does. */
    value = updated(clock);
    while (next(watch) != value)
        ;
    CHECK_OK(lamport_watch_next(watch, 50, &event, NULL));
    CHECK(event == NULL);

    /* To start again goes on, as often as it is told. */
    CHECK_OK(lamport_clock_start(clock, 0, NULL));
    CHECK(next(watch) > value);
    stats = stats_of(clock);
    CHECK_TIME(lamport_stats_interval_ms(stats), 2000);
    lamport_stats_free(stats);
    lamport_clock_free(clock); /* ends it too */
    lamport_watch_free(watch);
}

static void test_failures_are_counted(void) {
    lamport_clock_t *clock = NULL;
    lamport_stats_t *stats = NULL;
    lamport_error_t *error = NULL;

    CHECK_OK(lamport_clock_open("etcd://127.0.0.1:1", "api", 500, &clock, NULL));
    CHECK_OK(lamport_clock_start(clock, 10, NULL));
    /* Every look waits for an update that fails. */
    do {
        lamport_stats_free(stats);
        CHECK_STATUS(lamport_clock_update(clock, NULL, NULL), LAMPORT_STATUS_UNAVAILABLE);
        stats = stats_of(clock);
    } while (lamport_stats_failures(stats) == 0);
    CHECK(lamport_stats_failing(stats) == lamport_stats_failures(stats));
    CHECK(lamport_stats_failures_with(stats, LAMPORT_STATUS_UNAVAILABLE) == lamport_stats_failures(stats));
    CHECK_TIME(lamport_stats_failures_with(stats, LAMPORT_STATUS_DENIED), 0);
    CHECK_TIME(lamport_stats_failures_with(stats, LAMPORT_STATUS_PANIC), 0);
    CHECK_TIME(lamport_stats_failures_with(stats, -1), 0);
    CHECK_STATUS(lamport_stats_last_status(stats), LAMPORT_STATUS_UNAVAILABLE);
    CHECK_HAS(lamport_stats_last_message(stats), "127.0.0.1:1");
    CHECK_TIME(lamport_stats_updates(stats) + lamport_stats_last_value(stats), 0);
    lamport_clock_close(clock, NULL);
    CHECK_FAILS(lamport_clock_start(clock, 10, &error), &error, LAMPORT_STATUS_CLOSED, "closed");
    lamport_clock_free(clock); /* the figures outlive it */
    CHECK(lamport_stats_running(stats) == 1);
    lamport_stats_free(stats);
}

static void test_refused_messages_are_counted(void) {
    const lamport_status_t ahead = LAMPORT_STATUS_TOO_FAR_AHEAD;
    lamport_clock_t *clock = opened("memory:", "api");
    lamport_stats_t *stats = stats_of(clock);
    lamport_error_t *error = NULL;
    uint64_t time = 0;

    CHECK_TIME(lamport_stats_refused(stats), 0);
    lamport_stats_free(stats);
    CHECK_FAILS(lamport_clock_advance_past(clock, (UINT64_C(1) << 53) - 1, &time, &error), &error, ahead, "at most");
    CHECK_OK(lamport_clock_advance_past(clock, 5, &time, NULL));
    stats = stats_of(clock);
    CHECK_TIME(lamport_stats_refused(stats), 1);
    CHECK_TIME(lamport_stats_updates(stats) + lamport_stats_failures(stats), 0);
    lamport_stats_free(stats);
    lamport_clock_free(clock);
}

static void test_what_is_refused(void) {
    const lamport_status_t null = LAMPORT_STATUS_NULL_POINTER, bad = LAMPORT_STATUS_INVALID_ARGUMENT;
    lamport_clock_t *clock = opened("memory:", "api");
    lamport_stats_t *stats = NULL;
    lamport_error_t *error = NULL;

    CHECK_FAILS(lamport_clock_start(NULL, 10, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_stop(NULL, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_stats(NULL, &stats, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_stats(clock, NULL, &error), &error, null, "'stats'");
    CHECK_FAILS(lamport_clock_start(clock, 9, &error), &error, bad, "out of range");
    CHECK_FAILS(lamport_clock_start(clock, 86400001, &error), &error, bad, "out of range");
    CHECK_FAILS(lamport_clock_start(clock, UINT64_MAX, &error), &error, bad, "out of range");
    CHECK(stats == NULL);
    CHECK_TIME(lamport_stats_running(NULL), 0);
    CHECK_TIME(lamport_stats_running_for_ms(NULL) + lamport_stats_interval_ms(NULL), 0);
    CHECK_TIME(lamport_stats_updates(NULL) + lamport_stats_failures(NULL), 0);
    CHECK_TIME(lamport_stats_failing(NULL) + lamport_stats_failures_with(NULL, 18), 0);
    CHECK_TIME(lamport_stats_last_value(NULL) + lamport_stats_since_update_ms(NULL), 0);
    CHECK_TIME(lamport_stats_refused(NULL) + lamport_stats_folds(NULL), 0);
    CHECK_TIME(lamport_stats_round_trips(NULL) + lamport_stats_distance(NULL), 0);
    CHECK_TIME(lamport_stats_update_time_us(NULL) + lamport_stats_updates_within_us(NULL, UINT64_MAX), 0);
    CHECK_STATUS(lamport_stats_last_status(NULL), LAMPORT_STATUS_OK);
    CHECK_TEXT(lamport_stats_last_message(NULL), "");
    lamport_stats_free(NULL);
    lamport_clock_free(clock);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: test_background STORE\n");
        return 2;
    }
    /* What hangs ends here. */
    alarm(240);
    base = argv[1];
    test_it_runs_until_it_is_stopped();
    test_failures_are_counted();
    test_refused_messages_are_counted();
    test_what_is_refused();
    return report();
}
