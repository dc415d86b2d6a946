/*
 * The verbs of the clock, on any store.
 *
 *     test_clock STORE      a store whose record and neighbours (STORE-turns, ...) are still empty
 *     test_clock STORE VECTORS FILE    the signed headers too: tests/header.tsv, and a file for keys
 */
#include <math.h>
#include <pthread.h>
#include <sys/stat.h>

#include "check.h"

#define UNTOUCHED 77u
#define THREADS 8
#define ROUNDS 100

static void test_one_alone(void) {
    lamport_clock_t *clock = opened(store("alone"), "api");
    lamport_observed_t *observed = (lamport_observed_t *)(void *)&base;
    lamport_error_t *error = NULL;
    uint64_t instance, revision;
    double when;

    CHECK_OK(lamport_clock_read(clock, &observed, &error));
    CHECK(observed == NULL);
    CHECK_TIME(updated(clock), 2);
    CHECK_TIME(updated(clock), 4);
    CHECK_OK(lamport_clock_read(clock, &observed, &error));
    revision = lamport_observed_revision(observed);
    lamport_observed_free(observed);
    CHECK_TIME(updated(clock), 6);
    CHECK_TIME(lamport_clock_now(clock), 6);
    CHECK_OK(lamport_clock_update(clock, NULL, &error)); /* nobody asks what it took */
    CHECK_TIME(lamport_clock_now(clock), 8);

    instance = lamport_clock_instance(clock);
    CHECK(instance != 0);
    CHECK_OK(lamport_clock_read(clock, &observed, &error));
    lamport_clock_free(clock); /* what was read outlives the clock */
    CHECK_TIME(lamport_observed_value(observed), 8);
    CHECK_TIME(lamport_observed_first(observed), 8);
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

    CHECK_TIME(updated(a), 2);
    CHECK_TIME(updated(b), 3);
    CHECK_TIME(updated(a), 4);
    CHECK_TIME(updated(b), 5);
    CHECK_OK(lamport_clock_read(a, &observed, NULL));
    CHECK_TIME(lamport_observed_value(observed), 5);
    CHECK_TEXT(lamport_observed_process(observed), "b");
    lamport_observed_free(observed);

    CHECK(lamport_clock_instance(a) != lamport_clock_instance(b));
    lamport_clock_free(a);
    lamport_clock_free(b);
}

/* The next column of a line, which ends there; `*line` is what follows. */
static char *column(char **line) {
    char *start = *line, *end = start + strcspn(start, "\t\n");

    *line = *end == '\t' ? end + 1 : end;
    *end = '\0';
    return start;
}

/* A clock with the key in this file, which nobody else may read. */
static lamport_clock_t *clock_with_key(const char *path, const char *key) {
    lamport_config_t *config = lamport_config_new();
    lamport_clock_t *clock = NULL;
    FILE *file = fopen(path, "w");

    CHECK(file != NULL && fprintf(file, "%s\n", key) > 0 && fclose(file) == 0);
    CHECK(chmod(path, 0600) == 0);
    CHECK_OK(lamport_config_set(config, "store", "memory:", NULL));
    CHECK_OK(lamport_config_set(config, "node", "keeper", NULL));
    CHECK_OK(lamport_config_set(config, "header_key_file", path, NULL));
    CHECK_OK(lamport_clock_open_with(config, &clock, NULL));
    lamport_config_free(config);
    return clock;
}

/* Signed headers are those of every other language: tests/header.tsv. */
static void test_signed_headers(const char *vectors, const char *path) {
    FILE *file = fopen(vectors, "r");
    char line[4096], header[LAMPORT_HEADER_SIZE];
    int count = 0;

    if (!CHECK(file != NULL))
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        char *rest = line, *plain, *key, *value;
        lamport_clock_t *clock, *plain_clock;
        lamport_stamp_t *stamp = NULL;
        lamport_error_t *error = NULL;

        if (*line == '#')
            continue;
        count++;
        plain = column(&rest);
        key = column(&rest);
        value = column(&rest);
        clock = clock_with_key(path, key);
        CHECK_FAILS(lamport_clock_extract(clock, plain, &stamp, &error), &error,
                    LAMPORT_STATUS_UNTRUSTED, "is not signed");
        CHECK_TIME(lamport_clock_now(clock), 0);
        /* The last time of all moves no clock. */
        if (strncmp(value, "9007199254740991@", 17) != 0) {
            CHECK_OK(lamport_clock_extract(clock, value, &stamp, &error));
            CHECK_TIME(lamport_stamp_time(stamp), strtoull(plain, NULL, 10) + 1);
            lamport_stamp_free(stamp);
        }
        stamp = NULL;
        CHECK_OK(lamport_clock_inject(clock, header, sizeof header, NULL, &error));
        CHECK(strstr(header, "@keeper;instance=") != NULL && strstr(header, ";mac=") != NULL);
        plain_clock = opened(store("strangers"), "plain");
        CHECK_OK(lamport_clock_extract(plain_clock, header, &stamp, &error));
        lamport_stamp_free(stamp);
        lamport_clock_free(plain_clock);
        lamport_clock_free(clock);
    }
    CHECK(count == 12);
    fclose(file);
    remove(path);
}

static void test_local(void) {
    const uint64_t max_jump = UINT64_C(1) << 32;
    lamport_clock_t *clock = opened(store("local"), "api");
    lamport_error_t *error = NULL;
    lamport_observed_t *observed = NULL;
    lamport_stamp_t *sent = NULL, *received = NULL, *none = NULL;
    uint64_t time = UNTOUCHED;

    CHECK_TIME(lamport_clock_now(clock), 0);
    CHECK_OK(lamport_clock_tick(clock, &sent, &error));
    CHECK_TIME(lamport_stamp_time(sent), 1);
    CHECK_OK(lamport_clock_receive(clock, 10, &received, &error));
    CHECK_TIME(lamport_stamp_time(received), 11);
    CHECK_TEXT(lamport_stamp_process(received), lamport_clock_process(clock));
    CHECK_TIME(lamport_stamp_instance(received), lamport_clock_instance(clock));
    CHECK(lamport_stamp_compare(sent, received) == -1);
    CHECK_OK(lamport_clock_advance_past(clock, 3, &time, &error));
    CHECK_TIME(time, 12);
    CHECK_OK(lamport_clock_advance_past(clock, 0, &time, &error));
    CHECK_TIME(time, 13);
    CHECK_OK(lamport_clock_advance(clock, &time, &error));
    CHECK_TIME(time, 14);

    time = UNTOUCHED;
    CHECK_FAILS(lamport_clock_receive(clock, LAMPORT_TIME_MAX + 1, &none, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "9007199254740992");
    CHECK_FAILS(lamport_clock_advance_past(clock, UINT64_MAX, &time, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "18446744073709551615");
    CHECK_FAILS(lamport_clock_receive(clock, LAMPORT_TIME_MAX, &none, &error), &error,
                LAMPORT_STATUS_TOO_FAR_AHEAD, "unchanged");
    CHECK_FAILS(lamport_clock_advance_past(clock, max_jump + 1, &time, &error), &error,
                LAMPORT_STATUS_TOO_FAR_AHEAD, "unchanged");
    CHECK_TIME(time, UNTOUCHED);
    CHECK(none == NULL);
    CHECK_TIME(lamport_clock_now(clock), 14);
    CHECK_OK(lamport_clock_advance_past(clock, max_jump, &time, &error));
    CHECK_TIME(time, max_jump + 1);

    /* None of this touched the store. */
    CHECK_OK(lamport_clock_read(clock, &observed, &error));
    CHECK(observed == NULL);
    lamport_clock_free(clock); /* stamps outlive it */
    CHECK_TEXT(lamport_stamp_process(sent), "api");
    lamport_stamp_free(sent);
    lamport_stamp_free(received);
}

static void test_reserve(void) {
    lamport_clock_t *clock = opened(store("reserve"), "api");
    lamport_error_t *error = NULL;
    lamport_observed_t *observed = NULL;
    lamport_update_t *times = NULL;
    static const struct {
        uint64_t count, first, value;
    } taken[] = {{3, 2, 4}, {1, 6, 6}, {UINT64_C(1) << 32, 8, 8 + (UINT64_C(1) << 32) - 1}};
    size_t i;

    CHECK_FAILS(lamport_clock_reserve(clock, 0, &times, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "from 1 to 2^32");
    CHECK_FAILS(lamport_clock_reserve(clock, (UINT64_C(1) << 32) + 1, &times, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "4294967297");
    CHECK_FAILS(lamport_clock_reserve(clock, UINT64_MAX, &times, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "from 1 to 2^32");
    CHECK(times == NULL);

    for (i = 0; i < sizeof taken / sizeof *taken; i++) {
        CHECK_OK(lamport_clock_reserve(clock, taken[i].count, &times, &error));
        CHECK_TIME(lamport_update_first(times), taken[i].first);
        CHECK_TIME(lamport_update_value(times), taken[i].value);
        CHECK_OK(lamport_clock_read(clock, &observed, &error));
        CHECK_TIME(lamport_observed_first(observed), taken[i].first);
        CHECK_TIME(lamport_observed_value(observed), taken[i].value);
        lamport_observed_free(observed);
        lamport_update_free(times);
    }
    lamport_clock_free(clock);
}

struct worker {
    const lamport_clock_t *clock;
    uint64_t values[ROUNDS];
};

static void *work(void *argument) {
    struct worker *worker = argument;
    int i;
    for (i = 0; i < ROUNDS; i++)
        worker->values[i] = updated(worker->clock);
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
    int i, j, back = 0, twice = 0;

    for (i = 0; i < THREADS; i++) {
        workers[i].clock = clock;
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (i = 0; i < THREADS; i++) {
        for (j = 1; j < ROUNDS; j++)
            back += workers[i].values[j] <= workers[i].values[j - 1];
        memcpy(&all[i * ROUNDS], workers[i].values, sizeof workers[i].values);
    }
    qsort(all, THREADS * ROUNDS, sizeof *all, compare);
    for (i = 1; i < THREADS * ROUNDS; i++)
        twice += all[i] == all[i - 1];
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
    lamport_update_t *update = NULL;
    uint64_t time = UNTOUCHED;
    char buffer[512];

    CHECK_TIME(updated(clock), 2);
    CHECK_OK(lamport_clock_close(clock, &error));
    CHECK_OK(lamport_clock_close(clock, &error));
    CHECK_FAILS(lamport_clock_update(clock, &update, &error), &error, closed, "closed");
    CHECK_FAILS(lamport_clock_update(clock, NULL, &error), &error, closed, "closed");
    CHECK_FAILS(lamport_clock_reserve(clock, 1, &update, &error), &error, closed, "closed");
    CHECK_FAILS(lamport_clock_read(clock, &observed, &error), &error, closed, "closed");
    CHECK(update == NULL && observed == NULL);

    CHECK_OK(lamport_clock_advance(clock, &time, &error));
    CHECK_TIME(time, 3);
    CHECK_OK(lamport_clock_advance_past(clock, 7, &time, &error));
    CHECK_TIME(time, 8);
    CHECK_TIME(lamport_clock_now(clock), 8);
    CHECK(lamport_clock_instance(clock) != 0);
    CHECK_TEXT(lamport_clock_process(clock), "api");
    CHECK_OK(lamport_clock_location(clock, buffer, sizeof buffer, NULL, &error));

    CHECK_TIME(updated(other), 3); /* another clock on the same record goes on */
    lamport_clock_free(clock);
    lamport_clock_free(other);
}

int main(int argc, char **argv) {
    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: test_clock STORE [VECTORS FILE]\n");
        return 2;
    }
    base = argv[1];
    test_one_alone();
    test_two_in_turn();
    test_local();
    test_reserve();
    test_threads_on_one_handle();
    test_close();
    if (argc == 4)
        test_signed_headers(argv[2], argv[3]);
    return report();
}
