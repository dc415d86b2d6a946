/*
 * The verbs of the clock, on any store.
 *
 *     test_clock STORE      a store whose record and neighbours (STORE-turns, ...) are still empty
 */
#include <math.h>
#include <pthread.h>

#include "check.h"

#define UNTOUCHED 77u
#define THREADS 8
#define ROUNDS 100

static const char *base;

/* A record of its own for each test. */
static const char *store(const char *name) {
    static char uri[512];
    snprintf(uri, sizeof uri, "%s-%s", base, name);
    return uri;
}

static uint64_t updated(const lamport_clock_t *clock) {
    lamport_error_t *error = NULL;
    uint64_t value = UNTOUCHED;
    CHECK_OK(lamport_clock_update(clock, &value, &error));
    CHECK_TEXT(lamport_error_message(error), "");
    lamport_error_free(error);
    return value;
}

static void test_one_alone(void) {
    lamport_clock_t *clock = opened(store("alone"), "api");
    lamport_observed_t *observed = (lamport_observed_t *)(void *)&base;
    lamport_error_t *error = NULL;
    uint64_t instance = 0, revision, time = UNTOUCHED;
    double when;

    CHECK_OK(lamport_clock_read(clock, &observed, &error));
    CHECK(observed == NULL);
    CHECK_TIME(updated(clock), 2);
    CHECK_TIME(updated(clock), 4);
    CHECK_OK(lamport_clock_read(clock, &observed, &error));
    revision = lamport_observed_revision(observed);
    lamport_observed_free(observed);
    CHECK_TIME(updated(clock), 6);
    CHECK_OK(lamport_clock_now(clock, &time, &error));
    CHECK_TIME(time, 6);

    CHECK_OK(lamport_clock_instance(clock, &instance, &error));
    CHECK(instance != 0);
    CHECK_OK(lamport_clock_read(clock, &observed, &error));
    lamport_clock_free(clock); /* what was read outlives the clock */
    CHECK_TIME(lamport_observed_value(observed), 6);
    CHECK_TIME(lamport_observed_first(observed), 6);
    CHECK_TEXT(lamport_observed_process(observed), "api");
    CHECK_TIME(lamport_observed_instance(observed), instance);
    CHECK(lamport_observed_revision(observed) > revision);
    when = lamport_observed_real_timestamp(observed);
    CHECK(isfinite(when) && when > 1e9);
    lamport_observed_free(observed);
    CHECK(error == NULL);
}

static void test_two_in_turn(void) {
    lamport_clock_t *a = opened(store("turns"), "a");
    lamport_clock_t *b = opened(store("turns"), "b");
    lamport_observed_t *observed = NULL;
    uint64_t first = 0, second = 0;

    CHECK_TIME(updated(a), 2);
    CHECK_TIME(updated(b), 3);
    CHECK_TIME(updated(a), 4);
    CHECK_TIME(updated(b), 5);
    CHECK_OK(lamport_clock_read(a, &observed, NULL));
    CHECK_TIME(lamport_observed_value(observed), 5);
    CHECK_TEXT(lamport_observed_process(observed), "b");
    lamport_observed_free(observed);

    CHECK_OK(lamport_clock_instance(a, &first, NULL));
    CHECK_OK(lamport_clock_instance(b, &second, NULL));
    CHECK(first != second);
    lamport_clock_free(a);
    lamport_clock_free(b);
}

static void test_local(void) {
    const uint64_t max_jump = UINT64_C(1) << 48;
    lamport_clock_t *clock = opened(store("local"), "api");
    lamport_error_t *error = NULL;
    lamport_observed_t *observed = NULL;
    uint64_t time = UNTOUCHED;

    CHECK_OK(lamport_clock_now(clock, &time, &error));
    CHECK_TIME(time, 0);
    CHECK_OK(lamport_clock_tick(clock, &time, &error));
    CHECK_TIME(time, 1);
    CHECK_OK(lamport_clock_receive(clock, 10, &time, &error));
    CHECK_TIME(time, 11);
    CHECK_OK(lamport_clock_receive(clock, 3, &time, &error));
    CHECK_TIME(time, 12);
    CHECK_OK(lamport_clock_receive(clock, 0, &time, &error));
    CHECK_TIME(time, 13);

    time = UNTOUCHED;
    CHECK_FAILS(lamport_clock_receive(clock, LAMPORT_TIME_MAX + 1, &time, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "9007199254740992");
    CHECK_FAILS(lamport_clock_receive(clock, UINT64_MAX, &time, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "18446744073709551615");
    CHECK_FAILS(lamport_clock_receive(clock, LAMPORT_TIME_MAX, &time, &error), &error,
                LAMPORT_STATUS_TOO_FAR_AHEAD, "unchanged");
    CHECK_FAILS(lamport_clock_receive(clock, 13 + max_jump + 1, &time, &error), &error,
                LAMPORT_STATUS_TOO_FAR_AHEAD, "unchanged");
    CHECK_TIME(time, UNTOUCHED);
    CHECK_OK(lamport_clock_now(clock, &time, &error));
    CHECK_TIME(time, 13);
    CHECK_OK(lamport_clock_receive(clock, 13 + max_jump, &time, &error));
    CHECK_TIME(time, 13 + max_jump + 1);

    /* None of this touched the store. */
    CHECK_OK(lamport_clock_read(clock, &observed, &error));
    CHECK(observed == NULL);
    lamport_clock_free(clock);
}

static void test_reserve(void) {
    lamport_clock_t *clock = opened(store("reserve"), "api");
    lamport_error_t *error = NULL;
    lamport_observed_t *observed = NULL;
    uint64_t first = UNTOUCHED, last = UNTOUCHED;

    CHECK_FAILS(lamport_clock_reserve(clock, 0, &first, &last, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "from 1 to 2^32");
    CHECK_FAILS(lamport_clock_reserve(clock, (UINT64_C(1) << 32) + 1, &first, &last, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "4294967297");
    CHECK_FAILS(lamport_clock_reserve(clock, UINT64_MAX, &first, &last, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "from 1 to 2^32");
    CHECK(first == UNTOUCHED && last == UNTOUCHED);

    CHECK_OK(lamport_clock_reserve(clock, 3, &first, &last, &error));
    CHECK_TIME(first, 2);
    CHECK_TIME(last, 4);
    CHECK_OK(lamport_clock_read(clock, &observed, &error));
    CHECK_TIME(lamport_observed_first(observed), 2);
    CHECK_TIME(lamport_observed_value(observed), 4);
    lamport_observed_free(observed);
    CHECK_OK(lamport_clock_reserve(clock, 1, &first, &last, &error));
    CHECK_TIME(first, 6);
    CHECK_TIME(last, 6);
    CHECK_OK(lamport_clock_reserve(clock, UINT64_C(1) << 32, &first, &last, &error));
    CHECK_TIME(first, 8);
    CHECK_TIME(last, 8 + (UINT64_C(1) << 32) - 1);
    lamport_clock_free(clock);
}

struct worker {
    const lamport_clock_t *clock;
    uint64_t values[ROUNDS];
    int failures;
};

static void *work(void *argument) {
    struct worker *worker = argument;
    int i;
    for (i = 0; i < ROUNDS; i++)
        if (lamport_clock_update(worker->clock, &worker->values[i], NULL) != LAMPORT_STATUS_OK)
            worker->failures++;
    return NULL;
}

static int compare(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void test_threads_on_one_handle(void) {
    static struct worker workers[THREADS];
    static uint64_t all[THREADS * ROUNDS];
    pthread_t threads[THREADS];
    lamport_clock_t *clock = opened(store("threads"), "api");
    int i, j, back = 0, twice = 0, failures = 0;

    for (i = 0; i < THREADS; i++) {
        workers[i].clock = clock;
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (i = 0; i < THREADS; i++) {
        failures += workers[i].failures;
        for (j = 1; j < ROUNDS; j++)
            back += workers[i].values[j] <= workers[i].values[j - 1];
        memcpy(&all[i * ROUNDS], workers[i].values, sizeof workers[i].values);
    }
    qsort(all, THREADS * ROUNDS, sizeof *all, compare);
    for (i = 1; i < THREADS * ROUNDS; i++)
        twice += all[i] == all[i - 1];
    CHECK(failures == 0);
    CHECK(back == 0);
    CHECK(twice == 0);
    lamport_clock_free(clock);
}

static void test_close(void) {
    const lamport_status_t closed = LAMPORT_STATUS_CLOSED;
    lamport_clock_t *clock = opened(store("close"), "api");
    lamport_clock_t *other = opened(store("close"), "other");
    lamport_error_t *error = NULL;
    lamport_observed_t *observed = NULL;
    uint64_t a = UNTOUCHED, b = UNTOUCHED;
    char buffer[512];

    CHECK_TIME(updated(clock), 2);
    CHECK_OK(lamport_clock_close(clock, &error));
    CHECK_OK(lamport_clock_close(clock, &error));
    CHECK_FAILS(lamport_clock_update(clock, &a, &error), &error, closed, "closed");
    CHECK_FAILS(lamport_clock_reserve(clock, 1, &a, &b, &error), &error, closed, "closed");
    CHECK_FAILS(lamport_clock_read(clock, &observed, &error), &error, closed, "closed");
    CHECK(a == UNTOUCHED && b == UNTOUCHED && observed == NULL);

    CHECK_OK(lamport_clock_tick(clock, &a, &error));
    CHECK_TIME(a, 3);
    CHECK_OK(lamport_clock_receive(clock, 7, &a, &error));
    CHECK_TIME(a, 8);
    CHECK_OK(lamport_clock_now(clock, &a, &error));
    CHECK_TIME(a, 8);
    CHECK_OK(lamport_clock_instance(clock, &a, &error));
    CHECK_OK(lamport_clock_process(clock, buffer, sizeof buffer, NULL, &error));
    CHECK_OK(lamport_clock_location(clock, buffer, sizeof buffer, NULL, &error));

    CHECK_TIME(updated(other), 3); /* another clock on the same record goes on */
    lamport_clock_free(clock);
    lamport_clock_free(other);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: test_clock STORE\n");
        return 2;
    }
    base = argv[1];
    test_one_alone();
    test_two_in_turn();
    test_local();
    test_reserve();
    test_threads_on_one_handle();
    test_close();
    return report();
}
