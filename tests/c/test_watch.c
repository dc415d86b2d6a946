/*
 * Watches, updates in full and the history, on any store.
 *
 *     test_watch STORE      a store whose record and neighbours (STORE-poll, ...) are still empty
 *
 * No check waits for a length of time: each waits for an event, and PATIENCE is how long a failure
 * takes.
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <unistd.h>

#include "check.h"

#define PATIENCE 60000
#define READERS 4
#define UPDATES 40

/* Takes the times from `first` through `last`. */
static void reserved(const lamport_clock_t *clock, uint64_t first, uint64_t last) {
    lamport_update_t *times = NULL;
    CHECK_OK(lamport_clock_reserve(clock, last - first + 1, &times, NULL));
    CHECK_TIME(lamport_update_first(times), first);
    CHECK_TIME(lamport_update_value(times), last);
    lamport_update_free(times);
}

static lamport_watch_t *watching(const lamport_clock_t *clock, uint64_t from) {
    lamport_watch_t *watch = NULL;
    CHECK_OK(lamport_clock_watch(clock, from, &watch, NULL));
    return watch;
}

/* The next event that is there within PATIENCE. */
static lamport_event_t *next(const lamport_watch_t *watch) {
    lamport_event_t *event = NULL;
    CHECK_OK(lamport_watch_next(watch, PATIENCE, &event, NULL));
    CHECK(event != NULL);
    return event;
}

static void test_what_an_update_found(void) {
    lamport_clock_t *a = opened(store("found"), "a");
    lamport_clock_t *b = opened(store("found"), "b");
    lamport_update_t *update = NULL, *later = NULL;
    lamport_error_t *error = NULL;
    uint64_t instance;

    CHECK_OK(lamport_clock_update(a, &update, &error));
    CHECK_TIME(lamport_update_first(update), 2);
    CHECK_TIME(lamport_update_value(update), 2);
    CHECK(lamport_update_previous_process(update) == NULL);
    CHECK_TIME(lamport_update_previous_value(update), 0);
    CHECK(lamport_update_round_trips(update) >= 1);
    CHECK_TIME(lamport_update_regressed(update), 0);
    CHECK(lamport_update_real_timestamp(update) > 1e9);

    CHECK_OK(lamport_clock_reserve(b, 3, &later, &error));
    instance = lamport_clock_instance(b);
    lamport_clock_free(a);
    lamport_clock_free(b); /* what was taken outlives the clock */
    CHECK_TIME(lamport_update_first(later), 3);
    CHECK_TIME(lamport_update_value(later), 5);
    CHECK_TIME(lamport_stamp_time(lamport_update_stamp(later)), 5);
    CHECK_TEXT(lamport_stamp_process(lamport_update_stamp(later)), "b");
    CHECK_TIME(lamport_stamp_instance(lamport_update_stamp(later)), instance);
    CHECK(lamport_stamp_compare(lamport_update_stamp(update), lamport_update_stamp(later)) == -1);
    CHECK_TEXT(lamport_update_previous_process(later), "a");
    CHECK_TIME(lamport_update_previous_value(later), 2);
    CHECK(lamport_update_revision(later) > lamport_update_revision(update));
    lamport_update_free(update);
    lamport_update_free(later);
}

static void test_history(void) {
    lamport_clock_t *clock = opened(store("history"), "api");
    lamport_history_t *history = NULL, *older = NULL, *none = NULL;
    lamport_error_t *error = NULL;
    uint64_t before;
    size_t i;

    CHECK_OK(lamport_clock_history(clock, 10, &history, NULL));
    CHECK(lamport_history_count(history) == 0 && lamport_history_at(history, 0) == NULL);
    lamport_history_free(history);
    for (i = 0; i < 4; i++)
        updated(clock); /* 2, 4, 6, 8 */
    reserved(clock, 10, 14);
    CHECK_OK(lamport_clock_history(clock, 3, &history, NULL));
    before = lamport_observed_revision(lamport_history_at(history, 0)) - 1;
    CHECK_OK(lamport_clock_history_from(clock, before, 10, &older, NULL));
    CHECK_FAILS(lamport_clock_history_from(clock, UINT64_MAX >> 1, 10, &none, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "revision");
    lamport_clock_free(clock); /* what was read outlives the clock */
    CHECK(none == NULL && lamport_history_count(older) == 2);
    CHECK_TIME(lamport_observed_value(lamport_history_at(older, 0)), 2);
    CHECK_TIME(lamport_observed_value(lamport_history_at(older, 1)), 4);
    lamport_history_free(older);
    CHECK(lamport_history_count(history) == 3);
    CHECK_TIME(lamport_observed_value(lamport_history_at(history, 0)), 6);
    CHECK_TIME(lamport_observed_value(lamport_history_at(history, 1)), 8);
    CHECK_TIME(lamport_observed_first(lamport_history_at(history, 2)), 10);
    CHECK_TIME(lamport_observed_value(lamport_history_at(history, 2)), 14);
    CHECK_TEXT(lamport_observed_process(lamport_history_at(history, 2)), "api");
    CHECK(lamport_history_at(history, 3) == NULL && lamport_history_at(history, SIZE_MAX) == NULL);
    CHECK(lamport_history_unreadable(history) == 0 && lamport_history_unread_from(history) == 0);
    lamport_history_free(history);
}

static void test_open_lazily(void) {
    lamport_clock_t *clock = NULL;
    lamport_error_t *error = NULL;
    uint64_t time = 0;

    CHECK_OK(lamport_clock_open(store("lazy"), "api", PATIENCE, &clock, &error));
    CHECK_TIME(updated(clock), 2);
    lamport_clock_free(clock);

    /* Nobody is there, and nobody was asked. */
    CHECK_OK(lamport_clock_open("etcd://127.0.0.1:1", "api", 1000, &clock, &error));
    CHECK_OK(lamport_clock_advance(clock, &time, &error));
    CHECK_TIME(time, 1);
    CHECK_FAILS(lamport_clock_update(clock, NULL, &error), &error, LAMPORT_STATUS_UNAVAILABLE,
                "127.0.0.1:1");
    lamport_clock_free(clock);
    clock = NULL;
    CHECK_FAILS(lamport_clock_open("redis:", "api", 0, &clock, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "redis:");
    CHECK(clock == NULL);
}

static void test_poll(void) {
    lamport_clock_t *clock = opened(store("poll"), "api");
    lamport_watch_t *watch = watching(clock, 0), *again;
    lamport_event_t *event = (lamport_event_t *)(void *)&base;
    const lamport_observed_t *update;
    uint64_t revision, noted;

    /* Nothing has happened yet: an answer all the same. */
    CHECK_OK(lamport_watch_next(watch, 0, &event, NULL));
    CHECK(event == NULL);
    CHECK_OK(lamport_watch_next(watch, 1, &event, NULL));
    CHECK(event == NULL);

    noted = lamport_watch_next_revision(watch);
    CHECK(noted > 0);
    updated(clock);
    reserved(clock, 4, 8);
    event = next(watch);
    CHECK(lamport_event_kind(event) == LAMPORT_EVENT_UPDATED);
    update = lamport_event_update(event);
    CHECK_TIME(lamport_observed_value(update), 2);
    CHECK_TEXT(lamport_observed_process(update), "api");
    revision = lamport_observed_revision(update);
    CHECK(revision >= noted && revision == lamport_event_revision(event));
    CHECK_TIME(lamport_event_until(event), 0);
    CHECK_STATUS(lamport_event_status(event), LAMPORT_STATUS_OK);
    CHECK_TEXT(lamport_event_message(event), "");
    lamport_event_free(event);
    event = next(watch);
    CHECK_TIME(lamport_observed_first(lamport_event_update(event)), 4);
    CHECK_TIME(lamport_observed_value(lamport_event_update(event)), 8);
    lamport_watch_free(watch); /* an event outlives its watch */
    CHECK(lamport_event_revision(event) > revision);
    lamport_event_free(event);

    /* From a revision on, what was before it began included. */
    again = watching(clock, revision);
    event = next(again);
    CHECK_TIME(lamport_observed_value(lamport_event_update(event)), 2);
    lamport_event_free(event);
    CHECK(lamport_watch_next_revision(again) > revision);
    lamport_clock_free(clock);
    lamport_watch_free(again); /* in any order */
}

/* Its result is the status. */
static void *waits(void *watch) {
    lamport_event_t *event = NULL;
    const lamport_status_t status = lamport_watch_next(watch, PATIENCE, &event, NULL);
    lamport_event_free(event);
    return (void *)(intptr_t)status;
}

/* Ends whoever waits, by the watch or by its clock. */
static void test_an_end_wakes_who_waits(int by_the_clock) {
    lamport_clock_t *clock = opened(store("close"), "api");
    lamport_watch_t *watch = watching(clock, 0);
    lamport_event_t *event = (lamport_event_t *)(void *)&base;
    lamport_error_t *error = NULL;
    pthread_t threads[READERS];
    void *status;
    int i;

    for (i = 0; i < READERS; i++)
        CHECK(pthread_create(&threads[i], NULL, waits, watch) == 0);
    if (by_the_clock)
        CHECK_OK(lamport_clock_close(clock, NULL));
    else
        CHECK_OK(lamport_watch_close(watch, NULL));
    for (i = 0; i < READERS; i++) {
        CHECK(pthread_join(threads[i], &status) == 0);
        CHECK_STATUS((lamport_status_t)(intptr_t)status, LAMPORT_STATUS_CLOSED);
    }
    CHECK_FAILS(lamport_watch_next(watch, PATIENCE, &event, &error), &error, LAMPORT_STATUS_CLOSED,
                "closed");
    CHECK((void *)event == (void *)&base);
    CHECK_OK(lamport_watch_close(watch, NULL));
    lamport_watch_free(watch);
    lamport_clock_free(clock);
}

struct reader {
    const lamport_watch_t *watch;
    uint64_t values[UPDATES];
    int count;
};

static pthread_mutex_t together = PTHREAD_MUTEX_INITIALIZER;
static int read_by_all;

static void *reads(void *argument) {
    struct reader *reader = argument;
    lamport_event_t *event = NULL;
    lamport_status_t status;
    int done = 0;

    while (!done && (status = lamport_watch_next(reader->watch, 20, &event, NULL)) == LAMPORT_STATUS_OK) {
        if (event != NULL)
            reader->values[reader->count++] = lamport_observed_value(lamport_event_update(event));
        pthread_mutex_lock(&together);
        read_by_all += event != NULL;
        done = read_by_all == UPDATES;
        pthread_mutex_unlock(&together);
        lamport_event_free(event);
    }
    return NULL;
}

static void test_threads_that_share_a_watch(void) {
    static struct reader readers[READERS];
    lamport_clock_t *clock = opened(store("share"), "api");
    lamport_watch_t *watch = watching(clock, 0);
    pthread_t threads[READERS];
    int seen[2 * UPDATES + 1] = {0};
    int i, j;

    for (i = 0; i < READERS; i++) {
        readers[i].watch = watch;
        CHECK(pthread_create(&threads[i], NULL, reads, &readers[i]) == 0);
    }
    for (i = 0; i < UPDATES; i++)
        updated(clock);
    for (i = 0; i < READERS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (i = 0; i < READERS; i++)
        for (j = 0; j < readers[i].count; j++) {
            if (CHECK(readers[i].values[j] <= 2 * UPDATES))
                seen[readers[i].values[j]]++;
            CHECK(j == 0 || readers[i].values[j] > readers[i].values[j - 1]);
        }
    for (i = 2; i <= 2 * UPDATES; i += 2)
        CHECK(seen[i] == 1);
    lamport_watch_free(watch);
    lamport_clock_free(clock);
}

static void test_kinds(void) {
    static const struct {
        int32_t kind, number;
        const char *name;
    } all[] = {
        {LAMPORT_EVENT_NONE, 0, "none"},
        {LAMPORT_EVENT_UPDATED, 1, "updated"},
        {LAMPORT_EVENT_DELETED, 2, "deleted"},
        {LAMPORT_EVENT_UNREADABLE, 3, "unreadable"},
        {LAMPORT_EVENT_MISSED, 4, "missed"},
        {LAMPORT_EVENT_INTERRUPTED, 5, "interrupted"},
        {LAMPORT_EVENT_ENDED, 6, "ended"},
    };
    size_t i;

    /* The numbers are written out a second time on purpose: they may never change. */
    for (i = 0; i < sizeof all / sizeof *all; i++) {
        CHECK(all[i].kind == all[i].number);
        CHECK_TEXT(lamport_event_kind_name(all[i].kind), all[i].name);
    }
    CHECK_TEXT(lamport_event_kind_name(-1), "unknown");
    CHECK_TEXT(lamport_event_kind_name(7), "unknown");
}

static void test_null_everywhere(void) {
    const lamport_status_t null = LAMPORT_STATUS_NULL_POINTER;
    lamport_clock_t *clock = opened("memory:", "api");
    lamport_watch_t *watch = watching(clock, 0), *no_watch = NULL;
    lamport_history_t *history = NULL;
    lamport_event_t *event = NULL;
    lamport_error_t *error = NULL;

    CHECK_FAILS(lamport_clock_open("memory:", "api", 0, NULL, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_history(NULL, 1, &history, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_history(clock, 1, NULL, &error), &error, null, "'history'");
    CHECK_FAILS(lamport_clock_history_from(NULL, 1, 1, &history, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_history_from(clock, 1, 1, NULL, &error), &error, null, "'history'");
    CHECK_FAILS(lamport_clock_watch(NULL, 0, &no_watch, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_watch(clock, 0, NULL, &error), &error, null, "'watch'");
    CHECK_FAILS(lamport_watch_next(NULL, 0, &event, &error), &error, null, "'watch'");
    CHECK_FAILS(lamport_watch_next(watch, 0, NULL, &error), &error, null, "'event'");
    CHECK_FAILS(lamport_watch_close(NULL, &error), &error, null, "'watch'");
    CHECK(history == NULL && no_watch == NULL && event == NULL);

    CHECK(lamport_update_previous_process(NULL) == NULL && lamport_update_stamp(NULL) == NULL);
    CHECK_TIME(lamport_update_first(NULL) + lamport_update_value(NULL), 0);
    CHECK_TIME(lamport_update_previous_value(NULL) + lamport_update_revision(NULL), 0);
    CHECK_TIME(lamport_update_round_trips(NULL) + lamport_update_regressed(NULL), 0);
    CHECK(lamport_update_real_timestamp(NULL) != lamport_update_real_timestamp(NULL));
    CHECK(lamport_history_count(NULL) == 0 && lamport_history_at(NULL, 0) == NULL);
    CHECK_TIME(lamport_history_compacted_before(NULL) + lamport_history_unreadable(NULL), 0);
    CHECK_TIME(lamport_history_unread_from(NULL), 0);
    CHECK_TIME(lamport_watch_next_revision(NULL), 0);
    CHECK(lamport_event_kind(NULL) == LAMPORT_EVENT_NONE && lamport_event_update(NULL) == NULL);
    CHECK_TIME(lamport_event_revision(NULL) + lamport_event_until(NULL), 0);
    CHECK_STATUS(lamport_event_status(NULL), LAMPORT_STATUS_OK);
    CHECK_TEXT(lamport_event_message(NULL), "");
    lamport_update_free(NULL);
    lamport_history_free(NULL);
    lamport_watch_free(NULL);
    lamport_event_free(NULL);
    lamport_watch_free(watch);
    lamport_clock_free(clock);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: test_watch STORE\n");
        return 2;
    }
    /* What hangs ends here. */
    alarm(240);
    base = argv[1];
    test_what_an_update_found();
    test_history();
    test_open_lazily();
    test_poll();
    test_an_end_wakes_who_waits(0);
    test_an_end_wakes_who_waits(1);
    test_threads_that_share_a_watch();
    test_kinds();
    test_null_everywhere();
    return report();
}
